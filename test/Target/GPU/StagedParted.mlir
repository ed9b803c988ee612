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

// A warpgroup waits for the portion, and starts products, which begin at zero. Then it copies the
// portion after the next and says to others that it is done with the one before, ahead of the
// arithmetic that follows its own products.

// CHECK-LABEL: .entry parted
// CHECK: fence.proxy.async
// CHECK: bar.arrive
// CHECK: bar.sync
// CHECK: wgmma.fence.sync.aligned
// CHECK: wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 {{.*}}, begins;
// CHECK-COUNT-3: wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 {{.*}}, adds;
// CHECK: wgmma.commit_group.sync.aligned
// CHECK: wgmma.wait_group.sync.aligned 0
// CHECK: cp.async.wait_group 0
// CHECK: fence.proxy.async
// CHECK: cp.async.cg.shared.global
// CHECK: cp.async.commit_group
// CHECK-COUNT-3: bar.arrive
// CHECK: cvt.rn.f32.s32

// The assembler leaves products asynchronous.

// PTXAS-NOT: serialized

func.func @parted(%tile: index, %token: index, %q: memref<?x4096xi8>, %s: memref<?x32xf32>,
                  %n: memref<?x32xi32>,
                  %w: !packed.weight<4096x4096, #packed.layout<dense, i8, group = 128>>,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %token
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x32xf32>, memref<?x32xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, i8, group = 128>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8, piece_tokens = 128>
  return
}
