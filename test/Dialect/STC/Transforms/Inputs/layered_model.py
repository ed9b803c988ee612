"""Writes a model of layers with random weights, and token ids to calibrate it on.

usage: layered_model.py MODEL.mlir TOKENS.ids [--zeros]

With --zeros a third of the channels, one of two key/value heads in each layer, and layer 1 give
nothing, so that a model without them computes the same.
"""
import random
import sys

random.seed(7)
VOCABULARY, HIDDEN, CHANNELS, KV = 32, 32, 48, 16
LAYERS = 3
ZEROS = len(sys.argv) > 3


def weight(name, rows, columns, scale=0.15, zero=()):
    lines = ", ".join("[" + ", ".join(
        "0.0" if column in zero else f"{value:.6e}"
        for column, value in enumerate([random.gauss(0, scale) for _ in range(columns)])) + "]"
        for _ in range(rows))
    kind = f"tensor<{rows}x{columns}xf32>"
    return f"stc.weight @{name} : {kind} {{value = dense<[{lines}]> : {kind}}}\n"


def bias(name, size):
    kind = f"tensor<{size}xf32>"
    values = ", ".join(f"{random.gauss(0, 0.1):.6e}" for _ in range(size))
    return f"stc.weight @{name} : {kind} {{value = dense<[{values}]> : {kind}}}\n"


text = weight("embed", VOCABULARY, HIDDEN, 0.6)
body = ""
for i in range(LAYERS):
    dead_channels = {c for c in range(CHANNELS) if c % 3 == i} if ZEROS else set()
    dead_heads = set(range(i % 2 * 16, i % 2 * 16 + 16)) if ZEROS else set()
    scale = 0 if ZEROS and i == 1 else 0.15
    for name, rows, columns in (("q", HIDDEN, HIDDEN), ("k", KV, HIDDEN), ("v", KV, HIDDEN),
                                ("gate", CHANNELS, HIDDEN), ("up", CHANNELS, HIDDEN)):
        text += weight(f"layers.{i}.{name}", rows, columns)
    text += bias(f"layers.{i}.q_bias", HIDDEN)
    text += weight(f"layers.{i}.o", HIDDEN, HIDDEN, scale, dead_heads)
    text += weight(f"layers.{i}.down", HIDDEN, CHANNELS, scale, dead_channels)
    body += f"""  %x{i + 1} = stc.layer {i} (%h = %x{i} : !x) {{
    %layer = arith.constant {i} : index
    %wq = stc.get_weight @layers.{i}.q : tensor<32x32xf32>
    %bq = stc.get_weight @layers.{i}.q_bias : tensor<32xf32>
    %wk = stc.get_weight @layers.{i}.k : tensor<16x32xf32>
    %wv = stc.get_weight @layers.{i}.v : tensor<16x32xf32>
    %wo = stc.get_weight @layers.{i}.o : tensor<32x32xf32>
    %wg = stc.get_weight @layers.{i}.gate : tensor<48x32xf32>
    %wu = stc.get_weight @layers.{i}.up : tensor<48x32xf32>
    %wd = stc.get_weight @layers.{i}.down : tensor<32x48xf32>
    %q = stc.linear %h, %wq bias %bq : (!x, tensor<32x32xf32>, tensor<32xf32>) -> !x
    %k = stc.linear %h, %wk : (!x, tensor<16x32xf32>) -> !kv
    %v = stc.linear %h, %wv : (!x, tensor<16x32xf32>) -> !kv
    %qr = stc.rotary_embedding %q, %cos, %sin : (!x, !angles, !angles) -> !x
    %kr = stc.rotary_embedding %k, %cos, %sin : (!kv, !angles, !angles) -> !kv
    stc.cache_update %kr, %v, %cache[%layer, %position] : !kv, !kv, !cache
    %a = stc.attention %qr, %cache[%layer, %position] heads 4 scale 3.5e-01 window 0
        : (!x, !cache, index, index) -> !x
    %o = stc.linear %a, %wo : (!x, tensor<32x32xf32>) -> !x
    %r = arith.addf %h, %o : !x
    %g = stc.linear %r, %wg : (!x, tensor<48x32xf32>) -> !wide
    %u = stc.linear %r, %wu : (!x, tensor<48x32xf32>) -> !wide
    %m = stc.gated_activation <silu> %g, %u : (!wide, !wide) -> !wide
    %d = stc.linear %m, %wd : (!wide, tensor<32x48xf32>) -> !x
    %s = arith.addf %r, %d : !x
    stc.yield %s : !x
  }}
"""
text += f"""
!x = tensor<?x32xf32>
!kv = tensor<?x16xf32>
!wide = tensor<?x48xf32>
!angles = tensor<?x4xf32>
!cache = !stc.kv_cache<layers = {LAYERS}, kv_heads = 2, head_dim = 8, capacity = 64>
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> !x {{
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %x0 = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<32x32xf32>) -> !x
  %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.3, 0.1, 0.03]
      : (tensor<?xi32>, index) -> (!angles, !angles)
{body}  return %x{LAYERS} : !x
}}
func.func @head(%x: !x) -> !x {{
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %y = stc.linear %x, %table : (!x, tensor<32x32xf32>) -> !x
  return %y : !x
}}
"""
with open(sys.argv[1], "w") as file:
    file.write(text)
with open(sys.argv[2], "w") as file:
    file.write(" ".join(str(random.randrange(VOCABULARY)) for _ in range(64 * 16)))
