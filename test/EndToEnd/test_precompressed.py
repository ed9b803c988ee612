"""Checkpoints of GPTQ, AWQ and bitsandbytes, and those of our own: the same values, logits and codes
as they store.

Formats: AutoGPTQ (qlinear_cuda_old.py), AutoAWQ (utils/packing_utils.py), LLM.int8() (Dettmers et
al. 2022).
"""
import json
import shutil
import struct
import unittest

from precompressed import (SHAPES, TOKENS, Matrix, Precompressed, floats, gptq, signed_bytes, single,
                           stream, transpose, words)
from support import run, stc
from test_export import read_safetensors


def awq(name, m):
    def pack(row):
        return [sum(row[at + order] << (4 * i) for i, order in enumerate((0, 2, 4, 6, 1, 3, 5, 7)))
                for at in range(0, len(row), 8)]
    return {name + ".qweight": words([pack(row) for row in transpose(m.codes)]),
            name + ".qzeros": words([pack(row) for row in transpose(m.zeros)]),
            name + ".scales": floats("F16", (m.groups, m.rows),
                                     [s for column in transpose(m.scales) for s in column])}


def read_gguf(path):
    """({key: (type, bytes)}, [(name, dims, type, offset)], tensor data) of a GGUF."""
    data, at = path.read_bytes(), 24
    _, version, tensors, fields = struct.unpack("<IIQQ", data[:at])
    assert data[:4] == b"GGUF" and version == 3
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

    def number(kind):
        nonlocal at
        value, = struct.unpack_from("<" + kind, data, at)
        at += struct.calcsize(kind)
        return value

    def text():
        nonlocal at
        size = number("Q")
        at += size
        return data[at - size:at]

    def skip(kind):
        nonlocal at
        if kind == 8:
            text()
        elif kind == 9:
            element = number("I")
            for _ in range(number("Q")):
                skip(element)
        else:
            at += sizes[kind]

    metadata = {}
    for _ in range(fields):
        key, kind, begin = text(), number("I"), at
        skip(kind)
        metadata[key] = (kind, data[begin:at])
    infos = [(text(), [number("Q") for _ in range(number("I"))], number("I"), number("Q"))
             for _ in range(tensors)]
    return metadata, infos, data[at + -at % 32:]


class Gptq(Precompressed):
    def config_of(self, bits, group, **more):
        return {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": False,
                "sym": False, **more}

    def test_bits_and_groups(self):
        for bits, group, layout in ((4, 128, "dense-int4-g128-asym"), (4, 32, "dense-int4-g32-asym"),
                                    (8, 64, "dense-int8-g64-asym"), (2, 64, "dense-int2-g64-asym"),
                                    (3, 128, "dense-int3-g128-asym"), (4, -1, "dense-int4-row-asym")):
            with self.subTest(bits=bits, group=group):
                self.check(gptq, self.matrix(bits, group), self.config_of(bits, group),
                           layout if group != -1 else None)

    def test_symmetric_has_no_zeros(self):
        self.check(lambda name, m: gptq(name, m, with_order=False),
                   self.matrix(4, 128, symmetric=True), self.config_of(4, 128, sym=True),
                   "dense-int4-g128")
        self.assertIn("note: the checkpoint's codes of 7 matrices are kept: dense-int4-g128\n",
                      self.messages)

    def test_second_format_stores_zeros_as_they_are(self):
        self.check(lambda name, m: gptq(name, m, v2=True), self.matrix(4, 64),
                   self.config_of(4, 64, checkpoint_format="gptq_v2"), "dense-int4-g64-asym")

    def test_order_of_whole_groups_is_kept(self):
        def make(shape):
            matrix = Matrix(shape, 4, 32, self.generator)
            groups = list(range(matrix.groups))
            self.generator.shuffle(groups)
            matrix.order = [group for group in groups for _ in range(32)]
            return matrix
        self.check(gptq, make, self.config_of(4, 32, desc_act=True), "dense-int4-g32-asym")

    def test_rules_for_modules(self):
        """GPTQModel's `dynamic`: other bits and groups, and modules that are not quantized."""
        shapes = iter(SHAPES)

        def make(shape):
            module = next(shapes)
            bits, group = (8, 64) if "mlp" in module else (4, 32)
            matrix = Matrix(shape, bits, group, self.generator)
            matrix.is_plain = module == "self_attn.o_proj"
            return matrix

        def pack(name, m):
            if not m.is_plain:
                return gptq(name, m)
            return {name + ".weight": floats("F32", (m.rows, m.columns),
                                             [v for row in m.values() for v in row])}
        config = self.config_of(4, 32, dynamic={
            r"+:.*\.mlp\..*": {"bits": 8, "group_size": 64}, r"-:.*o_proj": {},
            r".*\.never": {"bits": 2}})
        compressed, _ = self.check(pack, make, config)
        layouts = self.layouts(compressed)
        self.assertEqual({name[len("layers.0."):]: layout for name, layout in layouts.items()},
                         {**{name: "dense-int4-g32-asym" for name in "qkv"}, "o": "dense-f32",
                          **{name: "dense-int8-g64-asym" for name in ("gate", "up", "down")}})

    def test_wide_groups_become_several(self):
        self.check(gptq, self.matrix(4, 256, symmetric=True), self.config_of(4, 256))

    def test_biases_of_zeros_are_ignored(self):
        def pack(name, m):
            return {**gptq(name, m), name + ".bias": floats("F16", (m.rows,), [0.0] * m.rows)}
        self.check(pack, self.matrix(4, 128), self.config_of(4, 128))

    def test_pruned_codes_are_found(self):
        def keep(column, generator):
            return column % 4 in (1, 2)
        self.check(gptq, self.matrix(4, 128, symmetric=True, keep=keep), self.config_of(4, 128),
                   "2:4-int4-g128")
        self.assertIn("note: this model is 2:4 in 7 of 8 matrices\n", self.messages)

    def test_program_computes_with_the_codes(self):
        compressed, values = self.both(gptq, self.matrix(4, 128), self.config_of(4, 128))
        program = self.tmp / "program"
        stc("compile", compressed, "-o", program, "--quiet")
        stc("compile", values, "-o", self.tmp / "floats", "--quiet")
        results = []
        for binary in (program, self.tmp / "floats"):
            out = self.tmp / "logits.npy"
            run(binary, "logits", "--tokens", TOKENS, "-o", out)
            data = out.read_bytes()
            results.append(struct.unpack("<64f", data[-256:]))
        largest = max(map(abs, results[1]))
        worst = max(abs(a - b) for a, b in zip(*results)) / largest
        self.assertLess(worst, 0.05)  # activations are int8
        # `none` computes with floats: to the promise of unquantized models.
        stc("compile", compressed, "-o", program, "--quiet", "--quantize", "none")
        run(program, "logits", "--tokens", TOKENS, "-o", out)
        plain = struct.unpack("<64f", out.read_bytes()[-256:])
        worst = max(abs(a - b) for a, b in zip(plain, results[1])) / largest
        self.assertLess(worst, 1e-5)


class Awq(Precompressed):
    def test_groups(self):
        for group in (32, 128):
            with self.subTest(group=group):
                self.check(awq, self.matrix(4, group),
                           {"quant_method": "awq", "bits": 4, "group_size": group,
                            "zero_point": True, "version": "gemm"}, f"dense-int4-g{group}-asym")


    def test_gemv(self):
        """Outputs first, in natural order; zeros and scales with more groups than there are."""
        for group, padded in ((32, 32), (64, 16), (128, 8)):
            def pack(name, m):
                width = -(-m.groups // padded) * padded
                zeros = [row + [0] * (width - m.groups) for row in m.zeros]
                scales = [s for row in m.scales for s in row + [0.0] * (width - m.groups)]
                return {name + ".qweight": words([stream(row, 4) for row in m.codes]),
                        name + ".qzeros": words([stream(row, 4) for row in zeros]),
                        name + ".scales": floats("F16", (m.rows, width), scales)}
            with self.subTest(group=group):
                self.check(pack, self.matrix(4, group),
                           {"quant_method": "awq", "bits": 4, "group_size": group,
                            "zero_point": True, "version": "gemv"}, f"dense-int4-g{group}-asym")


class BitsAndBytes(Precompressed):
    def test_rows(self):
        def pack(name, m):
            maxima = [s[0] for s in m.maxima]
            return {**signed_bytes(name + ".weight", m.codes, 128),
                    name + ".SCB": floats("F32", (m.rows,), maxima),
                    name + ".weight_format": ("U8", (), b"\0")}

        def make(shape):
            matrix = Matrix(shape, 8, -1, self.generator, symmetric=True)
            matrix.maxima = [[single(127 * s[0])] for s in matrix.scales]
            matrix.scales = [[single(s[0] / 127)] for s in matrix.maxima]
            return matrix

        compressed, values = self.both(pack, make, {"load_in_8bit": True, "load_in_4bit": False,
                                                    "quant_method": "bitsandbytes"})
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))


class RoundTrips(Precompressed):
    def test_exported_directories_are_read_back(self):
        """Twice written, and every byte the same: nothing is rounded on the way."""
        base = self.checkpoint("whole", {key: value for key, value in self.plain.items()})
        for spec in ("int4", "int4-g128-asym", "int3-g64", "int2-asym", "int8-g64"):
            with self.subTest(spec=spec):
                for name in ("first", "second"):
                    shutil.rmtree(self.tmp / name, ignore_errors=True)
                stc("compile", base, "--emit=safetensors", "-o", self.tmp / "first", "--quiet",
                    "--quantize", spec)
                stc("compile", self.tmp / "first", "--emit=safetensors", "-o", self.tmp / "second",
                    "--quiet")
                first = read_safetensors(self.tmp / "first" / "model.safetensors")
                self.assertTrue(any(name.endswith("_packed") for name in first))
                self.assertEqual(read_safetensors(self.tmp / "second" / "model.safetensors"), first)

    def test_exported_gguf_is_read_back(self):
        base = self.checkpoint("whole", {key: value for key, value in self.plain.items()})
        for spec in ("int4", "int8"):
            with self.subTest(spec=spec):
                stc("compile", base, "--emit=gguf", "-o", self.tmp / "first.gguf", "--quiet",
                    "--quantize", spec)
                stc("compile", self.tmp / "first.gguf", "--emit=gguf", "-o",
                    self.tmp / "second.gguf", "--quiet")
                self.assertEqual(read_gguf(self.tmp / "first.gguf"),
                                 read_gguf(self.tmp / "second.gguf"))
                layouts = self.layouts(self.tmp / "first.gguf")
                self.assertEqual(set(layouts.values()), {f"dense-{spec}-g32"})
                self.assertEqual(
                    self.logits(self.tmp / "first.gguf", "--stc-to-compressed=keep-codes=true"),
                    self.logits(self.tmp / "first.gguf", "--stc-to-graph"))

    def test_plain_directory_from_a_compressed_one(self):
        compressed, values = self.both(
            gptq, self.matrix(4, 128), {"quant_method": "gptq", "bits": 4, "group_size": 128})
        out = self.tmp / "plain"
        stc("compile", compressed, "--emit=safetensors", "-o", out, "--quiet", "--quantize", "none")
        self.assertNotIn("quantization_config", json.loads((out / "config.json").read_text()))
        got = read_safetensors(out / "model.safetensors")
        want = read_safetensors(values / "model.safetensors")
        self.assertEqual(got, want)


if __name__ == "__main__":
    unittest.main()
