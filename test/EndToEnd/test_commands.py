"""The commands of the compiler and of a model binary, as DESIGN's command line writes them."""
import json
import os
import pathlib
import pty
import select
import time
import unittest

from support import (BIN, BOOKS, SHARED, TemporaryDirectoryTest, compile_model, make_llama,
                     needs_shared, run, stc)

BENCH_KEYS = {"decode_tokens_per_second", "prefill_tokens_per_second", "weight_bytes_per_token",
              "read_bandwidth_bytes_per_second", "decode_bandwidth_fraction",
              "int8_peak_ops_per_second", "prefill_peak_fraction", "threads",
              "cache_bytes_per_token", "startup_seconds"}
LAYER_KEYS = {"name", "shape", "pattern", "density", "bits", "group", "layout", "bytes", "reason"}


class Commands(TemporaryDirectoryTest):
    def books(self, *options):
        return compile_model(BOOKS, self.tmp / "books", *options)

    def test_help_everywhere(self):
        binary = self.books()
        for tool in ("stc", "stc-opt", "stc-lsp-server", "stc-reduce"):
            self.assertGreater(len(run(BIN / tool, "--help").stdout), 200, tool)
        self.assertIn(b"stc compile", stc("compile", "--help").stdout)
        for command in ("run", "embed", "logits", "tokenize", "eval", "bench", "info"):
            self.assertIn(b"--", run(binary, command, "--help").stdout)

    def test_sampling_is_seeded(self):
        binary = self.books("--quantize", "int8")
        options = ("run", "-p", "The whale", "-n", "24", "--temperature", "0.9", "--top-k", "50",
                   "--top-p", "0.95", "--min-p", "0.02", "--repeat-penalty", "1.1", "--quiet")
        first = run(binary, *options, "--seed", "1").stdout
        self.assertEqual(first, run(binary, *options, "--seed", "1", "--threads", "1").stdout)
        self.assertNotEqual(first, run(binary, *options, "--seed", "2").stdout)

    def test_tokenize(self):
        binary = self.books()
        a = run(binary, "tokenize", "--text", "In the beginning", "--no-special").stdout
        self.assertEqual(a.split(), b"1378 259 1864 1176".split())
        self.assertEqual(a, stc("tokenize", BOOKS, "--text", "In the beginning",
                                "--no-special").stdout)
        text = self.tmp / "text.txt"
        text.write_text("In the beginning")
        self.assertEqual(a, stc("tokenize", BOOKS, "--text-file", text, "--no-special").stdout)

    @needs_shared
    def test_tokenize_vocabulary_files(self):
        for name in ("llama-spm", "gpt-2", "starcoder", "bert-bge"):
            path = SHARED / "tokenizers" / f"{name}.gguf"
            cases = (path.parent / (path.name + ".inp")).read_bytes().split(
                b"\n__ggml_vocab_test__\n")
            lines = (path.parent / (path.name + ".out")).read_text().split("\n")
            for index in (0, 5, 20, 40):
                if not cases[index].strip():
                    continue
                file = self.tmp / "case.txt"
                file.write_bytes(cases[index])
                got = stc("tokenize", path, "--text-file", file, "--no-special").stdout.decode()
                self.assertEqual(got.split(), lines[index].split(), (name, cases[index]))

    def test_info_and_inspect(self):
        binary = self.books("--prune", "2:4", "--quantize", "int4")
        info = json.loads(run(binary, "info", "--json").stdout)
        self.assertEqual(info["name"], "books")
        report = json.loads(stc("inspect", binary, "--json").stdout)
        self.assertEqual(LAYER_KEYS, set(report["layers"][0]) & LAYER_KEYS)
        q = next(l for l in report["layers"] if l["name"] == "layers.0.q")
        self.assertEqual(q["shape"], [256, 256])
        # Kept weights that round to zero are not stored as weights either.
        self.assertAlmostEqual(q["density"], 0.5, delta=0.01)
        self.assertEqual(q["pattern"], "2:4")
        self.assertEqual(q["group"], 32)
        self.assertTrue(q["reason"])
        self.assertEqual(report["total_bytes"], sum(l["bytes"] for l in report["layers"]))
        checkpoint = json.loads(stc("inspect", BOOKS, "--json").stdout)
        self.assertEqual(checkpoint["bits_per_weight"], 16)
        self.assertIn(b"layers.0.q", stc("inspect", binary).stdout)

    def test_bench(self):
        binary = self.books("--quantize", "int4")
        report = json.loads(run(binary, "bench", "--prompt-tokens", "32", "--generate", "8",
                                "--json").stdout)
        self.assertEqual(BENCH_KEYS, set(report) & BENCH_KEYS)
        for key in BENCH_KEYS:
            self.assertGreater(report[key], 0, key)

    def test_run_on_a_checkpoint_uses_a_cache(self):
        environment = dict(os.environ, XDG_CACHE_HOME=str(self.tmp / "cache"))
        arguments = ("run", BOOKS, "-p", "The", "-n", "5", "--temperature", "0", "--quiet")
        first = stc(*arguments, env=environment).stdout
        self.assertEqual(first, stc(*arguments, env=environment).stdout)
        self.assertTrue(list((self.tmp / "cache").rglob("*")))

    def test_interactive_on_a_terminal(self):
        binary = self.books("--quantize", "int8")
        child, terminal = pty.fork()
        if child == 0:
            os.execv(binary, [str(binary)])
        os.write(terminal, b"It was a dark night\n")
        seen, deadline = b"", time.time() + 30
        while time.time() < deadline and len(seen) < 200:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    seen += os.read(terminal, 4096)
                except OSError:
                    break
        os.write(terminal, b"\x04")
        time.sleep(0.2)
        os.write(terminal, b"\x04")
        os.close(terminal)
        os.waitpid(child, 0)
        self.assertGreater(len(seen), 60, seen)

    def test_a_model_without_a_tokenizer(self):
        binary = compile_model(make_llama(self.tmp / "llama"), self.tmp / "m")
        out = run(binary, "run", "--tokens", "1,2,3", "-n", "4", "--temperature", "0",
                  "--print-tokens", "--ignore-eos", "--quiet").stdout
        self.assertEqual(len(out.split()), 4)
        result = run(binary, "run", "-p", "hello", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"tokenizer", result.stderr)

    def test_needs_only_libc(self):
        binary = self.books()
        needed = run("readelf", "-d", binary).stdout.decode()
        libraries = {line.split("[")[1].rstrip("]") for line in needed.splitlines()
                     if "(NEEDED)" in line}
        self.assertLessEqual(libraries, {"libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"})


if __name__ == "__main__":
    unittest.main()
