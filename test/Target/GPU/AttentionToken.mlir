// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// One token and up to 256 keys: queries, the newest key and value, keys, and as many values
// as registers have room for are asked for before anything waits. Between the barriers, scores of 16 keys a warp;
// the largest of all warps, weights and values of every 16th key; sums of all warps.

// CHECK-LABEL: func.func @decode
// CHECK-NOT: stc.cache_update
// CHECK: gpu.barrier
// CHECK-COUNT-3: memref.load
// CHECK-COUNT-28: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> vector<4xf16>
// CHECK-NOT: !llvm.ptr<1> ->
// CHECK: llvm.store %{{.*}} : f16, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} : f16, !llvm.ptr<3>
// CHECK: llvm.store %{{.*}} : f16, !llvm.ptr<1>
// CHECK: gpu.barrier
// CHECK: math.fma %{{.*}} : vector<4xf32>
// CHECK-NOT: ex2.approx
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 8 : i64} : !llvm.ptr<1> -> vector<4xf16>
// CHECK-NOT: !llvm.ptr<1> ->
// CHECK: gpu.barrier
// CHECK: ex2.approx
// CHECK: nvvm.bar.warp.sync
// CHECK: math.fma %{{.*}} : vector<4xf32>
// CHECK: gpu.barrier
// CHECK: memref.store {{.*}} : memref<64x144xf32>
// CHECK: gpu.barrier
// CHECK-NOT: gpu.barrier

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096, element = f16>
module {
  func.func @decode(%tokens: memref<1xi32>, %position: index,
      %cache: !cache, %out: memref<1x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %q = packed.scratch() offset 0 bytes 1048576 : memref<1x1024xf32>
    %k = packed.scratch() offset 1048576 bytes 1024 : memref<1x256xf32>
    %v = packed.scratch() offset 1049600 bytes 1024 : memref<1x256xf32>
    %p = packed.scratch() offset 1050624 bytes 36864 : memref<64x144xf32>
    scf.forall (%h, %n) in (2, %c8) {
      %holds = arith.cmpi eq, %n, %c1 : index
      scf.if %holds {
        stc.cache_update %k, %v, %cache[%c1, %position] : memref<1x256xf32>, memref<1x256xf32>, !cache
      }
      packed.attention_tile %h, %c0 tokens 1 ins(%q : memref<1x1024xf32>)
          cache(%cache[%c1, %position] : !cache) outs(%out : memref<1x1024xf32>)
          piece %n of 256 partials(%p : memref<64x144xf32>)
          heads 8 scale 1.25e-01 window 0
    }
    packed.barrier
    return
  }
}
