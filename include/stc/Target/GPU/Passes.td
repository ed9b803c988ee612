// The passes of GPU targets and their options.
#ifndef STC_TARGET_GPU_PASSES_TD
#define STC_TARGET_GPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def GpuTargetOption
    : Option<"target", "target", "std::string", "\"nvptx-sm_90\"", "What to compile for">;

def SelectBlockConfigPass : Pass<"packed-select-block-config", "::mlir::ModuleOp"> {
  let summary = "Chooses how blocks of threads tile every packed.matmul";
  let description = [{
    One token: row tiles go round the blocks one by one. More: as many row tiles per piece of work
    as make the busiest multiprocessor's products and activations least.
  }];
  let options = [GpuTargetOption];
  let dependentDialects = ["::stc::packed::PackedDialect"];
}

def ReplicateSmallWorkPass : Pass<"packed-replicate-small-work", "::mlir::ModuleOp"> {
  let summary = "Lets every block do what is quicker done than waited for";
  let description = [{
    One token's keys and values are put into the cache by every block, and the few pieces of its
    attention are added up by every block: all write the same, each reads what it has written itself,
    and none waits for another. Such loops are marked `packed.replicated`; they may have several
    iterations.
  }];
  let dependentDialects = ["::mlir::scf::SCFDialect", "::stc::packed::PackedDialect"];
  let statistics = [
    Statistic<"replicated", "replicated", "Number of loops that every block runs">,
  ];
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
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

#endif // STC_TARGET_GPU_PASSES_TD
