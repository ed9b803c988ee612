#!/usr/bin/env python3
"""Compiles a checkpoint by several recipes and measures the whole models, taking turns.

Usage: models.py CHECKPOINT [--recipe "NAME=OPTIONS of stc compile"]... [--rounds N] [-o FILE]
Each recipe becomes one binary (kept with --keep DIRECTORY, and found there by a later call); then
every round runs `bench --json` of each. Without --recipe those of recipes.json are measured.
"""
import argparse
import json
import os
import pathlib
import resource
import shlex
import sys
import tempfile
import time

from common import BIN, add_common_options, bars, fail, run, show_range, summary, table, write_json

KEYS = ("decode_tokens_per_second", "decode_bandwidth_fraction", "read_bandwidth_bytes_per_second",
        "prefill_tokens_per_second", "prefill_peak_fraction", "int8_peak_ops_per_second",
        "startup_seconds")


def parse_recipes(options):
    if not options.recipe:
        return json.loads(pathlib.Path(__file__).with_name("recipes.json").read_text())
    recipes = {}
    for text in options.recipe:
        name, separator, words = text.partition("=")
        if not separator or not name or "/" in name:
            fail(f'--recipe: expected "NAME=OPTIONS", got {text}')
        recipes[name] = words
    return recipes


def compile_recipe(options, words, output):
    """Compiles unless `output` is there; returns seconds and peak memory where it was compiled."""
    if output.exists():
        return {}
    start = time.monotonic()
    run([options.stc, "compile", options.checkpoint, "-o", output, "--quiet", *shlex.split(words)])
    # Of all children so far, so only the greatest is known for sure.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return {"compile_seconds": time.monotonic() - start, "compile_peak_bytes_so_far": peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--recipe", action="append", metavar="NAME=OPTIONS")
    parser.add_argument("--keep", metavar="DIRECTORY", help="where the binaries stay")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--context", type=int, default=0,
                        help="tokens read before the prompt (default: %(default)s)")
    parser.add_argument("--stc", default=BIN / "stc", help="the compiler")
    parser.add_argument("--chart", action="store_true", help="bars of tokens per second, too")
    add_common_options(parser, rounds=5)
    options = parser.parse_args()
    recipes = parse_recipes(options)

    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(options.keep or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        results = {}
        for name, words in recipes.items():
            print(f"compiling {name}: {words}", file=sys.stderr)
            results[name] = {"options": words, "rounds": [],
                             **compile_recipe(options, words, folder / name)}
        for turn in range(options.rounds):
            for name in recipes:
                print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr)
                results[name]["rounds"].append(json.loads(run(
                    [folder / name, "bench", "--json", "--threads", options.threads,
                     "--prompt-tokens", options.prompt_tokens, "--generate", options.generate,
                     "--context", options.context],
                    options.launcher)))

    rows, baseline = [], next(iter(recipes))
    for name, result in results.items():
        for key in KEYS:
            result[key] = summary([value[key] for value in result["rounds"]])
        result["decode_ratio"] = summary(
            [own["decode_tokens_per_second"] / other["decode_tokens_per_second"]
             for own, other in zip(result["rounds"], results[baseline]["rounds"])])
        result["prefill_ratio"] = summary(
            [own["prefill_tokens_per_second"] / other["prefill_tokens_per_second"]
             for own, other in zip(result["rounds"], results[baseline]["rounds"])])
        rows.append([name, f"{result['rounds'][0]['weight_bytes_per_token'] / 1e6:.0f} MB",
                     show_range(result["decode_tokens_per_second"]),
                     show_range(result["decode_bandwidth_fraction"], 100, " %"),
                     show_range(result["decode_ratio"]),
                     show_range(result["prefill_tokens_per_second"]),
                     show_range(result["prefill_peak_fraction"], 100, " %"),
                     show_range(result["prefill_ratio"]),
                     show_range(result["startup_seconds"])])
    print(table(["recipe", "per token", "decode t/s", "of the read bandwidth", f"of {baseline}",
                 "prefill t/s", "of the int8 peak", f"of {baseline}", "start, s"], rows))
    if options.chart:
        print(bars("\ndecode t/s", [(name, result["decode_tokens_per_second"]["median"])
                                    for name, result in results.items()]))
    write_json(options.output, {"threads": options.threads, "prompt_tokens": options.prompt_tokens,
                                "generate": options.generate, "context": options.context,
                                "recipes": results})


if __name__ == "__main__":
    main()
