// The passes of the CPU target and their options.
#ifndef STC_TARGET_CPU_PASSES_TD
#define STC_TARGET_CPU_PASSES_TD

include "mlir/Pass/PassBase.td"

def ApproximateMathPass : Pass<"stc-approximate-math", "::mlir::ModuleOp"> {
  let summary = "Replaces f32 functions by arithmetic that vectorizes";
  let description = [{
    `math.exp`, `math.erf` and `math.tanh` of f32, scalar or vector, become polynomials exact to a
    few units in the last place; calls of the C library would be made lane by lane. Double precision
    stays: angles of rotary embeddings need the library's accuracy.

    Where the target has no such instruction, `math.fma` of f32 becomes a product and a sum.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"native\"", "What to compile for">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def EmitEntryPointsPass : Pass<"stc-emit-entry-points", "::mlir::ModuleOp"> {
  let summary = "Makes the C functions of a model binary";
  let description = [{
    @prefill, @decode and @score each get a public function `stc_model_prefill` ... of the signature
    in stc/Runtime/ModelABI.h; all other functions become internal. Every function gets the frame,
    the thread's number and the number of threads as its first arguments, from which weights,
    scratch buffers, caches, `packed.thread` and `packed.barrier` are found. The tables of
    `packed.weight_row` become constants, and packed.weight symbols disappear.

    The module's `stc.fingerprint` becomes the constant `stc_model_fingerprint`. Where `variant` is
    not negative the module is one of several for the same model: its functions are numbered
    (`stc_model_prefill_1` ...), and the constants are left to the table of variants.
  }];
  let options = [
    Option<"variant", "variant", "int64_t", "-1",
           "Which of several targets the module is for; negative: the only one">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::LLVM::LLVMDialect", "::stc::packed::PackedDialect"];
}

def LowerMicroOpsPass : Pass<"packed-lower-micro-ops", "::mlir::ModuleOp"> {
  let summary = "Turns micro-operations into the target's instructions";
  let description = [{
    `packed.dot4` becomes vpdpbusd (AVX512-VNNI at 512 bits, AVX-VNNI at 256), pmaddubsw and pmaddwd
    on other x86 targets, usdot or sdot or smull on AArch64, widening multiplications on RISC-V's
    vectors, and 32-bit multiplications elsewhere; no form saturates. Where an operation adds to
    another's result, products are added in 16 bits first as far as `bits` and `signed_bits` allow.

    `packed.expand` becomes vpexpandb with AVX512-VBMI2, LLVM's expanding load on RISC-V's vectors,
    a table of positions and a byte lookup on other x86 and AArch64 targets, and a loop over bytes
    elsewhere. `packed.select16` becomes that byte lookup: pshufb, tbl or vrgather;
    `packed.select64` becomes vpermb with AVX512-VBMI, and a loop over bytes elsewhere.
    `packed.tile_dot` becomes tile loads and tdpbsud with AMX-INT8, and dot products elsewhere;
    `packed.tile_dot_bf16` tile loads and tdpbf16ps with AMX-BF16, for which columns are put side by
    side in pairs on the stack, and multiply-adds elsewhere.
    `packed.prefetch` becomes LLVM's prefetch into the caches it names.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"native\"", "What to compile for">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def LowerTilesPass : Pass<"packed-lower-tiles", "::mlir::ModuleOp"> {
  let summary = "Writes the loops of every kernel";
  let description = [{
    `packed.matmul_tile`, `packed.attention_tile` and the other packed operations on memrefs, and
    `stc.cache_update`, become loops over vectors of 16 floats or 64 codes. What is still an
    abstract instruction stays a micro-operation. The weight layouts are read as Packing's Layout.h
    defines them: one generator serves all of them.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"native\"", "What to compile for">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect",
                           "::stc::packed::PackedDialect"];
}

def LowerToLLVMPass : Pass<"stc-lower-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Converts everything left to the LLVM dialect";
  let description = [{
    One conversion with upstream's patterns for arith, math, memref, vector, cf and func and our own
    for the last packed operations. Structured control flow must be gone.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def SelectLoweringConfigPass : Pass<"packed-select-lowering-config", "::mlir::ModuleOp"> {
  let summary = "Chooses how every packed.matmul is tiled";
  let description = [{
    Writes a `#packed.lowering_config` onto each `packed.matmul` that has none: one token at a time
    with several accumulator chains and prefetching where the number of tokens is one (the weights'
    bytes are the cost), as many tokens as the target's registers hold elsewhere (the arithmetic
    is). A driver may give the pass a chooser, which decides among candidates instead.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"native\"", "What to compile for">,
  ];
  let dependentDialects = ["::stc::packed::PackedDialect"];
}

def SplitActivationsPass : Pass<"packed-split-activations", "::mlir::ModuleOp"> {
  let summary = "Prepares activations for tile registers of bf16";
  let description = [{
    Where the target multiplies tiles of bf16, a `packed.matmul` on tensors whose weights are dense
    bf16 and whose tokens are 8 or more, or any number, gets a second input: the
    `packed.split_activations` of its first one, made once for all that read it. Tiles then multiply
    both halves and add them to the same sums, so that the weights count exactly and an activation
    to 2^-17 of itself. Blocks of fewer tokens keep reading the first input. For other targets
    nothing changes.
  }];
  let options = [
    Option<"target", "target", "std::string", "\"native\"", "What to compile for">,
  ];
  let dependentDialects = ["::mlir::tensor::TensorDialect", "::stc::packed::PackedDialect"];
  let statistics = [
    Statistic<"split", "split", "Number of activations that were split">,
  ];
}

#endif // STC_TARGET_CPU_PASSES_TD
