"""GGUF's block types: the same values and logits as they store, and what becomes of their codes.

The decoders are written from GGML's definitions of the blocks (ggml-common.h, ggml-quants.c), one
element at a time.
"""
import json
import random
import re
import struct
import unittest

from family_base import write_gguf
from precompressed import half, single
from support import BIN, TemporaryDirectoryTest, read_npy, run, stc

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
            if not self.scale:
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


MINIMUMS, SIXTEEN = "minimums of groups", "groups of 16 columns"
TYPES = {
    "Q4_1": (BlockType(3, 32, 20, q4_1, (0, 0.01), (2, -0.08)), MINIMUMS),
    "Q5_1": (BlockType(7, 32, 24, q5_1, (0, 0.005), (2, -0.08)), MINIMUMS),
    "Q2_K": (BlockType(10, 256, 84, q2_k, (80, 0.005), (82, 0.005)), MINIMUMS),
    "Q3_K": (BlockType(11, 256, 110, q3_k, (108, 0.001)), None),
    "Q4_K": (BlockType(12, 256, 144, q4_k, (0, 0.0002), (2, 0.002)), MINIMUMS),
    "Q5_K": (BlockType(13, 256, 176, q5_k, (0, 0.0001), (2, 0.002)), MINIMUMS),
    "Q6_K": (BlockType(14, 256, 210, q6_k, (208, 0.00005)), SIXTEEN),
    "IQ4_NL": (BlockType(20, 32, 18, iq4_nl, (0, 0.001)), None),
    "IQ4_XS": (BlockType(23, 256, 136, iq4_xs, (0, 0.00005)), None),
    "MXFP4": (BlockType(39, 32, 17, mxfp4), None),
}


class GgufCodes(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        self.generator = random.Random(5)

    def write(self, name, matrices):
        generator = random.Random(3)

        def rows(height, width):
            return [[generator.gauss(0, 1) / width ** 0.5 for _ in range(width)]
                    for _ in range(height)]

        tensors = {"token_embd.weight": rows(64, HIDDEN), "output_norm.weight": [1.0] * HIDDEN,
                   "output.weight": rows(64, HIDDEN), "blk.0.attn_norm.weight": [1.0] * HIDDEN,
                   "blk.0.ffn_norm.weight": [1.0] * HIDDEN, **matrices}
        metadata = {"general.architecture": "llama", "llama.block_count": 1,
                    "llama.context_length": 32, "llama.embedding_length": HIDDEN,
                    "llama.feed_forward_length": HIDDEN, "llama.attention.head_count": 4,
                    "llama.attention.head_count_kv": 2, "llama.vocab_size": 64,
                    "llama.attention.layer_norm_rms_epsilon": 1e-5, "llama.rope.freq_base": 10000.0}
        write_gguf(self.tmp / name, metadata, tensors)
        return self.tmp / name

    def logits(self, model, *passes):
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, *passes,
                     f"--stc-interpret=tokens={TOKENS} max=100000", "-o", "/dev/null")
        return result.stdout.decode().split("logits", 1)[1]

    def numbers(self, text):
        return [float(n) for n in text.split()]

    def both(self, kind):
        """A model of blocks of a type, and one of the same values as F32."""
        stored, values = {}, {}
        for name, (height, width) in SHAPES.items():
            data = kind.blocks(height * width // kind.elements, self.generator)
            flat = kind.values(data)
            stored[f"blk.0.{name}.weight"] = (kind.code, (height, width), data)
            values[f"blk.0.{name}.weight"] = [flat[at:at + width]
                                              for at in range(0, len(flat), width)]
        return self.write("stored.gguf", stored), self.write("values.gguf", values)

    def check(self, name):
        kind, why = TYPES[name]
        stored, values = self.both(kind)
        want = self.logits(values, "--stc-to-graph")
        self.assertEqual(self.logits(stored, "--stc-to-graph"), want)
        program = self.tmp / "program"
        messages = stc("compile", stored, "-o", program).stderr.decode()
        layers = json.loads(stc("inspect", program, "--json").stdout)["layers"]
        self.assertEqual({layer["layout"] for layer in layers
                          if layer["name"].startswith("layers.0.") and "norm" not in layer["name"]},
                         {"dense-int8-g32"})
        kept = self.numbers(self.logits(stored, "--stc-to-compressed=keep-codes=true"))
        want = self.numbers(want)
        largest = max(map(abs, want))
        self.assertGreater(largest, 0.01)
        worst = max(abs(a - b) for a, b in zip(kept, want)) / largest
        run(program, "logits", "--tokens", TOKENS, "-o", self.tmp / "logits.npy")
        computed = read_npy(self.tmp / "logits.npy")[-1]
        distance = max(abs(a - b) for a, b in zip(computed, kept[-len(computed):])) / largest
        self.assertTrue(0 < distance < 0.05, distance)  # activations are int8
        if why:
            stated = re.search(rf"warning: 7 matrices are stored with {why}, which no layout holds: "
                               r"they are rounded to dense-int8-g32, relative error (\S+),", messages)
            self.assertTrue(stated, messages)
            self.assertTrue(1e-3 < float(stated[1]) < 1e-2, messages)
            self.assertTrue(0 < worst < 0.05, worst)
            return
        self.assertIn("note: the checkpoint's codes of 7 matrices are kept: dense-int8-g32", messages)
        if "rounded" in messages:
            self.assertRegex(messages, r"scales of 7 are rounded to f16, relative error up to "
                                       r"[12]\.\d\dE-04")
            self.assertLess(worst, 2e-3)
        else:
            self.assertEqual(kept, want)

    def test_scales_that_are_no_numbers(self):
        kind, _ = TYPES["MXFP4"]
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
