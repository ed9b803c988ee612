// RUN: stc-opt %s | FileCheck %s
// RUN: stc-opt %s | stc-opt | FileCheck %s
// RUN: stc-opt %s -mlir-print-op-generic | stc-opt | FileCheck %s

// What front ends write on modules, functions and arguments is kept.
// CHECK: module @jit_forward attributes {jax.uses_shape_polymorphism = false, mhlo.num_partitions = 1 : i32
module @jit_forward attributes {jax.uses_shape_polymorphism = false, mhlo.num_partitions = 1 : i32, mhlo.num_replicas = 1 : i32} {

// CHECK-LABEL: func.func public @elementwise
// CHECK-SAME: mhlo.layout_mode = "default"
func.func public @elementwise(%x: tensor<4xf32> {mhlo.layout_mode = "default"}, %i: tensor<4xi32>, %b: tensor<4xi1>, %s: tensor<f32>) -> (tensor<4xf32> {jax.result_info = "result"}) {
  // CHECK: %{{.*}} = stablehlo.abs %{{.*}} : tensor<4xf32>
  %0 = stablehlo.abs %x : tensor<4xf32>
  // CHECK: stablehlo.cbrt
  %1 = stablehlo.cbrt %x : tensor<4xf32>
  // CHECK: stablehlo.ceil
  %2 = stablehlo.ceil %x : tensor<4xf32>
  // CHECK: stablehlo.cosine
  %3 = stablehlo.cosine %x : tensor<4xf32>
  // CHECK: stablehlo.exponential %
  %4 = stablehlo.exponential %x : tensor<4xf32>
  // CHECK: stablehlo.exponential_minus_one %
  %5 = stablehlo.exponential_minus_one %x : tensor<4xf32>
  // CHECK: stablehlo.floor
  %6 = stablehlo.floor %x : tensor<4xf32>
  // CHECK: stablehlo.log %
  %7 = stablehlo.log %x : tensor<4xf32>
  // CHECK: stablehlo.log_plus_one %
  %8 = stablehlo.log_plus_one %x : tensor<4xf32>
  // CHECK: stablehlo.logistic
  %9 = stablehlo.logistic %x : tensor<4xf32>
  // CHECK: stablehlo.negate
  %10 = stablehlo.negate %x : tensor<4xf32>
  // CHECK: stablehlo.not %{{.*}} : tensor<4xi1>
  %11 = stablehlo.not %b : tensor<4xi1>
  // CHECK: stablehlo.round_nearest_even
  %12 = stablehlo.round_nearest_even %x : tensor<4xf32>
  // CHECK: stablehlo.rsqrt
  %13 = stablehlo.rsqrt %x : tensor<4xf32>
  // CHECK: stablehlo.sign
  %14 = stablehlo.sign %x : tensor<4xf32>
  // CHECK: stablehlo.sine
  %15 = stablehlo.sine %x : tensor<4xf32>
  // CHECK: stablehlo.sqrt
  %16 = stablehlo.sqrt %x : tensor<4xf32>
  // CHECK: stablehlo.tan %
  %17 = stablehlo.tan %x : tensor<4xf32>
  // CHECK: stablehlo.tanh
  %18 = stablehlo.tanh %x : tensor<4xf32>
  // CHECK: stablehlo.is_finite %{{.*}} : (tensor<4xf32>) -> tensor<4xi1>
  %19 = stablehlo.is_finite %x : (tensor<4xf32>) -> tensor<4xi1>
  // CHECK: stablehlo.convert %{{.*}} : (tensor<4xi32>) -> tensor<4xf32>
  %20 = stablehlo.convert %i : (tensor<4xi32>) -> tensor<4xf32>
  // CHECK: stablehlo.add %{{.*}}, %{{.*}} : tensor<4xf32>
  %21 = stablehlo.add %x, %x : tensor<4xf32>
  // CHECK: stablehlo.and
  %22 = stablehlo.and %b, %b : tensor<4xi1>
  // CHECK: stablehlo.atan2
  %23 = stablehlo.atan2 %x, %x : tensor<4xf32>
  // CHECK: stablehlo.divide
  %24 = stablehlo.divide %x, %x : tensor<4xf32>
  // CHECK: stablehlo.maximum
  %25 = stablehlo.maximum %x, %x : tensor<4xf32>
  // CHECK: stablehlo.minimum
  %26 = "stablehlo.minimum"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.multiply
  %27 = stablehlo.multiply %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.or
  %28 = stablehlo.or %b, %b : tensor<4xi1>
  // CHECK: stablehlo.power
  %29 = stablehlo.power %x, %x : tensor<4xf32>
  // CHECK: stablehlo.remainder
  %30 = stablehlo.remainder %i, %i : tensor<4xi32>
  // CHECK: stablehlo.subtract
  %31 = stablehlo.subtract %x, %x : tensor<4xf32>
  // CHECK: stablehlo.xor
  %32 = stablehlo.xor %i, %i : tensor<4xi32>
  // CHECK: stablehlo.compare LT, %{{.*}}, %{{.*}}, FLOAT : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  %33 = stablehlo.compare LT, %x, %x, FLOAT : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
  // CHECK: stablehlo.compare GE, %{{.*}}, %{{.*}} : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  %34 = "stablehlo.compare"(%i, %i) {comparison_direction = #stablehlo<comparison_direction GE>} : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  // CHECK: stablehlo.compare NE, %{{.*}}, %{{.*}}, SIGNED
  %35 = "stablehlo.compare"(%i, %i) <{compare_type = #stablehlo<comparison_type SIGNED>, comparison_direction = #stablehlo<comparison_direction NE>}> : (tensor<4xi32>, tensor<4xi32>) -> tensor<4xi1>
  // CHECK: stablehlo.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<4xi1>, tensor<4xf32>
  %36 = stablehlo.select %b, %x, %21 : tensor<4xi1>, tensor<4xf32>
  // CHECK: stablehlo.select %{{.*}}, %{{.*}}, %{{.*}} : tensor<4xi1>, tensor<4xf32>
  %37 = stablehlo.select %b, %x, %21 : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.clamp %{{.*}}, %{{.*}}, %{{.*}} : tensor<4xf32>
  %38 = stablehlo.clamp %x, %x, %x : tensor<4xf32>
  // CHECK: stablehlo.clamp %{{.*}}, %{{.*}}, %{{.*}} : (tensor<f32>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %39 = stablehlo.clamp %s, %x, %s : (tensor<f32>, tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  // CHECK: chlo.erf %{{.*}} : tensor<4xf32> -> tensor<4xf32>
  %40 = chlo.erf %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: chlo.erfc
  %41 = chlo.erfc %x : tensor<4xf32> -> tensor<4xf32>
  // CHECK: chlo.square
  %42 = chlo.square %x : tensor<4xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// CHECK-LABEL: func.func @numbers
func.func @numbers() {
  // CHECK: stablehlo.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
  %0 = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
  // CHECK: stablehlo.constant {name = "c"} dense<0xFF800000> : tensor<f32>
  %1 = stablehlo.constant {name = "c"} dense<0xFF800000> : tensor<f32>
  // CHECK: stablehlo.constant dense<3> : tensor<i32>
  %2 = stablehlo.constant() <{value = dense<3> : tensor<i32>}> : () -> tensor<i32>
  // CHECK: stablehlo.constant dense<4> : tensor<i32>
  %3 = stablehlo.constant() {value = dense<4> : tensor<i32>} : () -> tensor<i32>
  // CHECK: stablehlo.constant dense<5> : tensor<i32>
  %4 = "stablehlo.constant"() <{value = dense<5> : tensor<i32>}> : () -> tensor<i32>
  // CHECK: stablehlo.iota dim = 1 : tensor<2x4xi32>
  %5 = stablehlo.iota dim = 1 : tensor<2x4xi32>
  // CHECK: stablehlo.iota dim = 0 : tensor<4xf32>
  %6 = "stablehlo.iota"() <{iota_dimension = 0 : i64}> : () -> tensor<4xf32>
  return
}

// CHECK-LABEL: func.func @shapes
func.func @shapes(%x: tensor<2x4xf32>, %v: tensor<4xf32>, %s: tensor<f32>, %i: tensor<i32>) {
  // CHECK: stablehlo.broadcast_in_dim %{{.*}}, dims = [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  %0 = stablehlo.broadcast_in_dim %v, dims = [1] : (tensor<4xf32>) -> tensor<2x4xf32>
  // CHECK: stablehlo.broadcast_in_dim %{{.*}}, dims = [] : (tensor<f32>) -> tensor<2x4xf32>
  %1 = "stablehlo.broadcast_in_dim"(%s) <{broadcast_dimensions = array<i64>}> : (tensor<f32>) -> tensor<2x4xf32>
  // CHECK: stablehlo.reshape %{{.*}} : (tensor<2x4xf32>) -> tensor<8xf32>
  %2 = stablehlo.reshape %x : (tensor<2x4xf32>) -> tensor<8xf32>
  // CHECK: stablehlo.transpose %{{.*}}, dims = [1, 0] : (tensor<2x4xf32>) -> tensor<4x2xf32>
  %3 = stablehlo.transpose %x, dims = [1, 0] : (tensor<2x4xf32>) -> tensor<4x2xf32>
  // CHECK: stablehlo.slice %{{.*}} [0:1, 0:4:2] : (tensor<2x4xf32>) -> tensor<1x2xf32>
  %4 = stablehlo.slice %x [0:1, 0:4:2] : (tensor<2x4xf32>) -> tensor<1x2xf32>
  // CHECK: stablehlo.slice %{{.*}} [1:2, 1:3]
  %5 = "stablehlo.slice"(%x) <{start_indices = array<i64: 1, 1>, limit_indices = array<i64: 2, 3>, strides = array<i64: 1, 1>}> : (tensor<2x4xf32>) -> tensor<1x2xf32>
  // CHECK: stablehlo.dynamic_slice %{{.*}}, %{{.*}}, %{{.*}}, sizes = [1, 4]
  %6 = stablehlo.dynamic_slice %x, %i, %i, sizes = [1, 4] : (tensor<2x4xf32>, tensor<i32>, tensor<i32>) -> tensor<1x4xf32>
  // CHECK: stablehlo.dynamic_update_slice %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} :
  %7 = stablehlo.dynamic_update_slice %x, %6, %i, %i : (tensor<2x4xf32>, tensor<1x4xf32>, tensor<i32>, tensor<i32>) -> tensor<2x4xf32>
  // CHECK: stablehlo.concatenate %{{.*}}, %{{.*}}, dim = 0
  %8 = stablehlo.concatenate %x, %6, dim = 0 : (tensor<2x4xf32>, tensor<1x4xf32>) -> tensor<3x4xf32>
  // CHECK: stablehlo.pad %{{.*}}, %{{.*}}, low = [0, 1], high = [0, -1], interior = [0, 1]
  %9 = stablehlo.pad %x, %s, low = [0, 1], high = [0, -1], interior = [0, 1] : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x7xf32>
  return
}

// CHECK-LABEL: func.func @gather
func.func @gather(%table: tensor<16x8xf32>, %tokens: tensor<4x1xi32>) -> tensor<4x8xf32> {
  // CHECK: #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>
  %0 = "stablehlo.gather"(%table, %tokens) <{dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0], start_index_map = [0], index_vector_dim = 1>, indices_are_sorted = false, slice_sizes = array<i64: 1, 8>}> : (tensor<16x8xf32>, tensor<4x1xi32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// CHECK-LABEL: func.func @sums
func.func @sums(%x: tensor<2x3x4xf32>, %y: tensor<2x4x5xf32>, %zero: tensor<f32>, %i: tensor<2x3x4xi32>, %j: tensor<i32>) {
  // CHECK: stablehlo.dot_general %{{.*}}, %{{.*}}, batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, HIGHEST] : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  %0 = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, HIGHEST] : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  // CHECK: stablehlo.dot_general %{{.*}}, %{{.*}}, contracting_dims = [2] x [1] :
  %1 = "stablehlo.dot_general"(%x, %y) <{dot_dimension_numbers = #stablehlo.dot<lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]>}> : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x2x5xf32>
  // CHECK: stablehlo.dot_general %{{.*}}, %{{.*}}, batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, DEFAULT] :
  %2 = "stablehlo.dot_general"(%x, %y) <{dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [0], rhs_batching_dimensions = [0], lhs_contracting_dimensions = [2], rhs_contracting_dimensions = [1]>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]}> : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  // CHECK: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.add across dimensions = [1] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %3 = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1] : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  // CHECK: stablehlo.reduce(%{{.*}} init: %{{.*}}) applies stablehlo.maximum across dimensions = [0, 2]
  %4 = "stablehlo.reduce"(%x, %zero) <{dimensions = array<i64: 0, 2>}> ({
  ^bb0(%a: tensor<f32>, %b: tensor<f32>):
    %m = stablehlo.maximum %a, %b : tensor<f32>
    "stablehlo.return"(%m) : (tensor<f32>) -> ()
  }) : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<3xf32>
  // CHECK: stablehlo.reduce(%{{.*}} init: %{{.*}}), (%{{.*}} init: %{{.*}}) across dimensions = [2]
  // CHECK-NEXT: reducer(%{{.*}}: tensor<f32>, %{{.*}}: tensor<f32>)(%{{.*}}: tensor<i32>, %{{.*}}: tensor<i32>) {
  %5:2 = stablehlo.reduce(%x init: %zero), (%i init: %j) across dimensions = [2] : (tensor<2x3x4xf32>, tensor<2x3x4xi32>, tensor<f32>, tensor<i32>) -> (tensor<2x3xf32>, tensor<2x3xi32>)
   reducer(%a: tensor<f32>, %b: tensor<f32>) (%c: tensor<i32>, %d: tensor<i32>)  {
    %g = stablehlo.compare GT, %a, %b, FLOAT : (tensor<f32>, tensor<f32>) -> tensor<i1>
    %v = stablehlo.select %g, %a, %b : tensor<i1>, tensor<f32>
    %k = stablehlo.select %g, %c, %d : tensor<i1>, tensor<i32>
    stablehlo.return %v, %k : tensor<f32>, tensor<i32>
  }
  return
}

// CHECK-LABEL: func.func @calls
func.func @calls(%x: tensor<4xf32>) {
  // CHECK: %{{.*}}:2 = stablehlo.optimization_barrier %{{.*}}, %{{.*}} : tensor<4xf32>, tensor<4xf32>
  %0:2 = stablehlo.optimization_barrier %x, %x : tensor<4xf32>, tensor<4xf32>
  // CHECK: stablehlo.custom_call @mhlo.erf(%{{.*}}) {mhlo.version = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = stablehlo.custom_call @mhlo.erf(%x) {mhlo.version = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.custom_call @"not a name"
  %2 = stablehlo.custom_call @"not a name"(%x) {backend_config = ""} : (tensor<4xf32>) -> tensor<4xf32>
  // CHECK: stablehlo.composite "mine.double" %{{.*}} {decomposition = @double} : (tensor<4xf32>) -> tensor<4xf32>
  %3 = stablehlo.composite "mine.double" %x {decomposition = @double} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

func.func private @double(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = stablehlo.add %x, %x : tensor<4xf32>
  return %0 : tensor<4xf32>
}
}
