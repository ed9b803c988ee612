// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// A group of 32 columns is the work of eight lanes: four columns each, loaded and stored at once.
// 1000 columns are 31 groups and a quarter, so some lanes have zeros and some groups do not exist. What a warp takes of a row is loaded at once.

// CHECK-LABEL: func.func @prefill
// CHECK: gpu.barrier
// CHECK-NOT: scf.for
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : {{.*}}, vector<4xf32>
// CHECK-COUNT-3: gpu.shuffle {{ *}}xor
// CHECK: arith.divf %{{.*}}, %{{.*}} : f32
// CHECK-COUNT-4: arith.fptosi
// CHECK-COUNT-3: gpu.shuffle {{ *}}xor
// CHECK: vector.store %{{.*}} {alignment = 4 : i64} : {{.*}}, vector<4xi8>
// CHECK: memref.store {{.*}}xf32
// CHECK: memref.store {{.*}}xi32
// CHECK: gpu.barrier

// PTX: ld.global.v4.b32
// PTX: shfl.sync.bfly.b32
// PTX: cvt.rzi.s32.f32
// PTX: st.global.b32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 64, capacity = 4096, element = f16>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x256xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %dim = memref.dim %tokens, %c0 : memref<?xi32>
    %x = packed.scratch(%dim) offset 0 bytes 262144 : memref<?x1000xf32>
    %codes = packed.scratch(%dim) offset 262144 bytes 65536 : memref<?x1024xi8>
    %scales = packed.scratch(%dim) offset 327680 bytes 8192 : memref<?x32xf32>
    %sums = packed.scratch(%dim) offset 335872 bytes 8192 : memref<?x32xi32>
    scf.forall (%t) in (%dim) {
      %row = memref.subview %x[%t, 0] [1, 1000] [1, 1] : memref<?x1000xf32> to memref<1x1000xf32, strided<[1000, 1], offset: ?>>
      %c = memref.subview %codes[%t, 0] [1, 1024] [1, 1] : memref<?x1024xi8> to memref<1x1024xi8, strided<[1024, 1], offset: ?>>
      %s = memref.subview %scales[%t, 0] [1, 32] [1, 1] : memref<?x32xf32> to memref<1x32xf32, strided<[32, 1], offset: ?>>
      %n = memref.subview %sums[%t, 0] [1, 32] [1, 1] : memref<?x32xi32> to memref<1x32xi32, strided<[32, 1], offset: ?>>
      packed.quantize_activations ins(%row : memref<1x1000xf32, strided<[1000, 1], offset: ?>>)
          outs(%c, %s, %n : memref<1x1024xi8, strided<[1024, 1], offset: ?>>,
            memref<1x32xf32, strided<[32, 1], offset: ?>>, memref<1x32xi32, strided<[32, 1], offset: ?>>)
          group 32 sum_factor -8 offset 128
    }
    packed.barrier
    return
  }
}
