// RUN: stc-opt %s --convert-stc-to-linalg=keep-norms | FileCheck %s

// A norm of f32 stays one operation, with a destination of as many tokens as the input.

// CHECK-LABEL: func.func @wide
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<4xf32>)
// CHECK: %[[N:.*]] = tensor.dim %[[X]], %{{.*}} : tensor<?x4xf32>
// CHECK: %[[OUT:.*]] = tensor.empty(%[[N]]) : tensor<?x4xf32>
// CHECK: packed.rms_norm ins(%[[X]], %[[W]] : tensor<?x4xf32>, tensor<4xf32>) outs(%[[OUT]] : tensor<?x4xf32>) groups 1 epsilon 1.000000e-05
func.func @wide(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  %y = stc.rms_norm %x, %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// The kernel does not read narrower weights.

// CHECK-LABEL: func.func @narrow
// CHECK-NOT: packed.rms_norm
// CHECK: linalg.generic
func.func @narrow(%x: tensor<?x4xf32>, %w: tensor<4xbf16>) -> tensor<?x4xf32> {
  %y = stc.rms_norm %x, %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xbf16>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
