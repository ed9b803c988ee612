"""Activations that were rounded once to 16 bits, on simulated tensor cores (--activations rounded)."""
import array
import unittest

from simt_comparison import SimtTest
from support import compile_model

TOKENS = [1] + [(37 * i + 11) % 253 + 3 for i in range(48)]
LENGTHS = (1, 7, 40, 1)


class Rounded(SimtTest):
    def error(self, model, *options):
        """The largest error of logits, as a part of the largest of them, against this processor."""
        self.compile("simt-mma", model, "--kv-cache", "f32", *options)
        expected = array.array("f", self.rows("native", TOKENS, (49,)))
        actual = self.rows("simt-mma", TOKENS, LENGTHS)
        again = self.rows("simt-mma", TOKENS, LENGTHS, order="descending")
        self.assertEqual(again, actual)
        actual = array.array("f", actual)
        self.assertEqual(len(actual), len(expected))
        return max(abs(a - e) if a == a else float("inf")
                   for a, e in zip(actual, expected)) / max(map(abs, expected))

    def compile(self, other, model, *options):
        # Where there are no tensor cores nothing can be asked for.
        rounded = ("--activations", "rounded")
        for target, own in (("native", ()), (other, rounded)):
            (self.tmp / target).mkdir(exist_ok=True)
            compile_model(model, self.tmp / target / "model", "--emit=shared", "--target", target,
                          *options, *own)

    def test_bf16(self):
        """An activation is off by 2^-8 of itself at most, and sums of many by less."""
        error = self.error(self.random(dtype="BF16", layers=1, ffn=192))
        self.assertLess(error, 2**-6)
        self.assertGreater(error, 2**-12)

    def test_codes(self):
        """This processor's int8 activations are the greater part of the error."""
        error = self.error(self.random(layers=1, ffn=192), "--quantize", "int4-g32")
        self.assertLess(error, 5e-2)
        self.assertGreater(error, 1e-4)


if __name__ == "__main__":
    unittest.main()
