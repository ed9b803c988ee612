"""Every --emit kind, per-phase dumps, determinism, and the C API of shared and object files."""
import os
import pathlib
import unittest

from support import BOOKS, SHARED, TemporaryDirectoryTest, compile_model, make_llama, run, stc

PHASES = ("import", "graph", "compressed", "packed", "tiled", "vector", "llvm")

CLIENT = r"""
#include "%(name)s.h"
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
  char error[512];
  int32_t tokens[] = {1378, 259, 1864, 1176};
  %(prefix)s_t *model = %(prefix)s_open(argv[1], 2, error, sizeof error);
  if (!model) { fprintf(stderr, "%%s\n", error); return 1; }
  int64_t vocab = %(prefix)s_vocab_size(model);
  float *logits = malloc(sizeof(float) * vocab);
  if (%(prefix)s_logits(model, tokens, 4, logits, 0, error, sizeof error)) {
    fprintf(stderr, "%%s\n", error); return 1;
  }
  int64_t best = 0;
  for (int64_t i = 1; i < vocab; ++i) if (logits[i] > logits[best]) best = i;
  printf("%%ld %%ld\n", (long)vocab, (long)best);
  %(prefix)s_close(model);
  return 0;
}
"""


class Emission(TemporaryDirectoryTest):
    def test_phases(self):
        for phase in PHASES:
            path = compile_model(BOOKS, self.tmp / f"{phase}.mlir", f"--emit=mlir:{phase}",
                                 "--quantize", "int4", "--prune", "0.5")
            text = path.read_text()
            self.assertIn({"import": "stc.linear", "graph": "stc.linear",
                           "compressed": "#stc.quant", "packed": "packed.matmul",
                           "tiled": "scf.forall", "vector": "vector<",
                           "llvm": "llvm.func"}[phase], text)
            self.assertLess(len(text), 4_000_000)

    def test_dumps(self):
        stc("compile", BOOKS, "-o", self.tmp / "m", "--quiet", "--dump-ir", self.tmp / "dump")
        self.assertEqual(sorted(p.name for p in (self.tmp / "dump").iterdir()),
                         [f"{i}-{phase}.mlir" for i, phase in enumerate(PHASES)])

    def test_assembly_and_llvm(self):
        text = compile_model(BOOKS, self.tmp / "m.s", "--emit=asm", "--quantize", "int4",
                             "--target", "x86-64-v4+avx512vnni").read_text()
        self.assertIn("vpdpbusd", text)
        generic = compile_model(BOOKS, self.tmp / "g.s", "--emit=asm", "--quantize", "int4",
                                "--target", "x86-64-v2").read_text()
        self.assertNotIn("zmm", generic)
        self.assertIn("define", compile_model(BOOKS, self.tmp / "m.ll", "--emit=llvm").read_text())
        arm = compile_model(BOOKS, self.tmp / "arm.s", "--emit=asm", "--target",
                            "aarch64").read_text()
        self.assertIn("stc_model_decode", arm)

    def test_builds_are_deterministic(self):
        def build():
            stc("compile", BOOKS, "-o", self.tmp / "a", "--quantize", "int4", "--prune", "0.5",
                "--quiet", env={**os.environ, "STC_CODE_CACHE": "off"})
            return (self.tmp / "a").read_bytes()
        self.assertEqual(build(), build())

    def test_code_is_kept(self):
        """Models of the same shapes have the same code, from wherever they come."""
        def compile(model, *options, cache=self.tmp / "cache", **more):
            result = stc("compile", model, "-o", self.tmp / "m", "--quantize", "int8", *options,
                         env={**os.environ, "XDG_CACHE_HOME": str(cache), **more})
            (self.tmp / "m").chmod(0o755)
            return (self.tmp / "m").read_bytes(), b"code (cached)" in result.stderr

        one = make_llama(self.tmp / "one", seed=1)
        two = make_llama(self.tmp / "two", seed=2)
        fresh, cached = compile(one)
        self.assertFalse(cached)
        self.assertEqual(compile(one), (fresh, True))
        self.assertEqual(compile(one, STC_CODE_CACHE="off"), (fresh, False))
        # Another checkpoint: its own weights, and what it would be without a cache.
        other, cached = compile(two)
        self.assertTrue(cached)
        self.assertNotEqual(other, fresh)
        self.assertEqual(compile(two, STC_CODE_CACHE="off"), (other, False))
        # What code depends on.
        for options in (("--target", "x86-64-v3"), ("--max-context", "64"), ("--prune", "2:4"),
                        ("--kv-cache", "int8"), ("--head", "int4"), ("--target", "simt-mma"),
                        ("--target", "simt-mma", "--activations", "rounded")):
            with self.subTest(options=options):
                alone, cached = compile(one, *options)
                self.assertFalse(cached)
                self.assertEqual(compile(one, *options), (alone, True))
        # A damaged file is made anew, and a folder that cannot be written is no error.
        for file in (self.tmp / "cache/stc/code").iterdir():
            data = bytearray(file.read_bytes())
            data[len(data) // 2] ^= 1
            file.write_bytes(data)
        self.assertEqual(compile(one), (fresh, False))
        self.assertEqual(compile(one), (fresh, True))
        (self.tmp / "file").write_text("")
        self.assertEqual(compile(one, cache=self.tmp / "file"), (fresh, False))

    def client(self, prefix, *link):
        source = self.tmp / "client.c"
        source.write_text(CLIENT % {"name": "books", "prefix": prefix})
        run("cc", "-I", self.tmp, source, *link, "-o", self.tmp / "client", cwd=self.tmp)
        result = run(self.tmp / "client", self.tmp / "books.weights", cwd=self.tmp)
        vocab, best = map(int, result.stdout.split())
        self.assertEqual((vocab, best), (2048, 272))
        failed = run(self.tmp / "client", self.tmp / "absent.weights", check=False)
        self.assertEqual(failed.returncode, 1)
        self.assertIn(b"absent.weights", failed.stderr)

    def test_shared(self):
        compile_model(BOOKS, self.tmp / "books", "--emit=shared",
                      "--target", "x86-64-v2,x86-64-v3")
        self.assertEqual({"books.so", "books.h", "books.weights"},
                         {p.name for p in self.tmp.iterdir()})
        exported = run("nm", "-D", "--defined-only", self.tmp / "books.so").stdout.decode()
        self.assertTrue(all("books_" in line for line in exported.splitlines()), exported)
        self.client("books", self.tmp / "books.so", "-Wl,-rpath," + str(self.tmp))

    def test_object(self):
        compile_model(BOOKS, self.tmp / "books", "--emit=object",
                      "--target", "x86-64-v3,x86-64-v2")
        self.assertEqual({"books.o", "books.h", "books.weights"},
                         {p.name for p in self.tmp.iterdir()})
        self.client("books", self.tmp / "books.o", "-lstdc++", "-lm", "-lpthread")


if __name__ == "__main__":
    unittest.main()
