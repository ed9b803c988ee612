// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// 32 threads, four columns each, take every 16th piece; slices are added up in their order.

// CHECK-LABEL: func.func @decode
// CHECK: gpu.barrier
// CHECK: scf.for {{.*}} step %c512 iter_args
// CHECK-COUNT-5: gpu.shuffle {{ *}}xor
// CHECK: gpu.barrier
// CHECK-COUNT-4: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
// CHECK-NOT: gpu.barrier
// CHECK: scf.for {{.*}} step %c16 iter_args
// CHECK: vector.load %{{.*}} {alignment = 16 : i64} : memref<64x144xf32>, vector<4xf32>
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK-COUNT-32: llvm.load %{{.*}} : !llvm.ptr<3> -> f32
// CHECK: arith.divf
// CHECK: memref.store {{.*}} : memref<1x1024xf32>
// CHECK: gpu.barrier

// Few pieces: every block puts all heads together, and quantizes them from registers. What four pieces
// hold of two rounds of columns is asked for at once.

// CHECK-LABEL: func.func @prefill
// CHECK: packed.barrier
// CHECK-NOT: gpu.barrier
// CHECK-COUNT-8: vector.load %{{.*}} {alignment = 16 : i64} : memref<512x144xf32>, vector<4xf32>
// CHECK: ex2.approx
// CHECK: scf.for
// CHECK-COUNT-8: vector.load %{{.*}} {alignment = 16 : i64} : memref<512x144xf32>, vector<4xf32>
// CHECK-COUNT-2: nvvm.redux.sync umax
// CHECK-NOT: vector<4xf32>
// CHECK-COUNT-2: vector.store {{.*}}, vector<4xi8>
// CHECK: gpu.barrier
// CHECK-NOT: gpu.barrier

// PTX: ex2.approx.ftz.f32
// PTX: st.shared.v4.b32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096, element = f16>
module {
  func.func @decode(%tokens: memref<1xi32>, %position: index,
      %cache: !cache, %out: memref<1x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %q = packed.scratch() offset 0 bytes 1048576 : memref<1x1024xf32>
    %p = packed.scratch() offset 1048576 bytes 36864 : memref<64x144xf32>
    scf.forall (%h) in (8) {
      packed.attention_combine %h, %c8 ins(%p : memref<64x144xf32>)
          cache(%cache : !cache) outs(%out : memref<1x1024xf32>) heads 8
    }
    packed.barrier
    return
  }  func.func @prefill(%tokens: memref<?xi32>, %position: index,
      %cache: !cache, %out: memref<?x1024xf32>) {
    %c5 = arith.constant 5 : index
    %p = packed.scratch() offset 0 bytes 294912 : memref<512x144xf32>
    %y = packed.scratch() offset 294912 bytes 16384 : memref<1x4096xf32>
    %codes = memref.alloca() {alignment = 64 : i64} : memref<1x4096xi8>
    %scales = memref.alloca() {alignment = 64 : i64} : memref<1x32xf32>
    %sums = memref.alloca() {alignment = 64 : i64} : memref<1x32xi32>
    packed.barrier
    scf.forall (%h) in (32) {
      packed.attention_combine %h, %c5 ins(%p : memref<512x144xf32>)
          cache(%cache : !cache) outs(%y : memref<1x4096xf32>) heads 32
    } {packed.replicated}
    scf.forall (%t) in (1) {
      %row = memref.subview %y[%t, 0] [1, 4096] [1, 1] : memref<1x4096xf32> to memref<1x4096xf32, strided<[4096, 1], offset: ?>>
      packed.quantize_activations ins(%row : memref<1x4096xf32, strided<[4096, 1], offset: ?>>)
          outs(%codes, %scales, %sums : memref<1x4096xi8>, memref<1x32xf32>, memref<1x32xi32>)
          group 128 sum_factor -8
    } {packed.replicated}
    packed.barrier
    return
  }
}
