"""StarCoder2 and the Phis."""
import math

from family_base import VOCAB, HIDDEN, FFN, HEADS, KV, DIM, Family
from family_math import (activate, add, attention, frequencies, gated, gelu_tanh, layer_norm,
                         linear, rms_norm, rotate, silu, split_heads)


class StarCoder2(Family):
    name = gguf = "starcoder2"
    changes = {"norm_epsilon": 1e-5, "use_bias": True, "hidden_act": "gelu_pytorch_tanh",
               "sliding_window": 6, "tie_word_embeddings": True}
    NAMES = {**Family.NAMES, "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}

    def shapes(self):
        shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"model.layers.{i}."
            for name, rows, columns in (
                    ("self_attn.q_proj", HEADS * DIM, HIDDEN),
                    ("self_attn.k_proj", KV * DIM, HIDDEN), ("self_attn.v_proj", KV * DIM, HIDDEN),
                    ("self_attn.o_proj", HIDDEN, HEADS * DIM), ("mlp.c_fc", FFN, HIDDEN),
                    ("mlp.c_proj", HIDDEN, FFN)):
                shapes[f"{p}{name}.weight"] = (rows, columns)
                shapes[f"{p}{name}.bias"] = (rows,)
            for name in ("input_layernorm", "post_attention_layernorm"):
                shapes[f"{p}{name}.weight"] = shapes[f"{p}{name}.bias"] = (HIDDEN,)
        shapes["model.norm.weight"] = shapes["model.norm.bias"] = (HIDDEN,)
        return shapes

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)

            def norm(name):
                return layer_norm(hidden, w(name + ".weight"), w(name + ".bias"), 1e-5)

            q, k, v = (self.project(w, norm("input_layernorm"), name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5, 6)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight"),
                                        w("self_attn.o_proj.bias")))
            x = linear(norm("post_attention_layernorm"), w("mlp.c_fc.weight"), w("mlp.c_fc.bias"))
            hidden = add(hidden, linear(activate(x, gelu_tanh), w("mlp.c_proj.weight"),
                                        w("mlp.c_proj.bias")))
        return self.head(t, layer_norm(hidden, t["model.norm.weight"], t["model.norm.bias"], 1e-5))

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "attention.sliding_window": 6}
        return self.metadata(**own), self.renamed(tensors)


class Phi3(Family):
    """Fused projections; a part of each head is rotated, with longrope's factors."""
    name = gguf = "phi3"
    SHORT, LONG = [1.0, 1.5, 2.0], [2.0, 3.0, 5.0]
    changes = {"partial_rotary_factor": 0.75, "max_position_embeddings": 128,
               "original_max_position_embeddings": 32, "sliding_window": None,
               "rope_scaling": {"type": "longrope", "short_factor": SHORT, "long_factor": LONG}}
    NAMES = {**Family.NAMES, "self_attn.qkv_proj": "attn_qkv", "mlp.gate_up_proj": "ffn_up"}
    factors = LONG  # compiled for 128 positions
    options = ()

    def shapes(self):
        shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"model.layers.{i}."
            shapes[p + "input_layernorm.weight"] = (HIDDEN,)
            shapes[p + "post_attention_layernorm.weight"] = (HIDDEN,)
            shapes[p + "self_attn.qkv_proj.weight"] = ((HEADS + 2 * KV) * DIM, HIDDEN)
            shapes[p + "self_attn.o_proj.weight"] = (HIDDEN, HEADS * DIM)
            shapes[p + "mlp.gate_up_proj.weight"] = (2 * FFN, HIDDEN)
            shapes[p + "mlp.down_proj.weight"] = (HIDDEN, FFN)
        return {**shapes, "model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN)}

    def forward(self, t, tokens):
        epsilon = self.config["rms_norm_eps"]
        inverse = [f / by for f, by in zip(frequencies(10000.0, 6), self.factors)]
        factor = math.sqrt(1 + math.log(128 / 32) / math.log(32))
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), epsilon)
            heads = split_heads(linear(x, w("self_attn.qkv_proj.weight")), DIM)
            q, k, v = ([token[a:b] for token in heads]
                       for a, b in ((0, HEADS), (HEADS, HEADS + KV), (HEADS + KV, HEADS + 2 * KV)))
            q, k = rotate(q, inverse, factor), rotate(k, inverse, factor)
            mixed = attention(q, k, v, DIM ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            x = linear(rms_norm(hidden, w("post_attention_layernorm.weight"), epsilon),
                       w("mlp.gate_up_proj.weight"))
            x = gated([row[:FFN] for row in x], [row[FFN:] for row in x], silu)
            hidden = add(hidden, linear(x, w("mlp.down_proj.weight")))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon))

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        own = {"rope.dimension_count": 6, "rope.scaling.original_context_length": 32,
               "rope.scaling.attn_factor": math.sqrt(1 + math.log(4) / math.log(32))}
        renamed["rope_factors_short.weight"] = self.SHORT
        renamed["rope_factors_long.weight"] = self.LONG
        return {**metadata, **{"phi3." + key: value for key, value in own.items()}}, renamed


class ShortPhi3(Phi3):
    """The same, compiled for no more than the original context."""
    factors = Phi3.SHORT
    options = ("--max-context", "32")


class Phi(Family):
    """Phi-2: one norm for both parts, biases everywhere, half of each head rotated."""
    name, gguf = "phi", "phi2"
    changes = {"layer_norm_eps": 1e-5, "partial_rotary_factor": 0.5, "hidden_act": "gelu_new",
               "num_key_value_heads": HEADS}
    NAMES = {**Family.NAMES, "self_attn.dense": "attn_output", "mlp.fc1": "ffn_up",
             "mlp.fc2": "ffn_down", "model.final_layernorm": "output_norm"}

    def shapes(self):
        shapes = {"model.embed_tokens.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"model.layers.{i}."
            shapes[p + "input_layernorm.weight"] = shapes[p + "input_layernorm.bias"] = (HIDDEN,)
            for name in ("q_proj", "k_proj", "v_proj", "dense"):
                shapes[f"{p}self_attn.{name}.weight"] = (HIDDEN, HIDDEN)
                shapes[f"{p}self_attn.{name}.bias"] = (HIDDEN,)
            shapes[p + "mlp.fc1.weight"], shapes[p + "mlp.fc1.bias"] = (FFN, HIDDEN), (FFN,)
            shapes[p + "mlp.fc2.weight"], shapes[p + "mlp.fc2.bias"] = (HIDDEN, FFN), (HIDDEN,)
        return {**shapes, "model.final_layernorm.weight": (HIDDEN,),
                "model.final_layernorm.bias": (HIDDEN,), "lm_head.weight": (VOCAB, HIDDEN),
                "lm_head.bias": (VOCAB,)}

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM // 2)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = layer_norm(hidden, w("input_layernorm.weight"), w("input_layernorm.bias"), 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            mixed = linear(mixed, w("self_attn.dense.weight"), w("self_attn.dense.bias"))
            fed = activate(linear(x, w("mlp.fc1.weight"), w("mlp.fc1.bias")), gelu_tanh)
            fed = linear(fed, w("mlp.fc2.weight"), w("mlp.fc2.bias"))
            hidden = add(mixed, fed, hidden)
        hidden = layer_norm(hidden, t["model.final_layernorm.weight"],
                            t["model.final_layernorm.bias"], 1e-5)
        return linear(hidden, t["lm_head.weight"], t["lm_head.bias"])

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.dimension_count": DIM // 2}
        return self.metadata(**own), self.renamed(tensors)
