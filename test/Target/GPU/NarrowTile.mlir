// packed.split_activations on a GPU: each thread makes four columns of each half.
// RUN: stc-opt %s --packed-lower-block-tiles=target=nvptx-sm_80 | FileCheck %s

// CHECK-LABEL: @split
// CHECK-NOT: packed.split_activations
// CHECK: vector.store %{{.*}} : memref<1x192xbf16>, vector<4xbf16>
// CHECK: vector.store %{{.*}} : memref<1x192xbf16>, vector<4xbf16>
// CHECK: gpu.barrier
func.func @split(%x: memref<1x40xf32>, %h: memref<1x192xbf16>) {
  packed.split_activations ins(%x : memref<1x40xf32>) outs(%h : memref<1x192xbf16>)
  return
}

// Rounded once: half as many. What f16 cannot hold is cut off before.
// CHECK-LABEL: @round
// CHECK: arith.select
// CHECK: arith.truncf %{{.*}} : f32 to f16
// CHECK: vector.store %{{.*}} : memref<1x96xf16>, vector<4xf16>
// CHECK-NOT: vector.store
// CHECK: gpu.barrier
func.func @round(%x: memref<1x96xf32>, %h: memref<1x96xf16>) {
  packed.split_activations ins(%x : memref<1x96xf32>) outs(%h : memref<1x96xf16>)
  return
}
