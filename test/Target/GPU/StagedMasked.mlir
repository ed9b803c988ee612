// REQUIRES: ptxas
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_80 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_80 \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_80 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_80 -mattr=+ptx80 -o %t.ptx
// RUN: FileCheck %s < %t.ptx
// RUN: %ptxas -arch=sm_80 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_90a --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_90a \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.ptx
// RUN: FileCheck %s --check-prefix=TOGETHER < %t.ptx
// RUN: %ptxas -arch=sm_90a -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS

// 16-bit floats with masks come through shared memory as they are stored, and get their zeros there, in
// rows, which tensor cores then read. Of a bitmap all masks are counted first, and lanes add up counts
// for their places; of 1:4 places are known.

// CHECK-LABEL: .entry bitmap
// CHECK: popc.b32
// CHECK: cp.async.cg.shared.global
// CHECK: shfl.sync.bfly
// CHECK: ld.shared.b16
// CHECK: st.shared.v2.b32
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32
// CHECK-LABEL: .entry fixed
// CHECK-NOT: popc
// CHECK-NOT: shfl
// CHECK: mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32

// Warpgroups multiply what was prepared while the next portion is.

// TOGETHER-LABEL: .entry bitmap
// TOGETHER: wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{.*}}}, weights, inputs, adds, 1, 1, 0, 0;
// TOGETHER: st.shared.v2.b32
// TOGETHER: wgmma.wait_group.sync.aligned 1
// TOGETHER-LABEL: .entry fixed
// TOGETHER: wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {{.*}}}, weights, inputs, adds, 1, 1, 0, 0;
// TOGETHER: wgmma.wait_group.sync.aligned 1

// REGISTERS-NOT: Potential Performance Loss
// REGISTERS-COUNT-2: bytes stack frame, {{[0-9]?[0-9]}} bytes spill stores

!bitmap = !packed.weight<4096x4096, #packed.layout<bitmap, bf16>>
!fixed = !packed.weight<4096x4096, #packed.layout<nm, f16, n = 1, m = 4>>

func.func @bitmap(%tile: index, %first: index, %x: memref<?x4096xf32>, %h: memref<?x4128xbf16>, %w: !bitmap,
                 %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %first ins(%x, %h : memref<?x4096xf32>, memref<?x4128xbf16>)
    weight(%w : !bitmap) outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8, piece_tokens = 128>
  return
}

func.func @fixed(%tile: index, %first: index, %x: memref<?x4096xf32>, %h: memref<?x4128xf16>, %w: !fixed,
                 %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile tokens from %first ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>)
    weight(%w : !fixed) outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 16, piece_tokens = 128>
  return
}
