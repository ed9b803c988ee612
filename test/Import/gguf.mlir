// A GGUF of the same model: its own tensor names, block types as f32, f16 as it is, and the same symbols.
// RUN: %python %S/Inputs/checkpoint.py %t.gguf --gguf --set hidden_size=32 --type blk.0.attn_q.weight=Q8_0 --type blk.0.attn_k.weight=F16 --type blk.0.attn_v.weight=BF16
// RUN: stc-opt %s --stc-import=path=%t.gguf | FileCheck %s --implicit-check-not=bias
// RUN: %python %S/Inputs/checkpoint.py %t.qwen2.gguf --gguf --model qwen2 --tied
// RUN: stc-opt %s --stc-import=path=%t.qwen2.gguf | FileCheck %s --check-prefix=QWEN --implicit-check-not=interleaved

// CHECK: stc.weight @embed : tensor<6x32xf32> {source = "token_embd.weight"}
// CHECK-NEXT: stc.weight @layers.0.attn_norm : tensor<32xf32> {source = "blk.0.attn_norm.weight"}
// CHECK-NEXT: stc.weight @layers.0.q : tensor<8x32xf32> {source = "blk.0.attn_q.weight"}
// CHECK-NEXT: stc.weight @layers.0.k : tensor<4x32xf16> {source = "blk.0.attn_k.weight"}
// CHECK-NEXT: stc.weight @layers.0.v : tensor<4x32xbf16> {source = "blk.0.attn_v.weight"}
// CHECK-NEXT: stc.weight @layers.0.o : tensor<32x8xf32> {source = "blk.0.attn_output.weight"}
// CHECK-NEXT: stc.weight @layers.0.ffn_norm : tensor<32xf32> {source = "blk.0.ffn_norm.weight"}
// CHECK-NEXT: stc.weight @layers.0.gate : tensor<12x32xf32> {source = "blk.0.ffn_gate.weight"}
// CHECK-NEXT: stc.weight @layers.0.up : tensor<12x32xf32> {source = "blk.0.ffn_up.weight"}
// CHECK-NEXT: stc.weight @layers.0.down : tensor<32x12xf32> {source = "blk.0.ffn_down.weight"}
// CHECK: stc.weight @final_norm : tensor<32xf32> {source = "output_norm.weight"}
// CHECK-NEXT: stc.weight @lm_head : tensor<6x32xf32> {source = "output.weight"}
// CHECK: stc.rotary_embedding interleaved

// QWEN: stc.weight @layers.0.q_bias : tensor<8xf32> {source = "blk.0.attn_q.bias"}
// QWEN: func.func @head
// QWEN-NEXT: stc.get_weight @embed
