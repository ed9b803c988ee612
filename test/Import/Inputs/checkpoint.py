"""Writes a tiny checkpoint: a Hugging Face folder, or a GGUF with the same values.

checkpoint.py OUT [--gguf] [--model llama|mistral|qwen2] [--tied] [--set KEY=JSON]...
    [--drop NAME] [--add NAME=2,3] [--shape NAME=2,3] [--type NAME=F16]

Names in --drop, --add, --shape and --type are those of the container. Values are multiples of 1/64,
so that every float type holds them.
"""
import argparse
import json
import os
import struct
import zlib

parser = argparse.ArgumentParser()
parser.add_argument("out")
parser.add_argument("--gguf", action="store_true")
parser.add_argument("--model", default="llama")
parser.add_argument("--tied", action="store_true")
for name in ("set", "drop", "add", "shape", "type"):
    parser.add_argument("--" + name, action="append", default=[])
args = parser.parse_args()

config = {
    "model_type": args.model, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 6,
    "max_position_embeddings": 40, "rms_norm_eps": 2.0**-10, "rope_theta": 10000.0,
    "tie_word_embeddings": args.tied, "hidden_act": "silu",
}
for item in args.set:
    key, _, value = item.partition("=")
    config[key] = json.loads(value)
hidden, ffn = config["hidden_size"], config["intermediate_size"]
queries = config["num_attention_heads"] * config["head_dim"]
keys = config["num_key_value_heads"] * config["head_dim"]
qkv_bias = args.model == "qwen2" or config.get("attention_bias", False)
output_bias = args.model == "llama" and config.get("attention_bias", False)
ffn_bias = config.get("mlp_bias", False)

# (Hugging Face name, GGUF name, shape, heads whose rows GGUF's llama interleaves)
rows = [("model.embed_tokens.weight", "token_embd.weight", [config["vocab_size"], hidden], 0)]
for i in range(config["num_hidden_layers"]):
    hf, gg = "model.layers.%d." % i, "blk.%d." % i
    layer = [
        ("input_layernorm", "attn_norm", [hidden], 0, False),
        ("self_attn.q_proj", "attn_q", [queries, hidden], config["num_attention_heads"], qkv_bias),
        ("self_attn.k_proj", "attn_k", [keys, hidden], config["num_key_value_heads"], qkv_bias),
        ("self_attn.v_proj", "attn_v", [keys, hidden], 0, qkv_bias),
        ("self_attn.o_proj", "attn_output", [hidden, queries], 0, output_bias),
        ("post_attention_layernorm", "ffn_norm", [hidden], 0, False),
        ("mlp.gate_proj", "ffn_gate", [ffn, hidden], 0, ffn_bias),
        ("mlp.up_proj", "ffn_up", [ffn, hidden], 0, ffn_bias),
        ("mlp.down_proj", "ffn_down", [hidden, ffn], 0, ffn_bias),
    ]
    for a, b, shape, heads, bias in layer:
        rows.append((hf + a + ".weight", gg + b + ".weight", shape, heads))
        if bias:
            rows.append((hf + a + ".bias", gg + b + ".bias", shape[:1], heads))
rows.append(("model.norm.weight", "output_norm.weight", [hidden], 0))
if not args.tied:
    rows.append(("lm_head.weight", "output.weight", [config["vocab_size"], hidden], 0))


def size(shape):
    count = 1
    for n in shape:
        count *= n
    return count


def values(name, shape):
    seed = zlib.crc32(name.encode())
    return [((seed + i * 2654435761 >> 7) % 65 - 32) / 64 for i in range(size(shape))]


def interleave(data, shape, heads):
    """Puts row i + d/2 of every head after row i, as GGUF's llama converter does."""
    width = size(shape[1:])
    lines = [data[r * width:(r + 1) * width] for r in range(shape[0])]
    d = shape[0] // heads
    order = [h * d + p + half * d // 2 for h in range(heads) for p in range(d // 2)
             for half in (0, 1)]
    return [v for r in order for v in lines[r]]


tensors = {}
for hf_name, gguf_name, shape, heads in rows:
    data = values(hf_name, shape)
    if args.gguf and heads and args.model != "qwen2":
        data = interleave(data, shape, heads)
    tensors[gguf_name if args.gguf else hf_name] = (shape, data)
for name in args.drop:
    del tensors[name]
for item in args.add + args.shape:
    name, _, shape = item.partition("=")
    shape = [int(n) for n in shape.split(",")]
    fill = [4.0] * size(shape) if name == "rope_freqs.weight" else [0.5] * size(shape)
    tensors[name] = (shape, fill)
types = dict(item.split("=") for item in args.type)


def encode(kind, data):
    if kind == "F32":
        return struct.pack("<%df" % len(data), *data)
    if kind == "F16":
        return struct.pack("<%de" % len(data), *data)
    if kind == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in data)
    if kind == "I32":
        return struct.pack("<%di" % len(data), *[int(v) for v in data])
    if kind == "Q4_1":  # 4-bit codes above a minimum: what fits keeps its value
        codes = [int(v * 64) + 8 & 15 for v in data]
        return b"".join(struct.pack("<ee16B", 1 / 64, -8 / 64,
                                    *[codes[i + j] | codes[i + j + 16] << 4 for j in range(16)])
                        for i in range(0, len(data), 32))
    assert kind == "Q8_0"
    return b"".join(struct.pack("<e32b", 1 / 64, *[int(v * 64) for v in data[i:i + 32]])
                    for i in range(0, len(data), 32))


def write_huggingface():
    os.makedirs(args.out, exist_ok=True)
    with open(os.path.join(args.out, "config.json"), "w") as file:
        json.dump(config, file)
    header, body = {}, b""
    for name, (shape, data) in tensors.items():
        kind = types.get(name, "F32")
        piece = encode(kind, data)
        header[name] = {"dtype": kind, "shape": shape,
                        "data_offsets": [len(body), len(body) + len(piece)]}
        body += piece
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(os.path.join(args.out, "model.safetensors"), "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + body)


def write_gguf():
    def string(text):
        return struct.pack("<Q", len(text)) + text.encode()

    arch = "qwen2" if args.model == "qwen2" else "llama"
    names = {"hidden_size": "embedding_length", "intermediate_size": "feed_forward_length",
             "num_hidden_layers": "block_count", "num_attention_heads": "attention.head_count",
             "num_key_value_heads": "attention.head_count_kv",
             "head_dim": "attention.key_length", "max_position_embeddings": "context_length",
             "vocab_size": "vocab_size", "sliding_window": "attention.sliding_window"}
    entries = [string("general.architecture") + struct.pack("<I", 8) + string(arch)]
    for key, name in names.items():
        if config.get(key):
            entries.append(string(arch + "." + name) + struct.pack("<II", 4, config[key]))
    reals = {"attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
             "rope.freq_base": config["rope_theta"]}
    if "rope_scaling" in config:
        reals["rope.scaling.factor"] = config["rope_scaling"]["factor"]
        entries.append(string(arch + ".rope.scaling.type") + struct.pack("<I", 8) +
                       string(config["rope_scaling"]["rope_type"]))
    for name, value in reals.items():
        entries.append(string(arch + "." + name) + struct.pack("<If", 6, value))
    codes = {"F32": 0, "F16": 1, "Q4_1": 3, "Q8_0": 8, "I32": 26, "BF16": 30}
    infos, body = b"", b""
    for name, (shape, data) in tensors.items():
        kind = types.get(name, "F32")
        infos += string(name) + struct.pack("<I", len(shape))
        infos += struct.pack("<%dQ" % len(shape), *reversed(shape))
        infos += struct.pack("<IQ", codes[kind], len(body))
        piece = encode(kind, data)
        body += piece + bytes(-len(piece) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + infos
    with open(args.out, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + body)


if args.gguf:
    write_gguf()
else:
    write_huggingface()
