// stc.weight and stc.get_weight: inline values of every float type, and values that are missing.
// RUN: stc-opt %s --stc-interpret=function=get_weight -o /dev/null | FileCheck %s
// RUN: not stc-opt %s --stc-interpret=function=stored -o /dev/null 2>&1 | FileCheck %s --check-prefix=STORED

stc.weight @a : tensor<3xf32> {value = dense<[1.5, -2.0, 0.1]> : tensor<3xf32>}
stc.weight @b : tensor<2x2xbf16> {value = dense<[[1.0, 3.140625], [-0.5, 0.0]]> : tensor<2x2xbf16>}
stc.weight @c : tensor<2xf16> {value = dense<[6.103515625e-05, 2.0]> : tensor<2xf16>}
stc.weight @d : tensor<4xf32> {source = "model.norm.weight"}

// CHECK: 3{{$}}
// CHECK-NEXT: 1.5 -2 0.100000001
// CHECK-NEXT: 2x2
// CHECK-NEXT: 1 3.140625
// CHECK-NEXT: -0.5 0
// CHECK-NEXT: 2{{$}}
// CHECK-NEXT: 6.10351562e-05 2
func.func @get_weight() -> (tensor<3xf32>, tensor<2x2xbf16>, tensor<2xf16>) {
  %a = stc.get_weight @a : tensor<3xf32>
  %b = stc.get_weight @b : tensor<2x2xbf16>
  %c = stc.get_weight @c : tensor<2xf16>
  return %a, %b, %c : tensor<3xf32>, tensor<2x2xbf16>, tensor<2xf16>
}

// STORED: error: @d: expected the module attribute stc.checkpoint
func.func @stored() -> tensor<4xf32> {
  %d = stc.get_weight @d : tensor<4xf32>
  return %d : tensor<4xf32>
}
