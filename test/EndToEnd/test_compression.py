"""Pruned and quantized models: generated code agrees with the float64 interpreter."""
import json
import math
import platform
import unittest

from support import (BIN, BOOKS, TemporaryDirectoryTest, compile_model, golden,
                     interpret_logits, make_llama, needs_shared, read_npy, run, stc)

TOKENS = [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]

# Recipes of every layout and method this build has, and how far generated code may be from the
# float64 interpreter on the same packed weights, relative to the largest logit. Float recipes
# differ by float32 rounding only; with int8 activations a value on a rounding boundary may move
# by one step.
RECIPES = {
    ("none", "none"): 1e-5,
    ("0.5", "none"): 1e-5,
    ("2:4", "none"): 1e-5,
    ("4:8", "none"): 1e-5,
    ("block16x4:0.75", "none"): 1e-5,
    ("none", "int8"): 2e-2,
    ("none", "int8-g128"): 2e-2,
    ("none", "int4"): 2e-2,
    ("none", "int4-g128"): 2e-2,
    ("0.5", "int4"): 2e-2,
    ("0.7", "int4-g128"): 2e-2,
    ("0.6", "int8"): 2e-2,
    ("2:4", "int4"): 2e-2,
    ("4:16", "int4"): 2e-2,
    ("4:8", "int8"): 2e-2,
    ("block16x4:0.75", "int4"): 2e-2,
    ("block16x8:0.5", "int8"): 2e-2,
    ("2:16", "int4"): 2e-2,
    ("1:16", "int4-g64"): 2e-2,
    ("none", "int3"): 2e-2,
    ("none", "int2-g64"): 2e-2,
    ("none", "int8-asym"): 2e-2,
    ("none", "int4-g128-asym"): 2e-2,
    ("none", "int3-g64-asym"): 2e-2,
    ("none", "int2-asym"): 2e-2,
    ("none", "int8-g16"): 2e-2,
    ("none", "int4-g16"): 2e-2,
    ("none", "int2-g16-asym"): 2e-2,
    ("0.7", "int4-g16"): 2e-2,
    ("none", "int8-row"): 2e-2,
    ("none", "int4-row"): 2e-2,
    ("none", "int3-row-asym"): 2e-2,
    ("2:4", "int4-row"): 2e-2,
    ("4:16", "int4-row"): 2e-2,
}


class AgreesWithReference(TemporaryDirectoryTest):
    def test_every_recipe(self):
        model = make_llama(self.tmp / "llama", layers=2, hidden=64, ffn=172, vocab=320)
        cases = [(*recipe, "native", tolerance) for recipe, tolerance in RECIPES.items()]
        cases += [("none", quantize, target, 2e-2) for quantize in ("int8-row", "int4-row-asym")
                  for target in ("x86-64-v3", "x86-64-v2") if platform.machine() == "x86_64"]
        for prune, quantize, target, tolerance in cases:
            with self.subTest(prune=prune, quantize=quantize, target=target):
                binary = compile_model(model, self.tmp / "model", "--prune", prune, "--quantize",
                                       quantize, "--target", target)
                run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o",
                    self.tmp / "l.npy")
                got = read_npy(self.tmp / "l.npy")[-1]
                want = interpret_logits(model, self.tmp / "import.mlir", prune, quantize,
                                        TOKENS)
                self.assertEqual(len(got), len(want))
                largest = max(map(abs, want))
                self.assertGreater(largest, 0.01)
                worst = max(abs(a - b) for a, b in zip(got, want)) / largest
                self.assertLess(worst, tolerance)


def log_softmax(logits):
    largest = max(logits)
    total = largest + math.log(sum(math.exp(value - largest) for value in logits))
    return [value - total for value in logits]


class Activations(TemporaryDirectoryTest):
    """What int8 activations cost: the KL divergence of generated code from the float64 interpreter
    on the same quantized weights and float activations."""

    WINDOWS, CONTEXT = 3, 128

    def divergence(self, *options):
        """Mean KL in nats over all positions of a few windows of held-out text."""
        binary = compile_model(BOOKS, self.tmp / "books", "--quantize", *options)
        text = run(binary, "tokenize", "--no-special", "--text-file",
                   BOOKS / "eval" / "kjv_valid.txt").stdout.decode().split()
        module = self.tmp / "import.mlir"
        stc("compile", BOOKS, "--emit=mlir:import", "-o", module, "--quiet")
        total, count = 0, 0
        for window in range(self.WINDOWS):
            tokens = ",".join(text[window * self.CONTEXT:(window + 1) * self.CONTEXT])
            # Up to `compressed` activations are floats: nothing rounds them before `packed`.
            exact = run(BIN / "stc-opt", module,
                        f"--stc-to-compressed=quantize={options[0]} head=auto",
                        f"--stc-interpret=tokens={tokens} max=100000 all", "-o", "/dev/null")
            exact = [[float(number) for number in line.split()[1:]]
                     for line in exact.stdout.decode().splitlines() if line.startswith("logits")]
            run(binary, "logits", "--tokens", tokens, "-o", self.tmp / "l.npy")
            got = read_npy(self.tmp / "l.npy")
            self.assertEqual((len(exact), len(exact[0])), (self.CONTEXT, len(got[0])))
            for p, q in zip(map(log_softmax, exact), map(log_softmax, got)):
                total += sum(math.exp(a) * (a - b) for a, b in zip(p, q))
                count += 1
        return total / count

    def test_int8_activations_change_little(self):
        # int8 weights are the goal's case; at fewer bits the activations' rounding is the same and
        # the distributions are flatter.
        for quantize in ("int8", "int8-g128", "int8-row", "int4", "int4-g128"):
            with self.subTest(quantize=quantize):
                divergence = self.divergence(quantize)
                print(f"\nKL of int8 activations, {quantize} weights: {divergence:.2e}", flush=True)
                self.assertLess(divergence, 1e-3)
                # Exactly zero would mean that nothing was rounded: that the paths are one.
                self.assertGreater(divergence, 1e-9)


@needs_shared
class Quality(TemporaryDirectoryTest):
    """Perplexity of the books model: exact in bf16, a stated distance for int8 and int4."""

    def perplexity(self, *options):
        binary = compile_model(BOOKS, self.tmp / "books", *options)
        text = BOOKS / "eval" / "kjv_valid.txt"
        result = run(binary, "eval", "--text", text, "--context", "256", "--json")
        return json.loads(result.stdout)

    def test_perplexity(self):
        reference = golden("books")["kjv_valid"]
        plain = self.perplexity()
        self.assertEqual(plain["tokens"], reference["scored"])
        self.assertLess(abs(plain["perplexity"] / reference["perplexity"] - 1), 0.005)
        self.assertLess(self.perplexity("--quantize", "int8")["perplexity"],
                        reference["perplexity"] * 1.005)
        self.assertLess(self.perplexity("--quantize", "int4")["perplexity"],
                        reference["perplexity"] * 1.03)
        # The head in int8 loses next to nothing, so that auto may choose it.
        for quantize in ("int8", "int4"):
            head = self.perplexity("--quantize", quantize)["perplexity"]
            without = self.perplexity("--quantize", quantize, "--head", "none")["perplexity"]
            self.assertLess(head, without * 1.002)
        pruned = self.perplexity("--prune", "0.5", "--quantize", "int4")["perplexity"]
        self.assertGreater(pruned, reference["perplexity"])
        self.assertLess(pruned, reference["perplexity"] * 1.5)


if __name__ == "__main__":
    unittest.main()
