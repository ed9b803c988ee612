// A Llama of two layers from a Hugging Face folder: the whole graph.
// RUN: %python %S/Inputs/checkpoint.py %t.llama
// RUN: stc-opt %s --stc-import=path=%t.llama | FileCheck %s --implicit-check-not=bias
// RUN: stc-opt %s --stc-import=path=%t.llama | stc-opt | FileCheck %s --implicit-check-not=bias

// CHECK: module attributes {stc.checkpoint = "{{.*}}.llama"}
// CHECK-NEXT: stc.weight @embed : tensor<6x8xf32> {source = "model.embed_tokens.weight"}
// CHECK-NEXT: stc.weight @layers.0.attn_norm : tensor<8xf32> {source = "model.layers.0.input_layernorm.weight"}
// CHECK-NEXT: stc.weight @layers.0.q : tensor<8x8xf32> {source = "model.layers.0.self_attn.q_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.k : tensor<4x8xf32> {source = "model.layers.0.self_attn.k_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.v : tensor<4x8xf32> {source = "model.layers.0.self_attn.v_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.o : tensor<8x8xf32> {source = "model.layers.0.self_attn.o_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.ffn_norm : tensor<8xf32> {source = "model.layers.0.post_attention_layernorm.weight"}
// CHECK-NEXT: stc.weight @layers.0.gate : tensor<12x8xf32> {source = "model.layers.0.mlp.gate_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.up : tensor<12x8xf32> {source = "model.layers.0.mlp.up_proj.weight"}
// CHECK-NEXT: stc.weight @layers.0.down : tensor<8x12xf32> {source = "model.layers.0.mlp.down_proj.weight"}
// CHECK-NEXT: stc.weight @layers.1.attn_norm : tensor<8xf32> {source = "model.layers.1.input_layernorm.weight"}
// CHECK: stc.weight @layers.1.down
// CHECK-NEXT: stc.weight @final_norm : tensor<8xf32> {source = "model.norm.weight"}
// CHECK-NEXT: stc.weight @lm_head : tensor<6x8xf32> {source = "lm_head.weight"}

// The cache's capacity is the checkpoint's 40 positions, rounded up to a multiple of 16.
// CHECK: func.func @forward(%[[TOKENS:.*]]: tensor<?xi32>, %[[POSITION:.*]]: index, %[[CACHE:.*]]: !stc.kv_cache<layers = 2, kv_heads = 1, head_dim = 4, capacity = 48>) -> tensor<?x8xf32> {
// CHECK-NEXT: %[[EMBED:.*]] = stc.get_weight @embed : tensor<6x8xf32>
// CHECK-NEXT: %[[X:.*]] = stc.embedding %[[TOKENS]], %[[EMBED]]
// CHECK-NEXT: %[[COS:.*]], %[[SIN:.*]] = stc.rotary_table %[[TOKENS]], %[[POSITION]] frequencies [1.000000e+00, 1.000000e-02]
// CHECK-NEXT: %[[L0:.*]] = stc.layer 0 (%[[H:.*]] = %[[X]] : tensor<?x8xf32>) {
// CHECK-NEXT:   %[[ATTN_NORM:.*]] = stc.get_weight @layers.0.attn_norm
// CHECK-NEXT:   %[[A:.*]] = stc.rms_norm %[[H]], %[[ATTN_NORM]] epsilon 9.765625E-4
// CHECK-NEXT:   %[[WQ:.*]] = stc.get_weight @layers.0.q
// CHECK-NEXT:   %[[Q:.*]] = stc.linear %[[A]], %[[WQ]] :
// CHECK-NEXT:   %[[RQ:.*]] = stc.rotary_embedding %[[Q]], %[[COS]], %[[SIN]]
// CHECK-NEXT:   %[[WK:.*]] = stc.get_weight @layers.0.k
// CHECK-NEXT:   %[[K:.*]] = stc.linear %[[A]], %[[WK]] :
// CHECK-NEXT:   %[[RK:.*]] = stc.rotary_embedding %[[K]], %[[COS]], %[[SIN]]
// CHECK-NEXT:   %[[WV:.*]] = stc.get_weight @layers.0.v
// CHECK-NEXT:   %[[V:.*]] = stc.linear %[[A]], %[[WV]] :
// CHECK-NEXT:   %[[I:.*]] = arith.constant 0 : index
// CHECK-NEXT:   stc.cache_update %[[RK]], %[[V]], %[[CACHE]][%[[I]], %[[POSITION]]]
// CHECK-NEXT:   %[[M:.*]] = stc.attention %[[RQ]], %[[CACHE]][%[[I]], %[[POSITION]]] heads 2 scale 5.000000e-01 window 0
// CHECK-NEXT:   %[[WO:.*]] = stc.get_weight @layers.0.o
// CHECK-NEXT:   %[[O:.*]] = stc.linear %[[M]], %[[WO]] :
// CHECK-NEXT:   %[[R:.*]] = arith.addf %[[H]], %[[O]]
// CHECK-NEXT:   %[[FFN_NORM:.*]] = stc.get_weight @layers.0.ffn_norm
// CHECK-NEXT:   %[[F:.*]] = stc.rms_norm %[[R]], %[[FFN_NORM]]
// CHECK-NEXT:   %[[WG:.*]] = stc.get_weight @layers.0.gate
// CHECK-NEXT:   %[[G:.*]] = stc.linear %[[F]], %[[WG]] :
// CHECK-NEXT:   %[[WU:.*]] = stc.get_weight @layers.0.up
// CHECK-NEXT:   %[[U:.*]] = stc.linear %[[F]], %[[WU]] :
// CHECK-NEXT:   %[[GU:.*]] = stc.gated_activation <silu> %[[G]], %[[U]]
// CHECK-NEXT:   %[[WD:.*]] = stc.get_weight @layers.0.down
// CHECK-NEXT:   %[[D:.*]] = stc.linear %[[GU]], %[[WD]] :
// CHECK-NEXT:   %[[S:.*]] = arith.addf %[[R]], %[[D]]
// CHECK-NEXT:   stc.yield %[[S]]
// CHECK-NEXT: }
// CHECK-NEXT: %[[L1:.*]] = stc.layer 1 (%{{.*}} = %[[L0]] : tensor<?x8xf32>) {
// CHECK:        %[[I1:.*]] = arith.constant 1 : index
// CHECK-NEXT:   stc.cache_update %{{.*}}, %{{.*}}, %[[CACHE]][%[[I1]], %[[POSITION]]]
// CHECK:      }
// CHECK-NEXT: %[[WN:.*]] = stc.get_weight @final_norm
// CHECK-NEXT: %[[N:.*]] = stc.rms_norm %[[L1]], %[[WN]]
// CHECK-NEXT: return %[[N]] : tensor<?x8xf32>

// CHECK: func.func @head(%[[N:.*]]: tensor<?x8xf32>) -> tensor<?x6xf32> {
// CHECK-NEXT: %[[W:.*]] = stc.get_weight @lm_head
// CHECK-NEXT: %[[LOGITS:.*]] = stc.linear %[[N]], %[[W]]
// CHECK-NEXT: return %[[LOGITS]] : tensor<?x6xf32>
