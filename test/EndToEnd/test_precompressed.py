"""Checkpoints that were compressed before: the same values, logits and codes as they store.

The packers are written from the public descriptions of the formats, not from the reader:
AutoGPTQ (qlinear_cuda_old.py, `pack`), AutoAWQ (utils/packing_utils.py), compressed-tensors
(compressors/quantized_compressors/pack_quantized.py, sparse_compressors/sparse_bitmask.py and
sparse_24_bitmask.py), DeepSeek-V3 (README_WEIGHTS.md), LLM.int8() (Dettmers et al. 2022), GGML
(ggml-common.h: block_q4_0, block_q5_0, block_q8_0).
"""
import json
import random
import shutil
import struct
import unittest

from support import BIN, TemporaryDirectoryTest, make_llama, run, stc, write_safetensors
from test_export import read_safetensors

TOKENS = "5,17,42,30,3"
SHAPES = {"self_attn.q_proj": (128, 128), "self_attn.k_proj": (64, 128),
          "self_attn.v_proj": (64, 128), "self_attn.o_proj": (128, 128),
          "mlp.gate_proj": (256, 128), "mlp.up_proj": (256, 128), "mlp.down_proj": (128, 256)}


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


def half(x):
    return struct.unpack("<e", struct.pack("<e", x))[0]


def single(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def bfloat(x):
    bits, = struct.unpack("<I", struct.pack("<f", x))
    return struct.unpack("<f", struct.pack("<I", bits & 0xFFFF0000))[0]


def floats(kind, shape, values):
    if kind == "BF16":
        data = b"".join(struct.pack("<f", v)[2:] for v in values)
    else:
        data = struct.pack(f"<{len(values)}{ {'F16': 'e', 'F32': 'f'}[kind]}", *values)
    return (kind, shape, data)


def stream(codes, bits):
    """Codes one after another from the lowest bit of the first word on."""
    number = sum(code << (i * bits) for i, code in enumerate(codes))
    size = -(-len(codes) * bits // 32)
    return list(struct.unpack(f"<{size}I", number.to_bytes(4 * size, "little")))


def whole_words(codes, bits):
    """As many whole codes as a word has room for."""
    per = 32 // bits
    return [sum(code << (bits * i) for i, code in enumerate(codes[at:at + per]))
            for at in range(0, len(codes), per)]


def transpose(rows):
    return [list(column) for column in zip(*rows)]


def words(rows):
    flat = [word for row in rows for word in row]
    return ("I32", (len(rows), len(rows[0])), struct.pack(f"<{len(flat)}I", *flat))


class Matrix:
    """Unsigned codes and zeros, scales that f16 has, and the group of every column."""

    def __init__(self, shape, bits, group, generator, symmetric=False, keep=None, rounding=half):
        self.rows, self.columns = shape
        self.bits, self.group = bits, group if group > 0 else self.columns
        self.groups = -(-self.columns // self.group)
        top = 1 << bits
        self.codes = [[generator.randrange(top) for _ in range(self.columns)]
                      for _ in range(self.rows)]
        self.zeros = [[top // 2 if symmetric else generator.randrange(top)
                       for _ in range(self.groups)] for _ in range(self.rows)]
        self.scales = [[rounding(generator.uniform(0.5, 1.5) * 0.4 / top)
                        for _ in range(self.groups)] for _ in range(self.rows)]
        self.order = [column // self.group for column in range(self.columns)]
        if keep:
            for row, zeros in zip(self.codes, self.zeros):
                for column in range(self.columns):
                    if not keep(column, generator):
                        row[column] = zeros[self.order[column]]

    def values(self):
        return [[single((code - zeros[g]) * scales[g]) for code, g in zip(row, self.order)]
                for row, zeros, scales in zip(self.codes, self.zeros, self.scales)]


def gptq(name, m, v2=False, with_order=True):
    minus = 0 if v2 else 1
    zeros = [stream([(z - minus) % (1 << m.bits) for z in column], m.bits)
             for column in transpose(m.zeros)]
    tensors = {name + ".qweight": words(transpose([stream(row, m.bits) for row in m.codes])),
               name + ".qzeros": words(zeros),
               name + ".scales": floats("F16", (m.groups, m.rows),
                                        [s for column in transpose(m.scales) for s in column])}
    if with_order:
        tensors[name + ".g_idx"] = ("I32", (m.columns,), struct.pack(f"<{m.columns}i", *m.order))
    return tensors


def awq(name, m):
    def pack(row):
        return [sum(row[at + order] << (4 * i) for i, order in enumerate((0, 2, 4, 6, 1, 3, 5, 7)))
                for at in range(0, len(row), 8)]
    return {name + ".qweight": words([pack(row) for row in transpose(m.codes)]),
            name + ".qzeros": words([pack(row) for row in transpose(m.zeros)]),
            name + ".scales": floats("F16", (m.groups, m.rows),
                                     [s for column in transpose(m.scales) for s in column])}


def packed(name, m, symmetric=False, pack=stream, kind="F16"):
    tensors = {name + ".weight_packed": words([pack(row, m.bits) for row in m.codes]),
               name + ".weight_shape": ("I64", (2,), struct.pack("<2q", m.rows, m.columns)),
               name + ".weight_scale": floats(kind, (m.rows, m.groups),
                                              [s for row in m.scales for s in row])}
    if not symmetric:
        tensors[name + ".weight_zero_point"] = words(
            transpose([pack(column, m.bits) for column in transpose(m.zeros)]))
    if m.order != sorted(m.order):
        tensors[name + ".weight_g_idx"] = ("I32", (m.columns,),
                                           struct.pack(f"<{m.columns}i", *m.order))
    return tensors


def signed_bytes(name, rows, middle):
    flat = [code - middle for row in rows for code in row]
    return {name: ("I8", (len(rows), len(rows[0])), struct.pack(f"<{len(flat)}b", *flat))}


def integers(name, m, symmetric=False):
    middle = 1 << m.bits - 1
    tensors = {**signed_bytes(name + ".weight", m.codes, middle),
               name + ".weight_scale": floats("F16", (m.rows, m.groups),
                                              [s for row in m.scales for s in row])}
    if not symmetric:
        tensors.update(signed_bytes(name + ".weight_zero_point", m.zeros, middle))
    return tensors


def float8(bits):
    """E4M3 of Micikevicius et al. 2022."""
    exponent, mantissa = bits >> 3 & 15, bits & 7
    value = (8 + mantissa) * 2.0 ** (exponent - 10) if exponent else mantissa * 2.0 ** -9
    return -value if bits & 128 else value


def library(format, num_bits, group, symmetric, kind="int", **more):
    strategy = "group" if group > 0 else "channel"
    return {"quant_method": "compressed-tensors", "format": format,
            "quantization_status": "compressed", "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": None,
                                          "weights": {"num_bits": num_bits, "type": kind,
                                                      "symmetric": symmetric, "strategy": strategy,
                                                      "group_size": group if group > 0 else None,
                                                      **more}}}}


class Precompressed(TemporaryDirectoryTest):
    def setUp(self):
        super().setUp()
        base = make_llama(self.tmp / "base", layers=1, hidden=128, heads=4, kv_heads=2, ffn=256,
                          vocab=64, context=32)
        self.plain = read_safetensors(base / "model.safetensors")
        self.config = json.loads((base / "config.json").read_text())
        self.generator = random.Random(7)

    def checkpoint(self, name, tensors, quantization=None):
        """The base with some tensors in place of the layer's linear ones."""
        folder = self.tmp / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        linear = tuple(f".{module}.weight" for module in SHAPES)
        kept = {key: value for key, value in self.plain.items() if not key.endswith(linear)}
        write_safetensors(folder / "model.safetensors", {**kept, **tensors})
        config = dict(self.config)
        if quantization:
            config["quantization_config"] = quantization
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    def both(self, pack, make, quantization):
        """The compressed checkpoint and one of the same values as F32."""
        compressed, values = {}, {}
        for module, shape in SHAPES.items():
            name = "model.layers.0." + module
            matrix = make(shape)
            compressed.update(pack(name, matrix))
            flat = [value for row in matrix.values() for value in row]
            values[name + ".weight"] = floats("F32", shape, flat)
        return (self.checkpoint("compressed", compressed, quantization),
                self.checkpoint("values", values))

    def logits(self, model, *passes):
        module = self.tmp / "import.mlir"
        stc("compile", model, "--emit=mlir:import", "--kv-cache", "f32", "-o", module, "--quiet")
        result = run(BIN / "stc-opt", module, *passes,
                     f"--stc-interpret=tokens={TOKENS} max=100000", "-o", "/dev/null")
        text = result.stdout.decode().split("logits", 1)[1]
        self.assertGreater(max(abs(float(n)) for n in text.split()), 0.01)
        return text

    def layouts(self, model, *options):
        result = stc("compile", model, "-o", self.tmp / "program", *options)
        self.messages = result.stderr.decode()
        report = json.loads(stc("inspect", self.tmp / "program", "--json").stdout)
        return {record["name"]: record["layout"] for record in report["layers"]
                if any(record["name"].endswith(end) for end in
                       (".q", ".k", ".v", ".o", ".gate", ".up", ".down"))}

    def check(self, pack, make, quantization, layout=None):
        compressed, values = self.both(pack, make, quantization)
        want = self.logits(values, "--stc-to-graph")
        self.assertEqual(self.logits(compressed, "--stc-to-graph"), want)
        # The codes have the very same values.
        self.assertEqual(self.logits(compressed, "--stc-to-compressed=keep-codes=true"), want)
        if layout:
            self.assertEqual(set(self.layouts(compressed).values()), {layout})
        return compressed, values

    def matrix(self, bits, group, **options):
        return lambda shape: Matrix(shape, bits, group, self.generator, **options)


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

    def test_activation_order_is_widened(self):
        def make(shape):
            matrix = Matrix(shape, 4, 32, self.generator)
            self.generator.shuffle(matrix.order)
            return matrix
        compressed, _ = self.check(gptq, make, self.config_of(4, 32, desc_act=True), "dense-f32")
        self.assertIn("7 matrices are stored with groups of columns that are not beside each other",
                      self.messages)
        self.assertEqual(set(self.layouts(compressed, "--quantize", "int8").values()),
                         {"dense-int8-g32"})

    def test_order_of_whole_groups_is_kept(self):
        def make(shape):
            matrix = Matrix(shape, 4, 32, self.generator)
            groups = list(range(matrix.groups))
            self.generator.shuffle(groups)
            matrix.order = [group for group in groups for _ in range(32)]
            return matrix
        self.check(gptq, make, self.config_of(4, 32, desc_act=True), "dense-int4-g32-asym")

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


class CompressedTensors(Precompressed):
    def test_packed(self):
        for bits, group, symmetric in ((4, 128, True), (4, 32, False), (8, 64, True), (3, 128, True),
                                       (2, 32, False), (4, -1, True)):
            with self.subTest(bits=bits, group=group, symmetric=symmetric):
                layout = f"dense-int{bits}-" + (f"g{group}" if group > 0 else "row") \
                    + ("" if symmetric else "-asym")
                self.check(lambda name, m: packed(name, m, symmetric),
                           self.matrix(bits, group, symmetric=symmetric),
                           library("pack-quantized", bits, group, symmetric),
                           layout if group > 0 else None)

    def test_three_bits_in_whole_words(self):
        self.check(lambda name, m: packed(name, m, True, whole_words),
                   self.matrix(3, 128, symmetric=True), library("pack-quantized", 3, 128, True),
                   "dense-int3-g128")

    def test_bfloat_scales_are_halves_too(self):
        self.check(lambda name, m: packed(name, m, True, kind="BF16"),
                   self.matrix(4, 64, symmetric=True, rounding=bfloat),
                   library("pack-quantized", 4, 64, True), "dense-int4-g64")

    def test_scales_of_single_precision_are_rounded(self):
        compressed, values = self.both(
            lambda name, m: packed(name, m, True, kind="F32"),
            self.matrix(4, 64, symmetric=True, rounding=single),
            library("pack-quantized", 4, 64, True))
        self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                         self.logits(values, "--stc-to-graph"))
        self.assertEqual(set(self.layouts(compressed).values()), {"dense-int4-g64"})
        self.assertRegex(self.messages, r"scales of 7 are rounded to f16, relative error up to "
                                        r"[12]\.\d+E-04")

    def test_activation_order(self):
        def make(shape):
            matrix = Matrix(shape, 4, 32, self.generator, symmetric=True)
            self.generator.shuffle(matrix.order)
            return matrix
        self.check(lambda name, m: packed(name, m, True), make,
                   library("pack-quantized", 4, 32, True, actorder="group"), "dense-f32")

    def test_bytes(self):
        for bits, group, symmetric in ((8, -1, True), (8, 64, False), (4, 32, True)):
            with self.subTest(bits=bits, group=group, symmetric=symmetric):
                self.check(lambda name, m: integers(name, m, symmetric),
                           self.matrix(bits, group, symmetric=symmetric),
                           library("int-quantized", bits, group, symmetric),
                           f"dense-int{bits}-g{group}" + ("" if symmetric else "-asym")
                           if group > 0 else None)

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

    def bitmask(self, name, m, kind, two_four):
        values = m.values()
        kept = [[column for column in range(m.columns)
                 if (column % 4 in (0, 3) if two_four else row[column] != 0)] for row in values]
        masks = [sum(1 << column for column in columns).to_bytes(m.columns // 8, "little")
                 for columns in kept]
        flat = [row[column] for row, columns in zip(values, kept) for column in columns]
        shape = (m.rows, m.columns // 2) if two_four else (len(flat),)
        tensors = {name + ".compressed": floats(kind, shape, flat),
                   name + ".bitmask": ("U8", (m.rows, m.columns // 8), b"".join(masks)),
                   name + ".shape": ("I64", (2, 1) if two_four else (2,),
                                     struct.pack("<2q", m.rows, m.columns))}
        if not two_four:
            offsets, total = [], 0
            for columns in kept:
                offsets.append(total)
                total += len(columns)
            tensors[name + ".row_offsets"] = ("I64", (m.rows,),
                                              struct.pack(f"<{m.rows}q", *offsets))
        return tensors

    def test_bitmasks(self):
        for two_four in (False, True):
            for kind in ("BF16", "F32"):
                with self.subTest(two_four=two_four, kind=kind):
                    def keep(column, generator):
                        return column % 4 in (0, 3) if two_four else generator.random() < 0.4

                    # Few bits and a scale of a power of two: values are exact in every type.
                    make = self.matrix(4, -1, symmetric=True, keep=keep, rounding=lambda x: 2 ** -6)
                    sparsity = "sparse-24-bitmask" if two_four else "sparse-bitmask"
                    compressed, values = self.both(
                        lambda name, m: self.bitmask(name, m, kind, two_four), make,
                        {"quant_method": "compressed-tensors", "format": "dense",
                         "sparsity_config": {"format": sparsity, "sparsity_structure":
                                             "2:4" if two_four else "unstructured"}})
                    self.assertEqual(self.logits(compressed, "--stc-to-graph"),
                                     self.logits(values, "--stc-to-graph"))
                    self.assertEqual(set(self.layouts(compressed).values()),
                                     {"dense-bf16" if kind == "BF16" else "dense-f32"})
                    layouts = self.layouts(compressed, "--quantize", "int8")
                    self.assertEqual(set(layouts.values()),
                                     {"2:4-int8-g32" if two_four else "bitmap-int8-g32"})


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


class BadInput(Precompressed):
    def assertRefused(self, folder, *parts):
        result = stc("compile", folder, "-o", self.tmp / "program", check=False)
        text = result.stderr.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("error: "), text)
        for part in parts:
            self.assertIn(part, text)
        self.assertFalse((self.tmp / "program").exists())

    def test_configurations(self):
        gptq_config = {"quant_method": "gptq", "bits": 4, "group_size": 128}
        groups = library("pack-quantized", 4, 128, True)
        weights = "quantization_config.config_groups.group_0.weights."
        cases = [
            ({"quant_method": "quip"}, "quant_method: expected gptq, awq, compressed-tensors, fp8"),
            ({**gptq_config, "bits": 5}, "quantization_config.bits: expected 2, 3, 4 or 8, got 5"),
            ({"quant_method": "gptq"}, "quantization_config.bits: expected an integer, got none"),
            ({**gptq_config, "group_size": 0}, "group_size: expected a size of 1 or more, or -1"),
            ({**gptq_config, "checkpoint_format": "marlin"}, "expected gptq or gptq_v2, got 'marlin'"),
            ({**gptq_config, "dynamic": {"x": {}}}, "dynamic: expected the same bits"),
            ({"quant_method": "awq", "version": "gemv"}, "version: expected gemm, got 'gemv'"),
            ({"quant_method": "fp8", "fmt": "e5m2"}, "fmt: expected e4m3, got 'e5m2'"),
            ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "load_in_8bit: expected true"),
            ({**groups, "format": "marlin-24"}, "format: expected dense, pack-quantized"),
            (library("pack-quantized", 9, 128, True), weights + "num_bits: expected 2, 3"),
            (library("pack-quantized", 4, 128, True, kind="fp"), weights + "type: expected int or"),
            (library("pack-quantized", 4, 128, True, strategy="token"), weights + "strategy"),
            ({**groups, "config_groups": []}, "config_groups: expected an object, got a list"),
            ({**groups, "transform_config": {"a": 1}}, "transform_config: expected no transforms"),
            ({**groups, "sparsity_config": {"format": "csr"}}, "sparsity_config.format: expected"),
            ([], "quantization_config: expected an object, got a list"),
        ]
        for quantization, part in cases:
            with self.subTest(part=part):
                folder = self.checkpoint("bad", {}, quantization or [1])
                self.assertRefused(folder, "config.json: ", part)

    def test_tensors(self):
        name = "model.layers.0.self_attn.q_proj"
        g128 = {"quant_method": "gptq", "bits": 4, "group_size": 128}

        def without(pack, suffix):
            def change(module, m):
                tensors = pack(module, m)
                if module == name:
                    del tensors[module + suffix]
                return tensors
            return change

        def with_(pack, suffix, tensor):
            def change(module, m):
                tensors = pack(module, m)
                if module == name:
                    tensors[module + suffix] = tensor
                return tensors
            return change

        symmetric = lambda module, m: packed(module, m, True)
        middle = lambda module, m: integers(module, m, False)
        columns = [0] * 127
        cases = [
            (without(gptq, ".scales"), g128, ".scales: expected the scales of 4-bit codes"),
            (without(gptq, ".qzeros"), g128, ".qzeros: expected the zeros"),
            (without(gptq, ".qweight"), g128, "q_proj.weight: expected shape [128, 128]"),
            (gptq, {**g128, "bits": 8}, ".qzeros: expected I32 [1, 32], got I32 [1, 16]"),
            (gptq, {**g128, "group_size": 32}, ".scales: expected F16, BF16 or F32 [4, 128]"),
            (gptq, {**g128, "bits": 3}, ".qweight: expected whole words of 3-bit codes"),
            (with_(gptq, ".g_idx", ("I32", (128,), struct.pack("<128i", *columns, 7))), g128,
             ".g_idx: expected groups from 0 to 0, got 7 for column 127"),
            (with_(gptq, ".g_idx", ("I32", (128,), struct.pack("<128i", *columns, -2))), g128,
             "got -2 for column 127"),
            (with_(gptq, ".g_idx", ("I32", (127,), struct.pack("<127i", *columns))), g128,
             ".g_idx: expected I32 [128], got I32 [127]"),
            (with_(gptq, ".scales", floats("F16", (1, 128), [float("inf")] * 128)), g128,
             ".scales: expected finite scales"),
            (with_(gptq, ".weight", floats("F32", (1,), [1.0])), g128, "expected no plain"),
            (with_(gptq, ".odd", floats("F32", (1,), [1.0])), g128, "q_proj.odd: expected only"),
            (symmetric, library("pack-quantized", 8, 128, True), "weight_packed: expected"),
            (symmetric, library("pack-quantized", 4, 128, False), "without zeros"),
            (without(symmetric, ".weight_shape"), library("pack-quantized", 4, 128, True),
             ".weight_shape: expected I64 or I32 [2]"),
            (with_(symmetric, ".weight_shape", ("I64", (2,), struct.pack("<2q", -1, 128))),
             library("pack-quantized", 4, 128, True), "expected rows and columns from 1 to"),
            (with_(middle, ".weight_zero_point", ("I8", (128, 1), b"\x7f" * 128)),
             library("int-quantized", 4, 128, False),
             "zero_point: expected whole numbers from -8 to 7 (4 bits), got 127"),
            (without(middle, ".weight_scale"), library("int-quantized", 4, 128, False),
             ".weight_scale: expected the scales"),
        ]
        for pack, quantization, part in cases:
            with self.subTest(part=part):
                compressed, _ = self.both(pack, self.matrix(4, 128, symmetric=pack is symmetric),
                                          quantization)
                # The importer misses a whole matrix, in the folder; all else is wrong in a file.
                is_whole = part.startswith("q_proj.weight: expected shape")
                file = "compressed" if is_whole else "model.safetensors"
                self.assertRefused(compressed, f"{file}: tensor {name}", part)


if __name__ == "__main__":
    unittest.main()
