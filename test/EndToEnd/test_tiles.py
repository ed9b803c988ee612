"""A bf16 model through the loops of tile registers, whose products this machine computes without."""
import os
import pathlib
import platform
import unittest

from support import (BIN, ROOT, TemporaryDirectoryTest, compile_model, interpret_logits, make_llama, run)

LLVM = pathlib.Path(os.environ.get("STC_LLVM_BIN", "/usr/lib/llvm-22/bin"))
TARGET = "x86-64-v2+amx-bf16"

CLIENT = r"""
#include "model.h"
#include <stdio.h>
#include <stdlib.h>

#ifdef TILES
#include "stc/Runtime/ModelABI.h"
void stc_model_prefill(const StcFrame *, int64_t, int64_t);
void stc_model_decode(const StcFrame *, int64_t, int64_t);
void stc_model_score(const StcFrame *, int64_t, int64_t);
const StcVariant stc_model_variants[] = {
    {"tiles", "", stc_model_prefill, stc_model_decode, stc_model_score}};
const uint64_t stc_model_variant_count = 1;
#endif

int main(int argc, char **argv) {
  char error[512];
  int32_t tokens[256];
  int64_t count = 0;
  for (int i = 2; i < argc; ++i) tokens[count++] = atoi(argv[i]);
  model_t *model = model_open(argv[1], 2, error, sizeof error);
  if (!model) { fprintf(stderr, "%s\n", error); return 1; }
  int64_t vocab = model_vocab_size(model);
  float *logits = malloc(sizeof(float) * vocab);
  if (model_logits(model, tokens, count, logits, 0, error, sizeof error)) {
    fprintf(stderr, "%s\n", error); return 1;
  }
  for (int64_t i = 0; i < vocab; ++i) printf("%.9g\n", logits[i]);
  model_close(model);
  return 0;
}
"""


@unittest.skipUnless(platform.machine() == "x86_64", "tile registers are of x86")
class Tiles(TemporaryDirectoryTest):
    def code_with_tile_loops(self, model):
        """An object of the loops for TARGET whose micro-operations are those of this machine."""
        vector = compile_model(model, self.tmp / "vector.mlir", "--emit=mlir:vector", "--quantize",
                               "none", "--target", TARGET)
        self.assertIn("packed.tile_dot_bf16", vector.read_text())
        llvm, code = self.tmp / "llvm.mlir", self.tmp / "tiles.o"
        run(BIN / "stc-opt", vector, "--stc-phase-llvm", "-o", llvm)
        run(LLVM / "mlir-translate", "--mlir-to-llvmir", llvm, "-o", self.tmp / "tiles.ll")
        run(LLVM / "llc", "-O2", "-mcpu=native", "-relocation-model=pic", "-filetype=obj",
            self.tmp / "tiles.ll", "-o", code)
        # The weights are those of the object that is linked with it.
        run(LLVM / "llvm-objcopy", "--localize-symbol=stc_model_fingerprint",
            "--localize-symbol=stc_model_abi_version", code)
        return code

    def logits(self, tokens, *link):
        (self.tmp / "client.c").write_text(CLIENT)
        run("cc", "-I", ROOT / "include", self.tmp / "client.c", *link, "-o", self.tmp / "client", "-lstdc++", "-lm",
            "-lpthread", cwd=self.tmp)
        result = run(self.tmp / "client", self.tmp / "model.weights", *tokens, cwd=self.tmp)
        return [float(line) for line in result.stdout.split()]

    def test_agrees_with_the_reference(self):
        model = make_llama(self.tmp / "llama", layers=2, hidden=64, ffn=172, vocab=320,
                           dtype="BF16")
        tokens = [1 + 7 * i % 300 for i in range(45)]  # blocks of 32, 8, 4 and 1
        # The scratch memory is large enough for both.
        compile_model(model, self.tmp / "model", "--emit=object", "--quantize", "none", "--target",
                      f"native,{TARGET}")
        plain = self.logits(tokens, "model.o")
        tiles = self.code_with_tile_loops(model)
        # The same object with the model's functions exchanged: what it keeps for itself is made
        # visible, and gives way.
        run(LLVM / "llvm-objcopy", "--wildcard", "--globalize-symbol=stc_*",
            "--weaken-symbol=stc_*", self.tmp / "model.o")
        got = self.logits(tokens, "-DTILES", tiles, "model.o")
        want = interpret_logits(model, self.tmp / "import.mlir", "none", "none", tokens)
        self.assertEqual(len(got), len(want))
        self.assertGreater(max(map(abs, want)), 0.01)
        self.assertTrue(got != plain)  # Other roundings: it is the other code that ran.
        # Activations rounded to bf16 once would be off by 2.7e-3.
        for values in (plain, got):
            self.assertLess(max(abs(a - b) for a, b in zip(values, want)), 2e-5)

    def test_instructions(self):
        model = make_llama(self.tmp / "llama", layers=1, dtype="BF16")
        for target, expected in (("sapphirerapids", True), (TARGET, True),
                                 ("x86-64-v4+amx-int8", False), ("x86-64-v4+avx512bf16", False)):
            text = compile_model(model, self.tmp / "m.s", "--emit=asm", "--quantize", "none",
                                 "--target", target).read_text()
            self.assertEqual("tdpbf16ps" in text, expected, target)


if __name__ == "__main__":
    unittest.main()
