// What configurations change in the graph.
// RUN: %python %S/Inputs/checkpoint.py %t.tied --tied --add lm_head.weight=6,8
// RUN: stc-opt %s --stc-import=path=%t.tied | FileCheck %s --check-prefix=TIED --implicit-check-not=lm_head
// RUN: %python %S/Inputs/checkpoint.py %t.mistral --model mistral --set sliding_window=16 --set head_dim=6
// RUN: stc-opt %s --stc-import=path=%t.mistral | FileCheck %s --check-prefix=MISTRAL --implicit-check-not=bias
// RUN: %python %S/Inputs/checkpoint.py %t.wide --model mistral --set sliding_window=48
// RUN: stc-opt %s --stc-import=path=%t.wide | FileCheck %s --check-prefix=WIDE
// RUN: %python %S/Inputs/checkpoint.py %t.qwen2 --model qwen2
// RUN: stc-opt %s --stc-import=path=%t.qwen2 | FileCheck %s --check-prefix=QWEN --implicit-check-not=o_bias
// RUN: %python %S/Inputs/checkpoint.py %t.bias --set attention_bias=true --set mlp_bias=true
// RUN: stc-opt %s --stc-import=path=%t.bias | FileCheck %s --check-prefix=BIAS
// RUN: %python %S/Inputs/checkpoint.py %t.types --type model.layers.0.self_attn.q_proj.weight=BF16 --type model.layers.1.self_attn.k_proj.weight=F16 --type model.norm.weight=F16
// RUN: stc-opt %s --stc-import=path=%t.types | FileCheck %s --check-prefix=TYPES
// RUN: stc-opt %s --stc-import='path=%t.types max-context=100' | FileCheck %s --check-prefix=CONTEXT
// RUN: stc-opt %s --stc-import='path=%t.types kv-cache=int8' | FileCheck %s --check-prefix=INT8
// RUN: stc-opt %s --stc-import='path=%t.types kv-cache=f16' | FileCheck %s --check-prefix=F16
// RUN: %python %S/Inputs/checkpoint.py %t.long --set max_position_embeddings=131072
// RUN: stc-opt %s --stc-import=path=%t.long | FileCheck %s --check-prefix=LONG
// RUN: stc-opt %s --stc-import='path=%t.long max-context=131072' | FileCheck %s --check-prefix=LONGER

// A tied head is the embedding; a second copy in the file is ignored.
// TIED: func.func @head
// TIED-NEXT: %[[W:.*]] = stc.get_weight @embed
// TIED-NEXT: stc.linear %{{.*}}, %[[W]]

// Heads of six columns, although hidden / heads is four.
// MISTRAL: stc.weight @layers.0.q : tensor<12x8xf32>
// MISTRAL: stc.weight @layers.0.o : tensor<8x12xf32>
// MISTRAL: head_dim = 6
// MISTRAL: frequencies [1.000000e+00, {{0.046415888336127.*, 0.002154434690031.*}}]
// MISTRAL: heads 2 scale 0.40824829046386307 window 16

// A window as long as the cache is none.
// WIDE: scale 5.000000e-01 window 0

// QWEN: stc.weight @layers.1.q_bias : tensor<8xf32> {source = "model.layers.1.self_attn.q_proj.bias"}
// QWEN: stc.weight @layers.1.k_bias : tensor<4xf32>
// QWEN: stc.weight @layers.1.v_bias : tensor<4xf32>
// QWEN: %[[B:.*]] = stc.get_weight @layers.0.q_bias
// QWEN-NEXT: stc.linear %{{.*}}, %{{.*}} bias %[[B]]

// BIAS: stc.weight @layers.0.o_bias : tensor<8xf32>
// BIAS: stc.weight @layers.0.gate_bias : tensor<12xf32>
// BIAS: stc.weight @layers.0.up_bias : tensor<12xf32>
// BIAS: stc.weight @layers.0.down_bias : tensor<8xf32>
// BIAS-COUNT-14: stc.linear {{.*}} bias
// BIAS: stc.linear
// BIAS-NOT: bias

// bf16 stays, f16 in matrices too; vectors of f16 are widened by the weight store.
// TYPES: stc.weight @layers.0.q : tensor<8x8xbf16>
// TYPES: stc.weight @layers.1.q : tensor<8x8xf32>
// TYPES: stc.weight @layers.1.k : tensor<4x8xf16>
// TYPES: stc.weight @final_norm : tensor<8xf32>

// CONTEXT: capacity = 112>
// LONG: capacity = 4096>
// LONGER: capacity = 131072>

// INT8: func.func @forward({{.*}}!stc.kv_cache<{{.*}}, element = i8>)
// F16: func.func @forward({{.*}}!stc.kv_cache<{{.*}}, element = f16>)
