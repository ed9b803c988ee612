// RUN: stc-opt %s --stc-interpret=function=quantize_activations -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=of_token -o /dev/null | FileCheck %s --check-prefix=TOKEN

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

// All columns have one scale, of which column 200 has the largest number, and one sum.
// TOKEN: 1x256
// TOKEN-NEXT: {{^}}32 32 32 {{.*}} 32 127 32 {{.*}} 32 0 0
// TOKEN-NEXT: 1x1
// TOKEN-NEXT: {{^}}2{{$}}
// TOKEN-NEXT: 1x1
// TOKEN-NEXT: {{^}}-16382{{$}}
func.func @of_token() -> (tensor<1x256xi8>, tensor<1x1xf32>, tensor<1x1xi32>) {
  %ones = arith.constant dense<64.0> : tensor<1x253xf32>
  %most = arith.constant dense<254.0> : tensor<1x1xf32>
  %x = tensor.insert_slice %most into %ones[0, 200] [1, 1] [1, 1]
      : tensor<1x1xf32> into tensor<1x253xf32>
  %c0 = tensor.empty() : tensor<1x256xi8>
  %s0 = tensor.empty() : tensor<1x1xf32>
  %t0 = tensor.empty() : tensor<1x1xi32>
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x253xf32>)
      outs(%c0, %s0, %t0 : tensor<1x256xi8>, tensor<1x1xf32>, tensor<1x1xi32>) group 256
      sum_factor -2 -> tensor<1x256xi8>, tensor<1x1xf32>, tensor<1x1xi32>
  return %c, %s, %t : tensor<1x256xi8>, tensor<1x1xf32>, tensor<1x1xi32>
}
