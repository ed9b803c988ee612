"""Models with code for GPUs, on a machine that need not have one: what the driver writes, for which
chips, and what it says to what it cannot do. What the kernels compute is test_simt.py's."""
import json
import unittest

from support import TemporaryDirectoryTest, make_llama, run, stc

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

    def test_instructions(self):
        text = self.ptx("sm_90", "--quantize", "int8")
        self.assertRegex(text, r"mma\.sync\S*\.m16n8k32")
        self.assertIn("ld.global.nc.v4", text)
        self.assertIn("cp.async", text)
        self.assertIn("shfl.sync", text)

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
            (["--target", "native", "--emit=ptx"], r"--target: expected a GPU beside --emit=ptx"),
            (["--target", "nvptx-sm_80", "--emit=asm"], r"--emit: expected ptx for nvptx-sm_80"),
            (["--target", "nvptx-sm_80,native", "--emit=ptx"], r"--target: expected one target"),
        ]:
            with self.subTest(arguments):
                out = self.tmp / "out"
                done = stc("compile", model, "-o", out, *arguments, check=False)
                self.assertEqual(done.returncode, 1)
                self.assertRegex(done.stderr.decode(), r"\Aerror: " + expected)
                self.assertFalse(out.exists())


if __name__ == "__main__":
    unittest.main()
