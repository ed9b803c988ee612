"""Modules (.mlir) as input: where their checkpoint is found, what they say of text, bad ones."""
import json
import re
import struct
import unittest

import linalg_block
from support import BIN, BOOKS, TemporaryDirectoryTest, make_llama, read_npy, run, stc

TOKENS = "3,17,250,9,64"


class Modules(TemporaryDirectoryTest):
    def module(self, model, **replacements):
        """A checkpoint's module beside it, naming it in relation to itself."""
        path = model.parent / f"{model.name}.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", path, "--quiet")
        text = path.read_text().replace(f'stc.checkpoint = "{model}"',
                                        f'stc.checkpoint = "{model.name}"')
        self.assertIn(f'"{model.name}"', text)
        for old, new in replacements.items():
            self.assertIn(old, text)
            text = text.replace(old, new)
        path.write_text(text)
        return path

    def logits(self, model, **options):
        program = self.tmp / "program"
        stc("compile", model, "-o", program, "--quiet", **options)
        run(program, "logits", "--tokens", TOKENS, "-o", self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def refused(self, path, expected, *options):
        result = run(BIN / "stc", "compile", path, "-o", self.tmp / "out", "--quiet", *options,
                     check=False)
        error = result.stderr.decode()
        self.assertEqual(result.returncode, 1, error)
        self.assertEqual(error.count("\n"), 1, error)
        self.assertTrue(error.startswith("error: "), error)
        self.assertRegex(error, expected)
        self.assertFalse((self.tmp / "out").exists())

    def test_relative_checkpoints(self):
        """Beside the module first, then from the working directory; one path, one program."""
        model = make_llama(self.tmp / "here" / "model")
        want = self.logits(model)
        module = self.module(model)
        self.assertEqual(self.logits(module), want)
        self.assertEqual(self.logits("model.mlir", cwd=module.parent), want)
        moved = self.tmp / "elsewhere.mlir"
        module.rename(moved)
        self.assertEqual(self.logits(moved, cwd=model.parent), want)
        self.refused(moved, "model: expected .*No such file")

    def test_tensors_without_a_configuration(self):
        model = make_llama(self.tmp / "model")
        want = self.logits(model)
        module = self.module(model)
        (model / "config.json").unlink()
        self.refused(module, "config.json")
        module.write_text(module.read_text().replace('"model"', '"model/model.safetensors"'))
        self.assertEqual(self.logits(module), want)
        # What only a configuration says is refused, not guessed.
        self.refused(module, "--emit: expected a checkpoint", "--emit=safetensors")
        self.refused(module, "--report: expected a checkpoint", "--report", self.tmp / "r.html")

    def test_text(self):
        """The tokenizer and the tokens of the checkpoint that the module names are the program's:
        it writes what the checkpoint's own program writes."""
        module = self.tmp / "books.mlir"
        stc("compile", BOOKS, "--emit=mlir:import", "-o", module, "--quiet")
        texts = []
        for model in (BOOKS, module):
            stc("compile", model, "-o", self.tmp / "m", "--quiet")
            texts.append(run(self.tmp / "m", "run", "-p", "It was a dark night", "-n", "24",
                             "--seed", "4", "--quiet").stdout)
        self.assertEqual(texts[0], texts[1])
        self.assertGreater(len(texts[0]), 40)

    def test_tokens_of_text(self):
        """A module's own bos and eos tokens stand above the checkpoint's."""
        model = make_llama(self.tmp / "model")
        module = self.module(model, **{"module attributes {":
                                       "module attributes {stc.eos_tokens = array<i64: 7, 9>, "
                                       "stc.bos_token = 5 : i64, "})
        stc("compile", module, "-o", self.tmp / "m", "--emit=shared", "--quiet")
        settings = (self.tmp / "m.weights").read_bytes()
        self.assertTrue(re.search(rb"bos_token[^0-9\-]{0,4}5\b", settings), settings[-2000:])
        self.assertTrue(re.search(rb"eos_tokens[^0-9\-]{0,4}7,? ?9\b", settings), settings[-2000:])

    def lower(self, text):
        """Linear layers and residual sums of a module in linalg."""
        counter = iter(range(1_000_000))

        def zeros(rows, columns):
            n = next(counter)
            return (f"%z{n} = arith.constant 0 : index\n%t{n} = tensor.dim {rows}, %z{n} : "
                    f"tensor<?x{columns[0]}xf32>\n"
                    f"%e{n} = tensor.empty(%t{n}) : tensor<?x{columns[1]}xf32>\n"
                    f"%f{n} = arith.constant 0.0 : f32\n%o{n} = linalg.fill ins(%f{n} : f32) "
                    f"outs(%e{n} : tensor<?x{columns[1]}xf32>) -> tensor<?x{columns[1]}xf32>\n"
                    ), f"%o{n}"

        def linear(match):
            result, x, w, inputs, outputs = match.groups()
            lines, start = zeros(x, (inputs, outputs))
            return (f"{lines}{result} = linalg.matmul indexing_maps = ["
                    "affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>, "
                    f"affine_map<(t, n, k) -> (t, n)>] ins({x}, {w} : tensor<?x{inputs}xf32>, "
                    f"tensor<{outputs}x{inputs}xf32>) outs({start} : tensor<?x{outputs}xf32>) -> "
                    f"tensor<?x{outputs}xf32>")

        def add(match):
            result, a, b, columns = match.groups()
            lines, start = zeros(a, (columns, columns))
            kind = f"tensor<?x{columns}xf32>"
            return (f"{lines}{result} = linalg.add ins({a}, {b} : {kind}, {kind}) "
                    f"outs({start} : {kind}) -> {kind}")
        text, linears = re.subn(r"(%\w+) = stc.linear (%\w+), (%\w+) : \(tensor<\?x(\d+)xf32>, "
                                r"tensor<(\d+)x\d+xf32>\) -> \S+", linear, text)
        text, sums = re.subn(r"(%\w+) = arith.addf (%\w+), (%\w+) : tensor<\?x(\d+)xf32>", add,
                             text)
        self.assertEqual((linears, sums), (15, 4))
        return text

    def test_linalg(self):
        """A module in linalg is the program that it is in stc."""
        model = make_llama(self.tmp / "model")
        want = self.logits(model)
        module = self.module(model)
        module.write_text(self.lower(module.read_text()))
        self.assertEqual(self.logits(module), want)
        text = stc("compile", module, "--emit=mlir:graph", "-o", "-", "--quiet").stdout.decode()
        self.assertNotIn("linalg", text)

    def test_linalg_that_is_not_raised(self):
        """One error, and --verbose says which operation it is."""
        model = make_llama(self.tmp / "model")
        module = self.module(model)
        text = self.lower(module.read_text())
        module.write_text(text.replace("linalg.add ins", "linalg.max ins", 1))
        result = run(BIN / "stc", "compile", module, "-o", self.tmp / "out", "--verbose",
                     check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"remark: not raised: expected a part of an RMS or layer normalization", result.stderr)
        self.assertRegex(result.stderr.splitlines()[-1], b"^error: ")
        self.assertFalse((self.tmp / "out").exists())

    def test_linalg_block(self):
        """A block in linalg alone, without a cache, computes what the interpreter makes of it."""
        text = linalg_block.model()
        module = self.tmp / "block.mlir"
        module.write_text(text)
        tokens = [3, 1, 4, 1, 5, 2]
        # The interpreter passes a position and a cache, which the text does not look at.
        plain = self.tmp / "plain.mlir"
        plain.write_text(text.replace(
            "@forward(%tokens: tensor<?xi32>)",
            "@forward(%tokens: tensor<?xi32>, %position: index, %cache: !stc.kv_cache<layers = 1, "
            "kv_heads = 1, head_dim = 4, capacity = 16>)"))
        lines = run(BIN / "stc-opt", plain, "-o", "/dev/null", "--stc-interpret=all max=16 tokens="
                    + ",".join(map(str, tokens))).stdout.decode().splitlines()
        want = [[float(x) for x in line.split()[1:]] for line in lines if line.startswith("logits")]
        self.assertEqual(len(want), len(tokens))
        result = run(BIN / "stc", "compile", module, "-o", self.tmp / "program", "--verbose")
        self.assertRegex(result.stderr, b"remark: attention reads a cache: @forward takes")
        self.assertNotIn(b"not raised", result.stderr)
        run(self.tmp / "program", "logits", "--tokens", ",".join(map(str, tokens)), "-o",
            self.tmp / "l.npy")
        got = read_npy(self.tmp / "l.npy")
        self.assertEqual(len(got), len(tokens))
        for row, wanted in zip(got, want):
            self.assertEqual(len(row), linalg_block.VOCABULARY)
            for x, y in zip(row, wanted, strict=True):
                self.assertAlmostEqual(x, y, delta=1e-3 * max(map(abs, wanted)))

    def test_other_dialects(self):
        """One line says which, and how to lower it."""
        def refused(operation, expected):
            path = self.tmp / "other.mlir"
            path.write_text("func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                            f"  %y = {operation}\n  return %y : tensor<4xf32>\n}}\n")
            self.refused(path, "line 2: expected operations of stc, func, stablehlo, linalg, tensor, "
                         f"arith and math, got some of {expected}$")
        refused("vhlo.add_v1 %x, %x : tensor<4xf32>",
                r"vhlo \(stablehlo-opt --vhlo-legalize-to-stablehlo lowers it to stablehlo\)")
        refused("torch.aten.relu %x : tensor<4xf32>",
                r"torch \(torch-mlir-opt --torch-backend-to-linalg-on-tensors-backend-pipeline "
                r"lowers it to linalg\)")
        refused("mine.add %x, %x : tensor<4xf32>", "mine")

    def test_bad_modules(self):
        model = make_llama(self.tmp / "model")

        def refused(expected, old, new, *options):
            self.refused(self.module(model, **{old: new}), expected, *options)
        attributes = "module attributes {"
        refused("stc.bos_token: expected tokens from 0 to 319, got 320", attributes,
                attributes + "stc.bos_token = 320 : i64, ")
        refused("stc.bos_token: expected an i64", attributes, attributes + 'stc.bos_token = "a", ')
        refused("stc.eos_tokens: expected tokens from 0 to 319, got -1", attributes,
                attributes + "stc.eos_tokens = array<i64: 2, -1>, ")
        refused("stc.eos_tokens: expected an array<i64", attributes,
                attributes + "stc.eos_tokens = 2 : i64, ")
        refused("absent: expected .*No such file", '"model"', '"absent"')
        refused("missing", '"lm_head.weight"', '"missing"')
        refused("--max-context: expected a checkpoint .*capacity.*, got 64", attributes, attributes,
                "--max-context", "64")

    def test_other_shapes(self):
        model = make_llama(self.tmp / "model")
        module = self.module(model)
        path = model / "model.safetensors"
        data = path.read_bytes()
        size, = struct.unpack("<Q", data[:8])
        header = json.loads(data[8:8 + size])
        header["lm_head.weight"]["shape"] = [64, 320]
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size:])
        self.refused(module, "lm_head")


if __name__ == "__main__":
    unittest.main()
