"""Activations with one scale for each token, on simulated tensor cores (--activations per-token)."""
import array
import unittest

from simt_comparison import SimtTest
from support import BIN, compile_model, run, stc

TOKENS = [1] + [(37 * i + 11) % 253 + 3 for i in range(48)]


class PerToken(SimtTest):
    def reference(self, model, prune, quantize):
        """The logits of every token by the float64 interpreter of exactly that computation."""
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        text = run(BIN / "stc-opt", module, f"--stc-to-packed=prune={prune} quantize={quantize}",
                   "--packed-narrow-activations=target=simt-mma per-token=true",
                   f"--stc-interpret=tokens={','.join(map(str, TOKENS))} all=true max=100000",
                   "-o", "/dev/null").stdout.decode()
        rows = [line.split()[1:] for line in text.splitlines() if line.startswith("logits")]
        self.assertEqual(len(rows), len(TOKENS))
        return array.array("f", (float(number) for row in rows for number in row))

    def check_model(self, quantize, prune="none"):
        # More columns than a group of 128 has, and of down's no multiple of that.
        model = self.random(hidden=256, ffn=448, layers=1)
        options = ("--quantize", quantize, "--prune", prune, "--kv-cache", "f32")
        for name, target, own in (("tokens", "simt-mma", ("--activations", "per-token")),
                                  ("groups", "simt-mma", ())):
            (self.tmp / name).mkdir(exist_ok=True)
            compile_model(model, self.tmp / name / "model", "--emit=shared", "--target", target,
                          *options, *own)
        expected = self.reference(model, prune, quantize)
        self.vocab = len(expected) // len(TOKENS)
        actual = self.rows("tokens", TOKENS, (len(TOKENS),))
        # Now and then the order of additions becomes a step of a code.
        self.assert_close(actual, expected.tobytes(), 0.25)
        # Others wait for what they need, and pieces of a text are as good as all at once.
        lengths = (7, 40, 2)
        pieces = self.rows("tokens", TOKENS, lengths)
        self.assert_close(pieces, expected.tobytes(), 0.25)
        self.assertEqual(self.rows("tokens", TOKENS, lengths, order="descending"), pieces)
        # Another computation than that with a scale for each group, of which a lone token stays one.
        groups = self.rows("groups", TOKENS, (len(TOKENS),))
        self.assertNotEqual(actual, groups)
        one = self.rows("tokens", TOKENS, (1,))
        self.assertEqual(one, self.rows("groups", TOKENS, (1,)))

    def test_dense(self):
        self.check_model("int8-row")

    def test_few_bits(self):
        self.check_model("int4-row")

    def test_pruned(self):
        self.check_model("int8-row", "2:4")

    def test_groups_keep_their_scales(self):
        """Where weights have scales of groups there is nothing to change, and a line says so."""
        model = self.random(hidden=256, ffn=256, layers=1)
        texts, said = [], []
        for activations in ("exact", "per-token"):
            out = self.tmp / "out.mlir"
            done = stc("compile", model, "--emit=mlir:tiled", "-o", out, "--target", "simt-mma",
                       "--quantize", "int8", "--activations", activations)
            texts.append(out.read_text())
            said.append(done.stderr.decode().count("activations: per-token changes nothing"))
        self.assertEqual(*texts)
        self.assertEqual(said, [0, 1])


if __name__ == "__main__":
    unittest.main()
