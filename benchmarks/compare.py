#!/usr/bin/env python3
"""Puts model binaries beside other engines on this machine: rounds in which each takes its turn.

Usage: compare.py --model [NAME=]BINARY... --peer "[NAME=]/path/llama-bench -m file.gguf ..."...
A model is what `stc compile` wrote; it runs `bench --json`. A peer is a command that prints what
llama-bench prints with -o json (llama.cpp, ik_llama.cpp and others descended from it); prompt,
tokens, threads, repetitions and the format are appended unless the command names them. Ratios are
those of the same round, to the first peer, or to the first model where there is no peer.
"""
import argparse
import json
import os
import pathlib
import re
import shlex
import sys

from common import add_common_options, bars, fail, run, show_range, summary, table, write_json


def named(text, default):
    """NAME=REST, or the default name."""
    match = re.match(r"([\w. +()-]+)=(.*)", text)
    return (match[1], match[2]) if match else (default(text), text)


def unique(name, taken):
    """`name`, with a number behind it where it is taken."""
    if name not in taken:
        return name
    return next(f"{name}-{i}" for i in range(2, 1000) if f"{name}-{i}" not in taken)


def peer_command(text, options):
    words = shlex.split(text)
    for flag, other, value in (("-p", "--n-prompt", options.prompt_tokens),
                               ("-n", "--n-gen", options.generate),
                               ("-t", "--threads", options.threads),
                               ("-r", "--repetitions", 3), ("-o", "--output", "json")):
        if flag not in words and other not in words:
            words += [flag, str(value)]
    return words


def run_peer(command, launcher):
    """Tokens per second of the two tests in the output of llama-bench."""
    output = run(command, launcher)
    try:
        tests = json.loads(output[output.index("["):output.rindex("]") + 1])
        prefill = [test["avg_ts"] for test in tests if test["n_prompt"] and not test["n_gen"]]
        decode = [test["avg_ts"] for test in tests if test["n_gen"] and not test["n_prompt"]]
        return {"decode_tokens_per_second": decode[0], "prefill_tokens_per_second": prefill[0],
                "model_bytes": tests[0].get("model_size")}
    except (ValueError, KeyError, IndexError, TypeError):
        fail(f"{shlex.join(command)}: expected the JSON of llama-bench with a prompt test and a "
             f"generation test, got {output.strip()[:80]!r}")


def run_model(binary, options):
    return json.loads(run([binary, "bench", "--json", "--threads", options.threads,
                           "--prompt-tokens", options.prompt_tokens, "--generate",
                           options.generate], options.launcher))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], metavar="[NAME=]BINARY")
    parser.add_argument("--peer", action="append", default=[], metavar="[NAME=]COMMAND")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--generate", type=int, default=64)
    parser.add_argument("--chart", action="store_true", help="bars of tokens per second, too")
    add_common_options(parser, rounds=5)
    options = parser.parse_args()
    if not options.model and not options.peer:
        fail("expected at least one --model or --peer")

    engines = {}  # name -> a function that measures once
    for text in options.peer:
        name, command = named(text, lambda text: pathlib.Path(shlex.split(text)[0]).name)
        words = peer_command(command, options)
        engines[unique(name, engines)] = lambda words=words: run_peer(words, options.launcher)
    for text in options.model:
        name, binary = named(text, lambda text: pathlib.Path(text).name)
        path = pathlib.Path(binary).resolve()
        engines[unique(name, engines)] = lambda path=path: run_model(path, options)

    rounds = {name: [] for name in engines}
    for turn in range(options.rounds):
        # Every other round backwards: nobody always follows the same neighbour.
        for name in list(engines)[::-1 if turn % 2 else 1]:
            print(f"round {turn + 1} of {options.rounds}: {name}", file=sys.stderr)
            rounds[name].append(engines[name]())

    baseline = next(iter(engines))
    results, rows = {}, []
    for name, values in rounds.items():
        result = {"rounds": values}
        for kind in ("decode", "prefill"):
            key = f"{kind}_tokens_per_second"
            result[key] = summary([value[key] for value in values])
            result[f"{kind}_ratio"] = summary(
                [own[key] / other[key] for own, other in zip(values, rounds[baseline])])
        for key in ("decode_bandwidth_fraction", "prefill_peak_fraction"):
            result[key] = (summary([value[key] for value in values]) if key in values[0]
                           else None)
        results[name] = result
        rows.append([name, show_range(result["decode_tokens_per_second"]),
                     show_range(result["decode_ratio"]),
                     show_range(result["decode_bandwidth_fraction"], 100, " %"),
                     show_range(result["prefill_tokens_per_second"]),
                     show_range(result["prefill_ratio"]),
                     show_range(result["prefill_peak_fraction"], 100, " %")])
    print(table(["engine", "decode t/s", f"of {baseline}", "of the read bandwidth", "prefill t/s",
                 f"of {baseline}", "of the int8 peak"], rows))
    if options.chart:
        for kind in ("decode", "prefill"):
            print(bars(f"\n{kind} t/s", [
                (name, result[f"{kind}_tokens_per_second"]["median"])
                for name, result in results.items()]))
    write_json(options.output, {"threads": options.threads, "prompt_tokens": options.prompt_tokens,
                                "generate": options.generate, "baseline": baseline,
                                "engines": results})


if __name__ == "__main__":
    main()
