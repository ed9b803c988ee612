"""Attention patterns imposed on models: compiled code is the interpreter's, and what they cost shows."""
import json
import random
import unittest

from support import (BOOKS, TemporaryDirectoryTest, compile_model, interpret_logits, make_llama,
                     read_npy, run, stc)

PATTERNS = ["window:20", "window:20+3", "dilated:6x5", "strided:24", "fixed:24x2", "local:20+3",
            "bigbird:16x3+1+2@7", "blocks:32:0/0,1/0,2", "layers.0=none;*=dilated:3x70"]
TOKENS = random.Random(3).choices(range(3, 320), k=190)


def text_of(tokens):
    return ",".join(map(str, tokens))


class Patterns(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.model = make_llama(self.tmp / "model", context=1024)

    def logits(self, binary, tokens=TOKENS):
        run(binary, "logits", "--tokens", text_of(tokens), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def interpret(self, pattern, *, prune="none", quantize="none"):
        passes = [f"--stc-impose-attention-pattern=rules={pattern}"]
        return interpret_logits(self.model, self.tmp / "m.mlir", prune, quantize, TOKENS, *passes)

    def assertNear(self, got, expected, tolerance):
        self.assertEqual(len(got), len(expected))
        self.assertLess(max(abs(a - b) for a, b in zip(got, expected)), tolerance)

    def test_compiled_code_is_the_interpreter(self):
        seen = []
        for pattern in ["none"] + PATTERNS:
            with self.subTest(pattern):
                binary = compile_model(self.model, self.tmp / "out", "--attention", pattern)
                rows = self.logits(binary)
                expected = self.interpret(pattern)
                self.assertNear(rows[-1], expected, 1e-3)
                # Each pattern is seen in what it hides, but for the two that are the same here.
                others = [max(abs(a - b) for a, b in zip(expected, other)) for other in seen]
                if pattern != "local:20+3":
                    self.assertGreater(min(others, default=1), 1e-3)
                seen.append(expected)
                # One token after the other, in pieces of the cache: the same as all at once.
                prompt = TOKENS[:170]
                words = run(binary, "run", "--tokens", text_of(prompt), "-n", "20", "--temperature",
                            "0", "--print-tokens", "--quiet").stdout.decode()
                written = [int(word) for word in words.replace(",", " ").split()][-20:]
                rows = self.logits(binary, prompt + written)
                for i, token in enumerate(written):
                    row = rows[len(prompt) - 1 + i]
                    self.assertGreater(row[token], max(row) - 1e-4)

    def test_compressed_models_have_patterns(self):
        for pattern in ("strided:24", "bigbird:16x3+1+2@7"):
            binary = compile_model(self.model, self.tmp / "out", "--attention", pattern, "--prune",
                                   "2:4", "--quantize", "int8-g32", "--kv-cache", "f16")
            self.assertNear(self.logits(binary)[-1],
                            self.interpret(pattern, prune="2:4", quantize="int8-g32"), 2e-2)

    def test_recipes_say_it_layer_by_layer(self):
        recipe = self.tmp / "r.yaml"
        recipe.write_text("version: 1\nattention:\n  - {match: layers.0, pattern: none}\n"
                          "  - {match: \"*\", pattern: \"dilated:3x70\"}\n"
                          "stages: [{match: \"*\", quantize: none}]\n")
        given = compile_model(self.model, self.tmp / "given", "--recipe", recipe)
        said = compile_model(self.model, self.tmp / "said", "--attention",
                             "layers.0=none;*=dilated:3x70")
        self.assertEqual(self.logits(given), self.logits(said))
        for binary in (given, said):
            shown = json.loads(stc("inspect", binary, "--json").stdout)
            self.assertEqual(shown["attention"], "layers.0=none;*=dilated:3x70")
            self.assertIn(b"attention: layers.0=none;*=dilated:3x70", stc("inspect", binary).stdout)

    def test_what_cannot_be_is_said(self):
        windowed = make_llama(self.tmp / "mistral", model_type="mistral", sliding_window=16,
                              architectures=["MistralForCausalLM"], context=1024)
        recipe = self.tmp / "r.yaml"
        recipe.write_text("version: 1\nattention: all\nstages: []\n")
        for model, options, expected in (
                (self.model, ("--attention", "strided"),
                 b"error: attention: expected none, window:KEYS"),
                (self.model, ("--attention", "strided:4", "--recipe", recipe),
                 b"error: --recipe: expected no --attention beside it, got both"),
                (self.model, ("--recipe", recipe), b"r.yaml:2: attention: expected an attention"),
                (self.model, ("--attention", "strided:4", "--emit", "safetensors"),
                 b"where an attention pattern is imposed, got safetensors or gguf"),
                (windowed, ("--attention", "strided:4"),
                 b"expected window:KEYS for layers.0, which has a window of 16")):
            with self.subTest(options):
                result = stc("compile", model, "-o", self.tmp / "no", "--quiet", *options,
                             check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(expected, result.stderr)
                self.assertEqual(result.stderr.count(b"\n"), 1, result.stderr)
                self.assertFalse((self.tmp / "no").exists())

    def test_a_window_in_a_window(self):
        windowed = make_llama(self.tmp / "mistral", model_type="mistral", sliding_window=16,
                              architectures=["MistralForCausalLM"], context=1024)
        own = self.logits(compile_model(windowed, self.tmp / "own"))
        wide = compile_model(windowed, self.tmp / "wide", "--attention", "window:40")
        self.assertEqual(self.logits(wide), own)
        narrow = compile_model(windowed, self.tmp / "narrow", "--attention", "window:9")
        alone = compile_model(self.model, self.tmp / "alone", "--attention", "window:9")
        self.assertNear(self.logits(narrow)[-1], self.logits(alone)[-1], 1e-5)


class Cost(TemporaryDirectoryTest):
    def test_evaluation_shows_what_hiding_costs(self):
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:6000])
        dense = compile_model(BOOKS, self.tmp / "dense")

        def divergence(pattern):
            binary = compile_model(BOOKS, self.tmp / "out", "--attention", pattern)
            return json.loads(run(binary, "eval", "--text", text, "--context", "128", "--json",
                                  "--reference", dense).stdout)["kl"]

        # Patterns that hide nothing, as rules and as a table.
        for pattern in ("strided:1", "fixed:128x1", "window:128", "blocks:128:0"):
            self.assertLess(abs(divergence(pattern)), 1e-9, pattern)
        narrow, middle, wide = (divergence(f"window:{keys}") for keys in (4, 16, 64))
        self.assertGreater(narrow, middle)
        self.assertGreater(middle, wide)
        self.assertGreater(wide, 1e-4)
        # As many keys as the window has, but further apart; sinks make up for much of a window.
        self.assertGreater(divergence("dilated:16x4"), 1e-3)
        self.assertLess(divergence("window:16+4"), middle)


if __name__ == "__main__":
    unittest.main()
