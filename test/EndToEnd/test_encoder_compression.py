"""Encoders, and encoders in front of decoders, in what is measured: calibration, budgets, evaluation,
reports, exports, rotations and structured pruning. Expected numbers are from the float64
definitions in encoders.py and seq2seq.py, on the windows that the documentation describes."""
import json
import math
import random
import re
import unittest

from encoders import Bert, DistilBert, ModernBert, MPNet, Roberta, pooled
from family_base import VOCAB
from seq2seq import FlanT5, MT5, T5, Whisper
from support import (BIN, TemporaryDirectoryTest, compile_model, read_npy, run, stc, write_npy)
from test_export import read_safetensors
from test_report import Page

LENGTH = 24
CALIBRATION = ("--calibrate-sequences", "24", "--calibrate-length", str(LENGTH))
READ = [5, 17, 42, 9, 3, 60, 25, 7, 31, 20, 11, 2]
WRITTEN = [0, 8, 44, 23, 6, 19, 30]


def ids(tokens):
    return ",".join(map(str, tokens))


def log_softmax(row):
    largest = max(row)
    total = largest + math.log(sum(math.exp(x - largest) for x in row))
    return [x - total for x in row]


def mean_and_error(values):
    mean = sum(values) / len(values)
    variance = sum((x - mean) ** 2 for x in values) / (len(values) - 1)
    return mean, math.sqrt(variance / len(values))


def pruned(tensors, is_pruned):
    """Of four neighbours in a matrix the two largest."""
    result = type(tensors)(tensors)
    for name, matrix in tensors.items():
        if is_pruned(name) and isinstance(matrix[0], list):
            result[name] = [[x if i in kept else 0.0 for at in range(0, len(row), 4)
                             for kept in [sorted(range(at, at + 4), key=lambda j: -abs(row[j]))[:2]]
                             for i, x in list(enumerate(row))[at:at + 4]] for row in matrix]
    return result


class Kinds(TemporaryDirectoryTest):
    def write(self, family, tensors=None):
        self.family = family
        self.tensors = family.tensors() if tensors is None else tensors
        return family.write(self.tmp / "hf", self.tensors)

    def text(self, count, seed=1, name="text.ids"):
        """Tokens that follow each other more or less often, so that inputs are not all alike."""
        generator = random.Random(seed)
        token, tokens = 3, []
        for _ in range(count):
            token = generator.choice([(7 * token + 5) % VOCAB, generator.randrange(3, VOCAB)])
            tokens.append(token)
        (self.tmp / name).write_text(ids(tokens))
        return tokens

    def evaluate(self, binary, *options):
        return json.loads(run(binary, "eval", "--tokens-file", self.tmp / "text.ids", "--json",
                              *options).stdout)

    def refuse(self, *arguments, output=True):
        result = run(*arguments, check=False)
        self.assertEqual(result.returncode, 1, arguments)
        lines = result.stderr.decode().strip().splitlines()
        self.assertEqual(len(lines), 1, lines)
        self.assertTrue(lines[0].startswith("error: "), lines)
        return lines[0]

    def refuse_compile(self, model, *options):
        line = self.refuse(BIN / "stc", "compile", model, "-o", self.tmp / "refused", "--quiet",
                           *options)
        self.assertFalse((self.tmp / "refused").exists())
        return line

    def exported(self, name, kind):
        return self.tmp / (f"{name}.gguf" if kind == "gguf" else name)

    def weights(self, binary):
        layers = json.loads(stc("inspect", binary, "--json").stdout)["layers"]
        return {row["name"]: row for row in layers}


class EncoderDecoders(Kinds):
    def windows(self, tokens, length):
        """[(encoder's tokens, decoder's)]: half of a window, and a start token before the rest."""
        source = length // 2
        return [(tokens[at:at + source], [0] + tokens[at + source:at + length - 1])
                for at in range(0, len(tokens) - length + 2, length - 1)]

    def predictions(self, tensors, tokens, length):
        """The logarithms of probabilities of all tokens at each place, and the token that comes."""
        for source, written in self.windows(tokens, length):
            rows = self.family.forward(tensors, source, written)
            for row, target in zip(rows, written[1:]):
                yield log_softmax(row), target

    def test_evaluation(self):
        """Perplexity and divergence against the definition."""
        for make in (T5, MT5):
            with self.subTest(family=make.__name__):
                self.check_evaluation(make)

    def check_evaluation(self, make):
        model = self.write(make())
        tokens = self.text(96)
        source = compile_model(model, self.tmp / "source")
        other = compile_model(model, self.tmp / "other", "--prune", "magnitude:2:4")
        masked = pruned(self.tensors, lambda name: ".block." in name and "relative" not in name)
        wanted = list(self.predictions(self.tensors, tokens, LENGTH))
        losses = [-row[target] for row, target in wanted]
        divergences, losses_of_other, agree = [], [], []
        for (theirs, target), (ours, _) in zip(wanted, self.predictions(masked, tokens, LENGTH)):
            divergences.append(sum(math.exp(p) * (p - q) for p, q in zip(theirs, ours)))
            losses_of_other.append(-ours[target])
            agree.append(theirs.index(max(theirs)) == ours.index(max(ours)))
        result = self.evaluate(source, "--context", LENGTH)
        self.assertEqual(result["tokens"], len(losses))
        mean, error = mean_and_error(losses)
        self.assertAlmostEqual(math.log(result["perplexity"]), mean, delta=1e-3)
        self.assertAlmostEqual(result["perplexity_stderr"] / result["perplexity"], error, delta=1e-3)
        result = self.evaluate(other, "--context", LENGTH, "--reference", source)
        self.assertAlmostEqual(math.log(result["perplexity"]), mean_and_error(losses_of_other)[0],
                               delta=1e-3)
        self.assertAlmostEqual(math.log(result["reference_perplexity"]), mean, delta=1e-3)
        mean, error = mean_and_error(divergences)
        self.assertGreater(mean, 0.05)
        self.assertAlmostEqual(result["kl"] / mean, 1, delta=1e-2)
        self.assertAlmostEqual(result["kl_stderr"] / error, 1, delta=1e-2)
        self.assertAlmostEqual(result["top1_agreement"], sum(agree) / len(agree), delta=0.03)
        run(source, "eval", "--tokens-file", self.tmp / "text.ids", "--context", LENGTH,
            "--save-logits", self.tmp / "s.stcl", "--quiet")
        saved = self.evaluate(other, "--context", LENGTH, "--reference", self.tmp / "s.stcl")
        self.assertAlmostEqual(saved["kl"] / mean, 1, delta=2e-2)

    def test_calibration_runs_the_definition(self):
        """What calibration computes in f32, through both stacks and the attention between them."""
        for make in (T5, FlanT5):
            model = self.write(make())
            tokens = self.text(96)
            module = self.tmp / "m.mlir"
            stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
            result = run(BIN / "stc-opt", module, "--stc-prune=spec=2:4",
                         f"--stc-measure-divergence=text={self.tmp / 'text.ids'} length={LENGTH}",
                         "-o", "/dev/null").stderr.decode()
            masked = pruned(self.tensors, lambda name: ".block." in name and "relative" not in name)
            rows = list(zip(self.predictions(self.tensors, tokens, LENGTH),
                            self.predictions(masked, tokens, LENGTH)))
            source = math.exp(sum(-theirs[t] for (theirs, t), _ in rows) / len(rows))
            own = math.exp(sum(-ours[t] for _, (ours, t) in rows) / len(rows))
            kl = sum(math.exp(p) * (p - q) for (theirs, _), (ours, _) in rows
                     for p, q in zip(theirs, ours)) / len(rows)
            got = [float(x) for x in re.search(
                r"(\d+) tokens: perplexity ([\d.]+), of the source ([\d.]+); KL ([\d.]+)",
                result).groups()]
            self.assertEqual(got[0], len(rows))
            self.assertAlmostEqual(got[1] / own, 1, delta=1e-3)
            self.assertAlmostEqual(got[2] / source, 1, delta=1e-3)
            self.assertAlmostEqual(got[3] / kl, 1, delta=1e-3)

    def kl(self, source, binary):
        return self.evaluate(binary, "--context", LENGTH, "--reference", source)["kl"]

    def test_methods(self):
        """On the text they are calibrated on they lose less than without, and they change matrices
        of all three kinds."""
        model = self.write(FlanT5())
        self.text(23 * 25)
        source = compile_model(model, self.tmp / "source")
        plain = {}
        for kind, options in (("quantize", ("--quantize", "rtn:int3-g32")),
                              ("prune", ("--prune", "magnitude:2:4"))):
            plain[kind] = self.kl(source, compile_model(model, self.tmp / "plain", *options))
        for method, kind, spec in (("gptq", "quantize", "int3-g32"), ("awq", "quantize", "int3-g32"),
                                   ("wanda", "prune", "2:4"), ("sparsegpt", "prune", "2:4"),
                                   ("alps", "prune", "2:4")):
            with self.subTest(method=method):
                binary = compile_model(model, self.tmp / "m", "--calibrate", self.tmp / "text.ids",
                                       *CALIBRATION, f"--{kind}", f"{method}:{spec}")
                self.assertLess(self.kl(source, binary), plain[kind])
                weights = self.weights(binary)
                for name in ("encoder.layers.1.q", "layers.2.cross_k", "layers.2.cross_o",
                             "layers.0.down"):
                    if kind == "prune":
                        self.assertIn("2:4", weights[name]["pattern"])
                    else:
                        self.assertTrue(weights[name]["layout"].startswith("dense-int3-g32"), name)

    def test_budget(self):
        model = self.write(FlanT5())
        self.text(23 * 40)
        source = compile_model(model, self.tmp / "source")
        binary = compile_model(model, self.tmp / "m", "--calibrate", self.tmp / "text.ids",
                               *CALIBRATION, "--budget", "kl<=0.1", "--objective", "size")
        measured = self.kl(source, binary)
        self.assertLess(measured, 0.15)  # activations in int8, and other sequences
        self.assertGreater(measured, 0.005)
        recipe = (self.tmp / "m.recipe.yaml").read_text()
        self.assertIn("# Found for kl<=0.1.", recipe)
        for name in ("encoder.layers.0.up", "layers.1.cross_v", "layers.2.down"):
            self.assertIn(f"# {name} ", recipe)
        again = compile_model(model, self.tmp / "again", "--recipe", self.tmp / "m.recipe.yaml")
        self.assertEqual(again.read_bytes()[-4096:-64], binary.read_bytes()[-4096:-64])
        self.assertIn("budget: expected kl<=X, ppl<=R, bytes<=B or tokens/s>=T for a model that "
                      "predicts tokens, got cosine<=0.1",
                      self.refuse_compile(model, "--budget", "cosine<=0.1", "--calibrate",
                                          self.tmp / "text.ids"))

    def test_report(self):
        model = self.write(FlanT5())
        self.text(23 * 40)
        compile_model(model, self.tmp / "m", "--calibrate", self.tmp / "text.ids", *CALIBRATION,
                      "--quantize", "int4", "--report", self.tmp / "page.html", "--report-text",
                      self.tmp / "text.ids")
        numbers = Page(self.tmp / "page.html").numbers
        self.assertGreater(numbers["quality"]["kl"], 0)
        self.assertEqual(numbers["part_losses"]["missing"], "")
        names = [part["name"] for part in numbers["part_losses"]["parts"]]
        self.assertEqual(names[0], "embedding")
        self.assertEqual(names[-1], "head")
        for name in ("encoder.layers.0", "encoder.layers.1", "layers.0", "layers.2"):
            self.assertIn(name, names)
        self.assertEqual(names.count("layers.1"), 2)  # keys and values of the encoder, and the rest
        # Each loses something, and none more than a few times all together.
        losses = [part["kl"] for part in numbers["part_losses"]["parts"]]
        self.assertTrue(all(loss > 0 for loss in losses[1:-1]), losses)
        self.assertGreater(len(numbers["equal_bytes"]["rows"]), 1)
        self.assertGreater(numbers["speed"]["model"]["decode_tokens_per_second"], 0)
        self.assertEqual(len(numbers["samples"]), 2)

    def test_bench(self):
        for family in (T5(), Whisper()):
            binary = compile_model(self.write(family), self.tmp / "m")
            result = json.loads(run(binary, "bench", "--seconds", 0, "--generate", 8, "--json").stdout)
            self.assertGreater(result["decode_tokens_per_second"], 0)
            self.assertGreater(result["prefill_tokens_per_second"], 0)
            self.assertIsNone(result["prefill_peak_fraction"])
            self.assertIn("--context: expected a decoder alone",
                          self.refuse(binary, "bench", "--context", 4))
            self.assertIn("--prompt-tokens: expected at most",
                          self.refuse(binary, "bench", "--prompt-tokens", 65))

    def logits(self, binary):
        run(binary, "logits", "--tokens", ids(READ), "--decoder-tokens", ids(WRITTEN), "-o",
            self.tmp / "l.npy")
        return read_npy(self.tmp / "l.npy")

    def worst(self, rows, want):
        self.assertEqual(len(rows), len(want))
        return max(abs(a - b) for row, expected in zip(rows, want) for a, b in zip(row, expected))

    def test_rotation(self):
        for make in (T5, FlanT5):
            model = self.write(make())
            want = self.family.forward(self.tensors, READ, WRITTEN)
            binary = compile_model(model, self.tmp / "m", "--rotate")
            self.assertLess(self.worst(self.logits(binary), want), 2e-3)
            # It turns weights of both stacks: rounded, they are others.
            both = [self.logits(compile_model(model, self.tmp / "m", "--quantize", "int4", *more))
                    for more in ((), ("--rotate",))]
            self.assertGreater(self.worst(*both), 1e-2)
        model = self.write(Whisper())
        self.assertIn("--rotate: expected a model whose norms are RMS norms, which commute with a "
                      "rotation (T5), got one with layer norms",
                      self.refuse_compile(model, "--rotate"))

    def test_channels(self):
        """Channels that add nothing go first, and then nothing is lost."""
        family = FlanT5()
        tensors = family.tensors()
        dead = {}
        generator = random.Random(8)
        for name, matrix in tensors.items():
            if name.endswith("DenseReluDense.wo.weight"):
                dead[name] = generator.sample(range(48), 16)
                tensors[name] = [[0.0 if i in dead[name] else x for i, x in enumerate(row)]
                                 for row in matrix]
        model = self.write(family, tensors)
        want = family.forward(tensors, READ, WRITTEN)
        self.text(23 * 25)
        for options in ((), ("--calibrate", self.tmp / "text.ids", *CALIBRATION)):
            binary = compile_model(model, self.tmp / "m", "--prune-channels", "0.33333334",
                                   *options)
            weights = self.weights(binary)
            for name in ("encoder.layers.0", "encoder.layers.1", "layers.0", "layers.2"):
                self.assertEqual(weights[name + ".down"]["shape"], [32, 32], options)
                self.assertEqual(weights[name + ".gate"]["shape"], [32, 32])
            self.assertLess(self.worst(self.logits(binary), want), 1e-2 if options else 1e-3)
        for option in ("--prune-groups", "--prune-heads", "--prune-layers"):
            line = self.refuse_compile(model, option, "1" if option == "--prune-layers" else "0.5",
                                       "--calibrate", self.tmp / "text.ids")
            self.assertIn("expected a decoder or an encoder alone (of an encoder-decoder, whose "
                          "stacks share a cache, --prune-channels), got an encoder-decoder", line)

    def test_exports(self):
        for make, kinds in ((T5, ("safetensors", "gguf")), (FlanT5, ("safetensors", "gguf")),
                            (MT5, ("safetensors", "gguf"))):
            model = self.write(make())
            want = self.family.forward(self.tensors, READ, WRITTEN)
            # The others have rows of whole groups.
            quantized = ("--quantize", "int8-g32", "--exclude", "*.down,*.o,*cross_o", "--head", "none")
            codes = self.logits(compile_model(model, self.tmp / "m", *quantized))
            for kind in kinds:
                with self.subTest(family=make.__name__, kind=kind):
                    whole, out = (self.exported(f"{make.__name__}-{name}", kind)
                                  for name in ("whole", "codes"))
                    stc("compile", model, "-o", whole, f"--emit={kind}", "--quiet")
                    if kind == "safetensors":
                        self.assertEqual(read_safetensors(whole / "model.safetensors"),
                                         read_safetensors(model / "model.safetensors"))
                    binary = compile_model(whole, self.tmp / "m")
                    self.assertLess(self.worst(self.logits(binary), want), 1e-3)
                    stc("compile", model, "-o", out, f"--emit={kind}", "--quiet", *quantized)
                    binary = compile_model(out, self.tmp / "m", *quantized)
                    self.assertLess(self.worst(self.logits(binary), codes), 5e-2)
                    if kind == "safetensors":
                        self.assertIn("encoder.block.0.layer.0.SelfAttention.q.weight_packed",
                                      read_safetensors(out / "model.safetensors"))
        model = self.write(T5())
        for kind in ("safetensors", "gguf"):
            self.assertIn("expected a head tied to the embedding, as T5 has scaled logits only then "
                          "(--head none leaves it so), got one of its own",
                          self.refuse_compile(model, f"--emit={kind}", "--quantize", "int8-g32",
                                              "--head", "int8-g32", "--exclude",
                                              "*.down,*.o,*cross_o"))

    def test_export_of_sound(self):
        model = self.write(Whisper())
        (model / "generation_config.json").write_text('{"suppress_tokens": [5]}')
        stc("compile", model, "-o", self.tmp / "whole", "--emit=safetensors", "--quiet")
        self.assertEqual(read_safetensors(self.tmp / "whole" / "model.safetensors"),
                         read_safetensors(model / "model.safetensors"))
        self.assertEqual((self.tmp / "whole" / "generation_config.json").read_bytes(),
                         (model / "generation_config.json").read_bytes())
        stc("compile", model, "-o", self.tmp / "codes", "--emit=safetensors", "--quiet", "--quantize",
            "int8-g32", "--exclude", "*.down", "--head", "none")
        generator = random.Random(5)
        frames = [[generator.gauss(0, 1) for _ in range(Whisper.BINS)] for _ in range(12)]
        mel = write_npy(self.tmp / "mel.npy", [list(row) for row in zip(*frames)])
        want = self.family.forward(self.tensors, frames, [3, 8, 44])
        largest = max(max(map(abs, row)) for row in want)
        for name, tolerance in (("whole", 1e-3), ("codes", 5e-2 * largest)):
            binary = compile_model(self.tmp / name, self.tmp / "m")
            run(binary, "logits", "--features", mel, "--decoder-tokens", "3,8,44", "-o",
                self.tmp / "l.npy")
            self.assertLess(self.worst(read_npy(self.tmp / "l.npy"), want), tolerance)
        self.assertIn("--emit=gguf: expected layers, attention", self.refuse_compile(model, "--emit=gguf"))

    def test_sound_is_not_calibrated_on_text(self):
        model = self.write(Whisper())
        self.text(400)
        for options in (("--quantize", "int4"), ("--budget", "kl<=0.1")):
            self.assertIn("calibrate: expected a model that reads text (one whose encoder reads "
                          "sound is compressed without calibration: magnitude and rtn), got one that "
                          "reads sound",
                          self.refuse_compile(model, *options, "--calibrate",
                                              self.tmp / "text.ids"))
        binary = compile_model(model, self.tmp / "m")
        self.assertIn("model: expected one that reads text, with a token that its decoder begins "
                      "with, got one that reads sound",
                      self.refuse(binary, "eval", "--tokens-file", self.tmp / "text.ids"))


class Encoders(Kinds):
    def vectors(self, tensors, tokens, length, how="mean"):
        return [pooled(self.family.forward(tensors, tokens[at:at + length]), how)
                for at in range(0, len(tokens) - length + 1, length)]

    def distances(self, tokens, length, masked, how="mean"):
        return [1 - sum(a * b for a, b in zip(x, y))
                for x, y in zip(self.vectors(self.tensors, tokens, length, how),
                                self.vectors(masked, tokens, length, how))]

    def is_pruned(self, name):
        return ("layer." in name or "layers." in name) and "norm" not in name.lower()

    def test_evaluation(self):
        for make in (Bert, ModernBert, MPNet):
            with self.subTest(family=make.__name__):
                model = self.write(make())
                tokens = self.text(120)
                source = compile_model(model, self.tmp / "source")
                other = compile_model(model, self.tmp / "other", "--prune", "magnitude:2:4")
                want = self.distances(tokens, LENGTH, pruned(self.tensors, self.is_pruned))
                mean, error = mean_and_error(want)
                self.assertGreater(mean, 1e-2)
                self.assertEqual(self.evaluate(other, "--context", LENGTH), {"texts": len(want)})
                result = self.evaluate(other, "--context", LENGTH, "--reference", source)
                self.assertEqual(sorted(result), ["cosine_distance", "cosine_distance_stderr",
                                                  "texts"])
                self.assertAlmostEqual(result["cosine_distance"] / mean, 1, delta=1e-2)
                self.assertAlmostEqual(result["cosine_distance_stderr"] / error, 1, delta=1e-2)
                same = self.evaluate(source, "--context", LENGTH, "--reference", source)
                self.assertEqual(same["cosine_distance"], 0)
                run(source, "eval", "--tokens-file", self.tmp / "text.ids", "--context", LENGTH,
                    "--save-logits", self.tmp / "s.stcl", "--quiet")
                saved = self.evaluate(other, "--context", LENGTH, "--reference",
                                      self.tmp / "s.stcl")
                self.assertAlmostEqual(saved["cosine_distance"] / mean, 1, delta=2e-2)

    def test_calibration_runs_the_definition(self):
        model = self.write(Roberta())
        tokens = self.text(120)
        module = self.tmp / "m.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, "--stc-prune=spec=2:4",
                     f"--stc-measure-divergence=text={self.tmp / 'text.ids'} length={LENGTH}", "-o",
                     "/dev/null").stderr.decode()
        want = self.distances(tokens, LENGTH, pruned(self.tensors, self.is_pruned))
        texts, distance = re.search(r"(\d+) texts: cosine distance ([\d.]+)",
                                                  result).groups()
        self.assertEqual(int(texts), len(want))
        self.assertAlmostEqual(float(distance) / mean_and_error(want)[0], 1, delta=1e-3)

    def test_budget(self):
        model = self.write(Bert())
        self.text(24 * 40)
        source = compile_model(model, self.tmp / "source")
        calibrated = ("--calibrate", self.tmp / "text.ids", *CALIBRATION)
        binary = compile_model(model, self.tmp / "m", *calibrated, "--budget", "cosine<=0.001",
                               "--objective", "size")
        measured = self.evaluate(binary, "--context", LENGTH, "--reference", source)
        self.assertLess(measured["cosine_distance"], 1.5e-3)
        self.assertGreater(measured["cosine_distance"], 1e-4)
        recipe = (self.tmp / "m.recipe.yaml").read_text()
        self.assertIn("# Found for cosine<=0.001.", recipe)
        self.assertIn("in f32: cosine distance ", recipe)
        self.assertNotIn("perplexity", recipe)
        total = {name: json.loads(stc("inspect", self.tmp / name, "--json").stdout)["total_bytes"]
                 for name in ("m", "source")}
        small = compile_model(model, self.tmp / "small", *calibrated, "--budget",
                              f"bytes<={total['m']}")
        self.assertLessEqual(json.loads(stc("inspect", small, "--json").stdout)["total_bytes"],
                             total["m"])
        self.assertLess(total["m"], total["source"])
        for budget in ("kl<=0.1", "ppl<=1.1", "tokens/s>=10"):
            self.assertIn("budget: expected cosine<=X or bytes<=B for an encoder, which has vectors "
                          f"and predicts no tokens, got {budget}",
                          self.refuse_compile(model, *calibrated, "--budget", budget))

    def test_report(self):
        model = self.write(Bert())
        self.text(24 * 40)
        compile_model(model, self.tmp / "m", "--calibrate", self.tmp / "text.ids", *CALIBRATION,
                      "--quantize", "int4", "--report", self.tmp / "page.html", "--report-text",
                      self.tmp / "text.ids")
        page = Page(self.tmp / "page.html")
        self.assertGreater(page.numbers["quality"]["cosine_distance"], 0)
        self.assertNotIn("perplexity", page.numbers["quality"])
        self.assertNotIn("perplexity", "".join(page.visible))
        parts = page.numbers["part_losses"]["parts"]
        self.assertEqual([part["name"] for part in parts],
                         ["embedding", "layers.0", "layers.1", "head"])
        self.assertGreater(parts[1]["cosine_distance"], 0)
        self.assertGreater(len(page.numbers["equal_bytes"]["rows"]), 1)
        self.assertGreater(page.numbers["speed"]["model"]["prefill_tokens_per_second"], 0)

    def hidden(self, binary):
        run(binary, "logits", "--tokens", ids(READ), "-o", self.tmp / "h.npy")
        return read_npy(self.tmp / "h.npy")

    def worst(self, rows, want):
        self.assertEqual(len(rows), len(want))
        return max(abs(a - b) for row, expected in zip(rows, want) for a, b in zip(row, expected))

    def test_exports(self):
        both = ("safetensors", "gguf")
        for make, kinds in ((Bert, both), (Roberta, both), (DistilBert, both), (ModernBert, both),
                            (MPNet, ("safetensors",))):
            model = self.write(make())
            want = self.family.forward(self.tensors, READ)
            quantized = ("--quantize", "int8-g32", "--exclude", "*.down")
            codes = self.hidden(compile_model(model, self.tmp / "m", *quantized))
            for kind in kinds:
                with self.subTest(family=make.__name__, kind=kind):
                    whole, out = (self.exported(f"{make.__name__}-{name}", kind)
                                  for name in ("whole", "codes"))
                    stc("compile", model, "-o", whole, f"--emit={kind}", "--quiet")
                    if kind == "safetensors":
                        self.assertEqual(read_safetensors(whole / "model.safetensors"),
                                         read_safetensors(model / "model.safetensors"))
                    binary = compile_model(whole, self.tmp / "m")
                    self.assertLess(self.worst(self.hidden(binary), want), 1e-3)
                    stc("compile", model, "-o", out, f"--emit={kind}", "--quiet", *quantized)
                    binary = compile_model(out, self.tmp / "m", *quantized)
                    self.assertLess(self.worst(self.hidden(binary), codes), 5e-2)
        self.assertIn("--emit=gguf: expected layers, attention", self.refuse_compile(model, "--emit=gguf"))

    def test_exports_keep_how_texts_become_vectors(self):
        from test_encoders import sentence_modules, word_piece
        model = self.write(Bert())
        word_piece(model)
        sentence_modules(model, {"pooling_mode_cls_token": True}, "Normalize")
        want = run(compile_model(model, self.tmp / "m"), "embed", "--text", "The fox").stdout
        for kind in ("safetensors", "gguf"):
            out = self.exported("out", kind)
            stc("compile", model, "-o", out, f"--emit={kind}", "--quiet")
            binary = compile_model(out, self.tmp / "m")
            self.assertEqual(run(binary, "embed", "--text", "The fox").stdout, want)
            info = json.loads(run(binary, "info", "--json").stdout)
            self.assertEqual((info["pooling"], info["normalize"]), ("cls", True))
        self.assertEqual((self.exported("out", "safetensors") / "1_Pooling" / "config.json").read_bytes(),
                         (model / "1_Pooling" / "config.json").read_bytes())

    def test_structure(self):
        """Channels and heads that add nothing go first, and then nothing is lost."""
        family = Bert()
        tensors = family.tensors()
        for i in range(family.layers):
            down = f"encoder.layer.{i}.output.dense.weight"
            tensors[down] = [[0.0 if 8 <= c < 24 else x for c, x in enumerate(row)]
                             for row in tensors[down]]
            out = f"encoder.layer.{i}.attention.output.dense.weight"
            tensors[out] = [[0.0 if 16 <= c < 24 else x for c, x in enumerate(row)]
                            for row in tensors[out]]
        model = self.write(family, tensors)
        want = family.forward(tensors, READ)
        for options, name, shape in ((("--prune-channels", "0.33333334"), "down", [32, 32]),
                                     (("--prune-groups", "0.25"), "v", [24, 32])):
            binary = compile_model(model, self.tmp / "m", *options)
            self.assertEqual(self.weights(binary)[f"layers.1.{name}"]["shape"], shape)
            self.assertLess(self.worst(self.hidden(binary), want), 1e-3)
        self.assertIn("--rotate: expected a model whose norms are RMS norms",
                      self.refuse_compile(model, "--rotate"))


if __name__ == "__main__":
    unittest.main()
