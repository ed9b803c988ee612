"""GPT-2 and what came after it: fused projections, layer norms, feed-forwards without gate."""
from family_base import VOCAB, HIDDEN, FFN, HEADS, DIM, Family
from family_math import (activate, add, attention, conv1d, frequencies, gelu, gelu_tanh, layer_norm,
                         linear, rotate, split_heads)


class Gpt2(Family):
    """Learned positions; matrices are stored transposed, and without a prefix."""
    name = gguf = "gpt2"
    prefix = ""
    LAYER = "h."
    NAMES = {"wte": "token_embd", "wpe": "position_embd", "ln_f": "output_norm",
             "ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv",
             "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}

    def base(self):
        return {"n_embd": HIDDEN, "n_layer": self.layers, "n_head": HEADS,
                "n_positions": self.context, "n_inner": None, "layer_norm_epsilon": 1e-5,
                "activation_function": "gelu_new"}

    def shapes(self):
        p = self.prefix
        shapes = {p + "wte.weight": (VOCAB, HIDDEN), p + "wpe.weight": (self.context, HIDDEN)}
        for i in range(self.layers):
            for name, rows, columns in (("attn.c_attn", HIDDEN, 3 * HIDDEN),
                                        ("attn.c_proj", HIDDEN, HIDDEN),
                                        ("mlp.c_fc", HIDDEN, 4 * HIDDEN),
                                        ("mlp.c_proj", 4 * HIDDEN, HIDDEN)):
                shapes[f"{p}h.{i}.{name}.weight"] = (rows, columns)
                shapes[f"{p}h.{i}.{name}.bias"] = (columns,)
            for name in ("ln_1", "ln_2"):
                shapes[f"{p}h.{i}.{name}.weight"] = shapes[f"{p}h.{i}.{name}.bias"] = (HIDDEN,)
        shapes[p + "ln_f.weight"] = shapes[p + "ln_f.bias"] = (HIDDEN,)
        return shapes

    def forward(self, t, tokens):
        p = self.prefix
        hidden = add([t[p + "wte.weight"][token] for token in tokens],
                     t[p + "wpe.weight"][:len(tokens)])
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            x = layer_norm(hidden, w("ln_1.weight"), w("ln_1.bias"), 1e-5)
            rows = conv1d(x, w("attn.c_attn.weight"), w("attn.c_attn.bias"))
            q, k, v = (split_heads([row[a:a + HIDDEN] for row in rows], DIM)
                       for a in (0, HIDDEN, 2 * HIDDEN))
            mixed = attention(q, k, v, DIM ** -0.5)
            hidden = add(hidden, conv1d(mixed, w("attn.c_proj.weight"), w("attn.c_proj.bias")))
            x = layer_norm(hidden, w("ln_2.weight"), w("ln_2.bias"), 1e-5)
            x = activate(conv1d(x, w("mlp.c_fc.weight"), w("mlp.c_fc.bias")), gelu_tanh)
            hidden = add(hidden, conv1d(x, w("mlp.c_proj.weight"), w("mlp.c_proj.bias")))
        return linear(layer_norm(hidden, t[p + "ln_f.weight"], t[p + "ln_f.bias"], 1e-5),
                      t[p + "wte.weight"])

    def to_gguf(self, tensors):
        stored = {}
        for name, value in tensors.items():
            if ".c_" in name and name.endswith("weight"):
                value = [list(column) for column in zip(*value)]
            stored[name] = value
        own = {"block_count": self.layers, "context_length": self.context,
               "embedding_length": HIDDEN, "feed_forward_length": 4 * HIDDEN,
               "attention.head_count": HEADS, "attention.layer_norm_epsilon": 1e-5}
        renamed = self.renamed(stored)
        own.pop("attention.head_count_kv", None)
        metadata = {k: v for k, v in self.metadata(**own).items() if v is not None}
        return metadata, renamed


class PrefixedGpt2(Gpt2):
    """As newer checkpoints name tensors."""
    gguf = None
    prefix = "transformer."


class GptJ(Gpt2):
    """Adjacent pairs of a part of each head; one norm for both parts; no attention biases."""
    exported = False
    name, gguf = "gptj", None
    prefix = "transformer."

    def base(self):
        return {**super().base(), "rotary_dim": 4, "tie_word_embeddings": False}

    def shapes(self):
        p = self.prefix
        shapes = {p + "wte.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            h = f"{p}h.{i}."
            for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                shapes[f"{h}attn.{name}.weight"] = (HIDDEN, HIDDEN)
            shapes[h + "mlp.fc_in.weight"] = (4 * HIDDEN, HIDDEN)
            shapes[h + "mlp.fc_in.bias"] = (4 * HIDDEN,)
            shapes[h + "mlp.fc_out.weight"] = (HIDDEN, 4 * HIDDEN)
            shapes[h + "mlp.fc_out.bias"] = (HIDDEN,)
            shapes[h + "ln_1.weight"] = shapes[h + "ln_1.bias"] = (HIDDEN,)
        shapes[p + "ln_f.weight"] = shapes[p + "ln_f.bias"] = (HIDDEN,)
        return {**shapes, "lm_head.weight": (VOCAB, HIDDEN), "lm_head.bias": (VOCAB,)}

    def forward(self, t, tokens):
        p = self.prefix
        inverse = frequencies(10000.0, 4)
        hidden = [t[p + "wte.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            x = layer_norm(hidden, w("ln_1.weight"), w("ln_1.bias"), 1e-5)
            q, k, v = (split_heads(linear(x, w(f"attn.{name}_proj.weight")), DIM)
                       for name in "qkv")
            q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = linear(attention(q, k, v, DIM ** -0.5), w("attn.out_proj.weight"))
            fed = activate(linear(x, w("mlp.fc_in.weight"), w("mlp.fc_in.bias")), gelu_tanh)
            hidden = add(mixed, linear(fed, w("mlp.fc_out.weight"), w("mlp.fc_out.bias")), hidden)
        hidden = layer_norm(hidden, t[p + "ln_f.weight"], t[p + "ln_f.bias"], 1e-5)
        return linear(hidden, t["lm_head.weight"], t["lm_head.bias"])


class CodeGen(GptJ):
    """GPT-J with fused projections: for each of four groups of heads its queries, values, keys."""
    exported = False
    name = "codegen"
    changes = {"n_head": 8}
    heads, groups = 8, 4

    def shapes(self):
        shapes = {}
        for name, shape in super().shapes().items():
            if ".q_proj." in name:
                shapes[name.replace("q_proj", "qkv_proj")] = (3 * HIDDEN, HIDDEN)
            elif ".k_proj." not in name and ".v_proj." not in name:
                shapes[name] = shape
        return shapes

    def forward(self, t, tokens):
        p, dim, size = self.prefix, HIDDEN // self.heads, HIDDEN // self.groups
        inverse = frequencies(10000.0, 4)
        hidden = [t[p + "wte.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            x = layer_norm(hidden, w("ln_1.weight"), w("ln_1.bias"), 1e-5)
            parts = ([], [], [])
            for row in linear(x, w("attn.qkv_proj.weight")):
                for place, part in enumerate(parts):
                    part.append([value for g in range(self.groups)
                                 for value in row[(3 * g + place) * size:
                                                  (3 * g + place + 1) * size]])
            q, v, k = (split_heads(part, dim) for part in parts)
            q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = linear(attention(q, k, v, dim ** -0.5), w("attn.out_proj.weight"))
            fed = activate(linear(x, w("mlp.fc_in.weight"), w("mlp.fc_in.bias")), gelu_tanh)
            hidden = add(mixed, linear(fed, w("mlp.fc_out.weight"), w("mlp.fc_out.bias")), hidden)
        hidden = layer_norm(hidden, t[p + "ln_f.weight"], t[p + "ln_f.bias"], 1e-5)
        return linear(hidden, t["lm_head.weight"], t["lm_head.bias"])


class GptNeoX(Family):
    """Pythia: query, key and value of each head together; two norms of the same hidden state."""
    name, gguf = "gpt_neox", "gptneox"
    LAYER = "gpt_neox.layers."
    parallel = True
    NAMES = {"gpt_neox.embed_in": "token_embd", "gpt_neox.final_layer_norm": "output_norm",
             "embed_out": "output", "input_layernorm": "attn_norm",
             "post_attention_layernorm": "ffn_norm", "attention.query_key_value": "attn_qkv",
             "attention.dense": "attn_output", "mlp.dense_h_to_4h": "ffn_up",
             "mlp.dense_4h_to_h": "ffn_down"}

    def base(self):
        return {"hidden_size": HIDDEN, "intermediate_size": FFN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "max_position_embeddings": self.context,
                "layer_norm_eps": 1e-5, "rotary_emb_base": 10000, "rotary_pct": 0.25,
                "hidden_act": "gelu", "tie_word_embeddings": False,
                "use_parallel_residual": self.parallel}

    def shapes(self):
        shapes = {"gpt_neox.embed_in.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"{self.LAYER}{i}."
            for name in ("input_layernorm", "post_attention_layernorm"):
                shapes[f"{p}{name}.weight"] = shapes[f"{p}{name}.bias"] = (HIDDEN,)
            for name, rows, columns in (("attention.query_key_value", 3 * HIDDEN, HIDDEN),
                                        ("attention.dense", HIDDEN, HIDDEN),
                                        ("mlp.dense_h_to_4h", FFN, HIDDEN),
                                        ("mlp.dense_4h_to_h", HIDDEN, FFN)):
                shapes[f"{p}{name}.weight"], shapes[f"{p}{name}.bias"] = (rows, columns), (rows,)
        return {**shapes, "gpt_neox.final_layer_norm.weight": (HIDDEN,),
                "gpt_neox.final_layer_norm.bias": (HIDDEN,), "embed_out.weight": (VOCAB, HIDDEN)}

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM // 4)
        hidden = [t["gpt_neox.embed_in.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer(self.LAYER + "{}.", i)

            def norm(name, state):
                return layer_norm(state, w(name + ".weight"), w(name + ".bias"), 1e-5)

            def dense(name, state):
                return linear(state, w(name + ".weight"), w(name + ".bias"))

            heads = split_heads(dense("attention.query_key_value",
                                      norm("input_layernorm", hidden)), 3 * DIM)
            q, k, v = ([[head[a:a + DIM] for head in token] for token in heads]
                       for a in (0, DIM, 2 * DIM))
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            mixed = dense("attention.dense", mixed)

            def feed(state):
                x = dense("mlp.dense_h_to_4h", norm("post_attention_layernorm", state))
                return dense("mlp.dense_4h_to_h", activate(x, gelu))

            if self.parallel:
                hidden = add(feed(hidden), mixed, hidden)
            else:
                mixed = add(mixed, hidden)
                hidden = add(feed(mixed), mixed)
        hidden = layer_norm(hidden, t["gpt_neox.final_layer_norm.weight"],
                            t["gpt_neox.final_layer_norm.bias"], 1e-5)
        return linear(hidden, t["embed_out.weight"])

    def to_gguf(self, tensors):
        stored = {name: part_heads(value, HEADS, 1) if "query_key_value" in name else value
                  for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": 1e-5, "rope.dimension_count": DIM // 4,
               "use_parallel_residual": self.parallel}
        return self.metadata(**own), self.renamed(stored)


def part_heads(rows, groups, queries):
    """Rows of groups of queries, key and value become all queries, all keys, all values."""
    size = len(rows) // (groups * (queries + 2))
    blocks = [rows[i:i + size] for i in range(0, len(rows), size)]
    parts = [[], [], []]
    for i, block in enumerate(blocks):
        place = i % (queries + 2)
        parts[0 if place < queries else place - queries + 1] += block
    return parts[0] + parts[1] + parts[2]


class SequentialGptNeoX(GptNeoX):
    parallel = False


class Falcon(Family):
    """Falcon-7B: one key/value head, one norm for both parts."""
    name = gguf = "falcon"
    LAYER = "transformer.h."
    groups, norms = 1, ("input_layernorm",)
    changes = {"multi_query": True, "new_decoder_architecture": False}
    NAMES = {"transformer.word_embeddings": "token_embd", "transformer.ln_f": "output_norm",
             "input_layernorm": "attn_norm", "ln_attn": "attn_norm_2", "ln_mlp": "attn_norm",
             "self_attention.query_key_value": "attn_qkv", "self_attention.dense": "attn_output",
             "mlp.dense_h_to_4h": "ffn_up", "mlp.dense_4h_to_h": "ffn_down"}

    def base(self):
        return {"hidden_size": HIDDEN, "num_hidden_layers": self.layers,
                "num_attention_heads": HEADS, "max_position_embeddings": self.context,
                "layer_norm_epsilon": 1e-5, "parallel_attn": True, "alibi": False, "bias": False}

    def shapes(self):
        shapes = {"transformer.word_embeddings.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"{self.LAYER}{i}."
            for name in self.norms:
                shapes[f"{p}{name}.weight"] = shapes[f"{p}{name}.bias"] = (HIDDEN,)
            shapes[p + "self_attention.query_key_value.weight"] = (
                (HEADS + 2 * self.groups) * DIM, HIDDEN)
            shapes[p + "self_attention.dense.weight"] = (HIDDEN, HIDDEN)
            shapes[p + "mlp.dense_h_to_4h.weight"] = (4 * HIDDEN, HIDDEN)
            shapes[p + "mlp.dense_4h_to_h.weight"] = (HIDDEN, 4 * HIDDEN)
        shapes["transformer.ln_f.weight"] = shapes["transformer.ln_f.bias"] = (HIDDEN,)
        return shapes

    def forward(self, t, tokens):
        inverse = frequencies(10000.0, DIM)
        shared = HEADS // self.groups
        hidden = [t["transformer.word_embeddings.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer(self.LAYER + "{}.", i)
            inputs = [layer_norm(hidden, w(name + ".weight"), w(name + ".bias"), 1e-5)
                      for name in self.norms]
            fused = split_heads(linear(inputs[0], w("self_attention.query_key_value.weight")),
                                (shared + 2) * DIM)
            q, k, v = [], [], []
            for token in fused:
                parts = [split_heads([group], DIM)[0] for group in token]
                q.append([head for part in parts for head in part[:shared]])
                k.append([part[shared] for part in parts])
                v.append([part[shared + 1] for part in parts])
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            mixed = linear(mixed, w("self_attention.dense.weight"))
            fed = activate(linear(inputs[-1], w("mlp.dense_h_to_4h.weight")), gelu)
            hidden = add(linear(fed, w("mlp.dense_4h_to_h.weight")), mixed, hidden)
        hidden = layer_norm(hidden, t["transformer.ln_f.weight"], t["transformer.ln_f.bias"], 1e-5)
        return linear(hidden, t["transformer.word_embeddings.weight"])

    def to_gguf(self, tensors):
        stored = {name: part_heads(value, self.groups, HEADS // self.groups)
                  if "query_key_value" in name else value for name, value in tensors.items()}
        own = {"attention.layer_norm_epsilon": 1e-5, "feed_forward_length": 4 * HIDDEN,
               "attention.head_count_kv": self.groups}
        return self.metadata(**own), self.renamed(stored)


class LargeFalcon(Falcon):
    """Falcon-40B: groups of heads, a norm for each part."""
    groups, norms = 2, ("ln_attn", "ln_mlp")
    changes = {"new_decoder_architecture": True, "num_kv_heads": 2}
