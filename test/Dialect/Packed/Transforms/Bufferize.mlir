// RUN: stc-opt %s --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map unknown-type-conversion=identity-layout-map" --drop-equivalent-buffer-results --canonicalize | FileCheck %s

!w = !packed.weight<8x8, #packed.layout<dense, f32>>
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>

// The residual, the rotated matrix and the hidden state keep their buffers.

// CHECK-LABEL: func.func private @in_place
// CHECK-SAME: (%[[H:.*]]: memref<?x8xf32>, %[[C:.*]]: memref<?x2xf32>, %{{.*}}: !packed.weight
// CHECK-NOT: alloc
// CHECK-NOT: copy
// CHECK: packed.matmul ins(%[[H]] : memref<?x8xf32>) {{.*}} outs(%[[X:.*]] : memref<?x8xf32>)
// CHECK: packed.rotary ins(%[[X]], %[[C]], %[[C]] : {{.*}}) outs(%[[X]] : memref<?x8xf32>)
// CHECK: packed.matmul ins(%[[X]] : memref<?x8xf32>) {{.*}} residual(%[[H]] : memref<?x8xf32>) outs(%[[H]] : memref<?x8xf32>)
// CHECK-NEXT: return
func.func private @in_place(%h: tensor<?x8xf32>, %c: tensor<?x2xf32>, %w: !w, %x: tensor<?x8xf32>)
    -> tensor<?x8xf32> {
  %y = packed.matmul ins(%h : tensor<?x8xf32>) weight(%w : !w)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  %r = packed.rotary ins(%y, %c, %c : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%y : tensor<?x8xf32>) -> tensor<?x8xf32>
  %z = packed.matmul ins(%r : tensor<?x8xf32>) weight(%w : !w) residual(%h : tensor<?x8xf32>)
      outs(%h : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// A matmul cannot write its input, nor overwrite what is read later. What is not read is not
// copied.

// CHECK-LABEL: func.func private @conflicts
// CHECK-SAME: %[[H:.*]]: memref<?x8xf32>
// CHECK: %[[A:.*]] = memref.alloc
// CHECK-NOT: memref.copy
// CHECK: packed.matmul ins(%[[H]] : {{.*}} residual(%[[H]] : {{.*}} outs(%[[A]]
// CHECK-NOT: memref.copy
// CHECK: packed.matmul ins(%[[A]] : {{.*}} outs(%[[H]]
func.func private @conflicts(%h: tensor<?x8xf32>, %w: !w) -> tensor<?x8xf32> {
  %y = packed.matmul ins(%h : tensor<?x8xf32>) weight(%w : !w) residual(%h : tensor<?x8xf32>)
      outs(%h : tensor<?x8xf32>) -> tensor<?x8xf32>
  %z = packed.matmul ins(%y : tensor<?x8xf32>) weight(%w : !w)
      outs(%h : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %z : tensor<?x8xf32>
}

// CHECK-LABEL: func.func private @cache
// CHECK-SAME: (%[[K:.*]]: memref<?x8xf32>
// CHECK: stc.cache_update %[[K]], %[[K]], %{{.*}} : memref<?x8xf32>, memref<?x8xf32>
// CHECK: packed.attention ins(%[[K]] : memref<?x8xf32>) {{.*}} outs(%[[A:.*]] : memref<?x8xf32>)
func.func private @cache(%k: tensor<?x8xf32>, %cache: !cache, %layer: index, %position: index)
    -> tensor<?x8xf32> {
  stc.cache_update %k, %k, %cache[%layer, %position] : tensor<?x8xf32>, tensor<?x8xf32>, !cache
  %y = packed.attention ins(%k : tensor<?x8xf32>) cache(%cache[%layer, %position] : !cache)
      outs(%k : tensor<?x8xf32>) heads 2 scale 5.0e-01 window 0 -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Weights are never written.

// CHECK-LABEL: func.func private @vector
// CHECK: %[[V:.*]] = packed.vector %{{.*}} -> memref<8xf32>
// CHECK: %[[A:.*]] = memref.alloc() {{.*}} : memref<8xf32>
// CHECK: linalg.exp ins(%[[V]] : memref<8xf32>) outs(%[[A]] : memref<8xf32>)
// CHECK: linalg.exp ins(%[[A]] : memref<8xf32>)
func.func private @vector(%x: tensor<8xf32>, %v: !packed.weight<1x8, #packed.layout<rows, f32>>)
    -> tensor<8xf32> {
  %t = packed.vector %v : !packed.weight<1x8, #packed.layout<rows, f32>> -> tensor<8xf32>
  %y = linalg.exp ins(%t : tensor<8xf32>) outs(%t : tensor<8xf32>) -> tensor<8xf32>
  %z = linalg.exp ins(%y : tensor<8xf32>) outs(%x : tensor<8xf32>) -> tensor<8xf32>
  return %z : tensor<8xf32>
}

// Split activations have a buffer of their own, and the matmul reads both.

// CHECK-LABEL: func.func private @split
// CHECK-SAME: (%[[H:[a-z0-9]+]]: memref<?x8xf32>
// CHECK: %[[A:.*]] = memref.alloc(%{{.*}}) {{.*}}: memref<?x64xbf16>
// CHECK-NOT: memref.copy
// CHECK: packed.split_activations ins(%[[H]] : memref<?x8xf32>) outs(%[[A]] : memref<?x64xbf16>)
// CHECK: packed.matmul ins(%[[H]], %[[A]] : {{.*}} outs(%{{.*}} : memref<?x8xf32>)
func.func private @split(%h: tensor<?x8xf32>, %x: tensor<?x8xf32>, %n: index,
    %w: !packed.weight<8x8, #packed.layout<dense, bf16>>) -> tensor<?x8xf32> {
  %e = tensor.empty(%n) : tensor<?x64xbf16>
  %p = packed.split_activations ins(%h : tensor<?x8xf32>) outs(%e : tensor<?x64xbf16>)
      -> tensor<?x64xbf16>
  %y = packed.matmul ins(%h, %p : tensor<?x8xf32>, tensor<?x64xbf16>)
      weight(%w : !packed.weight<8x8, #packed.layout<dense, bf16>>)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// Norms of heads are written over what they read.

// CHECK-LABEL: func.func private @head_norm
// CHECK-NOT: alloc
// CHECK-NOT: copy
// CHECK: packed.rms_norm ins(%[[Q:.*]], %{{.*}} : memref<?x8xf32>, memref<4xf32>) outs(%[[Q]] : memref<?x8xf32>)
func.func private @head_norm(%q: tensor<?x8xf32>, %w: tensor<4xf32>) -> tensor<?x8xf32> {
  %y = packed.rms_norm ins(%q, %w : tensor<?x8xf32>, tensor<4xf32>) outs(%q : tensor<?x8xf32>)
      groups 2 epsilon 1.0e-05 -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
