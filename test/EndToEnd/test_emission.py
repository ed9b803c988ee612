"""Every --emit kind, per-phase dumps, determinism, and the C API of shared and object files."""
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
        first = compile_model(BOOKS, self.tmp / "a" , "--quantize", "int4", "--prune", "0.5")
        data = first.read_bytes()
        first.unlink()
        again = compile_model(BOOKS, self.tmp / "a", "--quantize", "int4", "--prune", "0.5")
        self.assertEqual(data, again.read_bytes())

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
