// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// A row of a row-major table is read in fours; in tiles a row's elements lie 32 bytes apart.

// CHECK-LABEL: func.func @prefill
// CHECK: llvm.load %{{.*}} invariant {alignment = 8 : i64} : !llvm.ptr<1> -> vector<4xbf16>
// CHECK: vector.store %{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK: gpu.barrier
// CHECK: llvm.load %{{.*}} invariant {alignment = 2 : i64} : !llvm.ptr<1> -> vector<1xf16>
// CHECK: memref.store
// CHECK: gpu.barrier

// PTX: ld.global.nc.v4.b16
// PTX: cvt.f32.f16

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = f16>
module {
  packed.weight @embed : !packed.weight<512x256, #packed.layout<rows, bf16>> offset 0 bytes 262272 density 1.0
  packed.weight @tied : !packed.weight<512x256, #packed.layout<dense, f16>> offset 262272 bytes 262272 density 1.0
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %e = packed.get_weight @embed : <512x256, #packed.layout<rows, bf16>>
    %h = packed.get_weight @tied : <512x256, #packed.layout<dense, f16>>
    %x = packed.scratch(%dim) offset 0 bytes 262144 : memref<?x256xf32>
    scf.forall (%t) in (%dim) {
      %token = memref.subview %tokens[%t] [1] [1] : memref<?xi32> to memref<1xi32, strided<[1], offset: ?>>
      %row = memref.subview %x[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      %y = memref.subview %out[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      packed.gather ins(%token : memref<1xi32, strided<[1], offset: ?>>)
          table(%e : <512x256, #packed.layout<rows, bf16>>)
          outs(%row : memref<1x256xf32, strided<[256, 1], offset: ?>>)
      packed.gather ins(%token : memref<1xi32, strided<[1], offset: ?>>)
          table(%h : <512x256, #packed.layout<dense, f16>>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>)
    }
    packed.barrier
    return
  }
}
