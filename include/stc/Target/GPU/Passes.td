// The passes of GPU targets and their options.
#ifndef STC_TARGET_GPU_PASSES_TD
#define STC_TARGET_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def GpuTargetOption
    : Option<"target", "target", "std::string", "\"nvptx-sm_90\"", "What to compile for">;

def NarrowActivationsPass : Pass<"packed-narrow-activations", "::mlir::ModuleOp"> {
  let summary = "Prepares activations of many tokens for tensor cores";
  let description = [{
    Where the target has tensor cores, a `packed.matmul` on tensors of any number of tokens, whose
    weights are 16-bit floats, dense or 2:4, of columns that come in portions of 64, gets a second
    input: the `packed.split_activations` of its first one, made once for all that read it. With bf16 weights
    these are sums of two numbers, so that the weights count exactly and an activation to 2^-17 of
    itself; so with those of 2:4 f16, while dense f16 weights keep their one input. With `rounds` both get activations that were rounded
    once to the weights' type, to 2^-8 of themselves in bf16 and 2^-11 in f16, and half as many
    products or fewer; and dense codes, in groups of 32 and more with scales of their own and columns
    in whole portions, take activations rounded to f16 in the place of int8 ones, unless these are
    in another order. With `per-token` the int8 activations of weights with scales of rows, dense or
    2:4 where the target multiplies that, get one scale for each token in the place of one for each
    128 columns, if there are at most 65536 columns. A lone token's activations stay what they are.
  }];
  let options = [GpuTargetOption,
    Option<"rounds", "rounds", "bool", "false", "Round activations once, to 16 bits">,
    Option<"perToken", "per-token", "bool", "false", "Give int8 activations a scale for each token">,
  ];
  let dependentDialects = ["::mlir::tensor::TensorDialect", "::stc::packed::PackedDialect"];
  let statistics = [
    Statistic<"narrowed", "narrowed", "Number of activations that were made others">,
  ];
}

def SpecializeTokenCountsPass : Pass<"packed-specialize-token-counts", "::mlir::ModuleOp"> {
  let summary = "Gives calls of few tokens code of their own";
  let description = [{
    Pieces of work that suit a long prompt leave most multiprocessors without any where a call has
    few tokens: pieces are as large as many tokens want them. So @prefill gets copies for up to 64
    tokens, @prefill_64, and for up to 256, each of which becomes a kernel (the module's
    `stc.few_tokens` says which there are), and is left with more tokens. For simulated targets it
    becomes a choice among the copies by the number of tokens. All functions of a copy have the
    attribute `packed.token_range`, which `packed-select-block-config` reads. Where that would
    choose the same for the next larger numbers, there is no copy, nor for matrices of less than half
    a million weights.
  }];
  let options = [
    GpuTargetOption,
    Option<"maxTokens", "max-tokens", "int64_t", "256", "The largest dynamic dimension">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"copied", "copied", "Number of functions for some numbers of tokens">];
}

def SelectBlockConfigPass : Pass<"packed-select-block-config", "::mlir::ModuleOp"> {
  let summary = "Chooses how blocks of threads tile every packed.matmul and packed.attention";
  let description = [{
    One token: row tiles go round the blocks one by one. More: a piece of work is as many row tiles
    times as many tokens (`row_tiles` and `piece_tokens` of the config) as take the busiest
    multiprocessor least time, by a model of its products and of the bytes that it reads. How many
    tokens calls have says the function (`packed.token_range`), else the option.

    Attention of several tokens by tensor cores: as many rows (`packed.rows_per_tile`) as leave
    shared memory for two blocks of keys and values, at most 128.
  }];
  let options = [
    GpuTargetOption,
    Option<"maxTokens", "max-tokens", "int64_t", "256", "The largest dynamic dimension">,
  ];
  let dependentDialects = ["::stc::packed::PackedDialect"];
}

def ReplicateSmallWorkPass : Pass<"packed-replicate-small-work", "::mlir::ModuleOp"> {
  let summary = "Lets every block do what is quicker done than waited for";
  let description = [{
    The few pieces of one token's attention are added up by every block: all write the same, each
    reads what it has written itself, and none waits for another. Such loops are marked
    `packed.replicated`; they may have several iterations.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::stc::packed::PackedDialect"];
  let statistics = [
    Statistic<"replicated", "replicated", "Number of loops that every block runs">,
  ];
}

def FuseCacheUpdatesPass : Pass<"packed-fuse-cache-updates", "::mlir::ModuleOp"> {
  let summary = "Lets the blocks that attend to a new key store it first";
  let description = [{
    A lone token's `stc.cache_update` is the work of one block, for which all others would wait. It
    moves into the loop of the `packed.attention_tile` behind it: those pieces that see the newest
    position store it. They all store all heads, and so the same values.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
  let statistics = [Statistic<"fused", "fused", "Number of updates fused into attention">];
}

def DistributeBlocksPass : Pass<"packed-distribute-blocks", "::mlir::ModuleOp"> {
  let summary = "Gives every block of threads its share of each scf.forall";
  let description = [{
    Every block of the grid runs every function; `packed.thread` is its number. The iterations of
    all `scf.forall` between two barriers are numbered through, and block b of B takes those whose
    number is b modulo B: small loops one after the other fill the blocks that others left idle.
    Foralls marked `packed.replicated` are run by every block.

    A forall that does nothing but multiply one token by row tiles becomes the code that streams all
    of a block's tiles through its threads.
  }];
  let options = [GpuTargetOption];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::vector::VectorDialect",
                           "::mlir::NVVM::NVVMDialect", "::stc::packed::PackedDialect"];
}

def LowerBlockTilesPass : Pass<"packed-lower-block-tiles", "::mlir::ModuleOp"> {
  let summary = "Writes the code by which a block of threads computes each tile";
  let description = [{
    Operations on memrefs that one CPU thread would run alone become code that the threads of a block
    run together, with `gpu.barrier` after each. Loops over columns (`packed.columns`) are divided
    among the threads; sums are put together over the block.
  }];
  let options = [GpuTargetOption];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::scf::SCFDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::vector::VectorDialect",
                           "::mlir::NVVM::NVVMDialect", "::stc::packed::PackedDialect"];
}

def ApproximateGPUMathPass : Pass<"stc-approximate-gpu-math", "::mlir::ModuleOp"> {
  let summary = "Replaces functions that are no instructions of GPUs by arithmetic";
  let description = [{
    `math.exp`, `math.erf` and `math.tanh` of f32 become polynomials exact to a few units in the last
    place, `math.sin` and `math.cos` of f64 a reduction of the angle by multiples of pi / 2 and
    polynomials, exact to 1e-11 for angles below 2^30: no device library is linked.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def ExpandNarrowFloatsPass : Pass<"stc-expand-narrow-floats", "::mlir::ModuleOp"> {
  let summary = "Converts 16-bit floats by arithmetic of integers";
  let description = [{
    For targets that have no 16-bit floats, or only some of whose devices have them. `arith.extf` of
    f16 and bf16 to f32 moves the bits to their places; `arith.truncf` of f32 to f16 rounds to the
    nearest, half to even, and what is too large for an f16 becomes the largest one.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

def PlaceSharedMemoryPass : Pass<"packed-place-shared-memory", "::mlir::ModuleOp"> {
  let summary = "Places private buffers in shared memory";
  let description = [{
    Every `memref.alloca` becomes a place in the shared memory of the block, behind what kernels use
    between their barriers. The functions of a module lie behind each other, as they may call each
    other. The module gets the attribute `stc.block_shared_bytes`.
  }];
  let options = [GpuTargetOption];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::stc::packed::PackedDialect"];
}

def EmitKernelsPass : Pass<"stc-emit-kernels", "::mlir::ModuleOp"> {
  let summary = "Makes the kernels of a GPU image";
  let description = [{
    @prefill, @decode and @score each get a kernel `stc_model_prefill` ... with one parameter, the
    StcFrame of stc/Runtime/ModelABI.h by value; all other functions become internal and are inlined.
    Every function gets the frame as its first argument, from which weights, scratch buffers and
    caches are found. `packed.thread` is the number of the block in the grid, `packed.barrier` waits
    for all blocks.

    For `simt` and `simt-mma` they are called `decode_kernel` ..., and entry points as a CPU's run them as blocks
    whose threads the runtime simulates.
  }];
  let options = [GpuTargetOption,
                 Option<"variant", "variant", "int64_t", "-1",
                        "Of simulated targets: number of the target among several, a suffix of the names">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect", "::stc::packed::PackedDialect"];
}

def LowerToGPUPass : Pass<"stc-lower-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Converts everything left to the LLVM dialect of a GPU";
  let description = [{
    As `stc-lower-to-llvm`, and the operations of the `gpu` dialect become the target's. For `simt`
    and `simt-mma` they become calls of stc/Runtime/Simt.h, and all pointers those of one address space.
  }];
  let options = [GpuTargetOption];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect",
                           "::mlir::ROCDL::ROCDLDialect"];
}

#endif // STC_TARGET_GPU_PASSES_TD
