"""A small decoder of two layers whose functions are in linalg alone, as other front ends lower them:
learned positions, layer normalizations, rotary attention with one head of keys for two of queries, a
feed-forward part with GELU. Its function takes tokens, and has neither a position nor a cache."""
import random

VOCABULARY, HIDDEN, HEADS, HEAD_DIM, INNER, PLACES = 16, 8, 2, 4, 16, 32
HALF = HEAD_DIM // 2
PARALLEL = '"parallel"'


def dense(values):
    if isinstance(values, list):
        return "[" + ", ".join(map(dense, values)) + "]"
    return f"{values:.6f}"


class Writer:
    """Lines of a function, with a counter for the names of values."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.weights, self.lines, self.count = [], [], 0

    def name(self):
        self.count += 1
        return f"%v{self.count}"

    def line(self, text):
        result = self.name()
        self.lines.append(f"  {result} = {text}")
        return result

    def weight(self, symbol, *shape, centre=0.0):
        def values(sizes):
            return ([values(sizes[1:]) for _ in range(sizes[0])] if sizes
                    else centre + self.random.uniform(-0.5, 0.5))
        kind = f"tensor<{'x'.join(map(str, shape))}xf32>"
        self.weights.append(f"stc.weight @{symbol} : {kind} "
                            f"{{value = dense<{dense(values(list(shape)))}> : {kind}}}")
        return self.line(f"stc.get_weight @{symbol} : {kind}"), kind

    def empty(self, *sizes):
        """A tensor of dynamic ("n") and static sizes, and its type."""
        kind = "tensor<" + "".join(f"{'?' if s == 'n' else s}x" for s in sizes) + "f32>"
        return self.line(f"tensor.empty({', '.join('%n' for s in sizes if s == 'n')}) : {kind}"), kind

    def fill(self, number, *sizes):
        empty, kind = self.empty(*sizes)
        return self.line(f"linalg.fill ins({number} : f32) outs({empty} : {kind}) -> {kind}"), kind

    def generic(self, dims, inputs, out, out_map, body, reduced=()):
        """`inputs` are ((value, type), indices); the body's arguments are %a, %b ... and %out."""
        maps = [f"affine_map<({dims}) -> ({m})>" for m in [m for _, m in inputs] + [out_map]]
        iterators = ['"reduction"' if d in reduced else PARALLEL for d in dims.split(", ")]
        ins = ""
        if inputs:
            ins = (f"ins({', '.join(v for (v, _), _ in inputs)} : "
                   f"{', '.join(t for (_, t), _ in inputs)}) ")
        arguments = [f"%{'abcd'[i]}: {'i32' if 'i32' in t else 'f32'}"
                     for i, ((_, t), _) in enumerate(inputs)]
        return self.line(
            f"linalg.generic {{indexing_maps = [{', '.join(maps)}], "
            f"iterator_types = [{', '.join(iterators)}]}} {ins}outs({out[0]} : {out[1]}) {{\n"
            f"  ^bb0({', '.join(arguments + ['%out: f32'])}):\n"
            + "".join(f"    {part}\n" for part in body)
            + f"    linalg.yield %r : f32\n  }} -> {out[1]}"), out[1]

    def linear(self, x, inputs, outputs, symbol, bias=False):
        """x times a weight of [outputs, inputs], by its maps or by a transpose."""
        zeros = self.fill("%zero", "n", outputs)
        weight, kind = self.weight(symbol, outputs, inputs)
        if bias:
            transposed = f"tensor<{inputs}x{outputs}xf32>"
            empty = self.line(f"tensor.empty() : {transposed}")
            turned = self.line(f"linalg.transpose ins({weight} : {kind}) outs({empty} : {transposed})"
                               " permutation = [1, 0]")
            y = self.line(f"linalg.matmul ins({x[0]}, {turned} : {x[1]}, {transposed}) "
                          f"outs({zeros[0]} : {zeros[1]}) -> {zeros[1]}"), zeros[1]
            return self.generic("t, c", [(y, "t, c"), (self.weight(symbol + "_bias", outputs), "c")],
                                self.empty("n", outputs), "t, c", ["%r = arith.addf %a, %b : f32"])
        return self.generic("t, n, k", [(x, "t, k"), ((weight, kind), "n, k")], zeros, "t, n",
                            ["%p = arith.mulf %a, %b : f32", "%r = arith.addf %out, %p : f32"], "k")

    def norm(self, x, symbol):
        add = ["%r = arith.addf %a, %out : f32"]
        sums = self.generic("t, c", [(x, "t, c")], self.fill("%zero", "n"), "t", add, "c")
        centred = self.generic("t, c", [(x, "t, c"), (sums, "t")], self.empty("n", HIDDEN), "t, c",
                               ["%m = arith.divf %b, %hidden : f32", "%r = arith.subf %a, %m : f32"])
        squares = self.generic("t, c", [(centred, "t, c")], self.fill("%zero", "n"), "t",
                               ["%s = arith.mulf %a, %a : f32", "%r = arith.addf %out, %s : f32"],
                               "c")
        return self.generic(
            "t, c", [(centred, "t, c"), (squares, "t"),
                     (self.weight(symbol, HIDDEN, centre=1.0), "c"),
                     (self.weight(symbol + "_bias", HIDDEN), "c")], self.empty("n", HIDDEN), "t, c",
            ["%v = arith.divf %b, %hidden : f32", "%e = arith.addf %v, %epsilon : f32",
             "%i = math.rsqrt %e : f32", "%n1 = arith.mulf %a, %i : f32",
             "%g = arith.mulf %n1, %c : f32", "%r = arith.addf %g, %d : f32"])

    def add(self, x, y):
        out, kind = self.empty("n", HIDDEN)
        return self.line(f"linalg.add ins({x[0]}, {y[0]} : {kind}, {kind}) outs({out} : {kind}) -> "
                         f"{kind}"), kind

    def angles(self):
        """cos and sin of [tokens, head_dim], both halves the same."""
        table = self.line(f"arith.constant dense<[1.0, 0.25]> : tensor<{HALF}xf32>")
        one = self.generic("t, c", [((table, f"tensor<{HALF}xf32>"), "c")], self.empty("n", HALF),
                           "t, c", ["%i = linalg.index 0 : index",
                                    "%j = arith.index_cast %i : index to i64",
                                    "%p = arith.sitofp %j : i64 to f32",
                                    "%r = arith.mulf %p, %a : f32"])
        kind = f"tensor<?x{HEAD_DIM}xf32>"
        both = self.line(f"tensor.concat dim(1) {one[0]}, {one[0]} : ({one[1]}, {one[1]}) -> {kind}")
        return [self.generic("t, c", [((both, kind), "t, c")], self.empty("n", HEAD_DIM), "t, c",
                             [f"%r = math.{function} %a : f32"]) for function in ("cos", "sin")]

    def heads(self, x, heads):
        """[tokens, heads * head_dim] as [heads, tokens, head_dim]."""
        split = f"tensor<?x{heads}x{HEAD_DIM}xf32>"
        value = self.line(f"tensor.expand_shape {x[0]} [[0], [1, 2]] output_shape [%n, {heads}, "
                          f"{HEAD_DIM}] : {x[1]} into {split}")
        out, kind = self.empty(heads, "n", HEAD_DIM)
        return self.line(f"linalg.transpose ins({value} : {split}) outs({out} : {kind}) "
                         "permutation = [1, 0, 2]"), kind

    def rotate(self, x, heads, angles):
        """x * cos + concat(-x2, x1) * sin."""
        def part(start):
            kind = f"tensor<{heads}x?x{HALF}xf32>"
            return self.line(f"tensor.extract_slice {x[0]}[0, 0, {start}] [{heads}, %n, {HALF}] "
                             f"[1, 1, 1] : {x[1]} to {kind}"), kind
        low, high = part(0), part(HALF)
        turned = self.generic("h, t, c", [(high, "h, t, c")], self.empty(heads, "n", HALF),
                              "h, t, c", ["%r = arith.negf %a : f32"])
        both = self.line(f"tensor.concat dim(2) {turned[0]}, {low[0]} : ({turned[1]}, {low[1]}) -> "
                         f"{x[1]}"), x[1]
        return self.generic("h, t, c", [(x, "h, t, c"), (angles[0], "t, c"), (both, "h, t, c"),
                                        (angles[1], "t, c")],
                            self.empty(heads, "n", HEAD_DIM), "h, t, c",
                            ["%p = arith.mulf %a, %b : f32", "%q = arith.mulf %c, %d : f32",
                             "%r = arith.addf %p, %q : f32"])

    def attention(self, x, angles, layer):
        q = self.rotate(self.heads(self.linear(x, HIDDEN, HEADS * HEAD_DIM, f"q{layer}"), HEADS),
                        HEADS, angles)
        k, v = (self.heads(self.linear(x, HIDDEN, HEAD_DIM, f"{n}{layer}"), 1) for n in "kv")
        k = self.rotate(k, 1, angles)
        scores = self.generic("h, t, s, c", [(q, "h, t, c"), (k, "0, s, c")],
                              self.fill("%zero", HEADS, "n", "n"), "h, t, s",
                              ["%p = arith.mulf %a, %b : f32", "%r = arith.addf %out, %p : f32"], "c")
        masked = self.generic("h, t, s", [(scores, "h, t, s")], self.empty(HEADS, "n", "n"),
                              "h, t, s", ["%t1 = linalg.index 1 : index",
                                          "%s1 = linalg.index 2 : index",
                                          "%k = arith.cmpi ule, %s1, %t1 : index",
                                          "%p = arith.mulf %a, %half : f32",
                                          "%r = arith.select %k, %p, %low : f32"])
        weights = self.line(f"linalg.softmax dimension(2) ins({masked[0]} : {masked[1]}) "
                            f"outs({masked[0]} : {masked[1]}) -> {masked[1]}"), masked[1]
        mixed = self.generic("t, h, c, s", [(weights, "h, t, s"), (v, "0, s, c")],
                             self.fill("%zero", "n", HEADS, HEAD_DIM), "t, h, c",
                             ["%p = arith.mulf %a, %b : f32", "%r = arith.addf %out, %p : f32"], "s")
        kind = f"tensor<?x{HEADS * HEAD_DIM}xf32>"
        flat = self.line(f"tensor.collapse_shape {mixed[0]} [[0], [1, 2]] : {mixed[1]} into {kind}")
        return self.linear((flat, kind), HEADS * HEAD_DIM, HIDDEN, f"o{layer}")

    def rows(self, symbol, count, tokens):
        """Rows of a table, by tokens or by places."""
        table, kind = self.weight(symbol, count, HIDDEN)
        row = ["%i = arith.index_cast %a : i32 to index"] if tokens else [
            "%i = linalg.index 0 : index"]
        return self.generic("t, c", [(("%tokens", "tensor<?xi32>"), "t")] if tokens else [],
                            self.empty("n", HIDDEN), "t, c",
                            row + ["%j = linalg.index 1 : index",
                                   f"%r = tensor.extract {table}[%i, %j] : {kind}"])

    def forward(self):
        x = self.add(self.rows("embed", VOCABULARY, True), self.rows("places", PLACES, False))
        angles = self.angles()
        for layer in range(2):
            x = self.add(x, self.attention(self.norm(x, f"norm{layer}"), angles, layer))
            inner = self.linear(self.norm(x, f"ffn_norm{layer}"), HIDDEN, INNER, f"up{layer}", True)
            curved = self.generic("t, c", [(inner, "t, c")], self.empty("n", INNER), "t, c",
                                  ["%s = arith.mulf %a, %root : f32", "%e = math.erf %s : f32",
                                   "%p = arith.addf %e, %one : f32", "%h = arith.mulf %a, %half : f32",
                                   "%r = arith.mulf %h, %p : f32"])
            x = self.add(x, self.linear(curved, INNER, HIDDEN, f"down{layer}"))
        return self.norm(x, "final_norm")


CONSTANTS = f"""  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %low = arith.constant 0xFF800000 : f32
  %hidden = arith.constant {HIDDEN}.0 : f32
  %epsilon = arith.constant 1.0e-05 : f32
  %root = arith.constant 0.707106769 : f32
  %c0 = arith.constant 0 : index
"""


def function(writer, signature, first, first_type, result):
    return (f"func.func {signature} {{\n{CONSTANTS}  %n = tensor.dim {first}, %c0 : {first_type}\n"
            + "\n".join(writer.lines) + f"\n  return {result[0]} : {result[1]}\n}}\n")


def model(seed=5):
    """The module's text."""
    hidden = f"tensor<?x{HIDDEN}xf32>"
    writer = Writer(seed)
    forward = function(writer, f"@forward(%tokens: tensor<?xi32>) -> {hidden}", "%tokens",
                       "tensor<?xi32>", writer.forward())
    head = Writer(seed + 1)
    logits = head.linear(("%x", hidden), HIDDEN, VOCABULARY, "lm_head")
    text = function(head, f"@head(%x: {hidden}) -> {logits[1]}", "%x", hidden, logits)
    return "\n".join(writer.weights + head.weights) + "\n" + forward + text
