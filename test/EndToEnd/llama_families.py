"""Families with RMS norms and a gate, which name tensors as Llama does."""
import json
import math

from family_base import HIDDEN, HEADS, KV, DIM, Family, f32
from family_math import (activate, add, attention, dynamic_ntk, frequencies, gelu_tanh, gemma_norm,
                         layer_norm, linear, linear_scaling, llama3_scaling, norm_heads, rms_norm,
                         rotate, scale, split_heads, yarn)


class Llama(Family):
    name = gguf = "llama"
    interleaved = ("q_proj", "k_proj")
    windows = rope_layers = None

    def rope(self, length):
        """Frequencies and the factor of cosines and sines, for a text that is compiled for
        `length` positions."""
        return frequencies(self.config["rope_theta"], self.head_dim()), 1.0

    def forward(self, t, tokens):
        c, dim = self.config, self.head_dim()
        inverse, factor = self.rope(self.context)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(c["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), c["rms_norm_eps"])
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q, k = rotate(q, inverse, factor), rotate(k, inverse, factor)
            mixed = attention(q, k, v, dim ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight"),
                                        w("self_attn.o_proj.bias")))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), c["rms_norm_eps"])
            hidden = add(hidden, self.swiglu(w, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], c["rms_norm_eps"]))


class LinearLlama(Llama):
    changes = {"rope_scaling": {"rope_type": "linear", "factor": 4.0}}

    def rope(self, length):
        return linear_scaling(super().rope(length)[0], 4.0), 1.0

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        return {**metadata, "llama.rope.scaling.type": "linear",
                "llama.rope.scaling.factor": 4.0}, renamed


class DynamicLlama(Llama):
    """Compiled for 64 positions, twice the context: as a text of 64 is scaled."""
    gguf = None
    changes = {"max_position_embeddings": 32,
               "rope_scaling": {"rope_type": "dynamic", "factor": 3.0}}
    options = ("--max-context", "64")

    def rope(self, length):
        return dynamic_ntk(self.config["rope_theta"], self.head_dim(), 3.0, length, 32), 1.0


class Llama3(Llama):
    gguf = None
    changes = {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
                                "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}

    def rope(self, length):
        return llama3_scaling(super().rope(length)[0], 8.0, 1.0, 4.0, 32), 1.0


class YarnLlama(Llama):
    changes = {"rope_theta": 100.0, "max_position_embeddings": 64,
               "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 4.0,
                                "original_max_position_embeddings": 16}}

    def rope(self, length):
        return yarn(100.0, self.head_dim(), 4.0, 16, fast=4.0)

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        return {**metadata, "llama.rope.scaling.type": "yarn", "llama.rope.scaling.factor": 4.0,
                "llama.rope.scaling.yarn_beta_fast": 4.0,
                "llama.rope.scaling.original_context_length": 16}, renamed


class SmolLM3(Llama):
    """Every fourth layer is without rotary embedding."""
    name = gguf = "smollm3"
    layers = 4
    changes = {"tie_word_embeddings": True}

    def forward(self, t, tokens):
        c = self.config
        listed = c.get("no_rope_layers") or [int((i + 1) % 4 != 0) for i in range(self.layers)]
        inverse = frequencies(c["rope_theta"], self.head_dim())
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), c["rms_norm_eps"])
            q, k, v = (self.project(w, x, name) for name in "qkv")
            if listed[i]:
                q, k = rotate(q, inverse), rotate(k, inverse)
            hidden = add(hidden, linear(attention(q, k, v, self.head_dim() ** -0.5),
                                        w("self_attn.o_proj.weight")))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), c["rms_norm_eps"])
            hidden = add(hidden, self.swiglu(w, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], c["rms_norm_eps"]))


class Qwen3(Family):
    """Norms of every query and key head; heads that are larger than hidden / heads."""
    name = gguf = "qwen3"
    changes = {"head_dim": 12, "rope_theta": 1000000.0}

    def shapes(self):
        return self.llama_shapes(query_key_norm=(12, 12))

    def forward(self, t, tokens):
        c, epsilon = self.config, self.config["rms_norm_eps"]
        inverse = frequencies(c["rope_theta"], 12)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(c["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), epsilon)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q = norm_heads(q, lambda rows: rms_norm(rows, w("self_attn.q_norm.weight"), epsilon))
            k = norm_heads(k, lambda rows: rms_norm(rows, w("self_attn.k_norm.weight"), epsilon))
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, 12 ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), epsilon)
            hidden = add(hidden, self.swiglu(w, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon))


class Gemma(Family):
    name = gguf = "gemma"
    norm_centre = 0.0
    changes = {"head_dim": 8, "hidden_act": "gelu_pytorch_tanh",
               "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True,
               "rms_norm_eps": 1e-6}

    def embed(self, t, tokens):
        normalizer = f32(math.sqrt(HIDDEN))  # torch.tensor(hidden_size ** 0.5, dtype of the model)
        return scale([t["model.embed_tokens.weight"][token] for token in tokens], normalizer)

    def forward(self, t, tokens):
        epsilon = self.config["rms_norm_eps"]
        inverse = frequencies(10000.0, 8)
        hidden = self.embed(t, tokens)
        for i in range(self.config["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = gemma_norm(hidden, w("input_layernorm.weight"), epsilon)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, 8 ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            x = gemma_norm(hidden, w("post_attention_layernorm.weight"), epsilon)
            hidden = add(hidden, self.swiglu(w, x, gelu_tanh))
        return self.head(t, gemma_norm(hidden, t["model.norm.weight"], epsilon))

    def renamed(self, tensors, names=None):
        stored = {name: [x + 1 for x in value] if name.endswith("norm.weight") else value
                  for name, value in tensors.items()}
        return super().renamed(stored, names)


class Gemma2(Gemma):
    """Norms around both parts, soft caps, and a window in every other layer."""
    name = gguf = "gemma2"
    changes = {**Gemma.changes, "query_pre_attn_scalar": 8, "sliding_window": 5,
               "attn_logit_softcapping": 2.0, "final_logit_softcapping": 3.0}
    FOUR_NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                  "post_feedforward_layernorm")
    NAMES = {**Gemma.NAMES, "post_attention_layernorm": "post_attention_norm",
             "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm"}

    def shapes(self):
        return self.llama_shapes(norms=self.FOUR_NORMS)

    def is_local(self, i):
        return i % 2 == 0

    def inverse(self, i):
        return frequencies(10000.0, 8)

    def heads(self, w, x, name):
        return self.project(w, x, name)

    def forward(self, t, tokens):
        c, epsilon = self.config, self.config["rms_norm_eps"]
        hidden = self.embed(t, tokens)
        for i in range(c["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = gemma_norm(hidden, w("input_layernorm.weight"), epsilon)
            q, k, v = (self.heads(w, x, name) for name in "qkv")
            inverse = self.inverse(i)
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v,
                              c["query_pre_attn_scalar"] ** -0.5,
                              c["sliding_window"] if self.is_local(i) else None,
                              c.get("attn_logit_softcapping"))
            mixed = linear(mixed, w("self_attn.o_proj.weight"))
            hidden = add(hidden, gemma_norm(mixed, w("post_attention_layernorm.weight"), epsilon))
            x = gemma_norm(hidden, w("pre_feedforward_layernorm.weight"), epsilon)
            fed = self.swiglu(w, x, gelu_tanh)
            hidden = add(hidden, gemma_norm(fed, w("post_feedforward_layernorm.weight"), epsilon))
        logits = self.head(t, gemma_norm(hidden, t["model.norm.weight"], epsilon))
        cap = c.get("final_logit_softcapping")
        return activate(logits, lambda x: cap * math.tanh(x / cap)) if cap else logits

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        own = {"attention.sliding_window": 5, "attn_logit_softcapping": 2.0,
               "final_logit_softcapping": 3.0}
        return {**metadata, **{"gemma2." + key: value for key, value in own.items()}}, renamed


class Gemma3(Gemma2):
    """Five layers with a window and a rotation of their own for each without; head norms."""
    name, gguf = "gemma3_text", "gemma3"
    layers = 6
    changes = {**Gemma.changes, "query_pre_attn_scalar": 8, "sliding_window": 5,
               "sliding_window_pattern": 6, "rope_theta": 1000000.0, "rope_local_base_freq": 500.0,
               "rope_scaling": {"rope_type": "linear", "factor": 8.0},
               "attn_logit_softcapping": None, "final_logit_softcapping": None}

    def shapes(self):
        return self.llama_shapes(norms=self.FOUR_NORMS, query_key_norm=(8, 8))

    def is_local(self, i):
        return (i + 1) % 6 != 0

    def inverse(self, i):
        return (frequencies(500.0, 8) if self.is_local(i)
                else linear_scaling(frequencies(1000000.0, 8), 8.0))

    def heads(self, w, x, name):
        heads = self.project(w, x, name)
        if name == "v":
            return heads
        gains = w(f"self_attn.{name}_norm.weight")
        return norm_heads(heads, lambda rows: gemma_norm(rows, gains, 1e-6))

    def to_gguf(self, tensors):
        metadata, renamed = Gemma.to_gguf(self, tensors)
        own = {"attention.sliding_window": 5, "rope.freq_base_swa": 500.0,
               "rope.scaling.type": "linear", "rope.scaling.factor": 8.0}
        return {**metadata, **{"gemma3." + key: value for key, value in own.items()}}, renamed


class MultimodalGemma3(Gemma3):
    """The text side of a checkpoint that sees images too."""
    gguf = None
    prefix = "language_model."

    def write(self, directory, tensors):
        stored = {self.prefix + name: value for name, value in tensors.items()}
        stored["vision_tower.vision_model.embeddings.patch_embedding.bias"] = [0.0]
        stored["multi_modal_projector.mm_soft_emb_norm.weight"] = [0.0]
        super().write(directory, stored)
        config = {"model_type": "gemma3", "text_config": self.config, "vision_config": {}}
        (directory / "config.json").write_text(json.dumps(config))
        return directory


class Olmo2(Family):
    """Norms after both parts, and of whole rows of queries and keys."""
    name = gguf = "olmo2"
    NAMES = {**Family.NAMES, "post_attention_layernorm": "post_attention_norm",
             "post_feedforward_layernorm": "post_ffw_norm"}

    def shapes(self):
        return self.llama_shapes(norms=("post_attention_layernorm", "post_feedforward_layernorm"),
                                 query_key_norm=(HEADS * DIM, KV * DIM))

    def forward(self, t, tokens):
        epsilon = self.config["rms_norm_eps"]
        inverse = frequencies(10000.0, DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.config["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            q, k, v = (linear(hidden, w(f"self_attn.{name}_proj.weight")) for name in "qkv")
            q = rms_norm(q, w("self_attn.q_norm.weight"), epsilon)
            k = rms_norm(k, w("self_attn.k_norm.weight"), epsilon)
            q, k, v = (split_heads(x, DIM) for x in (q, k, v))
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            mixed = linear(mixed, w("self_attn.o_proj.weight"))
            hidden = add(hidden, rms_norm(mixed, w("post_attention_layernorm.weight"), epsilon))
            fed = self.swiglu(w, hidden)
            hidden = add(hidden, rms_norm(fed, w("post_feedforward_layernorm.weight"), epsilon))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon))


class Granite(Family):
    """Multipliers everywhere."""
    name = gguf = "granite"
    interleaved = ("q_proj", "k_proj")
    changes = {"embedding_multiplier": 3.0, "residual_multiplier": 0.4,
               "attention_multiplier": 0.25, "logits_scaling": 4.0, "tie_word_embeddings": True}

    def forward(self, t, tokens):
        epsilon = self.config["rms_norm_eps"]
        inverse = frequencies(10000.0, DIM)
        hidden = scale([t["model.embed_tokens.weight"][token] for token in tokens], 3.0)
        for i in range(self.config["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), epsilon)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, 0.25)
            hidden = add(hidden, scale(linear(mixed, w("self_attn.o_proj.weight")), 0.4))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), epsilon)
            hidden = add(hidden, scale(self.swiglu(w, x), 0.4))
        return scale(self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon)), 1 / 4.0)

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        own = {"embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.25,
               "logit_scale": 4.0}
        return {**metadata, **{"granite." + key: value for key, value in own.items()}}, renamed


class Cohere(Family):
    """Attention and feed-forward side by side, layer norms without bias, adjacent pairs."""
    name, gguf = "cohere", "command-r"
    changes = {"layer_norm_eps": 1e-5, "logit_scale": 0.25, "tie_word_embeddings": True}

    def shapes(self):
        return self.llama_shapes(norms=("input_layernorm",))

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.config["num_hidden_layers"]):
            w = t.layer("model.layers.{}.", i)
            x = layer_norm(hidden, w("input_layernorm.weight"), None, 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = linear(attention(q, k, v, DIM ** -0.5), w("self_attn.o_proj.weight"))
            hidden = add(hidden, mixed, self.swiglu(w, x))
        return scale(self.head(t, layer_norm(hidden, t["model.norm.weight"], None, 1e-5)), 0.25)

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0, "logit_scale": 0.25}
        return self.metadata(**own), self.renamed(tensors)


class Cohere2(Cohere):
    """Layers with a window are rotated; every fourth sees everything and is not."""
    name = gguf = "cohere2"
    layers = 4
    changes = {**Cohere.changes, "sliding_window": 5, "sliding_window_pattern": 4}

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            is_local = (i + 1) % 4 != 0
            x = layer_norm(hidden, w("input_layernorm.weight"), None, 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            if is_local:
                q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = attention(q, k, v, DIM ** -0.5, 5 if is_local else None)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")), self.swiglu(w, x))
        return scale(self.head(t, layer_norm(hidden, t["model.norm.weight"], None, 1e-5)), 0.25)

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        return {**metadata, "cohere2.attention.sliding_window": 5}, renamed
