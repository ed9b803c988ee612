// RUN: stc-opt %s --stc-interpret=function=permute -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=packed -o /dev/null | FileCheck %s
// RUN: stc-opt %s --stc-interpret=function=quantized -o /dev/null | FileCheck %s --check-prefix=CODES
// RUN: stc-opt %s --stc-interpret=function=spread -o /dev/null | FileCheck %s --check-prefix=SPREAD
// RUN: not stc-opt %s --stc-interpret=function=outside -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTSIDE
// RUN: not stc-opt %s --stc-interpret=function=between -o /dev/null 2>&1 | FileCheck %s --check-prefix=BETWEEN

// CHECK: 2x3
// CHECK-NEXT: 3 1 2
// CHECK-NEXT: 6 4 5
func.func @permute() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1., 2., 3.], [4., 5., 6.]]> : tensor<2x3xf32>
  %order = arith.constant dense<[2., 0., 1.]> : tensor<3xf32>
  %y = stc.permute_features %x, %order : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
func.func @packed() -> tensor<2x3xf32> {
  %x = arith.constant dense<[[1., 2., 3.], [4., 5., 6.]]> : tensor<2x3xf32>
  %order = arith.constant dense<[2., 0., 1.]> : tensor<3xf32>
  %y0 = tensor.empty() : tensor<2x3xf32>
  %y = packed.permute_features ins(%x, %order : tensor<2x3xf32>, tensor<3xf32>)
      outs(%y0 : tensor<2x3xf32>) -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}

// Columns may be repeated or left out where there are not as many as before; -1 is a zero.
// SPREAD: 1x4
// SPREAD-NEXT: 3 0 1 3
func.func @spread() -> tensor<1x4xf32> {
  %x = arith.constant dense<[[1., 2., 3.]]> : tensor<1x3xf32>
  %order = arith.constant dense<[2., -1., 0., 2.]> : tensor<4xf32>
  %y = stc.permute_features %x, %order : (tensor<1x3xf32>, tensor<4xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// The largest of the columns that the order names is 127: the scale is 1. Column 0 is left out.
// CODES: 1x32
// CODES-NEXT: {{^}}127 -3 0
// CODES: 1x1
// CODES-NEXT: 1
// CODES: 1x1
// CODES-NEXT: 124
func.func @quantized() -> (tensor<1x32xi8>, tensor<1x1xf32>, tensor<1x1xi32>) {
  %x = arith.constant dense<[[1000., -3., 127.]]> : tensor<1x3xf32>
  %order = arith.constant dense<[2., 1.]> : tensor<2xf32>
  %c0 = tensor.empty() : tensor<1x32xi8>
  %s0 = tensor.empty() : tensor<1x1xf32>
  %t0 = tensor.empty() : tensor<1x1xi32>
  %c, %s, %t = packed.quantize_activations ins(%x : tensor<1x3xf32>) order(%order : tensor<2xf32>)
      outs(%c0, %s0, %t0 : tensor<1x32xi8>, tensor<1x1xf32>, tensor<1x1xi32>) group 32
      -> tensor<1x32xi8>, tensor<1x1xf32>, tensor<1x1xi32>
  return %c, %s, %t : tensor<1x32xi8>, tensor<1x1xf32>, tensor<1x1xi32>
}

// OUTSIDE: stc.permute_features: expected an order of whole numbers from 0 to 1, got 2
func.func @outside() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1., 2.]]> : tensor<1x2xf32>
  %order = arith.constant dense<[2., 0.]> : tensor<2xf32>
  %y = stc.permute_features %x, %order : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
// BETWEEN: stc.permute_features: expected an order of whole numbers from 0 to 1, got 0.5
func.func @between() -> tensor<1x2xf32> {
  %x = arith.constant dense<[[1., 2.]]> : tensor<1x2xf32>
  %order = arith.constant dense<[0.5, 0.]> : tensor<2xf32>
  %y = stc.permute_features %x, %order : (tensor<1x2xf32>, tensor<2xf32>) -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}
