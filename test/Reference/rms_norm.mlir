// RUN: stc-opt %s --stc-interpret=function=rms_norm -o /dev/null | FileCheck %s

// The mean square of (3, 4) is 12.5: without epsilon the root is 3.53553391, with 12.5 more it is 5.
// CHECK: 1x2
// CHECK-NEXT: 0.848528137 2.2627417
// CHECK-NEXT: 1x2
// CHECK-NEXT: 0.6 1.6
func.func @rms_norm() -> (tensor<1x2xf32>, tensor<1x2xf32>) {
  %x = arith.constant dense<[[3., 4.]]> : tensor<1x2xf32>
  %w = arith.constant dense<[1., 2.]> : tensor<2xf32>
  %y = stc.rms_norm %x, %w epsilon 0.0 : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  %z = stc.rms_norm %x, %w epsilon 12.5 : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return %y, %z : tensor<1x2xf32>, tensor<1x2xf32>
}

// Each of two groups on its own: (3, 4) as above, and (6, 8) with twice its root.
// RUN: stc-opt %s --stc-interpret=function=groups -o /dev/null | FileCheck %s --check-prefix=GROUPS
// GROUPS: 1x4
// GROUPS-NEXT: 0.848528137 2.2627417 0.848528137 2.2627417
func.func @groups() -> tensor<1x4xf32> {
  %x = arith.constant dense<[[3., 4., 6., 8.]]> : tensor<1x4xf32>
  %w = arith.constant dense<[1., 2.]> : tensor<2xf32>
  %y = stc.rms_norm %x, %w groups 2 epsilon 0.0 : (tensor<1x4xf32>, tensor<2xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
