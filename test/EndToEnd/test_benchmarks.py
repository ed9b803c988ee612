"""The benchmark scripts: what they run, and the medians and ratios they make of it."""
import json
import sys
import unittest

from support import BOOKS, ROOT, TemporaryDirectoryTest, run

FAKE_MODEL = """#!/usr/bin/env python3
import json, pathlib, sys
assert sys.argv[1:3] == ["bench", "--json"], sys.argv
calls = pathlib.Path(__file__ + ".calls")
calls.write_text((calls.read_text() if calls.exists() else "") + "x")
turn = len(calls.read_text())
print(json.dumps({"decode_tokens_per_second": 10 * turn, "prefill_tokens_per_second": 100,
                  "decode_bandwidth_fraction": 0.5, "prefill_peak_fraction": 0.25}))
"""
FAKE_PEER = """#!/usr/bin/env python3
import sys
print("some engine's greeting")
assert sys.argv[sys.argv.index("-n") + 1] == "7" and sys.argv[sys.argv.index("-o") + 1] == "json"
print('[{"n_prompt": 5, "n_gen": 0, "avg_ts": 50.0, "model_size": 9},'
      ' {"n_prompt": 0, "n_gen": 7, "avg_ts": 5.0, "model_size": 9}]')
"""
FAKE_KERNELS = """#!/usr/bin/env python3
import json, sys
assert sys.argv[-1] == "--json" and sys.argv[1] == "dense-int8-g32", sys.argv
options = dict(word.split("=") for word in sys.argv[3:-1])
print(json.dumps({"layout": sys.argv[1], "rows": 64, "columns": 32, "tokens": 1, "density": 0.5,
                  "threads": int(options["threads"]), "bits_per_weight": 8.5,
                  "seconds_per_matrix": 1e-6, "seconds_per_matrix_range": [1e-6, 2e-6],
                  "bytes_per_second": 2e9, "ops_per_second": 4e9,
                  "read_bandwidth_bytes_per_second": 4e9, "bandwidth_fraction": 0.5,
                  "bandwidth_fraction_range": [0.25, 0.75], "int8_peak_ops_per_second": 4e10,
                  "peak_fraction": 0.1, "peak_fraction_range": [0.05, 0.2]}))
"""


class Benchmarks(TemporaryDirectoryTest):
    def script(self, name, *arguments, **options):
        return run(sys.executable, ROOT / "benchmarks" / name, *arguments, **options)

    def program(self, name, text):
        path = self.tmp / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def test_compare_takes_turns_and_medians(self):
        model, peer = self.program("model", FAKE_MODEL), self.program("peer", FAKE_PEER)
        output = self.tmp / "out.json"
        text = self.script("compare.py", "--model", f"ours={model}", "--peer", f"{peer} -p 5",
                           "--generate", "7", "--rounds", "3", "-o", output).stdout.decode()
        report = json.loads(output.read_text())
        self.assertEqual(report["baseline"], "peer")
        ours = report["engines"]["ours"]
        self.assertEqual(ours["decode_tokens_per_second"],
                         {"median": 20, "least": 10, "most": 30, "values": [10, 20, 30]})
        self.assertEqual(ours["decode_ratio"]["median"], 4)
        self.assertEqual(ours["prefill_ratio"]["values"], [2, 2, 2])
        self.assertEqual(report["engines"]["peer"]["rounds"][0]["model_bytes"], 9)
        self.assertTrue(report["machine"]["cpu"])
        self.assertIn("| 4 [2, 6]", text)
        self.assertIn("50 % [50, 50]", text)

    def test_compare_says_what_it_cannot_read(self):
        for text, part in (("print('no json')", b"expected the JSON of llama-bench"),
                           ("raise SystemExit('gone')", b"exit 1: gone")):
            peer = self.program("peer", "#!/usr/bin/env python3\n" + text + "\n")
            result = self.script("compare.py", "--peer", peer, "--rounds", "1", check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn(part, result.stderr.splitlines()[-1])
        self.assertEqual(self.script("compare.py", check=False).returncode, 1)

    def test_kernel_cases_are_data(self):
        cases = self.tmp / "cases.json"
        cases.write_text(json.dumps({"shapes": {"small": "64x32"}, "sets": {"mine": {
            "layouts": ["dense-int8-g32"], "shapes": ["small"], "tokens": [1], "threads": [1, 2],
            "options": ["megabytes=1"]}}}))
        output = self.tmp / "out.json"
        text = self.script("run.py", "mine", "--cases", cases, "--benchmark",
                           self.program("kernels", FAKE_KERNELS), "-o", output, "--chart", "--",
                           "seconds=1").stdout.decode()
        report = json.loads(output.read_text())
        self.assertEqual([case["case"] for case in report["cases"]],
                         [["dense-int8-g32", "64x32", "tokens=1", f"threads={threads}",
                           "megabytes=1", "seconds=1"] for threads in (1, 2)])
        self.assertIn("50 % [25, 75]", text)
        self.assertIn("####", text)
        result = self.script("run.py", "yours", "--cases", cases, check=False)
        self.assertEqual((result.returncode, result.stderr),
                         (1, b"error: set: expected one of mine, got yours\n"))

    def test_every_set_names_known_shapes(self):
        data = json.loads((ROOT / "benchmarks" / "kernels.json").read_text())
        for name, settings in data["sets"].items():
            self.assertLessEqual(set(settings["shapes"]), set(data["shapes"]), name)
            self.assertTrue(settings["layouts"] and settings["threads"] and settings["tokens"])

    def test_whole_models_and_startup(self):
        output = self.tmp / "out.json"
        text = self.script("models.py", BOOKS, "--recipe", "a=--quantize int8", "--recipe",
                           "b=--quantize int4-g128 --prune 2:4", "--rounds", "1",
                           "--prompt-tokens", "16", "--generate", "8", "--keep", self.tmp / "kept",
                           "-o", output, "--chart").stdout.decode()
        recipes = json.loads(output.read_text())["recipes"]
        self.assertEqual(set(recipes), {"a", "b"})
        self.assertGreater(recipes["a"]["rounds"][0]["weight_bytes_per_token"],
                           recipes["b"]["rounds"][0]["weight_bytes_per_token"])
        self.assertGreater(recipes["a"]["compile_seconds"], 0)
        self.assertIn("| a ", text)
        text = self.script("startup.py", self.tmp / "kept" / "a", "--rounds", "2", "-o",
                           output).stdout.decode()
        report = json.loads(output.read_text())["models"]["a"]
        self.assertEqual(len(report["startup_seconds"]["values"]), 2)
        self.assertLess(report["startup_seconds"]["least"], 5)


if __name__ == "__main__":
    unittest.main()
