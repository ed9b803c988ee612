"""Compressed weights as safetensors and GGUF: read independently, and compiled again."""
import json
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

import families
from family_base import VOCAB
from support import (BIN, BOOKS, SHARED, TemporaryDirectoryTest, compile_model, make_llama,
                     needs_shared, read_npy, run, stc, write_safetensors)

TOKENS = [5, 17, 42, 99, 3, 64, 250, 7, 31, 200, 111, 2, 18]
CALIBRATION = ("--calibrate", "default", "--calibrate-sequences", "8", "--calibrate-length", "64")
CALIBRATED_PASS = "--stc-compress-layers=calibrate=default sequences=8 length=64 quantize="


def read_safetensors(path):
    """{name: (dtype, shape, bytes)}"""
    data = path.read_bytes()
    size, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    data = data[8 + size:]
    return {name: (entry["dtype"], tuple(entry["shape"]), data[slice(*entry["data_offsets"])])
            for name, entry in header.items()}


def half(bits):
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def unpack_words(words, count, bits):
    """compressed-tensors' unpack_from_int32 of one row, written from its description."""
    stream = int.from_bytes(struct.pack(f"<{len(words)}I", *words), "little")
    return [(stream >> (i * bits) & (1 << bits) - 1) - (1 << bits - 1) for i in range(count)]


def dequantize(tensors, name, arguments):
    """The values of a pack-quantized weight, by config.json's arguments for it."""
    bits = arguments["num_bits"]
    rows, columns = struct.unpack("<2q", tensors[name + "_shape"][2])
    _, (height, width), packed = tensors[name + "_packed"]
    assert (height, width) == (rows, -(-columns * bits // 32)), (height, width)
    dtype, (height, groups), scales = tensors[name + "_scale"]
    assert dtype == "F16" and height == rows
    group = arguments["group_size"] if arguments["strategy"] == "group" else columns
    assert groups * group == columns
    words = struct.unpack(f"<{rows * width}I", packed)
    scales = struct.unpack(f"<{rows * groups}e", scales)
    zeros = [[0] * rows for _ in range(groups)]
    if not arguments["symmetric"]:
        _, (height, wide), data = tensors[name + "_zero_point"]
        assert (height, wide) == (-(-rows * bits // 32), groups)
        data = struct.unpack(f"<{height * wide}I", data)
        zeros = [unpack_words(data[g::groups], rows, bits) for g in range(groups)]
    values = []
    for row in range(rows):
        codes = unpack_words(words[row * width:(row + 1) * width], columns, bits)
        values += [(code - zeros[i // group][row]) * scales[row * groups + i // group]
                   for i, code in enumerate(codes)]
    return (rows, columns), values


def scheme_of(config, module):
    """How compressed-tensors takes a module of the class Linear to be quantized, or None."""
    if module in config["ignore"]:
        return None
    for group in config["config_groups"].values():
        if module in group["targets"] or "Linear" in group["targets"]:
            return group["weights"]
    return None


def decompress(source, target):
    """An F32 checkpoint of the values that an exported directory holds."""
    tensors = read_safetensors(source / "model.safetensors")
    config = json.loads((source / "config.json").read_text())
    quantization = config.pop("quantization_config")
    result = {}
    for name, tensor in tensors.items():
        if name.endswith("_packed"):
            name = name.removesuffix("_packed")
            shape, values = dequantize(tensors, name, scheme_of(quantization,
                                                                name.removesuffix(".weight")))
            result[name] = ("F32", shape, struct.pack(f"<{len(values)}f", *values))
        elif not name.endswith(("_scale", "_shape", "_zero_point")):
            assert scheme_of(quantization, name.removesuffix(".weight")) is None \
                or "norm" in name or "embed" in name or name.endswith("bias"), name
            result[name] = tensor
    target.mkdir()
    write_safetensors(target / "model.safetensors", result)
    (target / "config.json").write_text(json.dumps(config))
    return target


class Export(TemporaryDirectoryTest):
    vocabulary = 320

    def interpret(self, model, *passes):
        """The float64 interpreter's logits of a checkpoint behind these passes."""
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        tokens = ",".join(str(token % self.vocabulary) for token in TOKENS)
        result = run(BIN / "stc-opt", module, "--stc-to-graph", *passes,
                     f"--stc-interpret=tokens={tokens} max=100000", "-o", "/dev/null")
        return [float(n) for n in result.stdout.decode().split("logits", 1)[1].split()]

    def export(self, model, output, kind, *options):
        stc("compile", model, "-o", output, f"--emit={kind}", "--quiet", *options)
        return output

    def assertNear(self, got, want, tolerance=2e-5):
        self.assertEqual(len(got), len(want))
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.01)
        worst = max(abs(a - b) for a, b in zip(got, want)) / largest
        self.assertLess(worst, tolerance)

    def quantizing(self, spec, head):
        return (f"--stc-quantize=spec={spec}", f"--stc-quantize-head=spec={head}")


class Safetensors(Export):
    def test_values_are_those_of_the_compiler(self):
        # ffn 192 and hidden 64: one group of 128 is wider than some rows.
        model = make_llama(self.tmp / "llama", hidden=64, ffn=192, vocab=320)
        for spec in ("int8", "int4", "int4-g16", "int4-g64", "int3", "int2", "int4-asym", "int3-g64-asym",
                     "int8-row", "int4-row-asym"):
            with self.subTest(spec=spec):
                out = self.export(model, self.tmp / f"out-{spec}", "safetensors", "--quantize",
                                  spec, "--head", "int8")
                plain = decompress(out, self.tmp / f"plain-{spec}")
                self.assertNear(self.interpret(plain),
                                self.interpret(model, *self.quantizing(spec, "int8")))
                scheme = scheme_of(json.loads((out / "config.json").read_text())
                                   ["quantization_config"], "model.layers.0.mlp.down_proj")
                if "row" in spec:
                    self.assertEqual(scheme["strategy"], "channel")
                    self.assertIsNone(scheme["group_size"])

    def test_calibrated_books(self):
        out = self.export(BOOKS, self.tmp / "out", "safetensors", "--quantize", "int4",
                          *CALIBRATION)
        tensors = read_safetensors(out / "model.safetensors")
        source = read_safetensors(BOOKS / "model.safetensors")
        # What was not compressed keeps type and bytes.
        self.assertEqual(tensors["model.embed_tokens.weight"], source["model.embed_tokens.weight"])
        for name in ("tokenizer.json", "tokenizer_config.json"):
            self.assertEqual((out / name).read_bytes(), (BOOKS / name).read_bytes())
        config = json.loads((out / "config.json").read_text())
        # The head was compressed apart from the embedding it was tied to.
        self.assertFalse(config["tie_word_embeddings"])
        quantization = config["quantization_config"]
        self.assertEqual(quantization["quant_method"], "compressed-tensors")
        self.assertEqual(quantization["format"], "pack-quantized")
        self.assertEqual(quantization["ignore"], [])
        self.assertEqual(scheme_of(quantization, "lm_head")["num_bits"], 8)
        self.assertEqual(scheme_of(quantization, "model.layers.0.self_attn.q_proj"),
                         {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group",
                          "group_size": 32, "dynamic": False})
        plain = decompress(out, self.tmp / "plain")
        self.assertNear(self.interpret(plain),
                        self.interpret(BOOKS, CALIBRATED_PASS + "int4",
                                       "--stc-quantize-head=spec=int8-g32"))

    def test_one_scheme_targets_a_class(self):
        model = make_llama(self.tmp / "llama", layers=1, hidden=64, ffn=128, vocab=320)
        out = self.export(model, self.tmp / "out", "safetensors", "--quantize", "int4", "--head",
                          "none")
        quantization = json.loads((out / "config.json").read_text())["quantization_config"]
        self.assertEqual([g["targets"] for g in quantization["config_groups"].values()],
                         [["Linear"]])
        self.assertEqual(quantization["ignore"], ["lm_head"])

    def test_pruned_weights_are_dense_with_zeros(self):
        out = self.export(BOOKS, self.tmp / "out", "safetensors", "--prune", "2:4")
        tensors = read_safetensors(out / "model.safetensors")
        dtype, shape, data = tensors["model.layers.0.mlp.up_proj.weight"]
        self.assertEqual(dtype, "BF16")
        values = struct.unpack(f"<{len(data) // 2}H", data)
        for i in range(0, len(values), 4):
            self.assertLessEqual(sum(v != 0 for v in values[i:i + 4]), 2)
        quantization = json.loads((out / "config.json").read_text())["quantization_config"]
        sparsity = quantization["sparsity_config"]
        self.assertEqual((sparsity["format"], sparsity["sparsity_structure"]), ("dense", "2:4"))
        self.assertGreater(sparsity["global_sparsity"], 0.4)
        self.assertEqual(quantization["config_groups"], {})
        # Such a directory is a checkpoint for stc itself.
        again = compile_model(out, self.tmp / "again")
        direct = compile_model(BOOKS, self.tmp / "direct", "--prune", "2:4")
        for binary in (again, direct):
            run(binary, "logits", "--tokens", "1,2,3,4", "-o", str(binary) + ".npy")
        self.assertNear(read_npy(str(again) + ".npy")[-1], read_npy(str(direct) + ".npy")[-1])

    def test_uncompressed_is_a_copy(self):
        out = self.export(BOOKS, self.tmp / "out", "safetensors")
        self.assertEqual(read_safetensors(out / "model.safetensors"),
                         read_safetensors(BOOKS / "model.safetensors"))
        self.assertEqual(json.loads((out / "config.json").read_text()),
                         json.loads((BOOKS / "config.json").read_text()))

    def test_refusals(self):
        def refuse(pattern, model, *options, output="out", emit="safetensors"):
            result = stc("compile", model, "-o", self.tmp / output, f"--emit={emit}", *options,
                         check=False)
            self.assertEqual(result.returncode, 1)
            self.assertRegex(result.stderr.decode(), pattern)
            self.assertFalse(any(name.startswith(".stc") for name in os.listdir(self.tmp)))
            return result
        model = make_llama(self.tmp / "llama", layers=1, hidden=64, ffn=160, vocab=320)
        refuse(r"error: model\.layers\.0\.mlp\.down_proj\.weight: expected rows of whole groups of "
               r"64, as compressed-tensors demands, got rows of 160", model, "--quantize",
               "int4-g64")
        self.assertFalse((self.tmp / "out").exists())
        refuse("expected a new or an empty folder", model, output="llama")
        self.assertEqual(sorted(os.listdir(model)), ["config.json", "model.safetensors"])
        module = self.tmp / "m.mlir"
        stc("compile", model, "--emit=mlir:import", "-o", module, "--quiet")
        refuse("--emit: expected a checkpoint for safetensors and gguf", module)
        refuse("exe, shared, object, safetensors, gguf, asm, ptx, hsaco, spirv, llvm or mlir",
               model, emit="onnx")
        gguf = self.export(model, self.tmp / "m.gguf", "gguf")
        refuse(r"--emit=safetensors: expected a Hugging Face checkpoint \(of a GGUF: --emit=gguf\)",
               gguf)
        refuse("expected a file that the compilation does not read", gguf, output="m.gguf", emit="gguf")
        refuse(r"--emit=gguf: expected weights quantized as int4-g32 or int8-g32, for which GGUF "
               r"has types \(Q4_0 and Q8_0\), or none, got rtn:int4-g64", model, "--quantize",
               "int4-g64", output="n.gguf", emit="gguf")
        refuse(r"expected weights quantized as int4-g32 or int8-g32, .*, got rtn:int8-row", model,
               "--quantize", "int8-row", output="n.gguf", emit="gguf")
        refuse("got rtn:int3-g32", model, "--quantize", "int4", "--head", "int3",
               output="n.gguf", emit="gguf")
        wide = make_llama(self.tmp / "wide", layers=1, hidden=64, ffn=172, vocab=320)
        refuse(r"blk\.0\.ffn_down\.weight: expected rows of whole blocks of 32, as GGUF's Q4_0 "
               r"demands, got rows of 172", wide, "--quantize", "int4", output="n.gguf",
               emit="gguf")
        self.assertFalse((self.tmp / "n.gguf").exists())

    def test_a_signal_leaves_nothing(self):
        model = make_llama(self.tmp / "llama", layers=8, hidden=512, ffn=2048, vocab=320,
                           dtype="BF16")
        for delay in (0.1, 0.3, 0.6, 1.0):
            process = subprocess.Popen([BIN / "stc", "compile", model, "-o", self.tmp / "out",
                                        "--emit=safetensors", "--quantize", "int4"],
                                       stderr=subprocess.DEVNULL)
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            process.wait()
            if (self.tmp / "out").exists():  # it was faster: then all of it is there
                self.assertTrue((self.tmp / "out" / "config.json").exists())
                shutil.rmtree(self.tmp / "out")
            self.assertEqual(os.listdir(self.tmp), ["llama"])


class Gguf(Export):
    def test_values_are_those_of_the_compiler(self):
        for name, options in (("llama", {}), ("qwen2", {"model_type": "qwen2"}),
                              ("mistral", {"model_type": "mistral"}),
                              ("llama3", {"rope_scaling": {
                                  "rope_type": "llama3", "factor": 4.0, "low_freq_factor": 1.0,
                                  "high_freq_factor": 4.0,
                                  "original_max_position_embeddings": 32}}),
                              ("linear", {"rope_scaling": {"type": "linear", "factor": 2.0}})):
            model = make_llama(self.tmp / name, hidden=64, ffn=160, vocab=320, **options)
            if name == "qwen2":
                self.add_biases(model, kv=32, hidden=64, layers=2)
            for spec, head in (("none", "none"), ("int4", "int8"), ("int8", "int4")):
                with self.subTest(model=name, spec=spec):
                    gguf = self.export(model, self.tmp / f"{name}-{spec}.gguf", "gguf",
                                       "--quantize", spec, "--head", head)
                    want = self.interpret(model, *(self.quantizing(spec, head)
                                                   if spec != "none" else ()))
                    self.assertNear(self.interpret(gguf), want)
                    # And a GGUF of that GGUF is the same model.
                    again = self.export(gguf, self.tmp / "again", "gguf")
                    self.assertNear(self.interpret(str(again) + ".gguf"), want)

    def add_biases(self, model, kv, hidden, layers):
        tensors = read_safetensors(model / "model.safetensors")
        generator = random.Random(3)
        for layer in range(layers):
            for letter, size in (("q", hidden), ("k", kv), ("v", kv)):
                values = [generator.gauss(0, 0.5) for _ in range(size)]
                tensors[f"model.layers.{layer}.self_attn.{letter}_proj.bias"] = (
                    "F32", (size,), struct.pack(f"<{size}f", *values))
        write_safetensors(model / "model.safetensors", tensors)

    def test_calibrated_books(self):
        gguf = self.export(BOOKS, self.tmp / "books.gguf", "gguf", "--quantize", "int4",
                           *CALIBRATION)
        self.assertNear(self.interpret(gguf),
                        self.interpret(BOOKS, CALIBRATED_PASS + "int4",
                                       "--stc-quantize-head=spec=int8-g32"))
        text = "It was a dark and stormy night; 1234 rain\n\n  fell's <|endoftext|> \u00e9"
        self.assertEqual(stc("tokenize", gguf, "--text", text).stdout,
                         stc("tokenize", BOOKS, "--text", text).stdout)

    @needs_shared
    def test_sentencepiece_keeps_its_tokens(self):
        stories = SHARED / "models" / "stories260k"
        gguf = self.export(stories, self.tmp / "stories.gguf", "gguf")
        for text in ("Once upon a time, Lily found 3 apples.", "\u00e9  x\ny"):
            self.assertEqual(stc("tokenize", gguf, "--text", text).stdout,
                             stc("tokenize", stories, "--text", text).stdout)
        self.assertNear(self.interpret(gguf), self.interpret(stories))


class Families(Export):
    """Fused, transposed and shifted tensors, put together again as the family has them."""
    vocabulary = VOCAB

    def check(self, make, kinds):
        family = make()
        source = family.write(self.tmp / "source", family.tensors())
        stored = read_safetensors(source / "model.safetensors")
        # Rows of 48 are no whole blocks or groups.
        prune, rest = "--stc-prune=spec=2:4", " exclude=*.down"
        whole = self.interpret(source)
        masked = self.interpret(source, prune)
        compressed = self.interpret(source, prune + rest, "--stc-quantize=spec=int4" + rest)
        self.assertNotEqual(whole, masked)
        self.assertNotEqual(masked, compressed)
        for kind in kinds:
            suffix = ".gguf" if kind == "gguf" else ""
            with self.subTest(family=make.__name__, kind=kind):
                def export(name, *options):
                    return self.export(source, self.tmp / f"{name}-{kind}{suffix}", kind, *options)
                out = export("whole")
                if kind == "safetensors":
                    self.assertEqual(read_safetensors(out / "model.safetensors"), stored)
                self.assertNear(self.interpret(out), whole)
                # Masks alone leave values, which are stored as the family stores them.
                out = export("masked", "--prune", "2:4")
                self.assertNear(self.interpret(out), masked)
                options = ("--prune", "2:4", "--quantize", "int4", "--exclude", "*.down", "--head",
                           "none")
                if kind == "safetensors" and isinstance(family, families.Gpt2) and \
                        not isinstance(family, families.GptJ):
                    result = stc("compile", source, "-o", self.tmp / "refused", "--quiet",
                                 "--emit=safetensors", *options, check=False)
                    self.assertEqual(result.returncode, 1)
                    self.assertRegex(result.stderr.decode(), r"h\.0\.attn\.c_attn\.weight: expected "
                                     r"no codes, .* \(or --emit=gguf\), got rtn:int4-g32\n$")
                    self.assertFalse((self.tmp / "refused").exists())
                    continue
                out = export("codes", *options)
                self.assertNear(self.interpret(out), compressed)


BOTH = ("safetensors", "gguf")
for make, kinds in ((families.Gpt2, BOTH), (families.PrefixedGpt2, BOTH), (families.GptNeoX, BOTH),
                    (families.SequentialGptNeoX, BOTH), (families.Falcon, BOTH),
                    (families.LargeFalcon, BOTH), (families.StarCoder2, BOTH),
                    (families.Phi, BOTH), (families.Phi3, BOTH),
                    (families.GptJ, ("safetensors",)), (families.Gemma, ("gguf",)),
                    (families.Gemma2, BOTH), (families.Gemma3, ("gguf",)),
                    (families.Granite, ("gguf",)), (families.Cohere, ("gguf",)),
                    (families.CoherePlus, BOTH), (families.Cohere2, ("gguf",)),
                    (families.SmolLM3, ("gguf",)), (families.Olmo, BOTH),
                    (families.Olmo2, ("gguf",)), (families.Bloom, BOTH),
                    (families.ClippedMpt, BOTH), (families.StableLm, ("gguf",)),
                    (families.StableLm2, BOTH), (families.Nemotron, BOTH),
                    (families.Opt, ("safetensors",)), (families.Glm, ("safetensors",)),
                    (families.Glm4, BOTH), (families.InternLm2, BOTH),
                    (families.Exaone, ("gguf",)), (families.BigCode, BOTH),
                    (families.FalconRW, ("safetensors",))):
    setattr(Families, f"test_{make.__name__}",
            lambda self, make=make, kinds=kinds: self.check(make, kinds))


if __name__ == "__main__":
    unittest.main()
