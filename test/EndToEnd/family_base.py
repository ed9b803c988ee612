"""What decoder families have in common: tiny random checkpoints, and the same as GGUF.

A family is a class: `config` as its config.json, `shapes` as its checkpoints name tensors (from
transformers' modeling files), `forward` in float64 from the same definition, and `to_gguf` as
llama.cpp's convert_hf_to_gguf.py renames and rearranges tensors. Nothing comes from the importer.
"""
import json
import math
import pathlib
import random
import struct

from family_math import attention, gated, linear, silu, split_heads
from support import write_safetensors

VOCAB, HIDDEN, FFN, HEADS, KV, DIM, LAYERS = 64, 32, 48, 4, 2, 8, 2


class Tensors(dict):
    """name -> nested lists; `at(name)` with the prefix of a layer."""

    def layer(self, pattern, index):
        prefix = pattern.format(index)
        return lambda name: self.get(prefix + name)


def flatten(value):
    if not isinstance(value, list):
        return [value]
    return [x for item in value for x in flatten(item)]


def shape_of(value):
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        value = value[0]
    return shape


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class Family:
    name = None
    gguf = None        # general.architecture
    interleaved = ()   # projections whose rows GGUF's converter permutes
    changes = {}       # of the configuration
    norm_centre = 1.0  # what norm weights are around
    exported = True    # --emit=gguf writes it
    layers = LAYERS
    context = 64

    def __init__(self, **changes):
        self.config = {"vocab_size": VOCAB, "bos_token_id": 1, "eos_token_id": 2,
                       **self.base(), **self.changes, **changes, "model_type": self.name}

    def base(self):
        return {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "num_key_value_heads": KV,
                "max_position_embeddings": self.context, "rms_norm_eps": 1e-5,
                "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": False}

    # Checkpoints.

    def tensors(self, seed=1):
        generator = random.Random(seed)
        result = Tensors()
        for name, shape in self.shapes().items():
            is_norm = len(shape) == 1 and name.endswith("weight")
            # Values of about one everywhere, so that nothing is lost in a sum.
            spread = 1.0 if "embed" in name or "wte" in name or "wpe" in name else 0.2
            if len(shape) >= 2 and spread != 1.0:
                spread = 1.2 / math.sqrt(math.prod(shape[1:]))
            centre = self.norm_centre if is_norm else 0.0

            def value():
                return f32(centre + spread * generator.gauss(0, 1))

            def values(sizes):
                return [values(sizes[1:]) for _ in range(sizes[0])] if sizes else value()

            result[name] = values(shape)
        return result

    def write(self, directory, tensors):
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        stored = {}
        for name, value in tensors.items():
            numbers = flatten(value)
            stored[name] = ("F32", shape_of(value), struct.pack(f"<{len(numbers)}f", *numbers))
        write_safetensors(directory / "model.safetensors", stored)
        (directory / "config.json").write_text(json.dumps(self.config))
        return directory

    def write_sharded(self, directory, tensors):
        """In two files, tensors in turn, and their index."""
        directory = self.write(directory, tensors)
        whole = directory / "model.safetensors"
        data = whole.read_bytes()
        whole.unlink()
        begin = 8 + int.from_bytes(data[:8], "little")
        header, shards = json.loads(data[8:begin]), {}
        for number in range(2):
            file = f"model-{number + 1:05}-of-00002.safetensors"
            part = {}
            for name in list(header)[number::2]:
                first, last = header[name]["data_offsets"]
                part[name] = (header[name]["dtype"], header[name]["shape"],
                              data[begin + first:begin + last])
                shards[name] = file
            write_safetensors(directory / file, part)
        (directory / "model.safetensors.index.json").write_text(
            json.dumps({"metadata": {}, "weight_map": shards}))
        return directory

    def write_gguf(self, path, tensors):
        metadata, renamed = self.to_gguf(tensors)
        write_gguf(path, {"general.architecture": self.gguf, **metadata}, renamed)
        return path

    def metadata(self, **more):
        """The keys that all families have."""
        c, prefix = self.config, self.gguf + "."
        heads = c.get("num_attention_heads")
        result = {"block_count": c.get("num_hidden_layers"),
                  "context_length": c.get("max_position_embeddings"),
                  "embedding_length": c.get("hidden_size"),
                  "feed_forward_length": c.get("intermediate_size"),
                  "attention.head_count": heads, "vocab_size": VOCAB,
                  "attention.head_count_kv": c.get("num_key_value_heads", heads)}
        result.update(more)
        if self.config.get("head_dim"):
            result["attention.key_length"] = result["attention.value_length"] = c["head_dim"]
        return {prefix + key: value for key, value in result.items()}

    # Llama's names, which many families share.

    def head_dim(self):
        return self.config.get("head_dim") or HIDDEN // HEADS

    def llama_shapes(self, norms=("input_layernorm", "post_attention_layernorm"), bias=False,
                     query_key_norm=None):
        dim = self.head_dim()
        shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
        for i in range(self.config["num_hidden_layers"]):
            p = f"model.layers.{i}."
            for norm in norms:
                shapes[p + norm + ".weight"] = (HIDDEN,)
            for name, rows, columns in (("q", HEADS * dim, HIDDEN), ("k", KV * dim, HIDDEN),
                                        ("v", KV * dim, HIDDEN), ("o", HIDDEN, HEADS * dim)):
                shapes[f"{p}self_attn.{name}_proj.weight"] = (rows, columns)
                if bias:
                    shapes[f"{p}self_attn.{name}_proj.bias"] = (rows,)
            if query_key_norm:
                shapes[p + "self_attn.q_norm.weight"] = (query_key_norm[0],)
                shapes[p + "self_attn.k_norm.weight"] = (query_key_norm[1],)
            shapes[p + "mlp.gate_proj.weight"] = (FFN, HIDDEN)
            shapes[p + "mlp.up_proj.weight"] = (FFN, HIDDEN)
            shapes[p + "mlp.down_proj.weight"] = (HIDDEN, FFN)
        shapes["model.norm.weight"] = (HIDDEN,)
        if not self.config["tie_word_embeddings"]:
            shapes["lm_head.weight"] = (VOCAB, HIDDEN)
        return shapes

    def shapes(self):
        return self.llama_shapes()

    def head(self, t, hidden):
        return linear(hidden, t.get("lm_head.weight") or t["model.embed_tokens.weight"])

    def swiglu(self, w, x, function=silu):
        gate, up = linear(x, w("mlp.gate_proj.weight")), linear(x, w("mlp.up_proj.weight"))
        return linear(gated(gate, up, function), w("mlp.down_proj.weight"))

    def project(self, w, x, name):
        rows = linear(x, w(f"self_attn.{name}_proj.weight"), w(f"self_attn.{name}_proj.bias"))
        return split_heads(rows, self.head_dim())

    # GGUF names.

    NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
             "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
             "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
             "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
    LAYER = "model.layers."

    def rename(self, name, names):
        stem, suffix = name.rsplit(".", 1)
        if stem in names:
            return f"{names[stem]}.{suffix}"
        assert stem.startswith(self.LAYER), name
        index, part = stem[len(self.LAYER):].split(".", 1)
        return f"blk.{index}.{names[part]}.{suffix}"

    def renamed(self, tensors, names=None):
        result = {}
        for name, value in tensors.items():
            if any(f".{part}." in name for part in self.interleaved):
                heads = HEADS if ".q_proj." in name else KV
                value = permute(value, heads)
            result[self.rename(name, names or self.NAMES)] = value
        return result

    def to_gguf(self, tensors):
        epsilon = {"attention.layer_norm_rms_epsilon": self.config["rms_norm_eps"],
                   "rope.freq_base": self.config["rope_theta"]}
        return self.metadata(**epsilon), self.renamed(tensors)


def permute(rows, heads):
    """LlamaModel.permute of llama.cpp's converter: halves become neighbours."""
    size = len(rows) // heads
    result = []
    for h in range(heads):
        block = rows[h * size:(h + 1) * size]
        for i in range(size // 2):
            result += [block[i], block[i + size // 2]]
    return result


def write_gguf(path, metadata, tensors):
    """Tensors are lists of numbers or of rows, written as F32, or (type code, shape, bytes);
    lists in metadata are of booleans."""
    def text(value):
        data = value.encode()
        return struct.pack("<Q", len(data)) + data

    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += text(key)
        if isinstance(value, bool):
            out += struct.pack("<I?", 7, value)
        elif isinstance(value, list):
            out += struct.pack(f"<IIQ{len(value)}?", 9, 7, len(value), *value)
        elif isinstance(value, int):
            out += struct.pack("<II", 4, value)
        elif isinstance(value, float):
            out += struct.pack("<If", 6, value)
        else:
            out += struct.pack("<I", 8) + text(value)
    data = b""
    for name, value in tensors.items():
        if isinstance(value, tuple):
            kind, shape, stored = value
        else:
            numbers = flatten(value)
            kind, shape, stored = 0, shape_of(value), struct.pack(f"<{len(numbers)}f", *numbers)
        data += b"\0" * (-len(data) % 32)
        out += text(name) + struct.pack("<I", len(shape))
        out += struct.pack(f"<{len(shape)}Q", *reversed(shape)) + struct.pack("<IQ", kind, len(data))
        data += stored
    pathlib.Path(path).write_bytes(out + b"\0" * (-len(out) % 32) + data)
