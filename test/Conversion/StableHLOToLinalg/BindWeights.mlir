// RUN: stc-opt %s -split-input-file -verify-diagnostics --stablehlo-bind-weights | FileCheck %s

// CHECK: stc.weight @params.wte : tensor<8x4xf32> {source = "wte"}
// CHECK: stc.weight @params.head : tensor<4x8xf32> {source = "head"}
// CHECK: func.func public @main(%{{.*}}: tensor<6xi32>)
// CHECK-DAG: stc.get_weight @params.wte : tensor<8x4xf32>
// CHECK-DAG: stc.get_weight @params.head : tensor<4x8xf32>
module attributes {stc.checkpoint = "params.safetensors"} {
  func.func public @main(%a: tensor<8x4xf32> {stc.source = "wte"}, %b: tensor<4x8xf32> loc("head"), %tokens: tensor<6xi32>) -> tensor<8x8xf32> {
    %0 = stablehlo.dot_general %a, %b, contracting_dims = [1] x [0] : (tensor<8x4xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
    return %0 : tensor<8x8xf32>
  }
}

// -----

// Without a checkpoint, arguments stay.
// CHECK: func.func public @main(%{{.*}}: tensor<4xf32>)
func.func public @main(%a: tensor<4xf32>) -> tensor<4xf32> {
  return %a : tensor<4xf32>
}

// -----

module attributes {stc.checkpoint = "params.safetensors"} {
  // expected-error @below {{expected the name of a tensor of the checkpoint for argument 0}}
  func.func public @main(%a: tensor<4xf32>) -> tensor<4xf32> {
    return %a : tensor<4xf32>
  }
}

// -----

module attributes {stc.checkpoint = "params.safetensors"} {
  // expected-error @below {{expected a weight of 1 or 2 dimensions for argument 0, got 'tensor<1x2x4xf32>'}}
  func.func public @main(%a: tensor<1x2x4xf32> {stc.source = "w"}) -> tensor<1x2x4xf32> {
    return %a : tensor<1x2x4xf32>
  }
}
