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

    return {"embed": matrix(vocabulary, hidden), "norm": vector(hidden),
            "head": matrix(vocabulary, hidden),
            "layers": [{"attention_norm": vector(hidden), "q": matrix(heads * head_dim, hidden),
                        "q_bias": [0.1 * v for v in vector(heads * head_dim)],
                        "k": matrix(kv_heads * head_dim, hidden),
                        "v": matrix(kv_heads * head_dim, hidden),
                        "o": matrix(hidden, heads * head_dim), "ffn_norm": vector(hidden),
                        "gate": matrix(size, hidden), "up": matrix(size, hidden),
                        "down": matrix(hidden, size)} for _ in range(layers)]}


def product(matrix, x, bias=None):
    bias = bias or [0.0] * len(matrix)
    return [math.fsum(w * v for w, v in zip(row, x)) + b for row, b in zip(matrix, bias)]


def rms_norm(x, weight, epsilon):
    scale = 1 / math.sqrt(math.fsum(v * v for v in x) / len(x) + epsilon)
    return [v * scale * w for v, w in zip(x, weight)]


def rotate(x, position, head_dim, theta, interleaved):
    result = list(x)
    half = head_dim // 2
    for start in range(0, len(x), head_dim):
        for i in range(half):
            angle = position * theta ** (-2 * i / head_dim)
            a, b = (start + 2 * i, start + 2 * i + 1) if interleaved else \
                (start + i, start + half + i)
            result[a] = x[a] * math.cos(angle) - x[b] * math.sin(angle)
            result[b] = x[a] * math.sin(angle) + x[b] * math.cos(angle)
    return result


def activation(kind, x):
    if kind == "silu":
        return x / (1 + math.exp(-x))
    if kind == "gelu":
        return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
    if kind == "gelu_tanh":
        return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))
    return max(x, 0.0)


def logits(weights, tokens, *, heads, kv_heads, head_dim, theta=10000.0, epsilon=1e-5, kind="silu",
           window=0, sinks=0, scale=None, interleaved=False, gated=True):
    """Logits after every token."""
    scale = head_dim ** -0.5 if scale is None else scale
    states = [list(weights["embed"][token]) for token in tokens]
    for layer in weights["layers"]:
        keys, values, queries = [], [], []
        for position, state in enumerate(states):
            x = rms_norm(state, layer["attention_norm"], epsilon)
            queries.append(rotate(product(layer["q"], x, layer["q_bias"]), position, head_dim,
                                  theta, interleaved))
            keys.append(rotate(product(layer["k"], x), position, head_dim, theta, interleaved))
            values.append(product(layer["v"], x))
        for position, query in enumerate(queries):
            seen = [s for s in range(position + 1)
                    if not window or s > position - window or s < sinks]
            mixed = []
            for head in range(heads):
                own, shared = head * head_dim, head // (heads // kv_heads) * head_dim
                scores = [scale * math.fsum(query[own + i] * keys[s][shared + i]
                                            for i in range(head_dim)) for s in seen]
                top = max(scores)
                parts = [math.exp(score - top) for score in scores]
                total = math.fsum(parts)
                mixed += [math.fsum(p * values[s][shared + i] for p, s in zip(parts, seen)) / total
                          for i in range(head_dim)]
            states[position] = [a + b for a, b in zip(states[position],
                                                      product(layer["o"], mixed))]
        for position, state in enumerate(states):
            x = rms_norm(state, layer["ffn_norm"], epsilon)
            inner = [activation(kind, v) for v in product(layer["gate"], x)]
            if gated:
                inner = [a * b for a, b in zip(inner, product(layer["up"], x))]
            states[position] = [a + b for a, b in zip(state, product(layer["down"], inner))]
    return [product(weights["head"], rms_norm(state, weights["norm"], epsilon))
            for state in states]
