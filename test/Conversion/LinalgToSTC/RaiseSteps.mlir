// RUN: stc-opt %s --stablehlo-to-linalg --stc-raise-linalg --canonicalize | FileCheck %s

// What is written operation by operation, as StableHLO is, means the same.

stc.weight @w : tensor<4x8xf32> {source = "w"}

// A weight of [inputs, outputs] is read transposed; a bias that is broadcast is one.
// CHECK: stc.weight @w.transposed : tensor<8x4xf32> {source = "w", transposed}
// CHECK-LABEL: func.func @transposed(
// CHECK-SAME: %[[X:.*]]: tensor<6x4xf32>, %[[BIAS:.*]]: tensor<8xf32>)
// CHECK: %[[W:.*]] = stc.get_weight @w.transposed : tensor<8x4xf32>
// CHECK: %[[Y:.*]] = stc.linear %[[X]], %[[W]] bias %[[BIAS]] :
// CHECK: return %[[Y]]
func.func @transposed(%x: tensor<6x4xf32>, %bias: tensor<8xf32>) -> tensor<6x8xf32> {
  %w = stc.get_weight @w : tensor<4x8xf32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<6x4xf32>, tensor<4x8xf32>) -> tensor<6x8xf32>
  %1 = stablehlo.broadcast_in_dim %bias, dims = [1] : (tensor<8xf32>) -> tensor<6x8xf32>
  %2 = stablehlo.add %0, %1 : tensor<6x8xf32>
  return %2 : tensor<6x8xf32>
}

// A constant of [inputs, outputs] is written anew.
// CHECK-LABEL: func.func @constant(
// CHECK: arith.constant dense<{{\[\[}}1.000000e+00, 3.000000e+00, 5.000000e+00, 7.000000e+00], [2.000000e+00, 4.000000e+00, 6.000000e+00, 8.000000e+00]]> : tensor<2x4xf32>
// CHECK: stc.linear
func.func @constant(%x: tensor<6x4xf32>) -> tensor<6x2xf32> {
  %w = stablehlo.constant dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]> : tensor<4x2xf32>
  %0 = stablehlo.dot_general %x, %w, contracting_dims = [1] x [0] : (tensor<6x4xf32>, tensor<4x2xf32>) -> tensor<6x2xf32>
  return %0 : tensor<6x2xf32>
}

// A norm whose weights are all 1, and were left out.
// CHECK-LABEL: func.func @norm(
// CHECK: %[[ONES:.*]] = arith.constant dense<1.000000e+00> : tensor<4xf32>
// CHECK: stc.rms_norm %{{.*}}, %[[ONES]]
func.func @norm(%x: tensor<6x4xf32>) -> tensor<6x4xf32> {
  %zero = stablehlo.constant dense<0.0> : tensor<f32>
  %n = stablehlo.constant dense<4.0> : tensor<6x1xf32>
  %epsilon = stablehlo.constant dense<1.0e-05> : tensor<6x1xf32>
  %0 = stablehlo.multiply %x, %x : tensor<6x4xf32>
  %1 = stablehlo.reduce(%0 init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<6x4xf32>, tensor<f32>) -> tensor<6xf32>
  %2 = stablehlo.broadcast_in_dim %1, dims = [0] : (tensor<6xf32>) -> tensor<6x1xf32>
  %3 = stablehlo.divide %2, %n : tensor<6x1xf32>
  %4 = stablehlo.add %3, %epsilon : tensor<6x1xf32>
  %5 = stablehlo.rsqrt %4 : tensor<6x1xf32>
  %6 = stablehlo.broadcast_in_dim %5, dims = [0, 1] : (tensor<6x1xf32>) -> tensor<6x4xf32>
  %7 = stablehlo.multiply %x, %6 : tensor<6x4xf32>
  return %7 : tensor<6x4xf32>
}

// GELU reads its input at several depths, below other operations.
// CHECK-LABEL: func.func @gelu(
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: stc.activation {{.*}}%[[SUM]]
func.func @gelu(%a: tensor<6x4xf32>, %b: tensor<6x4xf32>) -> tensor<6x4xf32> {
  %half = stablehlo.constant dense<0.5> : tensor<6x4xf32>
  %root = stablehlo.constant dense<0.707106769> : tensor<6x4xf32>
  %x = stablehlo.add %a, %b : tensor<6x4xf32>
  %0 = stablehlo.negate %x : tensor<6x4xf32>
  %1 = stablehlo.multiply %0, %root : tensor<6x4xf32>
  %2 = chlo.erfc %1 : tensor<6x4xf32> -> tensor<6x4xf32>
  %3 = stablehlo.multiply %x, %half : tensor<6x4xf32>
  %4 = stablehlo.multiply %3, %2 : tensor<6x4xf32>
  return %4 : tensor<6x4xf32>
}

// A difference from the GELU above that is none: 1 - erf(y) of what is not negated.
// CHECK-LABEL: func.func @no_gelu(
// CHECK-NOT: stc.activation
func.func @no_gelu(%x: tensor<6x4xf32>) -> tensor<6x4xf32> {
  %half = stablehlo.constant dense<0.5> : tensor<6x4xf32>
  %root = stablehlo.constant dense<0.707106769> : tensor<6x4xf32>
  %1 = stablehlo.multiply %x, %root : tensor<6x4xf32>
  %2 = chlo.erfc %1 : tensor<6x4xf32> -> tensor<6x4xf32>
  %3 = stablehlo.multiply %x, %half : tensor<6x4xf32>
  %4 = stablehlo.multiply %3, %2 : tensor<6x4xf32>
  return %4 : tensor<6x4xf32>
}
