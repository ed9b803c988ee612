"""Writes a model of layers with norms, and token ids to calibrate it on.

usage: rotation_model.py MODEL.mlir TOKENS.ids

Weights are eighths and gains powers of two, and Hadamard blocks are 16 and 4: rotated weights are
exact in f32. The head is tied to the table.
"""
import random
import sys

random.seed(3)
VOCABULARY, HIDDEN, CHANNELS, HEADS, KV_HEADS, HEAD_DIM, LAYERS = 32, 16, 24, 4, 2, 4, 2
text = ""


def weight(name, rows, columns=None, values=range(-8, 9), unit=8):
    def number():
        return f"{random.choice(values) / unit:.6e}"
    if columns:
        kind = f"tensor<{rows}x{columns}xf32>"
        lines = ", ".join("[" + ", ".join(number() for _ in range(columns)) + "]"
                          for _ in range(rows))
    else:
        kind = f"tensor<{rows}xf32>"
        lines = ", ".join(number() for _ in range(rows))
    return f"stc.weight @{name} : {kind} {{value = dense<[{lines}]> : {kind}}}\n"


def gains(name):
    return weight(name, HIDDEN, values=(1, 2, -4, 8), unit=4)


text = weight("embed", VOCABULARY, HIDDEN)
body = ""
for i in range(LAYERS):
    kv, heads = KV_HEADS * HEAD_DIM, HEADS * HEAD_DIM
    text += gains(f"layers.{i}.attn_norm") + gains(f"layers.{i}.ffn_norm")
    for name, rows in (("q", heads), ("k", kv), ("v", kv), ("gate", CHANNELS), ("up", CHANNELS)):
        text += weight(f"layers.{i}.{name}", rows, HIDDEN)
    text += weight(f"layers.{i}.q_bias", heads) + weight(f"layers.{i}.v_bias", kv)
    text += weight(f"layers.{i}.o", HIDDEN, heads) + weight(f"layers.{i}.o_bias", HIDDEN)
    text += weight(f"layers.{i}.down", HIDDEN, CHANNELS)
    body += f"""  %x{i + 1} = stc.layer {i} (%h = %x{i} : !x) {{
    %layer = arith.constant {i} : index
    %gains0 = stc.get_weight @layers.{i}.attn_norm : tensor<16xf32>
    %gains1 = stc.get_weight @layers.{i}.ffn_norm : tensor<16xf32>
    %wq = stc.get_weight @layers.{i}.q : tensor<16x16xf32>
    %bq = stc.get_weight @layers.{i}.q_bias : tensor<16xf32>
    %wk = stc.get_weight @layers.{i}.k : tensor<8x16xf32>
    %wv = stc.get_weight @layers.{i}.v : tensor<8x16xf32>
    %bv = stc.get_weight @layers.{i}.v_bias : tensor<8xf32>
    %wo = stc.get_weight @layers.{i}.o : tensor<16x16xf32>
    %bo = stc.get_weight @layers.{i}.o_bias : tensor<16xf32>
    %wg = stc.get_weight @layers.{i}.gate : tensor<24x16xf32>
    %wu = stc.get_weight @layers.{i}.up : tensor<24x16xf32>
    %wd = stc.get_weight @layers.{i}.down : tensor<16x24xf32>
    %n = stc.rms_norm %h, %gains0 epsilon 1.0e-05 : (!x, tensor<16xf32>) -> !x
    %q = stc.linear %n, %wq bias %bq : (!x, tensor<16x16xf32>, tensor<16xf32>) -> !x
    %k = stc.linear %n, %wk : (!x, tensor<8x16xf32>) -> !kv
    %v = stc.linear %n, %wv bias %bv : (!x, tensor<8x16xf32>, tensor<8xf32>) -> !kv
    %qr = stc.rotary_embedding %q, %cos, %sin : (!x, !angles, !angles) -> !x
    %kr = stc.rotary_embedding %k, %cos, %sin : (!kv, !angles, !angles) -> !kv
    stc.cache_update %kr, %v, %cache[%layer, %position] : !kv, !kv, !cache
    %a = stc.attention %qr, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
        : (!x, !cache, index, index) -> !x
    %o = stc.linear %a, %wo bias %bo : (!x, tensor<16x16xf32>, tensor<16xf32>) -> !x
    %r = arith.addf %h, %o : !x
    %m = stc.rms_norm %r, %gains1 epsilon 1.0e-05 : (!x, tensor<16xf32>) -> !x
    %g = stc.linear %m, %wg : (!x, tensor<24x16xf32>) -> !wide
    %u = stc.linear %m, %wu : (!x, tensor<24x16xf32>) -> !wide
    %p = stc.gated_activation <silu> %g, %u : (!wide, !wide) -> !wide
    %d = stc.linear %p, %wd : (!wide, tensor<16x24xf32>) -> !x
    %s = arith.addf %r, %d : !x
    stc.yield %s : !x
  }}
"""
text += gains("final_norm")
text += f"""
!x = tensor<?x16xf32>
!kv = tensor<?x8xf32>
!wide = tensor<?x24xf32>
!angles = tensor<?x2xf32>
!cache = !stc.kv_cache<layers = {LAYERS}, kv_heads = 2, head_dim = 4, capacity = 64>
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> !x {{
  %table = stc.get_weight @embed : tensor<32x16xf32>
  %x0 = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<32x16xf32>) -> !x
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.1]
      : (tensor<?xi32>, index) -> (!angles, !angles)
{body}  %gains = stc.get_weight @final_norm : tensor<16xf32>
  %y = stc.rms_norm %x{LAYERS}, %gains epsilon 1.0e-05 : (!x, tensor<16xf32>) -> !x
  return %y : !x
}}
func.func @head(%x: !x) -> tensor<?x32xf32> {{
  %table = stc.get_weight @embed : tensor<32x16xf32>
  %y = stc.linear %x, %table : (!x, tensor<32x16xf32>) -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}}
"""
with open(sys.argv[1], "w") as file:
    file.write(text)
with open(sys.argv[2], "w") as file:
    file.write(" ".join(str(random.randrange(VOCABULARY)) for _ in range(64 * 16)))
