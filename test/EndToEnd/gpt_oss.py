"""Tiny random gpt-oss checkpoints, and what they compute, in float64.

Written from what OpenAI published with the weights (the model card of 2025 and `gpt_oss/torch/model.py`
and `weights.py` beside it), independently of the importer: alternating windows, one sink logit per
head, yarn without rounded bounds, a router that takes the softmax of the chosen logits alone, and
experts whose gate and up rows alternate. Weights of experts are MXFP4 numbers in every container, so
that all of them hold the same values.
"""
import json
import math
import pathlib
import random
import struct

from family_base import HEADS, HIDDEN, KV, VOCAB, Family, f32, flatten, shape_of
from family_math import add, frequencies, join_heads, linear, rms_norm, rotate, split_heads
from support import write_safetensors

EXPERTS, CHOSEN, SIZE, DIM = 5, 2, 64, 16
FLOAT4 = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]
GROUP = 32


class Microscaled:
    """A matrix of MXFP4 numbers: `codes` [rows][columns] of four bits, `scales` [rows][groups] of
    exponents plus 127."""

    def __init__(self, generator, rows, columns, exponent):
        self.codes = [[generator.randrange(16) for _ in range(columns)] for _ in range(rows)]
        self.scales = [[127 + exponent + generator.randrange(-1, 2)
                        for _ in range(columns // GROUP)] for _ in range(rows)]

    def values(self):
        return [[FLOAT4[code] * 2.0 ** (scales[i // GROUP] - 127) for i, code in enumerate(codes)]
                for codes, scales in zip(self.codes, self.scales)]

    def blocks(self):
        """Two numbers to a byte, the first in the low half."""
        return bytes(low | high << 4 for row in self.codes for low, high in zip(row[::2], row[1::2]))

    def scale_bytes(self):
        return bytes(scale for row in self.scales for scale in row)


class GptOss(Family):
    name, gguf = "gpt_oss", "gpt-oss"
    changes = {"head_dim": DIM, "intermediate_size": SIZE, "num_local_experts": EXPERTS,
               "num_experts_per_tok": CHOSEN, "sliding_window": 5, "attention_bias": True,
               "layer_types": ["sliding_attention", "full_attention"], "rope_theta": 150000.0,
               "swiglu_limit": 7.0,
               "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32.0,
                                "beta_slow": 1.0, "original_max_position_embeddings": 32,
                                "truncate": False}}

    def shapes(self):
        shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN), "model.norm.weight": (HIDDEN,),
                  "lm_head.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"model.layers.{i}."
            for norm in ("input_layernorm", "post_attention_layernorm"):
                shapes[f"{p}{norm}.weight"] = (HIDDEN,)
            for name, rows, columns in (("q", HEADS * DIM, HIDDEN), ("k", KV * DIM, HIDDEN),
                                        ("v", KV * DIM, HIDDEN), ("o", HIDDEN, HEADS * DIM)):
                shapes[f"{p}self_attn.{name}_proj.weight"] = (rows, columns)
                shapes[f"{p}self_attn.{name}_proj.bias"] = (rows,)
            shapes[p + "self_attn.sinks"] = (HEADS,)
            shapes[p + "mlp.router.weight"] = (EXPERTS, HIDDEN)
            shapes[p + "mlp.router.bias"] = (EXPERTS,)
        return shapes

    def tensors(self, seed=1):
        result = super().tensors(seed)
        generator = random.Random(seed + 1)
        for i in range(self.layers):
            p = f"model.layers.{i}."
            # As large as scores are, so that leaving them out is seen.
            result[p + "self_attn.sinks"] = [f32(generator.gauss(0, 1)) for _ in range(HEADS)]
            experts = p + "mlp.experts."
            # Gates and ups beyond the limit, too.
            result[experts + "gate_up_proj"] = [
                Microscaled(generator, 2 * SIZE, HIDDEN, -2) for _ in range(EXPERTS)]
            result[experts + "down_proj"] = [
                Microscaled(generator, HIDDEN, SIZE, -7) for _ in range(EXPERTS)]
            for name, rows in (("gate_up", 2 * SIZE), ("down", HIDDEN)):
                result[f"{experts}{name}_proj_bias"] = [
                    [f32(0.3 * generator.gauss(0, 1)) for _ in range(rows)] for _ in range(EXPERTS)]
        return result

    # What the model computes.

    def rotation(self):
        """Frequencies, and what cosines and sines are multiplied by."""
        c = self.config
        scaling, theta, half = c["rope_scaling"], c["rope_theta"], DIM // 2

        def pair(turns):
            length = scaling["original_max_position_embeddings"]
            return half * math.log(length / (turns * 2 * math.pi)) / math.log(theta)

        low, high = max(pair(scaling["beta_fast"]), 0), pair(scaling["beta_slow"])
        inverse = []
        for i, frequency in enumerate(frequencies(theta, DIM)):
            kept = 1 - min(max((i - low) / (high - low), 0), 1)
            inverse.append(frequency / scaling["factor"] * (1 - kept) + frequency * kept)
        return inverse, 0.1 * math.log(scaling["factor"]) + 1

    def attention(self, w, x, window):
        inverse, magnitude = self.rotation()

        def project(name):
            rows = linear(x, w(f"self_attn.{name}_proj.weight"), w(f"self_attn.{name}_proj.bias"))
            return split_heads(rows, DIM)

        queries = rotate(project("q"), inverse, magnitude)
        keys, values = rotate(project("k"), inverse, magnitude), project("v")
        mixed = []
        for t, token in enumerate(queries):
            heads = []
            for h, query in enumerate(token):
                own = h * KV // HEADS
                seen = [s for s in range(t + 1) if not window or s > t - window]
                scores = [sum(a * b for a, b in zip(query, keys[s][own])) / math.sqrt(DIM)
                          for s in seen] + [w("self_attn.sinks")[h]]
                powers = [math.exp(score - max(scores)) for score in scores]
                heads.append([sum(power * values[s][own][d] for power, s in zip(powers, seen))
                              / sum(powers) for d in range(DIM)])
            mixed.append(heads)
        return linear(join_heads(mixed), w("self_attn.o_proj.weight"), w("self_attn.o_proj.bias"))

    def expert(self, w, index, x):
        """Of one token."""
        def project(name, x):
            return linear([x], w(f"mlp.experts.{name}_proj")[index].values(),
                          w(f"mlp.experts.{name}_proj_bias")[index])[0]

        limit, both = self.config["swiglu_limit"], project("gate_up", x)
        inner = []
        for gate, up in zip(both[::2], both[1::2]):
            gate, up = min(gate, limit), min(max(up, -limit), limit)
            inner.append(gate / (1 + math.exp(-1.702 * gate)) * (up + 1))
        return project("down", inner)

    def mixture(self, w, x):
        result = []
        for token in x:
            logits = linear([token], w("mlp.router.weight"), w("mlp.router.bias"))[0]
            chosen = sorted(range(EXPERTS), key=lambda e: (-logits[e], e))[:CHOSEN]
            powers = [math.exp(logits[e] - logits[chosen[0]]) for e in chosen]
            outputs = [self.expert(w, e, token) for e in chosen]
            result.append([sum(p / sum(powers) * o for p, o in zip(powers, column))
                           for column in zip(*outputs)])
        return result

    def forward(self, t, tokens):
        epsilon = self.config["rms_norm_eps"]
        hidden = [list(t["model.embed_tokens.weight"][token]) for token in tokens]
        for i, kind in enumerate(self.config["layer_types"]):
            w = t.layer("model.layers.{}.", i)
            window = self.config["sliding_window"] if kind == "sliding_attention" else None
            x = rms_norm(hidden, w("input_layernorm.weight"), epsilon)
            hidden = add(hidden, self.attention(w, x, window))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), epsilon)
            hidden = add(hidden, self.mixture(w, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon))

    # Containers.

    def stored(self, tensors, plain):
        """{name: (dtype, shape, bytes)}: experts as MXFP4, or `plain`, transposed."""
        result = {}
        for name, value in tensors.items():
            if not isinstance(value[0], Microscaled):
                numbers = flatten(value)
                result[name] = ("F32", shape_of(value), struct.pack(f"<{len(numbers)}f", *numbers))
                continue
            rows, columns = len(value[0].codes), len(value[0].codes[0])
            if plain:
                numbers = [x for e in value for column in zip(*e.values()) for x in column]
                # Every MXFP4 number is one of BF16's: the upper half of its F32 bits.
                bits = struct.pack(f"<{len(numbers)}f", *numbers)
                data = b"".join(bits[i + 2:i + 4] for i in range(0, len(bits), 4))
                result[name] = ("BF16", [len(value), columns, rows], data)
                continue
            groups = columns // GROUP
            result[name + "_blocks"] = ("U8", [len(value), rows, groups, GROUP // 2],
                                        b"".join(e.blocks() for e in value))
            result[name + "_scales"] = ("U8", [len(value), rows, groups],
                                        b"".join(e.scale_bytes() for e in value))
        return result

    def write(self, directory, tensors, plain=False, shards=1, without=(), change=None):
        """`change` is applied to what is stored, and `without` left out."""
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        for old in directory.glob("*"):
            old.unlink()
        stored = {name: tensor for name, tensor in self.stored(tensors, plain).items()
                  if name not in without}
        stored.update(change or {})
        names = list(stored)
        files = {}
        for number in range(shards):
            file = ("model.safetensors" if shards == 1
                    else f"model-{number + 1:05}-of-{shards:05}.safetensors")
            part = names[number::shards]
            write_safetensors(directory / file, {name: stored[name] for name in part})
            files.update({name: file for name in part})
        if shards > 1:
            (directory / "model.safetensors.index.json").write_text(
                json.dumps({"metadata": {}, "weight_map": files}))
        config = dict(self.config)
        if not plain:
            config["quantization_config"] = {
                "quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn",
                                                                    "model.layers.*.mlp.router",
                                                                    "model.embed_tokens", "lm_head"]}
        (directory / "config.json").write_text(json.dumps(config))
        return directory

    def to_gguf(self, tensors):
        """As llama.cpp's converter names and parts tensors (conversion/gpt_oss.py)."""
        scaling = self.config["rope_scaling"]
        metadata = self.metadata(**{
            "attention.layer_norm_rms_epsilon": self.config["rms_norm_eps"],
            "rope.freq_base": self.config["rope_theta"], "rope.scaling.type": "yarn",
            "rope.scaling.factor": scaling["factor"],
            "rope.scaling.original_context_length": scaling["original_max_position_embeddings"],
            "attention.sliding_window": self.config["sliding_window"], "expert_count": EXPERTS,
            "expert_used_count": CHOSEN, "expert_feed_forward_length": SIZE})
        names = {**self.NAMES, "post_attention_layernorm": "post_attention_norm",
                 "mlp.router": "ffn_gate_inp"}
        renamed = {}
        for name, value in tensors.items():
            experts = name.split(".mlp.experts.")
            if name.endswith(".sinks"):
                renamed[f"blk.{name.split('.')[2]}.attn_sinks.weight"] = value
            elif len(experts) == 1:
                renamed[self.rename(name, names)] = value
            else:
                layer, suffix = experts[0].split(".")[2], "bias" if name.endswith("_bias") else "weight"
                if suffix == "weight":
                    value = [e.values() for e in value]
                parts = ({"down": value} if experts[1].startswith("down") else
                         {"gate": [e[::2] for e in value], "up": [e[1::2] for e in value]})
                for part, own in parts.items():
                    renamed[f"blk.{layer}.ffn_{part}_exps.{suffix}"] = own
        return metadata, renamed
