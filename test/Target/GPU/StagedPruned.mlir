// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_80 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_80 \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_80 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -mattr=+ptx80 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %ptxas -arch=sm_80 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90a --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_90a \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: FileCheck %s --check-prefix=TOGETHER < %t.ptx
// RUN: %ptxas -arch=sm_90a -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_100 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_100 \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_100 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_100 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_100 -mattr=+ptx86 -o %t.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,ORDERED < %t.ptx
// RUN: %ptxas -arch=sm_100 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_120 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_120 \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_120 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_120 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_120 -mattr=+ptx87 -o %t.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,ORDERED < %t.ptx
// RUN: %ptxas -arch=sm_120 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS

// Every chip with sparse tensor cores takes what brings a 2:4 matrix through shared memory: values, masks and
// activations in copies of 16 bytes, then operands that the warps of a slice make, and products whose
// operands are loads of 16 bytes. A loop keeps its sums in the 128 registers of each of 512 threads.

// CHECK-LABEL: .entry pruned
// CHECK: cp.async.cg.shared.global
// CHECK: ld.shared.b8
// CHECK: st.shared.v4.b32
// CHECK: bar.sync
// CHECK: ld.shared.v4.b32
// CHECK: mma.sp{{.*}}.sync.aligned.m16n8k64.row.col.s32.s8.s8.s32
// ORDERED: mma.sp::ordered_metadata
// CHECK-NOT: shfl

// Four warps take the first of a piece's tokens together where they can.

// TOGETHER-LABEL: .entry pruned
// TOGETHER: fence.proxy.async
// TOGETHER: ld.shared.b8
// TOGETHER: st.shared.v4.b32
// TOGETHER: wgmma.fence.sync.aligned
// TOGETHER-COUNT-2: wgmma.mma_async.sp.sync.aligned.m64n64k64.s32.s8.s8
// TOGETHER: wgmma.wait_group.sync.aligned 0

// REGISTERS: properties for pruned
// REGISTERS-NEXT: {{[0-9]?[0-9]}} bytes spill stores

func.func @pruned(%tile: index, %token: index, %q: memref<?x4096xi8>, %s: memref<?x32xf32>,
                  %n: memref<?x32xi32>,
                  %w: !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %token
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x32xf32>, memref<?x32xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 4, piece_tokens = 128>
  return
}
