#!/usr/bin/env python3
"""Measures generated kernels over layouts, shapes, tokens and threads, beside the machine's limits.

Usage: run.py [SET...] [--threads N,N] [--rounds N] [-o results.json] [-- OPTION=VALUE...]
The sets are those of kernels.json (default: quick); 0 threads are all that there are. Every case
measures memory bandwidth and 8-bit arithmetic in turns with the kernel, so that the fractions stand
where the numbers of a shared machine do not. OPTION=VALUE are those of stc-kernel-benchmark
(ninja stc-kernel-benchmark builds it) and override the set's.
"""
import argparse
import json
import os
import pathlib
import sys

from common import (BIN, add_common_options, bars, fail, run, show_range, summary, table,
                    write_json)


def cases(settings, threads):
    """The command lines of one set, each as a list of words after the program's name."""
    for layout in settings["layouts"]:
        for shape in settings["shapes"]:
            for tokens in settings["tokens"]:
                for count in threads or settings["threads"]:
                    for density in settings.get("densities", [None]):
                        words = [layout, shape, f"tokens={tokens}",
                                 f"threads={count or len(os.sched_getaffinity(0))}",
                                 *settings["options"]]
                        yield words + ([f"density={density}"] if density else [])


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", default=["quick"])
    parser.add_argument("--threads", help="instead of those of the set, e.g. 1,2")
    parser.add_argument("--cases", default=pathlib.Path(__file__).with_name("kernels.json"),
                        help="another file of sets")
    parser.add_argument("--benchmark", default=BIN / "stc-kernel-benchmark",
                        help="the program that measures one case")
    parser.add_argument("--chart", action="store_true", help="bars of the fractions, too")
    add_common_options(parser, rounds=1)
    arguments = sys.argv[1:]
    split = arguments.index("--") if "--" in arguments else len(arguments)
    options = parser.parse_args(arguments[:split])
    extra = arguments[split + 1:]

    data = json.loads(pathlib.Path(options.cases).read_text())
    unknown = [name for name in options.sets if name not in data["sets"]]
    if unknown:
        fail(f"set: expected one of {', '.join(data['sets'])}, got {unknown[0]}")
    threads = [int(count) for count in options.threads.split(",")] if options.threads else None
    commands = []
    for name in options.sets:
        settings = dict(data["sets"][name])
        settings["shapes"] = [data["shapes"][shape] for shape in settings["shapes"]]
        commands += [words for words in cases(settings, threads) if words not in commands]

    measured = [[] for _ in commands]
    for turn in range(options.rounds):
        for i, words in enumerate(commands):
            if sys.stderr.isatty():
                print(f"\r\033[K{turn * len(commands) + i + 1} of {options.rounds * len(commands)}: "
                      f"{' '.join(words)}", end="", file=sys.stderr, flush=True)
            measured[i].append(json.loads(run([options.benchmark, *words, *extra, "--json"],
                                              options.launcher)))
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)

    results, rows = [], []
    for words, values in zip(commands, measured):
        first = values[0]

        def over_rounds(key):
            # A single round has the range of its own passes.
            if len(values) == 1 and key + "_range" in first:
                least, most = first[key + "_range"]
                return {"median": first[key], "least": least, "most": most, "values": [first[key]]}
            return summary([value[key] for value in values])

        result = {key: over_rounds(key)
                  for key in ("seconds_per_matrix", "bytes_per_second", "ops_per_second",
                              "read_bandwidth_bytes_per_second", "bandwidth_fraction",
                              "int8_peak_ops_per_second", "peak_fraction")}
        results.append({"case": words + extra, "rounds": values, **result})
        weights = first["rows"] * first["columns"] / result["seconds_per_matrix"]["median"]
        rows.append([first["layout"] + (f" {first['density']:g}" if any(
            word.startswith("density=") for word in words) else ""),
                     f"{first['rows']}x{first['columns']}", str(first["tokens"]),
                     str(first["threads"]), f"{first['bits_per_weight']:.2f}",
                     f"{weights / 1e9:.1f}", f"{result['ops_per_second']['median'] / 1e9:.0f}",
                     show_range(result["bandwidth_fraction"], 100, " %"),
                     show_range(result["peak_fraction"], 100, " %")])
    print(table(["layout", "shape", "tokens", "threads", "bits", "Gweights/s", "GOPS",
                 "of the read bandwidth", "of the int8 peak"], rows))
    if options.chart:
        print(bars("\nof the nearer limit, %", [
            (" ".join(row[:4]), 100 * max(result["bandwidth_fraction"]["median"],
                                          result["peak_fraction"]["median"]))
            for row, result in zip(rows, results)]))
    write_json(options.output, {"cases": results})


if __name__ == "__main__":
    main()
