// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// Warps quantize keys and values of a head: four codes of a key are stored at once, those of a value
// four bytes apart.

// CHECK-LABEL: func.func @prefill
// CHECK: nvvm.redux.sync umax
// CHECK: llvm.store %{{.*}} {alignment = 4 : i64} : i32, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr<1>
// CHECK: nvvm.redux.sync umax
// CHECK-COUNT-4: llvm.store %{{.*}} {alignment = 1 : i64} : i8, !llvm.ptr<1>
// CHECK: llvm.store %{{.*}} {alignment = 4 : i64} : f32, !llvm.ptr<1>
// CHECK: gpu.barrier

// PTX: redux.sync.max.u32
// PTX: st.global.b8

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = i8>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %k = packed.scratch(%dim) offset 262144 bytes 262144 : memref<?x128xf32>
    %v = packed.scratch(%dim) offset 524288 bytes 262144 : memref<?x128xf32>
    scf.forall (%t) in (%dim) {
      %key = memref.subview %k[%t, 0] [1, 128] [1, 1] : memref<?x128xf32> to memref<1x128xf32, strided<[128, 1], offset: ?>>
      %value = memref.subview %v[%t, 0] [1, 128] [1, 1] : memref<?x128xf32> to memref<1x128xf32, strided<[128, 1], offset: ?>>
      %at = arith.addi %position, %t : index
      stc.cache_update %key, %value, %cache[%c1, %at] : memref<1x128xf32, strided<[128, 1], offset: ?>>,
          memref<1x128xf32, strided<[128, 1], offset: ?>>, !cache
    }
    packed.barrier
    return
  }
}
