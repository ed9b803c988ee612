// RUN: stc-opt %s --stc-interpret=function=rms_norm -o /dev/null | FileCheck %s

// As the groups of rms_norm.mlir, written over the input.
// CHECK: 1x4
// CHECK-NEXT: 0.848528137 2.2627417 0.848528137 2.2627417
// Each group with its own weight, about its mean: that of (3, 4) is 3.5 and the deviation 0.5.
// CHECK-NEXT: 1x4
// CHECK-NEXT: -1 2 -3 4
func.func @rms_norm() -> (tensor<1x4xf32>, tensor<1x4xf32>) {
  %x = arith.constant dense<[[3., 4., 6., 8.]]> : tensor<1x4xf32>
  %w = arith.constant dense<[1., 2.]> : tensor<2xf32>
  %y = packed.rms_norm ins(%x, %w : tensor<1x4xf32>, tensor<2xf32>) outs(%x : tensor<1x4xf32>)
      groups 2 epsilon 0.0 -> tensor<1x4xf32>
  %v = arith.constant dense<[1., 2., 3., 4.]> : tensor<4xf32>
  %z = packed.rms_norm centred ins(%x, %v : tensor<1x4xf32>, tensor<4xf32>)
      outs(%x : tensor<1x4xf32>) groups 2 epsilon 0.0 -> tensor<1x4xf32>
  return %y, %z : tensor<1x4xf32>, tensor<1x4xf32>
}
