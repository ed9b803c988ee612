"""Programs for several targets: what they run where, and what they refuse."""
import json
import os
import shutil
import unittest

from support import BOOKS, TemporaryDirectoryTest, compile_model, read_npy, run, stc

TARGETS = ("x86-64-v3", "x86-64-v2", "x86-64")
needs_qemu = unittest.skipUnless(shutil.which("qemu-x86_64"), "qemu-user is not installed")


class Targets(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.model = self.tmp / "m"

    def compile(self, targets):
        # The order given does not matter: the better comes first. What targets compute differs by
        # the order of additions, which rounding keys and values to f16 would magnify.
        compile_model(BOOKS, self.model, "--quantize", "int8", "--kv-cache", "f32", "--target",
                      ",".join(targets))

    def environment(self, target):
        return {**os.environ, "STC_TARGET": target}

    def test_every_target_computes_the_same_model(self):
        self.compile(reversed(TARGETS))
        info = json.loads(run(self.model, "info", "--json").stdout)
        self.assertEqual([t["name"] for t in info["targets"]], list(TARGETS))
        self.assertEqual(info["target"], TARGETS[0])
        self.assertIn("running        x86-64-v3", run(self.model, "info").stdout.decode())
        texts, logits = [], []
        for target in TARGETS:
            environment = self.environment(target)
            info = json.loads(run(self.model, "info", "--json", env=environment).stdout)
            self.assertEqual(info["target"], target)
            texts.append(run(self.model, "run", "-p", "In the beginning", "-n", "24",
                             "--temperature", "0", env=environment).stdout)
            run(self.model, "logits", "--tokens", "1378,259,1864,1176", "-o",
                self.tmp / "logits.npy", env=environment)
            logits.append(read_npy(self.tmp / "logits.npy"))
        self.assertEqual(len(set(texts)), 1, texts)
        largest = max(abs(x) for row in logits[0] for x in row)
        for other in logits[1:]:
            for row, expected in zip(other, logits[0]):
                for x, y in zip(row, expected):
                    # Orders of float additions differ; the integer products are the same.
                    self.assertLess(abs(x - y), 1e-3 * largest)

    def test_devices(self):
        self.compile(("x86-64-v2",))
        info = json.loads(run(self.model, "info", "--json").stdout)
        self.assertEqual(info["gpu_images"], [])
        self.assertEqual(info["device"], {"id": "cpu", "refused": ""})
        for device, error in (("cuda", f"{self.model}: device: expected a model with code for a GPU"),
                              ("cuda:0", f"{self.model}: device: expected a model with code for a"),
                              ("gpu", "run: --device: expected auto, cpu, cuda, cuda:N, hip, hip:N, "
                                      "opencl or opencl:N, got gpu")):
            result = run(self.model, "run", "-p", "x", "--device", device, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertEqual(result.stdout, b"")
            message = result.stderr.decode()
            self.assertTrue(message.startswith("error: " + error), message)
            self.assertEqual(message.count("\n"), 1, message)
        text = [run(self.model, "run", "-p", "In the beginning", "-n", "4", "--temperature", "0",
                    *device).stdout for device in ((), ("--device", "cpu"), ("--device", "auto"))]
        self.assertEqual(len(set(text)), 1, text)

    @needs_qemu
    def test_runs_the_best_that_a_processor_can(self):
        self.compile(("x86-64-v4", "x86-64-v3", "x86-64-v2"))
        for cpu, target in (("Haswell-noTSX", "x86-64-v3"), ("Nehalem", "x86-64-v2")):
            emulated = ("qemu-x86_64", "-cpu", cpu, self.model)
            info = json.loads(run(*emulated, "info", "--json").stdout)
            self.assertEqual(info["target"], target)
            here = run(self.model, "run", "-p", "In the beginning", "-n", "4", "--temperature",
                       "0").stdout
            self.assertEqual(here, run(*emulated, "run", "-p", "In the beginning", "-n", "4",
                                       "--temperature", "0").stdout)
        missing = {t["name"]: t["missing"] for t in info["targets"]}
        self.assertEqual(missing["x86-64-v2"], "")
        self.assertIn("avx2", missing["x86-64-v3"])

    @needs_qemu
    def test_refuses_a_processor_that_runs_none(self):
        self.compile(("x86-64-v3", "x86-64-v2"))
        result = run("qemu-x86_64", "-cpu", "core2duo", self.model, "run", "-p", "x", check=False)
        self.assertEqual(result.returncode, 1)
        error = [line for line in result.stderr.decode().splitlines() if "qemu" not in line]
        self.assertEqual(len(error), 1, error)
        self.assertIn("processor: expected one that runs code for x86-64-v3 or x86-64-v2, got one "
                      "that lacks popcnt, sse4.1, sse4.2 for x86-64-v2", error[0])

    def test_refuses_other_names(self):
        self.compile(("x86-64-v3", "x86-64-v2"))
        result = run(self.model, "info", check=False, env=self.environment("native"))
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.decode().count("\n"), 1)
        self.assertIn("STC_TARGET: expected a target of this model: x86-64-v3, x86-64-v2, got "
                      "native", result.stderr.decode())

    def test_text_is_of_one_target(self):
        for kind in ("asm", "llvm", "mlir:tiled", "mlir:vector", "mlir:llvm"):
            result = stc("compile", BOOKS, "-o", self.model, f"--emit={kind}", "--target",
                         "x86-64-v2,x86-64-v3", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("--target: expected one target for --emit=asm, ptx, hsaco, spirv, llvm",
                          result.stderr.decode())
            self.assertFalse(self.model.exists())
        # Until the weights are packed, targets do not differ.
        compile_model(BOOKS, self.model, "--emit=mlir:packed", "--target", "x86-64-v2,x86-64-v3")

    def test_refuses_lists_that_make_no_sense(self):
        for targets, expected in (("x86-64-v3,aarch64", "targets of one architecture"),
                                  ("x86-64-v3,x86-64-v3", "targets that differ"),
                                  ("x86-64-v3,", "expected native, x86-64-v2"),
                                  ("aarch64,aarch64+dotprod", "this machine's architecture")):
            result = stc("compile", BOOKS, "-o", self.model, "--target", targets, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(expected, result.stderr.decode())
            self.assertEqual(list(self.tmp.iterdir()), [])

    def test_dumps_name_the_target(self):
        stc("compile", BOOKS, "-o", self.model, "--quiet", "--dump-ir", self.tmp / "dump",
            "--target", "x86-64-v2,x86-64-v3")
        names = {p.name for p in (self.tmp / "dump").iterdir()}
        self.assertIn("3-packed.mlir", names)
        self.assertIn("5-vector.x86-64-v2.mlir", names)
        self.assertIn("5-vector.x86-64-v3.mlir", names)


if __name__ == "__main__":
    unittest.main()
