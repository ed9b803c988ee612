// RUN: stc-opt %s --stc-interpret=function=rotary_embedding -o /dev/null | FileCheck %s

// Pair 0 of each of two heads turns by 90 degrees, (a, b) -> (-b, a); pair 1 stays.
// CHECK: 1x8
// CHECK-NEXT: -3 2 1 4 -7 6 5 8
// CHECK-NEXT: 1x8
// CHECK-NEXT: -2 1 3 4 -6 5 7 8
func.func @rotary_embedding() -> (tensor<1x8xf32>, tensor<1x8xf32>) {
  %x = arith.constant dense<[[1., 2., 3., 4., 5., 6., 7., 8.]]> : tensor<1x8xf32>
  %cos = arith.constant dense<[[0., 1.]]> : tensor<1x2xf32>
  %sin = arith.constant dense<[[1., 0.]]> : tensor<1x2xf32>
  %y = stc.rotary_embedding %x, %cos, %sin
      : (tensor<1x8xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x8xf32>
  %z = stc.rotary_embedding interleaved %x, %cos, %sin
      : (tensor<1x8xf32>, tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x8xf32>
  return %y, %z : tensor<1x8xf32>, tensor<1x8xf32>
}

// Of each head of four the first pair turns by 90 degrees, and the rest stays.
// RUN: stc-opt %s --stc-interpret=function=partial -o /dev/null | FileCheck %s --check-prefix=PARTIAL
// PARTIAL: 1x8
// PARTIAL-NEXT: -2 1 3 4 -6 5 7 8
func.func @partial() -> tensor<1x8xf32> {
  %x = arith.constant dense<[[1., 2., 3., 4., 5., 6., 7., 8.]]> : tensor<1x8xf32>
  %cos = arith.constant dense<[[0.]]> : tensor<1x1xf32>
  %sin = arith.constant dense<[[1.]]> : tensor<1x1xf32>
  %y = stc.rotary_embedding %x, %cos, %sin head_dim 4
      : (tensor<1x8xf32>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}
