"""Mixtures of experts: what they compute from either container, compressed, and with fewer experts."""
import json
import random
import re
import unittest

from mixtures import (GGUF_NAMES, GGUF_NORMALIZED, KINDS, forward, make_mixture, write_gguf,
                      write_hugging_face)
from support import (BIN, SHARED, TemporaryDirectoryTest, compile_model, golden, interpret_logits,
                     needs_shared, read_npy, run, stc)
from test_precompressed import read_gguf

TOKENS = [1, 7, 30, 12, 12, 45, 3, 22, 9]


def ids(tokens):
    return ",".join(map(str, tokens))


class Mixtures(TemporaryDirectoryTest):
    def logits(self, binary, tokens, *options):
        run(binary, "logits", "--tokens", ids(tokens), "-o", self.tmp / "logits.npy", *options)
        return read_npy(self.tmp / "logits.npy")

    def interpret(self, model, *passes):
        """The float64 interpreter's logits at the last position."""
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, "--stc-to-graph", *passes,
                     f"--stc-interpret=tokens={ids(TOKENS)} max=100000", "-o", "/dev/null")
        return [float(n) for n in result.stdout.decode().split("logits", 1)[1].split()]

    def assert_near(self, rows, expected, tolerance=1e-3):
        self.assertEqual(len(rows), len(expected))
        worst = max(abs(a - b) for row, want in zip(rows, expected) for a, b in zip(row, want))
        self.assertLess(worst, tolerance)

    def check_decoding(self, binary, tokens, rows):
        """Token by token gives what all at once gives: the most likely token after each prefix."""
        for end in range(1, len(tokens) + 1):
            result = run(binary, "run", "--tokens", ids(tokens[:end]), "-n", 2, "--temperature", "0",
                         "--ignore-eos", "--print-tokens", "--quiet")
            first, second = (int(t) for t in result.stdout.split())
            self.assertEqual(first, max(range(len(rows[end - 1])), key=rows[end - 1].__getitem__))
            again = self.logits(binary, tokens[:end] + [first])[-1]
            self.assertEqual(second, max(range(len(again)), key=again.__getitem__))

    def test_both_containers(self):
        for kind in KINDS:
            for normalized in (True,) if kind == "mixtral" else (False, True):
                with self.subTest(kind=kind, normalized=normalized):
                    config, weights = make_mixture(kind, normalized=normalized)
                    expected = forward(config, weights, TOKENS)
                    model = write_hugging_face(self.tmp / "hf", config, weights)
                    binary = compile_model(model, self.tmp / "m")
                    for threads in (1, 3):
                        self.assert_near(self.logits(binary, TOKENS, "--threads", threads), expected)
                    self.check_decoding(binary, TOKENS[:4], expected)
                    if normalized == GGUF_NORMALIZED[kind]:
                        gguf = write_gguf(self.tmp / "m.gguf", config, weights)
                        self.assert_near(self.logits(compile_model(gguf, self.tmp / "g"), TOKENS),
                                         expected)

    def test_one_expert_of_many(self):
        config, weights = make_mixture("mixtral", experts=17, per_token=1, layers=3)
        model = write_hugging_face(self.tmp / "hf", config, weights)
        binary = compile_model(model, self.tmp / "m")
        self.assert_near(self.logits(binary, TOKENS), forward(config, weights, TOKENS))
        # A token reads the one expert it chooses, of every layer.
        layers = json.loads(stc("inspect", binary, "--json").stdout)["layers"]
        experts = sum(layer["bytes"] for layer in layers if ".experts." in layer["name"])
        others = sum(layer["bytes"] for layer in layers if ".experts." not in layer["name"]
                     and layer["name"] != "embed")
        info = json.loads(run(binary, "info", "--json").stdout)
        self.assertAlmostEqual(info["weight_bytes_per_token"], others + experts / 17, delta=1)
        # The binary keeps that for each tensor, for GPUs without room for all.
        runs = re.search(rb"\nweight_reads = ([0-9.*,]+)\n", binary.read_bytes()).group(1)
        shares = []
        for run_of in runs.decode().split(","):
            count, share = run_of.split("*")
            shares += int(count) * [float(share)]
        self.assertEqual(len(shares), len(layers))
        for layer, share in zip(layers, shares):
            name = layer["name"]
            expected = 1 / 17 if ".experts." in name else 0 if name == "embed" else 1
            self.assertAlmostEqual(share, expected, places=6, msg=name)

    def test_dense_layers(self):
        """Layers without experts between those with."""
        for kind in ("qwen2_moe", "qwen3_moe"):
            for step, dense in ((2, ()), (1, (0, 2)), (2, (1,)), (1, (0, 1, 2))):
                with self.subTest(kind=kind, step=step, dense=dense):
                    config, weights = make_mixture(kind, layers=3, step=step, dense=dense)
                    model = write_hugging_face(self.tmp / "hf", config, weights)
                    self.assert_near([self.interpret(model)],
                                     forward(config, weights, TOKENS)[-1:])
                    if dense == (1,):
                        binary = compile_model(model, self.tmp / "m")
                        self.assert_near(self.logits(binary, TOKENS),
                                         forward(config, weights, TOKENS))
        # A tensor of the other kind of layer is one too many.
        config["mlp_only_layers"] = [0, 1]
        write_hugging_face(model, config, weights)
        result = stc("compile", model, "-o", self.tmp / "bad", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr.decode(),
                         r"layers\.2\.mlp\.gate\.weight: expected shape \[4, 32\], got no such tensor")

    def test_dense_layers_compressed(self):
        config, weights = make_mixture("qwen3_moe", layers=3, step=2)
        model = write_hugging_face(self.tmp / "hf", config, weights)
        binary = compile_model(model, self.tmp / "m", "--prune", "2:4", "--quantize", "int4",
                               "--head", "none")
        expected = interpret_logits(model, self.tmp / "m.mlir", "2:4", "int4", TOKENS)
        self.assert_near(self.logits(binary, TOKENS)[-1:], [expected],
                         2e-2 * max(map(abs, expected)))
        # Cutting experts leaves the dense layers alone.
        text = self.text()
        cut = compile_model(model, self.tmp / "m", "--prune-experts", 0.5, "--calibrate", text,
                            "--calibrate-sequences", 16, "--calibrate-length", 32)
        shapes = {layer["name"]: layer["shape"]
                  for layer in json.loads(stc("inspect", cut, "--json").stdout)["layers"]}
        self.assertEqual(shapes["layers.1.router"], [2, 32])
        self.assertEqual(shapes["layers.0.gate"], [128, 32])

    def test_exported(self):
        """Written as either container and compiled again, a mixture computes the same."""
        for kind in KINDS:
            config, weights = make_mixture(kind, shared=64, normalized=GGUF_NORMALIZED[kind])
            model = write_hugging_face(self.tmp / "hf", config, weights)
            for spec in ("none", "int4-g32", "int8-g32"):
                for emit, name in (("gguf", "out.gguf"), ("safetensors", f"out-{kind}-{spec}")):
                    with self.subTest(kind=kind, spec=spec, emit=emit):
                        out = self.tmp / name
                        stc("compile", model, "-o", out, f"--emit={emit}", "--quiet", "--quantize",
                            spec, "--head", "none")
                        passes = () if spec == "none" else (f"--stc-quantize=spec={spec}",)
                        self.assert_near([self.interpret(out)], [self.interpret(model, *passes)],
                                         1e-6)
                        if emit == "safetensors":
                            continue
                        # Experts of a layer are one tensor, under llama.cpp's name.
                        metadata, infos, _ = read_gguf(out)
                        shapes = {info[0].decode(): info[1] for info in infos}
                        self.assertEqual(shapes["blk.1.ffn_gate_exps.weight"], [32, 32, 4])
                        self.assertEqual(shapes["blk.1.ffn_gate_inp.weight"], [32, 4])
                        if kind == "qwen2_moe":
                            self.assertEqual(shapes["blk.1.ffn_gate_inp_shexp.weight"], [32])
                        prefix = GGUF_NAMES[kind].encode() + b"."
                        for key, value in (("expert_count", 4), ("expert_used_count", 2),
                                           ("expert_feed_forward_length", 32)):
                            self.assertEqual(int.from_bytes(metadata[prefix + key.encode()][1],
                                                            "little"), value)
                        # And what was written is written again the same.
                        again = self.tmp / "again.gguf"
                        stc("compile", out, "-o", again, "--emit=gguf", "--quiet")
                        self.assertEqual(read_gguf(again)[1:], read_gguf(out)[1:])

    def test_not_exported(self):
        """What GGUF cannot say is refused."""
        def refuse(expected, config, weights, *options):
            model = write_hugging_face(self.tmp / "hf", config, weights)
            result = stc("compile", model, "-o", self.tmp / "bad.gguf", "--emit=gguf", *options,
                         check=False)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr.decode().strip().splitlines()[-1], expected)
            self.assertFalse((self.tmp / "bad.gguf").exists())

        refuse(r"expected layers, attention and gates as GGUF takes them to be, .* got one of olmoe",
               *make_mixture("olmoe", normalized=True))
        refuse(r"expected layers, attention and gates as GGUF takes them to be, .* got one of qwen3_moe",
               *make_mixture("qwen3_moe", step=2, normalized=True))
        recipe = self.tmp / "recipe.yaml"
        recipe.write_text("version: 1\nstages:\n  - match: '*.experts.2.up'\n"
                          "    quantize: int8-g32\n")
        refuse(r"ffn_up_exps\.weight\[2\]: expected the type of the layer's other experts, F32, with "
               r"which they are one tensor, got Q8_0", *make_mixture("mixtral"), "--recipe", recipe)

    def test_rotated(self):
        """Rotations of the hidden state pass through experts."""
        for kind in ("qwen2_moe", "qwen3_moe"):
            config, weights = make_mixture(kind)
            model = write_hugging_face(self.tmp / "hf", config, weights)
            self.assert_near(self.logits(compile_model(model, self.tmp / "m", "--rotate"), TOKENS),
                             forward(config, weights, TOKENS))

    @needs_shared
    def test_golden(self):
        g = golden("tiny-mixtral")
        binary = compile_model(SHARED / "models" / "tiny-mixtral", self.tmp / "m")
        rows = self.logits(binary, g["tokens"])
        self.assert_near([rows[-1], rows[0]], [g["last_logits"], g["first_logits"]])
        self.assertEqual([max(range(len(row)), key=row.__getitem__) for row in rows],
                         g["argmax_per_position"])
        count = len(g["greedy_tokens"]) - len(g["tokens"])
        result = run(binary, "run", "--tokens", ids(g["tokens"]), "-n", count, "--temperature", "0",
                     "--ignore-eos", "--print-tokens", "--quiet")
        self.assertEqual([int(t) for t in result.stdout.split()],
                         g["greedy_tokens"][len(g["tokens"]):])

    def test_compressed(self):
        """The binary agrees with the interpreter on the compressed weights."""
        for kind in KINDS:
            config, weights = make_mixture(kind)
            model = write_hugging_face(self.tmp / "hf", config, weights)
            for prune, quantize in (("2:4", "none"), ("none", "int8"), ("2:4", "int4")):
                with self.subTest(kind=kind, prune=prune, quantize=quantize):
                    binary = compile_model(model, self.tmp / "m", "--prune", prune, "--quantize",
                                           quantize, "--head", "none")
                    expected = interpret_logits(model, self.tmp / "m.mlir", prune, quantize, TOKENS)
                    # Of int8 activations, one on a rounding boundary may move by one step.
                    tolerance = 1e-5 if quantize == "none" else 2e-2
                    self.assert_near(self.logits(binary, TOKENS)[-1:], [expected],
                                     tolerance * max(map(abs, expected)))

    def text(self, vocab=48):
        generator = random.Random(5)
        path = self.tmp / "text.ids"
        path.write_text(" ".join(str(generator.randrange(vocab)) for _ in range(32 * 32)))
        return path

    def test_calibrated(self):
        """Experts are compressed on the tokens that chose them, and so lose less."""
        config, weights = make_mixture("mixtral")
        model = write_hugging_face(self.tmp / "hf", config, weights)
        plain = compile_model(model, self.tmp / "plain")
        text = self.text()
        calibrate = ("--calibrate", text, "--calibrate-sequences", 16, "--calibrate-length", 32)
        losses = []
        for options in (("--prune", "magnitude:2:4"), ("--prune", "2:4", *calibrate)):
            binary = compile_model(model, self.tmp / "m", *options)
            losses.append(self.divergence(binary, plain, text))
        self.assertLess(losses[1], 0.7 * losses[0])

    def divergence(self, binary, plain, text):
        result = stc("eval", binary, "--tokens-file", text, "--reference", plain, "--context", 32, "--json")
        return json.loads(result.stdout)["kl"]

    def test_fewer_experts(self):
        config, weights = make_mixture("mixtral", experts=6, layers=3)
        model = write_hugging_face(self.tmp / "hf", config, weights)
        plain = compile_model(model, self.tmp / "plain")
        text = self.text()
        cut = ("--prune-experts", 0.34, "--calibrate", text, "--calibrate-sequences", 16,
               "--calibrate-length", 32)
        losses = []
        for repair in ((), ("--no-repair",)):
            binary = compile_model(model, self.tmp / "m", *cut, *repair)
            losses.append(self.divergence(binary, plain, text))
            shapes = {layer["name"]: layer["shape"]
                      for layer in json.loads(stc("inspect", binary, "--json").stdout)["layers"]}
            for layer in range(3):
                self.assertEqual(shapes[f"layers.{layer}.router"], [4, 32])
                names = {match[1] for name in shapes
                         if (match := re.match(rf"layers\.{layer}\.experts\.(\d+)\.", name))}
                self.assertEqual(len(names), 4)
        self.assertLess(losses[0], 0.85 * losses[1])

    def test_experts_that_no_token_chose(self):
        config, weights = make_mixture("mixtral", experts=24, per_token=1, layers=1)
        model = write_hugging_face(self.tmp / "hf", config, weights)
        text = self.tmp / "few.ids"
        text.write_text(" ".join("5" for _ in range(64)))
        result = stc("compile", model, "-o", self.tmp / "m", "--prune", "2:4", "--quantize",
                     "int4-g32", "--calibrate", text, "--calibrate-sequences", 2,
                     "--calibrate-length", 32)
        self.assertRegex(result.stderr.decode(),
                         r"warning: .*layers.0.experts.\d+.gate: no token of the calibration text")
        layers = json.loads(stc("inspect", self.tmp / "m", "--json").stdout)["layers"]
        experts = [layer for layer in layers if ".experts." in layer["name"]]
        self.assertEqual(len(experts), 3 * 24)
        self.assertEqual({(layer["pattern"], layer["bits"]) for layer in experts}, {("2:4", 5)})

    def test_bad_input(self):
        config, weights = make_mixture("mixtral", layers=1)
        model = self.tmp / "hf"

        def refuse(expected, change=None, *options, without=None):
            kept = {name: value for name, value in weights.items() if name != without}
            write_hugging_face(model, {**config, **(change or {})}, kept)
            result = stc("compile", model, "-o", self.tmp / "bad", *options, check=False)
            self.assertEqual(result.returncode, 1)
            lines = result.stderr.decode().strip().splitlines()
            self.assertEqual(len(lines), 1, lines)
            self.assertRegex(lines[0], expected)
            self.assertFalse((self.tmp / "bad").exists())

        refuse(r"num_experts_per_tok: expected a size from 1 to 4, got 9",
               {"num_experts_per_tok": 9})
        refuse(r"num_local_experts: expected a size of 1 or more, got 0", {"num_local_experts": 0})
        refuse(r"moe\.gate\.weight: expected shape \[5, 32\], got \[4, 32\]",
               {"num_local_experts": 5})
        refuse(r"experts\.3\.w2\.weight: expected shape \[32, 32\], got no such tensor",
               without="model.layers.0.block_sparse_moe.experts.3.w2.weight")
        refuse(r"experts: expected a share that leaves the 2 experts that each token goes through, "
               r"got 0\.75, which leaves 1", None, "--prune-experts", 0.75)
        refuse(r"channels: expected layers with feed-forward channels that can be cut \(those of "
               r"experts cannot\), got none", None, "--prune-channels", 0.25)
        refuse(r"mlp_only_layers: expected layers from 0 to 0, got 1",
               {"model_type": "qwen2_moe", "mlp_only_layers": [1], "num_experts": 4})
        refuse(r"decoder_sparse_step: expected a number of 1 or more, got 0",
               {"model_type": "qwen3_moe", "decoder_sparse_step": 0, "num_experts": 4})
        refuse(r"decoder_sparse_step: expected experts in every layer of olmoe, got 2",
               {"model_type": "olmoe", "decoder_sparse_step": 2, "num_experts": 4})


if __name__ == "__main__":
    unittest.main()
