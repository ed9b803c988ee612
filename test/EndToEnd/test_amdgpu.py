"""Models with code for AMD's GPUs, on a machine that has none: code objects are taken apart by
LLVM's tools. What the kernels compute, instruction by instruction, is StcTargetGPUTests'."""
import json
import pathlib
import sys
import unittest

from support import TemporaryDirectoryTest, make_llama, run, stc

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "benchmarks/gpu"))
import code_object  # noqa: E402

# Of each chip: lanes of a wave, what multiplies bytes for one token, and for many.
CHIPS = {
    "gfx90a": (64, "v_dot4c?_i32_i8", "v_mfma_i32_16x16x16_?i8"),
    "gfx942": (64, "v_dot4c?_i32_i8", "v_mfma_i32_16x16x32_i8"),
    "gfx1100": (32, "v_dot4_i32_iu8", "v_wmma_i32_16x16x16_iu8"),
}
FUNCTIONS = ("prefill", "decode", "score")


class AmdGpu(TemporaryDirectoryTest):
    def model(self, **config):
        return make_llama(self.tmp / "model", **config)

    def emit(self, chip, kind, *options, **config):
        out = self.tmp / f"model.{kind}"
        stc("compile", self.model(**config), "-o", out, f"--emit={kind}", "--target",
            f"amdgpu-{chip}", "--quiet", *options)
        return out

    def test_code_objects(self):
        for chip, (wave, dot, matrix) in CHIPS.items():
            with self.subTest(chip):
                path = self.emit(chip, "hsaco", "--quantize", "int4-g128", hidden=256)
                self.assertEqual(code_object.architecture(path), chip)
                kernels, code = code_object.kernels(path), code_object.instructions(path)
                self.assertEqual(set(kernels), {f"stc_model_{name}" for name in FUNCTIONS})
                for name, sizes in kernels.items():
                    # A few values that no loop needs may not stay in registers, but no arrays.
                    self.assertLess(sizes["private"], 256, name)
                    # LDS is the launch's to give.
                    self.assertEqual(sizes["group"], 0, name)
                    self.assertEqual(sizes["threads"], 512, name)
                    self.assertEqual(sizes["wave"], wave, name)
                self.assertGreater(code_object.count(code["stc_model_decode"], dot), 0)
                self.assertGreater(code_object.count(code["stc_model_prefill"], matrix), 0)
                # Nothing of a device library is called for.
                symbols = code_object.tool("llvm-readelf", "--dyn-syms", path)
                self.assertNotIn("UND __", symbols)
                self.assertIn("stc_model_decode.kd", symbols)

    def test_sparse_matrix_instructions(self):
        path = self.emit("gfx942", "hsaco", "--quantize", "int4-g128", "--prune", "2:4", hidden=256)
        code = code_object.instructions(path)
        self.assertGreater(
            code_object.count(code["stc_model_prefill"], "v_smfmac_i32_16x16x64_i8"), 0)

    def test_assembly(self):
        text = self.emit("gfx1100", "asm", "--quantize", "int8").read_text()
        self.assertIn('.amdgcn_target "amdgcn-amd-amdhsa--gfx1100"', text)
        self.assertIn(".amdhsa_kernel stc_model_decode", text)
        self.assertIn("v_wmma_i32_16x16x16_iu8", text)

    def test_runs_on_processors_too(self):
        model = self.model()
        both, plain = self.tmp / "both", self.tmp / "plain"
        stc("compile", model, "-o", both, "--target", "amdgpu-gfx90a,native,amdgpu-gfx942",
            "--quiet", "--quantize", "int8")
        stc("compile", model, "-o", plain, "--quiet", "--quantize", "int8")
        results = []
        for binary, device in ((both, "auto"), (plain, "cpu")):
            out = self.tmp / "logits.npy"
            run(binary, "logits", "--tokens", "1,5,9", "-o", out, "--device", device)
            results.append(out.read_bytes())
        self.assertEqual(*results)
        info = json.loads(run(both, "info", "--json").stdout)
        self.assertEqual([(image["name"], image["format"]) for image in info["gpu_images"]],
                         [("amdgpu-gfx942", "hsaco"), ("amdgpu-gfx90a", "hsaco")])
        self.assertIn("AMD's HIP library libamdhip64.so", info["device"]["refused"])
        done = run(both, "info", "--device", "hip:0", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("device hip: driver: expected AMD's HIP library", done.stderr.decode())
        done = run(both, "info", "--device", "cuda", check=False)
        self.assertIn("device cuda: expected code for nvptx-..., got amdgpu-gfx942 or "
                      "amdgpu-gfx90a", done.stderr.decode())

    def test_mistakes(self):
        model = self.model()
        for arguments, expected in [
            (["--target", "amdgpu-gfx900"], r"--target: expected nvptx-sm_80, .*amdgpu-gfx942"),
            (["--target", "amdgpu-gfx942", "--emit=ptx"], r"--target: expected a GPU of NVIDIA's"),
            (["--target", "nvptx-sm_90", "--emit=hsaco"], r"--target: expected a GPU of AMD's"),
            (["--target", "native", "--emit=hsaco"], r"--target: expected a GPU of AMD's"),
            (["--target", "amdgpu-gfx942,native", "--emit=hsaco"],
             r"--target: expected one target"),
        ]:
            with self.subTest(arguments):
                out = self.tmp / "out"
                done = stc("compile", model, "-o", out, *arguments, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr.decode(), r"\Aerror: " + expected)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
