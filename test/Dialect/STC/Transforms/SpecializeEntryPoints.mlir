// RUN: stc-opt %s --stc-specialize-entry-points | FileCheck %s
// RUN: stc-opt %s --stc-interpret=tokens=1,2,3 > %t.before
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret=tokens=1,2,3 > %t.together
// RUN: stc-opt %s --stc-specialize-entry-points --stc-interpret='tokens=1,2,3 one-by-one=1' > %t.onebyone
// RUN: grep -E 'argmax|logits' %t.before > %t.expected
// RUN: grep -E 'argmax|logits' %t.together | diff %t.expected -
// RUN: grep -E 'argmax|logits' %t.onebyone | diff %t.expected -

// CHECK-NOT: @forward
// CHECK-NOT: @head
// CHECK-LABEL: func.func @prefill
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %{{.*}}: index, %{{.*}}: !stc.kv_cache<{{.*}}>) -> tensor<?x4xf32>
// CHECK-LABEL: func.func @decode
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<1xi32>, %[[POSITION:.*]]: index, %{{.*}}: !stc.kv_cache<{{.*}}>) -> tensor<1x8xf32>
// CHECK-NOT: tensor<?
// CHECK: stc.embedding %[[TOKENS]], %{{.*}} -> tensor<1x4xf32>
// CHECK: stc.rotary_table {{.*}} -> (tensor<1x2xf32>, tensor<1x2xf32>)
// CHECK: stc.layer 0 (%[[X:.*]] = %{{.*}} : tensor<1x4xf32>) {
// CHECK:   stc.cache_update {{.*}} : tensor<1x4xf32>, tensor<1x4xf32>
// CHECK:   arith.addf %[[X]], %{{.*}} : tensor<1x4xf32>
// CHECK:   stc.yield %{{.*}} : tensor<1x4xf32>
// CHECK: %[[LOGITS:.*]] = stc.linear {{.*}} -> tensor<1x8xf32>
// CHECK: return %[[LOGITS]] : tensor<1x8xf32>
// CHECK-LABEL: func.func @score
// CHECK-SAME: (%{{.*}}: tensor<?x4xf32>) -> tensor<?x8xf32>
!cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 4, capacity = 16>
stc.weight @table : tensor<8x4xf32> {value = dense<[
    [0.1, 0.2, 0.3, 0.4], [0.5, -0.2, 0.3, 0.1], [0.9, 0.2, -0.3, 0.4], [0.1, 0.7, 0.3, -0.4],
    [0.1, 0.2, 0.8, 0.4], [0.1, -0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.45], [-0.1, 0.2, 0.3, 0.4]]>
    : tensor<8x4xf32>}
stc.weight @w : tensor<4x4xf32> {value = dense<[
    [0.1, 0.2, 0.3, 0.4], [0.5, -0.2, 0.3, 0.1], [0.9, 0.2, -0.3, 0.4], [0.1, 0.7, 0.3, -0.4]]>
    : tensor<4x4xf32>}
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> tensor<?x4xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.01]
      : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
  %y = stc.layer 0 (%x = %h : tensor<?x4xf32>) {
    %c0 = arith.constant 0 : index
    %w = stc.get_weight @w : tensor<4x4xf32>
    %q = stc.linear %x, %w : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
    %r = stc.rotary_embedding %q, %cos, %sin
        : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
    stc.cache_update %r, %q, %cache[%c0, %position] : tensor<?x4xf32>, tensor<?x4xf32>, !cache
    %a = stc.attention %r, %cache[%c0, %position] heads 1 scale 5.0e-01 window 0
        : (tensor<?x4xf32>, !cache, index, index) -> tensor<?x4xf32>
    %s = arith.addf %x, %a : tensor<?x4xf32>
    stc.yield %s : tensor<?x4xf32>
  }
  return %y : tensor<?x4xf32>
}
func.func @head(%h: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %table = stc.get_weight @table : tensor<8x4xf32>
  %y = stc.linear %h, %table : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}
