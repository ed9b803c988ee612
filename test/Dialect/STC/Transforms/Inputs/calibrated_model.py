"""Writes a model of one layer with random weights, and token ids to calibrate it on.

usage: calibrated_model.py MODEL.mlir TOKENS.ids
"""
import random
import sys

random.seed(5)
VOCABULARY, HIDDEN, CHANNELS, KV = 32, 32, 48, 16


def weight(name, rows, columns):
    lines = ", ".join("[" + ", ".join(f"{random.gauss(0, 0.3):.6e}" for _ in range(columns)) + "]"
                      for _ in range(rows))
    kind = f"tensor<{rows}x{columns}xf32>"
    return f"stc.weight @{name} : {kind} {{value = dense<[{lines}]> : {kind}}}\n"


text = weight("embed", VOCABULARY, HIDDEN)
for name, rows, columns in (("q", HIDDEN, HIDDEN), ("k", KV, HIDDEN), ("v", KV, HIDDEN),
                            ("o", HIDDEN, HIDDEN), ("gate", CHANNELS, HIDDEN),
                            ("up", CHANNELS, HIDDEN), ("down", HIDDEN, CHANNELS)):
    text += weight(f"layers.0.{name}", rows, columns)
text += """
!x = tensor<?x32xf32>
!kv = tensor<?x16xf32>
!wide = tensor<?x48xf32>
!cache = !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 8, capacity = 64>
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> !x {
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %e = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<32x32xf32>) -> !x
  %y = stc.layer 0 (%h = %e : !x) {
    %layer = arith.constant 0 : index
    %wq = stc.get_weight @layers.0.q : tensor<32x32xf32>
    %wk = stc.get_weight @layers.0.k : tensor<16x32xf32>
    %wv = stc.get_weight @layers.0.v : tensor<16x32xf32>
    %wo = stc.get_weight @layers.0.o : tensor<32x32xf32>
    %wg = stc.get_weight @layers.0.gate : tensor<48x32xf32>
    %wu = stc.get_weight @layers.0.up : tensor<48x32xf32>
    %wd = stc.get_weight @layers.0.down : tensor<32x48xf32>
    %q = stc.linear %h, %wq : (!x, tensor<32x32xf32>) -> !x
    %k = stc.linear %h, %wk : (!x, tensor<16x32xf32>) -> !kv
    %v = stc.linear %h, %wv : (!x, tensor<16x32xf32>) -> !kv
    stc.cache_update %k, %v, %cache[%layer, %position] : !kv, !kv, !cache
    %a = stc.attention %q, %cache[%layer, %position] heads 4 scale 3.5e-01 window 0
        : (!x, !cache, index, index) -> !x
    %o = stc.linear %a, %wo : (!x, tensor<32x32xf32>) -> !x
    %r = arith.addf %h, %o : !x
    %g = stc.linear %r, %wg : (!x, tensor<48x32xf32>) -> !wide
    %u = stc.linear %r, %wu : (!x, tensor<48x32xf32>) -> !wide
    %m = stc.gated_activation <silu> %g, %u : (!wide, !wide) -> !wide
    %d = stc.linear %m, %wd : (!wide, tensor<32x48xf32>) -> !x
    %s = arith.addf %r, %d : !x
    stc.yield %s : !x
  }
  return %y : !x
}
func.func @head(%x: !x) -> !x {
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %y = stc.linear %x, %table : (!x, tensor<32x32xf32>) -> !x
  return %y : !x
}
"""
with open(sys.argv[1], "w") as file:
    file.write(text)
with open(sys.argv[2], "w") as file:
    file.write(" ".join(str(random.randrange(VOCABULARY)) for _ in range(64 * 16)))
