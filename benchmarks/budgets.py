#!/usr/bin/env python3
"""What a search within a budget gives, beside the same encoding for all weights.

    benchmarks/budgets.py MODEL --calibrate TEXT --text TEXT [--text TEXT] [--bits B ...] [--kl X ...]
                          [--uniform SPEC ...] [--threads N] [--work DIR] [-o FILE]

Every recipe becomes a program. Its bytes are those of `inspect`; its KL(source || program) and the
share of tokens with the same most likely successor those of `eval --reference` with the program of
the uncompressed model, over all texts, activations in int8; its speed that of `bench`, the median of
rounds in which all programs take turns. --bits asks for so many bits per weight of the layers (the
embedding and the int8 head come on top), --kl for the fastest recipe that loses no more. A program is
on the front if no other one is both faster and nearer to the source.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
UNIFORM = ["int8-g32", "int4-g32", "int4-g128", "int3-g32", "int3-g128", "int2-g32", "int2-g64",
           "int2-g128", "2:4+int4-g128", "8:16+int4-g128", "4:16+int4-g128"]


def run(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))}: {result.stderr.strip()}")
    return result.stdout


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = arguments.work
        self.work.mkdir(parents=True, exist_ok=True)
        self.source = self.compile("source", ["--quantize", "none", "--kv-cache", "f32"])

    def compile(self, name, options):
        output = self.work / name.replace(":", "of").replace("/", "").replace("<=", "-")
        if not output.exists():
            run(self.arguments.stc, "compile", self.arguments.model, "-o", output, "--quiet", *options)
        return output

    def calibrated(self, name, options):
        return self.compile(name, ["--calibrate", self.arguments.calibrate, *options])

    def measure(self, name, program, **more):
        weights = json.loads(run(self.arguments.stc, "inspect", program, "--json"))["layers"]
        layers = [w for w in weights if w["name"].startswith("layers.") and len(w["shape"]) == 2]
        others = sum(w["bytes"] for w in weights) - sum(w["bytes"] for w in layers)
        texts = [part for text in self.arguments.text for part in ("--text", text)]
        found = json.loads(run(program, "eval", *texts, "--reference", self.source, "--json",
                               "--quiet"))
        count = sum(w["shape"][0] * w["shape"][1] for w in layers)
        size = sum(w["bytes"] for w in layers)
        row = {"row": name, "program": str(program), "bytes": others + size, "other_bytes": others,
               "weights": count, "bits": 8 * size / count, "kl": found["kl"],
               "kl_stderr": found["kl_stderr"], "top1_agreement": found["top1_agreement"],
               "perplexity": found["perplexity"], "tokens": found["tokens"],
               "layouts": sorted({w["layout"] for w in layers}), **more}
        print(f"{name}: {row['bytes']} bytes, {row['bits']:.2f} bits, KL {row['kl']:.5f}",
              file=sys.stderr, flush=True)
        return row

    def time(self, rows):
        for row in rows:
            row["decode"] = []
        for _ in range(self.arguments.rounds):
            for row in rows:
                found = json.loads(run(row["program"], "bench", "--json", "--generate", 256,
                                       "--prompt-tokens", 16, "--threads", self.arguments.threads))
                row["decode"].append(found["decode_tokens_per_second"])
        for row in rows:
            row["decode_microseconds"] = 1e6 / statistics.median(row["decode"])
        for row in rows:
            row["front"] = not any(
                other["decode_microseconds"] < row["decode_microseconds"] and other["kl"] < row["kl"]
                for other in rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--calibrate", required=True)
    parser.add_argument("--text", action="append", required=True)
    parser.add_argument("--bits", type=float, nargs="*", default=[2.25, 2.75, 3.25, 4.25, 6])
    parser.add_argument("--kl", type=float, nargs="*", default=[0.02, 0.05, 0.1])
    parser.add_argument("--uniform", nargs="*", default=UNIFORM)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("budgets"))
    parser.add_argument("--stc", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "bin" / "stc")
    parser.add_argument("-o", "--output", type=pathlib.Path)
    arguments = parser.parse_args()
    bench = Bench(arguments)
    rows = []
    for spec in arguments.uniform:
        prune, _, quantize = spec.rpartition("+")
        options = ["--quantize", quantize, "--head", "int8-g32"]
        options += ["--prune", prune] if prune else []
        rows.append(bench.measure(spec, bench.calibrated(spec, options), kind="uniform"))
    for bits in arguments.bits:
        most = int(rows[0]["other_bytes"] + bits * rows[0]["weights"] / 8)
        limit = f"bytes<={most}"
        row = bench.measure(limit, bench.calibrated(limit, ["--budget", limit]), kind="budget",
                            wanted_bits=bits)
        fit = [other for other in rows if other["kind"] == "uniform" and other["bytes"] <= most]
        rival = min(fit, key=lambda other: other["kl"], default=None)
        if rival:
            row.update(rival=rival["row"], rival_kl=rival["kl"])
        rows.append(row)
    for limit in arguments.kl:
        budget = f"kl<={limit}"
        rows.append(bench.measure(budget, bench.calibrated(budget, ["--budget", budget]), kind="speed"))
    bench.time(rows)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1))
    print("| | bytes | bits | KL | same next token | us for one token | on the front | "
          "best uniform of no more bytes |\n|---|---|---|---|---|---|---|---|")
    for row in rows:
        rival = f"{row['rival']}: {row['rival_kl']:.5f}" if "rival" in row else ""
        print(f"| {row['row']} | {row['bytes']} | {row['bits']:.2f} | {row['kl']:.5f} +- "
              f"{row['kl_stderr']:.5f} | {row['top1_agreement']:.3f} | "
              f"{row['decode_microseconds']:.1f} [{1e6 / max(row['decode']):.1f}, "
              f"{1e6 / min(row['decode']):.1f}] | {'yes' if row['front'] else 'no'} | {rival} |")


if __name__ == "__main__":
    main()
