"""Families of 2024 and 2025 that put Llama's pieces together in other ways."""
import math

from family_base import DIM, FFN, HEADS, HIDDEN, KV, Family, f32
from family_math import (activate, add, attention, frequencies, gated, linear, norm_heads, rms_norm,
                         rotate, scale, silu, yarn)
from llama_families import Llama


def experts_of(rows, router, per_token):
    """[(expert, gate)] for every row: softmax over the scores of the experts it chooses."""
    chosen = []
    for scores in linear(rows, router):
        best = sorted(range(len(scores)), key=lambda e: -scores[e])[:per_token]
        weights = [math.exp(scores[e] - scores[best[0]]) for e in best]
        chosen.append([(e, w / sum(weights)) for e, w in zip(best, weights)])
    return chosen


class Olmo3(Family):
    """Norms after each part and of whole rows of queries and keys; three layers in four have a
    window, and these know nothing of yarn."""
    name, gguf = "olmo3", "olmo2"
    layers, window = 4, 5
    changes = {"rope_theta": 100.0, "sliding_window": 5, "max_position_embeddings": 64,
               "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 4.0,
                                "original_max_position_embeddings": 16}}
    NAMES = {**Family.NAMES, "post_attention_layernorm": "post_attention_norm",
             "post_feedforward_layernorm": "post_ffw_norm"}
    whole_rows = True

    def shapes(self):
        norms = ("post_attention_layernorm", "post_feedforward_layernorm")
        size = (HEADS * DIM, KV * DIM) if self.whole_rows else (DIM, DIM)
        return self.llama_shapes(norms=norms, query_key_norm=size)

    def windows(self):
        return [self.window if (i + 1) % 4 else None for i in range(self.layers)]

    def rope(self, is_local):
        return (frequencies(100.0, DIM), 1.0) if is_local else yarn(100.0, DIM, 4.0, 16, fast=4.0)

    def queries(self, w, x, name):
        """Queries or keys, normalized."""
        weight = w(f"self_attn.{name}_norm.weight")
        if not self.whole_rows:
            return norm_heads(self.project(w, x, name), lambda h: rms_norm(h, weight, 1e-5))
        rows = rms_norm(linear(x, w(f"self_attn.{name}_proj.weight")), weight, 1e-5)
        return [[row[i:i + DIM] for i in range(0, len(row), DIM)] for row in rows]

    def forward(self, t, tokens):
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i, window in enumerate(self.windows()):
            w = t.layer("model.layers.{}.", i)
            q, k = self.queries(w, hidden, "q"), self.queries(w, hidden, "k")
            if turned := self.rope(window is not None):
                q, k = rotate(q, *turned), rotate(k, *turned)
            mixed = attention(q, k, self.project(w, hidden, "v"), DIM ** -0.5, window)
            hidden = add(hidden, rms_norm(linear(mixed, w("self_attn.o_proj.weight")),
                                          w("post_attention_layernorm.weight"), 1e-5))
            hidden = add(hidden, rms_norm(self.swiglu(w, hidden),
                                          w("post_feedforward_layernorm.weight"), 1e-5))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], 1e-5))

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 100.0,
               "rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
               "rope.scaling.yarn_beta_fast": 4.0, "rope.scaling.original_context_length": 16,
               "attention.sliding_window": 5,
               "attention.sliding_window_pattern": [bool(w) for w in self.windows()]}
        return self.metadata(**own), self.renamed(tensors)


class ListedOlmo3(Olmo3):
    """Layers in another order, as layer_types lists them; the last two have no window."""
    exported = False
    gguf = None
    changes = {**Olmo3.changes, "layer_types": ["full_attention", "sliding_attention",
                                                "full_attention", "full_attention"]}

    def windows(self):
        return [None, self.window, None, None]


class Exaone4(Olmo3):
    """EXAONE 4.0 32B: norms of heads; layers that see everything are not rotated."""
    name = gguf = "exaone4"
    whole_rows = False
    changes = {"sliding_window": 5, "sliding_window_pattern": "LLLG"}

    def rope(self, is_local):
        return (frequencies(10000.0, DIM), 1.0) if is_local else None

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "attention.sliding_window": 5,
               "attention.sliding_window_pattern": [bool(w) for w in self.windows()]}
        return self.metadata(**own), self.renamed(tensors)


class SmallExaone4(Exaone4):
    """EXAONE 4.0 1.2B: no windows, and every layer is rotated."""
    layers = 2
    changes = {"sliding_window": None, "sliding_window_pattern": None,
               "layer_types": ["full_attention"] * 2, "tie_word_embeddings": True}

    def windows(self):
        return [None] * self.layers

    def rope(self, is_local):
        return frequencies(10000.0, DIM), 1.0

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0}
        return self.metadata(**own), self.renamed(tensors)


class Ernie45(Llama):
    """ERNIE 4.5: adjacent pairs, and biases everywhere or nowhere."""
    name = gguf = "ernie4_5"
    interleaved = ()
    biased = False
    changes = {"use_bias": False, "head_dim": 12, "tie_word_embeddings": True}

    def shapes(self):
        shapes = self.llama_shapes(bias=self.biased)
        for i in range(self.layers if self.biased else 0):
            p = f"model.layers.{i}."
            shapes[p + "self_attn.o_proj.bias"] = (HIDDEN,)
            for name, rows in (("gate", FFN), ("up", FFN), ("down", HIDDEN)):
                shapes[f"{p}mlp.{name}_proj.bias"] = (rows,)
        return shapes

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, 12)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True),
                              v, 12 ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight"),
                                        w("self_attn.o_proj.bias")))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), 1e-5)
            gate, up = (linear(x, w(f"mlp.{name}_proj.weight"), w(f"mlp.{name}_proj.bias"))
                        for name in ("gate", "up"))
            hidden = add(hidden, linear(gated(gate, up, silu), w("mlp.down_proj.weight"),
                                        w("mlp.down_proj.bias")))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], 1e-5))


class BiasedErnie45(Ernie45):
    gguf = None
    biased = True
    changes = {**Ernie45.changes, "use_bias": True}


class Helium(Ernie45):
    """Helium 1: adjacent pairs."""
    exported = False
    name, gguf = "helium", None
    changes = {"head_dim": 12}


class SeedOss(Llama):
    """Biases of queries, keys and values alone."""
    name = gguf = "seed_oss"
    interleaved = ()
    changes = {"attention_bias": True, "attention_out_bias": False, "mlp_bias": False,
               "head_dim": 8}
    NAMES = {**Family.NAMES, "post_attention_layernorm": "post_attention_norm"}

    def shapes(self):
        return {name: shape for name, shape in self.llama_shapes(bias=True).items()
                if ".o_proj.bias" not in name}


class Arcee(Llama):
    """Relu squared without a gate."""
    name = gguf = "arcee"
    changes = {"hidden_act": "relu2"}

    def shapes(self):
        return {name: shape for name, shape in self.llama_shapes().items()
                if ".gate_proj." not in name}

    def swiglu(self, w, x):
        x = activate(linear(x, w("mlp.up_proj.weight")), lambda y: max(y, 0) ** 2)
        return linear(x, w("mlp.down_proj.weight"))


class GraniteMoe(Family):
    """Granite's multipliers; gate and up of all experts are one tensor."""
    name, gguf = "granitemoe", "granitemoe"
    interleaved = ("q_proj", "k_proj")
    experts, per_token = 5, 2
    changes = {"embedding_multiplier": 3.0, "residual_multiplier": 0.4,
               "attention_multiplier": 0.25, "logits_scaling": 4.0, "tie_word_embeddings": True,
               "num_local_experts": 5, "num_experts_per_tok": 2}
    MOE = "block_sparse_moe."

    def shapes(self):
        shapes = {name: shape for name, shape in self.llama_shapes().items() if ".mlp." not in name}
        for i in range(self.layers):
            p = f"model.layers.{i}.{self.MOE}"
            shapes[p + "router.layer.weight"] = (self.experts, HIDDEN)
            shapes[p + "input_linear.weight"] = (self.experts, 2 * FFN, HIDDEN)
            shapes[p + "output_linear.weight"] = (self.experts, HIDDEN, FFN)
        return shapes

    def tensors(self, seed=1):
        """Of experts that say something: the base spreads a tensor of three dimensions thinly."""
        result = super().tensors(seed)
        for name, value in result.items():
            if "_linear." in name:
                result[name] = [[[f32(6 * x) for x in row] for row in e] for e in value]
        return result

    def mixture(self, w, rows):
        result = []
        into, out = w(self.MOE + "input_linear.weight"), w(self.MOE + "output_linear.weight")
        for x, chosen in zip(rows, experts_of(rows, w(self.MOE + "router.layer.weight"),
                                              self.per_token)):
            parts = []
            for expert, gate in chosen:
                fused, = linear([x], into[expert])
                fed = gated([fused[:FFN]], [fused[FFN:]], silu)
                parts.append(scale(linear(fed, out[expert]), gate))
            result += add(*parts)
        return result

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        hidden = scale([t["model.embed_tokens.weight"][token] for token in tokens], 3.0)
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, 0.25)
            hidden = add(hidden, scale(linear(mixed, w("self_attn.o_proj.weight")), 0.4))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), 1e-5)
            hidden = add(hidden, scale(self.mixture(w, x), 0.4))
        return scale(self.head(t, rms_norm(hidden, t["model.norm.weight"], 1e-5)), 1 / 4.0)

    def to_gguf(self, tensors):
        stored = {}
        for name, value in tensors.items():
            if name.endswith("input_linear.weight"):
                stored[name.replace("input_linear", "gate")] = [e[:FFN] for e in value]
                stored[name.replace("input_linear", "up")] = [e[FFN:] for e in value]
            else:
                stored[name] = value
        names = {**self.NAMES, **{self.MOE + a: b for a, b in (
            ("router.layer", "ffn_gate_inp"), ("gate", "ffn_gate_exps"), ("up", "ffn_up_exps"),
            ("output_linear", "ffn_down_exps"))}}
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "embedding_scale": 3.0, "residual_scale": 0.4, "attention.scale": 0.25,
               "logit_scale": 4.0, "expert_count": 5, "expert_used_count": 2}
        return self.metadata(**own), self.renamed(stored, names)


class MiniCpm(Family):
    """Embeddings, what parts add, and logits are scaled; by the layers and the width, too."""
    name = gguf = "minicpm"
    interleaved = ("q_proj", "k_proj")
    changes = {"scale_emb": 3.0, "scale_depth": 1.4, "dim_model_base": 8,
               "tie_word_embeddings": True}

    def forward(self, t, tokens):
        inverse, depth = frequencies(10000.0, DIM), 1.4 / math.sqrt(self.layers)
        hidden = scale([t["model.embed_tokens.weight"][token] for token in tokens], 3.0)
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            hidden = add(hidden, scale(linear(mixed, w("self_attn.o_proj.weight")), depth))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), 1e-5)
            hidden = add(hidden, scale(self.swiglu(w, x), depth))
        return self.head(t, scale(rms_norm(hidden, t["model.norm.weight"], 1e-5), 8 / HIDDEN))

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        return {**metadata, "minicpm.embedding_scale": 3.0,
                "minicpm.residual_scale": 1.4 / math.sqrt(self.layers),
                "minicpm.logit_scale": HIDDEN / 8}, renamed


class HunyuanDense(Family):
    """Queries and keys are normalized behind the rotation, whose theta alpha stretches."""
    name, gguf = "hunyuan_v1_dense", "hunyuan-dense"
    changes = {"rope_theta": 100.0, "use_qk_norm": True, "head_dim": DIM,
               "rope_scaling": {"type": "dynamic", "alpha": 50.0, "factor": 1.0}}
    NAMES = {**Family.NAMES, "self_attn.query_layernorm": "attn_q_norm",
             "self_attn.key_layernorm": "attn_k_norm"}

    def shapes(self):
        shapes = {}
        for name, shape in self.llama_shapes(query_key_norm=(DIM, DIM)).items():
            name = name.replace("q_norm", "query_layernorm").replace("k_norm", "key_layernorm")
            shapes[name] = shape
        return shapes

    def theta(self):
        return 100.0 * 50.0 ** (DIM / (DIM - 2))

    def forward(self, t, tokens):
        inverse = frequencies(self.theta(), DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q, k = (norm_heads(rotate(heads, inverse), lambda h: rms_norm(h, gains, 1e-5))
                    for heads, gains in ((q, w("self_attn.query_layernorm.weight")),
                                         (k, w("self_attn.key_layernorm.weight"))))
            mixed = attention(q, k, v, DIM ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), 1e-5)
            hidden = add(hidden, self.swiglu(w, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], 1e-5))

    def to_gguf(self, tensors):
        return self.metadata(**{"attention.layer_norm_rms_epsilon": 1e-5,
                                "rope.freq_base": self.theta()}), self.renamed(tensors)
