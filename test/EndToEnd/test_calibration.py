"""Compression on calibration text, from the command line: what it gives, and bad input."""
import json
import os
import random
import re
import unittest

from support import (BIN, BOOKS, ROOT, SHARED, TemporaryDirectoryTest, compile_model, make_llama,
                     needs_shared, run, stc)

SMALL = ("--calibrate-sequences", "24", "--calibrate-length", "128")


class Calibration(TemporaryDirectoryTest):
    def perplexity(self, *options):
        binary = compile_model(BOOKS, self.tmp / "books", *options)
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:30000])
        result = run(binary, "eval", "--text", text, "--context", "256", "--json")
        return json.loads(result.stdout)["perplexity"]

    def test_calibration_beats_what_knows_no_inputs(self):
        for options in (("--quantize", "int3"), ("--prune", "2:4"),
                        ("--prune", "0.5", "--quantize", "int4-g128")):
            with self.subTest(options=options):
                plain = self.perplexity(*options)
                calibrated = self.perplexity(*options, "--calibrate", "default", *SMALL)
                source = self.perplexity()
                # At least a third of what was lost comes back, even with so little text.
                self.assertLess(calibrated - source, (plain - source) * 2 / 3)

    def test_the_same_binary_again_for_any_number_of_threads(self):
        options = ("--prune", "4:8", "--quantize", "int4", "--calibrate", "default", *SMALL)
        one = compile_model(BOOKS, self.tmp / "one", *options, "--threads", "1")
        two = compile_model(BOOKS, self.tmp / "two", *options, "--threads", "2")
        self.assertEqual(json.loads(stc("inspect", one, "--json").stdout)["layers"],
                         json.loads(stc("inspect", two, "--json").stdout)["layers"])
        for binary in (one, two):
            run(binary, "logits", "--tokens", "1,2,3,4", "-o", str(binary) + ".npy")
        self.assertEqual((self.tmp / "one.npy").read_bytes(), (self.tmp / "two.npy").read_bytes())

    def test_models_without_a_tokenizer_take_token_ids(self):
        model = make_llama(self.tmp / "llama", layers=1, hidden=64, ffn=96, vocab=320)
        ids = self.tmp / "text.ids"
        random.seed(1)
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(2000)))
        result = stc("compile", model, "-o", self.tmp / "model", "--calibrate", ids,
                     "--quantize", "int4", "--prune", "wanda:2:4", *SMALL, "--verbose")
        self.assertRegex(result.stderr.decode(), r"remark: layers\.0\.q: pruned as wanda:2:4")
        refused = stc("compile", model, "-o", self.tmp / "other", "--calibrate", "default",
                      "--quantize", "int4", check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("default: expected a file of token ids (.ids), as the model has no tokenizer",
                      refused.stderr.decode())
        self.assertFalse((self.tmp / "other").exists())

    def compressed(self, *options):
        """The weights of the compressed phase, {name: text}, and the warnings on the way."""
        result = stc("compile", BOOKS, "--emit=mlir:compressed", "-o", self.tmp / "books.mlir",
                     *options)
        weights = re.findall(r"stc\.weight @(layers\.\d\.(?:[qkvo]|gate|up|down)) (.*)",
                             (self.tmp / "books.mlir").read_text())
        self.assertEqual(len(weights), 6 * 7)
        return dict(weights), [line for line in result.stderr.decode().splitlines()
                               if line.startswith("warning")]

    def test_owl_moves_zeros_to_layers_without_outliers(self):
        means = {}
        for ratios in "uniform", "owl":
            weights, _ = self.compressed("--prune", "wanda:0.7", "--quantize", "int8", *SMALL,
                                         "--calibrate", "default", "--ratios", ratios)
            layers = [[], [], [], [], [], []]
            for name, text in weights.items():
                rows, columns = map(int, re.search(r"tensor<(\d+)x(\d+)x", text).groups())
                density = float(re.search(r"density = ([\d.e-]+)", text)[1])
                layers[int(name[7])].append((rows * columns, density))
            densities = [sum(n * density for n, density in weights) / sum(n for n, _ in weights)
                         for weights in layers]
            means[ratios] = sum(densities) / 6  # the layers are equal
            spread = max(densities) - min(densities)
            self.assertTrue(0.08 < spread < 0.17 if ratios == "owl" else spread < 0.001, densities)
        self.assertAlmostEqual(means["owl"], means["uniform"], delta=0.005)

    def test_excluded_weights_stay_as_they_are(self):
        # Calibrated or not, structure or values.
        for options in (("--quantize", "int4", "--prune", "2:4"),
                        ("--quantize", "int4", "--calibrate", "default", *SMALL),
                        ("--prune-channels", "0.25")):
            with self.subTest(options=options):
                plain, warnings = self.compressed("--quantize", "none")
                self.assertEqual(warnings, [])
                weights, warnings = self.compressed(
                    *options, "--exclude", "layers.{0,2}.gate,*.dwn", "--exclude=layers.[03].up")
                self.assertEqual(warnings, ["warning: exclude: '*.dwn' matches no weight; "
                                            "the nearest is layers.0.down"])
                kept = {name for name, text in weights.items() if plain[name] == text}
                excluded = {"layers.0.gate", "layers.2.gate", "layers.0.up", "layers.3.up"}
                if "--quantize" in options:
                    self.assertEqual(kept, excluded)
                else:  # the feed-forward networks of three layers are whole
                    mlp = {name for name in weights if name.split(".")[2] in ("gate", "up", "down")}
                    self.assertEqual(kept & mlp, {name for name in mlp if name[7] in "023"})

    def test_excluded_weights_are_part_of_the_cache_key(self):
        environment = {**os.environ, "XDG_CACHE_HOME": str(self.tmp)}
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:1500])
        perplexities = set()
        for exclude in (("--exclude", "*.down"), ("--exclude=*.down,*.up",)):
            result = stc("eval", BOOKS, "--quantize", "int2", *exclude, "--text", text, "--json",
                         env=environment)
            perplexities.add(json.loads(result.stdout)["perplexity"])
        self.assertEqual(len(perplexities), 2)
        self.assertEqual(sum(p.is_file() for p in (self.tmp / "stc").iterdir()), 2)

    def test_few_tokens_are_no_worse_than_none(self):
        # 512 tokens for matrices of up to 768 columns: fitted to these alone, the model would lose
        # more than by magnitudes.
        graph, text = self.tmp / "graph.mlir", self.tmp / "text.txt"
        stc("compile", BOOKS, "--emit=mlir:graph", "-o", graph, "--quiet")
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:6000])
        kl = {}
        for method in "magnitude:2:4", "sparsegpt:2:4", "alps:2:4":
            compress = "--stc-prune=spec=magnitude:2:4" if method.startswith("magnitude") else (
                f"--stc-compress-layers=calibrate=default sequences=2 length=256 prune={method}")
            result = run(BIN / "stc-opt", graph, "-o", "/dev/null", compress,
                         f"--stc-measure-divergence=text={text}")
            kl[method] = float(re.search(r" KL ([\d.]+)", result.stderr.decode())[1])
        self.assertLess(kl["sparsegpt:2:4"], kl["magnitude:2:4"])
        self.assertLess(kl["alps:2:4"], kl["magnitude:2:4"])

    @needs_shared
    def test_fitted_biases_lower_the_loss_and_reach_the_binary(self):
        model = SHARED / "models" / "tiny-qwen2"
        random.seed(2)
        texts = []
        for name, count in ("calibrate.ids", 64 * 64), ("held-out.ids", 16 * 64):
            texts.append(self.tmp / name)
            texts[-1].write_text(" ".join(str(random.randrange(320)) for _ in range(count)))
        graph = self.tmp / "graph.mlir"
        stc("compile", model, "--emit=mlir:graph", "-o", graph, "--quiet")
        for method in "prune=2:4", "quantize=int3":
            kl = {}
            for exclude in "", " exclude=*_bias":
                result = run(BIN / "stc-opt", graph, "-o", "/dev/null",
                             f"--stc-compress-layers=calibrate={texts[0]} length=64 {method}{exclude}",
                             f"--stc-measure-divergence=length=64 text={texts[1]}")
                found = re.search(r"perplexity ([\d.]+), .* KL ([\d.]+)", result.stderr.decode())
                kl[exclude] = float(found[2])
                if method == "prune=2:4" and not exclude:
                    binary = compile_model(model, self.tmp / "tiny", "--prune", "2:4", "--calibrate",
                                           texts[0], "--calibrate-length", "64")
                    measured = json.loads(run(binary, "eval", "--tokens-file", texts[1],
                                              "--context", "64", "--json").stdout)
                    self.assertAlmostEqual(measured["perplexity"] / float(found[1]), 1, delta=1e-4)
            # On pruned random weights the difference is little more than chance.
            allowed = 1.02 if method == "prune=2:4" else 1
            self.assertLess(kl[""], allowed * kl[" exclude=*_bias"], method)

    def test_bad_input(self):
        empty = self.tmp / "empty.txt"
        empty.write_text("")
        recipe = ROOT / "examples" / "recipes" / "quick.yaml"
        cases = (
            (("--prune", "2:4", "--calibrate", empty), r"expected at least 256 tokens .*, got 0"),
            (("--prune", "2:4", "--calibrate", self.tmp / "none"), r"No such file"),
            (("--quantize", "gptq:int4"), r"--quantize: expected --calibrate TEXT beside gptq"),
            (("--prune", "alps:2:4"), r"--prune: expected --calibrate TEXT beside alps"),
            (("--calibrate", "default"), r"--calibrate: expected --prune, --quantize or one of"),
            (("--quantize", "int4", "--exclude", "a,,b"), r"--exclude: expected patterns .* empty"),
            (("--quantize", "int4", "--exclude", "[a"), r"exclude: expected a glob pattern, got '\[a'"),
            (("--exclude", "*.q"), r"--exclude: expected something to prune .* got nothing"),
            (("--recipe", recipe, "--exclude", "*.q"), r"--recipe: expected no --exclude beside it"),
            (("--recipe", recipe, "--ratios", "owl"), r"--recipe: expected no --ratios beside it"),
            (("--budget", "kl<=1", "--ratios", "owl"), r"--budget: expected no --ratios beside it"),
            (("--prune", "0.5", "--ratios", "owl"), r"--ratios: expected --prune and --calibrate"),
            (("--quantize", "int4", "--calibrate", "default", "--ratios", "owl"),
             r"--ratios: expected --prune and --calibrate beside owl, got no --prune"),
            (("--prune", "0.5", "--calibrate", "default", "--ratios", "own"),
             r"--ratios: expected uniform or owl, got own"),
            (("--prune", "2:4", "--calibrate", "default", "--ratios", "owl"),
             r"prune: expected a ratio, blocks or N:M with M of at least 8 beside ratios owl"),
            (("--quantize", "int4", "--repair-sweeps", "1"), r"expected --calibrate or --budget beside it"),
            (("--quantize", "int4", "--calibrate", "default", "--calibrate-length", "1"), r"2"),
        )
        for options, message in cases:
            with self.subTest(options=options):
                result = stc("compile", BOOKS, "-o", self.tmp / "model", *options, check=False)
                lines = result.stderr.decode().strip().splitlines()
                self.assertEqual(result.returncode, 1)
                self.assertRegex(lines[-1], "error: .*" + message)
                self.assertFalse((self.tmp / "model").exists())


if __name__ == "__main__":
    unittest.main()
