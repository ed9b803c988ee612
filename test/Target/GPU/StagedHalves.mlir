// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_80 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_80 --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_80 --reconcile-unrealized-casts -o %t.80.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.80.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -mattr=+ptx80 -o %t.80.ptx
// RUN: FileCheck %s < %t.80.ptx
// RUN: %ptxas -arch=sm_80 -v %t.80.ptx -o %t.80.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90a --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_90a --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts -o %t.90.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.90.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.90.ptx
// RUN: FileCheck %s --check-prefix=TOGETHER < %t.90.ptx
// RUN: %ptxas -arch=sm_90a -v %t.90.ptx -o %t.90.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS

// A warp's 64 tokens times 32 rows stay in registers, and so do a warpgroup's 128 times 64: none of a
// thread's 128 is spilled. Warpgroups read both matrices from shared memory (weights are the
// transposed one, "1, 0"), and products are under way until the next have been started; ptxas must
// not make them wait for each other (C75..).

// CHECK-LABEL: .entry rounded
// CHECK: cp.async.cg.shared.global
// CHECK: ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32
// CHECK-LABEL: .entry split
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32

// TOGETHER-LABEL: .entry rounded
// TOGETHER: cp.async.wait_group 2
// TOGETHER: fence.proxy.async
// TOGETHER: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {{.*}}}, weights, inputs, adds, 1, 1, 1, 0;
// TOGETHER: wgmma.wait_group.sync.aligned 1
// TOGETHER-LABEL: .entry split
// TOGETHER: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16

// REGISTERS-NOT: Potential Performance Loss
// REGISTERS-COUNT-2: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads

func.func @rounded(%tile: index, %x: memref<?x4096xf32>, %h: memref<?x4128xf16>,
                   %w: !packed.weight<4096x4096, #packed.layout<dense, f16>>,
                   %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, f16>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 16>
  return
}

func.func @split(%tile: index, %x: memref<?x4096xf32>, %h: memref<?x8256xbf16>,
                 %w: !packed.weight<4096x4096, #packed.layout<dense, bf16>>,
                 %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x, %h : memref<?x4096xf32>, memref<?x8256xbf16>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, bf16>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 16>
  return
}
