// Floats with masks become vectors by what each target has for it, of four rows with four columns.
// RUN: stc-opt %s --packed-lower-tiles=target=x86-64-v4 | FileCheck %s --check-prefix=AVX512
// RUN: stc-opt %s --packed-lower-tiles=target=x86-64-v3 | FileCheck %s --check-prefix=AVX2
// RUN: stc-opt %s --packed-lower-tiles=target=x86-64-v2 | FileCheck %s --check-prefix=SSE
// RUN: stc-opt %s --packed-lower-tiles=target=aarch64 | FileCheck %s --check-prefix=NEON
// RUN: stc-opt %s --packed-lower-tiles=target=riscv64+v | FileCheck %s --check-prefix=RVV
// RUN: stc-opt %s --packed-lower-tiles=target=riscv64 | FileCheck %s --check-prefix=SCALAR

// AVX2-DAG: llvm.mlir.global internal constant @stc_expand_bf16({{.*}}) {addr_space = 0 : i32, alignment = 64 : i64}
// AVX2-DAG: llvm.mlir.global internal constant @stc_expand_f32
// AVX2-DAG: llvm.mlir.global internal constant @stc_expand_f16

// A bitmap counts bits to find the next floats: 64 floats are eight lookups, two for a vector.
// AVX512-LABEL: @bitmap
// AVX512-COUNT-4: "llvm.x86.avx512.mask.expand.v16f32"
// AVX2-LABEL: @bitmap
// AVX2: math.ctpop
// AVX2-COUNT-8: "llvm.x86.avx2.pshuf.b"
// SSE-LABEL: @bitmap
// SSE-COUNT-16: "llvm.x86.ssse3.pshuf.b.128"
// NEON-LABEL: @bitmap
// NEON-COUNT-16: "llvm.aarch64.neon.tbl1.v16i8"
// RVV-LABEL: @bitmap
// RVV: llvm.intr.masked.expandload{{.*}} vector<16xi16>
// SCALAR-LABEL: @bitmap
// SCALAR: arith.select
func.func @bitmap(%i: index, %x: memref<1x32xf32>, %y: memref<1x16xf32>,
    %w: !packed.weight<16x32, #packed.layout<bitmap, bf16>>) {
  packed.matmul_tile %i ins(%x : memref<1x32xf32>)
      weight(%w : !packed.weight<16x32, #packed.layout<bitmap, bf16>>)
      outs(%y : memref<1x16xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  return
}

// Where each row has N of four, nothing is counted.
// AVX2-LABEL: @two_of_four
// AVX2-NOT: math.ctpop
// AVX2: return
func.func @two_of_four(%i: index, %x: memref<1x32xf32>, %y: memref<1x16xf32>,
    %w: !packed.weight<16x32, #packed.layout<nm, f32, n = 2, m = 4>>) {
  packed.matmul_tile %i ins(%x : memref<1x32xf32>)
      weight(%w : !packed.weight<16x32, #packed.layout<nm, f32, n = 2, m = 4>>)
      outs(%y : memref<1x16xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
  return
}

// Several tokens share what was expanded into memory: 128 columns at a time, and what is left.
// AVX2-LABEL: @tokens
// AVX2: llvm.alloca
// AVX2: llvm.alloca
// AVX2: scf.for
// AVX2: scf.for
// AVX2: "llvm.x86.ssse3.pshuf.b.128"
// AVX2: llvm.store
// AVX2: scf.for
// AVX2: scf.for
// AVX2-COUNT-3: math.fma
func.func @tokens(%i: index, %x: memref<3x288xf32>, %y: memref<3x16xf32>,
    %w: !packed.weight<16x288, #packed.layout<nm, f16, n = 4, m = 8>>) {
  packed.matmul_tile %i ins(%x : memref<3x288xf32>)
      weight(%w : !packed.weight<16x288, #packed.layout<nm, f16, n = 4, m = 8>>)
      outs(%y : memref<3x16xf32>) config <tokens = 3, accumulators = 1, prefetch = 0>
  return
}
