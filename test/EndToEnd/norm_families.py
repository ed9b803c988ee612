"""Families with layer norms of several kinds: of every head, without weights, with gains kept minus
one; and clipped projections."""
from alibi_families import Mpt, slopes_of
from family_base import VOCAB, HIDDEN, FFN, HEADS, KV, DIM, Family
from family_math import (activate, add, attention, frequencies, gelu, layer_norm, linear, rotate,
                         scale, split_heads)
from llama_families import Cohere


def norm_own_heads(heads, gains, epsilon=1e-5):
    """A layer norm of each head, with gains of its own and no bias."""
    return [[layer_norm([x], g, None, epsilon)[0] for x, g in zip(token, gains)]
            for token in heads]


def clip(heads, limit):
    return [[[max(-limit, min(x, limit)) for x in head] for head in token] for token in heads]


class CoherePlus(Cohere):
    """Command R+: gains of [heads, head_dim] (transformers' CohereLayerNorm)."""
    changes = {**Cohere.changes, "use_qk_norm": True}

    def shapes(self):
        shapes = super().shapes()
        for i in range(self.layers):
            p = f"model.layers.{i}.self_attn."
            shapes[p + "q_norm.weight"], shapes[p + "k_norm.weight"] = (HEADS, DIM), (KV, DIM)
        return shapes

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = layer_norm(hidden, w("input_layernorm.weight"), None, 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q = norm_own_heads(q, w("self_attn.q_norm.weight"))
            k = norm_own_heads(k, w("self_attn.k_norm.weight"))
            q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = linear(attention(q, k, v, DIM ** -0.5), w("self_attn.o_proj.weight"))
            hidden = add(hidden, mixed, self.swiglu(w, x))
        return scale(self.head(t, layer_norm(hidden, t["model.norm.weight"], None, 1e-5)), 0.25)


class Olmo(Family):
    """Norms without weights, and clipped queries, keys and values."""
    name = gguf = "olmo"
    interleaved = ("q_proj", "k_proj")
    limit = 0.7
    changes = {"clip_qkv": 0.7}

    def shapes(self):
        return {name: shape for name, shape in self.llama_shapes(norms=()).items()
                if name != "model.norm.weight"}

    def forward(self, t, tokens):
        inverse, ones = frequencies(10000.0, DIM), [1.0] * HIDDEN
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = layer_norm(hidden, ones, None, 1e-5)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            if self.limit:
                q, k, v = (clip(heads, self.limit) for heads in (q, k, v))
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            hidden = add(hidden, self.swiglu(w, layer_norm(hidden, ones, None, 1e-5)))
        return self.head(t, layer_norm(hidden, ones, None, 1e-5))

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0}
        if self.limit:
            own["attention.clamp_kqv"] = self.limit
        return self.metadata(**own), self.renamed(tensors)


class TiedOlmo(Olmo):
    """OLMo 1B: a tied head, and no clipping."""
    limit = None
    changes = {"clip_qkv": None, "tie_word_embeddings": True}


class ClippedMpt(Mpt):
    """MPT 30B clips nothing, MPT 7B what its projection gives."""
    limit = 0.8

    def base(self):
        base = super().base()
        base["attn_config"]["clip_qkv"] = self.limit
        return base

    def forward(self, t, tokens):
        size, dim = self.hidden, self.hidden // self.heads
        hidden = [t["transformer.wte.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("transformer.blocks.{}.", i)
            rows = linear(layer_norm(hidden, w("norm_1.weight"), None, 1e-5), w("attn.Wqkv.weight"))
            q, k, v = (clip(split_heads([row[a:a + size] for row in rows], dim), self.limit)
                       for a in (0, size, 2 * size))
            mixed = attention(q, k, v, dim ** -0.5, slopes=slopes_of(self.heads, self.largest))
            hidden = add(linear(mixed, w("attn.out_proj.weight")), hidden)
            x = layer_norm(hidden, w("norm_2.weight"), None, 1e-5)
            x = activate(linear(x, w("ffn.up_proj.weight")), gelu)
            hidden = add(linear(x, w("ffn.down_proj.weight")), hidden)
        hidden = layer_norm(hidden, t["transformer.norm_f.weight"], None, 1e-5)
        return linear(hidden, t["transformer.wte.weight"])

    def to_gguf(self, tensors):
        metadata, renamed = super().to_gguf(tensors)
        return {**metadata, "mpt.attention.clamp_kqv": self.limit}, renamed


class StableLm(Family):
    """Layer norms with bias, a quarter of each head rotated, biases of queries, keys and values."""
    name = gguf = "stablelm"
    parallel = head_norms = False
    changes = {"layer_norm_eps": 1e-5, "partial_rotary_factor": 0.5, "use_qkv_bias": True}
    NORMS = ("input_layernorm", "post_attention_layernorm")

    def shapes(self):
        shapes = self.llama_shapes(norms=self.NORMS)
        for i in range(self.layers):
            p = f"model.layers.{i}."
            for norm in self.NORMS:
                shapes[f"{p}{norm}.bias"] = (HIDDEN,)
            for name, heads in (("q", HEADS), ("k", KV), ("v", KV)):
                if self.config.get("use_qkv_bias"):
                    shapes[f"{p}self_attn.{name}_proj.bias"] = (heads * DIM,)
                for head in range(heads if self.head_norms and name != "v" else 0):
                    shapes[f"{p}self_attn.{name}_layernorm.norms.{head}.weight"] = (DIM,)
        return {**shapes, "model.norm.bias": (HIDDEN,)}

    def heads(self, w, x, name):
        heads = self.project(w, x, name)
        if not self.head_norms or name == "v":
            return heads
        gains = [w(f"self_attn.{name}_layernorm.norms.{h}.weight") for h in range(len(heads[0]))]
        return norm_own_heads(heads, gains)

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM // 2)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)

            def norm(name, state):
                return layer_norm(state, w(name + ".weight"), w(name + ".bias"), 1e-5)

            x = norm("input_layernorm", hidden)
            q, k, v = (self.heads(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            mixed = linear(mixed, w("self_attn.o_proj.weight"))
            if self.parallel:
                hidden = add(hidden, mixed, self.swiglu(w, x))
            else:
                hidden = add(hidden, mixed)
                hidden = add(hidden, self.swiglu(w, norm("post_attention_layernorm", hidden)))
        return self.head(t, layer_norm(hidden, t["model.norm.weight"], t["model.norm.bias"], 1e-5))

    def to_gguf(self, tensors):
        stored, gains = {}, {}
        for name, value in tensors.items():
            if ".norms." not in name:
                stored[name] = value
                continue
            stem = name.split(".norms.")[0]
            gains.setdefault(stem, []).append(value)
        renamed = self.renamed(stored)
        for stem, rows in gains.items():
            layer, part = stem[len("model.layers."):].split(".self_attn.")
            renamed[f"blk.{layer}.attn_{part[0]}_norm.weight"] = rows
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "rope.dimension_count": DIM // 2, "use_parallel_residual": self.parallel}
        return self.metadata(**own), renamed


class StableLm2(StableLm):
    """StableLM 2 12B: attention and feed-forward side by side, norms of every head."""
    parallel = head_norms = True
    changes = {**StableLm.changes, "use_qkv_bias": False, "use_parallel_residual": True,
               "qk_layernorm": True}
    NORMS = ("input_layernorm",)


class Nemotron(Family):
    """Gains kept minus one, relu squared, half of each head rotated."""
    name = gguf = "nemotron"
    norm_centre = 0.0
    changes = {"norm_eps": 1e-5, "partial_rotary_factor": 0.5, "hidden_act": "relu2"}
    NORMS = ("input_layernorm", "post_attention_layernorm")

    def shapes(self):
        shapes = {name: shape for name, shape in self.llama_shapes(norms=self.NORMS).items()
                  if ".gate_proj." not in name}
        for i in range(self.layers):
            for norm in self.NORMS:
                shapes[f"model.layers.{i}.{norm}.bias"] = (HIDDEN,)
        return {**shapes, "model.norm.bias": (HIDDEN,)}

    def norm(self, rows, weight, bias):
        return layer_norm(rows, [1 + x for x in weight], bias, 1e-5)

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM // 2)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = self.norm(hidden, w("input_layernorm.weight"), w("input_layernorm.bias"))
            q, k, v = (self.project(w, x, name) for name in "qkv")
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            hidden = add(hidden, linear(mixed, w("self_attn.o_proj.weight")))
            x = self.norm(hidden, w("post_attention_layernorm.weight"),
                          w("post_attention_layernorm.bias"))
            x = activate(linear(x, w("mlp.up_proj.weight")), lambda y: max(y, 0) ** 2)
            hidden = add(hidden, linear(x, w("mlp.down_proj.weight")))
        return self.head(t, self.norm(hidden, t["model.norm.weight"], t["model.norm.bias"]))

    def to_gguf(self, tensors):
        stored = {name: [x + 1 for x in value] if name.endswith("norm.weight") else value
                  for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "rope.dimension_count": DIM // 2}
        return self.metadata(**own), self.renamed(stored)


class Opt(Family):
    """Learned positions behind two rows of padding; relu."""
    exported = False
    name, gguf = "opt", None
    prefix = "model.decoder."

    def base(self):
        return {"hidden_size": HIDDEN, "ffn_dim": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "max_position_embeddings": self.context,
                "word_embed_proj_dim": HIDDEN, "do_layer_norm_before": True,
                "activation_function": "relu", "tie_word_embeddings": True}

    def shapes(self):
        p = self.prefix
        shapes = {p + "embed_tokens.weight": (VOCAB, HIDDEN),
                  p + "embed_positions.weight": (self.context + 2, HIDDEN)}
        for i in range(self.layers):
            h = f"{p}layers.{i}."
            for name, rows, columns in (
                    *((f"self_attn.{x}", HIDDEN, HIDDEN)
                      for x in ("q_proj", "k_proj", "v_proj", "out_proj")),
                    ("fc1", FFN, HIDDEN), ("fc2", HIDDEN, FFN)):
                shapes[f"{h}{name}.weight"], shapes[f"{h}{name}.bias"] = (rows, columns), (rows,)
            for name in ("self_attn_layer_norm", "final_layer_norm"):
                shapes[f"{h}{name}.weight"] = shapes[f"{h}{name}.bias"] = (HIDDEN,)
        for suffix in ("weight", "bias"):
            shapes[f"{p}final_layer_norm.{suffix}"] = (HIDDEN,)
        return shapes

    def forward(self, t, tokens):
        p = self.prefix

        def norm(w, name, x):
            return layer_norm(x, w(name + ".weight"), w(name + ".bias"), 1e-5)

        def dense(w, name, x):
            return linear(x, w(name + ".weight"), w(name + ".bias"))

        hidden = add([t[p + "embed_tokens.weight"][token] for token in tokens],
                     t[p + "embed_positions.weight"][2:len(tokens) + 2])
        for i in range(self.layers):
            w = t.layer(p + "layers.{}.", i)
            x = norm(w, "self_attn_layer_norm", hidden)
            q, k, v = (split_heads(dense(w, f"self_attn.{name}_proj", x), DIM) for name in "qkv")
            mixed = attention(q, k, v, DIM ** -0.5)
            hidden = add(hidden, dense(w, "self_attn.out_proj", mixed))
            x = activate(dense(w, "fc1", norm(w, "final_layer_norm", hidden)), lambda y: max(y, 0))
            hidden = add(hidden, dense(w, "fc2", x))
        return linear(norm(t.layer(p, 0), "final_layer_norm", hidden), t[p + "embed_tokens.weight"])


class OldOpt(Opt):
    """As the first checkpoints name tensors."""
    prefix = "decoder."
