// RUN: stc-opt %s --stc-interpret=function=scale -o /dev/null | FileCheck %s

// tanh(1) is 0.761594156 and tanh(1/2) is 0.462117157.
// CHECK: 1x2
// CHECK-NEXT: -3 6
// CHECK-NEXT: 1x2
// CHECK-NEXT: -0.924234315 1.52318831
// CHECK-NEXT: 1x2
// CHECK-NEXT: -1 1.5
// CHECK-NEXT: 1x2
// CHECK-NEXT: 0 4
func.func @scale() -> (tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>) {
  %x = arith.constant dense<[[-1., 2.]]> : tensor<1x2xf32>
  %y = stc.scale %x by 3.0 : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %z = stc.soft_cap %x cap 2.0 : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %c = stc.clamp %x limit 1.5 : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %s = stc.activation <relu2> %x : (tensor<1x2xf32>) -> tensor<1x2xf32>
  return %y, %z, %c, %s
      : tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>, tensor<1x2xf32>
}
