// packed.gather, packed.vector and packed.weight_row.
// RUN: %python %S/Inputs/section.py %t.section
// RUN: stc-opt %s --stc-interpret='function=gather weights=%t.section' -o /dev/null | FileCheck %s
// RUN: not stc-opt %s --stc-interpret='function=outside weights=%t.section' -o /dev/null 2>&1 | FileCheck %s --check-prefix=OUTSIDE

packed.weight @f32 : !packed.weight<3x2, #packed.layout<rows, f32>> offset 4224 bytes 192 density 1.0
packed.weight @bf16 : !packed.weight<3x2, #packed.layout<rows, bf16>> offset 4416 bytes 192 density 1.0
packed.weight @dense32 : !packed.weight<3x2, #packed.layout<dense, f32>> offset 4608 bytes 256 density 1.0
// The same bytes, read as one row of six.
packed.weight @row : !packed.weight<1x6, #packed.layout<rows, f32>> offset 4224 bytes 192 density 1.0

// CHECK: 2x2
// CHECK-NEXT: 5 6
// CHECK-NEXT: 1 2
// CHECK-NEXT: 2x2
// CHECK-NEXT: 5 6
// CHECK-NEXT: 1 2
// CHECK-NEXT: 2x2
// CHECK-NEXT: 5 6
// CHECK-NEXT: 1 2
// CHECK-NEXT: 6{{$}}
// CHECK-NEXT: 1 2 3 4 5 6
func.func @gather() -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<6xf32>) {
  %tokens = arith.constant dense<[2, 0]> : tensor<2xi32>
  %h0 = tensor.empty() : tensor<2x2xf32>
  %a = packed.get_weight @f32 : !packed.weight<3x2, #packed.layout<rows, f32>>
  %x = packed.gather ins(%tokens : tensor<2xi32>)
      table(%a : !packed.weight<3x2, #packed.layout<rows, f32>>)
      outs(%h0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %b = packed.get_weight @bf16 : !packed.weight<3x2, #packed.layout<rows, bf16>>
  %y = packed.gather ins(%tokens : tensor<2xi32>)
      table(%b : !packed.weight<3x2, #packed.layout<rows, bf16>>)
      outs(%h0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %c = packed.get_weight @dense32 : !packed.weight<3x2, #packed.layout<dense, f32>>
  %z = packed.gather ins(%tokens : tensor<2xi32>)
      table(%c : !packed.weight<3x2, #packed.layout<dense, f32>>)
      outs(%h0 : tensor<2x2xf32>) -> tensor<2x2xf32>
  %i = arith.constant 1 : index
  %r:1 = packed.weight_row %i of [[@row], [@row]] : !packed.weight<1x6, #packed.layout<rows, f32>>
  %v = packed.vector %r#0 : !packed.weight<1x6, #packed.layout<rows, f32>> -> tensor<6xf32>
  return %x, %y, %z, %v : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<6xf32>
}

// OUTSIDE: error: packed.weight_row: expected a row from 0 to 0, got 1
func.func @outside() -> tensor<6xf32> {
  %i = arith.constant 1 : index
  %r = packed.weight_row %i of [[@row]] : !packed.weight<1x6, #packed.layout<rows, f32>>
  %v = packed.vector %r : !packed.weight<1x6, #packed.layout<rows, f32>> -> tensor<6xf32>
  return %v : tensor<6xf32>
}
