#!/usr/bin/env python3
"""What compression costs: KL of a model from its source, for the rows of quality.json.

    benchmarks/quality.py MODEL --calibrate TEXT --text TEXT [--text TEXT] [ROW ...] [-o FILE]

Weights only: activations stay in f32 (the pass stc-measure-divergence). ROW is a row's
name, or part of several. `peer` in quality.json is what plain implementations and llama.cpp's types of the same bits
reach on the project's test model, texts and calibration tokens.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
REMARK = re.compile(r"(\d+) tokens: perplexity ([\d.]+), of the source ([\d.]+); "
                    r"KL ([-\d.]+) \+- ([\d.]+); same next token ([\d.]+)")


def measure(tools, graph, row, arguments):
    calibrate = f"calibrate={arguments.calibrate}"
    passes = []
    if "structure" in row:
        passes.append(f"stc-prune-structure{{{calibrate} {row['structure']}}}")
    if row.get("rotate"):
        passes.append("stc-fold-rotations")
    if "options" in row:
        passes.append(f"stc-compress-layers{{{calibrate} {row['options']}}}")
    texts = ",".join(arguments.text)
    # The graph of what was cut or rotated is not that of the source any more.
    changed = "structure" in row or row.get("rotate")
    reference = f" reference={graph}" if changed else ""
    passes.append(f"stc-measure-divergence{{length={arguments.length} text={texts}{reference}}}")
    start = time.time()
    run = subprocess.run([tools / "stc-opt", graph, "-o", "/dev/null",
                          f"--pass-pipeline=builtin.module({','.join(passes)})"],
                         capture_output=True, text=True)
    found = REMARK.search(run.stderr)
    if run.returncode or not found:
        sys.exit(f"{row['row']}: {run.stderr.strip()}")
    tokens, perplexity, source, kl, error, agreement = map(float, found.groups())
    return {"tokens": tokens, "perplexity": perplexity, "source_perplexity": source, "kl": kl,
            "kl_stderr": error, "top1_agreement": agreement, "seconds": time.time() - start}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--calibrate", required=True)
    parser.add_argument("--text", action="append", required=True)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--tools", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("-o", "--output", type=pathlib.Path)
    arguments = parser.parse_intermixed_args()
    rows = json.loads((ROOT / "benchmarks" / "quality.json").read_text())
    if arguments.rows:
        names = {row["row"] for row in rows}
        rows = [row for row in rows
                if any(part == row["row"] or (part not in names and part in row["row"])
                       for part in arguments.rows)]
    with tempfile.TemporaryDirectory() as folder:
        graph = pathlib.Path(folder) / "graph.mlir"
        subprocess.run([arguments.tools / "stc", "compile", arguments.model, "--emit=mlir:graph",
                        "-o", graph, "--quiet"], check=True)
        print("| | KL | of the plain one | same next token | perplexity | seconds |")
        print("|---|---|---|---|---|---|", flush=True)
        for row in rows:
            row.update(measure(arguments.tools, graph, row, arguments))
            ratio = f"{row['kl'] / row['peer']:.2f} of {row['peer']}" if row.get("peer") else ""
            print(f"| {row['row']} | {row['kl']:.5f} +- {row['kl_stderr']:.5f} | {ratio} | "
                  f"{row['top1_agreement']:.3f} | {row['perplexity']:.2f} | "
                  f"{row['seconds']:.0f} |", flush=True)
            if arguments.output:
                arguments.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
