"""Checkpoints that were compressed before: what their tests share.

The packers are written from the public descriptions of the formats, not from the reader:
AutoGPTQ (qlinear_cuda_old.py, `pack`), compressed-tensors
(compressors/quantized_compressors/pack_quantized.py).
"""
import json
import random
import shutil
import struct

from support import BIN, TemporaryDirectoryTest, make_llama, run, stc, write_safetensors
from test_export import read_safetensors

TOKENS = "5,17,42,30,3"
SHAPES = {"self_attn.q_proj": (128, 128), "self_attn.k_proj": (64, 128),
          "self_attn.v_proj": (64, 128), "self_attn.o_proj": (128, 128),
          "mlp.gate_proj": (256, 128), "mlp.up_proj": (256, 128), "mlp.down_proj": (128, 256)}


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

    def assertRefused(self, folder, *parts):
        result = stc("compile", folder, "-o", self.tmp / "program", check=False)
        text = result.stderr.decode()
        self.assertEqual(result.returncode, 1, text)
        self.assertEqual(text.count("\n"), 1, text)
        self.assertTrue(text.startswith("error: "), text)
        for part in parts:
            self.assertIn(part, text)
        self.assertFalse((self.tmp / "program").exists())

    def matrix(self, bits, group, **options):
        return lambda shape: Matrix(shape, bits, group, self.generator, **options)


class OrderedMatrix(Matrix):
    """Columns of every group lie anywhere, in groups of equal sizes."""

    def __init__(self, shape, bits, group, generator, order=None, **options):
        super().__init__(shape, bits, group, generator, **options)
        if order is None:
            generator.shuffle(self.order)
        else:
            self.order = list(order)


def ordered_llama(folder, layers=2, bits=4, group=32, hidden=128, heads=4, kv_heads=2, ffn=256,
                  output_order=None, **config):
    """A GPTQ checkpoint of several layers with activation order (`desc_act`): matrices with equal
    inputs have equal orders, as their quantizer sees the same activations. `output_order`: the group
    of each column of output projections."""
    generator = random.Random(layers * 100 + bits)
    make_llama(folder, layers=layers, hidden=hidden, heads=heads, kv_heads=kv_heads, ffn=ffn,
               vocab=256, context=128, quantization_config={
                   "quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": True,
                   "sym": False}, **config)
    tensors = read_safetensors(folder / "model.safetensors")
    inputs = {"q_proj": "attention", "k_proj": "attention", "v_proj": "attention",
              "gate_proj": "feed_forward", "up_proj": "feed_forward"}
    orders = {}
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        module = name[:-len(".weight")]
        layer, kind = module.split(".")[2], module.rpartition(".")[2]
        order = output_order if kind == "o_proj" else orders.get((layer, inputs.get(kind)))
        matrix = OrderedMatrix(tensors.pop(name)[1], bits, group, generator, order=order)
        orders.setdefault((layer, inputs.get(kind, kind)), matrix.order)
        tensors.update(gptq(module, matrix))
    write_safetensors(folder / "model.safetensors", tensors)
    return folder
