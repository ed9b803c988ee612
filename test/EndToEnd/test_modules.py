"""Modules (.mlir) as input: where their checkpoint is found, what they say of text, bad ones."""
import json
import re
import struct
import unittest

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
