// RUN: stc-opt %s --stc-interpret=function=split_activations -o /dev/null | FileCheck %s

// 1 + 2^-7 is a bf16 number. 1 + 2^-8 is halfway between two of them and rounds to the even one, 1. What
// is a bit more rounds up, so that its low part is negative. The high parts of 34 columns are padded to
// 96, an odd multiple of 32; the low ones follow.
// CHECK: 1x192
// CHECK-NEXT: {{^}}1.0078125 1 1.0078125 -3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0.00390625 -0.00390625 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0{{$}}
func.func @split_activations() -> tensor<1x192xbf16> {
  %x = arith.constant dense<[[1.0078125, 1.00390625, 1.00390720, -3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]]> : tensor<1x34xf32>
  %h0 = tensor.empty() : tensor<1x192xbf16>
  %h = packed.split_activations ins(%x : tensor<1x34xf32>) outs(%h0 : tensor<1x192xbf16>)
      -> tensor<1x192xbf16>
  return %h : tensor<1x192xbf16>
}
