"""A Llama-like decoder in float64 on plain lists, from the published definitions: RMS normalization
(Zhang and Sennrich 2019), rotary embedding (Su et al. 2021), grouped-query attention (Ainslie et
al. 2023), gated linear units (Shazeer 2020). It shares nothing with the package under test."""
import math
import random
import struct


def random_weights(vocabulary, hidden, heads, kv_heads, head_dim, size, layers, seed=1):
    """Weights that f32 holds exactly, so that nothing is lost on the way."""
    generator = random.Random(seed)

    def exact(value):
        return struct.unpack("<f", struct.pack("<f", value))[0]

    def matrix(rows, columns):
        return [[exact(generator.gauss(0, columns ** -0.5)) for _ in range(columns)]
                for _ in range(rows)]

    def vector(count):
        return [exact(1 + 0.2 * generator.gauss(0, 1)) for _ in range(count)]

    return {"positions": matrix(48, hidden), "norm_bias": vector(hidden),
            "embed": matrix(vocabulary, hidden), "norm": vector(hidden),
            "head": matrix(vocabulary, hidden),
            "layers": [{"attention_norm": vector(hidden), "attention_norm_bias": vector(hidden),
                        "q_norm": vector(head_dim), "q": matrix(heads * head_dim, hidden),
                        "q_bias": [0.1 * v for v in vector(heads * head_dim)],
                        "k": matrix(kv_heads * head_dim, hidden),
                        "v": matrix(kv_heads * head_dim, hidden),
                        "o": matrix(hidden, heads * head_dim), "ffn_norm": vector(hidden),
                        "gate": matrix(size, hidden), "up": matrix(size, hidden),
                        "down": matrix(hidden, size),
                        "sinks": [exact(0.75 * head - 0.5) for head in range(heads)]} for _ in range(layers)]}


def product(matrix, x, bias=None):
    bias = bias or [0.0] * len(matrix)
    return [math.fsum(w * v for w, v in zip(row, x)) + b for row, b in zip(matrix, bias)]


def rms_norm(x, weight, epsilon):
    scale = 1 / math.sqrt(math.fsum(v * v for v in x) / len(x) + epsilon)
    return [v * scale * w for v, w in zip(x, weight)]


def layer_norm(x, weight, bias, epsilon):
    mean = math.fsum(x) / len(x)
    scale = 1 / math.sqrt(math.fsum((v - mean) ** 2 for v in x) / len(x) + epsilon)
    return [(v - mean) * scale * w + b for v, w, b in zip(x, weight, bias)]


def capped(cap, value):
    return cap * math.tanh(value / cap) if cap else value


def rotate(x, position, head_dim, theta, interleaved, rotated, factor):
    """The first `rotated` numbers of every head."""
    result = list(x)
    half = rotated // 2
    for start in range(0, len(x), head_dim):
        for i in range(half):
            angle = position * theta ** (-2 * i / rotated)
            a, b = (start + 2 * i, start + 2 * i + 1) if interleaved else \
                (start + i, start + half + i)
            cos, sin = factor * math.cos(angle), factor * math.sin(angle)
            result[a] = x[a] * cos - x[b] * sin
            result[b] = x[a] * sin + x[b] * cos
    return result


def activation(kind, x):
    if kind == "silu":
        return x / (1 + math.exp(-x))
    if kind == "gelu":
        return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
    if kind == "sigmoid":
        return 1 / (1 + math.exp(-x))
    if kind == "quick_gelu":
        return x / (1 + math.exp(-1.702 * x))
    if kind == "gelu_tanh":
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    return max(x, 0.0)


def logits(weights, tokens, *, heads, kv_heads, head_dim, theta=10000.0, epsilon=1e-5, kind="silu",
           window=0, sinks=0, scale=None, interleaved=False, gated=True, rotated=None,
           rotary_factor=1.0, score_cap=0.0, logit_cap=0.0, logit_scale=1.0, embed_scale=1.0,
           positions=False, layer_norms=False, query_norms=False, sees=None, slopes=None,
           sink_logits=False, limit=0.0, offset=0.0, order=None):
    """Logits after every token. `sees` says whether a position sees an earlier one."""
    scale = head_dim ** -0.5 if scale is None else scale
    rotated = rotated or head_dim
    states = [[embed_scale * value for value in weights["embed"][token]] for token in tokens]
    if positions:
        states = [[a + b for a, b in zip(state, weights["positions"][position])]
                  for position, state in enumerate(states)]
    for layer in weights["layers"]:
        keys, values, queries = [], [], []
        for position, state in enumerate(states):
            x = layer_norm(state, layer["attention_norm"], layer["attention_norm_bias"], epsilon) \
                if layer_norms else rms_norm(state, layer["attention_norm"], epsilon)
            query = product(layer["q"], x, layer["q_bias"])
            if query_norms:
                query = [value for start in range(0, len(query), head_dim) for value in
                         rms_norm(query[start:start + head_dim], layer["q_norm"], epsilon)]
            angles = (position, head_dim, theta, interleaved, rotated, rotary_factor)
            queries.append(rotate(query, *angles))
            keys.append(rotate(product(layer["k"], x), *angles))
            values.append(product(layer["v"], x))
        for position, query in enumerate(queries):
            seen = [s for s in range(position + 1)
                    if not window or s > position - window or s < sinks]
            if sees:
                seen = [s for s in seen if sees(position, s)]
            mixed = []
            for head in range(heads):
                own, shared = head * head_dim, head // (heads // kv_heads) * head_dim
                scores = [capped(score_cap, scale * math.fsum(
                    query[own + i] * keys[s][shared + i] for i in range(head_dim))) for s in seen]
                if slopes:
                    scores = [score - slopes[head] * (position - s)
                              for score, s in zip(scores, seen)]
                if sink_logits:
                    scores.append(layer["sinks"][head])
                top = max(scores)
                parts = [math.exp(score - top) for score in scores]
                total = math.fsum(parts)
                mixed += [math.fsum(p * values[s][shared + i] for p, s in zip(parts, seen)) / total
                          for i in range(head_dim)]
            states[position] = [a + b for a, b in zip(states[position],
                                                      product(layer["o"], mixed))]
        for position, state in enumerate(states):
            x = rms_norm(state, layer["ffn_norm"], epsilon)
            gate, up = product(layer["gate"], x), product(layer["up"], x)
            if limit:
                gate = [min(v, limit) for v in gate]
                up = [max(-limit, min(v, limit)) for v in up]
            inner = [activation(kind, v) for v in gate]
            if gated:
                inner = [a * (b + offset) for a, b in zip(inner, up)]
            if order:
                inner = [inner[column] for column in order]
            states[position] = [a + b for a, b in zip(state, product(layer["down"], inner))]
    last = [layer_norm(state, weights["norm"], weights["norm_bias"], epsilon) if layer_norms
            else rms_norm(state, weights["norm"], epsilon) for state in states]
    return [[capped(logit_cap, logit_scale * value) for value in product(weights["head"], state)]
            for state in last]
