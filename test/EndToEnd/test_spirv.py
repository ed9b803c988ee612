"""SPIR-V for OpenCL: modules are valid, and compute on PoCL what the processor's kernels do."""
import ctypes.util
import os
import shutil
import unittest

from simt_comparison import SimtTest
from support import (BIN, TemporaryDirectoryTest, compile_model, make_llama, run, stc)

# OpenCL with SPIR-V by llvm-spirv where PoCL is built without.
LIBRARY = BIN.parent / "lib" / "libStcOpenClTranslator.so"
HAS_POCL = (LIBRARY.exists() and ctypes.util.find_library("pocl") is not None
            and shutil.which("llvm-spirv-15") is not None)

LAYOUTS = {
    "floats": (),
    "int8": ("--quantize", "int8"),
    "int4": ("--quantize", "int4-g32"),
    "int3": ("--quantize", "int3-g32"),
    "bitmap": ("--quantize", "int4-g32", "--prune", "magnitude:0.5"),
    "2:4": ("--quantize", "int4-g32", "--prune", "2:4"),
    "pairs": ("--quantize", "int4-g32", "--prune", "4:16"),
    "blocks": ("--quantize", "int8", "--prune", "block16x4:0.75"),
}


class Modules(TemporaryDirectoryTest):
    @unittest.skipUnless(shutil.which("spirv-val"), "spirv-val is not installed")
    def test_valid(self):
        model = make_llama(self.tmp / "model", layers=1)
        for name, options in LAYOUTS.items():
            with self.subTest(name):
                module = self.tmp / "model.spv"
                stc("compile", model, "--emit=spirv", "--target", "spirv64", "-o", module,
                    "--quiet", *options)
                run("spirv-val", "--target-env", "opencl2.2", module)

    def refused(self, *options):
        model = make_llama(self.tmp / "model", layers=1)
        result = stc("compile", model, "-o", self.tmp / "out", *options, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertFalse((self.tmp / "out").exists())
        return result.stderr.decode()

    def test_other_kinds(self):
        self.assertIn("--target: expected spirv64 beside --emit=spirv, got native",
                      self.refused("--emit=spirv", "--target", "native"))
        self.assertIn("--emit: expected spirv for spirv64, got asm",
                      self.refused("--emit=asm", "--target", "spirv64"))
        self.assertIn("--target: expected a GPU of NVIDIA's beside --emit=ptx",
                      self.refused("--emit=ptx", "--target", "spirv64"))


def on_pocl(folder):
    return {**os.environ, "STC_OPENCL_LIBRARY": str(LIBRARY),
            "POCL_CACHE_DIR": str(folder / "cache")}


@unittest.skipUnless(HAS_POCL, "PoCL, llvm-spirv-15 or LLVM 14 is not installed")
class Kernels(SimtTest):
    """Whole models. PoCL takes seconds for a kernel, so that each has several layouts."""

    def check(self, *options, rounds=0, **config):
        """A text read in pieces, and single tokens decoded. Returns a function of the environment:
        the same rows once more."""
        model = make_llama(self.tmp / "random", layers=1, ffn=96, vocab=64, **config)
        (self.tmp / "opencl").mkdir()
        compile_model(model, self.tmp / "opencl" / "model", "--emit=shared", "--target",
                      "spirv64,native", "--kv-cache", "f32", *options)
        tokens = [(37 * i + 11) % 61 + 3 for i in range(24)]

        def rows(device, **environment):
            return self.rows("opencl", tokens, (5, 1, 17, 1),
                             **{**on_pocl(self.tmp), "STC_DEVICE": device, **environment})

        expected = rows("cpu")
        self.vocab = len(expected) // len(tokens) // 4
        computed = rows("opencl")
        self.assert_close(computed, expected, rounds)
        return lambda **environment: self.assertEqual(rows("opencl", **environment), computed)

    def layouts(self, **matrices):
        recipe = self.tmp / "recipe.yaml"
        recipe.write_text("version: 1\nstages:\n" + "".join(
            f"  - {{match: {name}, {stage}}}\n" for name, stage in matrices.items()))
        return "--recipe", recipe

    def test_floats(self):
        again = self.check(*self.layouts(**{"'*.up'": "prune: magnitude:0.5"}))
        # Whatever the order of a block's threads: everyone waits for what it needs.
        again(STC_OPENCL_ORDER="31")
        # PoCL runs as many blocks at the same time as there are processors.
        if os.cpu_count() > 1:
            again(STC_GPU_BLOCKS="2")

    def test_bf16(self):
        self.check(dtype="BF16")

    def test_dense_codes(self):
        self.check(*self.layouts(**{
            "'*.q'": "quantize: int8", "'*.k'": "quantize: int4-g32", "'*.v'": "quantize: int3-g32",
            "'*.o'": "quantize: int2-g32", "'*.gate'": "quantize: int4-g32-asym",
            "'*.down'": "quantize: int4-g16"}), rounds=0.25)

    def test_sparse_codes(self):
        self.check(*self.layouts(**{
            "'*.q'": "prune: 2:4, quantize: int8", "'*.k'": "prune: 2:4, quantize: int4-g32",
            "'*.v'": "prune: 4:16, quantize: int4-g32",
            "'*.o'": "prune: magnitude:0.5, quantize: int4-g32",
            "'*.gate'": "prune: block16x4:0.5, quantize: int8",
            "'*.down'": "prune: magnitude:0.5, quantize: int8"}), rounds=0.25)


@unittest.skipUnless(HAS_POCL, "PoCL, llvm-spirv-15 or LLVM 14 is not installed")
class Devices(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.environment = on_pocl(self.tmp)
        self.model = compile_model(make_llama(self.tmp / "model", layers=1), self.tmp / "program",
                                   "--target", "spirv64,native")

    def test_opens(self):
        shown = run(self.model, "info", "--device", "opencl", env=self.environment).stdout.decode()
        self.assertRegex(shown, r"running +spirv64")
        self.assertRegex(shown, r"device +OpenCL device 0 .*SPIR-V_1.2")

    def test_not_by_itself(self):
        """A processor's device of OpenCL is for those who name it."""
        shown = run(self.model, "info", env=self.environment).stdout.decode()
        self.assertRegex(shown, r"device +cpu")
        self.assertIn("expected a GPU that its driver knows, got processors alone", shown)

    def test_no_library(self):
        result = run(self.model, "info", "--device", "opencl", check=False,
                     env={**os.environ, "STC_OPENCL_LIBRARY": "/nonexistent.so"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("device opencl: driver: expected OpenCL's library /nonexistent.so",
                      result.stderr.decode())


if __name__ == "__main__":
    unittest.main()
