// RUN: stc-opt %s %tiles | FileCheck %s
// RUN: stc-opt %s %tiles %to_llvm | %to_ptx -o %t.ptx
// RUN: FileCheck %s --check-prefix=PTX < %t.ptx
// RUN: %if ptxas %{ %ptxas -arch=sm_90 -v %t.ptx -o %t.cubin 2>&1 | FileCheck %s --check-prefix=PTXAS %}

// PTXAS: 0 bytes spill stores, 0 bytes spill loads

// What scores get for distances is in shared memory before the first score: slopes by comparisons
// with constants, biases by comparisons of distances with the bounds of buckets. Rows see all keys
// below the end, and begin with the logits of their sinks.

// CHECK-LABEL: func.func @prefill
// CHECK-SAME: %[[END:[a-z0-9]*]]: index
// CHECK: %[[BIAS:.*]] = packed.scratch() {{.*}} : memref<256xf32>
// CHECK: %[[LOGITS:.*]] = packed.scratch() {{.*}} : memref<8xf32>
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : f32
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : index
// CHECK: memref.load %[[BIAS]]
// CHECK: llvm.store %{{.*}} : f32, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: memref.load %[[LOGITS]]
// CHECK: scf.for
// CHECK: arith.cmpi slt, %{{.*}}, %[[END]]
// CHECK: arith.addf
// CHECK: arith.negf
// CHECK: math.fma
// CHECK: ex2.approx
// CHECK-NOT: gpu.barrier
// CHECK: memref.store {{.*}} : memref<?x1024xf32>

// PTX: ex2.approx.ftz.f32

!cache = !stc.kv_cache<layers = 2, kv_heads = 2, head_dim = 128, capacity = 4096>
module {
  func.func @prefill(%tokens: memref<?xi32>, %position: index, %cache: !cache,
      %out: memref<?x1024xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %count = memref.dim %tokens, %c0 : memref<?xi32>
    %q = packed.scratch(%count) offset 0 bytes 1048576 : memref<?x1024xf32>
    %bias = packed.scratch() offset 1048576 bytes 1024 : memref<256xf32>
    %logits = packed.scratch() offset 1049600 bytes 32 : memref<8xf32>
    scf.forall (%h, %n) in (2, %count) {
      packed.attention_tile %h, %n tokens 8 ins(%q : memref<?x1024xf32>)
          cache(%cache[%c1, %position] : !cache) to %position bias(%bias : memref<256xf32>) within 128
          sink_logits(%logits : memref<8xf32>) outs(%out : memref<?x1024xf32>)
          heads 8 scale 1.25e-01 window 0
          slopes [0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125, 0.00390625]
    }
    packed.barrier
    return
  }
}
