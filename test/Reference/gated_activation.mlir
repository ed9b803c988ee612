// RUN: stc-opt %s --stc-interpret=function=gated_activation -o /dev/null | FileCheck %s

// CHECK: 1x3
// CHECK-NEXT: 7.31058579 -4.76811688 0
func.func @gated_activation() -> tensor<1x3xf32> {
  %gate = arith.constant dense<[[1., -2., 5.]]> : tensor<1x3xf32>
  %up = arith.constant dense<[[10., 20., 0.]]> : tensor<1x3xf32>
  %y = stc.gated_activation <silu> %gate, %up
      : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  return %y : tensor<1x3xf32>
}
