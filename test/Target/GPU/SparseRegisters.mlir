// REQUIRES: ptxas
// RUN: stc-opt %s --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t.ptx
// RUN: %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx

// A block's 512 threads have 128 registers each: readers of wide tiles keep what they loaded there.

// CHECK: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
// PTX: ld.global.nc.v4.b32
// PTX: dp4a.s32.s32

module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>> offset 0 bytes 6553728 density 0.5
  packed.weight @w1 : !packed.weight<4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>> offset 6553728 bytes 11534464 density 0.5
  packed.weight @w2 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>> offset 18088192 bytes 7340160 density 0.5
  packed.weight @w3 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>> offset 25428352 bytes 1310848 density 0.5
  packed.weight @w4 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>> offset 26739200 bytes 9437312 density 0.5
  packed.weight @w5 : !packed.weight<4096x4096, #packed.layout<block, i4, group = 32>> offset 36176512 bytes 33554432 density 0.5
  packed.weight @w6 : !packed.weight<4096x4096, #packed.layout<bitmap, i4, group = 32>> offset 69730944 bytes 33554432 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %s128 = packed.scratch() offset 5120 bytes 128 : memref<1x32xf32>
    %u128 = packed.scratch() offset 5248 bytes 128 : memref<1x32xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s128, %u128 : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          weight(%w0 : <4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w1 = packed.get_weight @w1 : !packed.weight<4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w1 : <4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w2 = packed.get_weight @w2 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w2 : <4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w3 = packed.get_weight @w3 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s128, %u128 : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          weight(%w3 : <4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w4 = packed.get_weight @w4 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w4 : <4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w5 = packed.get_weight @w5 : !packed.weight<4096x4096, #packed.layout<block, i4, group = 32>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w5 : <4096x4096, #packed.layout<block, i4, group = 32>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    %w6 = packed.get_weight @w6 : !packed.weight<4096x4096, #packed.layout<bitmap, i4, group = 32>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w6 : <4096x4096, #packed.layout<bitmap, i4, group = 32>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
