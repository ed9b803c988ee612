// RUN: split-file %s %t
// RUN: stc-opt %t/form.mlir --stablehlo-to-linalg | FileCheck %t/form.mlir
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=elements | FileCheck %t/values.mlir --check-prefix=ELEMENTS
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=integers | FileCheck %t/values.mlir --check-prefix=INTEGERS
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=shapes | FileCheck %t/values.mlir --check-prefix=SHAPES
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=slices | FileCheck %t/values.mlir --check-prefix=SLICES
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=sums | FileCheck %t/values.mlir --check-prefix=SUMS
// RUN: stc-opt %t/values.mlir --stablehlo-to-linalg --stc-interpret=function=gathers | FileCheck %t/values.mlir --check-prefix=GATHERS

//--- form.mlir

// Dimensions of size 1 go, bf16 is computed in f32, tokens have 32 bits, and calls are written out.
// CHECK-LABEL: func.func @types
// CHECK-SAME: (%{{.*}}: tensor<4xf32>, %{{.*}}: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi64>)
// CHECK: arith.extsi
// CHECK: math.tanh
// CHECK-NOT: call
// CHECK-NOT: @inner
func.func @types(%x: tensor<1x4xbf16>, %t: tensor<4x1xi64>) -> (tensor<1x4xbf16>, tensor<4x1xi64>) {
  %0 = call @inner(%x) : (tensor<1x4xbf16>) -> tensor<1x4xbf16>
  return %0, %t : tensor<1x4xbf16>, tensor<4x1xi64>
}
func.func private @inner(%x: tensor<1x4xbf16>) -> tensor<1x4xbf16> {
  %0 = stablehlo.tanh %x : tensor<1x4xbf16>
  return %0 : tensor<1x4xbf16>
}

// What changes nothing is gone, and what is known is a number.
// CHECK-LABEL: func.func @neutral(
// CHECK-SAME: %[[X:.*]]: tensor<4xf32>)
// CHECK: arith.constant dense<1.500000e+01> : tensor<4xf32>
// CHECK-NOT: linalg
// CHECK: return %[[X]], %{{.*}} : tensor<4xf32>, tensor<4xf32>
func.func @neutral(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %one = stablehlo.constant dense<1> : tensor<i32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<4xf32>
  %n = stablehlo.constant dense<16.0> : tensor<f32>
  %zeros = stablehlo.broadcast_in_dim %zero, dims = [] : (tensor<f32>) -> tensor<4xf32>
  %0 = stablehlo.add %x, %zeros : tensor<4xf32>
  %1 = stablehlo.convert %one : (tensor<i32>) -> tensor<f32>
  %ones = stablehlo.broadcast_in_dim %1, dims = [] : (tensor<f32>) -> tensor<4xf32>
  %2 = stablehlo.multiply %ones, %0 : tensor<4xf32>
  %3 = stablehlo.maximum %low, %2 : tensor<4xf32>
  %4 = stablehlo.subtract %n, %1 : tensor<f32>
  %5 = stablehlo.compare GT, %4, %zero, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
  %6 = stablehlo.broadcast_in_dim %4, dims = [] : (tensor<f32>) -> tensor<4xf32>
  %7 = stablehlo.select %5, %6, %x : (tensor<i1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %3, %7 : tensor<4xf32>, tensor<4xf32>
}

// A weight is the right factor, and its dimensions are one.
// CHECK-LABEL: func.func @weight_on_the_left
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<3x4xf32>, tensor<4x4xf32>) outs(%{{.*}} : tensor<3x4xf32>)
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [3, 2, 2] : tensor<3x4xf32> into tensor<3x2x2xf32>
func.func @weight_on_the_left(%x: tensor<1x3x4xf32>) -> tensor<1x3x2x2xf32> {
  %w = stablehlo.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]], [[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<4x2x2xf32>
  %0 = stablehlo.dot_general %w, %x, contracting_dims = [0] x [2] : (tensor<4x2x2xf32>, tensor<1x3x4xf32>) -> tensor<2x2x1x3xf32>
  %1 = stablehlo.transpose %0, dims = [2, 3, 0, 1] : (tensor<2x2x1x3xf32>) -> tensor<1x3x2x2xf32>
  return %1 : tensor<1x3x2x2xf32>
}

//--- values.mlir

func.func @elements() -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %x = stablehlo.constant dense<[-1.5, 0.0, 2.5]> : tensor<3xf32>
  %one = stablehlo.constant dense<1.0> : tensor<f32>
  %two = stablehlo.constant dense<2.0> : tensor<f32>
  // ELEMENTS: 3
  // ELEMENTS-NEXT: 0.182425524 0.5 0.92414182
  %0 = stablehlo.logistic %x : tensor<3xf32>
  // ELEMENTS: -1 0 1
  %1 = stablehlo.sign %x : tensor<3xf32>
  // ELEMENTS: -0.966105146 0 0.999593048
  %2 = chlo.erf %x : tensor<3xf32> -> tensor<3xf32>
  // ELEMENTS: 1.96610515 1 0.000406952017
  %3 = chlo.erfc %x : tensor<3xf32> -> tensor<3xf32>
  // ELEMENTS: 2.25 0 6.25
  %4 = chlo.square %x : tensor<3xf32> -> tensor<3xf32>
  // ELEMENTS: 1 1 2
  %5 = stablehlo.clamp %one, %x, %two : (tensor<f32>, tensor<3xf32>, tensor<f32>) -> tensor<3xf32>
  // ELEMENTS: -1 0 2
  %6 = stablehlo.convert %x : (tensor<3xf32>) -> tensor<3xi32>
  %7 = stablehlo.convert %6 : (tensor<3xi32>) -> tensor<3xf32>
  // ELEMENTS: -1.5 0 0
  %zero = stablehlo.constant dense<0.0> : tensor<3xf32>
  %8 = stablehlo.compare LE, %x, %zero, FLOAT : (tensor<3xf32>, tensor<3xf32>) -> tensor<3xi1>
  %9 = stablehlo.select %8, %x, %zero : tensor<3xi1>, tensor<3xf32>
  // ELEMENTS: 1.5 0 2.5
  %10 = stablehlo.abs %x : tensor<3xf32>
  return %0, %1, %2, %3, %4, %5, %7, %9, %10 : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

func.func @integers() -> (tensor<4xi1>, tensor<4xf32>, tensor<4xi32>, tensor<4xi32>) {
  %a = stablehlo.constant dense<[true, true, false, false]> : tensor<4xi1>
  %b = stablehlo.constant dense<[true, false, true, false]> : tensor<4xi1>
  // INTEGERS: 4
  // INTEGERS-NEXT: 1 0 1 1
  %0 = stablehlo.not %a : tensor<4xi1>
  %1 = stablehlo.or %0, %b : tensor<4xi1>
  // INTEGERS: 1 0 0 0
  %2 = stablehlo.multiply %a, %b : tensor<4xi1>
  %3 = stablehlo.convert %2 : (tensor<4xi1>) -> tensor<4xf32>
  // INTEGERS: 0 1 1 0
  %4 = stablehlo.xor %a, %b : tensor<4xi1>
  %5 = stablehlo.convert %4 : (tensor<4xi1>) -> tensor<4xi32>
  // INTEGERS: 0 1 2 2
  %6 = stablehlo.iota dim = 0 : tensor<4xi32>
  %two = stablehlo.constant dense<2> : tensor<4xi32>
  %7 = stablehlo.minimum %6, %two : tensor<4xi32>
  return %1, %3, %5, %7 : tensor<4xi1>, tensor<4xf32>, tensor<4xi32>, tensor<4xi32>
}

func.func @shapes() -> (tensor<3x2xf32>, tensor<2x3xf32>, tensor<2x2x3xf32>, tensor<3x2xf32>) {
  %x = stablehlo.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  // SHAPES: 3x2
  // SHAPES-NEXT: 1 4
  // SHAPES-NEXT: 2 5
  // SHAPES-NEXT: 3 6
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
  // SHAPES: 2x3
  // SHAPES-NEXT: 1 4 2
  // SHAPES-NEXT: 5 3 6
  %1 = stablehlo.reshape %0 : (tensor<3x2xf32>) -> tensor<2x3xf32>
  // SHAPES: 2x2x3
  // SHAPES-NEXT: 1 2 3
  // SHAPES-NEXT: 1 2 3
  // SHAPES-NEXT: 4 5 6
  // SHAPES-NEXT: 4 5 6
  %2 = stablehlo.broadcast_in_dim %x, dims = [0, 2] : (tensor<2x3xf32>) -> tensor<2x2x3xf32>
  // SHAPES: 3x2
  // SHAPES-NEXT: 1 4
  // SHAPES-NEXT: 2 5
  %3 = stablehlo.broadcast_in_dim %x, dims = [1, 0] : (tensor<2x3xf32>) -> tensor<3x2xf32>
  return %0, %1, %2, %3 : tensor<3x2xf32>, tensor<2x3xf32>, tensor<2x2x3xf32>, tensor<3x2xf32>
}

func.func @slices() -> (tensor<2x2xf32>, tensor<2x1xf32>, tensor<2x3xf32>, tensor<3x3xf32>, tensor<4x3xf32>) {
  %x = stablehlo.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %u = stablehlo.constant dense<[[7.0, 8.0, 9.0]]> : tensor<1x3xf32>
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %i = stablehlo.constant dense<5> : tensor<i32>
  %j = stablehlo.constant dense<-1> : tensor<i32>
  // SLICES: 2x2
  // SLICES-NEXT: 1 3
  // SLICES-NEXT: 4 6
  %0 = stablehlo.slice %x [0:2, 0:3:2] : (tensor<2x3xf32>) -> tensor<2x2xf32>
  // Starts are moved to where the part lies in the tensor.
  // SLICES: 2
  // SLICES-NEXT: 3 6
  %1 = stablehlo.dynamic_slice %x, %j, %i, sizes = [2, 1] : (tensor<2x3xf32>, tensor<i32>, tensor<i32>) -> tensor<2x1xf32>
  // SLICES: 2x3
  // SLICES-NEXT: 1 2 3
  // SLICES-NEXT: 7 8 9
  %2 = stablehlo.dynamic_update_slice %x, %u, %i, %j : (tensor<2x3xf32>, tensor<1x3xf32>, tensor<i32>, tensor<i32>) -> tensor<2x3xf32>
  // SLICES: 3x3
  // SLICES-NEXT: 7 8 9
  // SLICES-NEXT: 1 2 3
  // SLICES-NEXT: 4 5 6
  %3 = stablehlo.concatenate %u, %x, dim = 0 : (tensor<1x3xf32>, tensor<2x3xf32>) -> tensor<3x3xf32>
  // SLICES: 4x3
  // SLICES-NEXT: 0 0 0
  // SLICES-NEXT: 1 2 3
  // SLICES-NEXT: 4 5 6
  // SLICES-NEXT: 0 0 0
  %4 = stablehlo.pad %x, %zero, low = [1, 0], high = [1, 0], interior = [0, 0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<4x3xf32>
  return %0, %1, %2, %3, %4 : tensor<2x2xf32>, tensor<2x1xf32>, tensor<2x3xf32>, tensor<3x3xf32>, tensor<4x3xf32>
}

func.func @sums() -> (tensor<2x2xf32>, tensor<2x2x1xf32>, tensor<2xf32>, tensor<3xf32>, tensor<f32>) {
  %x = stablehlo.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %b = stablehlo.constant dense<[[[1.0], [2.0], [3.0]], [[4.0], [5.0], [6.0]]]> : tensor<2x3x1xf32>
  %c = stablehlo.constant dense<[[[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]], [[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]]]> : tensor<2x2x3xf32>
  %ten = stablehlo.constant dense<10.0> : tensor<f32>
  %low = stablehlo.constant dense<0xFF800000> : tensor<f32>
  // SUMS: 2x2
  // SUMS-NEXT: 14 32
  // SUMS-NEXT: 32 77
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
  // SUMS: 2x2
  // SUMS-NEXT: 4 2
  // SUMS-NEXT: 8 12
  %1 = stablehlo.dot_general %c, %b, batching_dims = [0] x [0], contracting_dims = [2] x [1] : (tensor<2x2x3xf32>, tensor<2x3x1xf32>) -> tensor<2x2x1xf32>
  // SUMS: 2
  // SUMS-NEXT: 16 25
  %2 = stablehlo.reduce(%x init: %ten) applies stablehlo.add across dimensions = [1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
  // SUMS: 3
  // SUMS-NEXT: 4 5 6
  %3 = stablehlo.reduce(%x init: %low) applies stablehlo.maximum across dimensions = [0] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  // Two dimensions are summed over.
  // SUMS: 91
  %4 = stablehlo.dot_general %x, %x, contracting_dims = [0, 1] x [0, 1] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<f32>
  return %0, %1, %2, %3, %4 : tensor<2x2xf32>, tensor<2x2x1xf32>, tensor<2xf32>, tensor<3xf32>, tensor<f32>
}

func.func @gathers() -> (tensor<3x2xf32>, tensor<2xf32>, tensor<2x2xf32>) {
  %x = stablehlo.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  %rows = stablehlo.constant dense<[[2], [0], [9]]> : tensor<3x1xi32>
  %places = stablehlo.constant dense<[[2, 0], [1, 1]]> : tensor<2x2xi32>
  %batch = stablehlo.constant dense<[[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]]> : tensor<2x2x2xf32>
  %each = stablehlo.constant dense<[[1], [0]]> : tensor<2x1xi32>
  // Numbers that are no rows are moved to the nearest one.
  // GATHERS: 3x2
  // GATHERS-NEXT: 5 6
  // GATHERS-NEXT: 1 2
  // GATHERS-NEXT: 5 6
  %0 = "stablehlo.gather"(%x, %rows) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 2>}> : (tensor<3x2xf32>, tensor<3x1xi32>) -> tensor<3x2xf32>
  // GATHERS: 2
  // GATHERS-NEXT: 5 4
  %1 = "stablehlo.gather"(%x, %places) <{dimension_numbers = #stablehlo.gather<collapsed_slice_dims = [0, 1], start_index_map = [0, 1], index_vector_dim = 1>, slice_sizes = array<i64: 1, 1>}> : (tensor<3x2xf32>, tensor<2x2xi32>) -> tensor<2xf32>
  // A row of each matrix.
  // GATHERS: 2x2
  // GATHERS-NEXT: 3 4
  // GATHERS-NEXT: 5 6
  %2 = "stablehlo.gather"(%batch, %each) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [1], operand_batching_dims = [0], start_indices_batching_dims = [0], start_index_map = [1], index_vector_dim = 1>, slice_sizes = array<i64: 1, 1, 2>}> : (tensor<2x2x2xf32>, tensor<2x1xi32>) -> tensor<2x2xf32>
  return %0, %1, %2 : tensor<3x2xf32>, tensor<2xf32>, tensor<2x2xf32>
}
