// RUN: stc-opt %s -split-input-file -verify-diagnostics

func.func @compare(%x: tensor<4xf32>) {
  // expected-error @below {{expects FLOAT or TOTALORDER for 'tensor<4xf32>' (C2), but got SIGNED}}
  %0 = stablehlo.compare LT, %x, %x, SIGNED : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  return
}

// -----

func.func @compare_types(%x: tensor<4xf32>, %y: tensor<4xi32>) {
  // expected-error @below {{requires all operands to have the same type}}
  %0 = stablehlo.compare LT, %x, %y : (tensor<4xf32>, tensor<4xi32>) -> tensor<4xi1>
  return
}

// -----

func.func @select(%p: tensor<3xi1>, %x: tensor<4xf32>) {
  // expected-error @below {{expects one condition or as many as 'tensor<4xf32>' has elements (C1), but got 'tensor<3xi1>'}}
  %0 = stablehlo.select %p, %x, %x : tensor<3xi1>, tensor<4xf32>
  return
}

// -----

func.func @clamp(%a: tensor<2xf32>, %x: tensor<4xf32>) {
  // expected-error @below {{expects a bound of type 'tensor<4xf32>' or of one element (C1), but got 'tensor<2xf32>'}}
  %0 = stablehlo.clamp %a, %x, %x : (tensor<2xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @unary(%x: tensor<4xi32>) {
  // expected-error @below {{must be ranked tensor of}}
  %0 = stablehlo.tanh %x : tensor<4xi32>
  return
}

// -----

func.func @binary(%x: tensor<4xf32>, %y: tensor<3xf32>) {
  // expected-error @below {{must have the same shape}}
  %0 = stablehlo.add %x, %y : (tensor<4xf32>, tensor<3xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @convert(%x: tensor<4xf32>) {
  // expected-error @below {{must have the same shape}}
  %0 = stablehlo.convert %x : (tensor<4xf32>) -> tensor<3xi32>
  return
}

// -----

func.func @is_finite(%x: tensor<4xf32>) {
  // expected-error @below {{must have the same shape}}
  %0 = stablehlo.is_finite %x : (tensor<4xf32>) -> tensor<3xi1>
  return
}

// -----

func.func @erf(%x: tensor<4xf32>) {
  // expected-error @below {{expects one type for operand and result (C1)}}
  %0 = chlo.erf %x : tensor<4xf32> -> tensor<4xf16>
  return
}

// -----

func.func @constant() {
  // expected-error @below {{expects a value of type 'tensor<3xf32>' (C1), but got 'tensor<2xf32>'}}
  %0 = stablehlo.constant() <{value = dense<1.0> : tensor<2xf32>}> : () -> tensor<3xf32>
  return
}

// -----

func.func @iota() {
  // expected-error @below {{expects different dimensions below 1 (C1), but got [1]}}
  %0 = stablehlo.iota dim = 1 : tensor<4xi32>
  return
}

// -----

func.func @broadcast_count(%x: tensor<4xf32>) {
  // expected-error @below {{expects 1 dimensions (C1), but got 2}}
  %0 = stablehlo.broadcast_in_dim %x, dims = [0, 1] : (tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_twice(%x: tensor<4x4xf32>) {
  // expected-error @below {{expects different dimensions below 2 (C2), but got [1, 1]}}
  %0 = stablehlo.broadcast_in_dim %x, dims = [1, 1] : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @broadcast_size(%x: tensor<4xf32>) {
  // expected-error @below {{expects a size of 1 or 2 for dimension 0 (C3), but got 4}}
  %0 = stablehlo.broadcast_in_dim %x, dims = [0] : (tensor<4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @broadcast_element(%x: tensor<4xf32>) {
  // expected-error @below {{expects elements of type 'f32' (C4), but got 'i32'}}
  %0 = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<4xf32>) -> tensor<2x4xi32>
  return
}

// -----

func.func @reshape(%x: tensor<4xf32>) {
  // expected-error @below {{expects a result of 4 elements (C1), but got 'tensor<5xf32>'}}
  %0 = stablehlo.reshape %x : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @transpose(%x: tensor<2x4xf32>) {
  // expected-error @below {{expects different dimensions below 2 (C1), but got [0, 0]}}
  %0 = stablehlo.transpose %x, dims = [0, 0] : (tensor<2x4xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @transpose_result(%x: tensor<2x4xf32>) {
  // expected-error @below {{expects a result of [4, 2] 'f32' (C2), but got 'tensor<2x4xf32>'}}
  %0 = stablehlo.transpose %x, dims = [1, 0] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @slice_count(%x: tensor<2x4xf32>) {
  // expected-error @below {{expects 2 numbers of each kind (C1), but got 1}}
  %0 = stablehlo.slice %x [0:1] : (tensor<2x4xf32>) -> tensor<1x4xf32>
  return
}

// -----

func.func @slice_limit(%x: tensor<4xf32>) {
  // expected-error @below {{expects 0 <= start <= limit <= [4] and positive steps (C2), but got 0:5:1}}
  %0 = stablehlo.slice %x [0:5] : (tensor<4xf32>) -> tensor<5xf32>
  return
}

// -----

func.func @slice_result(%x: tensor<4xf32>) {
  // expected-error @below {{expects a result of [2] 'f32' (C3), but got 'tensor<3xf32>'}}
  %0 = stablehlo.slice %x [0:3:2] : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @dynamic_slice(%x: tensor<4xf32>, %i: tensor<i32>) {
  // expected-error @below {{expects sizes of at most [4] (C2), but got [5]}}
  %0 = stablehlo.dynamic_slice %x, %i, sizes = [5] : (tensor<4xf32>, tensor<i32>) -> tensor<5xf32>
  return
}

// -----

func.func @dynamic_slice_start(%x: tensor<4xf32>, %i: tensor<1xi32>) {
  // expected-error @below {{expects starts that are single integers (C4), but got 'tensor<1xi32>'}}
  %0 = stablehlo.dynamic_slice %x, %i, sizes = [2] : (tensor<4xf32>, tensor<1xi32>) -> tensor<2xf32>
  return
}

// -----

func.func @dynamic_update_slice(%x: tensor<4xf32>, %u: tensor<5xf32>, %i: tensor<i32>) {
  // expected-error @below {{expects an update that is a part of 'tensor<4xf32>' (C2), but got 'tensor<5xf32>'}}
  %0 = stablehlo.dynamic_update_slice %x, %u, %i : (tensor<4xf32>, tensor<5xf32>, tensor<i32>) -> tensor<4xf32>
  return
}

// -----

func.func @concatenate(%x: tensor<2x4xf32>, %y: tensor<3x5xf32>) {
  // expected-error @below {{expects shapes that differ from [2, 4] in dimension 1 alone (C3), but got 'tensor<3x5xf32>'}}
  %0 = stablehlo.concatenate %x, %y, dim = 1 : (tensor<2x4xf32>, tensor<3x5xf32>) -> tensor<2x9xf32>
  return
}

// -----

func.func @concatenate_none() {
  // expected-error @below {{expects at least one operand (C1), but got none}}
  %0 = "stablehlo.concatenate"() <{dimension = 0 : i64}> : () -> tensor<2xf32>
  return
}

// -----

func.func @pad(%x: tensor<4xf32>, %z: tensor<f32>) {
  // expected-error @below {{expects a result of [6] 'f32' (C2), but got 'tensor<5xf32>'}}
  %0 = stablehlo.pad %x, %z, low = [1], high = [1], interior = [0] : (tensor<4xf32>, tensor<f32>) -> tensor<5xf32>
  return
}

// -----

func.func @pad_value(%x: tensor<4xf32>, %z: tensor<1xf32>) {
  // expected-error @below {{expects one element of 'tensor<4xf32>' as padding (C3), but got 'tensor<1xf32>'}}
  %0 = stablehlo.pad %x, %z, low = [0], high = [0], interior = [0] : (tensor<4xf32>, tensor<1xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @gather_sizes(%x: tensor<16x8xf32>, %i: tensor<4x1xi32>) {
  // expected-error @below {{of 1 where they are dropped (C2), but got [2, 8]}}
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 2, 8>}> : (tensor<16x8xf32>, tensor<4x1xi32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @gather_map(%x: tensor<16x8xf32>, %i: tensor<4x2xi32>) {
  // expected-error @below {{expects 2 dimensions in start_index_map (C3), but got 1}}
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 8>}> : (tensor<16x8xf32>, tensor<4x2xi32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @gather_result(%x: tensor<16x8xf32>, %i: tensor<4x1xi32>) {
  // expected-error @below {{expects a result of [4, 8] 'f32' (C4), but got 'tensor<4x7xf32>'}}
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 8>}> : (tensor<16x8xf32>, tensor<4x1xi32>) -> tensor<4x7xf32>
  return
}

// -----

func.func @gather_dims(%x: tensor<16x8xf32>, %i: tensor<4x1xi32>) {
  // expected-error @below {{expects different dimensions below 2 (C1), but got [7]}}
  %0 = "stablehlo.gather"(%x, %i) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [7], start_index_map = [0], index_vector_dim = 1>, slice_sizes = array<i64: 1, 8>}> : (tensor<16x8xf32>, tensor<4x1xi32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @gather_field() {
  // expected-error @below {{expected one of the fields}}
  return {a = #stablehlo.gather<offsets = [1]>}
}

// -----

func.func @dot_twice() {
  // expected-error @below {{expected each field once}}
  return {a = #stablehlo.dot<lhs_contracting_dimensions = [1], lhs_contracting_dimensions = [0]>}
}

// -----

func.func @dot_dims(%x: tensor<2x3xf32>) {
  // expected-error @below {{expects different dimensions below 2 (C1), but got [2]}}
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [2] x [0] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @dot_counts(%x: tensor<2x3xf32>) {
  // expected-error @below {{expects 1 contracting dimensions of the right operand (C2), but got 2}}
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [0, 1] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @dot_sizes(%x: tensor<2x3xf32>) {
  // expected-error @below {{to have the size 3 of dimension 1 of the left one (C3), but got 2}}
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [0] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @dot_result(%x: tensor<2x3xf32>) {
  // expected-error @below {{expects a result of [2, 2] 'f32' (C4), but got 'tensor<2x3xf32>'}}
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x3xf32>
  return
}

// -----

func.func @dot_precision(%x: tensor<2x3xf32>) {
  // expected-error @below {{expected DEFAULT, HIGH or HIGHEST, got SOME}}
  %0 = stablehlo.dot_general %x, %x, contracting_dims = [1] x [1], precision = [SOME] : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x2xf32>
  return
}

// -----

func.func @reduce_init(%x: tensor<2x3xf32>, %i: tensor<1xf32>) {
  // expected-error @below {{expects an initial value of type 'tensor<f32>' (C2), but got 'tensor<1xf32>'}}
  %0 = stablehlo.reduce(%x init: %i) applies stablehlo.add across dimensions = [1] : (tensor<2x3xf32>, tensor<1xf32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_dims(%x: tensor<2x3xf32>, %i: tensor<f32>) {
  // expected-error @below {{expects different dimensions below 2 (C3), but got 2}}
  %0 = stablehlo.reduce(%x init: %i) applies stablehlo.add across dimensions = [2] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_result(%x: tensor<2x3xf32>, %i: tensor<f32>) {
  // expected-error @below {{expects a result of type 'tensor<2xf32>' (C4), but got 'tensor<3xf32>'}}
  %0 = stablehlo.reduce(%x init: %i) applies stablehlo.add across dimensions = [1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<3xf32>
  return
}

// -----

func.func @reduce_with(%x: tensor<2x3xf32>, %i: tensor<f32>) {
  // expected-error @below {{expected a commutative operation of stablehlo, got stablehlo.subtract}}
  %0 = stablehlo.reduce(%x init: %i) applies stablehlo.subtract across dimensions = [1] : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
  return
}

// -----

func.func @reduce_region(%x: tensor<2x3xf32>, %i: tensor<f32>) {
  // expected-error @below {{expects a region from 2 to 1 values (C5), but got one from 1 to 1}}
  %0 = "stablehlo.reduce"(%x, %i) <{dimensions = array<i64: 1>}> ({
  ^bb0(%a: tensor<f32>):
    stablehlo.return %a : tensor<f32>
  }) : (tensor<2x3xf32>, tensor<f32>) -> tensor<2xf32>
  return
}

// -----

func.func @barrier(%x: tensor<4xf32>) {
  // expected-error @below {{expects results of the operands' types (C1), but got 'tensor<3xf32>'}}
  %0 = "stablehlo.optimization_barrier"(%x) : (tensor<4xf32>) -> tensor<3xf32>
  return
}

// -----

func.func @composite(%x: tensor<4xf32>) {
  // expected-error @below {{expects a function @nothing of its operands and results (C1), but got none}}
  %0 = stablehlo.composite "mine.f" %x {decomposition = @nothing} : (tensor<4xf32>) -> tensor<4xf32>
  return
}
