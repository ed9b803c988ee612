"""Models that are pruned but not quantized, whose floats are stored with masks."""
import json
import platform
import unittest

from support import (TemporaryDirectoryTest, compile_model, interpret_logits, make_llama, read_npy,
                     run, stc)

TOKENS = [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]


class SparseFloats(TemporaryDirectoryTest):
    """Pruned models that are not quantized take as few bytes as docs/Layouts.md says."""

    def layers(self, binary):
        return {layer["name"]: layer for layer in
                json.loads(stc("inspect", binary, "--json").stdout)["layers"]}

    def logits(self, binary, tokens=TOKENS):
        run(binary, "logits", "--tokens", ",".join(map(str, tokens)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def test_bytes_and_reasons(self):
        model = make_llama(self.tmp / "llama", hidden=256, ffn=512, layers=1, dtype="BF16")
        dense = self.layers(compile_model(model, self.tmp / "dense", "--quantize", "none"))
        name = next(key for key in dense if "down" in key)
        self.assertEqual((dense[name]["layout"], dense[name]["reason"]),
                         ("dense-bf16", "not quantized"))
        for prune, layout, least, most in (("2:4", "2:4-bf16", 9.0, 9.02),
                                           ("4:8", "4:8-bf16", 9.0, 9.02),
                                           ("0.5", "bitmap-bf16", 9.0, 9.08),
                                           ("0.75", "bitmap-bf16", 5.0, 5.08)):
            with self.subTest(prune=prune):
                binary = compile_model(model, self.tmp / "sparse", "--prune", prune, "--quantize",
                                       "none")
                layer = self.layers(binary)[name]
                self.assertEqual((layer["layout"], layer["pattern"]), (layout, prune))
                self.assertRegex(layer["reason"], r"takes \d+ bytes, dense would take 262272$")
                bits = 8 * layer["bytes"] / (256 * 512)
                self.assertTrue(least <= bits <= most, bits)
                self.assertAlmostEqual(layer["bits"], bits, places=2)
                # Fewer bytes for each token, too.
                bench = json.loads(run(binary, "bench", "--prompt-tokens", 4, "--generate", 2,
                                       "--json").stdout)
                total = sum(l["bytes"] for l in self.layers(binary).values()
                            if not l["layout"].startswith("rows"))
                self.assertLess(bench["weight_bytes_per_token"], 1.1 * total)

    def test_zeros_of_a_checkpoint_are_found(self):
        model = make_llama(self.tmp / "llama", hidden=64, ffn=128, layers=2, dtype="BF16")
        stc("compile", model, "--prune", "2:4", "--quantize", "none", "--emit=safetensors", "-o",
            self.tmp / "pruned", "--quiet")
        found = compile_model(self.tmp / "pruned", self.tmp / "found", "--quantize", "none")
        asked = compile_model(model, self.tmp / "asked", "--prune", "2:4", "--quantize", "none")
        self.assertEqual(self.logits(found), self.logits(asked))
        layouts = [{name: layer["layout"] for name, layer in self.layers(binary).items()}
                   for binary in (found, asked)]
        self.assertEqual(*layouts)
        self.assertIn("2:4-bf16", layouts[0].values())

    def test_instructions_of_every_target_here(self):
        model = make_llama(self.tmp / "llama", hidden=96, ffn=160, layers=1, heads=6, kv_heads=2)
        cases = [("native", "3:8")]
        if platform.machine() == "x86_64":
            cases += [("x86-64-v4", "2:4"), ("x86-64-v3", "0.6"), ("x86-64-v2", "2:4"),
                      ("x86-64", "0.6")]
        for target, prune in cases:
            with self.subTest(target=target, prune=prune):
                binary = compile_model(model, self.tmp / "model", "--prune", prune, "--quantize",
                                       "none", "--target", target)
                if run(binary, "info", check=False).returncode != 0:
                    continue  # this machine does not run it
                for tokens in (TOKENS, TOKENS[:1]):
                    want = interpret_logits(model, self.tmp / "import.mlir", prune, "none", tokens)
                    got = self.logits(binary, tokens)[-1]
                    self.assertLess(max(abs(a - b) for a, b in zip(got, want)), 1e-4)


if __name__ == "__main__":
    unittest.main()
