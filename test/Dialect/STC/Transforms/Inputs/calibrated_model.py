"""Writes a model with random weights, and token ids to calibrate it on.

usage: calibrated_model.py MODEL.mlir TOKENS.ids [LAYERS] [--bias]

One layer, unless told otherwise; of several, the first alone has no outliers.
With --bias the embeddings have a mean, and q and up have biases.
"""
import random
import sys

random.seed(5)
VOCABULARY, HIDDEN, CHANNELS, KV = 32, 32, 48, 16
BIAS = "--bias" in sys.argv
LAYERS = int(sys.argv[3]) if len(sys.argv) > 3 and sys.argv[3] != "--bias" else 1
DEVIATION = 0.3 if LAYERS == 1 else 0.1  # nothing normalizes the hidden state


def weight(name, rows, columns, outliers=0.0, mean=0.0):
    def value():
        number = random.gauss(mean, DEVIATION)
        return number * 8 if outliers and random.random() < outliers else number
    lines = ", ".join("[" + ", ".join(f"{value():.6e}" for _ in range(columns)) + "]"
                      for _ in range(rows))
    kind = f"tensor<{rows}x{columns}xf32>"
    return f"stc.weight @{name} : {kind} {{value = dense<[{lines}]> : {kind}}}\n"


def bias(name, rows):
    values = ", ".join(f"{random.gauss(0, 0.3):.6e}" for _ in range(rows))
    return f"stc.weight @{name} : tensor<{rows}xf32> {{value = dense<[{values}]> : tensor<{rows}xf32>}}\n"


def linear(name, operand, layer, result, rows):
    """A linear operation, with its bias if there is one."""
    short, kind = name[0], f"tensor<{rows}x{HIDDEN}xf32>"
    if not BIAS:
        return f"%{short} = stc.linear {operand}, %w{short} : (!x, {kind}) -> {result}"
    return (f"%b{short} = stc.get_weight @layers.{layer}.{name}_bias : tensor<{rows}xf32>\n"
            f"    %{short} = stc.linear {operand}, %w{short} bias %b{short} "
            f": (!x, {kind}, tensor<{rows}xf32>) -> {result}")


text = weight("embed", VOCABULARY, HIDDEN, mean=0.3 if BIAS else 0)
for layer in range(LAYERS):
    for name, rows, columns in (("q", HIDDEN, HIDDEN), ("k", KV, HIDDEN), ("v", KV, HIDDEN),
                                ("o", HIDDEN, HIDDEN), ("gate", CHANNELS, HIDDEN),
                                ("up", CHANNELS, HIDDEN), ("down", HIDDEN, CHANNELS)):
        text += weight(f"layers.{layer}.{name}", rows, columns, 0.005 * layer)
        if BIAS and name in ("q", "up"):
            text += bias(f"layers.{layer}.{name}_bias", rows)
text += f"""
!x = tensor<?x32xf32>
!kv = tensor<?x16xf32>
!wide = tensor<?x48xf32>
!cache = !stc.kv_cache<layers = {LAYERS}, kv_heads = 2, head_dim = 8, capacity = 64>
func.func @forward(%tokens: tensor<?xi32>, %position: index, %cache: !cache) -> !x {{
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %y = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<32x32xf32>) -> !x
"""
for layer in range(LAYERS):
    text += f"""  %y{layer} = stc.layer {layer} (%h = %y{layer - 1 if layer else ""} : !x) {{
    %layer = arith.constant {layer} : index
    %wq = stc.get_weight @layers.{layer}.q : tensor<32x32xf32>
    %wk = stc.get_weight @layers.{layer}.k : tensor<16x32xf32>
    %wv = stc.get_weight @layers.{layer}.v : tensor<16x32xf32>
    %wo = stc.get_weight @layers.{layer}.o : tensor<32x32xf32>
    %wg = stc.get_weight @layers.{layer}.gate : tensor<48x32xf32>
    %wu = stc.get_weight @layers.{layer}.up : tensor<48x32xf32>
    %wd = stc.get_weight @layers.{layer}.down : tensor<32x48xf32>
    {linear("q", "%h", layer, "!x", HIDDEN)}
    %k = stc.linear %h, %wk : (!x, tensor<16x32xf32>) -> !kv
    %v = stc.linear %h, %wv : (!x, tensor<16x32xf32>) -> !kv
    stc.cache_update %k, %v, %cache[%layer, %position] : !kv, !kv, !cache
    %a = stc.attention %q, %cache[%layer, %position] heads 4 scale 3.5e-01 window 0
        : (!x, !cache, index, index) -> !x
    %o = stc.linear %a, %wo : (!x, tensor<32x32xf32>) -> !x
    %r = arith.addf %h, %o : !x
    %g = stc.linear %r, %wg : (!x, tensor<48x32xf32>) -> !wide
    {linear("up", "%r", layer, "!wide", CHANNELS)}
    %m = stc.gated_activation <silu> %g, %u : (!wide, !wide) -> !wide
    %d = stc.linear %m, %wd : (!wide, tensor<32x48xf32>) -> !x
    %s = arith.addf %r, %d : !x
    stc.yield %s : !x
  }}
"""
text += f"""  return %y{LAYERS - 1} : !x
}}
"""
text += """func.func @head(%x: !x) -> !x {
  %table = stc.get_weight @embed : tensor<32x32xf32>
  %y = stc.linear %x, %table : (!x, tensor<32x32xf32>) -> !x
  return %y : !x
}
"""
with open(sys.argv[1], "w") as file:
    file.write(text)
with open(sys.argv[2], "w") as file:
    file.write(" ".join(str(random.randrange(VOCABULARY)) for _ in range(64 * 16)))
