// RUN: stc-opt %s -split-input-file -verify-diagnostics --stc-split-main=capacity=64 | FileCheck %s

// Places are rows of a table, so that there is room for 32 tokens. The last linear layer is the head.

// CHECK-DAG: stc.weight @[[TABLE:.*]] : tensor<32x4xf32> {value
// CHECK-DAG: stc.weight @[[W:.*]] : tensor<8x4xf32> {value
// CHECK: func.func public @forward(%[[TOKENS:.*]]: tensor<?xi32>, %{{.*}}: index, %{{.*}}: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 32>) -> tensor<?x4xf32>
// CHECK: %[[X:.*]] = stc.embedding
// CHECK: return %[[X]] : tensor<?x4xf32>
// CHECK: func.func @head(%[[H:.*]]: tensor<?x4xf32>) -> tensor<?x8xf32>
// CHECK: stc.linear %[[H]]
func.func public @main(%tokens: tensor<6xi32>, %position: index, %cache: !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>) -> tensor<6x8xf32> {
  %table = arith.constant dense<1.0> : tensor<32x4xf32>
  %w = arith.constant dense<0.5> : tensor<8x4xf32>
  %places = stc.positions %tokens, %position : (tensor<6xi32>, index) -> tensor<6xi32>
  %x = stc.embedding %places, %table : (tensor<6xi32>, tensor<32x4xf32>) -> tensor<6x4xf32>
  %y = stc.linear %x, %w : (tensor<6x4xf32>, tensor<8x4xf32>) -> tensor<6x8xf32>
  return %y : tensor<6x8xf32>
}

// -----

func.func public @main(%tokens: tensor<6xi32>, %w: tensor<4xf32>) -> tensor<6xi32> {
  return %tokens : tensor<6xi32>
}
// expected-error @-3 {{whose weights are constants or tensors of the module's stc.checkpoint, got an argument of type 'tensor<4xf32>'}}

// -----

// expected-error @below {{expected a function of tokens with attention}}
func.func public @main(%tokens: tensor<6xi32>) -> tensor<6xi32> {
  return %tokens : tensor<6xi32>
}
