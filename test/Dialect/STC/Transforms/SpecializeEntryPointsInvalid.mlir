// RUN: stc-opt %s --allow-unregistered-dialect --stc-specialize-entry-points --split-input-file --verify-diagnostics

// expected-error @below {{expected a function @forward of one block, got none}}
module {}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
// expected-error @below {{expected a function @head of one block, got none}}
module {
  func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
    %0 = "test.source"() : () -> tensor<?x4xf32>
    return %0 : tensor<?x4xf32>
  }
  func.func private @head(tensor<?x4xf32>) -> tensor<?x8xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
// Attention that is causal is a decoder's, which predicts tokens.
// expected-error @below {{expected a function @head of one block, got none}}
module {
  func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
    %c0 = arith.constant 0 : index
    %0 = "test.source"() : () -> tensor<?x4xf32>
    %1 = stc.attention %0, %c[%c0, %p] to %c0 heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index, index) -> tensor<?x4xf32>
    %2 = stc.attention %1, %c[%c0, %p] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    return %2 : tensor<?x4xf32>
  }
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
// expected-error @below {{expected @forward(tensor<?xi32>, index, !stc.kv_cache) -> tensor<?xHxf32>, got}}
func.func @forward(%t: tensor<4xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
// expected-error @below {{expected @head(}}
func.func @head(%h: tensor<?x8xf32>) -> tensor<?x8xf32> {
  return %h : tensor<?x8xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  // expected-error @below {{expected an operation whose result types can be inferred, got test.source}}
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
// expected-error @below {{expected a function that nothing refers to, got uses of @forward}}
func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = call @forward(%t, %p, %c) : (tensor<?xi32>, index, !cache) -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}
// expected-error @below {{expected the name @score to be free, got a symbol}}
func.func private @score()

// -----

// Behind an encoder, the decoder is told what that left.
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @encode(%t: tensor<?xi32>, %c: !cache) {
  return
}
// expected-error @below {{expected @forward(tensor<?xi32>, index, index, !stc.kv_cache) -> tensor<?xHxf32>, got}}
func.func @forward(%t: tensor<?xi32>, %p: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %0 = "test.source"() : () -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// -----

!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
// expected-error @below {{expected @encode(tensor<?xi32>, '!stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>'), got}}
func.func @encode(%t: tensor<?xi32>) {
  return
}
func.func @forward(%t: tensor<?xi32>, %p: index, %e: index, %c: !cache) -> tensor<?x4xf32> {
  %0 = "test.source"() : () -> tensor<?x4xf32>
  return %0 : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %0 = "test.source"() : () -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}
