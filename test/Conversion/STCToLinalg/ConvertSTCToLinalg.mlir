// RUN: stc-opt %s --convert-stc-to-linalg | FileCheck %s

// A sum over columns, then an elementwise operation: the order of the sum is free.

// CHECK-DAG: #[[ALL:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[ROWS:.*]] = affine_map<(d0, d1) -> (d0)>
// CHECK-DAG: #[[COLUMNS:.*]] = affine_map<(d0, d1) -> (d1)>

// CHECK-LABEL: func.func @rms_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>, %[[W:.*]]: tensor<4xbf16>)
// CHECK: %[[ZEROS:.*]] = linalg.fill ins(%{{.*}} : f32) outs(%{{.*}} : tensor<?xf32>)
// CHECK: %[[SUM:.*]] = linalg.generic {indexing_maps = [#[[ALL]], #[[ROWS]]], iterator_types = ["parallel", "reduction"]} ins(%[[X]] : tensor<?x4xf32>) outs(%[[ZEROS]] : tensor<?xf32>)
// CHECK: %[[SQUARE:.*]] = arith.mulf %[[E:.*]], %[[E]] fastmath<reassoc,contract>
// CHECK: arith.addf %{{.*}}, %[[SQUARE]] fastmath<reassoc,contract>
// CHECK: %[[N:.*]] = tensor.dim %[[X]], %{{.*}} : tensor<?x4xf32>
// CHECK: %[[OUT:.*]] = tensor.empty(%[[N]]) : tensor<?x4xf32>
// CHECK: linalg.generic {indexing_maps = [#[[ALL]], #[[ROWS]], #[[COLUMNS]], #[[ALL]]], iterator_types = ["parallel", "parallel"]} ins(%[[X]], %[[SUM]], %[[W]] : {{.*}}) outs(%[[OUT]]
// CHECK: ^bb0(%[[A:.*]]: f32, %[[S:.*]]: f32, %[[B:.*]]: bf16, %{{.*}}: f32):
// CHECK: %[[MEAN:.*]] = arith.divf %[[S]], %{{.*}} : f32
// CHECK: %[[SHIFTED:.*]] = arith.addf %[[MEAN]], %{{.*}} : f32
// CHECK: %[[ROOT:.*]] = math.sqrt %[[SHIFTED]]
// CHECK: %[[INVERSE:.*]] = arith.divf %{{.*}}, %[[ROOT]]
// CHECK: %[[SCALED:.*]] = arith.mulf %[[A]], %[[INVERSE]]
// CHECK: %[[WIDE:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK: arith.mulf %[[SCALED]], %[[WIDE]]
func.func @rms_norm(%x: tensor<?x4xf32>, %w: tensor<4xbf16>) -> tensor<?x4xf32> {
  %y = stc.rms_norm %x, %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xbf16>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @silu
// CHECK: %[[OUT:.*]] = tensor.empty() : tensor<1x4xf32>
// CHECK: linalg.generic
// CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[NEGATED:.*]] = arith.negf %[[G]]
// CHECK: %[[EXP:.*]] = math.exp %[[NEGATED]]
// CHECK: %[[BELOW:.*]] = arith.addf %{{.*}}, %[[EXP]]
// CHECK: %[[SILU:.*]] = arith.divf %[[G]], %[[BELOW]]
// CHECK: %[[PRODUCT:.*]] = arith.mulf %[[SILU]], %[[U]]
// CHECK: linalg.yield %[[PRODUCT]]
func.func @silu(%g: tensor<1x4xf32>, %u: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = stc.gated_activation <silu> %g, %u
      : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// CHECK-LABEL: func.func @clamped
// CHECK: ^bb0(%[[G:.*]]: f32, %[[U:.*]]: f32, %{{.*}}: f32):
// CHECK: %[[GATE:.*]] = arith.minimumf %[[G]], %
// CHECK: %[[BELOW:.*]] = arith.minimumf %[[U]], %
// CHECK: %[[UP:.*]] = arith.maximumf %[[BELOW]], %
// CHECK: %[[SUM:.*]] = arith.addf %[[UP]], %
// CHECK: math.exp
// CHECK: %[[GELU:.*]] = arith.divf %[[GATE]], %
// CHECK: arith.mulf %[[GELU]], %[[SUM]]
func.func @clamped(%g: tensor<1x4xf32>, %u: tensor<1x4xf32>) -> tensor<1x4xf32> {
  %y = stc.gated_activation <quick_gelu> %g, %u limit 7.0 offset 1.0
      : (tensor<1x4xf32>, tensor<1x4xf32>) -> tensor<1x4xf32>
  return %y : tensor<1x4xf32>
}

// CHECK-LABEL: func.func @others
// CHECK: math.erf
// CHECK-NOT: math.tanh
// CHECK: math.exp
// CHECK: arith.maximumf
func.func @others(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = stc.activation <gelu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = stc.activation <gelu_tanh> %a : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = stc.activation <relu> %b : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}

// Angles are computed in double precision and rounded once.

// CHECK-LABEL: func.func @table
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %[[POSITION:.*]]: index)
// CHECK: arith.constant dense<[1.000000e+00, 1.000000e-02]> : tensor<2xf64>
// CHECK: linalg.generic
// CHECK: ^bb0(%[[FREQUENCY:.*]]: f64, %{{.*}}: f32, %{{.*}}: f32):
// CHECK: %[[TOKEN:.*]] = linalg.index 0
// CHECK: %[[AT:.*]] = arith.addi %[[POSITION]], %[[TOKEN]]
// CHECK: %[[INTEGER:.*]] = arith.index_cast %[[AT]] : index to i64
// CHECK: %[[FLOAT:.*]] = arith.sitofp %[[INTEGER]] : i64 to f64
// CHECK: %[[ANGLE:.*]] = arith.mulf %[[FLOAT]], %[[FREQUENCY]] : f64
// CHECK: %[[COS:.*]] = math.cos %[[ANGLE]] : f64
// CHECK: arith.truncf %[[COS]] : f64 to f32
// CHECK: %[[SIN:.*]] = math.sin %[[ANGLE]] : f64
// CHECK: arith.truncf %[[SIN]] : f64 to f32
func.func @table(%tokens: tensor<?xi32>, %position: index) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.01]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  return %cos, %sin : tensor<?x2xf32>, tensor<?x2xf32>
}

// A layer norm is two sums and an elementwise operation.

// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<?x4xf32>
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x4xf32>)
// CHECK: arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract>
// CHECK: %[[SQUARES:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[SUM]] : tensor<?x4xf32>, tensor<?xf32>)
// CHECK: %[[CENTRED:.*]] = arith.subf
// CHECK: arith.mulf %[[CENTRED]], %[[CENTRED]] fastmath<reassoc,contract>
// CHECK: linalg.generic {{.*}} ins(%[[X]], %[[SUM]], %[[SQUARES]], %{{.*}}, %{{.*}} : {{.*}})
// CHECK: math.sqrt
// CHECK: arith.addf
func.func @layer_norm(%x: tensor<?x4xf32>, %w: tensor<4xf32>, %b: tensor<4xf32>)
    -> tensor<?x4xf32> {
  %y = stc.layer_norm %x, %w bias %b epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @multipliers
// CHECK: arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK: math.tanh
// CHECK: %[[MOST:.*]] = arith.minimumf %{{.*}}, %{{.*}} : f32
// CHECK: arith.maximumf %[[MOST]], %{{.*}} : f32
// CHECK: %[[POSITIVE:.*]] = arith.maximumf %{{.*}}, %{{.*}} : f32
// CHECK: arith.mulf %[[POSITIVE]], %[[POSITIVE]] : f32
func.func @multipliers(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %a = stc.scale %x by 3.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = stc.soft_cap %a cap 30.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = stc.clamp %b limit 8.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %d = stc.activation <relu2> %c : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %d : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @positions
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]} outs(%{{.*}} : tensor<?xi32>)
// CHECK: linalg.index 0
// CHECK: arith.index_cast %{{.*}} : index to i32
func.func @positions(%tokens: tensor<?xi32>, %position: index) -> tensor<?xi32> {
  %p = stc.positions %tokens, %position : (tensor<?xi32>, index) -> tensor<?xi32>
  return %p : tensor<?xi32>
}
