"""The script that checks and times all that runs on a GPU: what it makes of what programs print, and
what it says where something is missing. There need not be a GPU: scripts stand for the programs, and a
driver without a GPU for one."""
import json
import os
import sys
import unittest

from support import BIN, ROOT, TemporaryDirectoryTest, run

SCRIPT = ROOT / "benchmarks" / "gpu" / "check.py"
TESTS = "print('[  PASSED  ] 5 tests.')"
KERNELS = """
import pathlib, sys
cases = (pathlib.Path(sys.argv[1]) / "cases.txt").read_text().splitlines()
pathlib.Path(__file__ + ".calls").open("a").write(" ".join(sys.argv[1:]) + f": {len(cases)}\\n")
if len(sys.argv) == 2:
    print(f"{'dense-i4-g128_4096x4096':<44} {'exact':<8} {3.1:9.2f} us  {2500:7.0f} GB/s  "
          f"{83.0:5.1f} % of copy  {10.82:7.2f} Tops/s  132 x 512")
print(f"{len(cases)} cases checked, 0 failed")
"""
MODEL = """
print("llama: 4.13 GB of weights per token, 132 blocks of 512 threads, 9 bytes shared")
print("prefill  256 tokens:    20.034 ms      12778 tokens/s")
print("decode at    16:    2.667 ms    375.0 tokens/s    1549 GB/s of weights   51.4 % of copy")
"""
SANITIZER = """
import subprocess, sys
assert sys.argv[1:5] == ["--tool", "memcheck", "--error-exitcode", "9"], sys.argv
subprocess.run(sys.argv[5:], check=True)
print("========= ERROR SUMMARY: 0 errors")
"""


class GpuCheck(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.out, self.tools = self.tmp / "out", self.tmp / "tools"
        for name, text in (("StcGpuTests", TESTS), ("stc-gpu-kernels", KERNELS),
                           ("stc-gpu-model", MODEL)):
            self.program(self.out / "programs" / name, text)
        for kind, count in (("check", 30), ("time", 2)):
            folder = self.out / "kernels" / kind
            folder.mkdir(parents=True)
            # Ten layouts, one after the other.
            lines = [f"name=layout{i // 3}_{i}x16 image={i}.cubin tokens={(1, 8, 64)[i % 3]}"
                     for i in range(count)]
            (folder / "cases.txt").write_text("".join(line + "\n" for line in lines))
            for i in range(count):
                (folder / f"{i}.cubin").write_text("code")
        (self.out / "model").mkdir()
        (self.out / "model" / "model.txt").write_text("name=x\n")
        (self.out / "models").mkdir()
        (self.out / "models" / "models.json").write_text("[]")
        self.program(self.out / "whole_models.py", "print('30 models compared, 0 failed')")

    def program(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!{sys.executable}\n{text}\n")
        path.chmod(0o755)

    def check(self, *options, tools=True, **environment):
        path = f"{self.tools}:{os.environ['PATH']}" if tools else os.environ["PATH"]
        return run(sys.executable, SCRIPT, self.out, *options, check=False,
                   env={**os.environ, "PATH": path, **environment})

    def report(self):
        report = json.loads((self.out / "check.json").read_text())
        return report, {step["name"]: (step["result"], step["what"]) for step in report["steps"]}

    def test_everything(self):
        self.program(self.tools / "compute-sanitizer", SANITIZER)
        self.program(self.tools / "nvidia-smi", "print('NVIDIA H100, 580.1, 9.0, 81559 MiB')")
        result = self.check("--only", "run")
        self.assertEqual(result.returncode, 0, result.stderr)
        report, steps = self.report()
        self.assertEqual(steps, {
            "test runtime": ("passed", "5 tests"),
            "check kernels": ("passed", "30 cases exact"),
            "time kernels": ("passed", "2 matrices"),
            "time model": ("passed", "375.0 tokens/s"),
            "compare models": ("passed", "30 models as on the processor"),
            "memory of the runtime": ("passed", "0 errors"),
            "memory of kernels": ("passed", "0 errors")})
        self.assertEqual(report["gpu"]["name"], "NVIDIA H100")
        self.assertEqual(report["matrices"], [{
            "name": "dense-i4-g128_4096x4096", "verdict": "exact", "microseconds": 3.1,
            "gigabytes_per_second": 2500, "percent_of_copy": 83,
            "tera_operations_per_second": 10.82}])
        self.assertEqual(report["prefill"][0]["tokens_per_second"], 12778)
        self.assertEqual(report["decode"][0]["position"], 16)
        text = result.stdout.decode()
        self.assertIn("GPU: NVIDIA H100, driver 580.1\n", text)
        self.assertIn("| check kernels | passed | 30 cases exact |", text)
        self.assertIn("| dense-i4-g128_4096x4096 | exact | 3.1 | 2500.0 | 83.0 | 10.82 |", text)
        self.assertIn("| decode at 16 | 2.667 | 375.0 | 51.4 |", text)
        # The memory checker sees every layout, with one token and with many.
        calls = (self.out / "programs" / "stc-gpu-kernels.calls").read_text().splitlines()
        self.assertTrue(calls[-1].endswith("check-sanitized check 1: 20"), calls)
        some = (self.out / "kernels" / "check-sanitized" / "cases.txt").read_text()
        for i in range(10):
            self.assertIn(f"name=layout{i}_{3 * i}x16", some)
            self.assertIn(f"name=layout{i}_{3 * i + 2}x16", some)

    def test_what_is_missing(self):
        (self.out / "programs" / "stc-gpu-model").unlink()
        (self.out / "kernels" / "time" / "cases.txt").unlink()
        result = self.check("--only", "run", tools=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        _, steps = self.report()
        self.assertEqual(steps["time model"][0], "absent")
        self.assertRegex(steps["time model"][1], "stc-gpu-model: not prepared$")
        self.assertRegex(steps["time kernels"][1], "cases.txt: not prepared$")
        self.assertEqual(steps["check kernels"][0], "passed")
        self.assertTrue(result.stdout.decode().startswith("GPU: "))
        result = run(sys.executable, SCRIPT, self.tmp / "none", "--only", "run", check=False)
        self.assertEqual((result.returncode, result.stderr.decode()),
                         (1, f"error: {self.tmp / 'none'}: expected a folder that --only prepare "
                             "filled, got none\n"))

    def test_what_fails(self):
        self.program(self.out / "programs" / "stc-gpu-kernels",
                     "print('dense_16x16 WRONG 3 (0.5)'); raise SystemExit('error: some are wrong')")
        self.program(self.out / "programs" / "stc-gpu-model", "print('nothing that was asked')")
        self.program(self.tools / "compute-sanitizer",
                     "print('========= ERROR SUMMARY: 2 errors'); raise SystemExit(9)")
        result = self.check("--only", "run")
        self.assertEqual(result.returncode, 1)
        _, steps = self.report()
        self.assertEqual(steps["check kernels"], ("failed", "exit 1: error: some are wrong"))
        self.assertEqual(steps["time model"][0], "failed")
        self.assertEqual(steps["memory of the runtime"],
                         ("failed", "exit 9: ========= ERROR SUMMARY: 2 errors"))
        self.assertEqual(result.stderr.decode().splitlines()[-1],
                         "error: check kernels, time kernels, time model, memory of the runtime, "
                         "memory of kernels: expected to pass, got failures")
        self.assertIn("WRONG 3", (self.out / "check-kernels.log").read_text())
        self.program(self.out / "programs" / "StcGpuTests", "import time; time.sleep(60)")
        self.check("--only", "run", "--timeout", "1")
        self.assertEqual(self.report()[1]["test runtime"], ("failed", "not done after 1 s"))

    def test_no_gpu(self):
        self.program(self.out / "programs" / "StcGpuTests",
                     "print('this machine has no GPU: device cuda: driver: none')\n"
                     "print('[  PASSED  ] 0 tests.')\n"
                     "print('[  SKIPPED ] 5 tests, listed below:')")
        result = self.check("--only", "run")
        self.assertEqual(result.returncode, 0)
        _, steps = self.report()
        self.assertEqual(steps["test runtime"], ("absent", "no GPU here: device cuda: driver: none"))
        self.assertEqual({steps[name][0] for name in steps}, {"absent"})
        self.assertFalse((self.out / "programs" / "stc-gpu-kernels.calls").exists())

    def test_the_runtime_on_a_driver_without_a_gpu(self):
        program, driver = BIN / "StcGpuTests", BIN.parent / "lib" / "libStcPlainFakeCuda.so"
        if not program.exists() or not driver.exists():
            self.skipTest("unit tests are not built")
        (self.out / "programs" / "StcGpuTests").write_bytes(program.read_bytes())
        self.check("--only", "run", STC_CUDA_LIBRARY=str(driver))
        status, detail = self.report()[1]["test runtime"]
        self.assertEqual(status, "passed", detail)
        self.check("--only", "run", STC_CUDA_LIBRARY="/absent/libcuda.so")
        status, detail = self.report()[1]["test runtime"]
        self.assertEqual(status, "absent")
        self.assertIn("no GPU here: device cuda: driver: expected NVIDIA's driver library", detail)

    def test_what_does_not_build(self):
        self.program(self.tools / "ninja",
                     "print('ninja: error: unknown target'); raise SystemExit(1)")
        self.program(self.tools / "nvidia-smi", "raise SystemExit(1)")
        result = self.check("--only", "prepare", "--build", self.tmp / "build")
        self.assertEqual(result.returncode, 1)
        _, steps = self.report()
        self.assertEqual(steps["build programs"],
                         ("failed", "exit 1: ninja: error: unknown target"))
        # Nobody said for which GPU, or there is nothing to build it with.
        self.assertEqual(steps["build kernels"][0], "absent")


if __name__ == "__main__":
    unittest.main()
