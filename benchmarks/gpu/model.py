#!/usr/bin/env python3
"""Prepares a whole model for `stc-gpu-model`, which fills it with random weights on the GPU's machine.

    model.py SHAPE OUT [--layout dense-i4-g128] [--target sm_90] [--layers N] [--context N]

SHAPE is llama-3-8b or tinyllama. A checkpoint of that shape whose tensors are a sparse file is taken
to the packed phase without compression, and every matrix then gets the layout asked for. OUT gets
model.cubin and model.txt, a few hundred KB however large the model is.
"""
import argparse
import json
import math
import pathlib
import re
import shutil
import struct
import tempfile
import time

from kernels import BIN, ELEMENTS, KINDS, Layout, lower, run, up

CHUNK = 1024  # tokens of a prompt that the driver lets a GPU take at once

WEIGHT = re.compile(r"packed\.weight @(\S+) : !packed\.weight<(\d+)x(\d+), #packed\.layout<(\w+), "
                    r"(\w+)([^>]*)>> offset (\d+) bytes (\d+)")
SHAPES = {"llama-3-8b": (4096, 32, 32, 8, 14336, 128256), "tinyllama": (2048, 22, 32, 4, 5632, 32000)}


def write_checkpoint(folder, shape, layers):
    """config.json, and a safetensors file of the right size without data blocks."""
    hidden, _, heads, kv_heads, ffn, vocabulary = shape
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", hidden_size=hidden,
                  intermediate_size=ffn, num_hidden_layers=layers, num_attention_heads=heads,
                  num_key_value_heads=kv_heads, vocab_size=vocabulary, rms_norm_eps=1e-5,
                  rope_theta=500000.0, max_position_embeddings=8192, hidden_act="silu",
                  tie_word_embeddings=False, torch_dtype="bfloat16")
    (folder / "config.json").write_text(json.dumps(config))
    kv = hidden // heads * kv_heads
    tensors = {"model.embed_tokens.weight": (vocabulary, hidden), "model.norm.weight": (hidden,),
               "lm_head.weight": (vocabulary, hidden)}
    for layer in range(layers):
        tensors.update({f"model.layers.{layer}.{name}.weight": size for name, size in {
            "input_layernorm": (hidden,), "post_attention_layernorm": (hidden,),
            "self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (kv, hidden),
            "self_attn.v_proj": (kv, hidden), "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (ffn, hidden), "mlp.up_proj": (ffn, hidden),
            "mlp.down_proj": (hidden, ffn)}.items()})
    header, end = {}, 0
    for name, size in tensors.items():
        start, end = end, end + 2 * math.prod(size)
        header[name] = dict(dtype="BF16", shape=size, data_offsets=[start, end])
    text = json.dumps(header).encode()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)


def with_layout(packed, layout):
    """The module with every matrix in `layout`, at new offsets. (Zeros became bitmaps.)"""
    packed = re.sub(r"#packed\.layout<bitmap, i4[^>]*>", layout.attribute(), packed)
    packed = re.sub(r"#packed\.layout<bitmap, i8[^>]*>",
                    f"#packed.layout<dense, i8, group = {layout.group}>", packed)
    offset = {"pairs": " offset 128", "block": " offset 128"}.get(layout.kind, "")
    factor = f"sum_factor {-(1 << layout.bits >> 1)}"
    packed = packed.replace("sum_factor -8 ", factor + offset + " ")
    end = 0

    def place(match):
        nonlocal end
        symbol, rows, columns, kind, element, rest, _, size = match.groups()
        if kind != "rows":
            own = layout if kind != "dense" or element != "i8" else Layout(f"dense-i8-g{layout.group}")
            size = own.bytes(int(rows), int(columns))
        text = match.group(0)
        text = re.sub(r" offset \d+ bytes \d+$", f" offset {end} bytes {size}", text)
        end = up(end + int(size))
        return text

    return re.sub(WEIGHT, place, packed)


def field(text, name, default=0):
    found = re.search(rf"\b{name} = (\w+)", text)
    if not found:
        return default
    return {"true": 1, "false": 0}.get(found.group(1), found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--layout", default="dense-i4-g128")
    parser.add_argument("--target", default="sm_90")
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--context", type=int, default=4096)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    layout, shape = Layout(args.layout), SHAPES[args.shape]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_checkpoint(folder, shape, args.layers or shape[1])
        packed = folder / "packed.mlir"
        run(BIN / "stc", "compile", folder, "-o", packed, "--emit=mlir:packed", "--quiet",
            "--quantize", f"rtn:int4-g{layout.group}", "--max-context", args.context)
        packed.write_text(with_layout(packed.read_text(), layout))
        start = time.time()
        lowered, _ = lower(packed, folder / "model", args.target, "+ptx84", prefill_chunk=CHUNK)
        shutil.copy(folder / "model.cubin", args.out / "model.cubin")
        print(f"lowered in {time.time() - start:.1f} s")
        write(args, packed.read_text(), lowered)


def write(args, packed, lowered):
    cache = re.search(r"!stc\.kv_cache<layers = (\d+), kv_heads = (\d+), head_dim = (\d+), "
                      r"capacity = (\d+)(?:, element = (\w+))?", packed)
    layers, heads, dim, capacity = map(int, cache.groups()[:4])
    element = {"f32": 4, None: 4, "f16": 2}[cache.group(5)]
    blocks = (capacity + 63) // 64
    padded = (dim + 15) // 16 * 16
    vocabulary = int(re.search(r"@decode\(.*-> tensor<1x(\d+)xf32>", packed).group(1))
    hidden = int(re.search(r"@prefill\(.*-> tensor<\?x(\d+)xf32>", packed).group(1))
    weights, end = [], 0
    for match in WEIGHT.finditer(packed):
        symbol, rows, columns, kind, stored, rest, offset, size = match.groups()
        words = dict(name=symbol, rows=rows, columns=columns,
                     kind=0 if kind == "rows" else KINDS[kind], element=ELEMENTS[stored],
                     group=field(rest, "group"), n=field(rest, "n"), m=field(rest, "m"),
                     asymmetric=field(rest, "asymmetric"), per_row=field(rest, "per_row"),
                     minimums=field(rest, "minimums"),
                     offset=offset, bytes=size)
        if kind == "rows" and int(rows) > 1:
            words["gathered"] = 1
        weights.append(words)
        end = max(end, int(offset) + int(size))
    number = lambda text: re.search(rf"{text} = (\d+)", lowered).group(1)
    model = dict(name=f"{args.shape}-{args.layout}", target=f"nvptx-{args.target}", weights=end + 256,
                 arena=number(r"stc\.arena_bytes"),
                 keys=layers * heads * blocks * 64 * dim * element,
                 values=layers * heads * blocks * 64 * padded * element, hidden=4 * CHUNK * hidden,
                 logits=4 * vocabulary, vocabulary=vocabulary, capacity=capacity, chunk=CHUNK,
                 threads=re.search(r"nvvm\.maxntid = array<i32: (\d+)>", lowered).group(1),
                 shared=number(r"stc\.block_shared_bytes"))
    few = re.search(r"stc\.few_tokens = array<i64: ([\d, ]+)>", lowered)
    for i, tokens in enumerate(few.group(1).split(", ") if few else []):
        model[f"few_tokens{i}"] = tokens
    lines = [" ".join(f"{key}={value}" for key, value in words.items())
             for words in [model] + weights]
    (args.out / "model.txt").write_text("\n".join(lines) + "\n")
    print(f"{args.out}: {end / 1e9:.2f} GB of weights")


if __name__ == "__main__":
    main()
