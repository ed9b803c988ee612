"""What decoder families compute, in float64 and plain Python: the pieces that definitions share.

Written from the published definitions, not from the importer. A matrix is a list of rows; hidden
states are one row per token.
"""
import math


def linear(rows, weight, bias=None):
    """x W^T + b, the weight being [outputs, inputs]."""
    result = []
    for x in rows:
        y = [sum(a * b for a, b in zip(x, w)) for w in weight]
        result.append([a + b for a, b in zip(y, bias)] if bias else y)
    return result


def conv1d(rows, weight, bias):
    """x W + b, the weight being [inputs, outputs] (transformers' Conv1D)."""
    return linear(rows, [list(column) for column in zip(*weight)], bias)


def add(*states):
    return [[sum(values) for values in zip(*rows)] for rows in zip(*states)]


def scale(rows, factor):
    return [[factor * x for x in row] for row in rows]


def rms_norm(rows, weight, epsilon):
    result = []
    for x in rows:
        factor = 1 / math.sqrt(sum(v * v for v in x) / len(x) + epsilon)
        result.append([v * factor * w for v, w in zip(x, weight)])
    return result


def gemma_norm(rows, weight, epsilon):
    return rms_norm(rows, [1 + w for w in weight], epsilon)


def layer_norm(rows, weight, bias, epsilon):
    result = []
    for x in rows:
        mean = sum(x) / len(x)
        variance = sum((v - mean) ** 2 for v in x) / len(x)
        y = [(v - mean) / math.sqrt(variance + epsilon) * w for v, w in zip(x, weight)]
        result.append([a + b for a, b in zip(y, bias)] if bias else y)
    return result


def silu(x):
    return x / (1 + math.exp(-x))


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def activate(rows, function):
    return [[function(x) for x in row] for row in rows]


def gated(gate, up, function):
    return [[function(g) * u for g, u in zip(a, b)] for a, b in zip(gate, up)]


def split_heads(rows, size):
    """[token][head][column]."""
    return [[row[i:i + size] for i in range(0, len(row), size)] for row in rows]


def join_heads(heads):
    return [[x for head in token for x in head] for token in heads]


def norm_heads(heads, norm):
    return [norm(token) for token in heads]


def frequencies(theta, rotated):
    return [theta ** (-2 * i / rotated) for i in range(rotated // 2)]


def rotate(heads, inverse, factor=1.0, adjacent=False):
    """Rotates the first 2 * len(inverse) columns of every head by the token's position."""
    half = len(inverse)
    result = []
    for position, token in enumerate(heads):
        cos = [factor * math.cos(position * f) for f in inverse]
        sin = [factor * math.sin(position * f) for f in inverse]
        turned = []
        for x in token:
            y = list(x)
            for i in range(half):
                a, b = (2 * i, 2 * i + 1) if adjacent else (i, i + half)
                y[a] = x[a] * cos[i] - x[b] * sin[i]
                y[b] = x[b] * cos[i] + x[a] * sin[i]
            turned.append(y)
        result.append(turned)
    return result


def attention(queries, keys, values, factor, window=None, cap=None, slopes=None):
    """Causal attention; query head h reads key/value head h / (heads / kv heads). A key's score
    gets its position times the head's slope: with distances in their place it would be the same."""
    shared = len(queries[0]) // len(keys[0])
    result = []
    for t, token in enumerate(queries):
        heads = []
        for h, q in enumerate(token):
            seen = range(max(0, t - window + 1) if window else 0, t + 1)
            scores = [factor * sum(a * b for a, b in zip(q, keys[s][h // shared])) for s in seen]
            if cap:
                scores = [cap * math.tanh(s / cap) for s in scores]
            if slopes:
                scores = [x + slopes[h] * s for x, s in zip(scores, seen)]
            largest = max(scores)
            weights = [math.exp(s - largest) for s in scores]
            total = sum(weights)
            heads.append([sum(w / total * values[s][h // shared][d] for w, s in zip(weights, seen))
                          for d in range(len(values[0][0]))])
        result.append(heads)
    return join_heads(result)


def linear_scaling(inverse, factor):
    return [f / factor for f in inverse]


def dynamic_ntk(theta, rotated, factor, length, original):
    if length > original:
        theta *= (factor * length / original - (factor - 1)) ** (rotated / (rotated - 2))
    return frequencies(theta, rotated)


def llama3_scaling(inverse, factor, low, high, original):
    result = []
    for f in inverse:
        wavelength = 2 * math.pi / f
        if wavelength < original / high:
            result.append(f)
        elif wavelength > original / low:
            result.append(f / factor)
        else:
            smooth = (original / wavelength - low) / (high - low)
            result.append((1 - smooth) * f / factor + smooth * f)
    return result


def yarn(theta, rotated, factor, original, fast=32, slow=1):
    """Peng et al. 2023, section 3.2: the frequencies and the factor of cosines and sines."""
    def correction(turns):
        return rotated * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(correction(fast)), 0)
    high = min(math.ceil(correction(slow)), rotated - 1)
    result = []
    for i, f in enumerate(frequencies(theta, rotated)):
        ramp = min(max((i - low) / (high - low if high != low else 0.001), 0), 1)
        result.append(f / factor * ramp + f * (1 - ramp))
    return result, 0.1 * math.log(factor) + 1
