// Folders, canonicalization patterns, and what CSE does to stc.
// RUN: stc-opt %s --canonicalize | FileCheck %s
// RUN: stc-opt %s --cse | FileCheck %s --check-prefix=CSE

stc.weight @w : tensor<8x4xf32> {source = "w"}
stc.weight @zero : tensor<8xf32> {value = dense<0.0> : tensor<8xf32>}
stc.weight @zero_listed : tensor<8xbf16> {
  value = dense<[0.0, -0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]> : tensor<8xbf16>}
stc.weight @one : tensor<8xf32> {value = dense<[0., 0., 1., 0., 0., 0., 0., 0.]> : tensor<8xf32>}
stc.weight @stored : tensor<8xf32> {source = "b"}

// CHECK-LABEL: @zero_bias
func.func @zero_bias(%x: tensor<?x4xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %w = stc.get_weight @w : tensor<8x4xf32>
  %b = stc.get_weight @zero : tensor<8xf32>
  %c = stc.get_weight @zero_listed : tensor<8xbf16>
  // CHECK-NOT: bias
  // CHECK-NOT: @zero
  // CHECK: return
  %y = stc.linear %x, %w bias %b
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %z = stc.linear %x, %w bias %c
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xbf16>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @other_bias
func.func @other_bias(%x: tensor<?x4xf32>, %d: tensor<8xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>) {
  %w = stc.get_weight @w : tensor<8x4xf32>
  %b = stc.get_weight @one : tensor<8xf32>
  %c = stc.get_weight @stored : tensor<8xf32>
  // CHECK-COUNT-3: stc.linear %{{.*}}, %{{.*}} bias
  %y = stc.linear %x, %w bias %b
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %z = stc.linear %x, %w bias %c
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %v = stc.linear %x, %w bias %d
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y, %z, %v : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @relu_of_relu
func.func @relu_of_relu(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-NEXT: %[[Y:.*]] = stc.activation <relu> %{{.*}}
  // CHECK-NEXT: return %[[Y]]
  %y = stc.activation <relu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = stc.activation <relu> %y : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// CHECK-LABEL: @silu_of_silu
func.func @silu_of_silu(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK-COUNT-2: stc.activation <silu>
  %y = stc.activation <silu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = stc.activation <silu> %y : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// CHECK-LABEL: @gated
// CHECK-SAME: %[[G:.*]]: tensor<?x4xf32>, %[[U:.*]]: tensor<?x4xf32>
func.func @gated(%gate: tensor<?x4xf32>, %up: tensor<?x4xf32>)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CHECK-NEXT: stc.gated_activation <silu> %[[G]], %[[U]]
  // CHECK-NEXT: stc.gated_activation <gelu> %[[G]], %[[U]]
  // CHECK-NEXT: return
  %a = stc.activation <silu> %gate : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = arith.mulf %a, %up : tensor<?x4xf32>
  %b = stc.activation <gelu> %gate : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %z = arith.mulf %up, %b : tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: @gated_twice_used
func.func @gated_twice_used(%gate: tensor<?x4xf32>, %up: tensor<?x4xf32>)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CHECK-NEXT: stc.activation
  // CHECK-NEXT: arith.mulf
  %a = stc.activation <silu> %gate : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = arith.mulf %a, %up : tensor<?x4xf32>
  return %a, %y : tensor<?x4xf32>, tensor<?x4xf32>
}

// A layer whose ops are all dead ends as nothing; one that stores keys stays.
// CHECK-LABEL: @empty_layer
// CHECK-SAME: %[[X:.*]]: tensor<?x4xf32>, %{{.*}}, %{{.*}}
func.func @empty_layer(%x: tensor<?x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>,
    %position: index) -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CHECK-NOT: stc.layer 0
  %y = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    %dead = stc.activation <silu> %h : (tensor<?x4xf32>) -> tensor<?x4xf32>
    stc.yield %h : tensor<?x4xf32>
  }
  // CHECK: %[[Z:.*]] = stc.layer 1 (%{{.*}} = %[[X]]
  // CHECK: stc.cache_update
  %z = stc.layer 1 (%h = %x : tensor<?x4xf32>) {
    stc.cache_update %h, %h, %cache[%position, %position] : tensor<?x4xf32>, tensor<?x4xf32>,
        !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
    stc.yield %h : tensor<?x4xf32>
  }
  // CHECK: return %[[X]], %[[Z]]
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: @dead_weight
func.func @dead_weight() {
  // CHECK-NEXT: return
  %w = stc.get_weight @w : tensor<8x4xf32>
  return
}

// Attention reads the cache, so nothing moves it across an update, and it dies when unused.
// CHECK-LABEL: @dead_attention
func.func @dead_attention(%q: tensor<?x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>, %i: index) {
  // CHECK-NEXT: return
  %y = stc.attention %q, %cache[%i, %i] heads 1 scale 1.0 window 0
      : (tensor<?x4xf32>, !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x4xf32>
  return
}

// CSE-LABEL: @twice
func.func @twice(%x: tensor<?x4xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CSE-COUNT-1: stc.get_weight @w
  // CSE-NOT: stc.get_weight
  // CSE: %[[Y:.*]] = stc.linear
  // CSE-NOT: stc.linear
  // CSE: return %[[Y]], %[[Y]]
  %w = stc.get_weight @w : tensor<8x4xf32>
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  %v = stc.get_weight @w : tensor<8x4xf32>
  %z = stc.linear %x, %v : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CSE-LABEL: @update_between
func.func @update_between(%q: tensor<?x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>, %i: index)
    -> (tensor<?x4xf32>, tensor<?x4xf32>) {
  // CSE: stc.attention
  // CSE: stc.cache_update
  // CSE: stc.attention
  %y = stc.attention %q, %cache[%i, %i] heads 1 scale 1.0 window 0
      : (tensor<?x4xf32>, !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x4xf32>
  stc.cache_update %q, %q, %cache[%i, %i] : tensor<?x4xf32>, tensor<?x4xf32>,
      !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
  %z = stc.attention %q, %cache[%i, %i] heads 1 scale 1.0 window 0
      : (tensor<?x4xf32>, !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x4xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x4xf32>
}
