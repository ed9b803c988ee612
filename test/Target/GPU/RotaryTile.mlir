// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// Two heads of 128 columns, of which 64 are turned and 64 copied; then four of 64 in place, whose
// pairs are neighbours. A thread has one pair.

// CHECK-LABEL: func.func @prefill
// CHECK: scf.if
// CHECK: memref.store
// CHECK: memref.store
// CHECK: scf.if
// CHECK: %[[X:.*]] = memref.load
// CHECK-NEXT: memref.store %[[X]]
// CHECK: gpu.barrier
// CHECK: scf.if
// CHECK: memref.store
// CHECK: memref.store
// CHECK: gpu.barrier
// CHECK-NOT: memref.store
// CHECK: packed.barrier

// PTX: sub.rn.f32
// PTX: add.rn.f32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = f16>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %x = packed.scratch(%dim) offset 0 bytes 262144 : memref<?x256xf32>
    %cos = packed.scratch(%dim) offset 262144 bytes 32768 : memref<?x32xf32>
    %sin = packed.scratch(%dim) offset 294912 bytes 32768 : memref<?x32xf32>
    scf.forall (%t) in (%dim) {
      %row = memref.subview %x[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      %y = memref.subview %out[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      %c = memref.subview %cos[%t, 0] [1, 32] [1, 1] : memref<?x32xf32> to memref<1x32xf32, strided<[32, 1], offset: ?>>
      %s = memref.subview %sin[%t, 0] [1, 32] [1, 1] : memref<?x32xf32> to memref<1x32xf32, strided<[32, 1], offset: ?>>
      packed.rotary ins(%row, %c, %s : memref<1x256xf32, strided<[256, 1], offset: ?>>,
            memref<1x32xf32, strided<[32, 1], offset: ?>>, memref<1x32xf32, strided<[32, 1], offset: ?>>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>) head_dim 128
      packed.rotary interleaved ins(%y, %c, %s : memref<1x256xf32, strided<[256, 1], offset: ?>>,
            memref<1x32xf32, strided<[32, 1], offset: ?>>, memref<1x32xf32, strided<[32, 1], offset: ?>>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>)
    }
    packed.barrier
    return
  }
}
