// RUN: stc-opt %s --stc-interpret=function=activation -o /dev/null | FileCheck %s

// CHECK: 1x4
// CHECK-NEXT: 0.731058579 -0.238405844 0 2.85772238
// CHECK-NEXT: 1x4
// CHECK-NEXT: 0.841344746 -0.0455002639 0 2.99595031
// CHECK-NEXT: 1x4
// CHECK-NEXT: 0.841191991 -0.0454023059 0 2.99636261
// CHECK-NEXT: 1x4
// CHECK-NEXT: 1 0 0 3
func.func @activation() -> (tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>) {
  %x = arith.constant dense<[[1., -2., 0., 3.]]> : tensor<1x4xf32>
  %a = stc.activation <silu> %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %b = stc.activation <gelu> %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %c = stc.activation <gelu_tanh> %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %d = stc.activation <relu> %x : (tensor<1x4xf32>) -> tensor<1x4xf32>
  return %a, %b, %c, %d : tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>, tensor<1x4xf32>
}
