"""--report: the page against what inspect and eval say of the same binary, and bad input."""
import hashlib
import html.parser
import json
import random
import re
import unittest
import xml.etree.ElementTree

from support import BOOKS, TemporaryDirectoryTest, compile_model, make_llama, run, stc

SVG = "{http://www.w3.org/2000/svg}"


class Page(html.parser.HTMLParser):
    """A page's elements must be closed in their order; its JSON and its charts are kept."""

    EMPTY = {"meta"}

    def __init__(self, path):
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.open, self.tags, self.numbers, self.visible = [], [], None, []
        self.feed(self.text)
        self.close()
        assert not self.open, self.open
        self.charts = [xml.etree.ElementTree.fromstring(chart)
                       for chart in re.findall(r"<svg.*?</svg>", self.text, re.S)]

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.EMPTY:
            self.open.append((tag, dict(attributes)))

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag, tag

    def handle_data(self, data):
        if self.open and self.open[-1][0] == "script":
            assert self.open[-1][1] == {"type": "application/json", "id": "stc-report"}
            self.numbers = json.loads(data)
        elif self.open and self.open[-1][0] != "style":
            self.visible.append(data)


class Report(TemporaryDirectoryTest):
    def report(self, model, *options, **run_options):
        stc("compile", model, "-o", self.tmp / "out", "--quiet", "--report",
            self.tmp / "page.html", *options, **run_options)
        self.assertEqual([p.name for p in self.tmp.iterdir() if ".ids" in p.name and
                          p.name != "text.ids"], [], "a temporary file was left")
        return Page(self.tmp / "page.html")

    def total_bytes(self, binary):
        return json.loads(stc("inspect", binary, "--json").stdout)["total_bytes"]

    def evaluate(self, binary, text):
        return json.loads(stc("eval", binary, "--text", text, "--json", "--reference",
                              BOOKS).stdout)

    def check_form(self, page):
        """Nothing from outside, no script to run, and charts that can be read without seeing."""
        for tag, attributes in page.tags:
            self.assertNotIn(tag, ("link", "img", "iframe", "object", "embed"))
            self.assertFalse({"src", "href"} & set(attributes), (tag, attributes))
            self.assertFalse([a for a in attributes if a.startswith("on")], attributes)
        self.assertEqual(len(page.charts), 4)
        ids = []
        for chart in page.charts:
            self.assertEqual(chart.get("role"), "img")
            title, description = chart.find(SVG + "title"), chart.find(SVG + "desc")
            self.assertTrue(title.text and description.text)
            self.assertEqual(chart.get("aria-labelledby").split(),
                             [title.get("id"), description.get("id")])
            ids.append(title.get("id"))
            self.assertGreater(len(list(chart.iter(SVG + "rect"))), 1)
        self.assertEqual(len(set(ids)), 4)

    def test_numbers_are_those_of_inspect_and_eval(self):
        text = self.tmp / "text.txt"
        text.write_bytes((BOOKS / "eval" / "kjv_valid.txt").read_bytes()[:9000])
        page = self.report(BOOKS, "--quantize", "int4", "--report-text", text)
        self.check_form(page)
        numbers = page.numbers
        inspected = json.loads(stc("inspect", self.tmp / "out", "--json").stdout)
        self.assertEqual(numbers["total_bytes"], inspected["total_bytes"])
        self.assertAlmostEqual(numbers["bits_per_weight"], inspected["bits_per_weight"], delta=1e-4)
        self.assertEqual([(l["name"], l["layout"], l["bytes"]) for l in numbers["layers"]],
                         [(l["name"], l["layout"], l["bytes"]) for l in inspected["layers"]])
        matrices = [l for l in inspected["layers"]
                    if l["name"].startswith("layers.") and len(l["shape"]) == 2]
        self.assertAlmostEqual(numbers["layer_bits_per_weight"],
                               8 * sum(l["bytes"] for l in matrices) /
                               sum(l["shape"][0] * l["shape"][1] for l in matrices), delta=1e-6)
        self.assertEqual(numbers["source_bits_per_weight"], 16)
        self.assertEqual(numbers["binary_bytes"], (self.tmp / "out").stat().st_size)

        # The whole text is used, so that eval reads the very same windows.
        self.assertEqual(numbers["text"]["windows"], numbers["text"]["windows_available"])
        self.assertEqual(numbers["quality"], self.evaluate(self.tmp / "out", text))
        self.assertGreater(numbers["quality"]["kl"], 1e-3)
        self.assertEqual(numbers["text"]["sha256"], hashlib.sha256(text.read_bytes()).hexdigest())
        files = {file["name"]: file["sha256"] for file in numbers["files"]}
        self.assertEqual(files["model.safetensors"], hashlib.sha256(
            (BOOKS / "model.safetensors").read_bytes()).hexdigest())
        self.assertEqual(numbers["command_line"][:3], ["stc", "compile", str(BOOKS)])

        # Parts: only the six layers and the head were compressed.
        parts = {part["name"]: part["kl"] for part in numbers["part_losses"]["parts"]}
        self.assertEqual(list(parts), ["embedding"] + [f"layers.{i}" for i in range(6)] + ["head"])
        self.assertEqual(parts["embedding"], 0)
        self.assertTrue(all(kl > 0 for name, kl in parts.items() if name != "embedding"), parts)

        # Neighbours of a dense uniform recipe, compressed for real.
        table = numbers["equal_bytes"]
        self.assertTrue(table["dense_uniform"])
        self.assertEqual([(row["role"], row["recipe"]) for row in table["rows"]],
                         [("this", "this recipe, dense rtn:int4-g32"),
                          ("smaller", "dense rtn:int4-g64"), ("larger", "dense rtn:int8-g128")])
        own, smaller, larger = table["rows"]
        self.assertEqual(own["bytes"], inspected["total_bytes"])
        self.assertEqual(own["tokens"], numbers["quality"]["tokens"])
        self.assertLess(larger["kl"], own["kl"])
        self.assertLess(own["kl"], smaller["kl"])
        # With 32-bit activations it is a little less than the binary's.
        self.assertAlmostEqual(own["kl"] / numbers["quality"]["kl"], 1, delta=0.1)
        # The head is this recipe's, int8 in groups of 32.
        rival = compile_model(BOOKS, self.tmp / "rival", "--quantize", "int4-g64", "--head",
                              "int8-g32")
        self.assertEqual(smaller["bytes"], self.total_bytes(rival))
        self.assertAlmostEqual(smaller["kl"] / self.evaluate(rival, text)["kl"], 1, delta=0.1)

        speed = numbers["speed"]
        for model in ("source", "model"):
            for what in ("decode", "prefill"):
                rounds = speed[model][what + "_rounds"]
                self.assertEqual(len(rounds), 3)
                self.assertEqual(speed[model][what + "_tokens_per_second"], sorted(rounds)[1])
                self.assertGreater(min(rounds), 0)
        self.assertTrue(speed["cpu"])
        visible = "".join(page.visible)
        self.assertEqual(len(numbers["samples"]), 2)
        for sample in numbers["samples"]:
            again = run(self.tmp / "out", "run", "-p", sample["prompt"], "-n", "48",
                        "--temperature", "0", "--quiet", "--no-echo")
            self.assertEqual(sample["model"].strip(), again.stdout.decode().strip())
            self.assertIn(sample["source"], visible)
        self.assertIn("int8 activations included", visible)

        # The recipe on the page makes the same weights.
        recipe = self.tmp / "again.yaml"
        recipe.write_text(numbers["recipe_yaml"])
        again = compile_model(BOOKS, self.tmp / "again", "--recipe", recipe)
        self.assertEqual(json.loads(stc("inspect", again, "--json").stdout), inspected)

    def test_a_sparse_recipe_stands_beside_the_dense_one_that_fits(self):
        page = self.report(BOOKS, "--calibrate", "default", "--calibrate-sequences", "8",
                           "--calibrate-length", "64", "--prune", "2:4", "--quantize", "int4-g128")
        self.check_form(page)
        numbers = page.numbers
        table = numbers["equal_bytes"]
        self.assertEqual([row["role"] for row in table["rows"]], ["this", "smaller"])
        own, dense = table["rows"]
        self.assertLessEqual(dense["bytes"], own["bytes"])
        self.assertRegex(dense["recipe"], r"^dense gptq:int[23]-g\d+$")
        gap, error = own["kl"] - dense["kl"], (own["kl_stderr"]**2 + dense["kl_stderr"]**2)**0.5
        expected = "undecided" if abs(gap) <= 2 * error else "dense" if gap > 0 else "this"
        self.assertEqual(table["better"], expected)
        sentence = {"undecided": "Undecided:", "dense": "The dense recipe is better:",
                    "this": "This recipe is better"}[expected]
        self.assertIn(sentence, "".join(page.visible))
        # The rest of the default text is not what calibration saw.
        self.assertEqual(numbers["calibration"]["sequences"], 8)
        self.assertEqual(numbers["text"]["windows_seen_in_calibration"], 0)
        self.assertEqual(numbers["text"]["windows"], 32)
        self.assertIn("They do not overlap.", "".join(page.visible))
        self.assertTrue(all(layer["layout"].startswith("2:4") for layer in numbers["layers"]
                            if layer["name"].endswith(".q")))

    def test_structure_hostile_names_and_no_tokenizer(self):
        model = make_llama(self.tmp / "<b>&\"'</script>".replace("/", ""), layers=3, hidden=64,
                           ffn=96, vocab=320)
        random.seed(1)
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(1600)))
        page = self.report(model, "--calibrate", ids, "--calibrate-sequences", "20",
                           "--calibrate-length", "64", "--prune-layers", "1", "--prune-channels",
                           "0.3", "--quantize", "int8", "--report-text", ids)
        self.check_form(page)
        numbers = page.numbers
        self.assertEqual(numbers["model"], model.name)
        self.assertIn(model.name, "".join(page.visible))
        self.assertEqual(numbers["structure"], "channels=0.3 layers=1")
        parts = numbers["part_losses"]["parts"]
        self.assertEqual(len(parts), 5)
        self.assertEqual(sum(part["removed"] for part in parts), 1)
        self.assertGreater(next(part for part in parts if part["removed"])["kl"], 1e-4)
        # The whole text was calibrated on, in windows that begin elsewhere.
        self.assertGreater(numbers["text"]["windows_seen_in_calibration"], 0)
        self.assertIn("They overlap:", "".join(page.visible))
        # Dense rivals are of the whole model.
        own, dense = numbers["equal_bytes"]["rows"]
        self.assertLessEqual(dense["bytes"], own["bytes"])
        # Rows of 64 fill only half of a group of 128: a smaller group loses less in fewer bytes.
        self.assertNotIn("g128", dense["recipe"])
        for sample in numbers["samples"]:
            self.assertRegex(sample["model"], r"^(\d+ )*\d+$")
        # A context of 128 has room for this much.
        self.assertEqual(numbers["text"]["window_tokens"], 128)
        self.assertLessEqual(numbers["speed"]["prompt_tokens"] +
                             numbers["speed"]["generated_tokens"], 128)

    def test_the_recipe_of_a_search_is_on_the_page(self):
        model = make_llama(self.tmp / "llama", hidden=64, ffn=96, vocab=320)
        random.seed(1)
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(random.randrange(320)) for _ in range(3000)))
        page = self.report(model, "--budget", "bytes<=160000", "--calibrate", ids,
                           "--calibrate-length", "64", "--calibrate-sequences", "24",
                           "--report-text", ids)
        numbers = page.numbers
        found = (self.tmp / "out.recipe.yaml").read_text()
        self.assertIn(numbers["recipe_yaml"], found)
        own, dense = numbers["equal_bytes"]["rows"]
        self.assertLessEqual(dense["bytes"], own["bytes"])
        self.assertNotIn("g128", dense["recipe"])
        # What was held out to search on counts as seen, too.
        self.assertGreater(numbers["calibration"]["sequences"], 24)

    def test_rotations_and_exclusions_are_part_of_the_recipe(self):
        model = make_llama(self.tmp / "llama")
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(i * 37 % 320) for i in range(700)))
        page = self.report(model, "--rotate", "--quantize", "int4", "--exclude", "layers.0.*",
                           "--report-text", ids)
        numbers = page.numbers
        self.assertIn("rotate: true", numbers["recipe_yaml"])
        # The hidden state is rotated in source and model alike.
        self.assertEqual(numbers["part_losses"]["missing"], "")
        parts = {part["name"]: part["kl"] for part in numbers["part_losses"]["parts"]}
        self.assertLess(parts["layers.0"], 1e-9)
        self.assertGreater(parts["layers.1"], 1e-6)
        self.assertFalse(numbers["equal_bytes"]["dense_uniform"])
        self.assertEqual(len(numbers["equal_bytes"]["rows"]), 2)
        recipe = self.tmp / "again.yaml"
        recipe.write_text(numbers["recipe_yaml"])
        again = compile_model(model, self.tmp / "again", "--recipe", recipe)
        layers = [json.loads(stc("inspect", binary, "--json").stdout)["layers"]
                  for binary in (again, self.tmp / "out")]
        self.assertEqual(*layers)

    def test_without_compression_there_is_no_table(self):
        ids = self.tmp / "text.ids"
        ids.write_text(" ".join(str(i * 37 % 320) for i in range(400)))
        page = self.report(make_llama(self.tmp / "llama"), "--report-text", ids)
        numbers = page.numbers
        self.assertEqual(numbers["equal_bytes"]["rows"], [])
        self.assertIn("no matrix of a layer is compressed", "".join(page.visible))
        self.assertEqual([part["kl"] for part in numbers["part_losses"]["parts"]], [0] * 4)
        self.assertEqual(numbers["quality"]["kl"], 0)

    def test_bad_input(self):
        model = make_llama(self.tmp / "llama")
        short = self.tmp / "short.ids"
        short.write_text("1 2 3 4 5")
        (self.tmp / "m.mlir").write_text("module {}")
        page = self.tmp / "page.html"
        cases = (
            (model, ("--report", self.tmp / "no" / "page.html"), r"no.*page\.html"),
            (model, ("--report", self.tmp), r"expected"),
            (model, ("--report", self.tmp / "out"), r"expected another file than the program's"),
            (model, ("--report", page), r"--report-text: expected a file of token ids \(FILE\.ids\), "
                                        r"as the model has no tokenizer, got none"),
            (model, ("--report", page, "--report-text", short),
             r"--report-text: .*short\.ids: expected at least 128 tokens to evaluate on, got 5"),
            (model, ("--report", page, "--report-text", self.tmp / "none.ids"), r"none\.ids"),
            (model, ("--report-text", short), r"--report-text: expected --report beside it, got none"),
            (model, ("--report", page, "--emit=mlir:packed"), r"--report: expected --emit=exe"),
            (model, ("--report", page, "--emit=shared"), r"--report: expected --emit=exe"),
            (self.tmp / "m.mlir", ("--report", page), r"--report: expected a checkpoint"),
        )
        for source, options, message in cases:
            with self.subTest(options=options):
                before = sorted(self.tmp.iterdir())
                result = stc("compile", source, "-o", self.tmp / "out", "--quantize", "int4",
                             *options, check=False)
                self.assertEqual(result.returncode, 1)
                text = result.stderr.decode()
                self.assertRegex(text, "^error: .*" + message)
                self.assertEqual(text.count("\n"), 1, text)
                self.assertEqual(sorted(self.tmp.iterdir()), before)


if __name__ == "__main__":
    unittest.main()
