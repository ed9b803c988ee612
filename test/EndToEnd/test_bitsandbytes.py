"""Checkpoints of bitsandbytes in four bits: NF4 and FP4, with maxima in floats or quantized again.

Format: bitsandbytes (functional.py: QuantState.as_dict, get_4bit_type; nn/modules.py: Linear4bit);
QLoRA, Dettmers et al. 2023.
"""
import json
import struct
import unittest

from precompressed import SHAPES, TOKENS, Precompressed, bfloat, floats, single
from support import compile_model, run

#: Appendix E of QLoRA.
NF4 = [single(v) for v in (
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
    -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
    0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941,
    0.7229568362236023, 1.0)]
#: A sign, and 0, 1/192, 8, 12, 4, 6, 2 and 3 twelfths.
FP4 = [single(sign * v / 12) for sign in (1, -1) for v in (0, 0.0625, 8, 12, 4, 6, 2, 3)]
CONFIG = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False,
          "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": "bfloat16",
          "bnb_4bit_use_double_quant": False, "llm_int8_skip_modules": ["lm_head"]}


class Table:
    """Numbers of entries of a table, and the maximum of every block of elements."""

    def __init__(self, shape, generator, kind="nf4", block=64, nested=False):
        self.rows, self.columns = shape
        self.kind, self.block, self.nested = kind, block, nested
        self.table = {"nf4": NF4, "fp4": FP4}[kind]
        count = self.rows * self.columns
        self.codes = [generator.randrange(16) for _ in range(count)]
        blocks = -(-count // block)
        self.maxima = [single(generator.uniform(0.05, 0.2)) for _ in range(blocks)]
        if nested:
            # A table of numbers from -1 to 1, blocks of 16 of them and an offset.
            self.map = [single(i / 127.5 - 1) for i in range(256)]
            self.numbers = [generator.randrange(256) for _ in range(blocks)]
            self.outer = [single(generator.uniform(0.02, 0.05)) for _ in range(-(-blocks // 16))]
            self.offset = single(0.1)
            self.maxima = [single(single(self.map[n] * self.outer[i // 16]) + self.offset)
                           for i, n in enumerate(self.numbers)]

    def values(self):
        flat = [single(self.table[code] * self.maxima[i // self.block])
                for i, code in enumerate(self.codes)]
        return [flat[row * self.columns:(row + 1) * self.columns] for row in range(self.rows)]


def pack(name, m, storage="U8", **changes):
    weight = name + ".weight"
    codes = m.codes + [0] * (len(m.codes) % 2)
    data = bytes(first << 4 | second for first, second in zip(codes[::2], codes[1::2]))
    size = {"U8": 1, "BF16": 2, "F32": 4}[storage]
    state = {"quant_type": m.kind, "blocksize": m.block, "dtype": "bfloat16",
             "shape": [m.rows, m.columns]}
    tensors = {weight: (storage, (len(data) // size, 1), data),
               weight + ".quant_map": floats("F32", (16,), m.table)}
    if m.nested:
        state.update(nested_blocksize=16, nested_dtype="float32", nested_offset=m.offset)
        tensors[weight + ".absmax"] = ("U8", (len(m.numbers),), bytes(m.numbers))
        tensors[weight + ".nested_absmax"] = floats("F32", (len(m.outer),), m.outer)
        tensors[weight + ".nested_quant_map"] = floats("F32", (256,), m.map)
    else:
        tensors[weight + ".absmax"] = floats("F32", (len(m.maxima),), m.maxima)
    text = json.dumps({**state, **changes}).encode()
    tensors[f"{weight}.quant_state.bitsandbytes__{m.kind}"] = ("U8", (len(text),), text)
    return tensors


class FourBits(Precompressed):
    def make(self, **options):
        return lambda shape: Table(shape, self.generator, **options)

    def test_values_are_exact(self):
        for options in ({"kind": "nf4"}, {"kind": "fp4"}, {"nested": True},
                        {"kind": "fp4", "nested": True, "block": 128}, {"block": 4096}):
            with self.subTest(**options):
                compressed, values = self.both(pack, self.make(**options), CONFIG)
                self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                                 self.logits(values, "--stc-to-graph"))
                self.assertEqual(set(self.layouts(compressed, "--quantize", "none").values()),
                                 {"dense-f32"})
                self.assertEqual(self.messages.count("warning"), 0)

    def test_blocks_across_rows(self):
        """A block is of elements, wherever rows end: here of 96 in rows of 128 and 256."""
        compressed, values = self.both(pack, self.make(block=96), CONFIG)
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))

    def test_other_storage(self):
        """bnb_4bit_quant_storage: the same bytes in tensors of another type."""
        for storage in ("BF16", "F32"):
            with self.subTest(storage):
                compressed, values = self.both(lambda name, m: pack(name, m, storage), self.make(),
                                               {**CONFIG, "bnb_4bit_quant_storage": "bfloat16"})
                self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                                 self.logits(values, "--stc-to-graph"))

    def test_programs_round(self):
        """No layout has a table: int8, with the error on the terminal."""
        for kind, error in (("nf4", r"[2-5]\.\d\dE-03"), ("fp4", r"[2-5]\.\d\dE-03")):
            with self.subTest(kind):
                compressed, values = self.both(pack, self.make(kind=kind), CONFIG)
                self.assertEqual(set(self.layouts(compressed).values()), {"dense-int8-g32"})
                self.assertRegex(
                    self.messages, "warning: 7 matrices are stored with numbers of entries of a "
                    rf"table \(nf4, fp4\), which no layout holds: they are rounded to dense-int8-g32,"
                    rf" relative error {error}, of one matrix up to {error} \(--quantize none makes "
                    r"them floats of the same values\)")
                results = []
                for model, options in ((compressed, ()), (compressed, ("--quantize", "none")),
                                       (values, ())):
                    program = compile_model(model, self.tmp / "program", *options)
                    run(program, "logits", "--tokens", TOKENS, "-o", self.tmp / "logits.npy")
                    results.append(struct.unpack(
                        "<64f", (self.tmp / "logits.npy").read_bytes()[-256:]))
                largest = max(map(abs, results[2]))
                for result, share in zip(results, (0.05, 1e-5)):
                    self.assertLess(max(abs(a - b) for a, b in zip(result, results[2])),
                                    share * largest)

    def test_hostile_tensors(self):
        target = "model.layers.0.self_attn.q_proj"
        weight = target + ".weight"
        state = weight + ".quant_state.bitsandbytes__nf4"
        size = SHAPES["self_attn.q_proj"][0] * SHAPES["self_attn.q_proj"][1]

        def change(edit, nested=False):
            def packer(name, m):
                tensors = pack(name, m)
                if name == target:
                    edit(tensors)
                return tensors
            return packer, nested

        def with_state(text):
            return change(lambda tensors: tensors.update({state: ("U8", (len(text),), text)}))

        def with_field(**fields):
            text = json.dumps({"quant_type": "nf4", "blocksize": 64, "shape": [128, 128],
                               **fields}).encode()
            return with_state(text)

        def drop(suffix, nested=False):
            return change(lambda tensors: tensors.pop(weight + suffix), nested)

        def put(suffix, tensor, nested=False):
            return change(lambda tensors: tensors.update({weight + suffix: tensor}), nested)

        cases = [
            (drop(".absmax"), f"{weight}.absmax: expected F32 [256], got no such tensor"),
            (drop(".quant_map"), f"{weight}.quant_map: expected F32 [16], got no such tensor"),
            (drop(".nested_absmax", True), ".nested_absmax: expected F32 [16], got no such tensor"),
            (drop(".nested_quant_map", True), ".nested_quant_map: expected F32 [256], got no such"),
            (put(".absmax", floats("F32", (255,), [1.0] * 255)),
             ".absmax: expected F32 [256], got F32 [255]"),
            (put(".absmax", floats("F32", (256,), [1.0] * 256), True),
             ".absmax: expected U8 [256], got F32 [256]"),
            (put(".absmax", floats("F32", (256,), [1.0] * 255 + [float("nan")])),
             ".absmax: expected finite numbers, got nan at element 255"),
            (put(".quant_map", floats("F32", (16,), [float("inf")] * 16)),
             ".quant_map: expected finite numbers, got inf at element 0"),
            (put(".quant_map", floats("BF16", (16,), [bfloat(1.0)] * 16)),
             ".quant_map: expected F32 [16], got BF16"),
            (put("", ("U8", (size // 2 - 1, 1), bytes(size // 2 - 1))),
             f"{weight}: expected {size // 2} bytes for the 4-bit numbers of 128x128, got U8 "),
            (with_state(b"{"), "quant_state.bitsandbytes__nf4"),
            (with_state(b"[]"), "quant_state: expected an object, got a list"),
            (with_state(b"\xff\xfe"), "quant_state.bitsandbytes__nf4"),
            (with_state(b"[" * 100000), "quant_state.bitsandbytes__nf4"),
            (with_field(quant_type="fp4"), "quant_type: expected 'nf4', got 'fp4'"),
            (with_field(blocksize=0), "blocksize: expected a size from 1 to 2^31 - 1, got 0"),
            (with_field(blocksize="64"), "blocksize: expected an integer, got '64'"),
            (with_field(shape=[128]), "shape: expected two sizes, got 1 numbers"),
            (with_field(shape=[-128, -128]), "shape: expected sizes from 1 to 2^31 - 1, got -128"),
            (with_field(shape=[2 ** 31, 2 ** 31]), "shape: expected sizes from 1 to 2^31 - 1"),
            (with_field(shape=[2 ** 31 - 1] * 2), "bytes for the 4-bit numbers of 2147483647x"),
            (with_field(shape=[64, 256]), "expected shape"),
            (with_field(nested_blocksize=256), "nested_offset: expected a number, got none"),
            (with_field(nested_blocksize=0, nested_offset=0.0), "nested_blocksize: expected a"),
        ]
        for (packer, nested), part in cases:
            with self.subTest(part=part):
                compressed, _ = self.both(packer, self.make(nested=nested), CONFIG)
                self.assertRefused(compressed, part)


if __name__ == "__main__":
    unittest.main()
