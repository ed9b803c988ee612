"""Rotations folded into weights: the same model, which int8 activations do not hurt."""
import json
import math
import random
import re
import shutil
import struct
import unittest

from support import (BIN, BOOKS, TemporaryDirectoryTest, compile_model, make_llama, read_npy, run,
                     stc)

TOKENS = [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]


def plant_outliers(source, target, shift=6):
    """A copy of a bf16 Llama whose activations have channels 2^shift times as large as others: one of
    32 behind every norm, one of every head of values. What reads them is as much smaller."""
    target.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, target / name)
    data = bytearray((source / "model.safetensors").read_bytes())
    size, = struct.unpack_from("<Q", data)
    tensors = json.loads(data[8:8 + size])

    def scale(name, by, rows=None, columns=None):
        shape = tensors[name]["shape"]
        width = shape[-1]
        first = 8 + size + tensors[name]["data_offsets"][0]
        for row in rows if rows is not None else range(shape[0] if len(shape) == 2 else 1):
            for column in columns if columns is not None else range(width):
                place = first + 2 * (row * width + column)
                bits, = struct.unpack_from("<H", data, place)
                exponent = (bits >> 7 & 255) + by
                if bits & 0x7fff: # zero stays
                    assert 0 < exponent < 255
                    struct.pack_into("<H", data, place, bits & 0x807f | exponent << 7)

    config = json.loads((source / "config.json").read_text())
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    head_dim = config["hidden_size"] // heads
    channels = range(5, config["hidden_size"], 32)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        for norm, readers in (("input_layernorm", ("q", "k", "v")),
                              ("post_attention_layernorm", ("gate", "up"))):
            scale(f"{prefix}{norm}.weight", shift, columns=channels)
            part = "self_attn" if "q" in readers else "mlp"
            for reader in readers:
                scale(f"{prefix}{part}.{reader}_proj.weight", -shift, columns=channels)
        scale(f"{prefix}self_attn.v_proj.weight", shift,
              rows=[7 + head_dim * group for group in range(groups)])
        scale(f"{prefix}self_attn.o_proj.weight", -shift,
              columns=[7 + head_dim * head for head in range(heads)])
    (target / "model.safetensors").write_bytes(data)
    return target


def log_softmax(logits):
    largest = max(logits)
    total = largest + math.log(sum(math.exp(value - largest) for value in logits))
    return [value - total for value in logits]


def mean_divergence(exact, got):
    total = sum(math.exp(a) * (a - b) for p, q in zip(exact, got)
                for a, b in zip(log_softmax(p), log_softmax(q)))
    return total / len(exact)


class Activations(TemporaryDirectoryTest):
    """KL of generated code, whose activations are int8, from the float64 interpreter on the same
    int8 weights with float activations."""

    def divergence(self, model, tokens, rotate):
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
        exact = run(BIN / "stc-opt", module,
                    f"--stc-to-compressed=quantize=int8 head=auto rotate={str(rotate).lower()}",
                    f"--stc-interpret=tokens={tokens} max=100000 all", "-o", "/dev/null")
        exact = [[float(number) for number in line.split()[1:]]
                 for line in exact.stdout.decode().splitlines() if line.startswith("logits")]
        binary = compile_model(model, self.tmp / "model", "--quantize", "int8",
                               *(("--rotate",) if rotate else ()))
        run(binary, "logits", "--tokens", tokens, "-o", self.tmp / "l.npy")
        got = read_npy(self.tmp / "l.npy")
        self.assertEqual((len(exact), len(exact[0])), (len(got), len(got[0])))
        return mean_divergence(exact, got)

    def test_outliers_hurt_until_they_are_rotated(self):
        planted = plant_outliers(BOOKS, self.tmp / "planted")
        tokens = stc("tokenize", BOOKS, "--no-special", "--text-file",
                     BOOKS / "eval" / "kjv_valid.txt").stdout.decode().split()
        tokens = ",".join(tokens[:160])
        cost = {}
        for name, model in (("plain", BOOKS), ("planted", planted)):
            for rotate in (False, True):
                cost[name, rotate] = self.divergence(model, tokens, rotate)
                print(f"\nKL of int8 activations, {name}{', rotated' * rotate}: "
                      f"{cost[name, rotate]:.2e}", flush=True)
        self.assertGreater(cost["planted", False], 20 * cost["plain", False])
        self.assertLess(cost["planted", True], cost["planted", False] / 20)
        self.assertLess(cost["planted", True], 1e-3) # as of every model without outliers
        self.assertLess(cost["plain", True], 1e-3)


class SameFunction(TemporaryDirectoryTest):
    def logits(self, model, *options):
        binary = compile_model(model, self.tmp / "model", *options)
        run(binary, "logits", "--tokens", ",".join(map(str, TOKENS)), "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def assertNear(self, got, want, tolerance):
        largest = max(abs(value) for row in want for value in row)
        self.assertGreater(largest, 0.01)
        self.assertEqual(len(got), len(want))
        self.assertLess(max(abs(a - b) for p, q in zip(got, want) for a, b in zip(p, q)) / largest,
                        tolerance)

    def test_logits_are_the_same(self):
        # Blocks of 12 and 20 times a power of two, and of odd sizes, too.
        for hidden, heads, kv_heads in ((64, 4, 2), (96, 4, 4), (80, 8, 1), (36, 3, 3)):
            with self.subTest(hidden=hidden, heads=heads):
                model = make_llama(self.tmp / f"llama{hidden}", hidden=hidden, heads=heads,
                                   kv_heads=kv_heads, ffn=96)
                plain = self.logits(model)
                rotated = self.logits(model, "--rotate")
                self.assertNear(rotated, plain, 1e-4)
                self.assertNotEqual(rotated, plain)
        info = run(self.tmp / "model", "info").stdout.decode()
        self.assertIn("rotate", info)

    def test_books_differ_by_the_rounding_of_bf16(self):
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:20000])
        whole = compile_model(BOOKS, self.tmp / "whole")
        # The switch before the model: it takes no value.
        result = stc("eval", "--rotate", BOOKS, "--text", text, "--reference", whole, "--json")
        self.assertLess(json.loads(result.stdout)["kl"], 5e-5)

    def test_export_is_a_plain_checkpoint(self):
        model = make_llama(self.tmp / "llama", dtype="F32")
        plain = self.logits(model)
        stc("compile", model, "--rotate", "--emit=safetensors", "-o", self.tmp / "out", "--quiet")
        self.assertNear(self.logits(self.tmp / "out"), plain, 1e-4)
        header = (self.tmp / "out" / "model.safetensors").read_bytes()
        self.assertNotEqual(header, (model / "model.safetensors").read_bytes())
        stc("compile", BOOKS, "--rotate", "--emit=gguf", "-o", self.tmp / "books.gguf", "--quiet")
        self.assertNear(self.logits(self.tmp / "books.gguf"), self.logits(BOOKS), 3e-2)

    def test_a_report_compares_rotated_recipes(self):
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:6000])
        page = self.tmp / "page.html"
        stc("compile", BOOKS, "-o", self.tmp / "out", "--quiet", "--rotate", "--quantize", "int4",
            "--report", page, "--report-text", text)
        numbers = json.loads(re.search('id="stc-report">(.*?)</script>', page.read_text(),
                                       re.S)[1])
        parts = numbers["part_losses"]["parts"]
        self.assertEqual(len(parts), 8)
        self.assertTrue(all(part["kl"] < 0.01 for part in parts), parts)
        rows = {row["role"]: row["kl"] for row in numbers["equal_bytes"]["rows"]}
        self.assertLess(rows["larger"], rows["this"])
        self.assertLess(rows["this"], rows["smaller"])
        self.assertLess(rows["smaller"], 0.03)

    def test_a_budget_writes_that_it_was_rotated(self):
        model = make_llama(self.tmp / "llama", layers=2, hidden=64, ffn=96, vocab=320)
        ids = self.tmp / "text.ids"
        random.seed(1)
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(3000)))
        stc("compile", model, "-o", "found", "--quiet", "--rotate", "--budget", "bytes<=160000",
            "--calibrate", "text.ids", "--calibrate-length", "64", "--calibrate-sequences", "24",
            cwd=self.tmp)
        found = (self.tmp / "found").read_bytes()
        self.assertIn("rotate: true", (self.tmp / "found.recipe.yaml").read_text())
        (self.tmp / "found").unlink()
        stc("compile", model, "-o", self.tmp / "found", "--quiet", "--recipe",
            self.tmp / "found.recipe.yaml")
        self.assertEqual((self.tmp / "found").read_bytes(), found)


if __name__ == "__main__":
    unittest.main()
