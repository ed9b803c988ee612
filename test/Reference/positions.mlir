// RUN: stc-opt %s --stc-interpret=function=positions -o /dev/null | FileCheck %s

// Three tokens after the first four, and the rows of a table for the positions 1 and 2. The table of
// angles is times two: twice the cosine and sine of 0 and of pi / 2.
// CHECK: 5 6 7
// CHECK: 2x1
// CHECK-NEXT: 20
// CHECK-NEXT: 30
// CHECK: 2x1
// CHECK-NEXT: 2
// CHECK-NEXT: {{.*}}e-1
// CHECK: 2x1
// CHECK-NEXT: 0
// CHECK-NEXT: 2
func.func @positions() -> (tensor<3xi32>, tensor<2x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>) {
  %tokens = arith.constant dense<[9, 9, 9]> : tensor<3xi32>
  %two = arith.constant dense<[9, 9]> : tensor<2xi32>
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %five = arith.constant 5 : index
  %table = arith.constant dense<[[10.], [20.], [30.]]> : tensor<3x1xf32>
  %p = stc.positions %tokens, %five : (tensor<3xi32>, index) -> tensor<3xi32>
  %q = stc.positions %two, %one : (tensor<2xi32>, index) -> tensor<2xi32>
  %y = stc.embedding %q, %table : (tensor<2xi32>, tensor<3x1xf32>) -> tensor<2x1xf32>
  %cos, %sin = stc.rotary_table %two, %zero frequencies [1.5707963267948966] scale 2.0
      : (tensor<2xi32>, index) -> (tensor<2x1xf32>, tensor<2x1xf32>)
  return %p, %y, %cos, %sin : tensor<3xi32>, tensor<2x1xf32>, tensor<2x1xf32>, tensor<2x1xf32>
}
