"""Families without positions but for slopes of scores (ALiBi: Press et al. 2022, section 3)."""
import math

from family_base import VOCAB, Family
from family_math import (activate, add, attention, gelu, gelu_tanh, layer_norm, linear, split_heads)
from gpt_families import part_heads


def slopes_of(heads, largest=8):
    """The geometric sequence of the paper; other heads' slopes are those of twice as many."""
    def powers(count):
        return [2 ** (-largest * (i + 1) / count) for i in range(count)]

    if math.log2(heads).is_integer():
        return powers(heads)
    whole = 2 ** math.floor(math.log2(heads))
    return powers(whole) + powers(2 * whole)[0::2][:heads - whole]


class Bloom(Family):
    """A norm of the embeddings; query, key and value of each head together."""
    name = gguf = "bloom"
    prefix = "transformer."
    hidden, heads = 32, 4
    names = {"size": "hidden_size", "heads": "n_head", "layers": "n_layer"}
    NAMES = {"word_embeddings": "token_embd", "word_embeddings_layernorm": "token_embd_norm",
             "ln_f": "output_norm", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "self_attention.query_key_value": "attn_qkv",
             "self_attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up",
             "mlp.dense_4h_to_h": "ffn_down"}

    def base(self):
        return {self.names["size"]: self.hidden, self.names["layers"]: self.layers,
                self.names["heads"]: self.heads, "seq_length": self.context,
                "layer_norm_epsilon": 1e-5, "apply_residual_connection_post_layernorm": False}

    def shapes(self):
        p, size = self.prefix, self.hidden
        shapes = {p + "word_embeddings.weight": (VOCAB, size)}

        def norm(name):
            shapes[name + ".weight"] = shapes[name + ".bias"] = (size,)

        def dense(name, rows, columns):
            shapes[name + ".weight"], shapes[name + ".bias"] = (rows, columns), (rows,)

        norm(p + "word_embeddings_layernorm")
        for i in range(self.layers):
            h = f"{p}h.{i}."
            norm(h + "input_layernorm")
            dense(h + "self_attention.query_key_value", 3 * size, size)
            dense(h + "self_attention.dense", size, size)
            norm(h + "post_attention_layernorm")
            dense(h + "mlp.dense_h_to_4h", 4 * size, size)
            dense(h + "mlp.dense_4h_to_h", size, 4 * size)
        norm(p + "ln_f")
        return shapes

    def forward(self, t, tokens):
        p, dim = self.prefix, self.hidden // self.heads

        def norm(w, name, x):
            return layer_norm(x, w(name + ".weight"), w(name + ".bias"), 1e-5)

        def dense(w, name, x):
            return linear(x, w(name + ".weight"), w(name + ".bias"))

        top = t.layer(p, 0)
        hidden = [t[p + "word_embeddings.weight"][token] for token in tokens]
        hidden = norm(top, "word_embeddings_layernorm", hidden)
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            fused = split_heads(dense(w, "self_attention.query_key_value",
                                      norm(w, "input_layernorm", hidden)), 3 * dim)
            q, k, v = ([[head[a:a + dim] for head in token] for token in fused]
                       for a in (0, dim, 2 * dim))
            mixed = attention(q, k, v, dim ** -0.5, slopes=slopes_of(self.heads))
            hidden = add(dense(w, "self_attention.dense", mixed), hidden)
            x = norm(w, "post_attention_layernorm", hidden)
            x = activate(dense(w, "mlp.dense_h_to_4h", x), gelu_tanh)
            hidden = add(dense(w, "mlp.dense_4h_to_h", x), hidden)
        return linear(norm(top, "ln_f", hidden), t[p + "word_embeddings.weight"])

    def rename(self, name, names):
        name = name.removeprefix(self.prefix)
        if not name.startswith("h."):
            stem, suffix = name.rsplit(".", 1)
            return f"{names[stem]}.{suffix}"
        _, index, rest = name.split(".", 2)
        part, suffix = rest.rsplit(".", 1)
        return f"blk.{index}.{names[part]}.{suffix}"

    def to_gguf(self, tensors):
        stored = {name: part_heads(value, self.heads, 1) if "query_key_value" in name else value
                  for name, value in tensors.items()}
        own = {"block_count": self.layers, "context_length": self.context,
               "embedding_length": self.hidden, "feed_forward_length": 4 * self.hidden,
               "attention.head_count": self.heads, "attention.head_count_kv": self.heads,
               "attention.layer_norm_epsilon": 1e-5}
        return self.metadata(**own), self.renamed(stored)


class SixHeadBloom(Bloom):
    """Heads that are no power of two; names and keys of the first checkpoints."""
    prefix = ""
    hidden, heads = 48, 6
    names = {"size": "n_embed", "heads": "num_attention_heads", "layers": "n_layer"}


class Mpt(Family):
    """No biases anywhere; queries, keys and values one after another; another largest slope."""
    name = gguf = "mpt"
    hidden, heads, largest = 32, 4, 6
    NAMES = {"wte": "token_embd", "norm_f": "output_norm", "norm_1": "attn_norm",
             "norm_2": "ffn_norm", "attn.Wqkv": "attn_qkv", "attn.out_proj": "attn_output",
             "ffn.up_proj": "ffn_up", "ffn.down_proj": "ffn_down"}

    def base(self):
        return {"d_model": self.hidden, "n_layers": self.layers, "n_heads": self.heads,
                "max_seq_len": self.context, "expansion_ratio": 4, "no_bias": True,
                "attn_config": {"alibi": True, "alibi_bias_max": self.largest, "clip_qkv": None,
                                "qk_ln": False, "softmax_scale": None,
                                "attn_type": "multihead_attention"}}

    def shapes(self):
        size = self.hidden
        shapes = {"transformer.wte.weight": (VOCAB, size)}
        for i in range(self.layers):
            p = f"transformer.blocks.{i}."
            shapes[p + "norm_1.weight"] = shapes[p + "norm_2.weight"] = (size,)
            shapes[p + "attn.Wqkv.weight"] = (3 * size, size)
            shapes[p + "attn.out_proj.weight"] = (size, size)
            shapes[p + "ffn.up_proj.weight"] = (4 * size, size)
            shapes[p + "ffn.down_proj.weight"] = (size, 4 * size)
        return {**shapes, "transformer.norm_f.weight": (size,)}

    def forward(self, t, tokens):
        size, dim = self.hidden, self.hidden // self.heads
        hidden = [t["transformer.wte.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("transformer.blocks.{}.", i)
            rows = linear(layer_norm(hidden, w("norm_1.weight"), None, 1e-5), w("attn.Wqkv.weight"))
            q, k, v = (split_heads([row[a:a + size] for row in rows], dim)
                       for a in (0, size, 2 * size))
            mixed = attention(q, k, v, dim ** -0.5, slopes=slopes_of(self.heads, self.largest))
            hidden = add(linear(mixed, w("attn.out_proj.weight")), hidden)
            x = layer_norm(hidden, w("norm_2.weight"), None, 1e-5)
            x = activate(linear(x, w("ffn.up_proj.weight")), gelu)
            hidden = add(linear(x, w("ffn.down_proj.weight")), hidden)
        hidden = layer_norm(hidden, t["transformer.norm_f.weight"], None, 1e-5)
        return linear(hidden, t["transformer.wte.weight"])

    def rename(self, name, names):
        stem, suffix = name.removeprefix("transformer.").rsplit(".", 1)
        if stem in names:
            return f"{names[stem]}.{suffix}"
        _, index, part = stem.split(".", 2)
        return f"blk.{index}.{names[part]}.{suffix}"

    def to_gguf(self, tensors):
        own = {"block_count": self.layers, "context_length": self.context,
               "embedding_length": self.hidden, "feed_forward_length": 4 * self.hidden,
               "attention.head_count": self.heads, "attention.layer_norm_epsilon": 1e-5,
               "attention.max_alibi_bias": float(self.largest)}
        metadata = {k: v for k, v in self.metadata(**own).items() if v is not None}
        return metadata, self.renamed(tensors)


class FalconRW(Family):
    """Falcon-RW: blocks one after another, biases, and the sum with the slopes is scaled."""
    exported = False
    name, gguf = "falcon", None
    hidden, heads = 32, 4

    def base(self):
        return {"hidden_size": self.hidden, "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads, "layer_norm_epsilon": 1e-5, "alibi": True,
                "bias": True, "multi_query": False, "parallel_attn": False,
                "new_decoder_architecture": False, "max_position_embeddings": self.context}

    def shapes(self):
        bloom = Bloom.shapes(Bloom())
        return {name: shape for name, shape in bloom.items()
                if "word_embeddings_layernorm" not in name}

    def forward(self, t, tokens):
        p, dim = "transformer.", self.hidden // self.heads

        def norm(w, name, x):
            return layer_norm(x, w(name + ".weight"), w(name + ".bias"), 1e-5)

        def dense(w, name, x):
            return linear(x, w(name + ".weight"), w(name + ".bias"))

        hidden = [t[p + "word_embeddings.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            fused = split_heads(dense(w, "self_attention.query_key_value",
                                      norm(w, "input_layernorm", hidden)), 3 * dim)
            q, k, v = ([[head[a:a + dim] for head in token] for token in fused]
                       for a in (0, dim, 2 * dim))
            scaled = [slope * dim ** -0.5 for slope in slopes_of(self.heads)]
            mixed = attention(q, k, v, dim ** -0.5, slopes=scaled)
            hidden = add(dense(w, "self_attention.dense", mixed), hidden)
            x = norm(w, "post_attention_layernorm", hidden)
            x = activate(dense(w, "mlp.dense_h_to_4h", x), gelu)
            hidden = add(dense(w, "mlp.dense_4h_to_h", x), hidden)
        return linear(norm(t.layer(p, 0), "ln_f", hidden), t[p + "word_embeddings.weight"])
