// stc.cache_update and stc.attention: a cache is made for the function's argument.
// RUN: stc-opt %s --stc-interpret=function=attention -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=packed_attention -o /dev/null | FileCheck %s --check-prefix=PACKED
// RUN: not stc-opt %s --stc-interpret=function=full -o /dev/null 2>&1 | FileCheck %s --check-prefix=FULL
// RUN: not stc-opt %s --stc-interpret=function=no_layer -o /dev/null 2>&1 | FileCheck %s --check-prefix=NOLAYER

!cache = !stc.kv_cache<layers = 2, kv_heads = 1, head_dim = 2, capacity = 16>

// Keys (0, 0) and (ln 2, 0), values (3, 0) and (0, 6). A query (1, 0) scores 0 and ln 2, so that the
// second token weighs the values by 1/3 and 2/3; the query head (0, 1) weighs them equally.
// CHECK: 2x4
// CHECK-NEXT: 3 0 3 0
// CHECK-NEXT: 0.999999999 4 1.5 3
// With a window of one every token sees itself only.
// CHECK-NEXT: 2x4
// CHECK-NEXT: 3 0 3 0
// CHECK-NEXT: 0 6 0 6
// One token later, at position 1 of the same cache.
// CHECK-NEXT: 1x4
// CHECK-NEXT: 1.5 3 0.999999999 4
func.func @attention(%cache: !cache) -> (tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %k = arith.constant dense<[[0., 0.], [0.693147181, 0.]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[3., 0.], [0., 6.]]> : tensor<2x2xf32>
  %q = arith.constant dense<[[1., 0., 0., 1.], [1., 0., 0., 1.]]> : tensor<2x4xf32>
  %p = arith.constant dense<[[0., 1., 1., 0.]]> : tensor<1x4xf32>
  // Another layer's keys are another cache.
  stc.cache_update %v, %k, %cache[%zero, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  stc.cache_update %k, %v, %cache[%one, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  %x = stc.attention %q, %cache[%one, %zero] heads 2 scale 1.0 window 0
      : (tensor<2x4xf32>, !cache, index, index) -> tensor<2x4xf32>
  %y = stc.attention %q, %cache[%one, %zero] heads 2 scale 1.0 window 1
      : (tensor<2x4xf32>, !cache, index, index) -> tensor<2x4xf32>
  %z = stc.attention %p, %cache[%one, %one] heads 2 scale 1.0 window 0
      : (tensor<1x4xf32>, !cache, index, index) -> tensor<1x4xf32>
  return %x, %y, %z : tensor<2x4xf32>, tensor<2x4xf32>, tensor<1x4xf32>
}

// A scale of two makes the score 2 ln 2 and the weights 1/5 and 4/5.
// PACKED: 1x4
// PACKED-NEXT: 1.5 3 0.599999998 4.8
func.func @packed_attention(%cache: !cache) -> tensor<1x4xf32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %k = arith.constant dense<[[0., 0.], [0.693147181, 0.]]> : tensor<2x2xf32>
  %v = arith.constant dense<[[3., 0.], [0., 6.]]> : tensor<2x2xf32>
  %p = arith.constant dense<[[0., 1., 1., 0.]]> : tensor<1x4xf32>
  stc.cache_update %k, %v, %cache[%one, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  %y0 = tensor.empty() : tensor<1x4xf32>
  %z = packed.attention ins(%p : tensor<1x4xf32>) cache(%cache[%one, %one] : !cache)
      outs(%y0 : tensor<1x4xf32>) heads 2 scale 2.0 window 0 -> tensor<1x4xf32>
  return %z : tensor<1x4xf32>
}

// FULL: error: position: expected 2 tokens below 16, got position 15
func.func @full(%cache: !cache) {
  %zero = arith.constant 0 : index
  %last = arith.constant 15 : index
  %k = arith.constant dense<0.0> : tensor<2x2xf32>
  stc.cache_update %k, %k, %cache[%zero, %last] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  return
}

// NOLAYER: error: layer: expected 0 to 1, got 2
func.func @no_layer(%cache: !cache) {
  %zero = arith.constant 0 : index
  %two = arith.constant 2 : index
  %k = arith.constant dense<0.0> : tensor<2x2xf32>
  stc.cache_update %k, %k, %cache[%two, %zero] : tensor<2x2xf32>, tensor<2x2xf32>, !cache
  return
}
