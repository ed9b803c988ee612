// RUN: stc-opt %s --stc-interpret=function=layer_norm -o /dev/null | FileCheck %s

// The mean of (1, 5) is 3 and the variance 4; with an epsilon of 12 the root is 4 instead of 2.
// CHECK: 1x2
// CHECK-NEXT: -1 2
// CHECK-NEXT: 1x2
// CHECK-NEXT: 9.5 21
// Groups (1, 5) and (4, 0), with one weight for both and with one for each.
// CHECK-NEXT: 1x4
// CHECK-NEXT: -1 2 1 -2
// CHECK-NEXT: 1x4
// CHECK-NEXT: -1 2 3 -4
func.func @layer_norm() -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %x = arith.constant dense<[[1., 5.]]> : tensor<1x2xf32>
  %w = arith.constant dense<[1., 2.]> : tensor<2xf32>
  %b = arith.constant dense<[10., 20.]> : tensor<2xf32>
  %y = stc.layer_norm %x, %w epsilon 0.0 : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %z = stc.layer_norm %x, %w bias %b epsilon 12.0
      : (tensor<1x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %g = arith.constant dense<[[1., 5., 4., 0.]]> : tensor<1x4xf32>
  %m = arith.constant dense<[[1., 2.], [3., 4.]]> : tensor<2x2xf32>
  %u = stc.layer_norm %g, %w groups 2 epsilon 0.0
      : (tensor<1x4xf32>, tensor<2xf32>) -> tensor<1x4xf32>
  %v = stc.layer_norm %g, %m groups 2 epsilon 0.0
      : (tensor<1x4xf32>, tensor<2x2xf32>) -> tensor<1x4xf32>
  return %y, %z, %u, %v : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}
