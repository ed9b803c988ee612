"""Recipes and budgets from the command line: what they give, that they repeat, and bad input."""
import json
import random
import re
import unittest

from support import BIN, BOOKS, ROOT, TemporaryDirectoryTest, compile_model, make_llama, run, stc

CALIBRATION = "calibrate=default sequences=16 length=128"


class Recipes(TemporaryDirectoryTest):
    def test_a_shipped_recipe_decides_by_weight(self):
        binary = compile_model(BOOKS, self.tmp / "books", "--recipe",
                               ROOT / "examples" / "recipes" / "quick.yaml")
        layers = json.loads(stc("inspect", binary, "--json").stdout)["layers"]
        layouts = {layer["name"]: layer["layout"] for layer in layers}
        self.assertEqual(layouts["layers.0.down"], "dense-int8-g32")
        self.assertEqual(layouts["layers.1.down"], "dense-int4-g32")
        self.assertEqual(layouts["embed.head"], "dense-int8-g32")
        self.assertIn(b"recipe=quick.yaml", run(binary, "info").stdout)

    def test_a_pattern_without_a_weight_is_a_warning(self):
        recipe = self.tmp / "r.yaml"
        recipe.write_text('version: 1\nstages:\n  - match: "layers.0.q_proj"\n'
                          "    quantize: int8-g32\n")
        result = stc("compile", BOOKS, "-o", self.tmp / "m.mlir", "--emit=mlir:compressed",
                     "--recipe", recipe)
        self.assertIn("warning: ", result.stderr.decode())
        self.assertIn("match: 'layers.0.q_proj' matches no weight; the nearest is layers.0.q",
                      result.stderr.decode())

    def test_bad_input(self):
        recipe = self.tmp / "r.yaml"
        recipe.write_text("version: 1\nstages:\n  - match: x\n    prune: 2:4:8\n")
        good = ROOT / "examples" / "recipes" / "quick.yaml"
        cases = (
            (("--recipe", recipe), r"r\.yaml:3: prune: expected none, a ratio"),
            (("--recipe", self.tmp / "none.yaml"), r"none\.yaml: .*No such file"),
            (("--recipe", good, "--prune", "2:4"), r"--recipe: expected no --prune beside it"),
            (("--recipe", good, "--head", "int8"), r"--recipe: expected no --head beside it"),
            (("--budget", "kl<=0.1", "--recipe", good), r"--budget: expected no --recipe beside"),
            (("--budget", "kl=0.1"), r"budget: expected kl<=X, ppl<=R"),
            (("--budget", "kl<=0.1", "--objective", "fast"), r"objective: expected speed or size"),
            (("--objective", "size"), r"--objective: expected --budget beside it, got none"),
        )
        for options, message in cases:
            with self.subTest(options=options):
                result = stc("compile", BOOKS, "-o", self.tmp / "out", *options, check=False)
                self.assertEqual(result.returncode, 1)
                text = result.stderr.decode()
                self.assertRegex(text, "^error: .*" + message)
                self.assertEqual(text.count("\n"), 1, text)
                self.assertFalse((self.tmp / "out").exists())
                self.assertFalse((self.tmp / "out.recipe.yaml").exists())


class Budgets(TemporaryDirectoryTest):
    def test_bytes_hold_and_the_recipe_repeats_the_binary(self):
        model = make_llama(self.tmp / "llama", layers=2, hidden=64, ffn=96, vocab=320)
        ids = self.tmp / "text.ids"
        random.seed(1)
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(3000)))
        options = ("--calibrate", "text.ids", "--calibrate-length", "64", "--calibrate-sequences",
                   "24")
        budget = 160000
        stc("compile", model, "-o", "found", "--quiet", "--budget", f"bytes<={budget}", *options,
            cwd=self.tmp)
        recipe = (self.tmp / "found.recipe.yaml").read_text()
        total = json.loads(stc("inspect", self.tmp / "found", "--json").stdout)["total_bytes"]
        self.assertLessEqual(total, budget)
        self.assertIn(f"All weights take {total} bytes.", recipe)
        self.assertRegex(recipe, r"# layers\.1\.down (stays dense|is sparse), ")
        found = (self.tmp / "found").read_bytes()
        (self.tmp / "found").unlink()
        # Elsewhere, from the recipe alone.
        stc("compile", model, "-o", self.tmp / "found", "--quiet", "--recipe",
            self.tmp / "found.recipe.yaml")
        self.assertEqual((self.tmp / "found").read_bytes(), found)
        refused = stc("compile", model, "-o", "small", "--quiet", "--budget", "bytes<=9K",
                      *options, cwd=self.tmp, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertRegex(refused.stderr.decode(),
                         r"^error: .*budget: expected bytes<=\d+, the nearest that is reached, got "
                         r"bytes<=9000\n$")

    def divergence(self, *passes):
        """KL on held-out text after these passes, and the recipe a search left."""
        graph, text = self.tmp / "graph.mlir", self.tmp / "text.txt"
        if not graph.exists():
            stc("compile", BOOKS, "--emit=mlir:graph", "-o", graph, "--quiet")
            text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:16000])
        result = run(BIN / "stc-opt", graph, "--stc-quantize-head=spec=int8-g32", *passes,
                     f"--stc-measure-divergence=length=128 text={text}", "-o",
                     self.tmp / "out.mlir", timeout=800)
        module = (self.tmp / "out.mlir").read_text()
        return float(re.search(r"KL ([0-9.e-]+)", result.stderr.decode())[1]), module

    def test_mixed_is_no_worse_than_the_best_uniform_recipe_of_its_bytes(self):
        uniform, _ = self.divergence(
            f"--stc-compress-layers={CALIBRATION} quantize=int3-g32")
        # Room for int3 in groups of 32 everywhere (3690624 bytes), but not for int4.
        mixed, module = self.divergence(
            f"--stc-search-recipe={CALIBRATION} budget=bytes<=3.7M encodings=int4-g32,int3-g32,"
            "int3-g128,int2-g32,2:4+int4-g128")
        self.assertLessEqual(mixed, uniform)
        bytes_taken = int(re.search(r"All weights take (\d+) bytes", module)[1])
        self.assertLessEqual(bytes_taken, 3700000)
        self.assertIn("int4-g32", module)


if __name__ == "__main__":
    unittest.main()
