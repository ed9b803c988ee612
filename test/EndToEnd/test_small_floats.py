"""Checkpoints of FP8, NVFP4 and MXFP4.

Formats: Micikevicius et al. 2022 (E4M3), DeepSeek-V3 (README_WEIGHTS.md), compressed-tensors
(quantized_compressors/fp4_quantized.py), Model Optimizer (weight_scale_2), OCP Microscaling Formats
1.0 (E2M1, E8M0).
"""
import json
import math
import re
import struct
import unittest

from precompressed import Precompressed, bfloat, floats, library, single
from support import stc
from test_export import dequantize, read_safetensors


def float8(bits):
    """E4M3 of Micikevicius et al. 2022."""
    exponent, mantissa = bits >> 3 & 15, bits & 7
    value = (8 + mantissa) * 2.0 ** (exponent - 10) if exponent else mantissa * 2.0 ** -9
    return -value if bits & 128 else value


class Float8(Precompressed):
    def float8_matrix(self, shape, scale_of):
        class Float8:
            rows, columns = shape
            bits = [[self.generator.randrange(0x28, 0x50) | 128 * self.generator.randrange(2)
                     for _ in range(shape[1])] for _ in range(shape[0])]

            def values(self):
                return [[single(float8(b) * scale_of(r, c)) for c, b in enumerate(row)]
                        for r, row in enumerate(self.bits)]
        return Float8()

    def pack_float8(self, name, m, suffix, kind, shape, scales):
        return {name + ".weight": ("F8_E4M3", (m.rows, m.columns), bytes(sum(m.bits, []))),
                name + suffix: floats(kind, shape, scales)}

    def test_float8_of_rows_and_matrices(self):
        for per_row in (True, False):
            with self.subTest(per_row=per_row):
                scales = [bfloat(self.generator.uniform(0.01, 0.05)) for _ in range(256)]

                def scale_of(row, column):
                    return scales[row if per_row else 0]

                def pack(name, m):
                    tensors = self.pack_float8(
                        name, m, ".weight_scale", "BF16", (m.rows, 1) if per_row else (1,),
                        scales[:m.rows] if per_row else scales[:1])
                    return {**tensors, name + ".input_scale": floats("F32", (1,), [0.5])}

                self.check(pack, lambda shape: self.float8_matrix(shape, scale_of),
                           library("float-quantized", 8, -1, True, kind="float",
                                   strategy="channel" if per_row else "tensor"), "dense-f32")
                self.assertIn("7 matrices are stored as f8_e4m3", self.messages)

    def test_float8_with_five_bits_of_exponent(self):
        """E5M2: the upper half of F16."""
        scale = single(0.02)

        def make(shape):
            matrix = self.float8_matrix(shape, None)
            matrix.values = lambda: [[single(struct.unpack("<e", bytes((0, b)))[0] * scale)
                                      for b in row] for row in matrix.bits]
            return matrix

        def pack(name, m):
            return {name + ".weight": ("F8_E5M2", (m.rows, m.columns), bytes(sum(m.bits, []))),
                    name + ".weight_scale": floats("F32", (1,), [scale])}
        self.check(pack, make, {"quant_method": "fp8", "fmt": "e5m2"}, "dense-f32")
        self.assertIn("7 matrices are stored as f8_e5m2", self.messages)

    def test_float8_of_blocks(self):
        """As DeepSeek-V3 and Qwen3 have it; blocks at the edges are smaller."""
        scales = [[single(self.generator.uniform(0.01, 0.05)) for _ in range(3)] for _ in range(4)]

        def pack(name, m):
            height, width = -(-m.rows // 96), -(-m.columns // 96)
            return self.pack_float8(name, m, ".weight_scale_inv", "F32", (height, width),
                                    [scales[i][j] for i in range(height) for j in range(width)])

        self.check(pack, lambda shape: self.float8_matrix(shape, lambda r, c: scales[r // 96][c // 96]),
                   {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
                    "weight_block_size": [96, 96]}, "dense-f32")


FLOAT4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0]  # E2M1 without its sign


class Float4Matrix:
    """Rows of E2M1 bits, scale bits of groups, and what they stand for. `own`: the matrix's scale."""

    def __init__(self, shape, group, generator, scale_bits, scale_of, own=1.0):
        self.rows, self.columns = shape
        self.group, self.own = group, own
        self.bits = [[generator.randrange(16) for _ in range(self.columns)]
                     for _ in range(self.rows)]
        self.scale_bits = [[scale_bits() for _ in range(self.columns // group)]
                           for _ in range(self.rows)]
        self.scales = [[single(scale_of(bits)) for bits in row] for row in self.scale_bits]

    def values(self):
        return [[(-1 if b & 8 else 1) * FLOAT4[b & 7] * scales[i // self.group]
                 for i, b in enumerate(row)] for row, scales in zip(self.bits, self.scales)]

    def packed(self):
        return ("U8", (self.rows, self.columns // 2),
                bytes(row[i] | row[i + 1] << 4 for row in self.bits
                      for i in range(0, self.columns, 2)))

    def packed_scales(self, kind):
        return (kind, (self.rows, self.columns // self.group), bytes(sum(self.scale_bits, [])))


class Float4(Precompressed):
    def nvfp4(self, reciprocal, size=0.0037):
        """With a scale of the whole matrix that values are divided by, or multiplied."""
        own = single(1 / size if reciprocal else size)

        def make(shape):
            return Float4Matrix(
                shape, 16, self.generator, lambda: self.generator.randrange(0x38, 0x50),
                lambda bits: float8(bits) / own if reciprocal else float8(bits) * own, own)
        return make

    def compressed_nvfp4(self, name, m):
        return {name + ".weight_packed": m.packed(),
                name + ".weight_scale": m.packed_scales("F8_E4M3"),
                name + ".weight_global_scale": floats("F32", (1,), [m.own]),
                name + ".input_global_scale": floats("F32", (1,), [123.0])}

    def model_optimizer(self, name, m):
        return {name + ".weight": m.packed(), name + ".weight_scale": m.packed_scales("F8_E4M3"),
                name + ".weight_scale_2": floats("F32", (), [m.own]),
                name + ".input_scale": floats("F32", (), [0.01])}

    NVFP4 = library("nvfp4-pack-quantized", 4, 16, True, kind="float", scale_dtype="float8_e4m3fn")

    def test_nvfp4_has_the_values_that_are_stored(self):
        model_optimizer = {"quant_method": "modelopt", "quant_algo": "NVFP4",
                           "ignore": ["lm_head"], "config_groups": {}}
        for reciprocal, pack, config in ((True, self.compressed_nvfp4, self.NVFP4),
                                         (False, self.model_optimizer, model_optimizer)):
            with self.subTest(reciprocal=reciprocal):
                compressed, values = self.both(pack, self.nvfp4(reciprocal), config)
                self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                                 self.logits(values, "--stc-to-graph"))

    def test_settings_of_model_optimizer_beside_the_configuration(self):
        compressed, values = self.both(self.model_optimizer, self.nvfp4(False), None)
        settings = compressed / "hf_quant_config.json"
        settings.write_text(json.dumps({"producer": {"name": "modelopt"}, "quantization": {
            "quant_algo": "NVFP4", "group_size": 16, "exclude_modules": ["lm_head"]}}))
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))
        settings.write_text(json.dumps({"quantization": {"quant_algo": "INT4_AWQ"}}))
        self.assertRefused(compressed, "hf_quant_config.json: quantization.quant_algo: "
                           "expected NVFP4 or FP8, got 'int4_awq'")
        settings.write_text("{}")
        self.assertRefused(compressed, "hf_quant_config.json: quantization: expected an object")

    def test_nvfp4_is_kept(self):
        """Twice an E2M1 number is a whole one up to 12, which takes eight bits. The products of both
        scales are rounded to f16, if they have to be."""
        for size, is_exact in ((0.0037, False), (2.0 ** -8, True)):
            for reciprocal, pack in ((True, self.compressed_nvfp4), (False, self.model_optimizer)):
                with self.subTest(size=size, reciprocal=reciprocal):
                    config = self.NVFP4 if reciprocal else {
                        "quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"],
                        "config_groups": {}}
                    compressed, values = self.both(pack, self.nvfp4(reciprocal, size), config)
                    self.assertEqual(set(self.layouts(compressed).values()), {"dense-int8-g16"})
                    self.assertNotIn("warning", self.messages)
                    want = self.logits(values, "--stc-to-graph")
                    kept = self.logits(compressed, "--stc-to-compressed=keep-codes=true")
                    if is_exact:
                        self.assertEqual(kept, want)
                        continue
                    self.assertRegex(self.messages, r"kept: dense-int8-g16; scales of 7 are rounded "
                                                    r"to f16, relative error up to [12]\.\d\dE-04")
                    kept, want = ([float(n) for n in text.split()] for text in (kept, want))
                    distance = max(abs(a - b) for a, b in zip(kept, want)) / max(map(abs, want))
                    self.assertTrue(0 < distance < 2e-3, distance)

    def test_nvfp4_beyond_f16_is_rounded_and_says_what_that_costs(self):
        """The error is what the rounded codes differ by."""
        compressed, values = self.both(self.compressed_nvfp4, self.nvfp4(True, 20000), self.NVFP4)
        self.assertEqual(set(self.layouts(compressed).values()), {"dense-int8-g32"})
        stated = re.search(r"warning: 7 matrices are stored with scales beyond f16, which no "
                           r"layout holds: they are rounded to dense-int8-g32, relative error "
                           r"(\S+), of one matrix up to (\S+) ", self.messages)
        self.assertTrue(stated, self.messages)
        stc("compile", compressed, "--emit=safetensors", "-o", self.tmp / "rounded", "--quiet")
        rounded = read_safetensors(self.tmp / "rounded" / "model.safetensors")
        arguments = {"num_bits": 8, "strategy": "group", "group_size": 32, "symmetric": True}
        lost, total, worst = 0, 0, 0
        for name, (_, shape, data) in read_safetensors(values / "model.safetensors").items():
            if name + "_packed" not in rounded:
                continue
            want = struct.unpack(f"<{shape[0] * shape[1]}f", data)
            _, got = dequantize(rounded, name, arguments)
            error, squares = sum((a - b) ** 2 for a, b in zip(got, want)), sum(w * w for w in want)
            lost, total = lost + error, total + squares
            worst = max(worst, math.sqrt(error / squares))
        self.assertAlmostEqual(float(stated[1]), math.sqrt(lost / total), delta=1e-5)
        self.assertAlmostEqual(float(stated[2]), worst, delta=1e-5)
        self.assertTrue(1e-3 < worst < 1e-2, worst)
        self.assertEqual(set(self.layouts(compressed, "--quantize", "none").values()),
                         {"dense-f32"})

    def mxfp4(self, shape):
        return Float4Matrix(shape, 32, self.generator, lambda: self.generator.randrange(118, 123),
                            lambda bits: 2.0 ** (bits - 127))

    MXFP4 = library("mxfp4-pack-quantized", 4, 32, True, kind="float", scale_dtype="uint8")

    def test_mxfp4_is_kept(self):
        for kind in ("U8", "F8_E8M0"):
            with self.subTest(kind=kind):
                def pack(name, m):
                    return {name + ".weight_packed": m.packed(),
                            name + ".weight_scale": m.packed_scales(kind)}
                self.check(pack, self.mxfp4, self.MXFP4, "dense-int8-g32")
                self.assertNotIn("warning", self.messages)

    def test_wrong_tensors(self):
        def change(suffix, tensor, pack):
            def changed(name, m):
                tensors = pack(name, m)
                if name.endswith("q_proj"):
                    if tensor is None:
                        del tensors[name + suffix]
                    else:
                        tensors[name + suffix] = tensor
                return tensors
            return changed

        nv, mx = self.compressed_nvfp4, lambda name, m: {
            name + ".weight_packed": m.packed(), name + ".weight_scale": m.packed_scales("U8")}
        one = floats("F32", (1,), [1.0])
        cases = (
            (nv, ".weight_global_scale", None, "expected the scale of the whole matrix, got no such"),
            (nv, ".weight_global_scale", floats("F32", (1,), [0.0]),
             "weight_global_scale: expected a finite scale above 0, got 0"),
            (nv, ".weight_global_scale", floats("F32", (2,), [1.0, 1.0]),
             "weight_global_scale: expected one F32 scale of the whole matrix, got F32 [2]"),
            (nv, ".weight_scale", None, "weight_scale: expected the scales of f4_e2m1 values"),
            (nv, ".weight_scale", one, "expected F8_E4M3 scales of f4_e2m1 values in groups of 16"),
            (nv, ".weight_scale", ("F8_E4M3", (128, 8), b"\x7f" * 1024),
             "weight_scale: expected finite scales, got nan at element 0"),
            (nv, ".weight_packed", ("U8", (128,), bytes(128)), "expected U8 bytes of two f4_e2m1"),
            (mx, ".weight_scale", ("F8_E4M3", (128, 4), bytes(512)),
             "expected U8 or F8_E8M0 scales of f4_e2m1 values in groups of 32 for 128x128"),
            (mx, ".weight_scale", ("U8", (128, 4), b"\xff" * 512),
             "weight_scale: expected finite scales, got nan at element 0"))
        for pack, suffix, tensor, part in cases:
            with self.subTest(part=part):
                compressed, _ = self.both(
                    change(suffix, tensor, pack), self.nvfp4(True) if pack is nv else self.mxfp4,
                    self.NVFP4 if pack is nv else self.MXFP4)
                self.assertRefused(compressed, "model.layers.0.self_attn.q_proj", part)


if __name__ == "__main__":
    unittest.main()
