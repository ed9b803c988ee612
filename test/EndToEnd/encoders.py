"""Encoder families: tiny random checkpoints, and what they compute, in float64.

Written from the published definitions (the papers named below, and the modules of Hugging Face
transformers that released checkpoints are of), not from the importer; `to_gguf` renames tensors as
llama.cpp's convert_hf_to_gguf.py does.
"""
import math

from family_base import FFN, HEADS, HIDDEN, VOCAB, Family
from family_math import (activate, add, frequencies, gated, gelu, join_heads, layer_norm, linear,
                         rotate, split_heads)
from seq2seq import bucket

DIM = HIDDEN // HEADS


def attend(queries, keys, values, factor, reach=None, bias=None):
    """Attention of every token to all, or to those at most `reach` positions away; `bias` is added
    to scores, of a distance to a key and a head."""
    result = []
    for t, token in enumerate(queries):
        heads = []
        for h, q in enumerate(token):
            seen = [s for s in range(len(keys)) if reach is None or abs(s - t) <= reach]
            scores = [factor * sum(a * b for a, b in zip(q, keys[s][h])) +
                      (bias(s - t, h) if bias else 0) for s in seen]
            largest = max(scores)
            weights = [math.exp(s - largest) for s in scores]
            total = sum(weights)
            heads.append([sum(w / total * values[s][h][d] for w, s in zip(weights, seen))
                          for d in range(len(q))])
        result.append(heads)
    return join_heads(result)


def pooled(hidden, how="mean", scaled=True):
    """The vector of a text (Reimers and Gurevych 2019)."""
    columns = list(zip(*hidden))
    vector = {"mean": [sum(c) / len(c) for c in columns], "cls": list(hidden[0]),
              "last": list(hidden[-1]), "max": [max(c) for c in columns]}[how]
    length = math.sqrt(sum(x * x for x in vector)) if scaled else 1
    return [x / length for x in vector]


class Bert(Family):
    """Devlin et al. 2019: norms of the sums, learned positions, token types."""
    name = gguf = "bert"
    prefix = ""
    layers = 2
    offset = 0        # rows of the position table that no text uses
    types = 2
    epsilon = 1e-12

    def base(self):
        return {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "max_position_embeddings": self.context + self.offset,
                "type_vocab_size": self.types, "layer_norm_eps": self.epsilon, "hidden_act": "gelu"}

    def shapes(self):
        e, shapes = self.prefix + "embeddings.", {}
        shapes[e + "word_embeddings.weight"] = (VOCAB, HIDDEN)
        shapes[e + "position_embeddings.weight"] = (self.context + self.offset, HIDDEN)
        shapes[e + "token_type_embeddings.weight"] = (self.types, HIDDEN)
        shapes[e + "LayerNorm.weight"] = shapes[e + "LayerNorm.bias"] = (HIDDEN,)
        for i in range(self.layers):
            p = f"{self.prefix}encoder.layer.{i}."
            for part, rows, columns in (
                    ("attention.self.query", HIDDEN, HIDDEN), ("attention.self.key", HIDDEN, HIDDEN),
                    ("attention.self.value", HIDDEN, HIDDEN),
                    ("attention.output.dense", HIDDEN, HIDDEN), ("intermediate.dense", FFN, HIDDEN),
                    ("output.dense", HIDDEN, FFN)):
                shapes[f"{p}{part}.weight"], shapes[f"{p}{part}.bias"] = (rows, columns), (rows,)
            for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
                shapes[f"{p}{norm}.weight"] = shapes[f"{p}{norm}.bias"] = (HIDDEN,)
        return shapes

    def embeddings(self, t, tokens):
        e = self.prefix + "embeddings."
        rows = [t[e + "word_embeddings.weight"][token] for token in tokens]
        positions = t[e + "position_embeddings.weight"][self.offset:self.offset + len(tokens)]
        types = [t[e + "token_type_embeddings.weight"][0]] * len(tokens)
        return layer_norm(add(rows, positions, types), t[e + "LayerNorm.weight"],
                          t[e + "LayerNorm.bias"], self.epsilon)

    def forward(self, t, tokens):
        hidden = self.embeddings(t, tokens)
        for i in range(self.layers):
            w = t.layer(self.prefix + "encoder.layer.{}.", i)

            def dense(part, x):
                return linear(x, w(part + ".weight"), w(part + ".bias"))

            def norm(part, x):
                return layer_norm(x, w(part + ".weight"), w(part + ".bias"), self.epsilon)

            q, k, v = (split_heads(dense(f"attention.self.{part}", hidden), DIM)
                       for part in ("query", "key", "value"))
            mixed = dense("attention.output.dense", attend(q, k, v, DIM ** -0.5))
            hidden = norm("attention.output.LayerNorm", add(mixed, hidden))
            fed = activate(dense("intermediate.dense", hidden), gelu)
            hidden = norm("output.LayerNorm", add(dense("output.dense", fed), hidden))
        return hidden

    LAYER = "encoder.layer."
    NAMES = {"embeddings.word_embeddings": "token_embd", "embeddings.LayerNorm": "token_embd_norm",
             "embeddings.position_embeddings": "position_embd",
             "embeddings.token_type_embeddings": "token_types",
             "attention.self.query": "attn_q", "attention.self.key": "attn_k",
             "attention.self.value": "attn_v", "attention.output.dense": "attn_output",
             "attention.output.LayerNorm": "attn_output_norm", "intermediate.dense": "ffn_up",
             "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}

    def to_gguf(self, tensors):
        stored = {name[len(self.prefix):]: value[self.offset:] if "position_emb" in name else value
                  for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": self.epsilon, "attention.causal": False,
               "pooling_type": 1, "context_length": self.context, "embedding_length": HIDDEN,
               "feed_forward_length": FFN, "block_count": self.layers,
               "attention.head_count": HEADS, "attention.head_count_kv": HEADS}
        return self.metadata(**own), self.renamed(stored)


class OldBert(Bert):
    """The names of the first checkpoints: gamma and beta, and an encoder inside a model."""
    prefix = "bert."
    gguf = None

    def shapes(self):
        old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}

        def rename(name):
            for now, then in old.items():
                name = name.replace(now, then)
            return name

        return {rename(name): shape for name, shape in super().shapes().items()}

    def tensors(self, seed=1):
        result = super().tensors(seed)
        for name in result:
            if name.endswith(".gamma"):
                result[name] = [1 + gain for gain in result[name]]
        return result

    def forward(self, t, tokens):
        return super().forward(type(t)({name.replace(".gamma", ".weight").replace(".beta", ".bias"):
                                        value for name, value in t.items()}), tokens)


class Roberta(Bert):
    """Liu et al. 2019: BERT, whose positions begin behind the padding token."""
    name, prefix = "roberta", "roberta."
    offset, types, epsilon = 2, 1, 1e-5
    changes = {"pad_token_id": 1}


class XlmRoberta(Roberta):
    """Conneau et al. 2020: the same with another tokenizer."""
    name, prefix = "xlm-roberta", ""


class MPNet(Roberta):
    """Song et al. 2020: BERT without token types, with T5's biases by distance."""
    name, prefix, gguf = "mpnet", "mpnet.", None
    distance = 128  # which configurations do not say
    changes = {"pad_token_id": 1, "relative_attention_num_buckets": 8}
    PARTS = {"attention.self.query": "attention.attn.q", "attention.self.key": "attention.attn.k",
             "attention.self.value": "attention.attn.v", "attention.output.dense": "attention.attn.o",
             "attention.output.LayerNorm": "attention.LayerNorm"}

    def base(self):
        return {key: value for key, value in super().base().items() if key != "type_vocab_size"}

    def shapes(self):
        shapes = {}
        for name, shape in super().shapes().items():
            for old, own in self.PARTS.items():
                name = name.replace(old, own)
            shapes[name] = shape
        del shapes[self.prefix + "embeddings.token_type_embeddings.weight"]
        shapes[self.prefix + "encoder.relative_attention_bias.weight"] = (
            self.config["relative_attention_num_buckets"], HEADS)
        return shapes

    def forward(self, t, tokens):
        e = self.prefix + "embeddings."
        rows = [t[e + "word_embeddings.weight"][token] for token in tokens]
        positions = t[e + "position_embeddings.weight"][self.offset:self.offset + len(tokens)]
        hidden = layer_norm(add(rows, positions), t[e + "LayerNorm.weight"],
                            t[e + "LayerNorm.bias"], self.epsilon)
        table = t[self.prefix + "encoder.relative_attention_bias.weight"]

        def bias(distance, head):
            return table[bucket(distance, len(table), self.distance, True)][head]

        for i in range(self.layers):
            w = t.layer(self.prefix + "encoder.layer.{}.", i)

            def dense(part, x):
                return linear(x, w(part + ".weight"), w(part + ".bias"))

            def norm(part, x):
                return layer_norm(x, w(part + ".weight"), w(part + ".bias"), self.epsilon)

            q, k, v = (split_heads(dense("attention.attn." + part, hidden), DIM) for part in "qkv")
            mixed = dense("attention.attn.o", attend(q, k, v, DIM ** -0.5, bias=bias))
            hidden = norm("attention.LayerNorm", add(mixed, hidden))
            fed = activate(dense("intermediate.dense", hidden), gelu)
            hidden = norm("output.LayerNorm", add(dense("output.dense", fed), hidden))
        return hidden


class DistilBert(Family):
    """Sanh et al. 2019: BERT without token types."""
    name, gguf = "distilbert", "bert"
    prefix = "distilbert."
    layers = 2

    def base(self):
        return {"dim": HIDDEN, "hidden_dim": FFN, "n_layers": self.layers, "n_heads": HEADS,
                "max_position_embeddings": self.context, "activation": "gelu"}

    def shapes(self):
        e, shapes = self.prefix + "embeddings.", {}
        shapes[e + "word_embeddings.weight"] = (VOCAB, HIDDEN)
        shapes[e + "position_embeddings.weight"] = (self.context, HIDDEN)
        shapes[e + "LayerNorm.weight"] = shapes[e + "LayerNorm.bias"] = (HIDDEN,)
        for i in range(self.layers):
            p = f"{self.prefix}transformer.layer.{i}."
            for part, rows, columns in (
                    ("attention.q_lin", HIDDEN, HIDDEN), ("attention.k_lin", HIDDEN, HIDDEN),
                    ("attention.v_lin", HIDDEN, HIDDEN), ("attention.out_lin", HIDDEN, HIDDEN),
                    ("ffn.lin1", FFN, HIDDEN), ("ffn.lin2", HIDDEN, FFN)):
                shapes[f"{p}{part}.weight"], shapes[f"{p}{part}.bias"] = (rows, columns), (rows,)
            for norm in ("sa_layer_norm", "output_layer_norm"):
                shapes[f"{p}{norm}.weight"] = shapes[f"{p}{norm}.bias"] = (HIDDEN,)
        return shapes

    def forward(self, t, tokens):
        e = self.prefix + "embeddings."
        rows = [t[e + "word_embeddings.weight"][token] for token in tokens]
        hidden = layer_norm(add(rows, t[e + "position_embeddings.weight"][:len(tokens)]),
                            t[e + "LayerNorm.weight"], t[e + "LayerNorm.bias"], 1e-12)
        for i in range(self.layers):
            w = t.layer(self.prefix + "transformer.layer.{}.", i)

            def dense(part, x):
                return linear(x, w(part + ".weight"), w(part + ".bias"))

            def norm(part, x):
                return layer_norm(x, w(part + ".weight"), w(part + ".bias"), 1e-12)

            q, k, v = (split_heads(dense(f"attention.{part}_lin", hidden), DIM) for part in "qkv")
            mixed = dense("attention.out_lin", attend(q, k, v, DIM ** -0.5))
            hidden = norm("sa_layer_norm", add(mixed, hidden))
            fed = dense("ffn.lin2", activate(dense("ffn.lin1", hidden), gelu))
            hidden = norm("output_layer_norm", add(fed, hidden))
        return hidden

    LAYER = "transformer.layer."
    NAMES = {"embeddings.word_embeddings": "token_embd", "embeddings.LayerNorm": "token_embd_norm",
             "embeddings.position_embeddings": "position_embd",
             "attention.q_lin": "attn_q", "attention.k_lin": "attn_k", "attention.v_lin": "attn_v",
             "attention.out_lin": "attn_output", "sa_layer_norm": "attn_output_norm",
             "ffn.lin1": "ffn_up", "ffn.lin2": "ffn_down", "output_layer_norm": "layer_output_norm"}

    def to_gguf(self, tensors):
        stored = {name[len(self.prefix):]: value for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": 1e-12, "attention.causal": False,
               "embedding_length": HIDDEN, "feed_forward_length": FFN, "block_count": self.layers,
               "attention.head_count": HEADS, "attention.head_count_kv": HEADS}
        return self.metadata(**own), self.renamed(stored)


class ModernBert(Family):
    """Warner et al. 2024: pre-norm without biases, rotary embedding, gated GELU, and in two of three
    layers a window to both sides."""
    name, gguf = "modernbert", "modern-bert"
    prefix = "model."
    layers, every, width = 4, 3, 6
    global_theta, local_theta = 160000.0, 10000.0
    rope = {"global_rope_theta": global_theta, "local_rope_theta": local_theta}

    def base(self):
        return {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "max_position_embeddings": self.context,
                "norm_eps": 1e-5, "norm_bias": False, "attention_bias": False, "mlp_bias": False,
                "hidden_activation": "gelu", "global_attn_every_n_layers": self.every,
                "local_attention": self.width, **self.rope}

    def shapes(self):
        p = self.prefix
        shapes = {p + "embeddings.tok_embeddings.weight": (VOCAB, HIDDEN),
                  p + "embeddings.norm.weight": (HIDDEN,)}
        for i in range(self.layers):
            layer = f"{p}layers.{i}."
            if i > 0:
                shapes[layer + "attn_norm.weight"] = (HIDDEN,)
            shapes[layer + "attn.Wqkv.weight"] = (3 * HIDDEN, HIDDEN)
            shapes[layer + "attn.Wo.weight"] = (HIDDEN, HIDDEN)
            shapes[layer + "mlp_norm.weight"] = (HIDDEN,)
            shapes[layer + "mlp.Wi.weight"] = (2 * FFN, HIDDEN)
            shapes[layer + "mlp.Wo.weight"] = (HIDDEN, FFN)
        return {**shapes, p + "final_norm.weight": (HIDDEN,)}

    def forward(self, t, tokens):
        p = self.prefix
        rows = [t[p + "embeddings.tok_embeddings.weight"][token] for token in tokens]
        hidden = layer_norm(rows, t[p + "embeddings.norm.weight"], None, 1e-5)
        for i in range(self.layers):
            w = t.layer(p + "layers.{}.", i)
            x = layer_norm(hidden, w("attn_norm.weight"), None, 1e-5) if i > 0 else hidden
            fused = linear(x, w("attn.Wqkv.weight"))
            q, k, v = (split_heads([row[a:a + HIDDEN] for row in fused], DIM)
                       for a in (0, HIDDEN, 2 * HIDDEN))
            is_local = i % self.every != 0
            inverse = frequencies(self.local_theta if is_local else self.global_theta, DIM)
            mixed = attend(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5,
                           self.width // 2 if is_local else None)
            hidden = add(hidden, linear(mixed, w("attn.Wo.weight")))
            x = linear(layer_norm(hidden, w("mlp_norm.weight"), None, 1e-5), w("mlp.Wi.weight"))
            fed = gated([row[:FFN] for row in x], [row[FFN:] for row in x], gelu)
            hidden = add(hidden, linear(fed, w("mlp.Wo.weight")))
        return layer_norm(hidden, t[p + "final_norm.weight"], None, 1e-5)

    LAYER = "layers."
    NAMES = {"embeddings.tok_embeddings": "token_embd", "embeddings.norm": "token_embd_norm",
             "final_norm": "output_norm", "attn_norm": "attn_norm", "attn.Wqkv": "attn_qkv",
             "attn.Wo": "attn_output", "mlp_norm": "ffn_norm", "mlp.Wi": "ffn_up",
             "mlp.Wo": "ffn_down"}

    def to_gguf(self, tensors):
        stored = {name[len(self.prefix):]: value for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": 1e-5, "attention.causal": False,
               "attention.sliding_window": self.width,
               "attention.sliding_window_pattern": self.every, "rope.scaling.type": "none",
               "rope.freq_base": self.global_theta, "rope.freq_base_swa": self.local_theta}
        return self.metadata(**own), self.renamed(stored)


class NewModernBert(ModernBert):
    """The same as newer configurations say it, without a model around it."""
    prefix = ""
    gguf = None
    rope = {"rope_parameters": {
        "full_attention": {"rope_type": "default", "rope_theta": ModernBert.global_theta},
        "sliding_attention": {"rope_type": "default", "rope_theta": ModernBert.local_theta}}}
    changes = {"layer_types": ["full_attention", "sliding_attention", "sliding_attention",
                               "full_attention"]}


ENCODERS = (Bert, OldBert, Roberta, XlmRoberta, MPNet, DistilBert, ModernBert, NewModernBert)
