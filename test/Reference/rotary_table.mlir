// RUN: stc-opt %s --stc-interpret=function=rotary_table -o /dev/null | FileCheck %s

// Angles 3, 1.5 and 4, 2; the cosines and sines are rounded to f32.
// CHECK: 2x2
// CHECK-NEXT: -0.989992499 0.070737198
// CHECK-NEXT: -0.653643608 -0.416146845
// CHECK-NEXT: 2x2
// CHECK-NEXT: 0.141120002 0.997494996
// CHECK-NEXT: -0.756802499 0.909297407
func.func @rotary_table() -> (tensor<2x2xf32>, tensor<2x2xf32>) {
  %tokens = arith.constant dense<0> : tensor<2xi32>
  %position = arith.constant 3 : index
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.5]
      : (tensor<2xi32>, index) -> (tensor<2x2xf32>, tensor<2x2xf32>)
  return %cos, %sin : tensor<2x2xf32>, tensor<2x2xf32>
}
