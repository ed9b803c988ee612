"""eval against a reference: another binary, saved log-probabilities, a checkpoint."""
import json
import math
import unittest

from support import BOOKS, TemporaryDirectoryTest, compile_model, read_npy, run, stc


def log_softmax(row):
    largest = max(row)
    total = largest + math.log(sum(math.exp(value - largest) for value in row))
    return [value - total for value in row]


class Evaluation(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.text = self.tmp / "text.txt"
        self.text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:2500])
        self.source = compile_model(BOOKS, self.tmp / "source")
        self.small = compile_model(BOOKS, self.tmp / "small", "--quantize", "int4")

    def evaluate(self, binary, *options):
        result = run(binary, "eval", "--text", self.text, "--context", "128", "--json", *options)
        return json.loads(result.stdout)

    def test_a_model_is_no_distance_from_itself(self):
        same = self.evaluate(self.source, "--reference", self.source)
        self.assertLess(abs(same["kl"]), 1e-9)
        self.assertEqual(same["top1_agreement"], 1)
        self.assertEqual(same["top1_agreement_stderr"], 0)

    def test_numbers_are_those_of_the_logits(self):
        measured = self.evaluate(self.small, "--reference", self.source)
        self.assertNotIn("kl", self.evaluate(self.small))
        # One window of the same tokens, through another command.
        ids = run(self.source, "tokenize", "--text-file", self.text, "--no-special").stdout.split()
        bos = run(self.source, "tokenize", "--text", "a").stdout.split()
        own = 128 - (len(bos) > len(run(self.source, "tokenize", "--text", "a",
                                        "--no-special").stdout.split()))
        begin = bos[:128 - own]
        divergences, agreeing = [], 0
        for first in range(0, len(ids) - own + 1, own):
            tokens = ",".join(word.decode() for word in begin + ids[first:first + own])
            rows = []
            for binary in (self.source, self.small):
                run(binary, "logits", "--tokens", tokens, "-o", self.tmp / "l.npy")
                rows.append([log_softmax(row) for row in read_npy(self.tmp / "l.npy")[:-1]])
            for p, q in zip(*rows):
                divergences.append(sum(math.exp(a) * (a - b) for a, b in zip(p, q)))
                agreeing += p.index(max(p)) == q.index(max(q))
        count = len(divergences)
        mean = sum(divergences) / count
        spread = math.sqrt(sum((d - mean) ** 2 for d in divergences) / (count - 1) / count)
        self.assertEqual(measured["tokens"], count)
        self.assertAlmostEqual(measured["kl"] / mean, 1, delta=1e-3)
        self.assertAlmostEqual(measured["kl_stderr"] / spread, 1, delta=1e-3)
        self.assertAlmostEqual(measured["top1_agreement"], agreeing / count, delta=1e-9)
        self.assertGreater(mean, 1e-4)

    def test_saved_log_probabilities_and_checkpoints_serve_as_well(self):
        saved = self.tmp / "teacher.logits"
        self.evaluate(self.source, "--save-logits", saved)
        beside = self.evaluate(self.small, "--reference", self.source)
        from_file = self.evaluate(self.small, "--reference", saved)
        self.assertAlmostEqual(from_file["kl"] / beside["kl"], 1, delta=0.02)
        self.assertAlmostEqual(from_file["top1_agreement"], beside["top1_agreement"], delta=0.02)
        checkpoint = json.loads(stc("eval", self.small, "--text", self.text, "--context", "128",
                                    "--json", "--reference", BOOKS).stdout)
        self.assertAlmostEqual(checkpoint["kl"] / beside["kl"], 1, delta=1e-6)

    def test_bad_references(self):
        saved = self.tmp / "teacher.logits"
        self.evaluate(self.source, "--save-logits", saved)
        cut = self.tmp / "cut.logits"
        cut.write_bytes(saved.read_bytes()[:5000])
        other = self.tmp / "other.txt"
        other.write_bytes(self.text.read_bytes()[::-1])
        cases = ((("--reference", self.tmp / "none"), "No such file"),
                 (("--reference", self.text), "expected saved log-probabilities or a model binary"),
                 (("--reference", cut), "the end of the file"),
                 (("--reference", saved, "--context", "64"), "context: expected 64, got 128"),
                 (("--save-logits", self.tmp / "no" / "where"), "no"))
        for options, message in cases:
            with self.subTest(options=options):
                result = run(self.small, "eval", "--text", self.text, "--json",
                             *(() if "--context" in options else ("--context", "128")), *options,
                             check=False)
                self.assertEqual(result.returncode, 1)
                self.assertIn(message, result.stderr.decode())
                self.assertEqual(len(result.stderr.decode().strip().splitlines()), 1)
        result = run(self.small, "eval", "--text", other, "--context", "128", "--reference", saved,
                     check=False)
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
