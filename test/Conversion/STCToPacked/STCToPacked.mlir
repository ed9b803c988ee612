// RUN: stc-opt %s --stc-select-layouts --convert-stc-to-packed --split-input-file | FileCheck %s
// RUN: stc-opt %s --stc-select-layouts --convert-stc-to-packed --split-input-file --mlir-disable-threading | FileCheck %s

// Weights become packed weights in order, aligned; unused ones disappear.

// CHECK: packed.weight @table : !packed.weight<4x4, #packed.layout<rows, bf16>> offset 0 bytes 192 density 1.000000e+00 {reason = "read row by row"}
// CHECK: packed.weight @norm : !packed.weight<1x4, #packed.layout<rows, f32>> offset 192 bytes 192 density 5.000000e-01 {reason = "norm weight, bias or order"}
// CHECK-NOT: @unused
// CHECK: packed.weight @w : !packed.weight<4x4, #packed.layout<dense, f32>> offset 384 bytes 384
// CHECK: packed.weight @b : !packed.weight<1x4, #packed.layout<rows, f32>> offset 768
stc.weight @table : tensor<4x4xbf16> {value = dense<1.0> : tensor<4x4xbf16>}
stc.weight @norm : tensor<4xbf16> {value = dense<[1.0, 0.0, 2.0, 0.0]> : tensor<4xbf16>}
stc.weight @unused : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
stc.weight @w : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @b : tensor<4xf16> {value = dense<1.0> : tensor<4xf16>}

// CHECK-LABEL: func.func @embedding
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>)
// CHECK: %[[TABLE:.*]] = packed.get_weight @table
// CHECK: %[[N:.*]] = tensor.dim %[[TOKENS]], %{{.*}} : tensor<?xi32>
// CHECK: %[[OUT:.*]] = tensor.empty(%[[N]]) : tensor<?x4xf32>
// CHECK: packed.gather ins(%[[TOKENS]] : tensor<?xi32>) table(%[[TABLE]] : {{.*}}) outs(%[[OUT]]
func.func @embedding(%tokens: tensor<?xi32>) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<4x4xbf16>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<4x4xbf16>) -> tensor<?x4xf32>
  return %h : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @norm_of
// CHECK: %[[W:.*]] = packed.get_weight @norm
// CHECK: %[[V:.*]] = packed.vector %[[W]] : {{.*}} -> tensor<4xf32>
// CHECK: stc.rms_norm %{{.*}}, %[[V]] epsilon 1.000000e-05 : (tensor<3x4xf32>, tensor<4xf32>)
func.func @norm_of(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %norm = stc.get_weight @norm : tensor<4xbf16>
  %y = stc.rms_norm %x, %norm epsilon 1.0e-05
      : (tensor<3x4xf32>, tensor<4xbf16>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}

// A bias, and a sum that becomes the residual.

// CHECK-LABEL: func.func @linear
// CHECK-SAME: (%[[X:.*]]: tensor<3x4xf32>, %[[R:.*]]: tensor<3x4xf32>)
// CHECK: %[[W:.*]] = packed.get_weight @w
// CHECK: %[[B:.*]] = packed.get_weight @b
// CHECK: %[[V:.*]] = packed.vector %[[B]] : {{.*}} -> tensor<4xf32>
// CHECK: %[[OUT:.*]] = tensor.empty() : tensor<3x4xf32>
// CHECK: %[[Y:.*]] = packed.matmul ins(%[[X]] : tensor<3x4xf32>) weight(%[[W]] : {{.*}}) bias(%[[V]] : tensor<4xf32>) residual(%[[R]] : tensor<3x4xf32>) outs(%[[OUT]] : tensor<3x4xf32>)
// CHECK-NOT: arith.addf
// CHECK: return %[[Y]]
func.func @linear(%x: tensor<3x4xf32>, %r: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %b = stc.get_weight @b : tensor<4xf16>
  %y = stc.linear %x, %w bias %b
      : (tensor<3x4xf32>, tensor<4x4xf32>, tensor<4xf16>) -> tensor<3x4xf32>
  %s = arith.addf %r, %y : tensor<3x4xf32>
  return %s : tensor<3x4xf32>
}

// A product that something else reads, or that is added to itself, is not fused; of two products
// added up one is.

// CHECK-LABEL: func.func @not_fused
// CHECK: packed.matmul
// CHECK-NOT: residual
// CHECK: arith.addf
// CHECK: packed.matmul
// CHECK-NOT: residual
// CHECK: arith.addf
// CHECK-LABEL: func.func @one_fused
// CHECK: %[[B:.*]] = packed.matmul
// CHECK-NOT: residual
// CHECK: packed.matmul {{.*}} residual(%[[B]]
// CHECK-NOT: arith.addf
func.func @not_fused(%x: tensor<3x4xf32>) -> (tensor<3x4xf32>, tensor<3x4xf32>) {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %y = stc.linear %x, %w : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %s = arith.addf %x, %y : tensor<3x4xf32>
  %z = stc.linear %y, %w : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %t = arith.addf %z, %z : tensor<3x4xf32>
  return %s, %t : tensor<3x4xf32>, tensor<3x4xf32>
}
func.func @one_fused(%x: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %w = stc.get_weight @w : tensor<4x4xf32>
  %a = stc.linear %x, %w : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %b = stc.linear %x, %w : (tensor<3x4xf32>, tensor<4x4xf32>) -> tensor<3x4xf32>
  %s = arith.addf %a, %b : tensor<3x4xf32>
  return %s : tensor<3x4xf32>
}

// -----

// Quantized weights multiply quantized activations, padded to the group. Destinations take their
// tokens from the function's or the layer's argument.

// CHECK: packed.weight @w : !packed.weight<4x40, #packed.layout<dense, i4, group = 32>>
// CHECK-LABEL: func.func @quantized
// CHECK-SAME: (%[[X:.*]]: tensor<?x40xf32>)
// CHECK: stc.layer 0 (%[[H:.*]] = %[[X]]
// CHECK: %[[S:.*]] = arith.addf
// CHECK: %[[W:.*]] = packed.get_weight @w : <4x40, #packed.layout<dense, i4, group = 32>>
// CHECK: %[[N:.*]] = tensor.dim %[[H]]
// CHECK: %[[C0:.*]] = tensor.empty(%[[N]]) : tensor<?x64xi8>
// CHECK: %[[S0:.*]] = tensor.empty(%{{.*}}) : tensor<?x2xf32>
// CHECK: %[[T0:.*]] = tensor.empty(%{{.*}}) : tensor<?x2xi32>
// CHECK: %[[Q:.*]]:3 = packed.quantize_activations ins(%[[S]] : tensor<?x40xf32>) outs(%[[C0]], %[[S0]], %[[T0]] : {{.*}}) group 32 sum_factor -8
// CHECK: packed.matmul ins(%[[Q]]#0, %[[Q]]#1, %[[Q]]#2 : {{.*}}) weight(%[[W]]
stc.weight @w : tensor<4x40xf32> {value = dense<1.0> : tensor<4x40xf32>,
    quant = #stc.quant<"rtn:int4-g32", error = 0.0 : f64>}
func.func @quantized(%x: tensor<?x40xf32>) -> tensor<?x40xf32> {
  %y = stc.layer 0 (%h = %x : tensor<?x40xf32>) {
    %w = stc.get_weight @w : tensor<4x40xf32>
    %s = arith.addf %h, %h : tensor<?x40xf32>
    %z = stc.linear %s, %w : (tensor<?x40xf32>, tensor<4x40xf32>) -> tensor<?x4xf32>
    stc.yield %h : tensor<?x40xf32>
  }
  return %y : tensor<?x40xf32>
}

// -----

// Rotary embedding is in place where it is the only reader; attention gets a destination.

// CHECK-LABEL: func.func @attention
// CHECK-SAME: (%[[Q:[^:]*]]: tensor<?x4xf32>, %[[K:[^:]*]]: tensor<?x4xf32>
// CHECK: %[[A:.*]] = packed.rotary ins(%[[Q]], %{{.*}}) outs(%[[Q]] : tensor<?x4xf32>)
// CHECK: %[[OUT:.*]] = tensor.empty
// CHECK: %[[B:.*]] = packed.rotary interleaved ins(%[[K]], %{{.*}}) outs(%[[OUT]] : tensor<?x4xf32>)
// CHECK: stc.cache_update %[[B]], %[[K]]
// CHECK: packed.attention ins(%[[A]] : tensor<?x4xf32>) cache({{.*}}) outs(%{{.*}} : tensor<?x4xf32>) heads 1 scale 5.000000e-01 window 3
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
func.func @attention(%q: tensor<?x4xf32>, %k: tensor<?x4xf32>, %cos: tensor<?x2xf32>,
                     %sin: tensor<?x2xf32>, %cache: !cache, %position: index) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %a = stc.rotary_embedding %q, %cos, %sin
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  %b = stc.rotary_embedding interleaved %k, %cos, %sin
      : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  stc.cache_update %b, %k, %cache[%c0, %position] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
  %y = stc.attention %a, %cache[%c0, %position] heads 1 scale 5.0e-01 window 3
      : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// A gated activation joins the product that it multiplies, and a rotary embedding the product that
// it turns, if whole tiles of 16 rows are turned together.

// CHECK-LABEL: func.func @gate
// CHECK: %[[G:.*]] = packed.matmul
// CHECK-NOT: gate
// CHECK: %[[U:.*]] = packed.matmul {{.*}} gate <silu>(%[[G]] : tensor<?x32xf32>) outs(
// CHECK-NOT: stc.gated_activation
// CHECK: return %[[U]]
stc.weight @w : tensor<32x32xf32> {value = dense<1.0> : tensor<32x32xf32>}
func.func @gate(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = stc.get_weight @w : tensor<32x32xf32>
  %u = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %g = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %y = stc.gated_activation <silu> %g, %u
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// Not what something else reads too, and not a factor that is its own gate.
// CHECK-LABEL: func.func @gate_not_fused
// CHECK-NOT: gate
// CHECK: stc.gated_activation <silu>
// CHECK: stc.gated_activation <relu>
// CHECK: stc.gated_activation <quick_gelu> %{{.*}} limit
func.func @gate_not_fused(%x: tensor<?x32xf32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  %w = stc.get_weight @w : tensor<32x32xf32>
  %u = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %y = stc.gated_activation <silu> %x, %u
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %z = stc.gated_activation <relu> %u, %u
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  // Nor what is bounded first.
  %v = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %c = stc.gated_activation <quick_gelu> %x, %v limit 7.0
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  return %y, %z, %c : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// CHECK-LABEL: func.func @rotated
// CHECK-SAME: (%{{.*}}, %[[C:.*]]: tensor<?x16xf32>, %[[S:.*]]: tensor<?x16xf32>
// CHECK: packed.matmul {{.*}} rotary(%[[C]], %[[S]] : tensor<?x16xf32>, tensor<?x16xf32>) outs(
// CHECK: packed.matmul
// CHECK-NOT: rotary(
// CHECK: packed.rotary interleaved
// CHECK: packed.matmul
// CHECK-NOT: rotary(
// CHECK: packed.rotary ins
func.func @rotated(%x: tensor<?x32xf32>, %cos: tensor<?x16xf32>, %sin: tensor<?x16xf32>,
                   %cos8: tensor<?x8xf32>, %sin8: tensor<?x8xf32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>) {
  %w = stc.get_weight @w : tensor<32x32xf32>
  %q = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %a = stc.rotary_embedding %q, %cos, %sin
      : (tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  %k = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %b = stc.rotary_embedding interleaved %k, %cos, %sin
      : (tensor<?x32xf32>, tensor<?x16xf32>, tensor<?x16xf32>) -> tensor<?x32xf32>
  %l = stc.linear %x, %w : (tensor<?x32xf32>, tensor<32x32xf32>) -> tensor<?x32xf32>
  %c = stc.rotary_embedding %l, %cos8, %sin8
      : (tensor<?x32xf32>, tensor<?x8xf32>, tensor<?x8xf32>) -> tensor<?x32xf32>
  return %a, %b, %c : tensor<?x32xf32>, tensor<?x32xf32>, tensor<?x32xf32>
}

// -----

// A layer norm of groups is a centred norm; a matrix of weights becomes a vector, row after row.

stc.weight @own : tensor<2x4xbf16> {value = dense<1.0> : tensor<2x4xbf16>}
stc.weight @shared : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}

// CHECK-LABEL: func.func @norms_of_groups
// CHECK: %[[W:.*]] = packed.get_weight @own : <2x4, #packed.layout<rows, f32>>
// CHECK: %[[V:.*]] = packed.vector %[[W]] : {{.*}} -> tensor<8xf32>
// CHECK: %[[A:.*]] = packed.rms_norm centred ins(%{{.*}}, %[[V]] : tensor<3x8xf32>, tensor<8xf32>) outs({{.*}}) groups 2 epsilon
// CHECK: packed.rms_norm centred ins(%[[A]], %{{.*}} : tensor<3x8xf32>, tensor<4xf32>) outs({{.*}}) groups 2 epsilon
// CHECK: packed.rms_norm ins(%{{.*}}, %{{.*}} : tensor<3x8xf32>, tensor<8xf32>) outs({{.*}}) groups 2 epsilon
func.func @norms_of_groups(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %own = stc.get_weight @own : tensor<2x4xbf16>
  %shared = stc.get_weight @shared : tensor<4xf32>
  %a = stc.layer_norm %x, %own groups 2 epsilon 1.0e-05
      : (tensor<3x8xf32>, tensor<2x4xbf16>) -> tensor<3x8xf32>
  %b = stc.layer_norm %a, %shared groups 2 epsilon 1.0e-05
      : (tensor<3x8xf32>, tensor<4xf32>) -> tensor<3x8xf32>
  %c = stc.rms_norm %b, %own groups 2 epsilon 1.0e-05
      : (tensor<3x8xf32>, tensor<2x4xbf16>) -> tensor<3x8xf32>
  return %c : tensor<3x8xf32>
}

// -----

// Quantization reads columns in any order; for floats they are put into it.
stc.weight @order : tensor<32xf32> {value = dense<0.0> : tensor<32xf32>}
stc.weight @codes : tensor<16x32xf32> {value = dense<1.0> : tensor<16x32xf32>,
    quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
stc.weight @floats : tensor<16x32xf32> {value = dense<1.0> : tensor<16x32xf32>}

// CHECK-LABEL: func.func @permuted
// CHECK-SAME: (%[[X:.*]]: tensor<?x32xf32>)
// CHECK: %[[WEIGHT:.*]] = packed.get_weight @order
// CHECK: %[[ORDER:.*]] = packed.vector %[[WEIGHT]]
// CHECK: %[[SORTED:.*]] = packed.permute_features ins(%[[X]], %[[ORDER]] : tensor<?x32xf32>, tensor<32xf32>)
// CHECK: packed.quantize_activations ins(%[[X]] : tensor<?x32xf32>) order(%[[ORDER]] : tensor<32xf32>)
// CHECK: packed.matmul ins(%[[SORTED]]
func.func @permuted(%x: tensor<?x32xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>) {
  %order = stc.get_weight @order : tensor<32xf32>
  %sorted = stc.permute_features %x, %order : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  %codes = stc.get_weight @codes : tensor<16x32xf32>
  %y = stc.linear %sorted, %codes : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
  %floats = stc.get_weight @floats : tensor<16x32xf32>
  %z = stc.linear %sorted, %floats : (tensor<?x32xf32>, tensor<16x32xf32>) -> tensor<?x16xf32>
  return %y, %z : tensor<?x16xf32>, tensor<?x16xf32>
}
