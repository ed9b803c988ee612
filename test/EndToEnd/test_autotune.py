"""--autotune: the same model, tiled as measurements say, which are made once."""
import os
import re
import unittest

from support import TemporaryDirectoryTest, make_llama, read_npy, run, stc

TOKENS = ",".join(map(str, [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]))


class Autotune(TemporaryDirectoryTest):
    def compile(self, *options):
        """Returns what the compiler said."""
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.tmp / "cache"))
        return stc("compile", self.model, "-o", self.tmp / "model", "--quantize", "int4", *options,
                   env=environment).stderr.decode()

    def logits(self):
        run(self.tmp / "model", "logits", "--tokens", TOKENS, "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def counts(self, output):
        match = re.search(r"autotuned: (\d+) measured, (\d+) known, (\d+) left to the model", output)
        self.assertTrue(match, output)
        return tuple(map(int, match.groups()))

    def test_same_logits_and_one_measurement(self):
        self.model = make_llama(self.tmp / "llama", layers=2, hidden=64, kv_heads=4, ffn=172,
                                vocab=320)
        self.compile()
        want = self.logits()
        first = self.compile("--autotune", "--autotune-seconds", "10000", "--verbose")
        measured, known, left = self.counts(first)
        # Three shapes of weights and the head, each for one token and for prompts.
        self.assertEqual((measured, known, left), (8, 0, 0))
        self.assertEqual(len(re.findall(r"remark: autotune: .*the model's choice", first)), measured)
        got = self.logits()
        largest = max(abs(value) for row in want for value in row)
        self.assertGreater(largest, 0.01)
        worst = max(abs(a - b) for left, right in zip(got, want) for a, b in zip(left, right))
        # Sums of floats in another order may move an activation by one step of its rounding.
        self.assertLess(worst / largest, 2e-2)

        # Not a second of measurements, and nothing is left to the model all the same.
        second = self.compile("--autotune", "--autotune-seconds", "0")
        self.assertEqual(self.counts(second), (0, measured, 0))
        self.assertEqual(got, self.logits())
        self.assertEqual(len(list((self.tmp / "cache" / "stc" / "autotune").iterdir())), 1)

        file = next((self.tmp / "cache" / "stc" / "autotune").iterdir())
        file.write_bytes(b"\x00\xff" * 1000)
        third = self.compile("--autotune", "--autotune-seconds", "0", "--verbose")
        self.assertEqual(self.counts(third)[1], 0)
        self.assertIn(f"remark: autotune: {file}:1: another machine's or compiler's results", third)

    def test_what_cannot_be_measured_here_is_refused(self):
        self.model = make_llama(self.tmp / "llama", layers=1)
        other = "riscv64" if os.uname().machine != "riscv64" else "aarch64"
        result = stc("compile", self.model, "--autotune", "--target", other, "--emit=asm", "-o",
                     self.tmp / "out.s", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.decode(),
                         "error: --autotune: expected a --target that this machine can run and "
                         f"measure, got {other}\n")
        self.assertFalse((self.tmp / "out.s").exists())


if __name__ == "__main__":
    unittest.main()
