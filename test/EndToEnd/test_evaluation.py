"""eval against a reference: another binary, saved log-probabilities, a checkpoint."""
import json
import math
import re
import unittest

from support import (BIN, BOOKS, TemporaryDirectoryTest, compile_model, make_llama, read_npy, run,
                     stc)


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
        divergences, losses, agreeing = [], [], 0
        for first in range(0, len(ids) - own + 1, own):
            tokens = ",".join(word.decode() for word in begin + ids[first:first + own])
            rows = []
            for binary in (self.source, self.small):
                run(binary, "logits", "--tokens", tokens, "-o", self.tmp / "l.npy")
                rows.append([log_softmax(row) for row in read_npy(self.tmp / "l.npy")[:-1]])
            targets = [int(word) for word in ids[first:first + own]][1 - len(begin):]
            self.assertEqual(len(targets), len(rows[0]))
            for p, q, target in zip(*rows, targets):
                losses.append((-p[target], -q[target]))
                divergences.append(sum(math.exp(a) * (a - b) for a, b in zip(p, q)))
                agreeing += p.index(max(p)) == q.index(max(q))
        count = len(divergences)
        mean = sum(divergences) / count
        spread = math.sqrt(sum((d - mean) ** 2 for d in divergences) / (count - 1) / count)
        self.assertEqual(measured["tokens"], count)
        self.assertAlmostEqual(measured["kl"] / mean, 1, delta=1e-6)
        self.assertAlmostEqual(measured["kl_stderr"] / spread, 1, delta=1e-6)
        self.assertAlmostEqual(measured["top1_agreement"], agreeing / count, delta=1e-9)
        share = agreeing / count
        self.assertAlmostEqual(measured["top1_agreement_stderr"],
                               math.sqrt(share * (1 - share) / (count - 1)), delta=1e-9)
        self.assertGreater(mean, 1e-4)
        for key, column in (("reference_perplexity", 0), ("perplexity", 1)):
            perplexity = math.exp(sum(pair[column] for pair in losses) / count)
            self.assertAlmostEqual(measured[key] / perplexity, 1, delta=1e-6)
        self.assertNotEqual(measured["perplexity"], measured["reference_perplexity"])

    def test_the_pass_takes_the_same_windows(self):
        graph = self.tmp / "graph.mlir"
        stc("compile", BOOKS, "--emit=mlir:graph", "-o", graph, "--quiet")
        short = self.tmp / "short.txt"
        short.write_bytes(self.text.read_bytes()[:200])
        # Whole windows with a rest, and a text of less than one.
        for text, is_short in ((self.text, False), (short, True)):
            binary = json.loads(run(self.source, "eval", "--text", text, "--context", "128",
                                    "--json").stdout)
            ids = run(self.source, "tokenize", "--text-file", text, "--no-special").stdout.split()
            result = run(BIN / "stc-opt", graph, "-o", "/dev/null",
                         f"--stc-measure-divergence=length=128 text={text}")
            found = re.search(r"(\d+) tokens: perplexity ([\d.]+), of the source ([\d.]+)",
                              result.stderr.decode())
            self.assertEqual(int(found[1]), binary["tokens"])
            if is_short:
                self.assertLess(len(ids), 127)
            else:
                self.assertGreater(len(ids) % 127, 2)  # or no rest would be left out
                self.assertEqual(binary["tokens"] % 127, 0)
            for perplexity in found[2], found[3]:
                self.assertAlmostEqual(float(perplexity) / binary["perplexity"], 1, delta=1e-4)

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
        both = json.loads(stc("eval", BOOKS, "--quantize", "int4", f"--reference={BOOKS}", "--text",
                              self.text, "--context", "128", "--json").stdout)
        self.assertEqual(both, checkpoint)

    def test_texts_are_evaluated_as_one(self):
        second = self.tmp / "second.txt"
        second.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[9000:10800])
        first = self.evaluate(self.small, "--reference", self.source)
        both = self.evaluate(self.small, "--reference", self.source, "--text", second)
        self.text = second
        alone = self.evaluate(self.small, "--reference", self.source)
        tokens = first["tokens"] + alone["tokens"]
        self.assertEqual(both["tokens"], tokens)
        for key in ("kl", "top1_agreement"):
            self.assertAlmostEqual(both[key] * tokens,
                                   first[key] * first["tokens"] + alone[key] * alone["tokens"],
                                   delta=1e-6, msg=key)

    def test_checkpoints_without_tokenizer(self):
        ids = self.tmp / "ids.txt"
        ids.write_text(", ".join(str(i * 37 % 300) for i in range(200)))
        models = {vocab: compile_model(make_llama(self.tmp / f"m{vocab}", vocab=vocab),
                                       self.tmp / f"b{vocab}") for vocab in (320, 352)}
        options = ("eval", "--tokens-file", ids, "--context", "64", "--json", "--reference")
        same = json.loads(run(models[320], *options, models[320]).stdout)
        self.assertEqual((same["tokens"], same["kl"]), (3 * 63, 0))
        other = run(models[320], *options, models[352], check=False)
        self.assertEqual(other.returncode, 1)
        self.assertEqual(other.stderr.decode(), f"error: {models[352]}: vocabulary: "
                                                "expected 320, got 352\n")
        text = run(models[320], "eval", "--text", self.text, check=False)
        self.assertEqual(text.returncode, 1)
        self.assertIn(b"tokenizer: expected one", text.stderr)

    def test_bad_references(self):
        saved = self.tmp / "teacher.logits"
        self.evaluate(self.source, "--save-logits", saved)
        cut = self.tmp / "cut.logits"
        cut.write_bytes(saved.read_bytes()[:5000])
        short = self.tmp / "short.txt"
        short.write_text("")
        other = self.tmp / "other.txt"
        other.write_bytes(self.text.read_bytes()[::-1])
        cases = ((("--reference", self.tmp / "none"), "No such file"),
                 (("--reference", self.text), "expected saved log-probabilities or a model binary"),
                 (("--reference", cut), "bytes, got 5000"),
                 (("--reference", BOOKS), "got a directory"),
                 (("--text", short), "short.txt: text: expected at least two tokens"),
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
        self.assertIn(b"teacher.logits: ", result.stderr)


if __name__ == "__main__":
    unittest.main()
