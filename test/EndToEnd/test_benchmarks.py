"""The benchmark scripts: what they run, and the medians and ratios they make of it."""
import json
import sys
import unittest

from support import BOOKS, ROOT, TemporaryDirectoryTest, run

sys.path.insert(0, str(ROOT / "benchmarks/gpu"))
import ptx_counts  # noqa: E402

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

# A loop in a loop, whose end comes before its beginning, and one without products.
PTX = """.version 8.0
.target sm_80
.address_size 64
.extern .shared .align 4 .b8 memory[];
.visible .entry f(
	.param .u64 f_param_0
)
{
	.reg .pred 	%p<9>;
	.reg .b32 	%r<9>;
	.reg .b64 	%rd<9>;
	ld.param.u64 	%rd1, [f_param_0];
	bra.uni 	$L__BB0_1;
$L__BB0_2: // behind the inner loop
	bar.sync 	0;
	add.s32 	%r5, %r5, 1;
	setp.ne.s32 	%p1, %r5, 100;
	@!%p1 bra 	$L__BB0_3;
$L__BB0_1:
	mov.b32 	%r3, 0;
$L__BB0_4:
	ld.global.b32 	%r1, [%rd1];
	ld.shared.b32 	%r2, [memory];
	dp4a.s32.s32 	%r3, %r1, %r2, %r3;
	dp4a.s32.s32 	%r3, %r2, %r2, %r3;
	setp.lt.s32 	%p2, %r3, 1000;
	@%p2 bra 	$L__BB0_4;
	bra.uni 	$L__BB0_2;
$L__BB0_3:
	bar.sync 	0;
	st.global.b32 	[%rd1], %r3;
	ret;
}
                                        // -- End function
.visible .entry g(
	.param .u64 g_param_0
)
{
	ret;
}
                                        // -- End function
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

    def test_model_of_gpu_kernels(self):
        sys.path.insert(0, str(ROOT / "benchmarks/gpu"))
        import kernels
        import model_table
        # Two multiprocessors of 1 GHz: 8 instructions of warps, or 2 shared loads, a nanosecond.
        card = model_table.Card("of tests", "sm_90", "", 2, 1e9, 1e12, 1e12, 2e12, 0.5, 65536, 100000,
                                64)
        kernel = model_table.Kernel.__new__(model_table.Kernel)
        kernel.loop = {"dots": 8, "instructions": 64, "shared_loads": 16}
        case = kernels.Case("dense-i8-g128", 1024, 1024)
        times = model_table.decode_times(case, kernel, card)
        # 2^20 weights are 32768 x 32, of which a loop has 32 each: 1024 loops of a warp.
        self.assertAlmostEqual(times["instructions"], 1024 * 64 / 8e9)
        self.assertAlmostEqual(times["shared memory"], 1024 * 16 / 2e9)
        self.assertAlmostEqual(times["memory"], case.layout.bytes(1024, 1024) / 1e12)
        self.assertEqual(model_table.bound(times), ("instructions", times["instructions"]))
        kernel.loop, kernel.products, kernel.group = {"matrix": 4, "instructions": 20}, 4096, False
        kernel.repeats = 1
        many = model_table.prefill_times(kernels.Case("dense-i8-g128", 1024, 1024, tokens=1024),
                                         kernel, card)
        self.assertAlmostEqual(many["peak"], 2 ** 30 / 1e12)
        self.assertAlmostEqual(many["matrix units"], 2 * many["peak"])
        self.assertAlmostEqual(many["instructions"], 2 ** 30 / 4096 * 5 / 8e9)
        # 256 threads with 128 registers fill two blocks' registers; 49 KB of shared memory, one.
        kernel.threads, kernel.registers, kernel.shared = 256, 121, 0
        self.assertEqual(kernel.warps(card), 16)
        kernel.shared = 50000
        self.assertEqual(kernel.warps(card), 8)
        for arguments, problem in ((["--only", "int5"], b"error: --only: expected a part of "),
                                   (["--shapes", "4096"],
                                    b"error: --shapes: expected ROWSxCOLUMNS,..., got 4096")):
            result = self.script("gpu/model_table.py", *arguments, check=False)
            self.assertEqual((result.returncode, result.stderr.count(b"\n")), (1, 1))
            self.assertIn(problem, result.stderr)
        if (kernels.LLVM / "llc").exists():
            text = self.script("gpu/model_table.py", "--only", "dense-i4", "--shapes",
                               "4096x4096").stdout.decode()
            self.assertIn("A model of an H100 SXM5, not a measurement", text)
            self.assertRegex(text, r"\| dense-i4-g128 \| 4096x4096 \|.*\| 4.13 \| memory \| 3\.9 \|")
            self.assertRegex(text, r"\| dense-i4-g128 \| 3.87 \|")

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

    def test_loops_of_ptx(self):
        path = self.tmp / "kernel.ptx"
        path.write_text(PTX)
        found = ptx_counts.counts(PTX)
        self.assertEqual(list(found), ["f", "g"])
        self.assertEqual((found["f"]["instructions"], found["f"]["barriers"]), (17, 2))
        # The loop around it has the barrier, and the one without products is none of them.
        inner, outer = found["f"]["loops"]
        self.assertEqual(found["f"]["loop"], inner)
        self.assertEqual((inner["instructions"], inner["dots"], inner["global_loads"],
                          inner["shared_loads"], inner["innermost"]), (6, 2, 1, 1, True))
        self.assertEqual((outer["instructions"], outer["barriers"], outer["innermost"]),
                         (12, 1, False))
        self.assertEqual((found["g"]["instructions"], found["g"]["loops"]), (1, []))
        text = self.script("gpu/ptx_counts.py", path).stdout.decode()
        self.assertIn("| kernel.ptx f | 8 | 0.75 | 0.12 | 0.12 |", text)
        for what, problem in ((self.tmp / "none.ptx", b"expected a file with PTX, got none"),
                              ("int4@x", b"expected FILE.ptx or LAYOUT@ROWSxCOLUMNS")):
            result = self.script("gpu/ptx_counts.py", what, check=False)
            self.assertEqual((result.returncode, result.stderr.count(b"\n")), (1, 1))
            self.assertIn(problem, result.stderr)


if __name__ == "__main__":
    unittest.main()
