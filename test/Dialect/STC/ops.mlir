// Every op, attribute and type of stc is printed as it is parsed, in the pretty and the generic form.
// RUN: stc-opt %s | stc-opt | FileCheck %s --check-prefixes=CHECK,PRETTY
// RUN: stc-opt %s --mlir-print-op-generic | stc-opt | FileCheck %s

// CHECK: stc.weight @norm : tensor<4xf32> {value = dense<1.000000e+00> : tensor<4xf32>}
stc.weight @norm : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
// CHECK: stc.weight @layers.0.q : tensor<4x4xbf16> {source = "model.layers.0.self_attn.q_proj.weight"}
stc.weight @layers.0.q : tensor<4x4xbf16> {source = "model.layers.0.self_attn.q_proj.weight"}
// CHECK: stc.weight @pruned : tensor<4x4xf32>
// CHECK-SAME: prune = #stc.prune<"magnitude:2:4", density = 5.000000e-01 : f64>
// CHECK-SAME: quant = #stc.quant<"rtn:int4-g32", error = 6.250000e-02 : f64>
stc.weight @pruned : tensor<4x4xf32> {
  source = "w", prune = #stc.prune<"magnitude:2:4", density = 5.000000e-01 : f64>,
  quant = #stc.quant<"rtn:int4-g32", error = 6.250000e-02 : f64>}
// CHECK: stc.weight @sliced : tensor<3x4xf32> {slice = #stc.slice<of = [4, 8], rows = [0, 1, 2, 4], columns = [0, 2, 4, 6]>, source = "w"}
stc.weight @sliced : tensor<3x4xf32> {
  source = "w", slice = #stc.slice<of = [4, 8], rows = [0, 1, 2, 4], columns = [0, 2, 4, 6]>}
// CHECK: stc.weight @alternate : tensor<2x8xf32> {slice = #stc.slice<of = [4, 8], rows = [1, 4], row_step = 2>, source = "w"}
stc.weight @alternate : tensor<2x8xf32> {
  source = "w", slice = #stc.slice<of = [4, 8], rows = [1, 4], row_step = 2>}
// CHECK: stc.weight @sliced_bias : tensor<3xf32> {slice = #stc.slice<of = [4], rows = [0, 3]>
stc.weight @sliced_bias : tensor<3xf32> {
  value = dense<1.0> : tensor<4xf32>, slice = #stc.slice<of = [4], rows = [0, 3]>}
// CHECK: stc.weight @transposed : tensor<4x4xf32> {slice = #stc.slice<of = [12, 4], rows = [4, 8]>, source = "w", transposed}
stc.weight @transposed : tensor<4x4xf32> {
  source = "w", transposed, slice = #stc.slice<of = [12, 4], rows = [4, 8]>}
// CHECK: stc.weight @gain : tensor<4xf32> {offset = 1.000000e+00 : f64, source = "w"}
stc.weight @gain : tensor<4xf32> {source = "w", offset = 1.0 : f64}
// CHECK: stc.weight @ordered : tensor<2x4xf32> {column_order = dense<[3, 0, 1, 2]> : tensor<4xi32>, row_order = dense<[1, 0]> : tensor<2xi32>, source = "w"}
stc.weight @ordered : tensor<2x4xf32> {
  source = "w", row_order = dense<[1, 0]> : tensor<2xi32>,
  column_order = dense<[3, 0, 1, 2]> : tensor<4xi32>}
stc.weight @a.0 : tensor<4xf32> {source = "a0"}
stc.weight @b.0 : tensor<4x4xf32> {source = "b0"}
stc.weight @a.1 : tensor<4xf32> {source = "a1"}
stc.weight @b.1 : tensor<4x4xf32> {source = "b1"}

// CHECK-LABEL: @get_weight
func.func @get_weight() -> tensor<4xf32> {
  // CHECK: stc.get_weight @norm : tensor<4xf32>
  %w = stc.get_weight @norm : tensor<4xf32>
  return %w : tensor<4xf32>
}

// CHECK-LABEL: @layer
func.func @layer(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: %[[Y:.*]] = stc.layer 0 (%[[H:.*]] = %{{.*}} : tensor<?x4xf32>) {
  // CHECK:   %[[S:.*]] = arith.addf %[[H]], %[[H]]
  // CHECK:   stc.yield %[[S]] : tensor<?x4xf32>
  // CHECK: }
  %y = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    %s = arith.addf %h, %h : tensor<?x4xf32>
    stc.yield %s : tensor<?x4xf32>
  }
  // CHECK: stc.layer 1 (%{{.*}} = %[[Y]] : tensor<?x4xf32>) attributes {note = "discardable"} {
  %z = stc.layer 1 (%h = %y : tensor<?x4xf32>) attributes {note = "discardable"} {
    stc.yield %h : tensor<?x4xf32>
  }
  return %z : tensor<?x4xf32>
}

func.func private @body(%h: tensor<?x4xf32>, %layer: index, %cos: tensor<?x2xf32>,
                        %a: tensor<4xf32>, %b: tensor<4x4xf32>) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}
func.func private @plain_body(%h: tensor<?x4xf32>, %layer: index) -> tensor<?x4xf32> {
  return %h : tensor<?x4xf32>
}

// CHECK-LABEL: @repeat
func.func @repeat(%x: tensor<?x4xf32>, %cos: tensor<?x2xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.repeat @body(%{{.*}}) captures(%{{.*}} : tensor<?x2xf32>) first 0 weights
  // CHECK-SAME: {{\[\[}}@a.0, @b.0], [@a.1, @b.1]] : tensor<?x4xf32>
  %y = stc.repeat @body(%x) captures(%cos : tensor<?x2xf32>) first 0
      weights [[@a.0, @b.0], [@a.1, @b.1]] : tensor<?x4xf32>
  // CHECK: stc.repeat @plain_body(%{{.*}}) first 2 weights {{\[\[}}]] : tensor<?x4xf32>
  %z = stc.repeat @plain_body(%y) first 2 weights [[]] : tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// CHECK-LABEL: @embedding
func.func @embedding(%tokens: tensor<?xi32>, %table: tensor<8x4xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.embedding %{{.*}}, %{{.*}} : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return %h : tensor<?x4xf32>
}

// CHECK-LABEL: @linear
func.func @linear(%x: tensor<?x4xf32>, %w: tensor<8x4xbf16>, %b: tensor<8xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: stc.linear %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
  // CHECK: stc.linear %{{.*}}, %{{.*}} bias %{{.*}} : (tensor<?x4xf32>, tensor<8x4xbf16>, tensor<8xf32>) -> tensor<?x8xf32>
  %z = stc.linear %x, %w bias %b
      : (tensor<?x4xf32>, tensor<8x4xbf16>, tensor<8xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @rms_norm
func.func @rms_norm(%x: tensor<?x4xf32>, %w: tensor<4xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.rms_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = stc.rms_norm %x, %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @permute_features
func.func @permute_features(%x: tensor<?x4xf32>, %order: tensor<4xf32>, %longer: tensor<7xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.permute_features %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = stc.permute_features %x, %order : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.permute_features %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  %more = stc.permute_features %x, %longer : (tensor<?x4xf32>, tensor<7xf32>) -> tensor<?x7xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @activation
func.func @activation(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.activation <silu> %{{.*}} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %a = stc.activation <silu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.activation <gelu> %
  %b = stc.activation <gelu> %a : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.activation <gelu_tanh> %
  %c = stc.activation <gelu_tanh> %b : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.activation <relu> %
  %d = stc.activation <relu> %c : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.activation <quick_gelu> %
  %e = stc.activation <quick_gelu> %d : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return %e : tensor<?x4xf32>
}

// CHECK-LABEL: @gated_activation
func.func @gated_activation(%gate: tensor<?x4xf32>, %up: tensor<?x4xf32>) -> tensor<?x4xf32> {
  // CHECK: stc.gated_activation <silu> %{{.*}}, %{{.*}} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %y = stc.gated_activation <silu> %gate, %up
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.gated_activation <quick_gelu> %{{.*}}, %{{.*}} limit 7.000000e+00 offset 1.000000e+00 : (
  %z = stc.gated_activation <quick_gelu> %y, %up limit 7.0 offset 1.0
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  // CHECK: stc.gated_activation <gelu> %{{.*}}, %{{.*}} offset -2.000000e+00 : (
  %u = stc.gated_activation <gelu> %z, %up offset -2.0
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %u : tensor<?x4xf32>
}

// CHECK-LABEL: @rotary
func.func @rotary(%tokens: tensor<?xi32>, %position: index, %x: tensor<?x8xf32>)
    -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  // CHECK: %{{.*}}, %{{.*}} = stc.rotary_table %{{.*}}, %{{.*}} frequencies [1.000000e+00, 1.000000e-02] : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.01]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  // Frequencies keep all their digits (in the pretty form).
  // PRETTY: frequencies [0.046415888336127774, 1.000000e-01]
  %c, %s = stc.rotary_table %tokens, %position frequencies [0.046415888336127774, 0.1]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  // CHECK: stc.rotary_embedding %{{.*}}, %{{.*}}, %{{.*}} : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  %y = stc.rotary_embedding %x, %cos, %sin
      : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  // CHECK: stc.rotary_embedding interleaved %
  %z = stc.rotary_embedding interleaved %x, %cos, %sin
      : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  return %y, %z : tensor<?x8xf32>, tensor<?x8xf32>
}

// CHECK-LABEL: @attention
// CHECK-SAME: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @attention(%q: tensor<?x16xf32>, %k: tensor<?x8xf32>, %v: tensor<?x8xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
    %layer: index, %position: index) -> tensor<?x16xf32> {
  // CHECK: stc.cache_update %{{.*}}, %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] : tensor<?x8xf32>, tensor<?x8xf32>, <layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
  stc.cache_update %k, %v, %cache[%layer, %position] : tensor<?x8xf32>, tensor<?x8xf32>,
      !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
  // CHECK: stc.attention %{{.*}}, %{{.*}}[%{{.*}}, %{{.*}}] heads 4 scale 5.000000e-01 window 0 : (tensor<?x16xf32>, !stc.kv_cache<{{.*}}>, index, index) -> tensor<?x16xf32>
  %y = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// CHECK-LABEL: @attention_sinks
// CHECK-SAME: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16, element = i8>
func.func @attention_sinks(%q: tensor<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16, element = i8>,
    %half: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16, element = f16>)
    -> tensor<?x16xf32> {
  // CHECK: stc.attention %{{.*}} heads 4 scale 5.000000e-01 window 8 sinks 2 :
  %y = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 8 sinks 2
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16, element = i8>,
         index, index) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// CHECK-LABEL: @cache_update_memref
func.func @cache_update_memref(%k: memref<?x8xf32>, %v: memref<?x8xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
    %layer: index, %position: index) {
  // CHECK: stc.cache_update %{{.*}} : memref<?x8xf32>, memref<?x8xf32>, <layers = 1
  stc.cache_update %k, %v, %cache[%layer, %position] : memref<?x8xf32>, memref<?x8xf32>,
      !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
  return
}

// CHECK-LABEL: @positions
func.func @positions(%tokens: tensor<?xi32>, %position: index) -> tensor<?xi32> {
  // PRETTY: stc.positions %{{.*}}, %{{.*}} : (tensor<?xi32>, index) -> tensor<?xi32>
  %p = stc.positions %tokens, %position : (tensor<?xi32>, index) -> tensor<?xi32>
  return %p : tensor<?xi32>
}

// CHECK-LABEL: @norms
func.func @norms(%x: tensor<?x8xf32>, %w: tensor<4xf32>, %v: tensor<8xbf16>, %m: tensor<2x4xbf16>) {
  // PRETTY: stc.rms_norm %{{.*}}, %{{.*}} groups 2 epsilon 1.000000e-05
  %a = stc.rms_norm %x, %w groups 2 epsilon 1.0e-05
      : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  // PRETTY: stc.layer_norm %{{.*}}, %{{.*}} epsilon 1.000000e-05
  %b = stc.layer_norm %x, %v epsilon 1.0e-05 : (tensor<?x8xf32>, tensor<8xbf16>) -> tensor<?x8xf32>
  // PRETTY: stc.layer_norm %{{.*}}, %{{.*}} bias %{{.*}} epsilon 1.000000e-05
  %c = stc.layer_norm %x, %v bias %v epsilon 1.0e-05
      : (tensor<?x8xf32>, tensor<8xbf16>, tensor<8xbf16>) -> tensor<?x8xf32>
  // PRETTY: stc.rms_norm %{{.*}}, %{{.*}} groups 2 epsilon 1.000000e-05 : (tensor<?x8xf32>, tensor<2x4xbf16>)
  %d = stc.rms_norm %x, %m groups 2 epsilon 1.0e-05
      : (tensor<?x8xf32>, tensor<2x4xbf16>) -> tensor<?x8xf32>
  // PRETTY: stc.layer_norm %{{.*}}, %{{.*}} groups 2 epsilon 1.000000e-05 : (tensor<?x8xf32>, tensor<2x4xbf16>)
  %e = stc.layer_norm %x, %m groups 2 epsilon 1.0e-05
      : (tensor<?x8xf32>, tensor<2x4xbf16>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: @multipliers
func.func @multipliers(%x: tensor<?x4xf32>) {
  // PRETTY: stc.scale %{{.*}} by 5.000000e-01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %a = stc.scale %x by 5.0e-01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // PRETTY: stc.clamp %{{.*}} limit 8.000000e+00 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %c = stc.clamp %x limit 8.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // PRETTY: stc.soft_cap %{{.*}} cap 3.000000e+01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %b = stc.soft_cap %x cap 3.0e+01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// CHECK-LABEL: @partial_rotation
func.func @partial_rotation(%tokens: tensor<?xi32>, %position: index, %x: tensor<?x16xf32>) {
  // PRETTY: stc.rotary_table %{{.*}}, %{{.*}} frequencies [1.000000e+00, 1.000000e-01] scale 1.250000e+00 :
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.1] scale 1.25
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  // PRETTY: stc.rotary_embedding interleaved %{{.*}}, %{{.*}}, %{{.*}} head_dim 8 :
  %y = stc.rotary_embedding interleaved %x, %cos, %sin head_dim 8
      : (tensor<?x16xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @capped_attention
func.func @capped_attention(%q: tensor<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // PRETTY: heads 4 scale 5.000000e-01 window 0 soft_cap 5.000000e+01 :
  %y = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0 soft_cap 5.0e+01
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @biased_attention
func.func @biased_attention(%q: tensor<?x16xf32>, %layer: index, %position: index, %end: index,
    %b: tensor<8x4xf32>, %s: tensor<4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // PRETTY: stc.attention %{{.*}}[%{{.*}}, %{{.*}}] to %{{.*}} bias %{{.*}} within 16 sink_logits %{{.*}} heads 4 scale 5.000000e-01 window 3 :
  %y = stc.attention %q, %cache[%layer, %position] to %end bias %b within 16 sink_logits %s
      heads 4 scale 5.0e-01 window 3
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, index, tensor<8x4xf32>, tensor<4xf32>) -> tensor<?x16xf32>
  // PRETTY: heads 4 scale 5.000000e-01 window 0 slopes [5.000000e-01, 0.33333333333333331, 1.250000e-01, 0.000000e+00] :
  %z = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
      slopes [0.5, 0.33333333333333331, 0.125, 0.0]
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// CHECK-LABEL: @grouped_gate
func.func @grouped_gate(%s: tensor<?x8xf32>, %b: tensor<8xf32>) {
  // CHECK: stc.grouped_gate normalized %{{.*}} correction %{{.*}} k 2 groups 4 kept 2 best 2 scale 2.500000e+00 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %g = stc.grouped_gate normalized %s correction %b k 2 groups 4 kept 2 best 2 scale 2.5
      : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  // CHECK: stc.grouped_gate %{{.*}} k 8 groups 1 kept 1 best 1 scale 1.000000e+00 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %all = stc.grouped_gate %s k 8 groups 1 kept 1 best 1 scale 1.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// CHECK-LABEL: @experts
func.func @experts(%x: tensor<?x4xf32>, %logits: tensor<?x8xf32>, %e: index) -> tensor<?x4xf32> {
  // CHECK: %[[G:.*]] = stc.top_k_gate normalized %{{.*}} k 2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %g = stc.top_k_gate normalized %logits k 2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: stc.top_k_gate %{{.*}} k 8 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %all = stc.top_k_gate %logits k 8 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: stc.expert %{{.*}} of %[[G]] (%[[T:.*]] = %[[X:.*]] : tensor<?x4xf32>) add %[[X]] : tensor<?x8xf32>, tensor<?x4xf32> {
  // CHECK-NEXT: %[[D:.*]] = arith.addf %[[T]], %[[T]]
  // CHECK-NEXT: stc.yield %[[D]]
  %s = stc.expert %e of %g (%t = %x : tensor<?x4xf32>) add %x : tensor<?x8xf32>, tensor<?x4xf32> {
    %d = arith.addf %t, %t : tensor<?x4xf32>
    stc.yield %d : tensor<?x4xf32>
  }
  return %s : tensor<?x4xf32>
}

stc.weight @e.0 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
stc.weight @e.1 : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>}
func.func private @one_expert(%s: tensor<?x4xf32>, %e: index, %x: tensor<?x4xf32>,
                              %w: tensor<4x4xf32>) -> tensor<?x4xf32> {
  return %s : tensor<?x4xf32>
}
// CHECK-LABEL: @repeat_rows
func.func @repeat_rows(%x: tensor<?x4xf32>, %row: index) -> tensor<?x4xf32> {
  // CHECK: stc.repeat @one_expert(%{{.*}}) captures(%{{.*}} : tensor<?x4xf32>) first 0 rows %{{.*}} count 1 weights {{\[\[}}@e.0], [@e.1]] : tensor<?x4xf32>
  %y = stc.repeat @one_expert(%x) captures(%x : tensor<?x4xf32>) first 0 rows %row count 1
      weights [[@e.0], [@e.1]] : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// CHECK-LABEL: @pattern
func.func @pattern(%q: tensor<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // CHECK: stc.attention {{.*}} heads 4 scale 5.000000e-01 window 0 pattern "bigbird:16x3+1+2@7" :
  %u = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
      pattern "bigbird:16x3+1+2@7"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}
