// RUN: stc-opt %s --stc-interpret=function=gated_activation -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=clamped -o /dev/null | FileCheck %s --check-prefix=CLAMPED

// CHECK: 1x3
// CHECK-NEXT: 7.31058579 -4.76811688 0
func.func @gated_activation() -> tensor<1x3xf32> {
  %gate = arith.constant dense<[[1., -2., 5.]]> : tensor<1x3xf32>
  %up = arith.constant dense<[[10., 20., 0.]]> : tensor<1x3xf32>
  %y = stc.gated_activation <silu> %gate, %up
      : (tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x3xf32>
  return %y : tensor<1x3xf32>
}

// With q(g) = g / (1 + exp(-1.702 g)): q(1) * (2 + 1), q(7) * (-7 + 1), q(-9) * (7 + 1), and q(-0.5) *
// (-1 + 1).
// CLAMPED: 1x4
// CLAMPED-NEXT: 2.5373873 -41.9997188 -1.60254239e-05 -0
func.func @clamped() -> tensor<1x4xf32> {
  %gate = arith.constant dense<[[1., 9., -9., -0.5]]> : tensor<1x4xf32>
  %up = arith.constant dense<[[2., -8., 10., -1.]]> : tensor<1x4xf32>
  %y = stc.gated_activation <quick_gelu> %gate, %up limit 7.0 offset 1.0
      : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}
