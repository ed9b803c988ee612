// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90a --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_90a --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts -o %t.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %ptxas -arch=sm_90a -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS

// A portion is waited for once. Products of its first half start when those of the half before are
// done, whose weights are loaded before that; then comes the second half, and meanwhile the portion
// after the next is copied. Nothing is scaled.

// CHECK-LABEL: .entry rows
// CHECK: cp.async.wait_group 1
// CHECK: fence.proxy.async
// CHECK: bar.sync
// CHECK-NOT: cvt.rn
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: wgmma.fence.sync.aligned
// CHECK-COUNT-2: wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {{.*}}, adds;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK-COUNT-2: wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 {{.*}}, adds;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: cp.async.wait_group 0
// CHECK: fence.proxy.async
// CHECK: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK-NOT: cvt.rn
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: cvt.rn.f32.s32

// Of a 2:4 matrix the operands of the next portion are made while products are under way.

// CHECK-LABEL: .entry pruned
// CHECK: wgmma.mma_async.sp.sync.aligned.m64n128k64.s32.s8.s8
// CHECK-NOT: bar.sync
// CHECK: st.shared.v4
// CHECK-NOT: bar.sync
// CHECK: wgmma.mma_async.sp.sync.aligned.m64n128k64.s32.s8.s8
// CHECK-NOT: bar.sync
// CHECK: cp.async.wait_group 0

// The assembler leaves products asynchronous.

// PTXAS-NOT: serialized

func.func @rows(%tile: index, %token: index, %q: memref<?x4096xi8>, %s: memref<?x1xf32>,
                %n: memref<?x1xi32>,
                %w: !packed.weight<4096x4096, #packed.layout<dense, i8, group = 128, per_row = true>>,
                %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %token
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x1xf32>, memref<?x1xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, i8, group = 128, per_row = true>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8, piece_tokens = 256>
  return
}

func.func @pruned(%tile: index, %token: index, %q: memref<?x4096xi8>, %s: memref<?x1xf32>,
                  %n: memref<?x1xi32>,
                  %w: !packed.weight<4096x4096, #packed.layout<nm, i8, group = 128, n = 2, m = 4, per_row = true>>,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %token
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x1xf32>, memref<?x1xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<nm, i8, group = 128, n = 2, m = 4, per_row = true>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8, piece_tokens = 256>
  return
}
