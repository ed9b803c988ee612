// Every numbered constraint of stc, broken once.
// RUN: stc-opt %s -verify-diagnostics -split-input-file

// #stc.prune (C1)
// expected-error @+1 {{expects a pruning specification (C1), but got 'lottery'}}
stc.weight @w : tensor<4xf32> {source = "w", prune = #stc.prune<"lottery", density = 5.0e-01 : f64>}

// -----

// #stc.prune (C1)
// expected-error @+1 {{expects a pruning specification other than none (C1)}}
stc.weight @w : tensor<4xf32> {source = "w", prune = #stc.prune<"none", density = 5.0e-01 : f64>}

// -----

// #stc.prune (C2)
// expected-error @+1 {{expects a density in [0, 1] (C2), but got 1.5}}
stc.weight @w : tensor<4xf32> {source = "w", prune = #stc.prune<"2:4", density = 1.5 : f64>}

// -----

// #stc.quant (C1)
// expected-error @+1 {{expects a quantization specification (C1), but got 'int99'}}
stc.weight @w : tensor<4xf32> {source = "w", quant = #stc.quant<"int99", error = 0.0 : f64>}

// -----

// #stc.quant (C1)
// expected-error @+1 {{expects a quantization specification other than none (C1)}}
stc.weight @w : tensor<4xf32> {source = "w", quant = #stc.quant<"none", error = 0.0 : f64>}

// -----

// #stc.quant (C2)
// expected-error @+1 {{expects a finite, non-negative error (C2), but got -1}}
stc.weight @w : tensor<4xf32> {source = "w", quant = #stc.quant<"int8", error = -1.0 : f64>}

// -----

// #stc.slice (C1)
// expected-error @+1 {{expects 1 or 2 positive sizes, and columns of 2 only (C1), but got 3 sizes}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8, 1, 1], rows = [0, 4]>}

// -----

// #stc.slice (C1)
// expected-error @+1 {{expects 1 or 2 positive sizes, and columns of 2 only (C1), but got 2 sizes}}
stc.weight @w : tensor<4x1xf32> {source = "w", slice = #stc.slice<of = [8, 0], rows = [0, 4]>}

// -----

// #stc.slice (C1)
// expected-error @+1 {{expects 1 or 2 positive sizes, and columns of 2 only (C1), but got 1 sizes}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], columns = [0, 4]>}

// -----

// #stc.slice (C2): out of bounds
// expected-error @+1 {{expects rising begins and ends of ranges inside 8 with gaps between them (C2), but got array<i64: 4, 9>}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = [4, 9]>}

// -----

// #stc.slice (C2): an empty range
// expected-error @+1 {{gaps between them (C2), but got array<i64: 0, 4, 5, 5>}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = [0, 4, 5, 5]>}

// -----

// #stc.slice (C2): ranges that meet
// expected-error @+1 {{gaps between them (C2), but got array<i64: 0, 2, 2, 4>}}
stc.weight @w : tensor<4x4xf32> {source = "w", slice = #stc.slice<of = [4, 8], columns = [0, 2, 2, 4]>}

// -----

// #stc.slice (C2): an odd number
// expected-error @+1 {{gaps between them (C2), but got array<i64: 0, 4, 5>}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = [0, 4, 5]>}

// -----

// #stc.slice (C2): no ranges
// expected-error @+1 {{gaps between them (C2), but got array<i64>}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = []>}

// -----

// #stc.slice (C3)
// expected-error @+1 {{expects rows or columns (C3), but got neither}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8]>}

// -----

// #stc.slice (C4): a step of no rows
// expected-error @+1 {{expects a positive step of rows that are given (C4), but got 2}}
stc.weight @w : tensor<8x2xf32> {source = "w", slice = #stc.slice<of = [8, 4], columns = [0, 2], row_step = 2>}

// -----

// #stc.slice (C4): not positive
// expected-error @+1 {{expects a positive step of rows that are given (C4), but got 0}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = [0, 8], row_step = 0>}

// -----

// !stc.kv_cache (C1)
// expected-error @+1 {{expects positive layers, kv_heads, head_dim and capacity (C1), but got 0, 1, 4, 16}}
func.func private @f(!stc.kv_cache<layers = 0, kv_heads = 1, head_dim = 4, capacity = 16>)

// -----

// !stc.kv_cache (C3)
// expected-error @+1 {{expects elements of f32, f16, i8 or f8E4M3FN (C3), but got 'bf16'}}
func.func private @f(!stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16, element = bf16>)

// -----

// !stc.kv_cache (C2)
// expected-error @+1 {{expects a capacity that is a multiple of 16 (C2), but got 20}}
func.func private @f(!stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 20>)

// -----

// stc.weight (C1): dynamic
// expected-error @+1 {{expects a static 1-d or 2-d tensor of floats (C1), but got 'tensor<?xf32>'}}
stc.weight @w : tensor<?xf32> {source = "w"}

// -----

// stc.weight (C1): integers
// expected-error @+1 {{expects a static 1-d or 2-d tensor of floats (C1), but got 'tensor<4xi8>'}}
stc.weight @w : tensor<4xi8> {source = "w"}

// -----

// stc.weight (C1): rank
// expected-error @+1 {{expects a static 1-d or 2-d tensor of floats (C1)}}
stc.weight @w : tensor<4x4x4xf32> {source = "w"}

// -----

// stc.weight (C1): empty
// expected-error @+1 {{expects a static 1-d or 2-d tensor of floats (C1)}}
stc.weight @w : tensor<4x0xf32> {source = "w"}

// -----

// stc.weight (C2)
// expected-error @+1 {{expects exactly one of source and value (C2), but got neither}}
stc.weight @w : tensor<4xf32>

// -----

// stc.weight (C2)
// expected-error @+1 {{expects exactly one of source and value (C2), but got both}}
stc.weight @w : tensor<4xf32> {source = "w", value = dense<0.0> : tensor<4xf32>}

// -----

// stc.weight (C3)
// expected-error @+1 {{expects a value of type 'tensor<4xf32>' (C3), but got 'tensor<5xf32>'}}
stc.weight @w : tensor<4xf32> {value = dense<0.0> : tensor<5xf32>}

// -----

// stc.weight (C3): with a slice
// expected-error @+1 {{expects a value of type 'tensor<8xf32>' (C3), but got 'tensor<4xf32>'}}
stc.weight @w : tensor<4xf32> {
  value = dense<0.0> : tensor<4xf32>, slice = #stc.slice<of = [8], rows = [0, 4]>}

// -----

// stc.weight (C4)
// expected-error @+1 {{expects a slice that leaves the shape of 'tensor<4xf32>' (C4), but got #stc.slice<of = [8], rows = [0, 3]>}}
stc.weight @w : tensor<4xf32> {source = "w", slice = #stc.slice<of = [8], rows = [0, 3]>}

// -----

// stc.get_weight (C1)
func.func @f() {
  // expected-error @+1 {{expects the name of a stc.weight (C1), but got @f}}
  %w = stc.get_weight @f : tensor<4xf32>
  return
}

// -----

// stc.get_weight (C2)
stc.weight @w : tensor<4xf32> {source = "w"}
func.func @f() {
  // expected-error @+1 {{expects a result of type 'tensor<4xf32>' (C2), but got 'tensor<5xf32>'}}
  %w = stc.get_weight @w : tensor<5xf32>
  return
}

// -----

// stc.layer (C1)
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects one block argument of type 'tensor<?x4xf32>' (C1)}}
  %y = "stc.layer"(%x) <{index = 0 : i64}> ({
  ^bb0(%h: tensor<?x5xf32>):
    stc.yield %x : tensor<?x4xf32>
  }) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.layer (C2)
func.func @f(%x: tensor<?x4xf32>, %z: tensor<?x5xf32>) {
  // expected-error @+1 {{expects to yield a value of type 'tensor<?x4xf32>' (C2)}}
  %y = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
    stc.yield %z : tensor<?x5xf32>
  }
  return
}

// -----

// stc.layer (C2): nothing
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects to yield a value of type 'tensor<?x4xf32>' (C2)}}
  %y = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
  }
  return
}

// -----

// stc.layer (C3)
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a non-negative index (C3), but got -1}}
  %y = stc.layer -1 (%h = %x : tensor<?x4xf32>) {
    stc.yield %h : tensor<?x4xf32>
  }
  return
}

// -----

// stc.repeat (C1): no function
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects the name of a function (C1), but got @nothing}}
  %y = stc.repeat @nothing(%x) first 0 weights [[]] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C1): another signature
func.func private @body(tensor<?x4xf32>) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a callee of hidden state, index, captures and 0 weights to hidden state (C1)}}
  %y = stc.repeat @body(%x) first 0 weights [[]] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C2): no rows
func.func private @body(tensor<?x4xf32>, index) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects at least one row of weights (C2)}}
  %y = stc.repeat @body(%x) first 0 weights [] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C2): rows of other things
func.func private @body(tensor<?x4xf32>, index) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects rows of weight symbols (C2), but got 1 : i64}}
  %y = stc.repeat @body(%x) first 0 weights [1] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C2): ragged rows
stc.weight @w : tensor<4xf32> {source = "w"}
func.func private @body(tensor<?x4xf32>, index, tensor<4xf32>) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects rows of equal length (C2), but got 1 and 0}}
  %y = stc.repeat @body(%x) first 0 weights [[@w], []] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C3): type
stc.weight @w : tensor<5xf32> {source = "w"}
func.func private @body(tensor<?x4xf32>, index, tensor<4xf32>) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a weight of type 'tensor<4xf32>' (C3), but got @w}}
  %y = stc.repeat @body(%x) first 0 weights [[@w]] : tensor<?x4xf32>
  return
}

// -----

// stc.repeat (C3): no weight
func.func private @body(tensor<?x4xf32>, index, tensor<4xf32>) -> tensor<?x4xf32>
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a weight of type 'tensor<4xf32>' (C3), but got @nothing}}
  %y = stc.repeat @body(%x) first 0 weights [[@nothing]] : tensor<?x4xf32>
  return
}

// -----

// stc.embedding (C1)
func.func @f(%tokens: tensor<?xi32>, %table: tensor<8x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x4xf32>' are incompatible with return type(s) of operation 'tensor<?x5xf32>'}}
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x5xf32>
  return
}

// -----

// stc.linear (C1)
func.func @f(%x: tensor<?x5xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+1 {{expects input columns equal to weight columns (C1), but got 5 and 4}}
  %y = stc.linear %x, %w : (tensor<?x5xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.linear (C2)
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{expects one bias value per weight row (C2), but got 4 and 8}}
  %y = stc.linear %x, %w bias %b
      : (tensor<?x4xf32>, tensor<8x4xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.linear (C3)
func.func @f(%x: tensor<?x4xf32>, %w: tensor<8x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x8xf32>' are incompatible}}
  %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.rms_norm (C1)
func.func @f(%x: tensor<?x4xf32>, %w: tensor<5xf32>) {
  // expected-error @+1 {{expects one weight value per column of a group (C1), but got 5 for 4 columns in 1 groups}}
  %y = stc.rms_norm %x, %w epsilon 1.0e-05
      : (tensor<?x4xf32>, tensor<5xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.rms_norm (C2)
func.func @f(%x: tensor<?x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects a finite, non-negative epsilon (C2), but got -1}}
  %y = stc.rms_norm %x, %w epsilon -1.0
      : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.rms_norm (C2): infinity
func.func @f(%x: tensor<?x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects a finite, non-negative epsilon (C2)}}
  %y = "stc.rms_norm"(%x, %w) <{epsilon = 0x7FF0000000000000 : f64}>
      : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.activation (C1)
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %y = stc.activation <silu> %x : (tensor<?x4xf32>) -> tensor<?x5xf32>
  return
}

// -----

// stc.activation (C1): tokens
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x4xf32>' are incompatible}}
  %y = stc.activation <silu> %x : (tensor<?x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// stc.activation: an unknown kind
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+2 {{expected ::stc::ActivationKind to be one of: silu, gelu, gelu_tanh, relu}}
  // expected-error @+1 {{failed to parse STC_ActivationKindAttr parameter 'value'}}
  %y = stc.activation <swash> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.gated_activation (C1): columns, which all elementwise ops check
func.func @f(%gate: tensor<?x4xf32>, %up: tensor<?x5xf32>) {
  // expected-error @+1 {{all non-scalar operands/results must have the same shape and base type}}
  %y = stc.gated_activation <silu> %gate, %up
      : (tensor<?x4xf32>, tensor<?x5xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.gated_activation (C1): tokens
func.func @f(%gate: tensor<?x4xf32>, %up: tensor<3x4xf32>) {
  // expected-error @+1 {{expects gate and up of equal type (C1), but got 'tensor<?x4xf32>' and 'tensor<3x4xf32>'}}
  %y = stc.gated_activation <silu> %gate, %up
      : (tensor<?x4xf32>, tensor<3x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.gated_activation (C2)
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite limit that is not negative (C2), but got -1.000000e+00}}
  %y = stc.gated_activation <silu> %x, %x limit -1.0
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.gated_activation (C3)
func.func @f(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite offset (C3), but got}}
  %y = stc.gated_activation <silu> %x, %x offset 0x7FF0000000000000
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.rotary_table (C1)
func.func @f(%tokens: tensor<?xi32>, %position: index) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{are incompatible with return type(s) of operation}}
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.01]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x3xf32>)
  return
}

// -----

// stc.rotary_table (C2)
func.func @f(%tokens: tensor<?xi32>, %position: index) {
  // expected-error @+1 {{expects finite, non-negative frequencies (C2), but got -1}}
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, -1.0]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  return
}

// -----

// stc.rotary_embedding (C1)
func.func @f(%x: tensor<?x6xf32>, %cos: tensor<?x2xf32>, %sin: tensor<?x2xf32>) {
  // expected-error @+1 {{expects input columns that are a multiple of 4 (C1), but got 6}}
  %y = stc.rotary_embedding %x, %cos, %sin
      : (tensor<?x6xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x6xf32>
  return
}

// -----

// stc.rotary_embedding (C2): unequal tables
func.func @f(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>, %sin: tensor<?x4xf32>) {
  // expected-error @+1 {{expects cos and sin of equal type with the input's tokens (C2)}}
  %y = stc.rotary_embedding %x, %cos, %sin
      : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.rotary_embedding (C2): another number of tokens
func.func @f(%x: tensor<3x8xf32>, %cos: tensor<2x2xf32>, %sin: tensor<2x2xf32>) {
  // expected-error @+1 {{expects cos and sin of equal type with the input's tokens (C2)}}
  %y = stc.rotary_embedding %x, %cos, %sin
      : (tensor<3x8xf32>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<3x8xf32>
  return
}

// -----

// stc.cache_update (C1): unequal
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%k: tensor<?x8xf32>, %v: tensor<?x4xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects keys and values of equal type with 8 columns (C1)}}
  stc.cache_update %k, %v, %cache[%i, %i] : tensor<?x8xf32>, tensor<?x4xf32>, !cache
  return
}

// -----

// stc.cache_update (C1): columns
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%k: tensor<?x4xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects keys and values of equal type with 8 columns (C1)}}
  stc.cache_update %k, %k, %cache[%i, %i] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
  return
}

// -----

// stc.attention (C1)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x12xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects heads that are a positive multiple of 2 (C1), but got 3}}
  %y = stc.attention %q, %cache[%i, %i] heads 3 scale 5.0e-01 window 0
      : (tensor<?x12xf32>, !cache, index, index) -> tensor<?x12xf32>
  return
}

// -----

// stc.attention (C2)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x12xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects 16 query columns (C2), but got 12}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0
      : (tensor<?x12xf32>, !cache, index, index) -> tensor<?x12xf32>
  return
}

// -----

// stc.attention (C3)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects a finite, positive scale (C3), but got 0}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 0.0 window 0
      : (tensor<?x16xf32>, !cache, index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C4)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects a non-negative window (C4), but got -1}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window -1
      : (tensor<?x16xf32>, !cache, index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C5)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects non-negative sinks, 0 without a window (C5), but got -1}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 4 sinks -1
      : (tensor<?x16xf32>, !cache, index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C5)
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
func.func @f(%q: tensor<?x16xf32>, %cache: !cache, %i: index) {
  // expected-error @+1 {{expects non-negative sinks, 0 without a window (C5), but got 3}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 sinks 3
      : (tensor<?x16xf32>, !cache, index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.weight (C5): transposed
// expected-error @+1 {{expects transposed and offset with a source only (C5)}}
stc.weight @w : tensor<4x4xf32> {value = dense<1.0> : tensor<4x4xf32>, transposed}

// -----

// stc.weight (C5): a vector
// expected-error @+1 {{expects a transposed source of a 2-d weight (C5), but got 'tensor<4xf32>'}}
stc.weight @w : tensor<4xf32> {source = "w", transposed}

// -----

// stc.weight (C6)
// expected-error @+1 {{expects a finite offset (C6)}}
stc.weight @w : tensor<4xf32> {source = "w", offset = 0x7FF0000000000000 : f64}

// -----

// stc.weight (C7): twice
// expected-error @+1 {{expects a row_order that names each of 2 rows once (C7)}}
stc.weight @w : tensor<2x4xf32> {source = "w", row_order = dense<[1, 1]> : tensor<2xi32>}

// -----

// stc.weight (C7): another size
// expected-error @+1 {{expects a row_order that names each of 2 rows once (C7)}}
stc.weight @w : tensor<2x4xf32> {source = "w", row_order = dense<[1, 0, 2]> : tensor<3xi32>}

// -----

// stc.weight (C7): a matrix
// expected-error @+1 {{expects a column_order that names each column of a 2-d weight once (C7)}}
stc.weight @w : tensor<2x4xf32> {
  source = "w", column_order = dense<[[0, 1], [2, 3]]> : tensor<2x2xi32>}

// -----

// stc.weight (C7): out of range
// expected-error @+1 {{expects a column_order that names each column of a 2-d weight once (C7)}}
stc.weight @w : tensor<2x4xf32> {source = "w", column_order = dense<[0, 1, 2, 4]> : tensor<4xi32>}

// -----

// stc.weight (C7): negative
// expected-error @+1 {{expects a column_order that names each column of a 2-d weight once (C7)}}
stc.weight @w : tensor<2x4xf32> {source = "w", column_order = dense<[0, 1, 2, -3]> : tensor<4xi32>}

// -----

// stc.weight (C7): a vector
// expected-error @+1 {{expects a column_order that names each column of a 2-d weight once (C7)}}
stc.weight @w : tensor<4xf32> {source = "w", column_order = dense<[0, 1, 2, 3]> : tensor<4xi32>}

// -----

// stc.permute_features (C1)
func.func @f(%x: tensor<?x4xf32>, %order: tensor<5xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x5xf32>' are incompatible with return type(s) of operation 'tensor<?x4xf32>'}}
  %y = stc.permute_features %x, %order : (tensor<?x4xf32>, tensor<5xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.permute_features (C2)
func.func @f(%x: tensor<?x16777217xf32>, %order: tensor<16777217xf32>) {
  // expected-error @+1 {{expects at most 2^24 columns (C2), but got 16777217}}
  %y = stc.permute_features %x, %order
      : (tensor<?x16777217xf32>, tensor<16777217xf32>) -> tensor<?x16777217xf32>
  return
}

// -----

// stc.positions (C1)
func.func @positions(%tokens: tensor<?xi32>, %position: index) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{op inferred type(s) 'tensor<?xi32>' are incompatible with return type(s) of operation 'tensor<3xi32>'}}
  %p = stc.positions %tokens, %position : (tensor<?xi32>, index) -> tensor<3xi32>
  return
}

// -----

// stc.rms_norm (C1): groups
func.func @rms_norm(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects positive groups (C1), but got 0}}
  %y = stc.rms_norm %x, %w groups 0 epsilon 0.0 : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.rms_norm (C1): columns of a group
func.func @rms_norm(%x: tensor<?x8xf32>, %w: tensor<8xf32>) {
  // expected-error @+1 {{expects one weight value per column of a group (C1), but got 8 for 8 columns in 2 groups}}
  %y = stc.rms_norm %x, %w groups 2 epsilon 0.0 : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.layer_norm (C1)
func.func @layer_norm(%x: tensor<?x4xf32>, %w: tensor<5xf32>) {
  // expected-error @+1 {{expects one weight value per column of a group (C1), but got 5 for 4 columns in 1 groups}}
  %y = stc.layer_norm %x, %w epsilon 0.0 : (tensor<?x4xf32>, tensor<5xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.layer_norm (C2)
func.func @layer_norm(%x: tensor<?x4xf32>, %w: tensor<4xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{expects one bias value per column (C2), but got 3 and 4}}
  %y = stc.layer_norm %x, %w bias %b epsilon 0.0
      : (tensor<?x4xf32>, tensor<4xf32>, tensor<3xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.layer_norm (C1): groups
func.func @layer_norm(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects positive groups (C1), but got -2}}
  %y = stc.layer_norm %x, %w groups -2 epsilon 0.0 : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.layer_norm (C1): a row of weights per group
func.func @layer_norm(%x: tensor<?x8xf32>, %w: tensor<3x4xf32>) {
  // expected-error @+1 {{expects one row of weights per group (C1), but got 3 for 2 groups}}
  %y = stc.layer_norm %x, %w groups 2 epsilon 0.0 : (tensor<?x8xf32>, tensor<3x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.rms_norm (C1): a row of weights per group
func.func @rms_norm(%x: tensor<?x8xf32>, %w: tensor<1x4xf32>) {
  // expected-error @+1 {{expects one row of weights per group (C1), but got 1 for 2 groups}}
  %y = stc.rms_norm %x, %w groups 2 epsilon 0.0 : (tensor<?x8xf32>, tensor<1x4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.layer_norm (C2): groups
func.func @layer_norm(%x: tensor<?x8xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects no bias with several groups (C2), but got 'tensor<4xf32>'}}
  %y = stc.layer_norm %x, %w bias %w groups 2 epsilon 0.0
      : (tensor<?x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.layer_norm (C3)
func.func @layer_norm(%x: tensor<?x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{expects a finite, non-negative epsilon (C3), but got -1}}
  %y = stc.layer_norm %x, %w epsilon -1.0 : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.scale (C1)
func.func @scale(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite factor (C1)}}
  %y = stc.scale %x by 0x7FF0000000000000 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.clamp (C1)
func.func @clamp(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite, positive limit (C1), but got 0}}
  %y = stc.clamp %x limit 0.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.clamp (C1): infinity
func.func @clamp(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite, positive limit (C1)}}
  %y = "stc.clamp"(%x) <{limit = 0x7FF0000000000000 : f64}> : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.soft_cap (C1)
func.func @soft_cap(%x: tensor<?x4xf32>) {
  // expected-error @+1 {{expects a finite, positive cap (C1), but got 0}}
  %y = stc.soft_cap %x cap 0.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

// stc.rotary_table (C3)
func.func @rotary_table(%tokens: tensor<?xi32>, %position: index) {
  // expected-error @+1 {{expects a finite, positive scale (C3), but got -1}}
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0] scale -1.0
      : (tensor<?xi32>, index) -> (tensor<?x1xf32>, tensor<?x1xf32>)
  return
}

// -----

// stc.rotary_embedding (C3)
func.func @rotary_embedding(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>) {
  // expected-error @+1 {{expects a head_dim of 0 or at least 4 (C3), but got 2}}
  %y = stc.rotary_embedding %x, %cos, %cos head_dim 2
      : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.rotary_embedding (C1): head_dim
func.func @rotary_embedding(%x: tensor<?x8xf32>, %cos: tensor<?x2xf32>) {
  // expected-error @+1 {{expects input columns that are a multiple of 6 (C1), but got 8}}
  %y = stc.rotary_embedding %x, %cos, %cos head_dim 6
      : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.attention (C6)
func.func @attention(%q: tensor<?x16xf32>, %layer: index, %position: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a finite, non-negative soft_cap (C6), but got -1}}
  %y = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0 soft_cap -1.0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.top_k_gate (C1)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects k from 1 to 8 (C1), but got 9}}
  %y = stc.top_k_gate %x k 9 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.top_k_gate (C2)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<?x8xf32>' are incompatible with return type(s) of operation 'tensor<?x2xf32>'}}
  %y = stc.top_k_gate %x k 2 : (tensor<?x8xf32>) -> tensor<?x2xf32>
  return
}

// -----

// stc.grouped_gate (C1)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects k from 1 to 4 (C1), but got 5}}
  %y = stc.grouped_gate %x k 5 groups 4 kept 2 best 1 scale 1.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.grouped_gate (C2)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects groups that divide 8 columns, and as many or fewer that are kept (C2), but got 3 and 1}}
  %y = stc.grouped_gate %x k 1 groups 3 kept 1 best 1 scale 1.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.grouped_gate (C2)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects groups that divide 8 columns, and as many or fewer that are kept (C2), but got 4 and 5}}
  %y = stc.grouped_gate %x k 1 groups 4 kept 5 best 1 scale 1.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.grouped_gate (C3)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects best from 1 to 2 (C3), but got 3}}
  %y = stc.grouped_gate %x k 1 groups 4 kept 2 best 3 scale 1.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.grouped_gate (C4)
func.func @f(%x: tensor<?x8xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{expects a correction of 8 numbers (C4), but got 4}}
  %y = stc.grouped_gate %x correction %b k 1 groups 4 kept 2 best 2 scale 1.0
      : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.grouped_gate (C5)
func.func @f(%x: tensor<?x8xf32>) {
  // expected-error @+1 {{expects a finite scale above 0 (C5), but got 0.0}}
  %y = stc.grouped_gate %x k 1 groups 4 kept 2 best 2 scale 0.0 : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return
}

// -----

// stc.expert (C1)
func.func @f(%x: tensor<5x4xf32>, %g: tensor<5x2xf32>, %e: index) {
  // expected-error @+1 {{expects one block argument of type 'tensor<5x4xf32>', of 1 token or a number that is not known (C1)}}
  %y = stc.expert %e of %g (%t = %x : tensor<5x4xf32>) add %x : tensor<5x2xf32>, tensor<5x4xf32> {
    stc.yield %t : tensor<5x4xf32>
  }
  return
}

// -----

// stc.expert (C2)
func.func @f(%x: tensor<?x4xf32>, %s: tensor<?x8xf32>, %g: tensor<?x2xf32>, %e: index) {
  // expected-error @+1 {{expects to yield a value of type 'tensor<?x8xf32>' (C2)}}
  %y = stc.expert %e of %g (%t = %x : tensor<?x4xf32>) add %s : tensor<?x2xf32>, tensor<?x8xf32> {
    stc.yield %t : tensor<?x4xf32>
  }
  return
}

// -----

// stc.expert (C3)
func.func @f(%x: tensor<?x4xf32>, %g: tensor<1x2xf32>, %e: index) {
  // expected-error @+1 {{expects operands of equally many tokens (C3), but got 'tensor<?x4xf32>' and 'tensor<1x2xf32>'}}
  %y = stc.expert %e of %g (%t = %x : tensor<?x4xf32>) add %x : tensor<1x2xf32>, tensor<?x4xf32> {
    stc.yield %t : tensor<?x4xf32>
  }
  return
}

// -----

// stc.expert (C4)
func.func @f(%x: tensor<?x4xf32>, %g: tensor<?x2xf32>) {
  %e = arith.constant 2 : index
  // expected-error @+1 {{expects an index below 2 (C4), but got 2}}
  %y = stc.expert %e of %g (%t = %x : tensor<?x4xf32>) add %x : tensor<?x2xf32>, tensor<?x4xf32> {
    stc.yield %t : tensor<?x4xf32>
  }
  return
}

// -----

// stc.repeat (C4)
func.func private @g(%h: tensor<?x4xf32>, %i: index) -> tensor<?x4xf32>
func.func @f(%h: tensor<?x4xf32>, %row: index) {
  // expected-error @+1 {{expects a row together with a positive count that divides 3 rows (C4)}}
  %y = stc.repeat @g(%h) first 0 rows %row count 2 weights [[], [], []] : tensor<?x4xf32>
  return
}

// -----

// stc.attention (C7)
func.func @attention(%q: tensor<?x16xf32>, %i: index, %b: tensor<8x2xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a bias of 4 columns (C7), but got 2}}
  %y = stc.attention %q, %cache[%i, %i] bias %b within 16 heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, tensor<8x2xf32>) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C7)
func.func @attention(%q: tensor<?x16xf32>, %i: index, %b: tensor<3x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a bias of at least 4 buckets, an even number for two directions (C7), but got 3}}
  %y = stc.attention %q, %cache[%i, %i] bias %b within 16 heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, tensor<3x4xf32>) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C7)
func.func @attention(%q: tensor<?x16xf32>, %i: index, %b: tensor<7x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a bias of at least 4 buckets, an even number for two directions (C7), but got 7}}
  %y = stc.attention %q, %cache[%i, %i] to %i bias %b within 16 heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, index, tensor<7x4xf32>) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C7)
func.func @attention(%q: tensor<?x16xf32>, %i: index, %b: tensor<8x4xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a bias_distance above the buckets of a direction, and none without a bias (C7), but got 8}}
  %y = stc.attention %q, %cache[%i, %i] bias %b within 8 heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, tensor<8x4xf32>) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C8)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects 4 slopes (C8), but got 1}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 slopes [0.5]
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C8)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects finite slopes that are not negative (C8), but got -5.000000e-01}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 slopes [0.5, -0.5, 0.5, 0.5]
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C9)
func.func @attention(%q: tensor<?x16xf32>, %i: index, %s: tensor<3xf32>,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects 4 sink logits (C9), but got 3}}
  %y = stc.attention %q, %cache[%i, %i] sink_logits %s heads 4 scale 5.0e-01 window 0
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index, tensor<3xf32>) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects an attention pattern (C10): attention: expected none, window:KEYS or window:KEYS+SINKS, dilated:KEYSxEVERY, strided:L, fixed:LxC with C <= L, local:KEYS+GLOBALS, bigbird:BLOCKxODD+GLOBALS+RANDOMS@SEED with at most 64 randoms, or blocks:BLOCK:0/0,1/... with each block in its own list; a BLOCK is a multiple of 16, got strided:0}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 pattern "strided:0"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a pattern other than none and window, as it is printed (C10), but got "none"}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 pattern "none"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a pattern other than none and window, as it is printed (C10), but got "window:4"}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 pattern "window:4"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects a pattern other than none and window, as it is printed (C10), but got "blocks:16:0/1,0"}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 0 pattern "blocks:16:0/1,0"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}

// -----

// stc.attention (C10)
func.func @attention(%q: tensor<?x16xf32>, %i: index,
    %cache: !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>) {
  // expected-error @+1 {{expects no window beside a pattern (C10), but got 2}}
  %y = stc.attention %q, %cache[%i, %i] heads 4 scale 5.0e-01 window 2 pattern "strided:4"
      : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
         index, index) -> tensor<?x16xf32>
  return
}
