"""Every decoder family computes what its published definition says, from both containers, one token
at a time as all at once, and pruned and quantized as the interpreter does."""
import json
import random
import re
import unittest

from families import FAMILIES, Gemma2, Gpt2, Granite, Olmo2, Phi3, Qwen3, StarCoder2
from family_base import VOCAB
from support import (BIN, TemporaryDirectoryTest, compile_model, interpret_logits, read_npy, run,
                     stc)

TOKENS = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2, 18]
CONTINUED = 5


def argmax(row):
    return max(range(len(row)), key=row.__getitem__)


class Families(TemporaryDirectoryTest):
    def logits(self, binary):
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def check(self, path, want, options):
        binary = compile_model(path, self.tmp / "model", *options)
        rows = self.logits(binary)
        self.assertEqual(len(rows), len(want))
        worst = max(abs(a - b) for row, expected in zip(rows, want)
                    for a, b in zip(row, expected))
        self.assertLess(worst, 1e-3)
        return binary

    def continuation(self, family, tensors):
        tokens = list(TOKENS)
        for _ in range(CONTINUED):
            tokens.append(argmax(family.forward(tensors, tokens)[-1]))
        return tokens[len(TOKENS):]

    def check_family(self, make):
        family = make()
        options = getattr(family, "options", ())
        tensors = family.tensors()
        want = family.forward(tensors, TOKENS)
        # A model that says nothing would agree with everything.
        self.assertGreater(max(abs(x) for x in want[-1]), 0.5)
        directory = family.write(self.tmp / "hf", tensors)
        binary = self.check(directory, want, options)
        text = run(binary, "run", "--tokens", ",".join(map(str, TOKENS)), "-n", CONTINUED,
                   "--temperature", "0", "--ignore-eos", "--print-tokens", "--quiet").stdout
        self.assertEqual([int(t) for t in text.split()], self.continuation(family, tensors))
        if family.gguf:
            self.check(family.write_gguf(self.tmp / "model.gguf", tensors), want, options)
        self.check_compressed(directory, options)

    def check_compressed(self, directory, options):
        # The interpreter compiles for the default context.
        if options:
            return
        binary = compile_model(directory, self.tmp / "compressed", "--prune", "magnitude:2:4",
                               "--quantize", "int8-g32")
        got = self.logits(binary)[-1]
        want = interpret_logits(directory, self.tmp / "import.mlir", "magnitude:2:4", "int8-g32",
                                TOKENS)
        self.assertEqual(len(got), len(want))
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        # A code of an activation that falls on the other side of a half makes a step.
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, 2e-2)


class Passes(TemporaryDirectoryTest):
    """What compression does to families whose layers differ from Llama's."""

    def make(self, family):
        tensors = family().tensors()
        return family().write(self.tmp / family.__name__, tensors), tensors

    def compare(self, model, options, passes, tolerance=1e-4):
        binary = compile_model(model, self.tmp / "model", *options)
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        got = read_npy(self.tmp / "l.npy")[-1]
        want = interpret_logits(model, self.tmp / "import.mlir", "none", "none", TOKENS, passes)
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.1)
        self.assertLess(max(abs(a - b) for a, b in zip(got, want)) / largest, tolerance)
        return got

    def test_structure(self):
        for family in (Qwen3, Gpt2, Phi3, Gemma2):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                got = self.compare(model, ("--prune-groups", "0.5", "--prune-channels", "0.25"),
                                   "--stc-prune-structure=groups=0.5 channels=0.25")
                whole = family().forward(tensors, TOKENS)[-1]
                self.assertGreater(max(abs(a - b) for a, b in zip(got, whole)), 1e-2)

    def test_structure_that_is_not_there(self):
        model, _ = self.make(Olmo2)
        result = stc("compile", model, "-o", self.tmp / "m", "--prune-groups", "0.5", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"attention that can be cut in every layer", result.stderr)

    def test_rotations_change_nothing(self):
        for family in (Granite, Qwen3, Phi3):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                got = self.compare(model, ("--rotate",), "--stc-fold-rotations")
                whole = family().forward(tensors, TOKENS)[-1]
                self.assertLess(max(abs(a - b) for a, b in zip(got, whole)), 1e-3)

    def test_rotations_say_what_they_cannot_turn(self):
        for family, what in ((Gpt2, b"got stc.layer_norm"), (Gemma2, b"got stc.rms_norm")):
            model, _ = self.make(family)
            result = stc("compile", model, "-o", self.tmp / "m", "--rotate", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"stc-fold-rotations: expects a hidden state", result.stderr)
            self.assertIn(what, result.stderr)

    def test_calibrated(self):
        """Channel scales that go into gains and biases of norms, and the text that finds them."""
        generator = random.Random(7)
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(generator.randrange(VOCAB)) for _ in range(16 * 32)))
        for family in (Gemma2, StarCoder2, Gpt2):
            with self.subTest(family=family.__name__):
                model, tensors = self.make(family)
                whole = family().forward(tensors, TOKENS)[-1]
                result = run(BIN / "stc-opt", "/dev/null", f"--stc-import=path={model}",
                             f"--stc-compress-layers=calibrate={ids} length=32 sequences=16 "
                             "quantize=awq:int8-g32",
                             f"--stc-interpret=tokens={','.join(map(str, TOKENS))} max=100000")
                module, numbers = result.stdout.decode().split("logits", 1)
                norm = next(line for line in (module + numbers).splitlines()
                            if "stc.weight @layers.0.attn_norm :" in line)
                self.assertIn("stc.calibrated", norm)
                got = [float(n) for n in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?",
                                                    numbers.splitlines()[0])]
                self.assertEqual(len(got), len(whole))
                largest = max(map(abs, whole))
                self.assertLess(max(abs(a - b) for a, b in zip(got, whole)) / largest, 3e-2)

    def test_qwen3_as_gguf(self):
        model, tensors = self.make(Qwen3)
        stc("compile", model, "-o", self.tmp / "q.gguf", "--emit=gguf", "--quiet")
        binary = compile_model(self.tmp / "q.gguf", self.tmp / "model")
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        whole = Qwen3().forward(tensors, TOKENS)
        for row, expected in zip(read_npy(self.tmp / "l.npy"), whole):
            self.assertLess(max(abs(a - b) for a, b in zip(row, expected)), 1e-3)

    def test_shards(self):
        """Fused tensors of several files."""
        family = Phi3()
        tensors = family.tensors()
        directory = family.write(self.tmp / "sharded", tensors)
        (directory / "model.safetensors").unlink()
        names, shards = list(tensors), {}
        for number in range(2):
            file = f"model-{number + 1:05}-of-00002.safetensors"
            part = {name: tensors[name] for name in names[number::2]}
            family.write(self.tmp / "part", part)
            (self.tmp / "part" / "model.safetensors").rename(directory / file)
            shards.update({name: file for name in part})
        (directory / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": shards}))
        binary = compile_model(directory, self.tmp / "model")
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        want = family.forward(tensors, TOKENS)
        for row, expected in zip(read_npy(self.tmp / "l.npy"), want):
            self.assertLess(max(abs(a - b) for a, b in zip(row, expected)), 1e-3)


class BadInput(TemporaryDirectoryTest):
    def error(self, family, tensors, *options):
        directory = family.write(self.tmp / "bad", tensors)
        result = stc("compile", directory, "-o", self.tmp / "m", *options, check=False)
        self.assertEqual(result.returncode, 1)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertFalse((self.tmp / "m").exists())
        return lines[0]

    def test_tensors(self):
        family = Phi3()
        tensors = family.tensors()
        name = "model.layers.1.self_attn.qkv_proj.weight"
        rows = tensors[name]
        tensors[name] = rows[:-1]
        self.assertIn(f"tensor {name}: expected shape [64, 32], got [63, 32]",
                      self.error(family, tensors))
        del tensors[name]
        self.assertIn(f"tensor {name}: expected shape [64, 32], got no such tensor",
                      self.error(family, tensors))
        tensors[name] = rows
        tensors["model.layers.0.self_attn.q_proj.weight"] = [[0.0]]
        self.assertIn("expected only tensors of phi3, got an unknown one of shape [1, 1]",
                      self.error(family, tensors))

    def test_transposed(self):
        family = Gpt2()
        tensors = family.tensors()
        name = "h.0.mlp.c_fc.weight"
        tensors[name] = [list(column) for column in zip(*tensors[name])]
        self.assertIn(f"tensor {name}: expected shape [32, 128], got [128, 32]",
                      self.error(family, tensors))

    def test_more_positions_than_learned(self):
        family = Gpt2()
        self.assertIn("max-context: expected up to the 64 positions",
                      self.error(family, family.tensors(), "--max-context", "65"))

    def test_unknown_family(self):
        family = Granite()
        tensors = family.tensors()
        family.config["model_type"] = "granite4"
        line = self.error(family, tensors)
        self.assertIn("model_type: expected one of llama, ", line)
        self.assertIn("got 'granite4' (the nearest is granite)", line)

    def test_exports_that_cannot_be(self):
        family = Granite()
        line = self.error(family, family.tensors(), "--emit=gguf")
        self.assertIn("--emit=gguf: expected a model of llama, mistral, qwen2, qwen3, mixtral", line)
        for make, message in ((Gpt2, "with a tensor of its own, got one that gpt2 checkpoints"),
                              (Phi3, "with a tensor of its own, got one that phi3 checkpoints"),
                              (Gemma2, "that the checkpoint stores as the model uses it")):
            family = make()
            line = self.error(family, family.tensors(), "--emit=safetensors")
            self.assertIn(message, line)


def add_test(make):
    setattr(Families, f"test_{make.__name__}", lambda self: self.check_family(make))


for _make in FAMILIES:
    add_test(_make)


if __name__ == "__main__":
    unittest.main()
