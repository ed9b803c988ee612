"""gpt-oss: what it computes from MXFP4 and plain checkpoints and from GGUF, compressed, and cut."""
import json
import random
import re
import unittest

from family_base import VOCAB
from gpt_oss import EXPERTS, HIDDEN, SIZE, GptOss
from support import (BIN, TemporaryDirectoryTest, compile_model, interpret_logits, read_npy, run,
                     stc)
from test_export import read_safetensors
from test_precompressed import read_gguf

TOKENS = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2, 18]


def ids(tokens):
    return ",".join(map(str, tokens))


class GptOssTest(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.family = GptOss()
        self.tensors = self.family.tensors()

    def logits(self, binary):
        run(binary, "logits", "--tokens", ids(TOKENS), "-o", self.tmp / "logits.npy")
        return read_npy(self.tmp / "logits.npy")

    def assert_near(self, rows, expected, tolerance=1e-3):
        self.assertEqual(len(rows), len(expected))
        worst = max(abs(a - b) for row, want in zip(rows, expected) for a, b in zip(row, want))
        self.assertLess(worst, tolerance)

    def interpret(self, model, *passes):
        """The float64 interpreter's logits at the last position."""
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, "--stc-to-graph", *passes,
                     f"--stc-interpret=tokens={ids(TOKENS)} max=100000", "-o", "/dev/null")
        return [float(n) for n in result.stdout.decode().split("logits", 1)[1].split()]

    def containers(self):
        family, tensors = self.family, self.tensors
        yield "mxfp4", family.write(self.tmp / "mxfp4", tensors)
        yield "sharded", family.write(self.tmp / "sharded", tensors, shards=3)
        yield "plain", family.write(self.tmp / "plain", tensors, plain=True)
        yield "plain, sharded", family.write(self.tmp / "parts", tensors, plain=True, shards=2)
        yield "gguf", family.write_gguf(self.tmp / "model.gguf", tensors)


class Meaning(GptOssTest):
    def test_graph(self):
        """The imported graph means what was published, from every container."""
        want = self.family.forward(self.tensors, TOKENS)[-1]
        self.assertGreater(max(map(abs, want)), 0.5)
        for name, model in self.containers():
            with self.subTest(name):
                self.assert_near([self.interpret(model)], [want])

    def test_parts_matter(self):
        """Without the sinks, the limit, or yarn's fractional bounds it would be another model."""
        want = self.family.forward(self.tensors, TOKENS)[-1]
        for change in ("sinks", "limit", "bounds", "window"):
            family, tensors = GptOss(), dict(self.tensors)
            if change == "sinks":
                for name in tensors:
                    if name.endswith("sinks"):
                        tensors[name] = [-100.0] * len(tensors[name])
            elif change == "limit":
                family.config["swiglu_limit"] = 1000.0
            elif change == "bounds":
                family.config["rope_scaling"] = {**family.config["rope_scaling"], "truncate": True}
            else:
                family.config["layer_types"] = ["full_attention", "full_attention"]
            with self.subTest(change):
                got = self.interpret(family.write(self.tmp / "other", tensors))
                self.assertGreater(max(abs(a - b) for a, b in zip(got, want)), 1e-2)

    def test_compiled(self):
        want = self.family.forward(self.tensors, TOKENS)
        for name, model in self.containers():
            with self.subTest(name):
                # Codes that are kept would meet activations of eight bits.
                binary = compile_model(model, self.tmp / "m", "--quantize", "none")
                self.assert_near(self.logits(binary), want)
        result = run(binary, "run", "--tokens", ids(TOKENS), "-n", 4, "--temperature", "0",
                     "--ignore-eos", "--print-tokens", "--quiet")
        tokens = list(TOKENS)
        for _ in range(4):
            last = self.family.forward(self.tensors, tokens)[-1]
            tokens.append(max(range(VOCAB), key=last.__getitem__))
        self.assertEqual([int(t) for t in result.stdout.split()], tokens[len(TOKENS):])


class Compressed(GptOssTest):
    def layouts(self, binary):
        layers = json.loads(stc("inspect", binary, "--json").stdout)["layers"]
        return {layer["name"]: layer["layout"] for layer in layers}

    def test_codes_are_kept(self):
        """MXFP4 numbers are codes of int8-g32 with the same values, to the last digit."""
        compressed = self.family.write(self.tmp / "mxfp4", self.tensors)
        plain = self.family.write(self.tmp / "plain", self.tensors, plain=True)
        self.assertEqual(self.interpret(compressed, "--stc-adopt-codes"), self.interpret(plain))
        result = stc("compile", compressed, "-o", self.tmp / "m")
        count = 2 * EXPERTS * 3
        self.assertRegex(result.stderr.decode(),
                         rf"the checkpoint's codes of {count} matrices are kept: .*int8-g32\n")
        experts = {layout for name, layout in self.layouts(self.tmp / "m").items()
                   if ".experts." in name and not name.endswith("_bias")}
        self.assertEqual(experts, {"dense-int8-g32"})

    def test_scales_beyond_half(self):
        """What f16 cannot scale becomes floats, and a warning says so."""
        for layer in range(self.family.layers):
            for matrix in self.tensors[f"model.layers.{layer}.mlp.experts.down_proj"]:
                matrix.scales = [[scale - 40 for scale in row] for row in matrix.scales]
        model = self.family.write(self.tmp / "mxfp4", self.tensors)
        result = stc("compile", model, "-o", self.tmp / "m.mlir", "--emit=mlir:compressed")
        self.assertRegex(result.stderr.decode(), r"codes of 20 matrices are kept")
        self.assertRegex(result.stderr.decode(),
                         r"warning: 10 matrices are stored with scales too small for f16, which no "
                         r"layout holds")

    def test_interpreter(self):
        """Binaries agree with the interpreter on the compressed weights."""
        plain = self.family.write(self.tmp / "plain", self.tensors, plain=True)
        for prune, quantize in (("2:4", "none"), ("none", "int8"), ("2:4", "int4")):
            with self.subTest(prune=prune, quantize=quantize):
                binary = compile_model(plain, self.tmp / "m", "--prune", prune, "--quantize",
                                       quantize, "--head", "none")
                expected = interpret_logits(plain, self.tmp / "m.mlir", prune, quantize, TOKENS)
                # Of int8 activations, one on a rounding boundary may move by one step.
                tolerance = 1e-5 if quantize == "none" else 2e-2
                self.assert_near(self.logits(binary)[-1:], [expected],
                                 tolerance * max(map(abs, expected)))

    def text(self):
        generator = random.Random(5)
        path = self.tmp / "text.ids"
        path.write_text(" ".join(str(generator.randrange(VOCAB)) for _ in range(32 * 32)))
        return path

    def test_fewer_experts(self):
        """Whole experts go with their biases and their rows of the router."""
        model = self.family.write(self.tmp / "hf", self.tensors)
        binary = compile_model(model, self.tmp / "m", "--quantize", "none", "--prune-experts", 0.4,
                               "--calibrate", self.text(), "--calibrate-sequences", 16,
                               "--calibrate-length", 32)
        shapes = {layer["name"]: layer["shape"]
                  for layer in json.loads(stc("inspect", binary, "--json").stdout)["layers"]}
        for layer in range(self.family.layers):
            self.assertEqual(shapes[f"layers.{layer}.router"], [3, HIDDEN])
            left = {match[1] for name in shapes
                    if (match := re.match(rf"layers\.{layer}\.experts\.(\d+)\.", name))}
            self.assertEqual(len(left), 3)

    def test_repaired_experts(self):
        """Experts that are left are fitted to what all gave, on the text that they are fitted to."""
        for name in self.tensors:
            if name.endswith("down_proj_bias"):
                self.tensors[name] = [[10 * x for x in row] for row in self.tensors[name]]
        model = self.family.write(self.tmp / "hf", self.tensors)
        text = self.text()
        tokens = [int(t) for t in text.read_text().split()]
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")

        def logits(*passes):
            rows = []
            for start in range(0, 6 * 32, 32):
                result = run(BIN / "stc-opt", module, "--stc-to-graph", *passes,
                             f"--stc-interpret=tokens={ids(tokens[start:start + 24])} max=100000",
                             "-o", "/dev/null")
                rows += [float(n) for n in result.stdout.decode().split("logits", 1)[1].split()]
            return rows

        want = logits()
        losses = []
        for repair in ("true", "false"):
            got = logits(f"--stc-prune-structure=experts=0.4 calibrate={text} sequences=32 length=32 "
                         f"repair={repair}")
            losses.append(sum((a - b) ** 2 for a, b in zip(got, want)))
        self.assertLess(losses[0], 0.9 * losses[1])

    def test_parts_that_do_nothing(self):
        """Without experts that no token chooses and heads that nothing reads, all is as before."""
        for layer in range(self.family.layers):
            p = f"model.layers.{layer}."
            self.tensors[p + "mlp.router.bias"] = [-100.0, 0.1, 0.2, -100.0, 0.3]
            for row in self.tensors[p + "self_attn.o_proj.weight"]:
                for head in (0, 2):
                    row[head * 16:(head + 1) * 16] = [0.0] * 16
        model = self.family.write(self.tmp / "hf", self.tensors)
        want = self.logits(compile_model(model, self.tmp / "m", "--quantize", "none"))
        calibrate = ("--calibrate", self.text(), "--calibrate-sequences", 8, "--calibrate-length", 32,
                     "--no-repair", "--quantize", "none")
        for cut in (("--prune-experts", 0.4), ("--prune-heads", 0.5)):
            with self.subTest(cut):
                binary = compile_model(model, self.tmp / "m", *cut, *calibrate)
                self.assert_near(self.logits(binary), want, 1e-5)

    def test_rotated(self):
        """Rotations of the hidden state pass through biases of experts and heads with sinks."""
        model = self.family.write(self.tmp / "hf", self.tensors)
        binary = compile_model(model, self.tmp / "m", "--quantize", "none", "--rotate")
        self.assert_near(self.logits(binary), self.family.forward(self.tensors, TOKENS))

    def test_exported(self):
        """As GGUF, where MXFP4 becomes Q8_0 of the same values; as safetensors with plain experts,
        stacked, transposed, and gates and ups in turn as before."""
        want = self.interpret(self.family.write(self.tmp / "plain", self.tensors, plain=True))
        for plain in (False, True):
            model = self.family.write(self.tmp / "hf", self.tensors, plain=plain)
            out = self.tmp / "out.gguf"
            stc("compile", model, "-o", out, "--emit=gguf", "--quiet")
            self.assert_near([self.interpret(out)], [want], 1e-5)
            _, infos, _ = read_gguf(out)
            types = {name.decode(): kind for name, _, kind, _ in infos}
            bf16, q8_0 = 30, 8
            self.assertEqual(types["blk.1.ffn_up_exps.weight"], bf16 if plain else q8_0)
            out = self.tmp / "out"
            result = stc("compile", model, "-o", out, "--emit=safetensors", "--quiet", check=plain)
            if plain:
                self.assertEqual(read_safetensors(out / "model.safetensors"),
                                 read_safetensors(model / "model.safetensors"))
                self.assert_near([self.interpret(out)], [want], 1e-5)
                pruned = self.tmp / "pruned"
                stc("compile", model, "-o", pruned, "--emit=safetensors", "--quiet", "--prune",
                    "2:4")
                self.assert_near([self.interpret(pruned)],
                                 [self.interpret(model, "--stc-prune=spec=2:4")], 1e-5)
                continue
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr.decode(), r"gate_up_proj\[0\]: expected no codes, .* "
                             r"Linear alone.*, got .*int8-g32\n$")
            self.assertFalse(out.exists())


class BadInput(GptOssTest):
    def refuse(self, expected, *, change=None, config=None, plain=False, without=()):
        family = GptOss(**(config or {}))
        model = family.write(self.tmp / "hf", self.tensors, plain=plain, change=change,
                             without=without)
        result = stc("compile", model, "-o", self.tmp / "bad", check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertRegex(lines[0], expected)
        self.assertFalse((self.tmp / "bad").exists())

    def test_tensors(self):
        experts = "model.layers.1.mlp.experts."
        self.refuse(r"layers\.1\.self_attn\.sinks: expected shape \[4\], got no such tensor",
                    without=["model.layers.1.self_attn.sinks"])
        self.refuse(r"gate_up_proj_scales: expected the scales of the blocks, got no such tensor",
                    without=[experts + "gate_up_proj_scales"])
        self.refuse(rf"down_proj_scales: expected U8 \[5, 32, 2\], got U8 \[5, 32, 1\]",
                    change={experts + "down_proj_scales": ("U8", [5, HIDDEN, 1], bytes(5 * HIDDEN))})
        self.refuse(r"down_proj_blocks: expected U8 \[experts, rows, columns / 32, 16\], got",
                    change={experts + "down_proj_blocks": ("U8", [5, HIDDEN, SIZE // 2],
                                                           bytes(5 * HIDDEN * SIZE // 2))})
        self.refuse(r"down_proj_blocks: expected no plain .*down_proj beside it, got one",
                    change={experts + "down_proj": ("BF16", [5, SIZE, HIDDEN],
                                                    bytes(10 * SIZE * HIDDEN))})
        self.refuse(r"down_proj_scales: expected finite scales, got nan",
                    change={experts + "down_proj_scales": ("U8", [5, HIDDEN, 2],
                                                           b"\xff" * 5 * HIDDEN * 2)})
        self.refuse(r"gate_up_proj\[0\]: expected shape \[32, 128\], got \[128, 32\]", plain=True,
                    change={"model.layers.0.mlp.experts.gate_up_proj":
                            ("BF16", [5, 2 * SIZE, HIDDEN], bytes(5 * 2 * SIZE * HIDDEN * 2))})
        self.refuse(r"gate_up_proj_bias\[4\]: expected shape \[128\], got no such tensor", plain=True,
                    change={"model.layers.0.mlp.experts.gate_up_proj_bias":
                            ("F32", [4, 2 * SIZE], bytes(4 * 4 * 2 * SIZE))})

    def test_configuration(self):
        self.refuse(r"attention_bias: expected true .*, got false", config={"attention_bias": False})
        self.refuse(r"expected silu, got gelu", config={"hidden_act": "gelu"})
        self.refuse(r"gate limit: expected a finite number above 0, got -7",
                    config={"swiglu_limit": -7.0})
        self.refuse(r"layer_types: expected a list of 2, got 3",
                    config={"layer_types": ["full_attention"] * 3})


if __name__ == "__main__":
    unittest.main()
