// RUN: stc-opt %s --packed-prepare-bufferization --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @entry
// CHECK-SAME: (%{{.*}}: tensor<?xi32> {bufferization.writable = false}, %[[H:.*]]: tensor<?x4xf32> {bufferization.writable = false}, %[[OUT:.*]]: memref<?x4xf32>)
// CHECK: bufferization.materialize_in_destination %[[H]] in restrict writable %[[OUT]]
// CHECK: return
// CHECK-NOT: %
func.func @entry(%tokens: tensor<?xi32>, %h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// CHECK-LABEL: func.func private @layer
// CHECK-SAME: (%[[H:.*]]: tensor<?x4xf32>, %[[X:.*]]: tensor<?x4xf32>)
// CHECK: %[[Y:.*]] = bufferization.materialize_in_destination %[[X]] in %[[H]]
// CHECK: return %[[Y]]
func.func private @layer(%h: tensor<?x4xf32>, %x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

// CHECK-LABEL: func.func private @same
// CHECK-NOT: materialize
func.func private @same(%h: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// CHECK-LABEL: func.func private @residual
// CHECK-SAME: %[[H:.*]]: tensor<?x4xf32>
// CHECK: packed.matmul {{.*}} residual(%[[H]] : tensor<?x4xf32>) outs(%[[H]] : tensor<?x4xf32>)
func.func private @residual(%h: tensor<?x4xf32>, %x: tensor<?x8xf32>, %n: index,
                            %w: !packed.weight<4x8, #packed.layout<dense, f32>>)
    -> tensor<?x4xf32> {
  %e = tensor.empty(%n) : tensor<?x4xf32>
  %y = packed.matmul ins(%x : tensor<?x8xf32>)
      weight(%w : !packed.weight<4x8, #packed.layout<dense, f32>>)
      residual(%h : tensor<?x4xf32>) outs(%e : tensor<?x4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func private @buffers
// CHECK: %[[A:.*]] = tensor.empty
// CHECK: packed.matmul {{.*}} outs(%[[A]] :
// CHECK: %[[B:.*]] = tensor.empty
// CHECK: packed.matmul {{.*}} outs(%[[B]] :
func.func private @buffers(%h: tensor<1x8xf32>,
                           %w: !packed.weight<8x8, #packed.layout<dense, f32>>) -> tensor<1x8xf32> {
  %e = tensor.empty() : tensor<1x8xf32>
  %a = packed.matmul ins(%h : tensor<1x8xf32>)
      weight(%w : !packed.weight<8x8, #packed.layout<dense, f32>>)
      outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  %b = packed.matmul ins(%a : tensor<1x8xf32>)
      weight(%w : !packed.weight<8x8, #packed.layout<dense, f32>>)
      outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  return %b : tensor<1x8xf32>
}

// CHECK-LABEL: func.func private @rotary
// CHECK-SAME: (%[[H:.*]]: tensor<1x8xf32>, %[[X:.*]]: tensor<?x8xf32>
// CHECK: %[[E:.*]] = tensor.empty() : tensor<1x8xf32>
// CHECK: packed.rotary ins(%[[H]], {{.*}} outs(%[[E]] : tensor<1x8xf32>)
// CHECK: packed.rotary ins(%[[X]], {{.*}} outs(%[[X]] : tensor<?x8xf32>)
func.func private @rotary(%h: tensor<1x8xf32>, %x: tensor<?x8xf32>, %c: tensor<1x2xf32>,
                          %d: tensor<?x2xf32>) -> (tensor<1x8xf32>, tensor<?x8xf32>) {
  %a = packed.rotary ins(%h, %c, %c : tensor<1x8xf32>, tensor<1x2xf32>, tensor<1x2xf32>)
      outs(%h : tensor<1x8xf32>) -> tensor<1x8xf32>
  %b = packed.rotary ins(%x, %d, %d : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
      outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
  return %a, %b : tensor<1x8xf32>, tensor<?x8xf32>
}

// -----

// expected-error @below {{expects an argument of each result's type, but got no other 'tensor<?x4xf32>'}}
func.func private @none(%n: index) -> tensor<?x4xf32> {
  %e = tensor.empty(%n) : tensor<?x4xf32>
  return %e : tensor<?x4xf32>
}
