"""Models with code for GPUs, on a machine that need not have one: what the driver writes, for which
chips, and what it says to what it cannot do. What the kernels compute is test_simt.py's."""
import json
import os
import re
import shutil
import unittest

from encoders import Bert
from seq2seq import T5, Whisper
from support import TemporaryDirectoryTest, make_llama, run, stc

PTXAS = os.environ.get("STC_PTXAS") or shutil.which(
    "ptxas", path=os.environ.get("PATH", "") + ":/usr/local/cuda/bin")
CHIPS = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_90a", "sm_100", "sm_100a", "sm_120", "sm_120a"]


class Gpu(TemporaryDirectoryTest):
    def model(self, **config):
        return make_llama(self.tmp / "model", **config)

    def ptx(self, chip, *options, **config):
        out = self.tmp / "model.ptx"
        stc("compile", self.model(**config), "-o", out, "--emit=ptx", "--target", f"nvptx-{chip}",
            "--quiet", *options)
        return out.read_text()

    def test_every_chip(self):
        for chip in CHIPS:
            with self.subTest(chip):
                text = self.ptx(chip, "--quantize", "int4-g128", "--prune", "2:4", hidden=256)
                self.assertIn(f".target {chip}\n", text)
                for function in ("prefill", "decode", "score"):
                    self.assertIn(f".entry stc_model_{function}(", text)
                # Dot products of bytes for one token, sparse tensor cores for many.
                self.assertIn("dp4a.", text)
                self.assertRegex(text, r"mma\.sp\S*\.m16n8k64")
                # No library of the device is linked, and nothing is left in local memory for
                # want of constants.
                self.assertNotIn("__nv_", text)

    def test_every_kind_of_model(self):
        for family, functions in ((Bert(), "prefill"), (T5(), "decode encode prefill score"),
                                  (Whisper(), "decode encode prefill score stem")):
            model = family.write(self.tmp / type(family).__name__, family.tensors())
            out = self.tmp / "kind.ptx"
            stc("compile", model, "-o", out, "--emit=ptx", "--target", "nvptx-sm_80", "--quiet")
            found = re.findall(r"\.entry stc_model_(\w+)\(", out.read_text())
            self.assertEqual(sorted(found), functions.split())

    def test_instructions(self):
        text = self.ptx("sm_90", "--quantize", "int8")
        self.assertRegex(text, r"mma\.sync\S*\.m16n8k32")
        self.assertIn("ld.global.nc.v4", text)
        self.assertIn("cp.async", text)
        self.assertIn("shfl.sync", text)

    def test_warpgroups_multiply_together(self):
        """Where a piece of work has four row tiles: in a matrix of many rows."""
        for chip in ("sm_90", "sm_90a"):
            text = self.ptx(chip, "--quantize", "int8", "--head", "int8", vocab=17408,
                            hidden=128)
            self.assertEqual("wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8" in text,
                             chip == "sm_90a")
            self.assertEqual("fence.proxy.async.shared::cta" in text, chip == "sm_90a")

    def test_warpgroups_multiply_2_4_and_widened_codes(self):
        model, out = self.model(layers=1, hidden=128, ffn=17408), self.tmp / "model.ptx"
        for product, options in (("sp.sync.aligned.m64n64k64.s32.s8.s8", ("--prune", "2:4")),
                                 ("sync.aligned.m64n128k16.f32.f16.f16",
                                  ("--activations", "rounded"))):
            stc("compile", model, "-o", out, "--emit=ptx", "--target", "nvptx-sm_90a", "--quiet",
                "--quantize", "int8-g64", *options)
            self.assertIn(f"wgmma.mma_async.{product}", out.read_text())

    def test_floats_through_shared_memory(self):
        """Sums of two bf16 as a rule, activations rounded once where that is asked for."""
        together = "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16"
        for chip, options in (("sm_80", ()), ("sm_90a", ("--activations", "rounded"))):
            with self.subTest(chip):
                text = self.ptx(chip, *options, dtype="BF16", vocab=17408, hidden=128)
                self.assertIn("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", text)
                self.assertIn("ldmatrix.sync.aligned.m8n8.x4.shared.b16", text)
                self.assertRegex(text, r"mma\.sync\S*\.m16n8k16\S*\.f32\.bf16\.bf16\.f32")
                self.assertEqual(together in text, chip == "sm_90a")

    def test_codes_times_rounded_activations(self):
        """Codes become f16 in registers: 1024 and the code, less 1024 and the zero."""
        for rounded in (False, True):
            text = self.ptx("sm_90", "--quantize", "int4-g64", "--activations",
                            "rounded" if rounded else "exact", hidden=128, ffn=256)
            self.assertEqual("m16n8k32" in text, not rounded)
            self.assertEqual("add.rn.f16x2" in text, rounded)

    @unittest.skipUnless(PTXAS, "needs ptxas")
    def test_machine_code_of_floats(self):
        codes = ("--quantize", "int4-g64")
        for chip, options in (("sm_80", ()), ("sm_90", codes), ("sm_90a", ()), ("sm_100", ()),
                              ("sm_120", codes)):
            with self.subTest(chip):
                self.ptx(chip, "--activations", "rounded", *options, dtype="BF16", layers=1,
                         vocab=1024, hidden=128, ffn=256)
                run(PTXAS, f"-arch={chip}", self.tmp / "model.ptx", "-o", self.tmp / "cubin",
                    timeout=600)

    def test_runs_on_processors_too(self):
        model = self.model()
        both, plain = self.tmp / "both", self.tmp / "plain"
        stc("compile", model, "-o", both, "--target", "nvptx-sm_80,nvptx-sm_90", "--quiet",
            "--quantize", "int8")
        stc("compile", model, "-o", plain, "--quiet", "--quantize", "int8")
        results = []
        for binary in (both, plain):
            out = self.tmp / "logits.npy"
            run(binary, "logits", "--tokens", "1,5,9", "-o", out, "--device", "cpu")
            results.append(out.read_bytes())
        self.assertEqual(*results)
        info = json.loads(run(both, "info", "--json", "--device", "cpu").stdout)
        images = info["gpu_images"]
        self.assertEqual([image["name"] for image in images if image["format"] == "ptx"],
                         ["nvptx-sm_90", "nvptx-sm_80"])  # the best first

    def test_mistakes(self):
        model = self.model()
        for arguments, expected in [
            (["--target", "nvptx-sm_10"], r"--target: expected nvptx-sm_80, .*, got nvptx-sm_10"),
            (["--target", "nvptx-sm_80,nvptx-sm_80"], r"--target: expected targets that differ"),
            (["--target", "native", "--emit=ptx"], r"--target: expected a GPU of NVIDIA's beside --emit=ptx"),
            (["--target", "nvptx-sm_80", "--emit=asm"], r"--emit: expected ptx for nvptx-sm_80"),
            (["--target", "nvptx-sm_80,native", "--emit=ptx"], r"--target: expected one target"),
            (["--target", "nvptx-sm_80", "--activations", "f8"],
             r"--activations: expected exact, rounded or per-token, got f8"),
            (["--target", "amdgpu-gfx942,native", "--activations", "rounded"],
             r"--activations: expected a GPU of NVIDIA's .*, got amdgpu-gfx942,native"),
            (["--target", "amdgpu-gfx942", "--activations", "per-token"],
             r"--activations: expected a GPU of NVIDIA's among --target beside per-token, .*, got amdgpu-gfx942"),
        ]:
            with self.subTest(arguments):
                out = self.tmp / "out"
                done = stc("compile", model, "-o", out, *arguments, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr.decode(), r"\Aerror: " + expected)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
