"""Attention with everything that scores may get - learned biases of distances, slopes, logits of
sinks - from a graph to a program, which agrees with the interpreter."""
import random
import re
import sys
import unittest

from support import BIN, ROOT, TemporaryDirectoryTest, compile_model, read_npy, run

MODEL = ROOT / "test" / "Dialect" / "STC" / "Transforms" / "Inputs" / "layered_model.py"
TOKENS = [1, 30, 7, 7, 12, 5, 6, 9, 11, 3, 2, 8, 14, 20, 22, 31, 1, 4, 17, 29, 13, 6]
BUCKETS, HEADS = 8, 4


def weight(name, rows, generator):
    def numbers(count):
        return "[" + ", ".join(f"{generator.gauss(0, 1):.6e}" for _ in range(count)) + "]"

    kind = f"tensor<{rows}x{HEADS}xf32>" if rows else f"tensor<{HEADS}xf32>"
    values = "[" + ", ".join(numbers(HEADS) for _ in range(rows)) + "]" if rows else numbers(HEADS)
    return f"stc.weight @{name} : {kind} {{value = dense<{values}> : {kind}}}\n"


def biased(text):
    """The module with biases, logits and slopes in each attention."""
    generator = random.Random(3)
    matrix, vector = f"tensor<{BUCKETS}x{HEADS}xf32>", f"tensor<{HEADS}xf32>"
    result, *parts = text.split("    %a = stc.attention")
    weights = ""
    for i, part in enumerate(parts):
        weights += weight(f"layers.{i}.bias", BUCKETS, generator)
        weights += weight(f"layers.{i}.logits", 0, generator)
        part = part.replace("heads 4 scale 3.5e-01 window 0",
                            "bias %bias within 12 sink_logits %logits heads 4 scale 3.5e-01 "
                            "window 0 slopes [0.5, 0.25, 0.125, 0.0625]", 1)
        part = part.replace("(!x, !cache, index, index)",
                            f"(!x, !cache, index, index, {matrix}, {vector})", 1)
        result += (f"    %bias = stc.get_weight @layers.{i}.bias : {matrix}\n"
                   f"    %logits = stc.get_weight @layers.{i}.logits : {vector}\n"
                   f"    %a = stc.attention{part}")
    begin = result.index("\n!x = ")
    return result[:begin] + "\n" + weights + result[begin:]


def interpret(model, prune="none", quantize="none"):
    result = run(BIN / "stc-opt", model, f"--stc-to-packed=prune={prune} quantize={quantize}",
                 f"--stc-interpret=tokens={','.join(map(str, TOKENS))} max=100", "-o", "/dev/null")
    return [float(n) for n in re.findall(r"[-+]?(?:\d+\.\d*|\d+)(?:[eE][-+]?\d+)?",
                                         result.stdout.decode().split("logits", 1)[1])]


class Attention(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.plain, self.model = self.tmp / "plain.mlir", self.tmp / "model.mlir"
        run(sys.executable, MODEL, self.plain, self.tmp / "ids")
        self.model.write_text(biased(self.plain.read_text()))

    def logits(self, binary, tokens=TOKENS):
        run(binary, "logits", "--tokens", ",".join(map(str, tokens)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")[-1]

    def difference(self, got, want):
        self.assertEqual(len(got), len(want))
        return max(abs(a - b) for a, b in zip(got, want)) / max(map(abs, want))

    def test_agrees_with_the_interpreter(self):
        binary = compile_model(self.model, self.tmp / "model", "--quantize", "none")
        got = self.logits(binary)
        want = interpret(self.model)
        self.assertLess(self.difference(got, want), 1e-5)
        without = interpret(self.plain)
        self.assertGreater(self.difference(without, want), 1e-2)

    def test_one_token_at_a_time(self):
        binary = compile_model(self.model, self.tmp / "model", "--quantize", "none")
        tokens = list(TOKENS)
        for _ in range(6):
            row = self.logits(binary, tokens)
            tokens.append(max(range(len(row)), key=row.__getitem__))
        text = run(binary, "run", "--tokens", ",".join(map(str, TOKENS)), "-n", 6,
                   "--temperature", "0", "--ignore-eos", "--print-tokens", "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], tokens[len(TOKENS):])

    def test_compressed(self):
        binary = compile_model(self.model, self.tmp / "model", "--prune", "magnitude:2:4",
                               "--quantize", "int8-g32")
        want = interpret(self.model, "magnitude:2:4", "int8-g32")
        self.assertLess(self.difference(self.logits(binary), want), 2e-2)

    def test_heads_are_not_cut(self):
        """Biases and logits of heads are weights that layers may share."""
        result = run(BIN / "stc-opt", self.model, "--stc-prune-structure=groups=0.5", "-o",
                     "/dev/null", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"attention that can be cut", result.stderr)


if __name__ == "__main__":
    unittest.main()
