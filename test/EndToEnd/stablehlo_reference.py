"""Random weights of decoders of two layers, and what they compute in float64.

Written from the published definitions: attention (Vaswani et al. 2017) with a causal mask, rotary
embeddings in halves (Su et al. 2021), RMS normalization (Zhang and Sennrich 2019), layer
normalization (Ba et al. 2016), SiLU and GELU, on plain lists.
"""
import math
import random

VOCABULARY, HIDDEN, HEADS, KV_HEADS, HEAD_DIM, INNER, PLACES = 32, 16, 4, 2, 4, 24, 16
LAYERS, EPSILON, THETA = 2, 1e-5, 10000.0


class Weights:
    """Random weights that are exact in f32, in the layout of JAX: [inputs, outputs]."""

    def __init__(self, seed, norm="rms"):
        self.random = random.Random(seed)
        self.values = {}
        self.add("embed", VOCABULARY, HIDDEN)
        self.add("places", PLACES, HIDDEN)
        for layer in range(LAYERS):
            for name in ("attn_norm", "ffn_norm"):
                self.add(f"{name}{layer}", HIDDEN, centre=1.0)
                if norm == "layer":
                    self.add(f"{name}_bias{layer}", HIDDEN)
            self.add(f"q{layer}", HIDDEN, HEADS * HEAD_DIM)
            self.add(f"k{layer}", HIDDEN, KV_HEADS * HEAD_DIM)
            self.add(f"v{layer}", HIDDEN, KV_HEADS * HEAD_DIM)
            self.add(f"o{layer}", HEADS * HEAD_DIM, HIDDEN)
            self.add(f"gate{layer}", HIDDEN, INNER)
            self.add(f"up{layer}", HIDDEN, INNER)
            self.add(f"up_bias{layer}", INNER)
            self.add(f"down{layer}", INNER, HIDDEN)
        self.add("final_norm", HIDDEN, centre=1.0)
        if norm == "layer":
            self.add("final_norm_bias", HIDDEN)
        self.add("head", HIDDEN, VOCABULARY)

    def add(self, name, *shape, centre=0.0):
        def values(sizes):
            if sizes:
                return [values(sizes[1:]) for _ in range(sizes[0])]
            return centre + self.random.randint(-64, 64) / 128
        self.values[name] = values(list(shape))

    def __getitem__(self, name):
        return self.values[name]

    def shape(self, name):
        shape, value = [], self.values[name]
        while isinstance(value, list):
            shape.append(len(value))
            value = value[0]
        return shape


def matmul(rows, weight):
    return [[sum(x * w for x, w in zip(row, column)) for column in zip(*weight)] for row in rows]


def normalize(rows, weight, bias=None):
    result = []
    for row in rows:
        if bias is not None:
            mean = sum(row) / len(row)
            row = [x - mean for x in row]
        scale = 1 / math.sqrt(sum(x * x for x in row) / len(row) + EPSILON)
        result.append([x * scale * w + (bias[i] if bias is not None else 0)
                       for i, (x, w) in enumerate(zip(row, weight))])
    return result


def rotate(row, position):
    half = len(row) // 2
    result = list(row)
    for i in range(half):
        angle = position * THETA ** (-2 * i / len(row))
        low, high = row[i], row[i + half]
        result[i] = low * math.cos(angle) - high * math.sin(angle)
        result[i + half] = high * math.cos(angle) + low * math.sin(angle)
    return result


def attend(q, k, v, rotary):
    count, mixed = len(q), []
    for t in range(count):
        row = []
        for head in range(HEADS):
            shared = head // (HEADS // KV_HEADS)
            def part(rows, s, h):
                found = rows[s][h * HEAD_DIM:(h + 1) * HEAD_DIM]
                return rotate(found, s) if rotary and rows is not v else found
            own = part(q, t, head)
            scores = [sum(a * b for a, b in zip(own, part(k, s, shared))) / math.sqrt(HEAD_DIM)
                      for s in range(t + 1)]
            weights = [math.exp(x - max(scores)) for x in scores]
            row += [sum(w * part(v, s, shared)[c] for s, w in enumerate(weights)) / sum(weights)
                    for c in range(HEAD_DIM)]
        mixed.append(row)
    return mixed


def silu(x):
    return x / (1 + math.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def add(a, b):
    return [[x + y for x, y in zip(p, q)] for p, q in zip(a, b)]


def reference(weights, tokens, variant):
    """The logits of all tokens."""
    def norm(rows, name):
        bias = weights[name[:-1] + "_bias" + name[-1] if name[-1].isdigit() else name + "_bias"] \
            if variant.norm == "layer" else None
        return normalize(rows, weights[name], bias)
    x = [list(weights["embed"][token]) for token in tokens]
    if variant.places:
        x = add(x, weights["places"])
    for layer in range(LAYERS):
        h = norm(x, f"attn_norm{layer}")
        mixed = attend(*(matmul(h, weights[f"{name}{layer}"]) for name in "qkv"), variant.rotary)
        x = add(x, matmul(mixed, weights[f"o{layer}"]))
        h = norm(x, f"ffn_norm{layer}")
        if variant.activation == "silu":
            inner = [[silu(g) * u for g, u in zip(a, b)]
                     for a, b in zip(matmul(h, weights[f"gate{layer}"]),
                                     matmul(h, weights[f"up{layer}"]))]
        else:
            function = gelu if variant.activation.startswith("gelu_er") else gelu_tanh
            inner = [[function(y + b) for y, b in zip(row, weights[f"up_bias{layer}"])]
                     for row in matmul(h, weights[f"up{layer}"])]
        x = add(x, matmul(inner, weights[f"down{layer}"]))
    return matmul(norm(x, "final_norm"), weights["head"])
