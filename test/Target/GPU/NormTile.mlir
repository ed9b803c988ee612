// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// A whole row is the work of the block, whose warps put their sums together in shared memory; of four
// groups each is the work of a warp.

// CHECK-LABEL: func.func @prefill
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-COUNT-4: math.fma
// CHECK-COUNT-5: gpu.shuffle {{ *}}xor
// CHECK: gpu.barrier
// CHECK: math.sqrt
// CHECK: vector.store
// CHECK: gpu.barrier
// CHECK: scf.for
// CHECK-COUNT-5: gpu.shuffle {{ *}}xor
// CHECK-NOT: gpu.barrier
// CHECK: math.sqrt
// CHECK: vector.store
// CHECK: gpu.barrier

// PTX: sqrt.rn.f32
// PTX: st.global.v4.b32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = f16>
module {
  packed.weight @norm : !packed.weight<1x256, #packed.layout<rows, f32>> offset 0 bytes 1152 density 1.0
  packed.weight @heads : !packed.weight<1x64, #packed.layout<rows, f32>> offset 1152 bytes 384 density 1.0
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %w = packed.get_weight @norm : <1x256, #packed.layout<rows, f32>>
    %gain = packed.vector %w : <1x256, #packed.layout<rows, f32>> -> memref<256xf32>
    %v = packed.get_weight @heads : <1x64, #packed.layout<rows, f32>>
    %part = packed.vector %v : <1x64, #packed.layout<rows, f32>> -> memref<64xf32>
    %x = packed.scratch(%dim) offset 0 bytes 262144 : memref<?x256xf32>
    scf.forall (%t) in (%dim) {
      %row = memref.subview %x[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      %y = memref.subview %out[%t, 0] [1, 256] [1, 1] : memref<?x256xf32> to memref<1x256xf32, strided<[256, 1], offset: ?>>
      packed.rms_norm ins(%row, %gain : memref<1x256xf32, strided<[256, 1], offset: ?>>, memref<256xf32>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>) groups 1 epsilon 1.0e-05
      packed.rms_norm ins(%y, %part : memref<1x256xf32, strided<[256, 1], offset: ?>>, memref<64xf32>)
          outs(%y : memref<1x256xf32, strided<[256, 1], offset: ?>>) groups 4 epsilon 1.0e-05
    }
    packed.barrier
    return
  }
}
