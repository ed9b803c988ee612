// RUN: stc-opt %s --stc-interpret=function=quantize_activations -o /dev/null | FileCheck %s

// Group 0: the largest is 254, so the scale is 2: 254 -> 127, -3 -> -1.5 -> -2 (to even), 1 -> 0.5 -> 0
// (to even), 5 -> 2.5 -> 2. Group 1: 127 -> scale 1; what is past the input's end is zero.
// CHECK: 1x64
// CHECK-NEXT: {{^}}127 -2 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 -127 1 0 0 0
// CHECK-NEXT: 1x2
// CHECK-NEXT: 2 1
// CHECK-NEXT: 1x2
// CHECK-NEXT: 127 -126
func.func @quantize_activations() -> (tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>) {
  %x = arith.constant dense<[[254.0, -3.0, 1.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -127.0, 1.25]]> : tensor<1x34xf32>
  %c0 = tensor.empty() : tensor<1x64xi8>
  %s0 = tensor.empty() : tensor<1x2xf32>
  %t0 = tensor.empty() : tensor<1x2xi32>
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x34xf32>)
      outs(%c0, %s0, %t0 : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>) group 32
      -> tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>
  return %c, %s, %t : tensor<1x64xi8>, tensor<1x2xf32>, tensor<1x2xi32>
}
