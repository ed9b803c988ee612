#!/usr/bin/env python3
"""Writes a folder of GPU kernels for `stc-gpu-kernels`, which checks and times them on a card.

    kernels.py OUT [--target sm_90] [--set check|time|all] [--filter TEXT]

Each kernel is one packed.matmul of the given layout and shape, lowered as a model's are. `check`
has many small shapes with every edge, `time` the shapes of large models, with as many copies of the
matrix as no cache holds. Needs ptxas on the PATH or in /usr/local/cuda/bin.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("STC_BIN_DIR", ROOT / "build/release/bin"))
LLVM = pathlib.Path("/usr/lib/llvm-22/bin")
KINDS = {"dense": 1, "bitmap": 2, "nm": 3, "pairs": 4, "block": 5}
ELEMENTS = {"f32": 0, "bf16": 1, "i8": 2, "i4": 3, "f16": 4, "i3": 5, "i2": 6}


def up(value, unit=64):
    return (value + unit - 1) // unit * unit


class Layout:
    """kind-element[-gGROUP][-asym][-row][-min], nm and pairs with N:M in front: 2:4-nm-i4-g128.
    Behind it stands what many tokens' activations become first: -split (sums of two bf16),
    -rounded (to the weights' 16 bits, or f16 for codes) or -token (codes with one scale for each
    token)."""

    def __init__(self, text):
        self.text, self.n, self.m = text, 0, 0
        words = text.split("-")
        if ":" in words[0]:
            self.n, self.m = map(int, words.pop(0).split(":"))
        self.kind, self.element = words[0], words[1]
        self.group, self.asymmetric, self.per_row, self.minimums = 0, False, False, False
        self.narrow = words.pop() if words[-1] in ("split", "rounded") else ""
        self.per_token = words[-1] == "token"
        if self.per_token:
            words.pop()
        for word in words[2:]:
            if word == "asym":
                self.asymmetric = True
            elif word == "min":
                self.minimums = True
            elif word == "row":
                self.per_row, self.group = True, 128
            else:
                self.group = int(word[1:])

    @property
    def bits(self):
        return {"i8": 8, "i4": 4, "i3": 3, "i2": 2}.get(self.element, 0)

    def attribute(self):
        fields = []
        if self.group:
            fields.append(f"group = {self.group}")
        if self.n:
            fields.append(f"n = {self.n}, m = {self.m}")
        if self.asymmetric:
            fields.append("asymmetric = true")
        if self.per_row:
            fields.append("per_row = true")
        if self.minimums:
            fields.append("minimums = true")
        tail = ", " + ", ".join(fields) if fields else ""
        return f"#packed.layout<{self.kind}, {self.element}{tail}>"

    def bytes(self, rows, columns):
        """Packed size; for layouts with a table, a bound."""
        tiles = (rows + 15) // 16
        if not self.bits and self.kind != "dense":
            padded, size = up(columns, 32), {"f32": 4}.get(self.element, 2)
            tile = up(padded * 2)
            if self.kind == "nm":
                return tiles * (tile + up(padded * 16 * self.n // self.m * size)) + 128
            return up(4 * (tiles + 1)) + tiles * (tile + padded * 16 * size) + 128
        if not self.bits:
            return tiles * up(columns * 16 * {"f32": 4}.get(self.element, 2)) + 128
        padded = up(columns, self.group)
        groups = 1 if self.per_row else padded // self.group
        tile = up(groups * 32) + (up(groups * 16) if self.asymmetric else 0) \
            + (up(groups * 32) if self.minimums else 0)
        steps = padded // 4
        if self.kind == "dense":
            tile += up(steps * 64 * self.bits // 8)
        elif self.kind == "nm":
            tile += up(steps * 8) + up(padded * 16 * self.n // self.m * self.bits // 8)
        elif self.kind == "pairs":
            tile += up(padded * 16 * self.n // 16)
        else:  # a bound: everything stored
            tile += up(steps * 8) + up(padded * 16 * self.bits // 8) + 512
            return up(4 * (tiles + 1)) + tiles * tile + 128
        return tiles * tile + 128


class Case:
    """One multiplication. `row_tiles` and `piece_tokens` (0: all) are those of a piece of work, of
    `max_tokens` what packed-select-block-config chooses for calls of so many tokens. `joined`: two
    matrices between barriers (of an even number of copies), as one sequence of tiles."""

    def __init__(self, layout, rows, columns, tokens=1, copies=1, density=500, barrier=True,
                 row_tiles=1, tokens_at_once=32, piece_tokens=0, max_tokens=0, joined=False):
        self.layout, self.rows, self.columns = Layout(layout), rows, columns
        self.tokens, self.copies, self.density, self.barrier = tokens, copies, density, barrier
        self.row_tiles, self.at_once = row_tiles, tokens_at_once
        self.piece_tokens, self.max_tokens, self.joined = piece_tokens, max_tokens, joined
        group = self.layout.group or 1
        self.padded = up(columns, group)
        # Scales and sums of a token's activations, and the columns of each.
        self.groups = 1 if self.layout.per_token else self.padded // group
        self.input_group = self.padded // self.groups
        # Numbers of 16 bits for each activation, and the columns that they take.
        self.half = (up(columns, 32) // 32 | 1) * 32 * (2 if self.layout.narrow == "split" else 1)
        if self.layout.narrow:
            self.scales = self.sums = up(4 * tokens * columns)  # where these begin
            self.arena = up(self.scales + 2 * tokens * self.half) + 64
        elif self.layout.bits:
            self.scales = up(tokens * self.padded)
            self.sums = up(self.scales + 4 * tokens * self.groups)
            self.arena = up(self.sums + 4 * tokens * self.groups) + 64
        else:
            self.scales = self.sums = 0
            self.arena = up(4 * tokens * columns) + 64
        if joined:  # what the first matrix of two gives
            self.first = self.arena
            self.arena += up(4 * tokens * rows)

    def name(self):
        text = f"{self.layout.text} {self.rows}x{self.columns}"
        if self.tokens > 1:
            text += f" x{self.tokens}"
        if self.layout.kind in ("bitmap", "block"):
            text += f" {self.density / 10:g}%"
        return text.replace(" ", "_") + ("" if self.barrier else "_streamed") \
            + ("_joined" if self.joined else "")

    def stride(self):
        return up(self.layout.bytes(self.rows, self.columns), 128)

    def weight(self):
        return f"<{self.rows}x{self.columns}, {self.layout.attribute()}>"

    def inputs(self):
        """Types of the activations, and of those first what a multiplication takes."""
        dim, columns = "1" if self.tokens == 1 else "?", self.columns
        if self.layout.narrow:
            is_bf16 = self.layout.element == "bf16" or self.layout.narrow == "split"
            types = [f"memref<{dim}x{columns}xf32>",
                     f"memref<{dim}x{self.half}x{'bf16' if is_bf16 else 'f16'}>"]
            return types, types[1:] if self.layout.bits else types
        if self.layout.bits:
            types = [f"memref<{dim}x{self.padded}xi8>", f"memref<{dim}x{self.groups}xf32>",
                     f"memref<{dim}x{self.groups}xi32>"]
        else:
            types = [f"memref<{dim}x{columns}xf32>"]
        return types, types

    def choose(self, source, chip):
        """Sets what the compiler would choose, if the case asks for that."""
        if not self.max_tokens:
            return
        types = self.inputs()[1]
        names = [f"%x{i}" for i in range(len(types))]
        out = f"memref<?x{self.rows}xf32>"
        arguments = ", ".join(f"{name}: {type_}" for name, type_ in zip(names, types))
        source.write_text(
            f"func.func @f({arguments}, %w: !packed.weight{self.weight()}, %y: {out}) {{\n"
            f"  packed.matmul ins({', '.join(names)} : {', '.join(types)}) "
            f"weight(%w : {self.weight()}) outs(%y : {out})\n  return\n}}\n")
        chosen = source.with_suffix(".chosen.mlir")
        run(BIN / "stc-opt", source, "--packed-select-block-config="
            f"target=nvptx-{chip} max-tokens={self.max_tokens}", "-o", chosen)
        text = chosen.read_text()
        chosen.unlink()
        for key in ("row_tiles", "piece_tokens"):
            found = re.search(key + r" = (\d+)", text)
            default = 1 if key == "row_tiles" else 0
            setattr(self, key, int(found.group(1)) if found else default)

    def module(self):
        rows, columns, tokens = self.rows, self.columns, self.tokens
        weight = f"!packed.weight{self.weight()}"
        lines = ["module {"]
        size = self.layout.bytes(rows, columns)
        for copy in range(self.copies):
            lines.append(f"  packed.weight @w{copy} : {weight} offset {copy * self.stride()} "
                         f"bytes {size} density 1.0")
        dim = "1" if tokens == 1 else "?"
        cache = "!stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>"
        out = f"memref<{dim}x{rows}xf32>"
        function = "decode" if tokens == 1 else "prefill"
        for name in ("decode", "prefill"):
            if name != function:
                one = "1" if name == "decode" else "?"
                lines.append(f"  func.func @{name}(%t: memref<{one}xi32>, %p: index, %c: {cache}, "
                             f"%o: memref<{one}x16xf32>) {{\n    return\n  }}")
        lines.append("  func.func @score(%h: memref<?x16xf32>, %l: memref<?x16xf32>) {\n"
                     "    return\n  }")
        lines.append(f"  func.func @{function}(%t: memref<{dim}xi32>, %p: index, %c: {cache}, "
                     f"%o: {out}) {{")
        arguments = ""
        if tokens > 1:
            lines.append("    %zero = arith.constant 0 : index")
            lines.append(f"    %n = memref.dim %o, %zero : {out}")
            arguments = "%n"
        types, taken = self.inputs()
        if self.layout.narrow:
            places = [(0, 4 * columns * tokens), (self.scales, 2 * self.half * tokens)]
        elif self.layout.bits:
            places = [(0, self.padded * tokens), (self.scales, 4 * self.groups * tokens),
                      (self.sums, 4 * self.groups * tokens)]
        else:
            places = [(0, 4 * columns * tokens)]
        for i, (type_, (offset, size)) in enumerate(zip(types, places)):
            lines.append(f"    %x{i} = packed.scratch({arguments}) offset {offset} "
                         f"bytes {up(size)} : {type_}")
        if self.layout.narrow:
            narrow = types[1].split("x")[-1][:-1]
            parts = [f"memref<1x{width}x{element}, strided<[{width}, 1], offset: ?>>"
                     for width, element in ((columns, "f32"), (self.half, narrow))]
            lines.append("    scf.forall (%k) in (%n) {")
            for i, width in enumerate((columns, self.half)):
                lines.append(f"      %r{i} = memref.subview %x{i}[%k, 0] [1, {width}] [1, 1] : "
                             f"{types[i]} to {parts[i]}")
            lines.append(f"      packed.split_activations ins(%r0 : {parts[0]}) "
                         f"outs(%r1 : {parts[1]})\n    }}\n    packed.barrier")
        together = 2 if self.joined else 1
        tables = [", ".join(f"[@w{copy}]" for copy in range(part, self.copies, together))
                  for part in range(together)]
        if self.joined:
            lines.append(f"    %o0 = packed.scratch({arguments}) offset {self.first} "
                         f"bytes {up(4 * tokens * rows)} : {out}")
        pieces = ((rows + 15) // 16 + self.row_tiles - 1) // self.row_tiles
        tile = "%i"
        scaled = ""
        if self.row_tiles > 1:
            scaled = (f"        %f = arith.constant {self.row_tiles} : index\n"
                      "        %j = arith.muli %i, %f : index\n")
            tile = "%j"
        indices, bounds = "%i", f"{pieces}"
        if self.piece_tokens:
            indices, bounds = "%i, %g", f"{pieces}, {-(-tokens // self.piece_tokens)}"
            scaled += (f"        %s = arith.constant {self.piece_tokens} : index\n"
                       "        %h = arith.muli %g, %s : index\n")
            tile += " tokens from %h"
        names = [f"%x{i}" for i in range(len(types) - len(taken), len(types))]
        inputs = ", ".join(names)
        lines.append(f"""    %first = arith.constant 0 : index
    %step = arith.constant 1 : index
    %copies = arith.constant {self.copies // together} : index
    scf.for %k = %first to %copies step %step {{""")
        for part, table in enumerate(tables):
            lines.append(f"      %w{part} = packed.weight_row %k of [{table}] : {weight}")
        for part in range(together):
            result = "%o" if part + 1 == together else "%o0"
            lines.append(f"""      scf.forall ({indices}) in ({bounds}) {{
{scaled}        packed.matmul_tile {tile} ins({inputs} : {", ".join(taken)}) weight(%w{part} : {self.weight()}) outs({result} : {out}) config <tokens = {1 if tokens == 1 else self.at_once}, accumulators = 1, prefetch = 0, row_tiles = {self.row_tiles}, piece_tokens = {self.piece_tokens}>
      }}""")
        lines.append(f"""{"      packed.barrier" if self.barrier else ""}
    }}
    packed.barrier
    return
  }}
}}""")
        return "\n".join(lines) + "\n"

    def line(self, number, target, threads, shared):
        layout = self.layout
        words = dict(name=self.name(), target=target, image=f"{number}.cubin", kind=KINDS[layout.kind],
                     element=ELEMENTS[layout.element], group=layout.group, n=layout.n, m=layout.m,
                     asymmetric=int(layout.asymmetric), per_row=int(layout.per_row),
                     minimums=int(layout.minimums),
                     rows=self.rows, columns=self.columns, tokens=self.tokens, copies=self.copies,
                     density=self.density, stride=self.stride(), arena=self.arena,
                     scales=self.scales, sums=self.sums, input_group=self.input_group, narrow=int(self.layout.narrow != ""),
                     threads=threads, shared=shared,
                     seed=number + 1)
        return " ".join(f"{key}={value}" for key, value in words.items())


def check_cases():
    """Small shapes with every edge."""
    shapes = [(16, 128), (48, 384), (40, 160), (1000, 512), (256, 2048), (17, 4096)]
    layouts = ["dense-i8-g32", "dense-i8-g128", "dense-i4-g32", "dense-i4-g64", "dense-i4-g128",
               "dense-i2-g32", "dense-i3-g32", "dense-i3-g128", "dense-i4-g32-asym",
               "dense-i3-g64-asym", "dense-i8-g16", "dense-i4-g16", "dense-i4-g32-min",
               "dense-i2-g16-min", "dense-i8-g32-min", "dense-i3-g128-min",
               "dense-i4-g16-asym", "dense-i8-row", "dense-i4-row", "dense-bf16", "dense-f16",
               "dense-f32", "2:4-nm-i4-g32", "2:4-nm-i4-g128", "2:4-nm-i8-g32", "2:4-nm-i8-g128", "2:4-nm-i4-g64",
               "4:8-nm-i4-g64",
               "1:4-nm-i4-g32", "8:16-nm-i4-g128", "1:16-pairs-i4-g64", "2:16-pairs-i4-g32",
               "4:16-pairs-i4-g32", "4:16-pairs-i4-g128", "8:16-pairs-i4-g64", "bitmap-i4-g32",
               "bitmap-i4-g128", "bitmap-i8-g64", "block-i4-g128", "block-i8-g32", "2:4-nm-f32",
               "2:4-nm-bf16", "2:4-nm-f16", "1:4-nm-f16", "3:4-nm-bf16", "4:16-nm-f16",
               "bitmap-f32", "bitmap-bf16", "bitmap-f16"]
    for layout in layouts:
        for rows, columns in shapes:
            yield Case(layout, rows, columns)
        if layout in ("dense-i4-g128", "dense-i8-g32", "2:4-nm-i4-g128"):
            yield Case(layout, 1000, 4096, copies=2, joined=True)
        for rows, columns, tokens in [(48, 384, 3), (40, 160, 8), (256, 512, 33), (128, 1024, 70)]:
            yield Case(layout, rows, columns, tokens=tokens)
            yield Case(layout, rows, columns, tokens=tokens, row_tiles=2)
        if layout.startswith("dense") or layout.startswith("2:4"):
            yield Case(layout, 208, 14336, tokens=70, row_tiles=8)
            yield Case(layout, 1024, 4096, tokens=200, row_tiles=4)
            yield Case(layout, 1024, 4096, tokens=200, row_tiles=4, piece_tokens=128)

    # Sums of whole rows.
    for layout in ["dense-i8-row-token", "dense-i4-row-asym-token", "2:4-nm-i8-row-token",
                   "2:4-nm-i4-row-token"]:
        for rows, columns, tokens in [(48, 384, 3), (256, 512, 33), (128, 1024, 70), (40, 300, 300)]:
            for row_tiles in (1, 4, 8):
                yield Case(layout, rows, columns, tokens=tokens, row_tiles=row_tiles)
        yield Case(layout, 208, 14336, tokens=600, row_tiles=8)
        for row_tiles, piece_tokens in [(4, 128), (8, 256)]:
            yield Case(layout, 1088, 4096, tokens=600, row_tiles=row_tiles,
                       piece_tokens=piece_tokens)

    # Activations of 16 bits.
    for layout in ["dense-bf16-split", "dense-bf16-rounded", "dense-f16-rounded",
                   "2:4-nm-bf16-split", "2:4-nm-bf16-rounded", "2:4-nm-f16-split",
                   "2:4-nm-f16-rounded", "dense-i8-g32-rounded", "dense-i4-g128-rounded", "dense-i4-g64-asym-rounded",
                   "dense-i3-g64-rounded", "dense-i2-g32-rounded"]:
        for rows, columns, tokens in [(48, 384, 3), (256, 512, 33), (128, 1024, 70), (40, 320, 300)]:
            for row_tiles in (1, 2, 8):
                yield Case(layout, rows, columns, tokens=tokens, row_tiles=row_tiles)
        yield Case(layout, 1024, 4096, tokens=600, row_tiles=8)
        for row_tiles, piece_tokens in [(4, 128), (8, 256), (16, 128)]:
            yield Case(layout, 1088, 2048, tokens=600, row_tiles=row_tiles,
                       piece_tokens=piece_tokens)
        if layout.startswith("2:4"):  # an odd number of portions
            yield Case(layout, 1088, 1984, tokens=200, row_tiles=16, piece_tokens=128)

    # Those that get their zeros in shared memory, with all values, some or few.
    for layout in ["bitmap-bf16-split", "bitmap-f16-rounded", "bitmap-f16-split",
                   "1:4-nm-f16-rounded", "3:4-nm-bf16-split", "4:8-nm-f16-rounded",
                   "8:16-nm-bf16-rounded"]:
        for rows, columns, tokens, row_tiles in [(48, 384, 3, 1), (128, 1024, 70, 2),
                                                 (40, 320, 300, 8)]:
            yield Case(layout, rows, columns, tokens=tokens, row_tiles=row_tiles)
        for density, row_tiles, piece_tokens in [(1000, 4, 128), (500, 8, 256), (50, 16, 128)]:
            yield Case(layout, 1088, 2048, tokens=600, density=density, row_tiles=row_tiles,
                       piece_tokens=piece_tokens)


def time_cases():
    """The matrices of large models."""
    layouts = ["dense-i8-g128", "dense-i8-g32", "dense-i4-g128", "dense-i4-g32", "2:4-nm-i4-g128",
               "4:16-pairs-i4-g128", "bitmap-i4-g128", "block-i4-g128", "dense-bf16", "2:4-nm-bf16",
               "bitmap-bf16"]
    yield Case("dense-i4-g128", 16, 128, copies=2000)  # the grid's barrier alone
    for layout in layouts:
        for rows, columns in [(4096, 4096), (14336, 4096), (4096, 14336), (28672, 8192)]:
            size = Layout(layout).bytes(rows, columns)
            copies = max(2, (600 << 20) // size)
            yield Case(layout, rows, columns, copies=copies)
            if rows == columns:
                yield Case(layout, rows, columns, copies=copies, barrier=False)
            if rows == columns and layout in ("dense-i8-g128", "dense-i4-g128"):
                yield Case(layout, rows, columns, copies=copies & -2, joined=True)
    # Many tokens are divided as the compiler divides calls of so many.
    for layout in ["dense-i8-g128", "dense-i4-g128", "2:4-nm-i8-g128", "2:4-nm-i4-g128",
                   "dense-bf16"]:
        for tokens in (8, 64, 256):
            yield Case(layout, 4096, 4096, tokens=tokens, copies=8, max_tokens=tokens)
        yield Case(layout, 14336, 4096, tokens=256, copies=4, max_tokens=256)
    for layout in ["dense-bf16-split", "dense-bf16-rounded", "dense-f16-rounded",
                   "2:4-nm-bf16-split", "2:4-nm-f16-split", "2:4-nm-f16-rounded",
                   "dense-i4-g128-rounded", "dense-i8-g128-rounded"]:
        for tokens in (64, 256, 1024, 4096):
            yield Case(layout, 4096, 4096, tokens=tokens, copies=8 if tokens <= 256 else 4,
                       max_tokens=tokens)
        yield Case(layout, 14336, 4096, tokens=256, copies=4, max_tokens=256)
    for layout in ["dense-i8-row-token", "2:4-nm-i8-row-token", "2:4-nm-i4-row-token"]:
        for tokens in (256, 1024, 4096):
            yield Case(layout, 4096, 4096, tokens=tokens, copies=8 if tokens <= 256 else 4,
                       max_tokens=tokens)
    for layout in ["dense-i8-g128", "dense-i4-g128", "2:4-nm-i8-g128", "2:4-nm-i4-g128",
                   "dense-f16"]:
        for rows in (4096, 14336):
            yield Case(layout, rows, 4096, tokens=4096, copies=4, max_tokens=4096)
    for layout in ["bitmap-bf16-split", "bitmap-f16-rounded", "4:8-nm-f16-rounded",
                   "1:4-nm-f16-rounded"]:
        for tokens in (256, 4096):
            yield Case(layout, 4096, 4096, tokens=tokens, copies=4, max_tokens=tokens)
    yield Case("2:4-nm-f16-rounded", 14336, 4096, tokens=4096, copies=4, max_tokens=4096)


def tool(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/local/cuda/bin")
    if not found:
        sys.exit(f"error: {name}: expected on the PATH or in /usr/local/cuda/bin, got none")
    return found


def run(*command):
    """Runs a program; raises with the first line it complains with."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise RuntimeError(f"{pathlib.Path(str(command[0])).name}: {lines[0]}")
    return done.stderr


def to_ptx(source, base, chip, features, phases=("vector", "llvm"), prefill_chunk=0):
    """Lowers a module; returns the text of its last phase, and the file of PTX."""
    options = f"target=nvptx-{chip}" + (f" prefill-chunk={prefill_chunk}" if prefill_chunk else "")
    if prefill_chunk:
        phases = ("tiled", *phases)
    for phase in phases:
        result = base.with_suffix(f".{phase}.mlir")
        run(BIN / "stc-opt", source, f"--stc-phase-{phase}={options}", "-o", result)
        source = result
    ir, better, ptx = (base.with_suffix(suffix) for suffix in (".ll", ".o.ll", ".ptx"))
    run(LLVM / "mlir-translate", "--mlir-to-llvmir", source, "-o", ir)
    run(LLVM / "opt", "-O3", "-vectorize-slp=false", "-mtriple=nvptx64-nvidia-cuda",
        f"-mcpu={chip}", ir, "-S", "-o", better)
    run(LLVM / "llc", "-O3", "-fp-contract=off", "-mtriple=nvptx64-nvidia-cuda", f"-mcpu={chip}",
        f"-mattr={features}", better, "-o", ptx)
    return source.read_text(), ptx


def lower(source, base, chip, features, **options):
    """Lowers a module to BASE.cubin; returns the text of its last phase, and what ptxas says."""
    text, ptx = to_ptx(source, base, chip, features, **options)
    cubin = base.with_suffix(".cubin")
    said = run(tool("ptxas"), "-v", f"-arch={chip}", ptx, "-o", cubin)
    for extra in base.parent.glob(base.name + ".*"):
        if extra != cubin:
            extra.unlink()
    return text, said


def build(case, number, folder, chip, features):
    base = folder / str(number)
    source = folder / f"source{number}.mlir"
    try:
        case.choose(source, chip)
        source.write_text(case.module())
        text, _ = lower(source, base, chip, features)
    except RuntimeError as problem:
        return None, f"{case.name()}: {problem}"
    finally:
        source.unlink()
    shared = re.search(r"stc.block_shared_bytes = (\d+)", text)
    threads = re.search(r"nvvm.maxntid = array<i32: (\d+)>", text)
    return case.line(number, f"nvptx-{chip}", threads.group(1), shared.group(1)), None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--target", default="sm_90")
    parser.add_argument("--features", default="+ptx84")
    parser.add_argument("--set", choices=["check", "time", "all"], default="all")
    parser.add_argument("--filter", default="", help="only cases whose name has this text")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    wanted = {"check": [check_cases], "time": [time_cases], "all": [check_cases, time_cases]}
    for make in wanted[args.set]:
        folder = args.out / make.__name__.split("_")[0]
        folder.mkdir(parents=True, exist_ok=True)
        cases = [case for case in make() if args.filter in case.name()]
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            results = list(pool.map(
                lambda pair: build(pair[1], pair[0], folder, args.target, args.features),
                enumerate(cases)))
        lines = [line for line, _ in results if line]
        (folder / "cases.txt").write_text("".join(line + "\n" for line in lines))
        for _, problem in results:
            if problem:
                print(f"left out: {problem}")
        print(f"{folder}: {len(lines)} of {len(cases)} kernels")


if __name__ == "__main__":
    main()
