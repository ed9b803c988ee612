// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_80 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_80 --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_80 --reconcile-unrealized-casts -o %t.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -mattr=+ptx80 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %ptxas -arch=sm_80 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: sed 's/row_tiles = 8/row_tiles = 16/' %s \
// RUN:   | stc-opt --packed-lower-block-tiles=target=nvptx-sm_90a --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_90a --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts -o %t.90.mlir
// RUN: mlir-translate --mlir-to-llvmir %t.90.mlir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.90.ptx
// RUN: FileCheck %s --check-prefix=TOGETHER < %t.90.ptx
// RUN: %ptxas -arch=sm_90a -v %t.90.ptx -o %t.90.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: not stc-opt %s --packed-lower-block-tiles=target=amdgpu-gfx942 2>&1 | FileCheck %s --check-prefix=OTHER
// RUN: not stc-opt %s --packed-lower-tiles=target=x86-64-v3 2>&1 | FileCheck %s --check-prefix=CPU

// Codes come to shared memory as they are; what they become stays in registers.

// CHECK-LABEL: .entry wide
// CHECK: cp.async.cg.shared.global
// CHECK: ld.shared.v4.b32
// CHECK: prmt.b32
// CHECK: add{{.*}}.f16x2
// CHECK: mul{{.*}}.f16x2
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32

// What warpgroups multiply is prepared in shared memory, in rows as tokens have, while the products of
// the portion before are under way.

// TOGETHER-LABEL: .entry wide
// TOGETHER: fence.proxy.async
// TOGETHER: wgmma.fence.sync.aligned
// TOGETHER-COUNT-4: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {{.*}}}, weights, inputs, adds, 1, 1, 0, 0;
// TOGETHER: prmt.b32
// TOGETHER: mul{{.*}}.f16x2
// TOGETHER: st.shared.v2
// TOGETHER: wgmma.wait_group.sync.aligned 1

// REGISTERS-NOT: Potential Performance Loss
// REGISTERS: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads

// OTHER: error: 'packed.matmul_tile' op expects int8 activations for these weights on amdgpu-gfx942
// CPU: error: 'packed.matmul_tile' op expects int8 activations for quantized weights on processors

func.func @wide(%tile: index, %h: memref<?x4128xf16>,
                %w: !packed.weight<4096x4096, #packed.layout<dense, i4, group = 128>>,
                %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%h : memref<?x4128xf16>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<dense, i4, group = 128>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}
