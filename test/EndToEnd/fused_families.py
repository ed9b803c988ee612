"""Families with blocks like Llama's or GPT-2's whose projections are fused or have other names."""
from family_base import VOCAB, HIDDEN, FFN, HEADS, KV, DIM, Family, permute
from family_math import (activate, add, attention, frequencies, gated, gelu_tanh, layer_norm, linear,
                         rms_norm, rotate, silu, split_heads)
from gpt_families import part_heads
from llama_families import Llama3


class Glm(Family):
    """GLM-4-9B: adjacent pairs of half of each head, biases of queries, keys and values."""
    exported = False
    name, gguf = "glm", None
    post_norms = False
    changes = {"head_dim": DIM, "partial_rotary_factor": 0.5, "attention_bias": True,
               "rms_norm_eps": 1e-5}
    NORMS = ("input_layernorm", "post_attention_layernorm")

    def shapes(self):
        shapes = self.llama_shapes(norms=self.NORMS)
        result = {}
        for name, shape in shapes.items():
            if ".gate_proj." in name:
                result[name.replace("gate_proj", "gate_up_proj")] = (2 * FFN, HIDDEN)
            elif ".up_proj." not in name:
                result[name] = shape
            if any(f".{x}_proj.weight" in name for x in "qkv"):
                result[name.replace("weight", "bias")] = shape[:1]
        return result

    def forward(self, t, tokens):
        epsilon, inverse = 1e-5, frequencies(10000.0, DIM // 2)
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)

            def after(name, state):
                return rms_norm(state, w(name + ".weight"), epsilon) if self.post_norms else state

            x = rms_norm(hidden, w("input_layernorm.weight"), epsilon)
            q, k, v = (self.project(w, x, name) for name in "qkv")
            q, k = rotate(q, inverse, adjacent=True), rotate(k, inverse, adjacent=True)
            mixed = linear(attention(q, k, v, DIM ** -0.5), w("self_attn.o_proj.weight"))
            hidden = add(hidden, after("post_self_attn_layernorm", mixed))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), epsilon)
            fused = linear(x, w("mlp.gate_up_proj.weight"))
            fed = gated([row[:FFN] for row in fused], [row[FFN:] for row in fused], silu)
            fed = linear(fed, w("mlp.down_proj.weight"))
            hidden = add(hidden, after("post_mlp_layernorm", fed))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], epsilon))


class Glm4(Glm):
    """GLM-4-0414: norms of what each part adds, too."""
    name = gguf = "glm4"
    exported = True
    post_norms = True
    NORMS = (*Glm.NORMS, "post_self_attn_layernorm", "post_mlp_layernorm")
    NAMES = {**Family.NAMES, "post_self_attn_layernorm": "post_attention_norm",
             "post_mlp_layernorm": "post_ffw_norm", "mlp.gate_up_proj": "ffn_up"}

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "rope.dimension_count": DIM // 2}
        return self.metadata(**own), self.renamed(tensors)


class InternLm2(Family):
    """Groups of query heads with their key and value; published with code of its own."""
    name = gguf = "internlm2"
    changes = {"bias": False, "auto_map": {"AutoConfig": "configuration_internlm2.InternLM2Config",
                                           "AutoModelForCausalLM":
                                           "modeling_internlm2.InternLM2ForCausalLM"}}
    NAMES = {"model.tok_embeddings": "token_embd", "model.norm": "output_norm",
             "output": "output", "attention_norm": "attn_norm", "ffn_norm": "ffn_norm",
             "attention.wo": "attn_output", "feed_forward.w1": "ffn_gate",
             "feed_forward.w3": "ffn_up", "feed_forward.w2": "ffn_down"}

    def shapes(self):
        shapes = {"model.tok_embeddings.weight": (VOCAB, HIDDEN)}
        for i in range(self.layers):
            p = f"model.layers.{i}."
            shapes[p + "attention_norm.weight"] = shapes[p + "ffn_norm.weight"] = (HIDDEN,)
            shapes[p + "attention.wqkv.weight"] = ((HEADS + 2 * KV) * DIM, HIDDEN)
            shapes[p + "attention.wo.weight"] = (HIDDEN, HEADS * DIM)
            shapes[p + "feed_forward.w1.weight"] = (FFN, HIDDEN)
            shapes[p + "feed_forward.w3.weight"] = (FFN, HIDDEN)
            shapes[p + "feed_forward.w2.weight"] = (HIDDEN, FFN)
        return {**shapes, "model.norm.weight": (HIDDEN,), "output.weight": (VOCAB, HIDDEN)}

    def forward(self, t, tokens):
        epsilon, inverse, shared = 1e-5, frequencies(10000.0, DIM), HEADS // KV
        hidden = [t["model.tok_embeddings.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("attention_norm.weight"), epsilon)
            rows = split_heads(linear(x, w("attention.wqkv.weight")), DIM)
            size = shared + 2
            q = [[head for g in range(KV) for head in row[g * size:g * size + shared]]
                 for row in rows]
            k = [[row[g * size + shared] for g in range(KV)] for row in rows]
            v = [[row[g * size + shared + 1] for g in range(KV)] for row in rows]
            mixed = attention(rotate(q, inverse), rotate(k, inverse), v, DIM ** -0.5)
            hidden = add(hidden, linear(mixed, w("attention.wo.weight")))
            x = rms_norm(hidden, w("ffn_norm.weight"), epsilon)
            fed = gated(linear(x, w("feed_forward.w1.weight")),
                        linear(x, w("feed_forward.w3.weight")), silu)
            hidden = add(hidden, linear(fed, w("feed_forward.w2.weight")))
        return linear(rms_norm(hidden, t["model.norm.weight"], epsilon), t["output.weight"])

    def to_gguf(self, tensors):
        renamed = self.renamed({n: v for n, v in tensors.items() if ".wqkv." not in n})
        for i in range(self.layers):
            rows = part_heads(tensors[f"model.layers.{i}.attention.wqkv.weight"], KV, HEADS // KV)
            queries, keys = HEADS * DIM, KV * DIM
            renamed[f"blk.{i}.attn_q.weight"] = permute(rows[:queries], HEADS)
            renamed[f"blk.{i}.attn_k.weight"] = permute(rows[queries:queries + keys], KV)
            renamed[f"blk.{i}.attn_v.weight"] = rows[queries + keys:]
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0}
        return self.metadata(**own), renamed


class Exaone(Llama3):
    """EXAONE 3.5: Llama under other names, with Llama 3's scaling."""
    name = "exaone"
    interleaved = ()
    changes = {**Llama3.changes, "layer_norm_epsilon": 1e-5, "activation_function": "silu",
               "tie_word_embeddings": True, "head_dim": DIM}
    RENAMED = {"model.embed_tokens": "transformer.wte", "model.norm": "transformer.ln_f",
               "model.layers": "transformer.h", "input_layernorm": "ln_1",
               "post_attention_layernorm": "ln_2", "self_attn.o_proj": "attn.attention.out_proj",
               "self_attn": "attn.attention", "gate_proj": "c_fc_0", "up_proj": "c_fc_1",
               "down_proj": "c_proj"}

    def base(self):
        base = super().base()
        base["num_layers"] = base.pop("num_hidden_layers")
        return base

    def __init__(self, **changes):
        super().__init__(**changes)
        # What the methods of Llama read.
        self.own = dict(self.config)
        self.config["num_hidden_layers"] = self.layers

    def write(self, directory, tensors):
        self.config, ours = self.own, self.config
        stored = {self.renamed_to_own(name): value for name, value in tensors.items()}
        directory = super().write(directory, stored)
        self.config = ours
        return directory

    def renamed_to_own(self, name):
        for old, new in self.RENAMED.items():
            name = name.replace(old, new)
        return name


class LinearExaone(Exaone):
    """The same with a linear scaling, which a GGUF's metadata say."""
    gguf = "exaone"
    changes = {**Exaone.changes, "rope_scaling": {"rope_type": "linear", "factor": 4.0}}

    def rope(self, length):
        return [f / 4.0 for f in frequencies(10000.0, DIM)], 1.0

    def to_gguf(self, tensors):
        own = {"attention.layer_norm_rms_epsilon": 1e-5, "rope.freq_base": 10000.0,
               "rope.scaling.type": "linear", "rope.scaling.factor": 4.0}
        return self.metadata(**own), self.renamed(tensors)


class BigCode(Family):
    """StarCoder: GPT-2 with one key/value head, and matrices that are not transposed."""
    name, gguf = "gpt_bigcode", "starcoder"
    LAYER = "transformer.h."
    NAMES = {"transformer.wte": "token_embd", "transformer.wpe": "position_embd",
             "transformer.ln_f": "output_norm", "ln_1": "attn_norm", "ln_2": "ffn_norm",
             "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output", "mlp.c_fc": "ffn_up",
             "mlp.c_proj": "ffn_down"}

    def base(self):
        return {"n_embd": HIDDEN, "n_layer": self.layers, "n_head": HEADS, "n_inner": None,
                "n_positions": self.context, "layer_norm_epsilon": 1e-5, "multi_query": True,
                "activation_function": "gelu_pytorch_tanh"}

    def shapes(self):
        p = "transformer."
        shapes = {p + "wte.weight": (VOCAB, HIDDEN), p + "wpe.weight": (self.context, HIDDEN)}
        for i in range(self.layers):
            for name, rows, columns in (("attn.c_attn", HIDDEN + 2 * DIM, HIDDEN),
                                        ("attn.c_proj", HIDDEN, HIDDEN),
                                        ("mlp.c_fc", 4 * HIDDEN, HIDDEN),
                                        ("mlp.c_proj", HIDDEN, 4 * HIDDEN)):
                shapes[f"{p}h.{i}.{name}.weight"] = (rows, columns)
                shapes[f"{p}h.{i}.{name}.bias"] = (rows,)
            for name in ("ln_1", "ln_2"):
                shapes[f"{p}h.{i}.{name}.weight"] = shapes[f"{p}h.{i}.{name}.bias"] = (HIDDEN,)
        return {**shapes, p + "ln_f.weight": (HIDDEN,), p + "ln_f.bias": (HIDDEN,)}

    def forward(self, t, tokens):
        p = "transformer."

        def norm(w, name, x):
            return layer_norm(x, w(name + ".weight"), w(name + ".bias"), 1e-5)

        def dense(w, name, x):
            return linear(x, w(name + ".weight"), w(name + ".bias"))

        hidden = add([t[p + "wte.weight"][token] for token in tokens],
                     t[p + "wpe.weight"][:len(tokens)])
        for i in range(self.layers):
            w = t.layer(p + "h.{}.", i)
            rows = dense(w, "attn.c_attn", norm(w, "ln_1", hidden))
            q = split_heads([row[:HIDDEN] for row in rows], DIM)
            k = [[row[HIDDEN:HIDDEN + DIM]] for row in rows]
            v = [[row[HIDDEN + DIM:]] for row in rows]
            hidden = add(hidden, dense(w, "attn.c_proj", attention(q, k, v, DIM ** -0.5)))
            x = activate(dense(w, "mlp.c_fc", norm(w, "ln_2", hidden)), gelu_tanh)
            hidden = add(hidden, dense(w, "mlp.c_proj", x))
        return linear(norm(t.layer(p, 0), "ln_f", hidden), t[p + "wte.weight"])

    def to_gguf(self, tensors):
        own = {"block_count": self.layers, "context_length": self.context,
               "embedding_length": HIDDEN, "feed_forward_length": 4 * HIDDEN,
               "attention.head_count": HEADS, "attention.head_count_kv": 1,
               "attention.layer_norm_epsilon": 1e-5}
        return self.metadata(**own), self.renamed(tensors)
