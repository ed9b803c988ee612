// RUN: stc-opt %s --stc-interpret=function=embedding -o /dev/null | FileCheck %s
// RUN: not stc-opt %s --stc-interpret=function=outside -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTSIDE

stc.weight @table : tensor<3x2xf32> {value = dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32>}

// CHECK: 2x2
// CHECK-NEXT: 5 6
// CHECK-NEXT: 1 2
func.func @embedding() -> tensor<2x2xf32> {
  %tokens = arith.constant dense<[2, 0]> : tensor<2xi32>
  %table = stc.get_weight @table : tensor<3x2xf32>
  %h = stc.embedding %tokens, %table : (tensor<2xi32>, tensor<3x2xf32>) -> tensor<2x2xf32>
  return %h : tensor<2x2xf32>
}

// OUTSIDE: error: token: expected a number from 0 to 2, got 3
func.func @outside() -> tensor<1x2xf32> {
  %tokens = arith.constant dense<[3]> : tensor<1xi32>
  %table = stc.get_weight @table : tensor<3x2xf32>
  %h = stc.embedding %tokens, %table : (tensor<1xi32>, tensor<3x2xf32>) -> tensor<1x2xf32>
  return %h : tensor<1x2xf32>
}
