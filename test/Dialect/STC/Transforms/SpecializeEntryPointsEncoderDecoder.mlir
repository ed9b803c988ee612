// RUN: stc-opt %s --stc-specialize-entry-points | FileCheck %s
// RUN: stc-opt %s --stc-interpret='tokens=1,2,3 encoder-tokens=4,5,6,7' > %t.before
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret='tokens=1,2,3 encoder-tokens=4,5,6,7' > %t.together
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret='tokens=1,2,3 one-by-one=1 encoder-tokens=4,5,6,7' > %t.onebyone
// RUN: stc-opt %s --stc-interpret='tokens=1,2,3 encoder-tokens=4,5,6' > %t.other
// RUN: grep -E 'argmax|logits' %t.before > %t.expected
// RUN: grep -E 'argmax|logits' %t.together | diff %t.expected -
// RUN: grep -E 'argmax|logits' %t.onebyone | diff %t.expected -
// RUN: grep -E 'argmax|logits' %t.other | not diff %t.expected -
// RUN: not stc-opt %s --stc-interpret=tokens=1 2>&1 | FileCheck %s --check-prefix=NONE

// What an encoder leaves is what the decoder attends to, all together and one by one.

// NONE: encoder-tokens: expected the tokens that @encode reads, got none
// CHECK-LABEL: func.func @encode(%{{.*}}: tensor<?xi32>, %{{.*}}: !stc.kv_cache<{{.*}}>)
// CHECK-LABEL: func.func @prefill
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %{{.*}}: index, %{{.*}}: index, %{{.*}}: !stc.kv_cache<{{.*}}>) -> tensor<?x4xf32>
// CHECK-LABEL: func.func @decode
// CHECK-SAME: (%{{.*}}: tensor<1xi32>, %{{.*}}: index, %{{.*}}: index, %{{.*}}: !stc.kv_cache<{{.*}}>) -> tensor<1x8xf32>
// CHECK-NOT: tensor<?
// CHECK-LABEL: func.func @score
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
stc.weight @table : tensor<8x4xf32> {value = dense<[
    [0.1, 0.2, 0.3, 0.4], [0.5, -0.2, 0.3, 0.1], [0.9, 0.2, -0.3, 0.4], [0.1, 0.7, 0.3, -0.4],
    [0.1, 0.2, 0.8, 0.4], [0.1, -0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.45], [-0.1, 0.2, 0.3, 0.4]]>
    : tensor<8x4xf32>}
func.func @encode(%tokens: tensor<?xi32>, %cache: !cache) {
  %c0 = arith.constant 0 : index
  %table = stc.get_weight @table : tensor<8x4xf32>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  stc.cache_update %h, %h, %cache[%c0, %c0] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
  return
}
func.func @forward(%tokens: tensor<?xi32>, %position: index, %encoded: index, %cache: !cache)
    -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %table = stc.get_weight @table : tensor<8x4xf32>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %a = stc.attention %h, %cache[%c0, %position] to %encoded heads 1 scale 1.0 window 0
      : (tensor<?x4xf32>, !cache, index, index, index) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %y = stc.linear %h, %table : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
