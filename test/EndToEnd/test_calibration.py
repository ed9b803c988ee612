"""Compression on calibration text, from the command line: what it gives, and bad input."""
import json
import random
import re
import unittest

from support import BIN, BOOKS, TemporaryDirectoryTest, compile_model, make_llama, run, stc

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

    def test_bad_input(self):
        empty = self.tmp / "empty.txt"
        empty.write_text("")
        cases = (
            (("--prune", "2:4", "--calibrate", empty), r"expected at least 256 tokens .*, got 0"),
            (("--prune", "2:4", "--calibrate", self.tmp / "none"), r"No such file"),
            (("--quantize", "gptq:int4"), r"--quantize: expected --calibrate TEXT beside gptq"),
            (("--prune", "alps:2:4"), r"--prune: expected --calibrate TEXT beside alps"),
            (("--calibrate", "default"), r"--calibrate: expected --prune or --quantize beside it"),
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
