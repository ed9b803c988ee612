#!/usr/bin/env python3
"""Predicts how fast generated kernels are on a card that is not here. A model, not a measurement.

    model_table.py [--card h100] [--only TEXT] [--shapes 4096x4096,28672x8192]

Every kernel is lowered as a model's are. What its innermost loop does for each weight (instructions,
loads from shared memory, products of matrix units) and the bytes of its layout are held against what
a card can do: the slowest of these bounds the kernel, as if all others were hidden behind it, and
barriers come on top. Registers and spills are what ptxas says, and with shared memory they say how
many warps a multiprocessor holds. Not modelled: latency that too few warps do not hide, blocks that
wait for the last one, caches, and clocks that sink under load.
"""
import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import sys
import tempfile

import kernels
import ptx_counts

# Public figures: NVIDIA's white papers and data sheets of the H100 (SXM5), the A100 (80 GB, SXM4) and
# Ada (RTX 4090). Operations are dense ones per second; of 2:4 there are twice as many. `mma` is the
# share of the matrix units' rate that instructions of single warps reach: Luo et al. 2024,
# "Benchmarking and Dissecting the Nvidia Hopper GPU Architecture via Microbenchmarking".
Card = collections.namedtuple("Card", "name chip features multiprocessors hertz bandwidth f16 int8 mma "
                              "registers shared warps")
CARDS = {
    "h100": Card("H100 SXM5", "sm_90", "+ptx84", 132, 1.83e9, 3.35e12, 989e12, 1979e12, 0.62,
                 65536, 228 << 10, 64),
    "a100": Card("A100 80GB SXM4", "sm_80", "+ptx84", 108, 1.41e9, 2.04e12, 312e12, 624e12, 1,
                 65536, 164 << 10, 64),
    "rtx4090": Card("RTX 4090", "sm_89", "+ptx84", 128, 2.52e9, 1.008e12, 165e12, 660e12, 1,
                    65536, 100 << 10, 48),
}
# The same card with code for it alone, whose warps multiply four at a time.
CARDS["h100a"] = CARDS["h100"]._replace(name="H100 SXM5 (sm_90a)", chip="sm_90a")
SCHEDULERS = 4          # of a multiprocessor, each of which starts one instruction of a warp in a clock
BARRIER_SECONDS = 1.3e-6  # of all blocks; measured on an H100
BARRIERS_PER_LAYER = 13   # of a Llama: 0.55 ms of barriers in 32 layers were measured

DECODE = ["dense-i8-g128", "dense-i4-g128", "2:4-nm-i4-g128", "4:16-pairs-i4-g128", "bitmap-i4-g128"]
PREFILL = ["dense-f16-rounded", "2:4-nm-f16-rounded", "dense-bf16-split", "2:4-nm-bf16-split",
           "2:4-nm-f16-split", "dense-i4-g128-rounded", "dense-i8-g128", "2:4-nm-i8-g128",
           "2:4-nm-i4-g128"]
# Llama-3-8B: rows, columns and how many of each kind a layer has, and its head.
LAYER = [(4096, 4096, 2), (1024, 4096, 2), (14336, 4096, 2), (4096, 14336, 1)]
LAYERS, HEAD = 32, (128256, 4096)


class Kernel:
    """What a kernel's loop does for each weight, and what it needs of a multiprocessor."""

    def __init__(self, case, card, folder):
        source, base = folder / "case.mlir", folder / "case"
        source.write_text(case.module())
        text, ptx = kernels.to_ptx(source, base, card.chip, card.features)
        name, count = max(ptx_counts.counts(ptx.read_text()).items(),
                          key=lambda found: found[1]["loop"].get("products", 0))
        done = ptx_counts.assemble(ptx, card.chip, folder)
        self.registers, self.spilled = done[0][name] if done else (0, 0)
        # Not all matrix instructions of machines are known; PTX has them all.
        kind = "matrix" if case.tokens > 1 else "dots"
        machine = done[1][name]["loop"] if done else {}
        self.from_ptx = not machine.get(kind)
        self.loop = count["loop"] if self.from_ptx else machine
        if not self.loop.get(kind):
            raise RuntimeError(f"expected a loop with {kind}, got {dict(self.loop)}")
        self.local = machine.get("local_loads", 0) + machine.get("local_stores", 0)
        self.shared = int(re.search(r"stc.block_shared_bytes = (\d+)", text).group(1))
        self.threads = int(re.search(r"nvvm.maxntid = array<i32: (\d+)>", text).group(1))
        # Activations that are sums of two numbers of bf16 take two products, with f16 weights three.
        self.repeats = 1
        if case.layout.narrow == "split":
            self.repeats = 3 if case.layout.element == "f16" else 2
        self.group = count["loop"].get("together", 0) > 0  # instructions of four warps
        # Numbers that a warp multiplies by an instruction.
        self.products = count["loop"].get("multiplied", 0) / max(count["loop"].get("matrix", 0), 1)

    def warps(self, card):
        """That a multiprocessor holds."""
        warps = self.threads // 32
        blocks = card.warps // warps
        if self.registers:
            blocks = min(blocks, card.registers // (32 * up8(self.registers) * warps))
        if self.shared:
            blocks = min(blocks, card.shared // (self.shared + 1024))
        return blocks * warps


def up8(registers):
    return (registers + 7) // 8 * 8


def stored_bytes(case):
    """Without the room that bounds leave: a bitmap has a bit for each weight, and half of the codes."""
    layout = case.layout
    if layout.kind != "bitmap":
        return layout.bytes(case.rows, case.columns)
    weights = case.rows * case.columns
    return int(weights / 8 + weights * layout.bits / 8 * case.density / 1000
               + 2 * weights / layout.group)


def decode_times(case, kernel, card):
    """Seconds that each resource takes for one token."""
    weights = case.rows * case.columns
    per_loop = kernel.loop["dots"] * ptx_counts.weights_of_dot(case.layout)
    warp_weights = weights / 32 / per_loop  # loops of all warps
    clocks = card.multiprocessors * card.hertz
    return {"memory": stored_bytes(case) / card.bandwidth,
            "instructions": warp_weights * kernel.loop["instructions"] / (clocks * SCHEDULERS),
            "shared memory": warp_weights * (kernel.loop.get("shared_loads", 0)
                                             + kernel.loop.get("shared_stores", 0)) / clocks}


def prefill_times(case, kernel, card):
    """The same for many tokens; memory is read once by each column of blocks, and hides."""
    products = case.rows * case.columns * case.tokens
    is_int8 = case.layout.bits != 0 and not case.layout.narrow
    is_sparse = case.layout.kind == "nm"
    rate = (card.int8 if is_int8 else card.f16) / 2 * (2 if is_sparse else 1)
    steps = kernel.repeats * products / kernel.products
    clocks = card.multiprocessors * card.hertz
    found = kernel.loop["matrix"]
    return {"matrix units": kernel.repeats * products / rate / (1 if kernel.group else card.mma),
            "instructions": steps * kernel.loop["instructions"] / found / (clocks * SCHEDULERS),
            "shared memory": steps * (kernel.loop.get("shared_loads", 0)
                                      + kernel.loop.get("shared_stores", 0)) / found / clocks,
            "peak": products / rate}


def bound(times):
    name = max((name for name in times if name != "peak"), key=times.get)
    return name, times[name]


def row(what, case, kernel, card):
    if case.tokens == 1:
        times = decode_times(case, kernel, card)
        best = times["memory"]
        weights = kernel.loop["dots"] * ptx_counts.weights_of_dot(case.layout)
        unit = "weight"
    else:
        times = prefill_times(case, kernel, card)
        best = times["peak"]
        weights, unit = kernel.loop["matrix"], "matrix instruction"
    name, seconds = bound(times)
    with_barrier = seconds + (BARRIER_SECONDS if case.tokens == 1 else 0)
    share = f"{100 * best / seconds:.0f} %"
    if case.tokens == 1:
        share += f", {100 * best / with_barrier:.0f} %"
    loads = kernel.loop.get("shared_loads", 0) / weights
    spilled = f"{kernel.spilled}; {kernel.local} in the loop" if kernel.spilled else "0"
    cells = [what, f"{case.rows}x{case.columns}" + (f" x{case.tokens}" if case.tokens > 1 else ""),
             f"{kernel.registers} ({spilled})" if kernel.registers else "no ptxas",
             f"{kernel.warps(card)} of {card.warps}",
             f"{kernel.loop['instructions'] / weights:.2f} a {unit}"
             + (" (PTX)" if kernel.from_ptx else ""),
             f"{loads:.2f}", f"{8 * stored_bytes(case) / (case.rows * case.columns):.2f}",
             name, f"{1e6 * with_barrier:.1f}", share]
    return "| " + " | ".join(cells) + " |"


def llama(layout, kernel, card):
    """A token of Llama-3-8B, its matrices alone: every matrix as that of the kernel, at its size."""
    total = LAYERS * BARRIERS_PER_LAYER * BARRIER_SECONDS
    best = 0
    for rows, columns, count in [(*shape[:2], shape[2] * LAYERS) for shape in LAYER] + [(*HEAD, 1)]:
        times = decode_times(kernels.Case(layout, rows, columns), kernel, card)
        total += count * bound(times)[1]
        best += count * times["memory"]
    return (f"| {layout} | {best * card.bandwidth / 1e9:.2f} | {1e3 * total:.2f} | {1 / total:.0f} "
            f"| {100 * best / total:.0f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--card", choices=CARDS, default="h100")
    parser.add_argument("--only", default="", help="only layouts whose name has this text")
    parser.add_argument("--shapes", default="4096x4096,14336x4096,28672x8192")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    args = parser.parse_args()
    card = CARDS[args.card]
    shapes = []
    for text in args.shapes.split(","):
        match = re.fullmatch(r"(\d+)x(\d+)", text)
        if not match:
            sys.exit(f"error: --shapes: expected ROWSxCOLUMNS,..., got {text}")
        shapes.append((int(match.group(1)), int(match.group(2))))
    cases = [kernels.Case(layout, *shape) for layout in DECODE for shape in shapes]
    cases += [kernels.Case(layout, 4096, 4096, tokens=4096, row_tiles=8) for layout in PREFILL]
    cases = [case for case in cases if args.only in case.layout.text]
    if not cases:
        sys.exit(f"error: --only: expected a part of {', '.join(DECODE + PREFILL)}, got {args.only}")

    def build(case):
        with tempfile.TemporaryDirectory() as folder:
            try:
                return Kernel(case, card, pathlib.Path(folder)), None
            except RuntimeError as problem:
                return None, f"left out: {case.name()}: {problem}"

    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        built = list(pool.map(build, cases))
    print(f"A model of an {card.name}, not a measurement: {card.bandwidth / 1e12:.2f} TB/s, "
          f"{card.multiprocessors} multiprocessors at {card.hertz / 1e9:.2f} GHz.\n")
    print("| layout | shape | registers (spilled bytes) | warps | instructions | shared loads "
          "| bits a weight | bound by | us, barrier included | share of the limit, with barrier |\n|"
          + "---|" * 10)
    problems = [problem for _, problem in built if problem]
    whole = {}
    for case, (kernel, _) in zip(cases, built):
        if kernel:
            print(row(case.layout.text, case, kernel, card))
            if case.tokens == 1:
                whole[case.layout.text] = kernel
    if whole:
        print("\n| Llama-3-8B, one token | GB | ms | tokens/s | share of the bandwidth |\n|" + "---|" * 5)
        for layout, kernel in whole.items():
            print(llama(layout, kernel, card))
    print("\n".join(problems))


if __name__ == "__main__":
    main()
