// What is wrong with a checkpoint is said in one line that names the file and the field.
// RUN: %python %S/Inputs/checkpoint.py %t.missing --drop model.layers.1.mlp.up_proj.weight
// RUN: not stc-opt %s --stc-import=path=%t.missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: %python %S/Inputs/checkpoint.py %t.head --drop lm_head.weight
// RUN: not stc-opt %s --stc-import=path=%t.head 2>&1 | FileCheck %s --check-prefix=HEAD
// RUN: %python %S/Inputs/checkpoint.py %t.shape --shape model.layers.0.self_attn.k_proj.weight=8,8
// RUN: not stc-opt %s --stc-import=path=%t.shape 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: %python %S/Inputs/checkpoint.py %t.vocab --shape model.embed_tokens.weight=7,8
// RUN: not stc-opt %s --stc-import=path=%t.vocab 2>&1 | FileCheck %s --check-prefix=VOCAB
// RUN: %python %S/Inputs/checkpoint.py %t.rank --shape model.norm.weight=1,8
// RUN: not stc-opt %s --stc-import=path=%t.rank 2>&1 | FileCheck %s --check-prefix=RANK
// RUN: %python %S/Inputs/checkpoint.py %t.extra --add model.layers.2.mlp.up_proj.weight=12,8
// RUN: not stc-opt %s --stc-import=path=%t.extra 2>&1 | FileCheck %s --check-prefix=EXTRA
// RUN: %python %S/Inputs/checkpoint.py %t.bias --add model.layers.0.self_attn.q_proj.bias=8
// RUN: not stc-opt %s --stc-import=path=%t.bias 2>&1 | FileCheck %s --check-prefix=BIAS
// RUN: %python %S/Inputs/checkpoint.py %t.integer --type model.norm.weight=I32
// RUN: not stc-opt %s --stc-import=path=%t.integer 2>&1 | FileCheck %s --check-prefix=INTEGER
// RUN: %python %S/Inputs/checkpoint.py %t.odd --set head_dim=3
// RUN: not stc-opt %s --stc-import=path=%t.odd 2>&1 | FileCheck %s --check-prefix=ODD
// RUN: %python %S/Inputs/checkpoint.py %t.factors --gguf --add rope_freqs.weight=3
// RUN: not stc-opt %s --stc-import=path=%t.factors 2>&1 | FileCheck %s --check-prefix=FACTORS
// RUN: %python %S/Inputs/checkpoint.py %t.model --model gpt3
// RUN: not stc-opt %s --stc-import=path=%t.model 2>&1 | FileCheck %s --check-prefix=MODEL
// RUN: %python %S/Inputs/checkpoint.py %t.context
// RUN: not stc-opt %s --stc-import='path=%t.context max-context=-1' 2>&1 | FileCheck %s --check-prefix=CONTEXT
// RUN: not stc-opt %s --stc-import='path=%t.context kv-cache=int4' 2>&1 | FileCheck %s --check-prefix=KVCACHE
// RUN: not stc-opt %s --stc-import 2>&1 | FileCheck %s --check-prefix=PATH
// RUN: not stc-opt %s --stc-import=path=%t.absent 2>&1 | FileCheck %s --check-prefix=ABSENT
// RUN: stc-opt %s --stc-import=path=%t.context -o %t.mlir
// RUN: not stc-opt %t.mlir --stc-import=path=%t.context 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: %python %S/Inputs/checkpoint.py %t.ignored --add model.layers.1.self_attn.rotary_emb.inv_freq=2
// RUN: stc-opt %s --stc-import=path=%t.ignored -o /dev/null

// MISSING: error: {{.*}}.missing: tensor model.layers.1.mlp.up_proj.weight: expected shape [12, 8], got no such tensor
// HEAD: error: {{.*}}.head: tensor lm_head.weight: expected shape [6, 8], got no such tensor
// SHAPE: error: {{.*}}.shape/model.safetensors: tensor model.layers.0.self_attn.k_proj.weight: expected shape [4, 8], got [8, 8]
// VOCAB: error: {{.*}}.vocab/model.safetensors: tensor model.embed_tokens.weight: expected shape [6, 8], got [7, 8]
// RANK: error: {{.*}}: tensor model.norm.weight: expected shape [8], got [1, 8]
// EXTRA: error: {{.*}}: tensor model.layers.2.mlp.up_proj.weight: expected only tensors of llama, got an unknown one of shape [12, 8]
// BIAS: error: {{.*}}: tensor model.layers.0.self_attn.q_proj.bias: expected only tensors of llama, got an unknown one of shape [8]
// INTEGER: error: {{.*}}: tensor model.norm.weight: expected a floating-point type, got I32
// ODD: error: {{.*}}: head_dim{{.*}}: expected {{.*}}even
// FACTORS: error: {{.*}}.factors: tensor rope_freqs.weight: expected 2 factors, got 3
// MODEL: error: {{.*}}config.json: model_type: expected one of {{.*}}llama{{.*}}, got 'gpt3' (the nearest is gpt2)
// KVCACHE: error: kv-cache: expected f32, f16, int8 or fp8, got int4
// CONTEXT: error: {{.*}}.context: max-context: expected 0 to 1073741824, got -1
// PATH: error: stc-import: expected the option path to name a checkpoint, got none
// ABSENT: error: {{.*}}.absent
// TWICE: error: stc-import: expected an empty module, got one with operations
