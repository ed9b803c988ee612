// RUN: stc-opt %s --packed-lower-block-tiles=target=amdgpu-gfx90a --stc-approximate-gpu-math --canonicalize --cse \
// RUN:   --packed-place-shared-memory=target=amdgpu-gfx90a --convert-scf-to-cf --expand-strided-metadata \
// RUN:   --lower-affine --canonicalize --cse --stc-lower-to-gpu=target=amdgpu-gfx90a --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx90a \
// RUN:   | llc -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx90a \
// RUN:   | FileCheck %s --check-prefixes=CHECK,GFX90A
// RUN: stc-opt %s --packed-lower-block-tiles=target=amdgpu-gfx942 --stc-approximate-gpu-math --canonicalize --cse \
// RUN:   --packed-place-shared-memory=target=amdgpu-gfx942 --convert-scf-to-cf --expand-strided-metadata \
// RUN:   --lower-affine --canonicalize --cse --stc-lower-to-gpu=target=amdgpu-gfx942 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 \
// RUN:   | llc -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx942 \
// RUN:   | FileCheck %s --check-prefixes=CHECK,GFX942
// RUN: stc-opt %s --packed-lower-block-tiles=target=amdgpu-gfx1100 --stc-approximate-gpu-math --canonicalize --cse \
// RUN:   --packed-place-shared-memory=target=amdgpu-gfx1100 --convert-scf-to-cf --expand-strided-metadata \
// RUN:   --lower-affine --canonicalize --cse --stc-lower-to-gpu=target=amdgpu-gfx1100 --reconcile-unrealized-casts \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx1100 \
// RUN:   | llc -O3 -mtriple=amdgcn-amd-amdhsa -mcpu=gfx1100 \
// RUN:   | FileCheck %s --check-prefixes=CHECK,GFX1100

// What products of many tokens become on each of AMD's chips: whole matrices at once, without memory
// of single threads. Weights of two of every four columns have an instruction of their own on one.

// CHECK-LABEL: codes:
// GFX90A: v_mfma_i32_16x16x16{{_?}}i8
// GFX942: v_mfma_i32_16x16x32_i8
// GFX1100: v_wmma_i32_16x16x16_iu8
// CHECK: .amdhsa_private_segment_fixed_size 0
// CHECK-LABEL: pruned:
// GFX90A: v_mfma_i32_16x16x16{{_?}}i8
// GFX942: v_smfmac_i32_16x16x64_i8
// GFX1100: v_wmma_i32_16x16x16_iu8
// CHECK: .amdhsa_private_segment_fixed_size 0
// CHECK-LABEL: pruned_floats:
// GFX942: v_smfmac_f32_16x16x32_bf16
// CHECK: .amdhsa_private_segment_fixed_size 0

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

func.func @pruned(%tile: index, %q: memref<?x4096xi8>, %s: memref<?x32xf32>, %n: memref<?x32xi32>,
                  %w: !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>,
                  %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile
    ins(%q, %s, %n : memref<?x4096xi8>, memref<?x32xf32>, memref<?x32xi32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}

func.func @pruned_floats(%tile: index, %x: memref<?x4096xf32>,
                         %w: !packed.weight<4096x4096, #packed.layout<nm, f16, n = 2, m = 4>>,
                         %out: memref<?x4096xf32>) attributes {stc.kernel} {
  packed.matmul_tile %tile ins(%x : memref<?x4096xf32>)
    weight(%w : !packed.weight<4096x4096, #packed.layout<nm, f16, n = 2, m = 4>>)
    outs(%out : memref<?x4096xf32>)
    config <tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 8>
  return
}
