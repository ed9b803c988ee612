// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_90 --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90 --reconcile-unrealized-casts -o %t.llvm.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.llvm.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 -mattr=+ptx80 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS

// A warp's 32 tokens times 32 rows stay in registers, of which 512 threads have 128 each; a few values
// that no loop needs may not.

// CHECK-LABEL: .entry codes
// CHECK: cp.async.cg.shared.global
// CHECK: cp.async.ca.shared.global {{.*}}, 4;
// CHECK: ld.shared.v2.b32
// CHECK: mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32
// CHECK-LABEL: .entry halves
// CHECK: cvt.rn.bf16x2.f32
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-NOT: .local

// REGISTERS: properties for halves
// REGISTERS-NEXT: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
// REGISTERS: properties for codes
// REGISTERS-NEXT: {{[0-9]?[0-9]}} bytes spill stores, {{[0-9]?[0-9]}} bytes spill loads

func.func @codes(%tile: index, %q: memref<?x4096xi8>, %s: memref<?x32xf32>, %n: memref<?x32xi32>,
                 %w: !packed.weight<4096x4096, #packed.layout<dense, i4, group = 128>>,
                 %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x32xf32>, memref<?x32xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, i4, group = 128>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}

func.func @halves(%tile: index, %x: memref<?x4096xf32>,
                  %w: !packed.weight<4096x4096, #packed.layout<dense, bf16>>,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x : memref<?x4096xf32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, bf16>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 2>
  return
}
