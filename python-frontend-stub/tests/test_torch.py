"""Graphs of PyTorch modules, judged by what PyTorch computes in float64."""
import json
import types
import unittest

from package import SHARED, PackageTest, needs_shared, read_safetensors, stc

try:
    import torch
except ImportError:
    # ctest shows this test as skipped because of this line.
    print("SKIPPED: PyTorch is not installed (Debian: python3-torch), so that nothing of "
          "stc.torch was tested")
    raise SystemExit(0)

from torch import nn  # noqa: E402

from stc.torch.capture import capture  # noqa: E402
from stc.torch.constants import ConstantError, frequencies_of, visibility_of  # noqa: E402
from stc.torch.layout import Axis, Layout  # noqa: E402
from tiny_torch import FeedForward, TinyLlama  # noqa: E402
from torch_habits import Fused, Habits, Others  # noqa: E402

TOKENS = [(7 * i + 3) % 96 for i in range(20)]


class Numbers(PackageTest):
    def check(self, module, *, tolerance=1e-5, frontend="auto", double=True, **options):
        """The compiled graph against the module in float64, unless it casts to f32 itself."""
        graph = stc.from_torch(module, context=32, frontend=frontend, **options)
        model = self.load(graph)
        with torch.no_grad():
            want = (module.double() if double else module)(torch.tensor([TOKENS]))
            want = (want["logits"] if isinstance(want, dict) else want)[0]
        module.float()
        self.assert_close(model.logits(TOKENS, all_positions=True), want.tolist(), tolerance)
        model.reset()
        self.assert_close([model.logits([token], append=True) for token in TOKENS], want.tolist(),
                          tolerance)
        return graph

    def test_forms(self):
        """What is written differently is recognized as the same graph, by fx and from ATen."""
        for frontend in ("fx", "aten"):
            for form in ("rotate_half", "halves", "pairs", "complex"):
                with self.subTest(frontend=frontend, form=form):
                    graph = self.check(TinyLlama(form=form), frontend=frontend)
                    kinds = [op.kind for op in graph.operations[1].body]
                    self.assertEqual(kinds, [
                        "stc.rms_norm", "stc.linear", "stc.linear", "stc.linear",
                        *["stc.rotary_embedding"] * 2, "attention", "stc.linear", "arith.addf",
                        "stc.rms_norm", "stc.linear", "stc.linear", "stc.gated_activation",
                        "stc.linear", "arith.addf"])
                    self.assertEqual([op.kind for op in graph.operations],
                                     ["stc.embedding", "stc.layer", "stc.layer", "stc.rms_norm"])

    def test_variations(self):
        graph = self.check(TinyLlama(bias=True, fused=True, tied=True, theta=500000.0, scale=0.2),
                           tolerance=1e-4)
        self.assertEqual(graph.head_weight.source, "embed.weight")
        self.assertEqual(len(graph.tables), 1)
        for got, i in zip(graph.tables[0].frequencies, range(4)):
            self.assertEqual(got, 500000.0 ** (-i / 4))  # exactly, not as f32 rounds it
        self.check(TinyLlama(heads=2, kv_heads=2, layers=1, window=6))
        self.check(TinyLlama(heads=4, kv_heads=1, layers=3, form="halves"))

    def test_windows(self):
        graph = stc.from_torch(TinyLlama(window=6, layers=1), context=32)
        attention = next(op for op in graph.operations[1].body if op.kind == "attention")
        self.assertEqual(attention.attributes["window"], 6)

    def test_fused_attention(self):
        for kind in ("causal", "sinks"):
            for interleave in (False, True):
                with self.subTest(kind=kind, interleave=interleave):
                    self.check(Fused(kind, interleave=interleave), frontend="fx")
                    self.check(Fused(kind, interleave=interleave), frontend="aten")

    def test_habits_of_large_models(self):
        for frontend in ("fx", "aten"):
            with self.subTest(frontend):
                graph = self.check(Habits().eval(), frontend=frontend, double=False)
                # Weights that are stored transposed, or in one, are new.
                self.assertEqual({name.split(".")[-1] for name in graph.weights},
                                 {"embed", "norm", "transposed", "bias", "part", "part_1", "out",
                                  "weight"})
                self.assertEqual(graph.tables[0].frequencies[1], 500000.0 ** (-1 / 4))

    def test_other_families(self):
        for frontend in ("fx", "aten"):
            for options in (dict(norm=nn.LayerNorm, positions="embedding"),
                            dict(norm=nn.LayerNorm, positions="slice", head_norms=True),
                            dict(rotated=4, factor=1.2, cap=2.0)):
                with self.subTest(frontend=frontend, **options):
                    graph = self.check(Others(**options), frontend=frontend)
                    self.assertEqual(graph.layers, 2)
        kinds = [op.kind for op in graph.operations]
        self.assertEqual(kinds[:2], ["stc.embedding", "stc.scale"])
        self.assertEqual((graph.head_scale, graph.head_cap), (0.5, 2.0))

    @needs_shared
    def test_a_trained_model(self):
        """The weights of stories260k in the module here: its golden logits and its own text."""
        folder = SHARED / "models" / "stories260k"
        golden = json.loads((folder / "golden.json").read_text())
        module = TinyLlama(vocabulary=512, hidden=64, heads=8, kv_heads=4, size=172, layers=5,
                           tied=True, epsilon=1e-5)
        names = {"embed.weight": "model.embed_tokens.weight", "norm.weight": "model.norm.weight",
                 "lm_head.weight": "model.embed_tokens.weight",
                 "attention_norm": "input_layernorm", "attention.": "self_attn.",
                 "feed_forward_norm": "post_attention_layernorm", "feed_forward.": "mlp.",
                 "layers.": "model.layers."}
        tensors = read_safetensors(folder / "model.safetensors")
        state = {}
        for name in module.state_dict():
            theirs = names.get(name, name)
            if theirs is name:
                for own in ("attention_norm", "attention.", "feed_forward_norm", "feed_forward.",
                            "layers."):
                    theirs = theirs.replace(own, names[own])
            tensor = tensors[theirs]
            state[name] = torch.frombuffer(bytearray(tensor.data),
                                           dtype=torch.float32).view(tensor.shape)
        module.load_state_dict(state)
        model = self.load(stc.from_torch(module, context=512, sample_tokens=64))
        prompt = golden["prompt_tokens"]
        self.assert_close([model.logits(prompt)], [golden["last_logits"]], 1e-3)
        want = golden["greedy_tokens"][len(prompt):]
        self.assertEqual(list(model.generate(prompt, len(want), ignore_eos=True).tokens), want)

    def test_names_of_weights(self):
        """Weights are those of the module, by its names; only what differs is new."""
        graph = stc.from_torch(TinyLlama(fused=True, layers=1), context=32)
        self.assertEqual({w.source for w in graph.weights.values()}, {
            "embed.weight", "lm_head.weight", "norm.weight", "layers.0.attention_norm.weight",
            "layers.0.feed_forward_norm.weight", *(f"layers.0.attention.{n}_proj.weight"
                                                   for n in "qkvo"),
            "layers.0.feed_forward.gate_up.part", "layers.0.feed_forward.gate_up.part_1",
            "layers.0.feed_forward.down_proj.weight"})
        self.assertIn("head.weight", stc.from_torch(Fused(), context=32).weights)

    def test_half_precision_weights_stay(self):
        module = TinyLlama(layers=1)
        for name, parameter in module.named_parameters():
            if name.endswith("_proj.weight"):
                parameter.data = parameter.data.bfloat16().float()
        want = stc.from_torch(module, context=32)
        module.layers[0].attention.q_proj.weight.data = \
            module.layers[0].attention.q_proj.weight.data.bfloat16()
        weight = stc.tensors.as_tensor(module.layers[0].attention.q_proj.weight)
        self.assertEqual((weight.dtype, weight.shape), ("BF16", (32, 32)))
        same = want.weights["layers.0.attention.q_proj"].tensor
        self.assertEqual(weight.data, b"".join(same.data[i + 2:i + 4]
                                               for i in range(0, len(same.data), 4)))

    def test_deep_modules(self):
        """Many more layers than Python's recursion allows frames for."""
        module = TinyLlama(hidden=8, heads=2, kv_heads=1, size=8, layers=50)
        for frontend in ("fx", "aten"):
            self.assertEqual(stc.from_torch(module, context=16, frontend=frontend).layers, 50)

    def test_the_module_is_left_alone(self):
        module = TinyLlama(layers=1)
        module.train()
        before = {name: value.clone() for name, value in module.state_dict().items()}
        arange, unpack = torch.arange, torch.fx.Proxy.__iter__
        stc.from_torch(module, context=16)
        self.assertTrue(module.training)
        self.assertTrue(all(torch.equal(value, before[name])
                            for name, value in module.state_dict().items()))
        self.assertTrue(all(not child._forward_hooks and not child._forward_pre_hooks
                            for child in module.modules()))
        self.assertEqual((torch.arange, torch.fx.Proxy.__iter__), (arange, unpack))


class Export(PackageTest):
    """torch.export itself is in no PyTorch that Debian has. What it returns is documented
    (https://pytorch.org/docs/stable/export.html): ATen operators, parameters and buffers as
    placeholders that the signature names, module paths in `nn_module_stack`. A stand-in of that
    form is made here from what ATen executes."""

    def export(self, module, arguments):
        from torch.fx.experimental.proxy_tensor import make_fx
        from torch.nn.utils.stateless import functional_call
        names = [name for name, _ in [*module.named_parameters(), *module.named_buffers()]]
        values = dict([*module.named_parameters(), *module.named_buffers()])

        def run(*inputs):
            return functional_call(module, dict(zip(names, inputs)), inputs[len(names):])
        graph = make_fx(run)(*[values[name].detach() for name in names], *arguments)
        placeholders = [n.target for n in graph.graph.nodes if n.op == "placeholder"]
        parameters = {p: n for p, n in zip(placeholders, names) if n in module.state_dict()}
        buffers = {p: n for p, n in zip(placeholders, names) if n not in module.state_dict()}
        for node in graph.graph.nodes:
            node.meta["nn_module_stack"] = {"a": ("", TinyLlama), "b": (
                "getattr(L['self'].layers, '1').attention", nn.Module)}
        signature = types.SimpleNamespace(inputs_to_parameters=parameters,
                                          inputs_to_buffers=buffers)
        return types.SimpleNamespace(graph_module=graph, graph=graph.graph,
                                     graph_signature=signature, state_dict=module.state_dict())

    def setUp(self):
        super().setUp()
        self.had = hasattr(torch, "export")
        if not self.had:
            torch.export = types.SimpleNamespace(export=self.export)

    def tearDown(self):
        if not self.had:
            del torch.export
        super().tearDown()

    def test_lifted_parameters(self):
        module = TinyLlama(bias=True)
        graph = stc.from_torch(module, context=32)  # which takes export where it is
        traced = stc.from_torch(module, context=32, frontend="fx")
        self.assertEqual(sorted(graph.weights), sorted(traced.weights))
        with torch.no_grad():
            want = module(torch.tensor([TOKENS]))[0]
        self.assert_close(self.load(graph).logits(TOKENS, all_positions=True), want.tolist(), 1e-5)

    def test_paths(self):
        class Odd(FeedForward):
            def forward(self, x):
                return super().forward(torch.erf(x))
        module = TinyLlama(layers=1)
        module.layers[0].feed_forward = Odd(32, 48, False)
        error = self.raises(stc.UnsupportedOperators, "erf", stc.from_torch, module, context=16)
        self.assertEqual(error.operators[0].module, "layers.1.attention")  # as the stand-in says


class Refusals(PackageTest):
    def refused(self, module, expected, **options):
        return self.raises(stc.StcError, expected, stc.from_torch, module, context=32, **options)

    def test_all_unknown_operators_are_listed(self):
        """One list, with the modules that use them."""
        class Odd(FeedForward):
            def forward(self, x):
                return super().forward(torch.cumsum(torch.erf(x), 1))
        module = TinyLlama(layers=3)
        module.layers[0].feed_forward = Odd(32, 48, False)
        module.layers[2].feed_forward = Odd(32, 48, False)
        module.norm = nn.Softplus()
        for frontend, names in (("fx", ("erf", "cumsum", "softplus")),
                                ("aten", ("aten::erf", "aten::cumsum", "aten::softplus"))):
            error = self.refused(module, "3 operators have no stc form", frontend=frontend)
            self.assertIsInstance(error, stc.UnsupportedOperators)
            self.assertEqual([(entry.operator, entry.module, entry.count)
                              for entry in error.operators],
                             [(names[0], "layers.*.feed_forward", 2),
                              (names[1], "layers.*.feed_forward", 2), (names[2], "norm", 1)])
            self.assertEqual(len(str(error).splitlines()), 4)

    def test_known_operators_in_unknown_patterns(self):
        def changed(module, **methods):
            for name, method in methods.items():
                setattr(type(module), name, method)
            return module

        class Base(TinyLlama):
            pass

        class Bidirectional(Base):
            def forward(self, tokens):
                x = self.embed(tokens)
                cos, sin = self.rotary(tokens.shape[1])
                for layer in self.layers:
                    x = layer(x, cos, sin, torch.zeros(1, 1))
                return self.lm_head(self.norm(x))
        self.refused(Bidirectional(), "matmul in layers.*attention: a causal mask is needed")

        class Biased(Base):
            def forward(self, tokens):
                length = tokens.shape[1]
                cos, sin = self.rotary(length)
                distance = torch.arange(length)[None] - torch.arange(length)[:, None]
                mask = torch.where(distance > 0, float("-inf"), 0.5 * distance.float())
                x = self.embed(tokens)
                for layer in self.layers:
                    x = layer(x, cos, sin, mask)
                return self.lm_head(self.norm(x))
        self.refused(Biased(), "a mask of zeros and large negative numbers is needed")

        class Last(Base):
            def forward(self, tokens):
                return super().forward(tokens)[:, -1]
        self.refused(Last(), "getitem in the module itself: all tokens are expected")

        class Hidden(Base):
            def forward(self, tokens):
                return self.norm(self.embed(tokens))
        self.refused(Hidden(), "logits of all tokens from a linear layer are expected")

        class Positions(Base):
            def forward(self, tokens):
                return self.lm_head(self.embed(tokens) + torch.ones(tokens.shape[1], 32))
        self.refused(Positions(), "add in the module itself: a constant is expected to be the bias")

        self.refused(Habits(repeat="all"), "each head for adjacent query heads", frontend="aten")

        class None_(Base):
            def forward(self, tokens):
                return self.lm_head(self.embed(tokens))
        self.refused(None_(), "expected at least one attention")

    def test_lengths(self):
        """What a module does only for long or short texts is noticed."""
        class Switch(TinyLlama):
            def forward(self, tokens):
                x = super().forward(tokens)
                return x if tokens.shape[1] > 9 else self.lm_head(self.embed(tokens))
        self.refused(Switch(), "one computation for texts of any length", frontend="aten")
        self.refused(TinyLlama(), "sample_tokens: expected a number from 4 to 32",
                     sample_tokens=33)

    def test_modules_that_cannot_be_traced(self):
        class Loops(TinyLlama):
            def forward(self, tokens):
                return super().forward(tokens) if tokens.shape[1] > 1 else tokens
        self.refused(Loops(), "torch.fx could not trace it", frontend="fx")
        self.assertEqual(stc.from_torch(Loops(), context=32).layers, 2)  # auto goes on to ATen

        class Broken(TinyLlama):
            def forward(self, tokens):
                raise RuntimeError("no such luck")
        self.refused(Broken(), "could not be run on \\[1, 32\\] token ids: no such luck")
        self.refused(nn.Linear(3, 3), "could not be run")
        self.refused(TinyLlama(), "expected one of auto, export, fx, aten", frontend="jit")
        if not hasattr(torch, "export"):
            self.refused(TinyLlama(), "expected PyTorch 2.1", frontend="export")

    def test_in_place_operators(self):
        """Taken where nobody sees the difference, refused where somebody might."""
        class Unseen(TinyLlama):
            def forward(self, tokens):
                x = self.embed(tokens)
                cos, sin = self.rotary(tokens.shape[1])
                mask = torch.full((tokens.shape[1],) * 2, float("-inf")).triu_(1)
                for layer in self.layers:
                    y = layer.attention(layer.attention_norm(x), cos, sin, mask)
                    y += x
                    x = y + layer.feed_forward(layer.feed_forward_norm(y))
                return self.lm_head(self.norm(x))
        self.assertEqual(stc.from_torch(Unseen(), context=32).layers, 2)

        class Seen(Unseen):
            def forward(self, tokens):
                x = self.embed(tokens)
                y = x.view(x.shape)
                x += 1.0
                return self.lm_head(self.norm(y))
        self.refused(Seen(), "aten::add_ in the module itself: not supported, as it changes",
                     frontend="aten")
        # torch.fx records a sum that is not in place: the trace is wrong.
        self.refused(Seen(), "a trace that computes what the module does", frontend="fx")

        class Stored(Unseen):
            def forward(self, tokens):
                x = torch.zeros(1, tokens.shape[1], 32)
                x[:, :] = self.embed(tokens)
                return self.lm_head(self.norm(x))
        self.refused(Stored(), "aten::copy_ in the module itself: not supported, as it changes",
                     frontend="aten")


class Readme(PackageTest):
    def test_code(self):
        self.run_readme(lambda code: "torch" in code)


class Constants(unittest.TestCase):
    def table(self, frequencies, positions=64, offset=0, scale=1.0):
        angles = (torch.arange(positions) + offset).float()[:, None] * torch.tensor(frequencies)
        return scale * angles.cos(), scale * angles.sin()

    def test_frequencies(self):
        powers = [10000.0 ** (-i / 8) for i in range(8)]
        self.assertEqual(frequencies_of(*self.table(powers, 4096)), tuple(powers))
        others = [0.9, 0.31, 0.017, 0.0]
        for got, want in zip(frequencies_of(*self.table(others, 4096)), others):
            self.assertAlmostEqual(got, want, delta=1e-6 * want + 1e-9)
        for options in (dict(offset=1), dict(scale=1.1)):
            with self.assertRaises(ConstantError):
                frequencies_of(*self.table(powers, **options))

    def test_masks(self):
        causal = torch.ones(16, 16, dtype=torch.bool).tril()
        self.assertEqual(visibility_of(causal).window, 0)
        window = causal & ~torch.ones(16, 16, dtype=torch.bool).tril(-5)
        self.assertEqual(visibility_of(window).window, 5)
        window[:, :2] = causal[:, :2]
        self.assertEqual((visibility_of(window).window, visibility_of(window).sinks), (5, 2))
        window[10, 7] = False
        with self.assertRaises(ConstantError):
            visibility_of(window)

    def test_layouts(self):
        rows = Layout.rows((1, 6, 12), 6, 12)
        heads = rows.view((1, 6, 3, 4)).permute((0, 2, 1, 3))
        self.assertEqual(heads.dims, ((), (Axis(3, 4),), (Axis(6, None),), (Axis(4, 1),)))
        self.assertEqual(heads.permute((0, 2, 1, 3)).view((6, 12)).dims,
                         ((Axis(6, None),), (Axis(12, 1),)))
        self.assertIsNone(heads.view((1, 18, 4)).view((2, 9, 4)))  # would part the tokens
        self.assertFalse(heads.permute((0, 2, 3, 1)).view((6, 12)).is_rows(12))
        self.assertIsNone(Layout.rows((1, 5, 12), 6, 12))
        repeated = rows.view((6, 3, 1, 4)).expand((6, 3, 2, 4)).view((6, 6, 4))
        self.assertEqual(repeated.dims[1], (Axis(3, 4), Axis(2, 0)))

    def test_paths_of_modules(self):
        captured = capture(TinyLlama(layers=2), 8, frontend="fx")
        paths = {node.module for node in captured.nodes if node.name == "softmax"}
        self.assertEqual(paths, {"layers.0.attention", "layers.1.attention"})


if __name__ == "__main__":
    unittest.main()
