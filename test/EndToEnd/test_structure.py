"""Structured pruning from the command line: smaller models that compute what they should."""
import json
import random
import re
import unittest

from support import (BOOKS, TemporaryDirectoryTest, compile_model, interpret_logits, make_llama,
                     read_npy, run, stc)

TOKENS = [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]
SMALL = ("--calibrate-sequences", "24", "--calibrate-length", "128")


class Structure(TemporaryDirectoryTest):
    def test_generated_code_agrees_with_the_interpreter(self):
        # Channels that are no multiple of 16, layers of different width, another cache.
        model = make_llama(self.tmp / "llama", layers=4, hidden=64, heads=8, kv_heads=4, ffn=172,
                           vocab=320)
        ids = self.tmp / "text.ids"
        random.seed(1)
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(24 * 128)))
        calibrate = ("--calibrate", ids, *SMALL)
        text = f"calibrate={ids} sequences=24 length=128"
        cases = (
            (("--prune-channels", "0.4"), "channels=0.4", "none", 1e-5),
            (("--prune-groups", "0.5"), "groups=0.5", "none", 1e-5),
            (("--prune-heads", "0.5"), "heads=0.5", "none", 1e-5),
            (("--prune-channels", "0.4", "--prune-groups", "0.5"), "channels=0.4 groups=0.5",
             "int4", 2e-2),
            (("--prune-channels", "0.4", "--prune-groups", "0.25", "--prune-layers", "1",
              *calibrate), f"channels=0.4 groups=0.25 layers=1 {text}", "none", 1e-4),
        )
        for options, passes, quantize, tolerance in cases:
            with self.subTest(options=options, quantize=quantize):
                binary = compile_model(model, self.tmp / "model", *options, "--quantize", quantize)
                run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o",
                    self.tmp / "l.npy")
                got = read_npy(self.tmp / "l.npy")[-1]
                want = interpret_logits(model, self.tmp / "import.mlir", "none", quantize, TOKENS,
                                        f"--stc-prune-structure={passes}")
                self.assertEqual(len(got), len(want))
                largest = max(map(abs, want))
                self.assertGreater(largest, 0.01)
                self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, tolerance)

    def test_a_quarter_of_the_channels(self):
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:30000])
        whole = compile_model(BOOKS, self.tmp / "whole")
        options = ("--prune-channels", "0.25", "--calibrate", "default", *SMALL)

        def measure(name, *more):
            binary = compile_model(BOOKS, self.tmp / name, *options, *more)
            result = run(binary, "eval", "--text", text, "--reference", whole, "--json")
            return binary, json.loads(result.stdout)["kl"]

        repaired, loss = measure("repaired")
        _, unrepaired = measure("unrepaired", "--no-repair")
        self.assertLess(loss, 0.85 * unrepaired)
        self.assertGreater(loss, 0.001)
        before, after = (json.loads(stc("inspect", binary, "--json").stdout)
                         for binary in (whole, repaired))
        self.assertLess(repaired.stat().st_size, 0.95 * whole.stat().st_size)
        self.assertLess(after["total_bytes"], 0.9 * before["total_bytes"])
        channels = [layer["shape"][0] for layer in after["layers"]
                    if re.fullmatch(r"layers\.\d\.up", layer["name"])]
        self.assertEqual(sum(channels), 6 * 768 * 3 // 4)
        self.assertGreater(len(set(channels)), 1) # layers differ in what they can do without
        # What is left is compressed like any model.
        small, quantized = measure("int4", "--quantize", "int4")
        self.assertLess(quantized, loss + 0.05)
        total = json.loads(stc("inspect", small, "--json").stdout)["total_bytes"]
        self.assertLess(total, after["total_bytes"] / 2)

    def test_bad_input(self):
        for options, message in (
                (("--prune-channels", "1.5"), r"--prune-channels: expected .*, got 1.5"),
                (("--prune-groups", "x"), r"--prune-groups: expected .*, got x"),
                (("--prune-layers", "1"), r"--prune-layers: expected --calibrate TEXT beside it"),
                (("--prune-layers", "6", "--calibrate", "default", *SMALL),
                 r"layers: expected at most 5 of 6 layers to remove, got 6"),
                (("--prune-groups", "0.1"), r"groups: expected a share that takes one of 2"),
                (("--prune-channels", "0.25", "--budget", "kl<=0.1"),
                 r"--budget: expected no --prune-channels beside it"),
                (("--prune-channels", "0.25", "--emit", "gguf"),
                 r"--emit: expected exe, shared, .* where structure is pruned")):
            with self.subTest(options=options):
                result = stc("compile", BOOKS, "-o", self.tmp / "out", *options, check=False)
                self.assertEqual(result.returncode, 1)
                errors = result.stderr.decode().splitlines()
                self.assertRegex(errors[-1], r"^error: .*" + message)
                self.assertFalse((self.tmp / "out").exists())


if __name__ == "__main__":
    unittest.main()
