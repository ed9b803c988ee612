// RUN: stc-opt %s --stc-interpret=function=linear -o /dev/null | FileCheck %s

stc.weight @w : tensor<3x2xbf16> {value = dense<[[1., 0.], [0., 1.], [1., 1.]]> : tensor<3x2xbf16>}
stc.weight @b : tensor<3xf32> {value = dense<[10., 20., 30.]> : tensor<3xf32>}

// CHECK: 2x3
// CHECK-NEXT: 1 2 3
// CHECK-NEXT: 3 4 7
// CHECK-NEXT: 2x3
// CHECK-NEXT: 11 22 33
// CHECK-NEXT: 13 24 37
func.func @linear() -> (tensor<2x3xf32>, tensor<2x3xf32>) {
  %x = arith.constant dense<[[1., 2.], [3., 4.]]> : tensor<2x2xf32>
  %w = stc.get_weight @w : tensor<3x2xbf16>
  %b = stc.get_weight @b : tensor<3xf32>
  %y = stc.linear %x, %w : (tensor<2x2xf32>, tensor<3x2xbf16>) -> tensor<2x3xf32>
  %z = stc.linear %x, %w bias %b
      : (tensor<2x2xf32>, tensor<3x2xbf16>, tensor<3xf32>) -> tensor<2x3xf32>
  return %y, %z : tensor<2x3xf32>, tensor<2x3xf32>
}
