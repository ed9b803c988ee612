// An encoder of images reads a row of pixels with every token; its head classifies. There is no
// token to continue with: @forward becomes @prefill, and @head @score.
// RUN: stc-opt %s --stc-specialize-entry-points | FileCheck %s
// RUN: stc-opt %s --stc-interpret='tokens=0,1,1 rows=0,1,4 all=1' \
// RUN:   | FileCheck %s --check-prefix=LABELS
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret='tokens=0,1,1 rows=0,1,4 all=1' \
// RUN:   | FileCheck %s --check-prefix=LABELS
// RUN: not stc-opt %s --stc-interpret='tokens=0,1,1 rows=0,1' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ROWS
// RUN: not stc-opt %s --stc-interpret='tokens=0,1,1 rows=0,1,4 one-by-one=1' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// CHECK-NOT: func.func @forward
// CHECK: func.func @prefill(%{{.*}}: tensor<?xi32>, %{{.*}}: tensor<?x1xf32>, %{{.*}}: index, %{{.*}}: !stc.kv_cache<{{.*}}>)
// CHECK-NOT: func.func @decode
// CHECK: func.func @score(%{{.*}}: tensor<?x2xf32>) -> tensor<?x1xf32>
// CHECK-NOT: func.func

// The class token is (10, 20), the patches (1, 2) and (4, 8): equal keys make them their mean, whose
// sum is 15.
// LABELS-COUNT-3: logits 15
// ROWS: error: rows: expected as many rows as tokens, one or more, got 2 numbers for 3 tokens
// ERROR: error: encoder: expected all tokens at once
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16>
stc.weight @table : tensor<2x2xf32> {value = dense<[[10.0, 20.0], [0.0, 0.0]]> : tensor<2x2xf32>}
stc.weight @patch : tensor<2x1xf32> {value = dense<[[1.0], [2.0]]> : tensor<2x1xf32>}
stc.weight @zero : tensor<2x2xf32> {value = dense<0.0> : tensor<2x2xf32>}
stc.weight @labels : tensor<1x2xf32> {value = dense<1.0> : tensor<1x2xf32>}
func.func @forward(%tokens: tensor<?xi32>, %rows: tensor<?x1xf32>, %position: index,
                   %cache: !cache) -> tensor<?x2xf32> {
  %c0 = arith.constant 0 : index
  %end = tensor.dim %tokens, %c0 : tensor<?xi32>
  %table = stc.get_weight @table : tensor<2x2xf32>
  %patch = stc.get_weight @patch : tensor<2x1xf32>
  %own = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %pixels = stc.linear %rows, %patch : (tensor<?x1xf32>, tensor<2x1xf32>) -> tensor<?x2xf32>
  %v = arith.addf %pixels, %own : tensor<?x2xf32>
  %zero = stc.get_weight @zero : tensor<2x2xf32>
  %k = stc.linear %v, %zero : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  stc.cache_update %k, %v, %cache[%c0, %position] : tensor<?x2xf32>, tensor<?x2xf32>, !cache
  %a = stc.attention %k, %cache[%c0, %position] to %end heads 1 scale 1.0 window 0
      : (tensor<?x2xf32>, !cache, index, index, index) -> tensor<?x2xf32>
  return %a : tensor<?x2xf32>
}
func.func @head(%h: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %labels = stc.get_weight @labels : tensor<1x2xf32>
  %0 = stc.linear %h, %labels : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %0 : tensor<?x1xf32>
}
