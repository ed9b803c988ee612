"""Compiled models through their C interface, and the command line behind stc.compile."""
import json
import os
import pathlib
import shutil
import subprocess
import threading
import unittest
from unittest import mock

from package import BOOKS, PackageTest, stc

PROMPT = "It was a dark night, and the captain"


class Books(PackageTest):
    """examples/books, quantized so that it loads fast."""

    @classmethod
    def setUpClass(cls):
        import tempfile
        cls.folder = tempfile.TemporaryDirectory()
        cls.library = stc.compile(BOOKS, pathlib.Path(cls.folder.name) / "books", emit="shared",
                                  quantize="int8")
        cls.program = stc.compile(BOOKS, pathlib.Path(cls.folder.name) / "program",
                                  quantize="int8")

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def open(self, **options):
        model = stc.Model(self.library, **options)
        self.addCleanup(model.close)
        return model

    def run_program(self, *arguments):
        return subprocess.run([self.program, *map(str, arguments)], check=True,
                              capture_output=True).stdout.decode()

    def test_properties_and_text(self):
        model = self.open()
        self.assertEqual((model.vocab_size, model.max_context), (2048, 1024))
        ids = model.tokenize(PROMPT)
        printed = self.run_program("tokenize", "--text", PROMPT)
        self.assertEqual(ids, list(map(int, printed.replace(",", " ").split())))
        self.assertEqual(model.detokenize(ids), PROMPT)
        self.assertEqual((model.tokenize(""), model.detokenize([])), ([], ""))
        long = PROMPT * 50
        self.assertEqual(model.detokenize(model.tokenize(long)), long)

    def test_generate_writes_what_the_program_writes(self):
        model = self.open()
        written = model.generate(PROMPT, 20, temperature=0.8, top_k=40, seed=7)
        printed = self.run_program("run", "-p", PROMPT, "-n", 20, "--temperature", 0.8, "--top-k",
                                   40, "--top-p", 1, "--seed", 7, "--quiet")
        self.assertEqual(PROMPT + written.text, printed[:-1] if printed.endswith("\n") else printed)
        self.assertEqual(model.detokenize(written.tokens), written.text)
        self.assertEqual(written, model.generate(PROMPT, 20, temperature=0.8, top_k=40, seed=7))
        self.assertNotEqual(written, model.generate(PROMPT, 20, temperature=0.8, top_k=40, seed=8))

    def test_appending_goes_on(self):
        model = self.open()
        whole = model.generate(PROMPT, 12).tokens
        first = model.generate(PROMPT, 5).tokens
        second = model.generate([], 7, append=True).tokens
        self.assertEqual(first + second, whole)
        # Logits after a text in pieces are those after the whole.
        ids = model.tokenize(PROMPT)
        want = list(model.logits(ids))
        model.logits(ids[:3])
        self.assertEqual(list(model.logits(ids[3:], append=True)), want)
        rows = model.logits(ids, all_positions=True)
        self.assertEqual((len(rows), len(rows[0])), (len(ids), 2048))
        for got, expected in zip(rows[-1], want):
            self.assertAlmostEqual(float(got), float(expected), delta=1e-2)
        # A generated token that the model has not read yet gives no row of its own.
        model.generate(PROMPT, 3)
        self.assertEqual(len(model.logits(ids[:2], append=True, all_positions=True)), 2)

    def test_stop_texts_and_grammars(self):
        model = self.open()
        plain = model.generate(PROMPT, 20)
        word = plain.text.split()[3]
        stopped = model.generate(PROMPT, 20, stop=["what never comes", word])
        self.assertEqual(stopped.text, plain.text[:plain.text.index(word)])
        self.assertLess(len(stopped.tokens), len(plain.tokens))
        self.assertEqual(model.generate(PROMPT, 20, stop=["what never comes"]), plain)
        self.assertEqual(model.generate(PROMPT, 20, end_tokens=[plain.tokens[2]]).tokens,
                         plain.tokens[:plain.tokens.index(plain.tokens[2])])
        self.assertIn(model.generate(PROMPT, 30, grammar='root ::= " yes" | " no"').text,
                      (" yes", " no"))
        written = model.generate(PROMPT, 40, json_schema={"enum": [17, "two"]}).text
        self.assertIn(json.loads(written), (17, "two"))
        with self.assertRaisesRegex(stc.ModelError, "constraint.grammar"):
            model.generate(PROMPT, 3, grammar="root ::= [a-")
        with self.assertRaisesRegex(stc.ModelError, "expected a grammar or a JSON schema, got both"):
            model.generate(PROMPT, 3, grammar='root ::= "a"', json_schema="{}")

    def test_conversations(self):
        messages = [{"role": "user", "content": "Who are you?"}]
        with self.assertRaisesRegex(stc.ModelError, "expected a chat template"):
            self.open().chat(messages)
        source = pathlib.Path(self.folder.name) / "source"
        shutil.copytree(BOOKS, source)
        (source / "chat_template.jinja").write_text(
            "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}assistant:")
        library = stc.compile(source, pathlib.Path(self.folder.name) / "chatty", emit="shared",
                              quantize="int8")
        with stc.Model(library) as model:
            tokens, end = model.chat_tokens(messages)
            text = "user: Who are you?\nassistant:"
            self.assertEqual(tokens, model.tokenize(text, add_special=False))
            self.assertEqual(end, -1)
            self.assertEqual(model.chat(messages, 8), model.generate(tokens, 8))
            self.assertLessEqual(len(model.chat(messages, 8, stop=["\n"]).tokens), 8)

    def test_callbacks(self):
        model = self.open()
        seen = []
        whole = model.generate(PROMPT, 12)
        got = model.generate(PROMPT, 12,
                             on_token=lambda token, text: seen.append((token, text)) or
                             len(seen) == 4)
        self.assertEqual(tuple(token for token, _ in seen), whole.tokens[:4])
        self.assertEqual(got.tokens, whole.tokens[:4])
        self.assertTrue(whole.text.startswith("".join(text for _, text in seen)))

        def fail(token, text):
            raise KeyError(token)
        with self.assertRaises(KeyError):
            model.generate(PROMPT, 12, on_token=fail)
        self.assertEqual(model.generate(PROMPT, 12), whole)

    def test_lists_where_numpy_is_absent(self):
        model = self.open()
        want = [float(value) for value in model.logits([5, 6])]
        with mock.patch.dict("sys.modules", {"numpy": None}):
            row = model.logits([5, 6])
            rows = model.logits([5, 6], all_positions=True)
        self.assertIs(type(row), list)
        self.assertEqual(row, want)
        self.assertEqual([len(row) for row in rows], [2048, 2048])

    def test_numpy_arrays(self):
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        rows = self.open().logits(numpy.array([5, 6]), all_positions=True)
        self.assertEqual((rows.dtype, rows.shape), (numpy.dtype("float32"), (2, 2048)))

    def test_models_are_apart(self):
        """Two models of one library have their own text; threads may share one."""
        a, b = self.open(threads=1), self.open(threads=1)
        a.logits([5, 6, 7])
        want = list(b.logits([9]))
        self.assertEqual(list(b.logits([9])), want)
        results = []
        threads = [threading.Thread(target=lambda: results.append(list(b.logits([9]))))
                   for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(results, [want] * 4)

    def test_a_library_compiled_again_is_the_new_one(self):
        folder = pathlib.Path(self.folder.name)
        again = stc.compile(BOOKS, folder / "again", emit="shared", quantize="int8")
        with stc.Model(again) as model:
            old = list(model.logits([5, 6]))
        again = stc.compile(BOOKS, folder / "again", emit="shared", quantize="int4", prune="0.5")
        with stc.Model(again) as model:
            self.assertNotEqual(list(model.logits([5, 6])), old)

    def test_names(self):
        folder = pathlib.Path(self.folder.name)
        odd = stc.compile(BOOKS, folder / "7 odd-name.v2", emit="shared", quantize="int8")
        self.assertEqual(odd.name, "7 odd-name.v2.so")
        with stc.Model(odd) as model:
            self.assertEqual(model.vocab_size, 2048)
        renamed = folder / "renamed.so"
        shutil.copy(self.library, renamed)
        weights = self.library.with_suffix(".weights")
        self.raises(stc.ModelError, "expected a function renamed_open .*prefix=", stc.Model,
                    renamed, weights)
        with stc.Model(renamed, weights, prefix="books") as model:
            self.assertEqual(model.vocab_size, 2048)

    def test_refusals(self):
        model = self.open()
        self.raises(stc.ModelError, "expected ids from 0 to 2047, got 2048", model.logits, [2048])
        self.raises(stc.ModelError, "expected ids from 0 to 2047, got -1", model.generate, [-1])
        self.raises(stc.ModelError, "at least one token", model.logits, [])
        self.raises(stc.ModelError, "context", model.logits, [1] * 1025)
        self.raises(stc.ModelError, "numbers in the ranges", model.generate, "a", 3,
                    temperature=float("nan"))
        self.raises(stc.ModelError, "no such file", stc.Model, self.tmp / "absent.so")
        self.raises(stc.ModelError, "absent.weights", stc.Model, self.library,
                    self.tmp / "absent.weights")
        (self.tmp / "text.so").write_text("no library")
        self.raises(stc.ModelError, "expected a library that loads", stc.Model,
                    self.tmp / "text.so")
        model.close()
        model.close()
        self.raises(stc.ModelError, "expected an open one", model.logits, [1])


class Readme(PackageTest):
    def test_code(self):
        self.run_readme(lambda code: "torch" not in code)


class Compiler(PackageTest):
    def test_errors_are_the_compilers(self):
        error = self.raises(stc.CompileError, "absent: expected", stc.compile, self.tmp / "absent",
                            self.tmp / "out")
        self.assertNotIn("error:", str(error))
        self.raises(stc.CompileError, "--emit: expected exe, shared", stc.compile, BOOKS,
                    self.tmp / "out", emit="elf")
        self.raises(stc.CompileError, "prune: expected none", stc.compile, BOOKS, self.tmp / "out",
                    prune="3:2")
        self.assertEqual(list(self.tmp.iterdir()), [])

    def test_paths_and_options(self):
        path = stc.compile(BOOKS, self.tmp / "m.mlir", emit="mlir:graph",
                           options=["--max-context", "64"])
        self.assertEqual(path, self.tmp / "m.mlir")
        self.assertIn("capacity = 64", path.read_text())
        for emit, name in (("object", "o.o"), ("gguf", "g.gguf")):
            path = stc.compile(BOOKS, self.tmp / name[0], emit=emit, quantize="int8")
            self.assertEqual((path, path.is_file()), (self.tmp / name, True))

    def test_finding_the_compiler(self):
        found = stc.find_compiler()
        with mock.patch.dict(os.environ, {"STC": str(self.tmp / "absent")}):
            self.raises(stc.CompileError, "STC: expected a program", stc.find_compiler)
        (self.tmp / "stc").symlink_to(found)
        with mock.patch.dict(os.environ, {"PATH": str(self.tmp)}):
            os.environ.pop("STC", None)
            self.assertEqual(stc.find_compiler(), str(self.tmp / "stc"))


if __name__ == "__main__":
    unittest.main()
