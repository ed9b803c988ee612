"""GGUF's block types: the same values and logits as they store, and what becomes of their codes.

The decoders are written from GGML's definitions of the blocks (ggml-common.h, ggml-quants.c), one
element at a time.
"""
import json
import platform
import random
import re
import struct
import unittest

from family_base import write_gguf
from precompressed import half, single
from support import BIN, TemporaryDirectoryTest, read_npy, run, stc
from test_precompressed import read_gguf

TOKENS = "5,17,42,30,3"
HIDDEN = 256
SHAPES = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (128, HIDDEN), "attn_v": (128, HIDDEN),
          "attn_output": (HIDDEN, HIDDEN), "ffn_gate": (HIDDEN, HIDDEN), "ffn_up": (HIDDEN, HIDDEN),
          "ffn_down": (HIDDEN, HIDDEN)}
UNEVEN = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
TWICE_FLOAT4 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)


def half_at(block, at):
    return struct.unpack_from("<e", block, at)[0]


def nibble(values, i):
    return values[i] & 15 if i < 16 else values[i - 16] >> 4


def scale_and_minimum(block, g):
    """Of group g in Q4_K and Q5_K: get_scale_min_k4."""
    s = block[4:16]
    if g < 4:
        return s[g] & 63, s[g + 4] & 63
    return s[g + 4] & 15 | s[g - 4] >> 6 << 4, s[g + 4] >> 4 | s[g] >> 6 << 4


def q4_1(b, i):
    return half_at(b, 0), nibble(b[4:], i), -half_at(b, 2)


def q5_1(b, i):
    return half_at(b, 0), nibble(b[8:], i) | (b[4 + i // 8] >> i % 8 & 1) << 4, -half_at(b, 2)


def q2_k(b, i):
    s = b[i // 16]
    value = b[16 + i // 128 * 32 + i % 32] >> i % 128 // 32 * 2 & 3
    return half_at(b, 80) * (s & 15), value, half_at(b, 82) * (s >> 4)


def q3_k(b, i):
    g = i // 16
    scale = (b[96 + g % 8] >> (0 if g < 8 else 4) & 15) | (b[104 + g % 4] >> g // 4 * 2 & 3) << 4
    value = b[32 + i // 128 * 32 + i % 32] >> i % 128 // 32 * 2 & 3
    return half_at(b, 108) * (scale - 32), value - (0 if b[i % 32] >> i // 32 & 1 else 4), 0.0


def q4_k(b, i):
    scale, minimum = scale_and_minimum(b, i // 32)
    value = b[16 + i // 64 * 32 + i % 32] >> i // 32 % 2 * 4 & 15
    return half_at(b, 0) * scale, value, half_at(b, 2) * minimum


def q5_k(b, i):
    scale, minimum = scale_and_minimum(b, i // 32)
    value = b[48 + i // 64 * 32 + i % 32] >> i // 32 % 2 * 4 & 15
    return half_at(b, 0) * scale, value | (b[16 + i % 32] >> i // 32 & 1) << 4, half_at(b, 2) * minimum


def q6_k(b, i):
    part, run_, l = i // 128, i % 128 // 32, i % 32
    low = b[part * 64 + run_ % 2 * 32 + l] >> run_ // 2 * 4 & 15
    scale, = struct.unpack_from("<b", b, 192 + i // 16)
    return half_at(b, 208) * scale, (low | (b[128 + part * 32 + l] >> run_ * 2 & 3) << 4) - 32, 0.0


def iq4_nl(b, i):
    return half_at(b, 0), UNEVEN[nibble(b[2:], i)], 0.0


def iq4_xs(b, i):
    g = i // 32
    scale = (b[4 + g // 2] >> g % 2 * 4 & 15) | (struct.unpack_from("<H", b, 2)[0] >> 2 * g & 3) << 4
    return half_at(b, 0) * (scale - 32), UNEVEN[nibble(b[8 + 16 * g:], i % 32)], 0.0


def mxfp4(b, i):
    return 2.0 ** (b[0] - 128), TWICE_FLOAT4[nibble(b[1:], i)], 0.0


def unsigned_float8(bits):
    """UE4M3: E4M3 without a sign; NaN is 0."""
    exponent, mantissa = bits >> 3 & 15, bits & 7
    if bits & 127 == 127:
        return 0.0
    return (1 + mantissa / 8) * 2.0 ** (exponent - 7) if exponent else mantissa * 2.0 ** -9


def nvfp4(b, i):
    """block_nvfp4: four scales of 16 elements, then 8 bytes for each."""
    byte = b[4 + i // 16 * 8 + i % 8]
    return unsigned_float8(b[i // 16]) / 2, TWICE_FLOAT4[byte & 15 if i % 16 < 8 else byte >> 4], 0.0


class BlockType:
    """A type's code, elements and bytes of a block, where f16 scales and minimums lie and how large
    they are, and (scale, code, minimum) of an element."""

    def __init__(self, code, elements, size, element, scale=None, minimum=None):
        self.code, self.elements, self.size, self.element = code, elements, size, element
        self.scale, self.minimum = scale, minimum

    def blocks(self, count, generator):
        data = bytearray(generator.randbytes(count * self.size))
        for at in range(0, len(data), self.size):
            for field in (self.scale, self.minimum):
                if field:
                    place, size = field
                    struct.pack_into("<e", data, at + place, half(generator.uniform(0.5, 1) * size))
            if self.element is nvfp4:
                data[at:at + 4] = bytes(generator.randrange(4, 14) | 128 * generator.randrange(2)
                                        for _ in range(4))
            elif not self.scale:
                data[at] = generator.randrange(117, 122)  # E8M0
        return bytes(data)

    def values(self, data):
        result = []
        for at in range(0, len(data), self.size):
            block = data[at:at + self.size]
            for i in range(self.elements):
                scale, code, minimum = self.element(block, i)
                result.append(single(single(single(scale) * code) - single(minimum)))
        return result


# The layout that holds a type's codes, and whether its scales are of f16 as they are.
TYPES = {
    "Q4_1": (BlockType(3, 32, 20, q4_1, (0, 0.01), (2, -0.08)), "dense-int4-g32-min", True),
    "Q5_1": (BlockType(7, 32, 24, q5_1, (0, 0.005), (2, -0.08)), "dense-int8-g32-min", True),
    "Q2_K": (BlockType(10, 256, 84, q2_k, (80, 0.005), (82, 0.005)), "dense-int2-g16-min", False),
    "Q3_K": (BlockType(11, 256, 110, q3_k, (108, 0.001)), "dense-int4-g16", False),
    "Q4_K": (BlockType(12, 256, 144, q4_k, (0, 0.0002), (2, 0.002)), "dense-int4-g32-min", False),
    "Q5_K": (BlockType(13, 256, 176, q5_k, (0, 0.0001), (2, 0.002)), "dense-int8-g32-min", False),
    "Q6_K": (BlockType(14, 256, 210, q6_k, (208, 0.00005)), "dense-int8-g16", False),
    "IQ4_NL": (BlockType(20, 32, 18, iq4_nl, (0, 0.001)), "dense-int8-g32", True),
    "IQ4_XS": (BlockType(23, 256, 136, iq4_xs, (0, 0.00005)), "dense-int8-g32", False),
    "MXFP4": (BlockType(39, 32, 17, mxfp4), "dense-int8-g32", True),
    "NVFP4": (BlockType(40, 64, 36, nvfp4), "dense-int8-g16", True),
}


def write_model(path, matrices):
    """A model of one layer with these matrices."""
    generator = random.Random(3)

    def rows(height, width):
        return [[generator.gauss(0, 1) / width ** 0.5 for _ in range(width)]
                for _ in range(height)]

    tensors = {"token_embd.weight": rows(64, HIDDEN), "output_norm.weight": [1.0] * HIDDEN,
               "output.weight": rows(64, HIDDEN), "blk.0.attn_norm.weight": [1.0] * HIDDEN,
               "blk.0.ffn_norm.weight": [1.0] * HIDDEN, **matrices}
    metadata = {"general.architecture": "llama", "llama.block_count": 1,
                "llama.context_length": 128, "llama.embedding_length": HIDDEN,
                "llama.feed_forward_length": HIDDEN, "llama.attention.head_count": 4,
                "llama.attention.head_count_kv": 2, "llama.vocab_size": 64,
                "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0}
    write_gguf(path, metadata, tensors)
    return path


def write_both(folder, kind, generator):
    """A model of blocks of a type, and one of the same values as F32."""
    stored, values = {}, {}
    for name, (height, width) in SHAPES.items():
        data = kind.blocks(height * width // kind.elements, generator)
        flat = kind.values(data)
        stored[f"blk.0.{name}.weight"] = (kind.code, (height, width), data)
        values[f"blk.0.{name}.weight"] = [flat[at:at + width] for at in range(0, len(flat), width)]
    return (write_model(folder / "stored.gguf", stored),
            write_model(folder / "values.gguf", values))


class GgufCodes(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.generator = random.Random(5)

    def write(self, name, matrices):
        return write_model(self.tmp / name, matrices)

    def logits(self, model, *passes):
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, *passes,
                     f"--stc-interpret=tokens={TOKENS} max=100000", "-o", "/dev/null")
        return result.stdout.decode().split("logits", 1)[1]

    def numbers(self, text):
        return [float(n) for n in text.split()]

    def both(self, kind):
        return write_both(self.tmp, kind, self.generator)

    def layouts(self, program):
        layers = json.loads(stc("inspect", program, "--json").stdout)["layers"]
        return {layer["layout"] for layer in layers
                if layer["name"].startswith("layers.0.") and "norm" not in layer["name"]}

    def check(self, name):
        kind, layout, is_exact = TYPES[name]
        stored, values = self.both(kind)
        want = self.logits(values, "--stc-to-graph")
        self.assertEqual(self.logits(stored, "--stc-to-graph"), want)
        program = self.tmp / "program"
        messages = stc("compile", stored, "-o", program).stderr.decode()
        self.assertNotIn("warning", messages)
        self.assertEqual(self.layouts(program), {layout})
        kept = self.numbers(self.logits(stored, "--stc-to-compressed=keep-codes=true"))
        want = self.numbers(want)
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.01)
        worst = max(abs(a - b) for a, b in zip(kept, want)) / largest
        run(program, "logits", "--tokens", TOKENS, "-o", self.tmp / "logits.npy")
        computed = read_npy(self.tmp / "logits.npy")[-1]
        distance = max(abs(a - b) for a, b in zip(computed, kept[-len(computed):])) / largest
        self.assertTrue(0 < distance < 0.05, distance)  # activations are int8
        self.assertIn(f"note: the checkpoint's codes of 7 matrices are kept: {layout}", messages)
        if is_exact:
            self.assertNotIn("rounded", messages)
            self.assertEqual(kept, want)
        else:
            self.assertRegex(messages, r"scales of 7 are rounded to f16, relative error up to "
                                       r"[1-5]\.\d\dE-04")
            self.assertTrue(0 < worst < 4e-3, worst)
        # What is written as GGUF again has the very same blocks.
        stc("compile", stored, "--emit=gguf", "-o", self.tmp / "again.gguf", "--quiet")
        self.assertEqual(self.blocks(self.tmp / "again.gguf", kind), self.blocks(stored, kind))

    def blocks(self, path, kind):
        """{name: (shape, blocks)} of the tensors of a type."""
        _, infos, data = read_gguf(path)
        found = {}
        for name, shape, code, offset in infos:
            if code == kind.code:
                size = shape[0] * shape[1] // kind.elements * kind.size
                found[name] = (shape, data[offset:offset + size])
        self.assertEqual(len(found), len(SHAPES))
        return found

    def test_scales_of_nvfp4_tensors(self):
        """L.scale beside L.weight, as llama.cpp has them."""
        kind, layout, _ = TYPES["NVFP4"]
        stored, values = {}, {}
        for i, (name, (height, width)) in enumerate(SHAPES.items()):
            own = single(0.31 + 0.1 * i)
            data = kind.blocks(height * width // 64, self.generator)
            flat = []
            for at in range(0, len(data), 36):
                for element in range(64):
                    scale, code, _ = nvfp4(data[at:], element)
                    flat.append(single(single(scale * own) * code))
            stored[f"blk.0.{name}.weight"] = (40, (height, width), data)
            stored[f"blk.0.{name}.scale"] = [own]
            stored[f"blk.0.{name}.input_scale"] = [0.5]  # of activations: left out
            values[f"blk.0.{name}.weight"] = [flat[at:at + width]
                                              for at in range(0, len(flat), width)]
        want = self.logits(self.write("values.gguf", values), "--stc-to-graph")
        model = self.write("stored.gguf", stored)
        self.assertEqual(self.logits(model, "--stc-to-graph"), want)
        messages = stc("compile", model, "-o", self.tmp / "program").stderr.decode()
        self.assertIn(f"codes of 7 matrices are kept: {layout}; scales of 7 are rounded", messages)
        result = stc("compile", model, "--emit=gguf", "-o", self.tmp / "again.gguf", check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("got stored:int8-g16", result.stderr.decode())
        for own, part in (([0.0], "expected finite scales above 0, got 0"),
                          ([float("nan")], "expected finite scales above 0, got nan"),
                          ([1.0, 1.0], "expected F32 scales of blk.0.attn_q.weight, got 2 of F32")):
            stored["blk.0.attn_q.scale"] = own
            result = stc("compile", self.write("bad.gguf", stored), "-o", self.tmp / "bad",
                         check=False)
            self.assertEqual(result.returncode, 1)
            text = result.stderr.decode()
            self.assertRegex(text, r"^error: .*bad\.gguf: blk\.0\.attn_q\.scale @0x[0-9a-f]+: ")
            self.assertIn(part, text)

    def test_pruned_minimums_are_rounded(self):
        """No code of a group with a minimum is zero, but pruned weights have to be."""
        stored, _ = self.both(TYPES["Q4_K"][0])
        messages = stc("compile", stored, "-o", self.tmp / "program", "--prune", "2:4").stderr.decode()
        stated = re.search(r"warning: 7 matrices are stored with minimums of groups beside pruned "
                           r"weights, which no layout holds: they are rounded to dense-int8-g32, "
                           r"relative error (\S+),", messages)
        self.assertTrue(stated, messages)
        self.assertTrue(1e-3 < float(stated[1]) < 1e-2, messages)
        self.assertEqual(self.layouts(self.tmp / "program"), {"2:4-int8-g32"})

    def test_groups_with_minimums_on_other_targets(self):
        for name in ("Q2_K", "Q6_K"):
            kind, layout, _ = TYPES[name]
            stored, _ = self.both(kind)
            expected = None
            for target in ("native", "x86-64-v2"):
                if platform.machine() != "x86_64" and target != "native":
                    continue
                stc("compile", stored, "-o", self.tmp / "program", "--target", target)
                self.assertEqual(self.layouts(self.tmp / "program"), {layout})
                run(self.tmp / "program", "logits", "--tokens", TOKENS, "-o", self.tmp / "l.npy")
                rows = read_npy(self.tmp / "l.npy")
                expected = expected or rows
                distance = max(abs(a - b) for x, y in zip(rows, expected) for a, b in zip(x, y))
                self.assertLess(distance, 2e-2 * max(map(abs, expected[-1])))

    def test_scales_that_are_no_numbers(self):
        kind = TYPES["MXFP4"][0]
        stored = {}
        for name, (height, width) in SHAPES.items():
            data = bytearray(kind.blocks(height * width // 32, self.generator))
            data[17 * 3] = 255
            stored[f"blk.0.{name}.weight"] = (kind.code, (height, width), bytes(data))
        result = stc("compile", self.write("bad.gguf", stored), "-o", self.tmp / "program",
                     check=False)
        self.assertEqual(result.returncode, 1)
        text = result.stderr.decode()
        self.assertEqual(text.count("\n"), 1, text)
        self.assertRegex(text, r"^error: .*bad\.gguf: blk\.0\.\w+\.weight @0x[0-9a-f]+: expected "
                               r"finite scales in every MXFP4 block, got NaN or infinity\n$")


def add_test(name):
    setattr(GgufCodes, f"test_{name.lower()}", lambda self: self.check(name))


for name in TYPES:
    add_test(name)

if __name__ == "__main__":
    unittest.main()
