// An encoder, whose tokens see those behind them, has no token to continue with: @forward becomes
// @prefill, and gives hidden states.
// RUN: stc-opt %s --stc-specialize-entry-points | FileCheck %s
// RUN: stc-opt %s --stc-interpret='tokens=1,2,3 all=1' | FileCheck %s --check-prefix=STATES
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret='tokens=1,2,3 all=1' \
// RUN:   | FileCheck %s --check-prefix=STATES
// RUN: not stc-opt %s --stc-interpret='tokens=1,2,3 one-by-one=1' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// CHECK-NOT: func.func @forward
// CHECK: func.func @prefill(%{{.*}}: tensor<?xi32>, %{{.*}}: index, %{{.*}}: !stc.kv_cache<{{.*}}>)
// CHECK-NOT: func.func

// Equal keys: the mean of the values that the table has for the tokens, for each of them.
// STATES: logits 2 4
// STATES: logits 2 4
// STATES: logits 2 4
// ERROR: error: encoder: expected all tokens at once
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16>
stc.weight @table : tensor<4x2xf32> {value = dense<[[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]>
    : tensor<4x2xf32>}
stc.weight @zero : tensor<2x2xf32> {value = dense<0.0> : tensor<2x2xf32>}
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> tensor<?x2xf32> {
  %c0 = arith.constant 0 : index
  %end = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = stc.get_weight @table : tensor<4x2xf32>
  %v = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<4x2xf32>) -> tensor<?x2xf32>
  %zero = stc.get_weight @zero : tensor<2x2xf32>
  %k = stc.linear %v, %zero : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  stc.cache_update %k, %v, %cache[%c0, %position] : tensor<?x2xf32>, tensor<?x2xf32>, !cache
  %a = stc.attention %k, %cache[%c0, %position] to %end heads 1 scale 1.0 window 0
      : (tensor<?x2xf32>, !cache, index, index, index) -> tensor<?x2xf32>
  return %a : tensor<?x2xf32>
}
