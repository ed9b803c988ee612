#!/usr/bin/env python3
"""Counts what the loops of GPU kernels are made of, without a GPU.

    ptx_counts.py FILE.ptx...                 every kernel of a file
    ptx_counts.py [--target sm_90] CASE...    kernels of kernels.py, one token: bitmap-i4-g128@28672x8192

Of each kernel the loops with products are taken (dp4a, fma, mma): innermost ones, which most of the
time is spent in. Where products are dp4a or fma, what is counted is divided by the weights that they
are of. Where ptxas is there, it says registers and spilled bytes, and the loops of its machine code
are counted too. These are numbers of a model of speed, not measurements."""
import argparse
import collections
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import kernels

# What is counted apart: beginnings of PTX instructions, and the lower 9 bits of machine instructions.
# The latter are not documented; they were found by compiling small kernels.
KINDS = {
    "global_loads": r"ld\.global",
    "shared_loads": r"ld\.shared",
    "shared_stores": r"st\.shared",
    "dots": r"dp4a",
    "fmas": r"fma\.rn\.f32",
    "matrix": r"mma\.|wgmma\.mma_async",
    "together": r"wgmma\.mma_async",
    "permutes": r"prmt",
    "population_counts": r"popc",
    "conversions": r"cvt\.rn\.f32\.s32",
    "barriers": r"bar\.sync|barrier\.sync",
    "warp_exchanges": r"shfl|redux|bar\.warp",
}
MACHINE_KINDS = {0x181: "global_loads", 0x184: "shared_loads", 0x188: "shared_stores", 0x026: "dots",
                 0x023: "fmas", 0x037: "matrix", 0x016: "permutes", 0x109: "population_counts",
                 0x045: "conversions", 0x11D: "barriers", 0x189: "warp_exchanges",
                 0x1C4: "warp_exchanges", 0x148: "warp_exchanges", 0x03C: "matrix", 0x1F0: "together",
                 0x1F1: "together", 0x183: "local_loads", 0x187: "local_stores"}
BRANCH, ALWAYS, EXIT = 0x947, 7, 0x94D


class Block:
    """Instructions that run one after the other, and the numbers of blocks that may follow."""

    def __init__(self):
        self.counts, self.next = collections.Counter(), []


def components(blocks, inside, banned):
    """Sets of blocks that reach each other, among `inside` and without edges to `banned`."""
    order, seen = [], set()

    def successors(number):
        return [to for to in blocks[number].next if to in inside and to not in banned]

    for start in inside:  # in the order in which a search leaves them
        stack = [(start, iter(successors(start)))] if start not in seen else []
        seen.add(start)
        while stack:
            number, rest = stack[-1]
            following = next((to for to in rest if to not in seen), None)
            if following is None:
                order.append(stack.pop()[0])
            else:
                seen.add(following)
                stack.append((following, iter(successors(following))))
    before = collections.defaultdict(list)
    for number in inside:
        for to in successors(number):
            before[to].append(number)
    assigned = set()
    for start in reversed(order):
        if start in assigned:
            continue
        found, stack = set(), [start]
        while stack:
            number = stack.pop()
            if number not in assigned:
                assigned.add(number)
                found.add(number)
                stack += before[number]
        if len(found) > 1 or start in successors(start):
            yield found


def loops(blocks):
    """All loops, innermost ones first: (blocks, whether there is none with products in it)."""
    reached, ahead = {0}, [0]
    while ahead:
        more = set(blocks[ahead.pop()].next) - reached
        reached |= more
        ahead += more

    def nested(inside, banned):
        for found in components(blocks, inside, banned):
            heads = {to for number in reached - found for to in blocks[number].next if to in found}
            yield from nested(found, banned | (heads or {min(found)}))
            yield found

    taken = []
    for found in nested(reached, set()):
        counts = sum((blocks[number].counts for number in found), collections.Counter())
        if counts["products"]:
            taken.append((counts, not any(inner < found for _, _, inner in taken), found))
    return [dict(counts, innermost=innermost) for counts, innermost, _ in taken]


def summary(blocks):
    """Of a kernel: everything, and its loops with products, the one with most of those first. A
    product of four warps is more than all of one warp's."""
    total = sum((block.counts for block in blocks), collections.Counter())

    def rank(loop):
        multiplied = loop.get("multiplied", 0)
        last = loop["instructions"] if multiplied else -loop["products"]
        return -loop["innermost"], -loop.get("together", 0), -multiplied, last

    found = sorted(loops(blocks), key=rank)
    return dict(total, loops=found, loop=found[0] if found else {})


def counts(ptx_text):
    """{kernel: {"instructions", KINDS..., "loops": [{the same, "innermost"}], "loop"}} of PTX.

    "products" are dp4a, fma and mma together, "multiplied" the numbers that a warp multiplies by
    mma; "loop" is the innermost loop that has most of these and does so by fewest instructions, or
    that has most products (empty where there is none)."""
    result = {}
    # Operands of some instructions stand on lines of their own.
    ptx_text = re.sub(r"(?<=,)\n\s+|\n\s+(?=\{%)", " ", ptx_text)
    # Inline assembly has braces too.
    for name, body in re.findall(r"\.entry (\w+)\(.*?\n\{(.*?)\n *(?:\t *)?// -- End function",
                                 ptx_text, re.S):
        blocks, labels, jumps = [Block()], {}, []
        for line in body.splitlines():
            line = line.split("//")[0].strip()
            if label := re.match(r"(\$L\w+):", line):
                blocks[-1].next.append(len(blocks))
                labels[label.group(1)] = len(blocks)
                blocks.append(Block())
                continue
            instruction = re.match(r"(@!?%p\d+\s+)?([a-z]\S*)\s*(\S*?);", line)
            full = re.match(r"(@!?%p\d+\s+)?([a-z][\w.:]*)", line)
            if not full or not line.endswith(";"):
                continue
            block = blocks[-1]
            block.counts["instructions"] += 1
            for kind, pattern in KINDS.items():
                if re.match(pattern, full.group(2)):
                    block.counts[kind] += 1
            block.counts["products"] = sum(block.counts[kind] for kind in ("dots", "fmas", "matrix"))
            if shape := re.search(r"mma\S*\.m(\d+)n(\d+)k(\d+)\.", line):
                rows, columns, depth = map(int, shape.groups())
                warps = 4 if full.group(2).startswith("wgmma") else 1
                block.counts["multiplied"] += rows * columns * depth // warps
            if full.group(2).startswith(("bra", "ret", "exit")):
                if full.group(2).startswith("bra"):
                    jumps.append((len(blocks) - 1, instruction.group(3)))
                blocks.append(Block())
                if full.group(1):
                    block.next.append(len(blocks) - 1)
        for number, label in jumps:
            blocks[number].next.append(labels[label])
        result[name] = summary(blocks)
    return result


def machine_counts(cubin):
    """The same of machine code (bytes of a cubin)."""
    start, = struct.unpack_from("<Q", cubin, 0x28)
    size, number, names = struct.unpack_from("<HHH", cubin, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", cubin, start + i * size) for i in range(number)]
    result = {}
    for header in headers:
        place = headers[names][4] + header[0]
        name = cubin[place:cubin.index(b"\0", place)].decode()
        if not name.startswith(".text."):
            continue
        code = [low | high << 64 for low, high in
                struct.iter_unpack("<QQ", cubin[header[4]:header[4] + header[5]])]
        targets = {}
        for i, word in enumerate(code):
            if word & 0xFFF == BRANCH:
                # Words of four bytes from the next instruction on, signed, in two pieces.
                distance = (word >> 34 & (1 << 48) - 1) << 8 | word >> 16 & 255
                distance -= (distance >> 55) << 56
                targets[i] = i + 1 + distance // 4
        firsts = sorted({0, *targets.values(), *(i + 1 for i in targets)} & set(range(len(code))))
        blocks = []
        for place, end in zip(firsts, firsts[1:] + [len(code)]):
            block = Block()
            blocks.append(block)
            for word in code[place:end]:
                block.counts["instructions"] += 1
                if kind := MACHINE_KINDS.get(word & 0x1FF):
                    block.counts[kind] += 1
                    block.counts["matrix"] += kind == "together"
            block.counts["products"] = sum(block.counts[kind] for kind in ("dots", "fmas", "matrix"))
            last = code[end - 1]
            goes_on = last & 0xFFF not in (BRANCH, EXIT) or last >> 12 & 15 != ALWAYS
            if goes_on and end < len(code):
                block.next.append(firsts.index(end))
            if end - 1 in targets:
                block.next.append(firsts.index(targets[end - 1]))
        result[name[len(".text."):]] = summary(blocks)
    return result


def assemble(ptx, chip, folder):
    """What ptxas makes of a file: ({kernel: (registers, spilled bytes)}, machine_counts), or None."""
    ptxas = shutil.which("ptxas") or shutil.which("ptxas", path="/usr/local/cuda/bin")
    if not ptxas:
        return None
    cubin = folder / "counted.cubin"
    said = kernels.run(ptxas, "-v", f"-arch={chip}", ptx, "-o", cubin)
    found = {}
    for part in said.split("Compiling entry function '")[1:]:
        spilled = re.search(r"(\d+) bytes spill stores", part)
        found[part.split("'")[0]] = (int(re.search(r"Used (\d+) registers", part).group(1)),
                                     int(spilled.group(1)) if spilled else 0)
    return found, machine_counts(cubin.read_bytes())


def weights_of_dot(layout):
    """Weights that a dp4a of a kernel for one token is of, absent ones with them."""
    if layout.kind == "pairs":
        return 4 * 16 // layout.n
    if layout.kind == "nm" and (layout.n, layout.m, layout.bits) == (2, 4, 4):
        return 8
    return 4


def row(name, count, each, more=None):
    """A row of the table: the innermost loop with most products, each weight's part or all of it."""
    loop = count["loop"]

    def weights_of(found):
        return found.get("dots", 0) * each or (0 if found.get("matrix") else found.get("fmas", 0))

    def part(found, kind):
        if not found:
            return ""
        weights = weights_of(found)
        return f"{found.get(kind, 0) / weights:.2f}" if weights else str(found.get(kind, 0))

    registers, machine = more or (("", ""), {})
    kinds = ("instructions", "shared_loads", "global_loads", "population_counts")
    cells = [name, weights_of(loop) or "", *(part(loop, kind) for kind in kinds),
             *(part(machine.get("loop"), kind) for kind in ("instructions", "shared_loads")),
             *registers]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = ("| kernel | weights of a lane's loop | PTX instructions per weight | loads from shared memory "
        "| loads | popc | machine instructions per weight | shared loads | registers | spilled bytes |"
        "\n|" + "---|" * 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="+", metavar="FILE.ptx|CASE")
    parser.add_argument("--target", default="sm_90")
    parser.add_argument("--features", default="+ptx84")
    args = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for what in args.what:
            each = 4
            path = pathlib.Path(what)
            try:
                if path.suffix != ".ptx":
                    match = re.fullmatch(r"(.+)@(\d+)x(\d+)", what)
                    if not match:
                        sys.exit(f"error: {what}: expected FILE.ptx or LAYOUT@ROWSxCOLUMNS")
                    case = kernels.Case(match.group(1), int(match.group(2)), int(match.group(3)))
                    each = weights_of_dot(case.layout)
                    source = folder / "case.mlir"
                    source.write_text(case.module())
                    path = kernels.to_ptx(source, folder / "case", args.target, args.features)[1]
                elif not path.is_file():
                    sys.exit(f"error: {what}: expected a file with PTX, got none")
                found = counts(path.read_text())
                done = assemble(path, args.target, folder)
            except RuntimeError as problem:
                sys.exit(f"error: {what}: {problem}")
            for name, count in found.items():
                if not count["loop"]:
                    continue
                more = (done[0][name], done[1][name]) if done else None
                print(row(what if path.parent == folder else f"{path.name} {name}", count, each, more))


if __name__ == "__main__":
    main()
