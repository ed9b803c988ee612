#!/usr/bin/env python3
"""Writes a random bf16 Llama checkpoint of a real shape (default TinyLlama-1.1B), streaming.

Usage: make_checkpoint.py DIRECTORY [--shape tinyllama|llama-3-8b] [--layers N] [--hidden N] [--ffn N] [--heads N] [--kv-heads N]
       [--vocab N] [--context N] [--experts N --per-token N]
Numbers take the place of the shape's: `--shape llama-3-8b --layers 4` is 3.9 GB in place of 16.
With experts it is a Mixtral, whose experts have --ffn channels each.
Values are uniform bit patterns of small magnitude: no zeros, no NaN, so timings are honest.
"""
import argparse
import json
import os
import pathlib
import random
import struct


SHAPES = {"tinyllama": dict(layers=22, hidden=2048, ffn=5632, heads=32, kv_heads=4, vocab=32000,
                            context=2048),
          "llama-3-8b": dict(layers=32, hidden=4096, ffn=14336, heads=32, kv_heads=8, vocab=128256,
                             context=8192)}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--shape", choices=SHAPES, default="tinyllama")
    for name in SHAPES["tinyllama"]:
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    parser.add_argument("--experts", type=int, default=0)
    parser.add_argument("--per-token", type=int, default=2)
    a = parser.parse_args()
    for name, value in SHAPES[a.shape].items():
        if getattr(a, name) is None:
            setattr(a, name, value)
    kv = a.hidden // a.heads * a.kv_heads
    tensors = [("model.embed_tokens.weight", (a.vocab, a.hidden))]
    for i in range(a.layers):
        p = f"model.layers.{i}."
        tensors += [(p + "input_layernorm.weight", (a.hidden,)),
                    (p + "self_attn.q_proj.weight", (a.hidden, a.hidden)),
                    (p + "self_attn.k_proj.weight", (kv, a.hidden)),
                    (p + "self_attn.v_proj.weight", (kv, a.hidden)),
                    (p + "self_attn.o_proj.weight", (a.hidden, a.hidden)),
                    (p + "post_attention_layernorm.weight", (a.hidden,))]
        if a.experts:
            tensors.append((p + "block_sparse_moe.gate.weight", (a.experts, a.hidden)))
        names = [[f"{p}block_sparse_moe.experts.{e}.w{n}.weight" for n in (1, 3, 2)]
                 for e in range(a.experts)] or [[f"{p}mlp.{n}_proj.weight"
                                                 for n in ("gate", "up", "down")]]
        for gate, up, down in names:
            tensors += [(gate, (a.ffn, a.hidden)), (up, (a.ffn, a.hidden)),
                        (down, (a.hidden, a.ffn))]
    tensors += [("model.norm.weight", (a.hidden,)), ("lm_head.weight", (a.vocab, a.hidden))]

    directory = pathlib.Path(a.directory)
    directory.mkdir(parents=True, exist_ok=True)
    header, offset = {}, 0
    for name, shape in tensors:
        size = 2
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    # One random pool, read from a random place each time: fast, and no two rows are equal. High
    # bytes are 0x3c, 0x3d, 0xbc, 0xbd: magnitudes from 0.008 to 0.1.
    pool = bytearray(random.Random(1).randbytes(32 << 20))
    high = bytes((0x3C, 0xBC, 0x3D, 0xBD))
    pool[1::2] = bytes(pool[1::2]).translate(bytes(high[b & 3] for b in range(256)))
    pool = bytes(pool)
    generator = random.Random(2)
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name, shape in tensors:
            if len(shape) == 1:
                file.write(struct.pack("<H", 0x3F80) * shape[0])
                continue
            left = 2 * shape[0] * shape[1]
            while left:
                start = 2 * generator.randrange(len(pool) // 4)
                piece = pool[start:start + min(left, 8 << 20)]
                file.write(piece)
                left -= len(piece)
    family = ({"architectures": ["MixtralForCausalLM"], "model_type": "mixtral",
               "num_local_experts": a.experts, "num_experts_per_tok": a.per_token} if a.experts
              else {"architectures": ["LlamaForCausalLM"], "model_type": "llama"})
    (directory / "config.json").write_text(json.dumps({
        **family, "vocab_size": a.vocab,
        "hidden_size": a.hidden, "intermediate_size": a.ffn, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads,
        "max_position_embeddings": a.context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2}))


if __name__ == "__main__":
    main()
