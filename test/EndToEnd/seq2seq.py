"""Encoder-decoders: tiny random checkpoints and what they compute, in float64 from their published
definitions."""
import math

from family_base import VOCAB, HIDDEN, FFN, HEADS, DIM, Family
from family_math import (activate, add, gated, gelu, gelu_tanh, join_heads, layer_norm, linear,
                         rms_norm, scale, silu, split_heads)


def attend(queries, keys, values, score):
    """Attention of rows of heads: query t sees the keys whose `score(t, s, head, product)` is not
    None."""
    result = []
    for t, token in enumerate(queries):
        heads = []
        for h, q in enumerate(token):
            scores = {}
            for s, row in enumerate(keys):
                value = score(t, s, h, sum(a * b for a, b in zip(q, row[h])))
                if value is not None:
                    scores[s] = value
            largest = max(scores.values())
            weights = {s: math.exp(x - largest) for s, x in scores.items()}
            total = sum(weights.values())
            heads.append([sum(w / total * values[s][h][d] for s, w in weights.items())
                          for d in range(len(q))])
        result.append(heads)
    return join_heads(result)


def bucket(distance, buckets, most, both):
    """Raffel et al. 2020, section 2.1, and Mesh TensorFlow's _relative_position_bucket, of key minus
    query position."""
    result, past = 0, -distance
    if both:
        buckets //= 2
        if past < 0:
            result = buckets
        past = abs(past)
    else:
        past = max(past, 0)
    exact = buckets // 2
    if past < exact:
        return result + past
    far = exact + int(math.log(past / exact) / math.log(most / exact) * (buckets - exact))
    return result + min(far, buckets - 1)


class T5(Family):
    """The first T5: relu, and the table of embeddings as head."""
    name = gguf = "t5"
    layers, encoder_layers = 3, 2
    distance = 128  # which GGUF files cannot change
    functions = {"relu": lambda x: max(x, 0.0), "gated-gelu": gelu_tanh, "gated-silu": silu}
    feed_forward = "relu"
    tied = True

    def base(self):
        return {"d_model": HIDDEN, "d_kv": DIM + 4, "d_ff": FFN, "num_layers": self.encoder_layers,
                "num_decoder_layers": self.layers, "num_heads": HEADS, "n_positions": self.context,
                "relative_attention_num_buckets": 8, "layer_norm_epsilon": 1e-6,
                "relative_attention_max_distance": self.distance,
                "feed_forward_proj": self.feed_forward, "tie_word_embeddings": self.tied,
                "is_encoder_decoder": True, "pad_token_id": 0, "decoder_start_token_id": 0}

    def shapes(self):
        width = HEADS * self.config["d_kv"]
        shapes = {"shared.weight": (VOCAB, HIDDEN)}
        for stack, layers in (("encoder", self.config["num_layers"]), ("decoder", self.layers)):
            parts = ["SelfAttention"] + ["EncDecAttention"] * (stack == "decoder")
            for i in range(layers):
                for number, part in enumerate(parts):
                    p = f"{stack}.block.{i}.layer.{number}."
                    shapes[p + "layer_norm.weight"] = (HIDDEN,)
                    for name in "qkv":
                        shapes[f"{p}{part}.{name}.weight"] = (width, HIDDEN)
                    shapes[f"{p}{part}.o.weight"] = (HIDDEN, width)
                p = f"{stack}.block.{i}.layer.{len(parts)}."
                shapes[p + "layer_norm.weight"] = (HIDDEN,)
                for name in self.inner():
                    shapes[f"{p}DenseReluDense.{name}.weight"] = (FFN, HIDDEN)
                shapes[f"{p}DenseReluDense.wo.weight"] = (HIDDEN, FFN)
            shapes[f"{stack}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"] = (
                self.config["relative_attention_num_buckets"], HEADS)
            shapes[f"{stack}.final_layer_norm.weight"] = (HIDDEN,)
        if not self.tied:
            shapes["lm_head.weight"] = (VOCAB, HIDDEN)
        return shapes

    def inner(self):
        return ("wi_0", "wi_1") if self.feed_forward.startswith("gated-") else ("wi",)

    def tensors(self, seed=1):
        result = super().tensors(seed)
        result["shared.weight"] = scale(result["shared.weight"], 8.0)
        return result

    def norm(self, rows, weight):
        return rms_norm(rows, weight, self.config["layer_norm_epsilon"])

    def attention(self, w, part, rows, memory, score):
        heads = [split_heads(linear(source, w(f"{part}.{name}.weight")), self.config["d_kv"])
                 for name, source in (("q", rows), ("k", memory), ("v", memory))]
        return linear(attend(*heads, score), w(part + ".o.weight"))

    def feed(self, w, rows):
        function = self.functions[self.feed_forward]
        inner = [linear(rows, w(f"DenseReluDense.{name}.weight")) for name in self.inner()]
        rows = gated(*inner, function) if len(inner) == 2 else activate(inner[0], function)
        return linear(rows, w("DenseReluDense.wo.weight"))

    def stack(self, t, name, layers, rows, memory=None):
        table = t[f"{name}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
        causal = memory is not None

        def own(query, key, head, product):
            if causal and key > query:
                return None
            row = bucket(key - query, len(table), self.distance, not causal)
            return product + table[row][head]

        for i in range(layers):
            w = t.layer(f"{name}.block.{{}}.layer.0.", i)
            x = self.norm(rows, w("layer_norm.weight"))
            rows = add(rows, self.attention(w, "SelfAttention", x, x, own))
            if memory is not None:
                w = t.layer(f"{name}.block.{{}}.layer.1.", i)
                x = self.norm(rows, w("layer_norm.weight"))
                rows = add(rows, self.attention(w, "EncDecAttention", x, memory,
                                                lambda query, key, head, product: product))
            w = t.layer(f"{name}.block.{{}}.layer.{2 if causal else 1}.", i)
            rows = add(rows, self.feed(w, self.norm(rows, w("layer_norm.weight"))))
        return self.norm(rows, t[f"{name}.final_layer_norm.weight"])

    def encode(self, t, tokens):
        rows = [t["shared.weight"][token] for token in tokens]
        return self.stack(t, "encoder", self.config["num_layers"], rows)

    def forward(self, t, tokens, written):
        """Logits after each of the `written` tokens, of a decoder behind `tokens`."""
        rows = [t["shared.weight"][token] for token in written]
        rows = self.stack(t, "decoder", self.layers, rows, self.encode(t, tokens))
        if self.tied:
            rows = scale(rows, HIDDEN ** -0.5)
        return linear(rows, t["shared.weight"] if self.tied else t["lm_head.weight"])

    def to_gguf(self, tensors):
        """As gguf-py's constants name them."""
        attention = {"q": "q", "k": "k", "v": "v", "o": "o", "relative_attention_bias": "rel_b"}
        inner = {"wi": "ffn_up", "wi_0": "ffn_gate", "wi_1": "ffn_up", "wo": "ffn_down"}
        renamed = {}
        for name, value in tensors.items():
            parts = name.split(".")
            prefix = parts[0][:3]
            if parts[0] in ("shared", "lm_head"):
                renamed[{"shared": "token_embd.weight", "lm_head": "output.weight"}[parts[0]]] = value
                continue
            if parts[1] == "final_layer_norm":
                renamed[f"{prefix}.output_norm.weight"] = value
                continue
            number, kind = int(parts[4]), parts[5]
            is_cross = prefix == "dec" and number == 1
            is_feed = number == (2 if prefix == "dec" else 1)
            part = "ffn" if is_feed else "cross_attn" if is_cross else "attn"
            own = (part + "_norm" if kind == "layer_norm" else inner[parts[6]] if is_feed
                   else f"{part}_{attention[parts[6]]}")
            renamed[f"{prefix}.blk.{parts[2]}.{own}.weight"] = value
        c = self.config
        own = {"context_length": c["n_positions"], "embedding_length": HIDDEN,
               "feed_forward_length": FFN, "block_count": c["num_layers"],
               "decoder_block_count": self.layers, "attention.head_count": HEADS,
               "attention.key_length": c["d_kv"], "attention.value_length": c["d_kv"],
               "attention.layer_norm_epsilon": c["layer_norm_epsilon"],
               "attention.layer_norm_rms_epsilon": c["layer_norm_epsilon"],
               "attention.relative_buckets_count": c["relative_attention_num_buckets"],
               "decoder_start_token_id": 0, "vocab_size": VOCAB}
        return {"t5." + key: value for key, value in own.items()}, renamed


class FlanT5(T5):
    """T5 1.1: a gate, and a head of its own."""
    feed_forward, tied = "gated-gelu", False


class MT5(FlanT5):
    name = "mt5"
    gguf = None
    layers, encoder_layers = 2, 2


class NearT5(T5):
    """Another distance, which GGUF files cannot hold, and silu."""
    distance, feed_forward = 20, "gated-silu"
    gguf = None


SEQ2SEQ = [T5, FlanT5, MT5, NearT5]


class Whisper(Family):
    """Radford et al. 2022, and transformers' modeling of it: two convolutions with gelu, sinusoids
    that checkpoints store as learned positions, no bias of keys."""
    name = "whisper"
    layers, encoder_layers = 3, 2
    BINS, POSITIONS = 8, 20

    def base(self):
        return {"d_model": HIDDEN, "encoder_layers": self.encoder_layers,
                "decoder_layers": self.layers, "encoder_attention_heads": HEADS,
                "decoder_attention_heads": HEADS, "encoder_ffn_dim": FFN, "decoder_ffn_dim": FFN,
                "num_mel_bins": self.BINS, "max_source_positions": self.POSITIONS,
                "max_target_positions": 32, "activation_function": "gelu",
                "scale_embedding": False, "is_encoder_decoder": True, "pad_token_id": 2,
                "decoder_start_token_id": 3}

    def shapes(self):
        shapes = {"model.encoder.conv1.weight": (HIDDEN, self.BINS, 3),
                  "model.encoder.conv1.bias": (HIDDEN,),
                  "model.encoder.conv2.weight": (HIDDEN, HIDDEN, 3),
                  "model.encoder.conv2.bias": (HIDDEN,),
                  "model.encoder.embed_positions.weight": (self.POSITIONS, HIDDEN),
                  "model.decoder.embed_tokens.weight": (VOCAB, HIDDEN),
                  "model.decoder.embed_positions.weight": (32, HIDDEN)}
        for stack, layers in (("encoder", self.encoder_layers), ("decoder", self.layers)):
            parts = ["self_attn"] + ["encoder_attn"] * (stack == "decoder")
            for i in range(layers):
                p = f"model.{stack}.layers.{i}."
                for part in parts:
                    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
                        shapes[f"{p}{part}.{name}.weight"] = (HIDDEN, HIDDEN)
                        if name != "k_proj":
                            shapes[f"{p}{part}.{name}.bias"] = (HIDDEN,)
                for norm in [part + "_layer_norm" for part in parts] + ["final_layer_norm"]:
                    shapes[f"{p}{norm}.weight"] = shapes[f"{p}{norm}.bias"] = (HIDDEN,)
                shapes[p + "fc1.weight"], shapes[p + "fc1.bias"] = (FFN, HIDDEN), (FFN,)
                shapes[p + "fc2.weight"], shapes[p + "fc2.bias"] = (HIDDEN, FFN), (HIDDEN,)
            norm = f"model.{stack}.layer_norm"
            shapes[norm + ".weight"] = shapes[norm + ".bias"] = (HIDDEN,)
        return shapes

    def norm(self, w, name, rows):
        return layer_norm(rows, w(name + ".weight"), w(name + ".bias"), 1e-5)

    def attention(self, w, part, rows, memory, causal):
        heads = [split_heads(linear(source, w(f"{part}.{name}_proj.weight"),
                                    w(f"{part}.{name}_proj.bias")), HIDDEN // HEADS)
                 for name, source in (("q", rows), ("k", memory), ("v", memory))]
        factor = (HIDDEN // HEADS) ** -0.5
        mixed = attend(*heads, lambda query, key, head, product:
                       None if causal and key > query else factor * product)
        return linear(mixed, w(part + ".out_proj.weight"), w(part + ".out_proj.bias"))

    def stack(self, t, name, layers, rows, memory=None):
        for i in range(layers):
            w = t.layer(f"model.{name}.layers.{{}}.", i)
            x = self.norm(w, "self_attn_layer_norm", rows)
            rows = add(rows, self.attention(w, "self_attn", x, x, memory is not None))
            if memory is not None:
                x = self.norm(w, "encoder_attn_layer_norm", rows)
                rows = add(rows, self.attention(w, "encoder_attn", x, memory, False))
            x = linear(self.norm(w, "final_layer_norm", rows), w("fc1.weight"), w("fc1.bias"))
            rows = add(rows, linear(activate(x, gelu), w("fc2.weight"), w("fc2.bias")))
        return self.norm(lambda part: t[f"model.{name}." + part], "layer_norm", rows)

    def convolve(self, t, name, rows, stride):
        """torch.nn.Conv1d of kernel 3 and padding 1, then gelu; `rows` are frames."""
        weight, bias = t[f"model.encoder.{name}.weight"], t[f"model.encoder.{name}.bias"]
        result = []
        for at in range(0, len(rows), stride):
            sums = list(bias)
            for k in range(3):
                if 0 <= at + k - 1 < len(rows):
                    row = rows[at + k - 1]
                    for o, kernel in enumerate(weight):
                        sums[o] += sum(kernel[c][k] * row[c] for c in range(len(row)))
            result.append([gelu(x) for x in sums])
        return result

    def encode(self, t, frames):
        rows = self.convolve(t, "conv2", self.convolve(t, "conv1", frames, 1), 2)
        rows = add(rows, t["model.encoder.embed_positions.weight"][:len(rows)])
        return self.stack(t, "encoder", self.encoder_layers, rows)

    def forward(self, t, frames, written):
        """Logits after each of the `written` tokens, of a decoder behind rows of mel bins."""
        rows = [t["model.decoder.embed_tokens.weight"][token] for token in written]
        rows = add(rows, t["model.decoder.embed_positions.weight"][:len(rows)])
        rows = self.stack(t, "decoder", self.layers, rows, self.encode(t, frames))
        return linear(rows, t["model.decoder.embed_tokens.weight"])


def log_mel(samples, bins):
    """WhisperFeatureExtractor: rows of frames. Windows of 400 samples (Hann, periodic), 160 apart,
    mirrored at the ends; Slaney's mel filters; log10, at least 8 below the largest."""
    def hertz(mel):
        return 200 * mel / 3 if mel < 15 else 1000 * math.exp((mel - 15) * math.log(6.4) / 27)

    top = 15 + math.log(8) * 27 / math.log(6.4)
    points = [hertz(top * i / (bins + 1)) for i in range(bins + 2)]
    padded = samples[200:0:-1] + samples + samples[-2:-202:-1]
    window = [0.5 - 0.5 * math.cos(2 * math.pi * i / 400) for i in range(400)]
    cos = [math.cos(2 * math.pi * i / 400) for i in range(400)]
    sin = [math.sin(2 * math.pi * i / 400) for i in range(400)]
    rows = []
    for at in range(0, len(samples), 160):
        x = [a * b for a, b in zip(padded[at:at + 400], window)]
        power = [sum(v * cos[i * k % 400] for i, v in enumerate(x)) ** 2 +
                 sum(v * sin[i * k % 400] for i, v in enumerate(x)) ** 2 for k in range(201)]
        row = []
        for low, middle, high in zip(points, points[1:], points[2:]):
            total = sum(p * max(0.0, min((40 * k - low) / (middle - low),
                                         (high - 40 * k) / (high - middle)))
                        for k, p in enumerate(power)) * 2 / (high - low)
            row.append(math.log10(max(total, 1e-10)))
        rows.append(row)
    largest = max(map(max, rows))
    return [[(max(x, largest - 8) + 4) / 4 for x in row] for row in rows]
