"""Graphs made by hand: what they compute, what they print, what they refuse."""
import json
import re
import struct
import subprocess
import sys
import unittest
from array import array

import reference
from package import BOOKS, ROOT, SHARED, PackageTest, needs_shared, read_safetensors, stc

SIZES = dict(heads=4, kv_heads=2, head_dim=8)
TOKENS = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35, 8, 9, 7, 9, 3, 2, 38, 4, 6, 26]


def build(weights, *, theta=10000.0, epsilon=1e-5, kind="silu", window=0, sinks=0, scale=None,
          interleaved=False, gated=True, product=False, cache="f32", rotated=None,
          rotary_factor=1.0, score_cap=0.0, logit_cap=0.0, logit_scale=1.0, embed_scale=1.0,
          positions=False, layer_norms=False, query_norms=False, pattern=None, slopes=(),
          sink_logits=False, limit=0.0, offset=0.0, order=None):
    """reference.logits' model as a graph."""
    g = stc.Graph(kv_heads=SIZES["kv_heads"], head_dim=SIZES["head_dim"], context=40, cache=cache,
                  bos_token=1, eos_tokens=[2, 5])
    size = rotated or SIZES["head_dim"]
    table = g.rotary_table(frequencies=[theta ** (-2 * i / size) for i in range(size // 2)],
                           scale=rotary_factor)

    def rotate(x):
        return x.rotate(table, interleaved, SIZES["head_dim"])

    def layer(h, i):
        w = {name: g.weight(f"layers.{i}.{name}", data)
             for name, data in weights["layers"][i].items() if name != "sinks" or sink_logits}
        x = h.layer_norm(w["attention_norm"], w["attention_norm_bias"], epsilon) if layer_norms \
            else h.rms_norm(w["attention_norm"], epsilon)
        q = x.linear(w["q"], w["q_bias"])
        if query_norms:
            q = q.rms_norm(w["q_norm"], epsilon, groups=SIZES["heads"])
        mixed = g.attention(rotate(q), rotate(x.linear(w["k"])), x.linear(w["v"]),
                            heads=SIZES["heads"], scale=scale, window=window, sinks=sinks,
                            soft_cap=score_cap, pattern=pattern, slopes=slopes,
                            sink_logits=w.get("sinks"))
        h = h + mixed.linear(w["o"])
        x = h.rms_norm(w["ffn_norm"], epsilon)
        gate, up = x.linear(w["gate"]), x.linear(w["up"])
        if not gated:
            inner = gate.activation(kind)
        elif product:
            inner = gate.activation(kind) * up
        else:
            inner = g.gated_activation(kind, gate, up, limit=limit, offset=offset)
        if order:
            inner = g.permute_features(inner, g.weight(f"layers.{i}.order", order))
        return h + inner.linear(w["down"])

    h = g.embedding(g.weight("embed", weights["embed"]))
    if embed_scale != 1:
        h = h.scale(embed_scale)
    if positions:
        h = h + g.position_embedding(g.weight("positions", weights["positions"]))
    for i in range(len(weights["layers"])):
        h = g.layer(h, lambda h: layer(h, i))
    norm = g.weight("norm", weights["norm"])
    h = h.layer_norm(norm, g.weight("norm_bias", weights["norm_bias"]), epsilon) if layer_norms \
        else h.rms_norm(norm, epsilon)
    g.head(h, g.weight("lm_head", weights["head"]), scale=logit_scale, soft_cap=logit_cap)
    return g


class Numbers(PackageTest):
    """Against a float64 forward written from the definitions."""

    def check(self, tolerance=1e-5, sees=None, **options):
        weights = reference.random_weights(vocabulary=40, hidden=24, size=36, layers=2, **SIZES)
        model = self.load(build(weights, **options), "m")
        for name in ("product", "cache", "pattern"):
            options.pop(name, None)
        want = reference.logits(weights, TOKENS, **SIZES, sees=sees, **options)
        self.assert_close(model.logits(TOKENS, all_positions=True), want, tolerance)
        # Token by token: the decode function and the cache.
        model.reset()
        got = [model.logits([token], append=True) for token in TOKENS]
        self.assert_close(got, want, tolerance)

    def test_llama(self):
        self.check()

    def test_pairs_window_sinks_and_scale(self):
        self.check(interleaved=True, window=6, sinks=2, scale=0.2, theta=500000.0, epsilon=1e-6)

    def test_nonlinearities(self):
        for kind in ("gelu", "gelu_tanh", "relu", "sigmoid", "quick_gelu"):
            with self.subTest(kind):
                self.check(kind=kind)

    def test_other_families(self):
        self.check(layer_norms=True, positions=True, rotated=4, query_norms=True)
        self.check(score_cap=0.7, logit_cap=3.0, logit_scale=0.5, embed_scale=2.5,
                   rotary_factor=1.2, rotated=6, interleaved=True)

    def test_plain_activation(self):
        self.check(gated=False)

    def test_product_of_activations(self):
        self.check(product=True)

    def test_patterns(self):
        """Child et al. 2019, Beltagy et al. 2020: by distance d and by blocks."""
        patterns = {"strided:4": lambda p, s: p - s < 4 or (p - s) % 4 == 0,
                    "dilated:3x2": lambda p, s: (p - s) % 2 == 0 and (p - s) // 2 < 3,
                    "fixed:6x2": lambda p, s: s // 6 == p // 6 or s % 6 >= 4,
                    "local:3+2": lambda p, s: p - s < 3 or s < 2 or p < 2}
        for pattern, sees in patterns.items():
            with self.subTest(pattern):
                self.check(pattern=pattern, sees=sees)

    def test_slopes_and_sink_logits(self):
        self.check(slopes=[0.5, 0.25, 0.125, 0.0625])
        self.check(sink_logits=True, window=6)

    def test_bounds_of_gates(self):
        self.check(kind="quick_gelu", limit=0.8, offset=1.0)

    def test_features_in_another_order(self):
        self.check(order=[(7 * column + 3) % 36 for column in range(36)])

    def test_small_caches(self):
        self.check(cache="f16", tolerance=0.01)
        self.check(cache="i8", tolerance=0.1)

    @needs_shared
    def test_a_checkpoint_by_hand(self):
        """tiny-llama's weights in a graph made here: its golden logits."""
        folder = SHARED / "models" / "tiny-llama"
        tensors = read_safetensors(folder / "model.safetensors")
        golden = json.loads((folder / "golden.json").read_text())
        g = stc.Graph(kv_heads=2, head_dim=16, context=128)
        table = g.rotary_table(10000.0)

        def w(name):
            return g.weight(name, tensors[name + ".weight"])

        def layer(h, p):
            x = h.rms_norm(w(p + "input_layernorm"), 1e-6)
            q, k, v = (x.linear(w(f"{p}self_attn.{n}_proj")) for n in "qkv")
            mixed = g.attention(q.rotate(table), k.rotate(table), v, heads=4)
            h = h + mixed.linear(w(p + "self_attn.o_proj"))
            x = h.rms_norm(w(p + "post_attention_layernorm"), 1e-6)
            inner = x.linear(w(p + "mlp.gate_proj")).silu() * x.linear(w(p + "mlp.up_proj"))
            return h + inner.linear(w(p + "mlp.down_proj"))

        h = g.embedding(w("model.embed_tokens"))
        for i in range(3):
            h = g.layer(h, lambda h: layer(h, f"model.layers.{i}."))
        g.head(h.rms_norm(w("model.norm"), 1e-6), w("lm_head"))
        model = self.load(g)
        self.assert_close([model.logits(golden["tokens"])], [golden["last_logits"]], 1e-4)
        prompt = golden["tokens"]
        want = golden["greedy_tokens"][len(prompt):]
        written = model.generate(prompt, len(want), ignore_eos=True)
        self.assertEqual(list(written.tokens), want)


class Files(PackageTest):
    def graph(self, **options):
        weights = reference.random_weights(vocabulary=40, hidden=24, size=36, layers=2, **SIZES)
        return build(weights, **options)

    def test_a_saved_graph_can_be_moved(self):
        """The module names its weights relative to itself."""
        (self.tmp / "a").mkdir()
        path = self.graph().save(self.tmp / "a" / "m.mlir")
        want = self.load(path, "first").logits(TOKENS)
        (self.tmp / "a").rename(self.tmp / "b")
        got = self.load(self.tmp / "b" / "m.mlir", "second").logits(TOKENS)
        self.assertEqual(list(got), list(want))
        self.assertEqual(sorted(p.name for p in (self.tmp / "b").iterdir()),
                         ["m.mlir", "m.safetensors"])

    def test_phases_quantization_and_information(self):
        path = self.graph().save(self.tmp / "m.mlir")
        text = stc.compile(path, self.tmp / "p.mlir", emit="mlir:packed", quantize="int8",
                           prune="0.5").read_text()
        self.assertIn("packed.matmul", text)
        self.assertIn("stc.repeat", text)  # both layers share one function
        program = stc.compile(path, self.tmp / "m", quantize="int8")
        information = subprocess.run([program, "info", "--json"], capture_output=True, check=True)
        self.assertIn(b'"architecture":"mlir"', information.stdout.replace(b" ", b""))

    def test_tokens_that_end_a_text(self):
        """The graph's eos_tokens reach the program: generation stops where it chooses one."""
        graph = self.graph()
        path = graph.save(self.tmp / "m.mlir")
        written = self.load(path, "free").generate(TOKENS, 12, ignore_eos=True).tokens
        self.assertEqual(len(written), 12)
        stop = written[5]
        graph.eos_tokens = (stop,)
        stopped = self.load(graph, "stopping").generate(TOKENS, 12).tokens
        self.assertEqual(stopped[:written.index(stop)], written[:written.index(stop)])
        self.assertLessEqual(len(stopped), written.index(stop) + 1)

    def test_a_tokenizer_beside_the_graph(self):
        weights = reference.random_weights(vocabulary=2048, hidden=24, size=36, layers=1, **SIZES)
        path = build(weights).save(self.tmp / "m.mlir", tokenizer=BOOKS / "tokenizer.json")
        model = self.load(path, "m")
        self.assertEqual(model.detokenize(model.tokenize("a dark night")), "a dark night")

    def test_names_and_numbers_that_need_care(self):
        g = stc.Graph(kv_heads=1, head_dim=2, context=1)
        name = 'a "quoted" \\ name: näme'
        table = g.weight(name, [[1.0, 2.0], [3.0, 4.0]])
        h = g.layer(g.embedding(table), lambda h: h + g.attention(h, h, h, heads=1, scale=1e-7))
        g.head(h, table)  # tied
        text = g.text()
        self.assertIn(r'@"a \22quoted\22 \5C name: n\C3\A4me"', text)
        self.assertIn("scale 1.0e-07 ", text)
        self.assertEqual(text.count("stc.weight "), 1)
        model = self.load(g)
        # One token attends to itself: h = 2 * embedding, logits = table * h.
        self.assertEqual([float(v) for v in model.logits([1])], [2 * 11, 2 * 25])

    def test_element_types(self):
        """bf16 and f16 stay what they are; the numbers are those the formats define."""
        one, two = struct.pack("<2H", 0x3f80, 0x4000), struct.pack("<2e", 1.0, 2.0)
        g = stc.Graph(kv_heads=1, head_dim=2, context=16)
        table = g.weight("embed", stc.Tensor("BF16", (1, 2), one))
        norm = g.weight("norm", stc.Tensor("F16", (2,), two))
        h = g.layer(g.embedding(table), lambda h: h + g.attention(h, h, h, heads=1))
        g.head(h.rms_norm(norm, 0.0), g.weight("lm_head", [[1.0, 0.0], [0.0, 1.0]]))
        path = g.save(self.tmp / "m.mlir")
        stored = read_safetensors(self.tmp / "m.safetensors")
        self.assertEqual({n: t.dtype for n, t in stored.items()},
                         {"embed": "BF16", "norm": "F16", "lm_head": "F32"})
        got = self.load(path, "m").logits([0])
        root = (2.5 * 4) ** 0.5  # of the mean of (2, 4) squared
        for value, want in zip(got, (2 / root, 2 * 4 / root)):
            self.assertAlmostEqual(float(value), want, places=5)

    def test_what_graphs_have_not_is_said(self):
        """Every operation of the dialect is one that graphs print, or one that the README names."""
        page = (ROOT / "docs" / "Dialects" / "STC.md").read_text()
        dialect = set(re.findall(r"^### `(stc\.\w+)`", page, re.M))
        self.assertGreater(len(dialect), 20)
        printed = set(re.findall(r"stc\.\w+", (ROOT / "python-frontend-stub" / "stc" / "ir_text.py")
                                 .read_text()))
        printed |= {f"stc.{kind}" for kind in re.findall(r'"stc\.(\w+)"', (
            ROOT / "python-frontend-stub" / "stc" / "graph.py").read_text())}
        readme = (ROOT / "python-frontend-stub" / "README.md").read_text()
        passes = {"stc.repeat"}  # made by the compiler alone
        for name in sorted(dialect - printed - passes):
            self.assertIn(f"`{name}`", readme)
        for name in printed & dialect:
            self.assertNotIn(f"has not: `{name}`", readme)

    def test_numpy_arrays(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        for dtype in ("float32", "float64", ">f4"):
            tensor = stc.tensors.as_tensor(numpy.array([[1, 2], [3, 4.5]], dtype=dtype))
            want = stc.Tensor("F32", (2, 2), array("f", [1, 2, 3, 4.5]).tobytes())
            self.assertEqual(tensor, want)
        self.assertEqual(stc.tensors.as_tensor(numpy.ones(3, "float16")).dtype, "F16")
        self.raises(stc.GraphError, "got int32", stc.tensors.as_tensor, numpy.ones(3, "int32"))

    def test_the_package_needs_nothing_else(self):
        """Neither numpy nor torch is imported by building, saving or compiling."""
        code = ("import sys; sys.path.insert(0, sys.argv[1]); import stc; "
                "stc.Graph(kv_heads=1, head_dim=2, context=1); "
                "sys.exit('numpy' in sys.modules or 'torch' in sys.modules)")
        subprocess.run([sys.executable, "-c", code, str(ROOT / "python-frontend-stub")], check=True)


class Refusals(PackageTest):
    """One line that says what was expected and what came."""

    def setUp(self):
        super().setUp()
        self.g = stc.Graph(kv_heads=1, head_dim=4, context=16)
        self.table = self.g.weight("embed", [[0.0] * 8] * 3)
        self.norm = self.g.weight("norm", [1.0] * 8)
        self.x = self.g.embedding(self.table)

    def refused(self, expected, call, *arguments, **options):
        error = self.raises(stc.GraphError, expected, call, *arguments, **options)
        self.assertNotIn("\n", str(error))

    def test_sizes(self):
        g, x = self.g, self.x
        self.refused("context: expected a positive number, got 0", stc.Graph, kv_heads=1,
                     head_dim=4, context=0)
        self.refused("cache: expected one of f32, f16, i8, f8E4M3FN, got f8", stc.Graph, kv_heads=1,
                     head_dim=4, context=8, cache="f8")
        narrow = g.weight("narrow", [[0.0] * 7])
        self.refused("linear @narrow: expected a weight of 8 columns, got 7", x.linear, narrow)
        self.refused("linear @norm: expected a weight of 2 dimensions", x.linear, self.norm)
        self.refused("bias @norm: expected a weight of 3 columns, got 8", x.linear, self.table,
                     self.norm)
        self.refused("rms_norm @embed: expected a weight of 1 dimensions", x.rms_norm, self.table)
        self.refused("arith.addf: expected 8 columns on both sides, got 3", lambda: x +
                     x.linear(self.table))
        self.refused("arith.mulf: expected two activations, got float", lambda: x * 2.0)
        self.refused("epsilon: expected a finite number", x.rms_norm, self.norm, float("nan"))
        self.refused("rotate: expected a multiple of 6 columns, got 8", x.rotate,
                     g.rotary_table(frequencies=[1.0, 0.5, 0.1]))
        self.refused("frequencies: expected finite numbers", g.rotary_table,
                     frequencies=[float("inf")])
        self.refused("activation: expected one of silu", x.activation, "cubic")
        self.refused("rms_norm groups: expected a divisor of 8 columns, got 3", x.rms_norm,
                     self.norm, groups=3)
        self.refused("rms_norm @norm: expected a weight of 4 columns, got 8", x.rms_norm,
                     self.norm, groups=2)
        self.refused("layer_norm @embed: expected a weight of 1 dimensions", x.layer_norm,
                     self.norm, self.table)
        self.refused("scale: expected a finite number", x.scale, float("inf"))
        self.refused("soft_cap: expected a finite, positive number", x.soft_cap, 0.0)
        self.refused("position_embedding @embed: expected 16 rows", g.position_embedding,
                     self.table)
        self.refused("rotate head_dim: expected at least 4, got 2", x.rotate,
                     g.rotary_table(frequencies=[1.0, 0.5]), head_dim=2)

    def test_weights(self):
        g = self.g
        self.refused("weight embed: expected a name of its own", g.weight, "embed", [1.0])
        self.refused("weight head: expected a name other than those of functions", g.weight,
                     "head", [1.0])
        self.refused("weight w: a weight: expected rows of equal length", g.weight, "w",
                     [[1.0], [1.0, 2.0]])
        self.refused("weight w: .*expected at least one number", g.weight, "w", [])
        self.refused("weight w: .*expected numbers", g.weight, "w", ["x"])
        self.refused("weight w: .*expected numbers that fit f32", g.weight, "w", [1e300])
        self.refused("got dict", g.weight, "w", {})
        self.refused("expected 8 bytes, got 3", stc.Tensor, "F32", (2,), b"abc")
        self.refused("expected one of F32, F16, BF16, got I8", stc.Tensor, "I8", (1,), b"a")
        self.refused("expected 1 or 2 positive sizes", stc.Tensor, "F32", (1, 1, 1), b"abcd")
        self.refused("expected a weight \\(Graph.weight\\), got list", self.x.rms_norm, [1.0] * 8)

    def test_attention(self):
        g, x = self.g, self.x
        self.refused("attention: expected a place in a layer", g.attention, x, x, x, heads=2)

        def twice(h):
            key = h.linear(g.weight("k", [[0.0] * 8] * 4))
            g.attention(h, key, key, heads=2)
            return g.attention(h, key, key, heads=2)
        self.refused("layer 0: expected one attention, got a second one", g.layer, x, twice)
        self.refused("attention keys: expected 4 columns, got 8", g.layer, x,
                     lambda h: g.attention(h, h, h, heads=2))
        self.refused("attention queries: expected 12 columns, got 8", g.layer, x,
                     lambda h: g.attention(h, h, h, heads=3))
        self.refused("sinks: expected 0, or", g.layer, x, lambda h: g.attention(
            h, h.linear(g.weights["k"]), h.linear(g.weights["k"]), heads=2, sinks=1))
        for options, expected in (
                ({"pattern": "strided"}, "attention pattern: expected dilated:NxD, strided:L"),
                ({"pattern": "window:4"}, r"\(window= says how long a window is\), got window:4"),
                ({"pattern": "strided:4", "window": 4}, "attention pattern: expected no window"),
                ({"slopes": [0.5]}, "attention slopes: expected 2 numbers, got 1"),
                ({"slopes": [0.5, -1.0]}, "attention slopes: expected finite numbers"),
                ({"sink_logits": self.norm}, "sink_logits @norm: expected a weight of 2 columns")):
            self.refused(expected, g.layer, x, lambda h: g.attention(
                h, h.linear(g.weights["k"]), h.linear(g.weights["k"]), heads=2, **options))
        self.refused("gated_activation limit: expected a finite, positive number, got -1",
                     g.gated_activation, "silu", x, x, limit=-1.0)
        self.refused("permute_features @embed: expected a weight of 1 dimensions",
                     g.permute_features, x, self.table)

    def test_places(self):
        g, x = self.g, self.x
        inner = []
        g.layer(x, lambda h: inner.append(h.rms_norm(self.norm)) or h + h)
        self.refused("activations from within another layer", lambda: x + inner[0])
        self.refused("layer: expected a place outside other layers", g.layer, x,
                     lambda h: g.layer(h, lambda i: i))
        self.refused("layer 1: expected its body to return activations, got NoneType", g.layer, x,
                     lambda h: None)
        self.refused("layer 1: expected 8 columns again, got 3", g.layer, x,
                     lambda h: h.linear(self.table))
        self.refused("graph: expected a head", g.text)
        other = stc.Graph(kv_heads=1, head_dim=4, context=16)
        self.refused("a weight of this graph, got another graph's", other.embedding, self.table)
        g.head(x, self.table)
        self.refused("expected a graph without a head yet", x.rms_norm, self.norm)
        self.refused("save: expected a path that ends in .mlir", g.save, self.tmp / "m.txt")
        g.eos_tokens = (3,)
        self.refused("numbers from 0 to 2, got 3", g.text)

    def test_nothing_half_written(self):
        g, x = self.g, self.x
        key = g.weight("k", [[0.0] * 8] * 4)
        h = g.layer(x, lambda h: h + g.attention(h, h.linear(key), h.linear(key), heads=2))
        g.head(h, self.table)
        with self.assertRaises(OSError):
            g.save(self.tmp / "absent" / "m.mlir")
        with self.assertRaises(OSError):
            g.save(self.tmp / "m.mlir", tokenizer=self.tmp / "absent.json")
        self.assertFalse((self.tmp / "m.mlir").exists())
        self.assertEqual([p.name for p in self.tmp.iterdir() if p.name.startswith(".")], [])


if __name__ == "__main__":
    unittest.main()
