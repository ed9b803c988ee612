"""Mixtures whose experts are chosen by scores, with corrections or in groups, and latent attention.

Written from DeepSeek-AI 2024 ("DeepSeek-V2", sections 2.1 and 2.2; "DeepSeek-V3 Technical Report",
section 2.1) and from transformers' modeling files of the families.
"""
import math

from family_base import DIM, FFN, HEADS, HIDDEN, KV, Family, permute
from family_math import (add, attention, frequencies, gated, linear, norm_heads, rms_norm, rotate,
                         scale, silu, split_heads, yarn)


def largest(values, count):
    return sorted(range(len(values)), key=lambda i: (-values[i], i))[:count]


def softmax(values):
    powers = [math.exp(v - max(values)) for v in values]
    return [p / sum(powers) for p in powers]


def sigmoid(values):
    return [1 / (1 + math.exp(-v)) for v in values]


def choose(scores, correction, count, groups, kept, best, normalized, factor):
    """{expert: gate} of one token."""
    chosen_by = [s + c for s, c in zip(scores, correction)] if correction else list(scores)
    size = len(scores) // groups
    worth = [sum(sorted(chosen_by[g * size:(g + 1) * size])[-best:]) for g in range(groups)]
    stay = largest(worth, kept)
    left = [x if e // size in stay else -math.inf for e, x in enumerate(chosen_by)]
    experts = largest(left, count)
    total = sum(scores[e] for e in experts) if normalized else 1
    return {e: factor * scores[e] / total for e in experts}


class Routed(Family):
    """The feed-forward blocks of DeepSeek-V3: sigmoids with corrections, in groups; the first layer
    is dense."""
    dense, experts, per_token, size, shared = 1, 8, 2, 32, 2
    groups, kept, best, normalized, factor = 4, 2, 2, True, 2.5
    scores = staticmethod(sigmoid)
    correction = "mlp.gate.e_score_correction_bias"
    epsilon = 1e-6
    KEYS = {"n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
            "n_shared_experts": 2, "first_k_dense_replace": 1, "n_group": 4, "topk_group": 2,
            "norm_topk_prob": True, "routed_scaling_factor": 2.5, "rms_norm_eps": 1e-6}
    MOE_NAMES = {"mlp.gate": "ffn_gate_inp", "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
                 "mlp.moe_statics.e_score_correction_bias": "exp_probs_b.bias"}

    def feed_forward_shapes(self):
        shapes = {}
        for i in range(self.layers):
            p = f"model.layers.{i}.mlp."
            blocks = {"": FFN} if i < self.dense else {
                f"experts.{e}.": self.size for e in range(self.experts)}
            if i >= self.dense:
                if self.shared:
                    blocks["shared_experts."] = self.shared * self.size
                shapes[p + "gate.weight"] = (self.experts, HIDDEN)
                if self.correction:
                    shapes[f"model.layers.{i}.{self.correction}"] = self.correction_shape()
            for block, rows in blocks.items():
                shapes[f"{p}{block}gate_proj.weight"] = (rows, HIDDEN)
                shapes[f"{p}{block}up_proj.weight"] = (rows, HIDDEN)
                shapes[f"{p}{block}down_proj.weight"] = (HIDDEN, rows)
        return shapes

    def correction_shape(self):
        return (self.experts,)

    def attention_shapes(self):
        return {k: v for k, v in self.llama_shapes().items() if ".mlp." not in k}

    def shapes(self):
        return {**self.attention_shapes(), **self.feed_forward_shapes()}

    def block(self, w, rows, prefix):
        gate, up = (linear(rows, w(f"{prefix}{n}_proj.weight")) for n in ("gate", "up"))
        return linear(gated(gate, up, silu), w(prefix + "down_proj.weight"))

    def feed_forward(self, w, layer, rows):
        if layer < self.dense:
            return self.block(w, rows, "mlp.")
        correction = w(self.correction) if self.correction else None
        if correction and isinstance(correction[0], list):
            correction, = correction
        result = []
        for x, logits in zip(rows, linear(rows, w("mlp.gate.weight"))):
            gates = choose(self.scores(logits), correction, self.per_token, self.groups, self.kept,
                           self.best, self.normalized, self.factor)
            parts = [scale(self.block(w, [x], f"mlp.experts.{e}."), g) for e, g in gates.items()]
            if self.shared:
                parts.append(self.block(w, [x], "mlp.shared_experts."))
            result += add(*parts)
        return result

    def forward(self, t, tokens):
        hidden = [t["model.embed_tokens.weight"][token] for token in tokens]
        for i in range(self.layers):
            w = t.layer("model.layers.{}.", i)
            x = rms_norm(hidden, w("input_layernorm.weight"), self.epsilon)
            hidden = add(hidden, self.attend(w, x))
            x = rms_norm(hidden, w("post_attention_layernorm.weight"), self.epsilon)
            hidden = add(hidden, self.feed_forward(w, i, x))
        return self.head(t, rms_norm(hidden, t["model.norm.weight"], self.epsilon))

    def attend(self, w, x):
        inverse = self.frequencies()
        q, k, v = (self.project(w, x, name) for name in "qkv")
        q, k = (norm_heads(heads, lambda h: rms_norm(h, gains, self.epsilon)) if gains else heads
                for heads, gains in ((q, w("self_attn.q_norm.weight")),
                                     (k, w("self_attn.k_norm.weight"))))
        q, k = (rotate(heads, inverse, adjacent=self.adjacent) for heads in (q, k))
        return linear(attention(q, k, v, DIM ** -0.5), w("self_attn.o_proj.weight"),
                      w("self_attn.o_proj.bias"))

    adjacent = False

    def frequencies(self):
        return frequencies(self.config["rope_theta"], DIM)

    # GGUF.

    def routing_metadata(self):
        return {"expert_count": self.experts, "expert_used_count": self.per_token,
                "expert_feed_forward_length": self.size, "leading_dense_block_count": self.dense,
                "expert_shared_count": self.shared, "expert_group_count": self.groups,
                "expert_group_used_count": self.kept, "expert_weights_scale": self.factor,
                "expert_weights_norm": self.normalized,
                "expert_gating_func": 2 if self.scores is sigmoid else 1}

    def own_metadata(self):
        return {}

    def to_gguf(self, tensors):
        names = {**self.NAMES, **self.MOE_NAMES}
        stored = {}
        for name, value in tensors.items():
            if ".experts." in name:
                p, rest = name.split("experts.", 1)
                index, part, _ = rest.split(".")
                key = f"blk.{p.split('.')[2]}.ffn_{part[:-5]}_exps.weight"
                stored.setdefault(key, []).append(value)
            elif ".shared_experts." in name:
                part = name.split(".")[-2][:-5]
                stored[f"blk.{name.split('.')[2]}.ffn_{part}_shexp.weight"] = value
            elif name.endswith("e_score_correction_bias"):
                flat = value[0] if isinstance(value[0], list) else value
                stored[f"blk.{name.split('.')[2]}.exp_probs_b.bias"] = flat
            else:
                stored[self.rename(name, names)] = value
        return self.metadata(**{"attention.layer_norm_rms_epsilon": self.epsilon,
                                "rope.freq_base": self.config["rope_theta"],
                                **self.routing_metadata(), **self.own_metadata()}), stored


class DeepSeekV3(Routed):
    """Latent attention with queries from a vector of their own, values shorter than keys, and
    yarn, whose magnitude scores are multiplied by twice."""
    name, gguf = "deepseek_v3", "deepseek2"
    query_rank, rank, plain, rotated, value = 24, 16, 8, 4, 6
    theta, multiplier = 100.0, 1.0
    ROPE = {"type": "yarn", "factor": 4.0, "beta_fast": 4.0, "beta_slow": 1.0, "mscale": 1.0,
            "mscale_all_dim": 1.0, "original_max_position_embeddings": 16}
    changes = {**Routed.KEYS, "num_key_value_heads": HEADS, "q_lora_rank": 24, "kv_lora_rank": 16,
               "qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 6, "rope_theta": 100.0,
               "rope_scaling": ROPE, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
               "moe_layer_freq": 1, "attention_bias": False}
    NAMES = {**Family.NAMES, "self_attn.q_a_proj": "attn_q_a", "self_attn.q_b_proj": "attn_q_b",
             "self_attn.q_a_layernorm": "attn_q_a_norm",
             "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
             "self_attn.kv_a_layernorm": "attn_kv_a_norm", "self_attn.kv_b_proj": "attn_kv_b"}

    def attention_shapes(self):
        shapes = {k: v for k, v in super().attention_shapes().items() if ".self_attn." not in k}
        queries = HEADS * (self.plain + self.rotated)
        for i in range(self.layers):
            p = f"model.layers.{i}.self_attn."
            if self.query_rank:
                shapes[p + "q_a_proj.weight"] = (self.query_rank, HIDDEN)
                shapes[p + "q_a_layernorm.weight"] = (self.query_rank,)
                shapes[p + "q_b_proj.weight"] = (queries, self.query_rank)
            else:
                shapes[p + "q_proj.weight"] = (queries, HIDDEN)
            shapes[p + "kv_a_proj_with_mqa.weight"] = (self.rank + self.rotated, HIDDEN)
            shapes[p + "kv_a_layernorm.weight"] = (self.rank,)
            shapes[p + "kv_b_proj.weight"] = (HEADS * (self.plain + self.value), self.rank)
            shapes[p + "o_proj.weight"] = (HIDDEN, HEADS * self.value)
        return shapes

    def rope(self):
        if not self.config["rope_scaling"]:
            return frequencies(self.theta, self.rotated), 1.0
        inverse, _ = yarn(self.theta, self.rotated, 4.0, 16, fast=4.0)
        magnitude = 0.1 * self.multiplier * math.log(4.0) + 1
        return inverse, magnitude * magnitude

    def attend(self, w, x):
        inverse, factor = self.rope()
        if self.query_rank:
            x_q = rms_norm(linear(x, w("self_attn.q_a_proj.weight")),
                           w("self_attn.q_a_layernorm.weight"), self.epsilon)
            rows = linear(x_q, w("self_attn.q_b_proj.weight"))
        else:
            rows = linear(x, w("self_attn.q_proj.weight"))
        queries = split_heads(rows, self.plain + self.rotated)

        def turn(heads):
            return rotate(heads, inverse, adjacent=True)

        turned = turn([[q[self.plain:] for q in token] for token in queries])
        queries = [[q[:self.plain] + r for q, r in zip(*both)] for both in zip(queries, turned)]
        rows = linear(x, w("self_attn.kv_a_proj_with_mqa.weight"))
        latent = rms_norm([r[:self.rank] for r in rows], w("self_attn.kv_a_layernorm.weight"),
                          self.epsilon)
        shared = turn([[r[self.rank:]] for r in rows])
        both = split_heads(linear(latent, w("self_attn.kv_b_proj.weight")), self.plain + self.value)
        keys = [[h[:self.plain] + key for h in token] for token, (key,) in zip(both, shared)]
        values = [[h[self.plain:] for h in token] for token in both]
        size = self.plain + self.rotated
        return linear(attention(queries, keys, values, factor * size ** -0.5),
                      w("self_attn.o_proj.weight"))

    def own_metadata(self):
        size = self.plain + self.rotated
        own = {"attention.kv_lora_rank": self.rank, "rope.dimension_count": self.rotated,
               "attention.key_length": size, "attention.value_length": self.value}
        if self.query_rank:
            own["attention.q_lora_rank"] = self.query_rank
        if self.config["rope_scaling"]:
            own.update({"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0,
                        "rope.scaling.original_context_length": 16,
                        "rope.scaling.yarn_beta_fast": 4.0,
                        "rope.scaling.yarn_log_multiplier": 0.1 * self.multiplier})
        return own


class NewDeepSeekV3(DeepSeekV3):
    """As converters write GGUF files since 2025: the parts of keys and values apart, and attention
    described as that of one key and value head."""
    def own_metadata(self):
        own = super().own_metadata()
        return {**own, "attention.head_count_kv": 1,
                "attention.key_length": self.rank + self.rotated,
                "attention.value_length": self.rank,
                "attention.key_length_mla": own["attention.key_length"],
                "attention.value_length_mla": own["attention.value_length"]}

    def to_gguf(self, tensors):
        metadata, stored = super().to_gguf(tensors)
        for i in range(self.layers):
            rows = stored.pop(f"blk.{i}.attn_kv_b.weight")
            size = self.plain + self.value
            heads = [rows[h * size:(h + 1) * size] for h in range(HEADS)]
            stored[f"blk.{i}.attn_k_b.weight"] = [
                [list(column) for column in zip(*head[:self.plain])] for head in heads]
            stored[f"blk.{i}.attn_v_b.weight"] = [head[self.plain:] for head in heads]
        return metadata, stored


class Moonlight(DeepSeekV3):
    """One group, queries projected directly, no yarn, values as long as keys."""
    query_rank, value, groups, kept = None, 12, 1, 1
    changes = {**DeepSeekV3.changes, "q_lora_rank": None, "v_head_dim": 12, "rope_scaling": None,
               "n_group": 1, "topk_group": 1}


class DeepSeekV2(DeepSeekV3):
    """Groups by their best expert, probabilities that are not normalized, no corrections."""
    name = "deepseek_v2"
    per_token, best, normalized, factor, correction, multiplier = 3, 1, False, 3.0, None, 0.707
    scores = staticmethod(softmax)
    changes = {**DeepSeekV3.changes, "num_experts_per_tok": 3, "norm_topk_prob": False,
               "routed_scaling_factor": 3.0, "scoring_func": "softmax",
               "topk_method": "group_limited_greedy",
               "rope_scaling": {**DeepSeekV3.ROPE, "mscale": 0.707, "mscale_all_dim": 0.707}}


class DeepSeekV2Lite(DeepSeekV2):
    """No groups, in spite of what the configuration calls them; no scale of gates."""
    query_rank, groups, kept, factor = None, 1, 1, 1.0
    changes = {**DeepSeekV2.changes, "q_lora_rank": None, "topk_method": "greedy", "n_group": 1,
               "topk_group": 1, "routed_scaling_factor": 1.0}


class KimiK2(DeepSeekV3):
    """DeepSeek-V3 under another name."""
    name = "kimi_k2"
    groups, kept = 1, 1
    changes = {**DeepSeekV3.changes, "n_group": 1, "topk_group": 1}


class Dots1(Routed):
    """dots.llm1: the feed-forward blocks of DeepSeek-V3 behind norms of query and key heads."""
    name = gguf = "dots1"
    groups, kept = 1, 1
    changes = {**Routed.KEYS, "n_group": 1, "topk_group": 1, "scoring_func": "noaux_tc",
               "head_dim": DIM}

    def attention_shapes(self):
        return {k: v for k, v in self.llama_shapes(query_key_norm=(DIM, DIM)).items()
                if ".mlp." not in k}


class Glm4Moe(Dots1):
    """GLM-4.5: half of each head is rotated, biases of queries, keys and values, and a layer more
    that predicts another token and is left out."""
    name, gguf = "glm4_moe", "glm4moe"
    head_norms = True
    changes = {**Dots1.changes, "scoring_func": "sigmoid", "attention_bias": True,
               "use_qk_norm": True, "partial_rotary_factor": 0.5, "num_nextn_predict_layers": 1}
    NAMES = {**Family.NAMES, "post_attention_layernorm": "post_attention_norm"}

    def attention_shapes(self):
        shapes = (Dots1 if self.head_norms else Routed).attention_shapes(self)
        for name in list(shapes):
            if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")):
                shapes[name[:-len("weight")] + "bias"] = shapes[name][:1]
        shapes[f"model.layers.{self.layers}.eh_proj.weight"] = (HIDDEN, 2 * HIDDEN)
        return shapes

    def frequencies(self):
        return frequencies(self.config["rope_theta"], DIM // 2)

    def own_metadata(self):
        return {"rope.dimension_count": DIM // 2, "nextn_predict_layers": 1,
                "block_count": self.layers + 1}

    NEXT = {"eh_proj": "nextn.eh_proj"}

    def rename(self, name, names):
        return super().rename(name, {**names, **self.NEXT})


class Glm45Air(Glm4Moe):
    """Without norms of heads."""
    head_norms = False
    changes = {**Glm4Moe.changes, "use_qk_norm": False}


class Ernie45Moe(Routed):
    """ERNIE 4.5: probabilities with corrections, normalized; rotation of adjacent pairs."""
    name, gguf = "ernie4_5_moe", "ernie4_5-moe"
    groups, kept, factor, adjacent = 1, 1, 1.0, True
    scores = staticmethod(softmax)
    correction = "mlp.moe_statics.e_score_correction_bias"
    changes = {"moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 32,
               "moe_num_shared_experts": 2, "moe_layer_start_index": 1, "moe_layer_end_index": -1,
               "moe_layer_interval": 1, "use_bias": False, "rms_norm_eps": 1e-6,
               "rope_theta": 500000.0}

    def correction_shape(self):
        return (1, self.experts)


class BailingMoe(Routed):
    """Ling: plain gates of all layers, and queries, keys and values as one matrix."""
    name, gguf = "bailing_moe", "bailingmoe"
    dense, groups, kept, factor, correction = 0, 1, 1, 1.0, None
    scores = staticmethod(softmax)
    changes = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
               "num_shared_experts": 2, "norm_topk_prob": True, "rms_norm_eps": 1e-6,
               "use_bias": False, "use_qkv_bias": False, "head_dim": DIM}

    def attention_shapes(self):
        shapes = {}
        for name, shape in super().attention_shapes().items():
            if "q_proj" in name:
                name = name.replace("self_attn.q_proj", "attention.query_key_value")
                shape = ((HEADS + 2 * KV) * DIM, HIDDEN)
            if "k_proj" in name or "v_proj" in name:
                continue
            name = name.replace("self_attn.o_proj", "attention.dense")
            shapes[name.replace("embed_tokens", "word_embeddings")] = shape
        return shapes

    def parted(self, tensors):
        """With Llama's names."""
        result = type(tensors)()
        for name, value in tensors.items():
            if "query_key_value" in name:
                own, queries = name.replace("attention.query_key_value", "self_attn.{}"), HEADS * DIM
                result[own.format("q_proj")] = value[:queries]
                result[own.format("k_proj")] = value[queries:queries + KV * DIM]
                result[own.format("v_proj")] = value[queries + KV * DIM:]
            else:
                name = name.replace("attention.dense", "self_attn.o_proj")
                result[name.replace("word_embeddings", "embed_tokens")] = value
        return result

    def forward(self, t, tokens):
        return super().forward(self.parted(t), tokens)

    def to_gguf(self, tensors):
        parted = self.parted(tensors)
        for name, value in parted.items():
            if ".q_proj." in name or ".k_proj." in name:
                parted[name] = permute(value, HEADS if ".q_proj." in name else KV)
        return super().to_gguf(parted)
