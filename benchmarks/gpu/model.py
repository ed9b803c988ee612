#!/usr/bin/env python3
"""Prepares a whole model for `stc-gpu-model`, which fills it with random weights on the GPU's machine.

    model.py CHECKPOINT OUT [--target sm_90] [-- OPTIONS OF stc compile, as --quantize int4-g128]

The checkpoint's values do not matter where layouts do not depend on them: its tensors may be a
sparse file. OUT gets model.cubin and model.txt, a few MB however large the model is.
"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from kernels import BIN, ELEMENTS, KINDS, tool

WEIGHT = re.compile(r"packed\.weight @(\S+) : !packed\.weight<(\d+)x(\d+), #packed\.layout<(\w+), "
                    r"(\w+)([^>]*)>> offset (\d+) bytes (\d+)")


def field(text, name, default=0):
    found = re.search(rf"\b{name} = (\w+)", text)
    if not found:
        return default
    return {"true": 1, "false": 0}.get(found.group(1), found.group(1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--target", default="sm_90")
    parser.add_argument("options", nargs="*")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    name = pathlib.Path(args.checkpoint).name
    with tempfile.TemporaryDirectory() as folder:
        ptx = pathlib.Path(folder, "model.ptx")
        start = time.time()
        subprocess.run([BIN / "stc", "compile", args.checkpoint, "-o", ptx, "--emit=ptx", "--quiet",
                        "--target", f"nvptx-{args.target}", "--dump-ir", folder, *args.options],
                       check=True)
        print(f"compiled in {time.time() - start:.1f} s")
        write(args, name, ptx, pathlib.Path(folder))


def write(args, name, ptx, dump):
    done = subprocess.run([tool("ptxas"), "-v", f"-arch={args.target}", str(ptx), "-o",
                           str(args.out / "model.cubin")], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    for line in re.findall(r"(?:Compiling entry function '(\w+)'|Used (\d+) registers|"
                           r"(\d+) bytes spill stores)", done.stderr):
        print(" ".join(word for word in line if word), end=" ")
    print()
    packed = next(dump.glob("*-packed.mlir")).read_text()
    lowered = next(dump.glob("*-llvm.mlir")).read_text()
    cache = re.search(r"!stc\.kv_cache<layers = (\d+), kv_heads = (\d+), head_dim = (\d+), "
                      r"capacity = (\d+)(?:, element = (\w+))?", packed)
    layers, heads, dim, capacity = map(int, cache.groups()[:4])
    element = {"f32": 4, None: 4, "f16": 2}[cache.group(5)]
    blocks = (capacity + 63) // 64
    padded = (dim + 15) // 16 * 16
    vocabulary = int(re.search(r"@decode\(.*-> tensor<1x(\d+)xf32>", packed).group(1))
    hidden = int(re.search(r"@prefill\(.*-> tensor<\?x(\d+)xf32>", packed).group(1))
    chunk = 256
    gathered = {m for m in re.findall(r"packed\.get_weight @(\S+)", packed)
                if re.search(rf"(%\S+) = packed\.get_weight @{re.escape(m)} .*\n(?:.*\n)*?.*"
                             rf"table\(\1 ", packed)}
    weights, end = [], 0
    for match in WEIGHT.finditer(packed):
        symbol, rows, columns, kind, stored, rest, offset, size = match.groups()
        words = dict(name=symbol, rows=rows, columns=columns,
                     kind=0 if kind == "rows" else KINDS[kind], element=ELEMENTS[stored],
                     group=field(rest, "group"), n=field(rest, "n"), m=field(rest, "m"),
                     asymmetric=field(rest, "asymmetric"), per_row=field(rest, "per_row"),
                     offset=offset, bytes=size)
        if kind == "rows" and int(rows) > 1 and symbol in gathered:
            words["gathered"] = 1
        weights.append(words)
        end = max(end, int(offset) + int(size))
    number = lambda text: re.search(rf"{text} = (\d+)", lowered).group(1)
    model = dict(name=name, target=f"nvptx-{args.target}", weights=end + 256,
                 arena=number(r"stc\.arena_bytes"),
                 keys=layers * heads * blocks * 64 * dim * element,
                 values=layers * heads * blocks * 64 * padded * element, hidden=4 * chunk * hidden,
                 logits=4 * vocabulary, vocabulary=vocabulary, capacity=capacity, chunk=chunk,
                 threads=re.search(r"nvvm\.maxntid = array<i32: (\d+)>", lowered).group(1),
                 shared=number(r"stc\.block_shared_bytes"))
    lines = [" ".join(f"{key}={value}" for key, value in words.items())
             for words in [model] + weights]
    (args.out / "model.txt").write_text("\n".join(lines) + "\n")
    print(f"{args.out}: {end / 1e9:.2f} GB of weights")


if __name__ == "__main__":
    main()
