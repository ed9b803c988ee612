// REQUIRES: ptxas
// RUN: split-file %s %t
// RUN: stc-opt %t/two_of_four.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/two_of_four.ptx
// RUN: %ptxas %t/two_of_four.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/two_of_four_bytes.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/two_of_four_bytes.ptx
// RUN: %ptxas %t/two_of_four_bytes.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/eight_of_sixteen.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/eight_of_sixteen.ptx
// RUN: %ptxas %t/eight_of_sixteen.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/pairs1.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/pairs1.ptx
// RUN: %ptxas %t/pairs1.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/pairs8.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/pairs8.ptx
// RUN: %ptxas %t/pairs8.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/block.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/block.ptx
// RUN: %ptxas %t/block.ptx -o %t.cubin 2>&1 | FileCheck %s
// RUN: stc-opt %t/bitmap.mlir --stc-phase-vector=target=nvptx-sm_90 | stc-opt --stc-phase-llvm=target=nvptx-sm_90 \
// RUN:   | mlir-translate --mlir-to-llvmir | opt -O3 -mtriple=nvptx64-nvidia-cuda -mcpu=sm_90 \
// RUN:   | llc -O3 -mcpu=sm_90 -mattr=+ptx80 -o %t/bitmap.ptx
// RUN: %ptxas %t/bitmap.ptx -o %t.cubin 2>&1 | FileCheck %s

// A block's 512 threads have 128 registers each: readers of wide tiles keep what they loaded there.

// CHECK: 0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads

//--- two_of_four.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>> offset 0 bytes 6553728 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s128 = packed.scratch() offset 5120 bytes 128 : memref<1x32xf32>
    %u128 = packed.scratch() offset 5248 bytes 128 : memref<1x32xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s128, %u128 : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          weight(%w0 : <4096x4096, #packed.layout<nm, i4, group = 128, n = 2, m = 4>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- two_of_four_bytes.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>> offset 0 bytes 11534464 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w0 : <4096x4096, #packed.layout<nm, i8, group = 32, n = 2, m = 4>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- eight_of_sixteen.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>> offset 0 bytes 7340160 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w0 : <4096x4096, #packed.layout<nm, i4, group = 32, n = 8, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- pairs1.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>> offset 0 bytes 1310848 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s128 = packed.scratch() offset 5120 bytes 128 : memref<1x32xf32>
    %u128 = packed.scratch() offset 5248 bytes 128 : memref<1x32xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s128, %u128 : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          weight(%w0 : <4096x4096, #packed.layout<pairs, i4, group = 128, n = 1, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- pairs8.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>> offset 0 bytes 9437312 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w0 : <4096x4096, #packed.layout<pairs, i4, group = 32, n = 8, m = 16>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- block.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<block, i4, group = 32>> offset 0 bytes 8388608 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<block, i4, group = 32>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w0 : <4096x4096, #packed.layout<block, i4, group = 32>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
//--- bitmap.mlir
module {
  packed.weight @w0 : !packed.weight<4096x4096, #packed.layout<bitmap, i4, group = 32>> offset 0 bytes 8388608 density 0.5
  func.func @decode(%t: memref<1xi32>, %position: index,
      %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
      %logits: memref<1x4096xf32>) {
    %c = packed.scratch() offset 0 bytes 4096 : memref<1x4096xi8>
    %s32 = packed.scratch() offset 4096 bytes 512 : memref<1x128xf32>
    %u32 = packed.scratch() offset 4608 bytes 512 : memref<1x128xi32>
    %w0 = packed.get_weight @w0 : !packed.weight<4096x4096, #packed.layout<bitmap, i4, group = 32>>
    scf.forall (%tile) in (256) {
      packed.matmul_tile %tile ins(%c, %s32, %u32 : memref<1x4096xi8>, memref<1x128xf32>, memref<1x128xi32>)
          weight(%w0 : <4096x4096, #packed.layout<bitmap, i4, group = 32>>)
          outs(%logits : memref<1x4096xf32>) config <tokens = 1, accumulators = 1, prefetch = 0>
    }
    packed.barrier
    return
  }
}
