// The upstream operations that graphs use.
// RUN: stc-opt %s --stc-interpret=function=floats -o /dev/null | FileCheck %s --check-prefix=FLOATS
// RUN: stc-opt %s --stc-interpret=function=integers -o /dev/null | FileCheck %s --check-prefix=INTEGERS
// RUN: stc-opt %s --stc-interpret=function=tensors -o /dev/null | FileCheck %s --check-prefix=TENSORS
// RUN: stc-opt %s --stc-interpret=function=calls -o /dev/null | FileCheck %s --check-prefix=CALLS

// FLOATS: 2{{$}}
// FLOATS-NEXT: 4 6
// FLOATS-NEXT: 2{{$}}
// FLOATS-NEXT: -2 -2
// FLOATS-NEXT: 2{{$}}
// FLOATS-NEXT: 3 8
// FLOATS-NEXT: 2{{$}}
// FLOATS-NEXT: -0.333333333 -0.5
// FLOATS-NEXT: 2{{$}}
// FLOATS-NEXT: 3 4
// FLOATS-NEXT: 1{{$}}
// 0.1 as the nearest bf16.
// FLOATS-NEXT: 1{{$}}
// FLOATS-NEXT: 0.100097656
!v = tensor<2xf32>
func.func @floats() -> (!v, !v, !v, !v, !v, f32, tensor<1xbf16>) {
  %x = arith.constant dense<[1., 2.]> : !v
  %y = arith.constant dense<[3., 4.]> : !v
  %a = arith.addf %x, %y : !v
  %b = arith.subf %x, %y : !v
  %c = arith.mulf %x, %y : !v
  %d = arith.divf %x, %y : !v
  %e = arith.negf %d : !v
  %f = arith.maximumf %x, %y : !v
  %two = arith.constant 2.0 : f32
  %one = arith.constant 1.0 : f32
  %g = arith.minimumf %one, %two : f32
  %tenth = arith.constant dense<0.1> : tensor<1xf32>
  %h = arith.truncf %tenth : tensor<1xf32> to tensor<1xbf16>
  return %a, %b, %c, %e, %f, %g, %h : !v, !v, !v, !v, !v, f32, tensor<1xbf16>
}

// INTEGERS: 7{{$}}
// INTEGERS-NEXT: 12{{$}}
// INTEGERS-NEXT: -1{{$}}
// INTEGERS-NEXT: 2{{$}}
// INTEGERS-NEXT: -128 5
func.func @integers() -> (index, index, i32, tensor<2xi8>) {
  %a = arith.constant 3 : index
  %b = arith.constant 4 : index
  %sum = arith.addi %a, %b : index
  %product = arith.muli %a, %b : index
  %difference = arith.subi %a, %b : index
  %cast = arith.index_cast %difference : index to i32
  // 127 + 1 wraps around.
  %x = arith.constant dense<[127, 4]> : tensor<2xi8>
  %y = arith.constant dense<1> : tensor<2xi8>
  %z = arith.addi %x, %y : tensor<2xi8>
  return %sum, %product, %cast, %z : index, index, i32, tensor<2xi8>
}

// TENSORS: 1x2
// TENSORS-NEXT: 7 7
// TENSORS-NEXT: 3{{$}}
// TENSORS-NEXT: 2{{$}}
// TENSORS-NEXT: 5 6
// TENSORS-NEXT: 2x1
// TENSORS-NEXT: 2
// TENSORS-NEXT: 6
func.func @tensors() -> (tensor<?x2xf32>, index, tensor<2xf32>, tensor<2x1xf32>) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %two = arith.constant 2 : index
  %seven = arith.constant 7.0 : f32
  %empty = tensor.empty(%one) : tensor<?x2xf32>
  %filled = linalg.fill ins(%seven : f32) outs(%empty : tensor<?x2xf32>) -> tensor<?x2xf32>
  %x = arith.constant dense<[[1., 2.], [3., 4.], [5., 6.]]> : tensor<3x2xf32>
  %y = tensor.cast %x : tensor<3x2xf32> to tensor<?x2xf32>
  %rows = tensor.dim %y, %zero : tensor<?x2xf32>
  %last = tensor.extract_slice %y[%two, 0] [1, 2] [1, 1] : tensor<?x2xf32> to tensor<2xf32>
  %column = tensor.extract_slice %x[0, 1] [2, 1] [2, 1] : tensor<3x2xf32> to tensor<2x1xf32>
  return %filled, %rows, %last, %column
      : tensor<?x2xf32>, index, tensor<2xf32>, tensor<2x1xf32>
}

func.func private @swap(%a: index, %b: index) -> (index, index) {
  return %b, %a : index, index
}
// CALLS: 4{{$}}
// CALLS-NEXT: 3{{$}}
func.func @calls() -> (index, index) {
  %a = arith.constant 3 : index
  %b = arith.constant 4 : index
  %r:2 = call @swap(%a, %b) : (index, index) -> (index, index)
  return %r#0, %r#1 : index, index
}
