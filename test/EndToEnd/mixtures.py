"""Tiny random mixtures of experts in both containers, and what they compute, in float64.

The forward pass is written from the papers and the published model definitions (Jiang et al. 2024,
Muennighoff et al. 2024; the Mixtral, Qwen2-MoE, Qwen3-MoE and OLMoE model cards), independently of
the importer.
"""
import json
import math
import pathlib
import random
import struct

from support import write_safetensors

KINDS = ("mixtral", "qwen2_moe", "qwen3_moe", "olmoe")
GGUF_NAMES = {"mixtral": "llama", "qwen2_moe": "qwen2moe", "qwen3_moe": "qwen3moe",
              "olmoe": "olmoe"}
# GGUF files do not say whether gates are normalized.
GGUF_NORMALIZED = {"mixtral": True, "qwen2_moe": False, "qwen3_moe": True, "olmoe": False}


def make_mixture(kind, *, layers=2, hidden=32, heads=4, kv_heads=2, experts=4, per_token=2, size=32,
                 shared=48, vocab=48, context=64, normalized=None, seed=1, step=1, dense=()):
    """Configuration and weights: {name: rows} with rows a list of lists, or a list for vectors.
    Every `step`-th layer has experts but those listed as `dense`."""
    generator = random.Random(seed)
    head_dim = hidden // heads

    def matrix(rows, columns, scale=None):
        scale = scale or 1 / math.sqrt(columns)
        return [[to_f32(scale * generator.gauss(0, 1)) for _ in range(columns)]
                for _ in range(rows)]

    def vector(count, mean=1.0):
        return [to_f32(mean + 0.1 * generator.gauss(0, 1)) for _ in range(count)]

    mixtral, own_size = kind == "mixtral", kind in ("qwen2_moe", "qwen3_moe")
    config = {"model_type": kind, "vocab_size": vocab, "hidden_size": hidden,
              "intermediate_size": 4 * size if own_size else size, "num_hidden_layers": layers,
              "num_attention_heads": heads, "num_key_value_heads": kv_heads,
              "max_position_embeddings": context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
              "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1,
              "eos_token_id": 2, "num_experts_per_tok": per_token}
    if mixtral:
        config["num_local_experts"] = experts
    else:
        config.update(num_experts=experts, norm_topk_prob=bool(normalized))
    if own_size:
        config["moe_intermediate_size"] = size
    if kind == "qwen2_moe":
        config["shared_expert_intermediate_size"] = shared
    if kind == "qwen3_moe":
        config["head_dim"] = head_dim
    if step != 1 or dense:
        config.update(decoder_sparse_step=step, mlp_only_layers=list(dense))
    weights = {"model.embed_tokens.weight": matrix(vocab, hidden, 1.0),
               "model.norm.weight": vector(hidden), "lm_head.weight": matrix(vocab, hidden)}
    for layer in range(layers):
        p = f"model.layers.{layer}."
        weights[p + "input_layernorm.weight"] = vector(hidden)
        weights[p + "post_attention_layernorm.weight"] = vector(hidden)
        for name, rows in (("q", hidden), ("k", kv_heads * head_dim), ("v", kv_heads * head_dim)):
            weights[p + f"self_attn.{name}_proj.weight"] = matrix(rows, hidden)
            if kind == "qwen2_moe":
                weights[p + f"self_attn.{name}_proj.bias"] = vector(rows, 0.0)
            if name != "v" and kind in ("qwen3_moe", "olmoe"):
                weights[p + f"self_attn.{name}_norm.weight"] = vector(
                    head_dim if kind == "qwen3_moe" else rows)
        weights[p + "self_attn.o_proj.weight"] = matrix(hidden, hidden)
        block = p + ("block_sparse_moe." if mixtral else "mlp.")
        if not has_experts(config, layer):
            for name in ("gate", "up"):
                weights[block + f"{name}_proj.weight"] = matrix(config["intermediate_size"], hidden)
            weights[block + "down_proj.weight"] = matrix(hidden, config["intermediate_size"])
            continue
        weights[block + "gate.weight"] = matrix(experts, hidden, 0.3)
        for e in range(experts):
            gate, up, down = expert_names(kind, layer, e)
            weights[gate], weights[up] = matrix(size, hidden), matrix(size, hidden)
            weights[down] = matrix(hidden, size)
        if kind == "qwen2_moe":
            weights[block + "shared_expert_gate.weight"] = matrix(1, hidden)
            weights[block + "shared_expert.gate_proj.weight"] = matrix(shared, hidden)
            weights[block + "shared_expert.up_proj.weight"] = matrix(shared, hidden)
            weights[block + "shared_expert.down_proj.weight"] = matrix(hidden, shared)
    return config, weights


def to_f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def has_experts(config, layer):
    """As Qwen2MoeDecoderLayer decides it."""
    return (layer not in config.get("mlp_only_layers", ())
            and (layer + 1) % config.get("decoder_sparse_step", 1) == 0)


def expert_names(kind, layer, expert):
    """Gate, up and down."""
    if kind == "mixtral":
        prefix = f"model.layers.{layer}.block_sparse_moe.experts.{expert}."
        return [prefix + f"w{n}.weight" for n in (1, 3, 2)]
    prefix = f"model.layers.{layer}.mlp.experts.{expert}."
    return [prefix + f"{n}_proj.weight" for n in ("gate", "up", "down")]


# What the model computes.

def times(matrix, x):
    return [sum(w * v for w, v in zip(row, x)) for row in matrix]


def normalize(x, gain, epsilon):
    scale = 1 / math.sqrt(sum(v * v for v in x) / len(x) + epsilon)
    return [v * scale * g for v, g in zip(x, gain)]


def softmax(values):
    most = max(values)
    powers = [math.exp(v - most) for v in values]
    return [p / sum(powers) for p in powers]


def rotate(x, position, head_dim, theta):
    half, result = head_dim // 2, list(x)
    for start in range(0, len(x), head_dim):
        for i in range(half):
            angle = position * theta ** (-2 * i / head_dim)
            a, b = x[start + i], x[start + i + half]
            result[start + i] = a * math.cos(angle) - b * math.sin(angle)
            result[start + i + half] = a * math.sin(angle) + b * math.cos(angle)
    return result


def gated_unit(gate, up, down, x):
    inner = [g / (1 + math.exp(-g)) * u for g, u in zip(times(gate, x), times(up, x))]
    return times(down, inner)


def gates_of(logits, k, normalized):
    """{expert: gate} of the k experts with the highest probability."""
    probabilities = softmax(logits)
    chosen = sorted(range(len(logits)), key=lambda e: (-logits[e], e))[:k]
    total = sum(probabilities[e] for e in chosen) if normalized else 1
    return {e: probabilities[e] / total for e in chosen}


def forward(config, weights, tokens):
    """Logits of every position."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    hidden, kind = config["hidden_size"], config["model_type"]
    head_dim, epsilon = hidden // heads, config["rms_norm_eps"]
    state = [list(weights["model.embed_tokens.weight"][t]) for t in tokens]
    for layer in range(config["num_hidden_layers"]):
        p = f"model.layers.{layer}."

        def project(name, x):
            result = times(weights[p + f"self_attn.{name}_proj.weight"], x)
            bias = weights.get(p + f"self_attn.{name}_proj.bias")
            gain = weights.get(p + f"self_attn.{name}_norm.weight")
            if gain:  # of each head, or of the whole row
                return [v for start in range(0, len(result), len(gain))
                        for v in normalize(result[start:start + len(gain)], gain, epsilon)]
            return [r + b for r, b in zip(result, bias)] if bias else result

        keys, values = [], []
        for t, x in enumerate(state):
            inner = normalize(x, weights[p + "input_layernorm.weight"], epsilon)
            queries = rotate(project("q", inner), t, head_dim, config["rope_theta"])
            keys.append(rotate(project("k", inner), t, head_dim, config["rope_theta"]))
            values.append(project("v", inner))
            mixed = []
            for head in range(heads):
                at = head * kv_heads // heads * head_dim
                query = queries[head * head_dim:(head + 1) * head_dim]
                scores = softmax([sum(q * k for q, k in zip(query, key[at:at + head_dim]))
                                  / math.sqrt(head_dim) for key in keys])
                mixed += [sum(s * v[at + i] for s, v in zip(scores, values))
                          for i in range(head_dim)]
            out = times(weights[p + "self_attn.o_proj.weight"], mixed)
            state[t] = x = [a + b for a, b in zip(x, out)]
        for t, x in enumerate(state):
            inner = normalize(x, weights[p + "post_attention_layernorm.weight"], epsilon)
            block = p + ("block_sparse_moe." if kind == "mixtral" else "mlp.")
            if not has_experts(config, layer):
                own = gated_unit(*(weights[block + f"{n}_proj.weight"]
                                   for n in ("gate", "up", "down")), inner)
                state[t] = [a + b for a, b in zip(x, own)]
                continue
            gates = gates_of(times(weights[block + "gate.weight"], inner),
                             config["num_experts_per_tok"],
                             kind == "mixtral" or config["norm_topk_prob"])
            parts = [(gate, expert_names(kind, layer, e)) for e, gate in gates.items()]
            if kind == "qwen2_moe":
                logit = times(weights[block + "shared_expert_gate.weight"], inner)[0]
                parts.append((1 / (1 + math.exp(-logit)),
                              [block + f"shared_expert.{n}_proj.weight"
                               for n in ("gate", "up", "down")]))
            for gate, names in parts:
                own = gated_unit(*(weights[n] for n in names), inner)
                x = [a + gate * b for a, b in zip(x, own)]
            state[t] = x
    return [times(weights["lm_head.weight"],
                  normalize(x, weights["model.norm.weight"], epsilon)) for x in state]


# Containers.

def flat(value):
    return [v for row in value for v in row] if isinstance(value[0], list) else value


def shape(value):
    return [len(value), len(value[0])] if isinstance(value[0], list) else [len(value)]


def write_hugging_face(directory, config, weights):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_safetensors(directory / "model.safetensors", {
        name: ("F32", shape(value), struct.pack(f"<{len(flat(value))}f", *flat(value)))
        for name, value in weights.items()})
    (directory / "config.json").write_text(json.dumps(config))
    return directory


def interleave(value, head_dim):
    """The rows of every head in the order that rotation of adjacent pairs wants."""
    half = head_dim // 2
    return [value[start + i // 2 + half * (i % 2)]
            for start in range(0, len(value), head_dim) for i in range(head_dim)]


def write_gguf(path, config, weights):
    kind = config["model_type"]
    architecture = GGUF_NAMES[kind]
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    tensors = {"token_embd.weight": weights["model.embed_tokens.weight"],
               "output_norm.weight": weights["model.norm.weight"],
               "output.weight": weights["lm_head.weight"]}
    experts = config.get("num_local_experts", config.get("num_experts"))
    for layer in range(config["num_hidden_layers"]):
        p, b = f"model.layers.{layer}.", f"blk.{layer}."
        tensors[b + "attn_norm.weight"] = weights[p + "input_layernorm.weight"]
        tensors[b + "ffn_norm.weight"] = weights[p + "post_attention_layernorm.weight"]
        for name in "qkvo":
            for part in ("weight", "bias"):
                value = weights.get(p + f"self_attn.{name}_proj.{part}")
                if value is None:
                    continue
                if name in "qk" and kind == "mixtral":
                    value = interleave(value, head_dim)
                tensors[b + f"attn_{'output' if name == 'o' else name}.{part}"] = value
        for name in "qk":
            if p + f"self_attn.{name}_norm.weight" in weights:
                tensors[b + f"attn_{name}_norm.weight"] = weights[p + f"self_attn.{name}_norm.weight"]
        block = p + ("block_sparse_moe." if kind == "mixtral" else "mlp.")
        tensors[b + "ffn_gate_inp.weight"] = weights[block + "gate.weight"]
        for i, name in enumerate(("gate", "up", "down")):
            tensors[b + f"ffn_{name}_exps.weight"] = [
                weights[expert_names(kind, layer, e)[i]] for e in range(experts)]
            if kind == "qwen2_moe":
                tensors[b + f"ffn_{name}_shexp.weight"] = weights[
                    block + f"shared_expert.{name}_proj.weight"]
        if kind == "qwen2_moe":
            tensors[b + "ffn_gate_inp_shexp.weight"] = weights[
                block + "shared_expert_gate.weight"][0]
    numbers = {"block_count": config["num_hidden_layers"],
               "context_length": config["max_position_embeddings"],
               "embedding_length": config["hidden_size"],
               "feed_forward_length": config["intermediate_size"],
               "attention.head_count": config["num_attention_heads"],
               "attention.head_count_kv": config["num_key_value_heads"],
               "expert_count": experts, "expert_used_count": config["num_experts_per_tok"]}
    if "head_dim" in config:
        numbers["attention.key_length"] = numbers["attention.value_length"] = config["head_dim"]
    if "moe_intermediate_size" in config:
        numbers["expert_feed_forward_length"] = config["moe_intermediate_size"]
    if kind == "qwen2_moe":
        numbers["expert_shared_feed_forward_length"] = config["shared_expert_intermediate_size"]

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    fields = [text("general.architecture") + struct.pack("<I", 8) + text(architecture),
              text(architecture + ".attention.layer_norm_rms_epsilon")
              + struct.pack("<If", 6, config["rms_norm_eps"])]
    fields += [text(f"{architecture}.{name}") + struct.pack("<II", 4, value)
               for name, value in numbers.items()]
    header, data = b"", b""
    for name, value in tensors.items():
        deep = isinstance(value[0], list) and isinstance(value[0][0], list)
        dims = [len(value)] + shape(value[0]) if deep else shape(value)
        numbers_ = [v for matrix in value for v in flat(matrix)] if deep else flat(value)
        data += b"\0" * (-len(data) % 32)
        header += text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *reversed(dims), 0,
                                           len(data))
        data += struct.pack(f"<{len(numbers_)}f", *numbers_)
    start = struct.pack("<IIQQ", 0x46554747, 3, len(tensors), len(fields)) + b"".join(fields) + header
    pathlib.Path(path).write_bytes(start + b"\0" * (-len(start) % 32) + data)
    return path
