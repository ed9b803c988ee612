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
// RUN: %ptxas -arch=sm_90a -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=REGISTERS
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_100 --stc-approximate-gpu-math \
// RUN:   --canonicalize --cse --loop-invariant-code-motion --packed-place-shared-memory=target=nvptx-sm_100 \
// RUN:   --convert-scf-to-cf --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_100 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_100 \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_100 -mattr=+ptx86 -o %t.ptx
// RUN: FileCheck %s --check-prefixes=CHECK,ORDERED < %t.ptx
// RUN: %ptxas -arch=sm_100 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: %ptxas -arch=sm_120 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: sed 's/row_tiles = 8/row_tiles = 16/' %s | stc-opt --packed-lower-block-tiles=target=nvptx-sm_90a \
// RUN:   --stc-approximate-gpu-math --canonicalize --cse --loop-invariant-code-motion \
// RUN:   --packed-place-shared-memory=target=nvptx-sm_90a --convert-scf-to-cf \
// RUN:   --expand-strided-metadata --lower-affine --canonicalize --cse \
// RUN:   --stc-lower-to-gpu=target=nvptx-sm_90a --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a \
// RUN:   | llc -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90a -mattr=+ptx84 -o %t.ptx
// RUN: FileCheck %s --check-prefix=TOGETHER < %t.ptx
// RUN: %ptxas -arch=sm_90a -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=KEPT

// 2:4 weights of 16 bits come through shared memory with their masks and the activations. A warp's 64
// tokens times 32 rows stay in registers, but for a few that newer chips keep elsewhere.

// CHECK-LABEL: .entry rounded
// CHECK: cp.async.cg.shared.global
// CHECK: ld.shared.v2.b32
// CHECK: ldmatrix.sync.aligned.m8n8.x4.shared.b16
// CHECK: mma.sp{{.*}}.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32
// ORDERED: mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32
// CHECK-NOT: shfl
// CHECK-LABEL: .entry split
// CHECK: mma.sp{{.*}}.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32
// ORDERED: mma.sp::ordered_metadata.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32
// CHECK-NOT: shfl
// CHECK-LABEL: .entry halves
// CHECK: cvt.rn.bf16x2.f32
// CHECK: mma.sp{{.*}}.sync.aligned.m16n8k32.row.col.f32.bf16.bf16.f32

// Warpgroups have weights and places in registers, those of two portions or halves of one in turns,
// and products are under way until the next have been started; ptxas must not make them wait for
// each other (C75..).

// TOGETHER-LABEL: .entry rounded
// TOGETHER: cp.async.wait_group 2
// TOGETHER: fence.proxy.async
// TOGETHER: ld.shared.v2.b32
// TOGETHER: wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.f16.f16 {{.*}}}, inputs, %r{{[0-9]+}}, 0, adds, 1, 1, 0;
// TOGETHER: wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.f16.f16 {{.*}}}, inputs, %r{{[0-9]+}}, 1, adds, 1, 1, 0;
// TOGETHER: wgmma.wait_group.sync.aligned 1
// TOGETHER-LABEL: .entry split
// TOGETHER-COUNT-2: wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {{.*}}, 0, adds, 1, 1, 0;
// TOGETHER-COUNT-2: wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {{.*}}, 1, adds, 1, 1, 0;
// TOGETHER: wgmma.wait_group.sync.aligned 1
// TOGETHER-LABEL: .entry halves
// TOGETHER-COUNT-3: wgmma.mma_async.sp.sync.aligned.m64n128k32.f32.bf16.bf16 {{.*}}, 0, adds, 1, 1, 0;
// TOGETHER: wgmma.wait_group.sync.aligned 1

// KEPT-NOT: Potential Performance Loss
// KEPT-COUNT-3: bytes stack frame, {{[0-9]?[0-9]}} bytes spill stores

// REGISTERS-COUNT-3: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
// FEW-COUNT-3: bytes stack frame, {{[0-9]?[0-9]}} bytes spill stores

!f16 = !packed.weight<4096x4096, #packed.layout<nm, f16, n = 2, m = 4>>
!bf16 = !packed.weight<4096x4096, #packed.layout<nm, bf16, n = 2, m = 4>>

func.func @rounded(%tile: index, %x: memref<?x4096xf32>, %h: memref<?x4128xf16>, %w: !f16,
                   %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x, %h : memref<?x4096xf32>, memref<?x4128xf16>)
    weight(%w : !f16) outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}

func.func @split(%tile: index, %x: memref<?x4096xf32>, %h: memref<?x8256xbf16>, %w: !bf16,
                 %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x, %h : memref<?x4096xf32>, memref<?x8256xbf16>)
    weight(%w : !bf16) outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}

// f16 weights become sums of two bf16 where the activations are such sums.
func.func @halves(%tile: index, %x: memref<?x4096xf32>, %h: memref<?x8256xbf16>, %w: !f16,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x, %h : memref<?x4096xf32>, memref<?x8256xbf16>)
    weight(%w : !f16) outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}
