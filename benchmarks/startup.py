#!/usr/bin/env python3
"""Times whole processes from start to the first logits, with the file in memory.

Usage: startup.py BINARY... [--rounds N] [-o FILE]
One start that does not count, then rounds in which the binaries take turns. Integrity is checked,
as it is by default; the second column is without (--no-verify).
"""
import argparse
import pathlib
import tempfile
import time

from common import add_common_options, run, show_range, summary, table, write_json


def start_once(binary, output, launcher, *options):
    start = time.monotonic()
    run([binary, "logits", "--tokens", "1", "-o", output, *options], launcher)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", nargs="+")
    add_common_options(parser, rounds=10)
    options = parser.parse_args()
    binaries = [pathlib.Path(binary).resolve() for binary in options.binary]
    checked, unchecked = [[[] for _ in binaries] for _ in range(2)]
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "logits.npy"
        for turn in range(options.rounds + 1):
            for i, binary in enumerate(binaries):
                seconds = (start_once(binary, output, options.launcher),
                           start_once(binary, output, options.launcher, "--no-verify"))
                if turn:
                    checked[i].append(seconds[0])
                    unchecked[i].append(seconds[1])
    rows = [[binary.name, f"{binary.stat().st_size / 1e6:.0f} MB", show_range(summary(with_check)),
             show_range(summary(without))]
            for binary, with_check, without in zip(binaries, checked, unchecked)]
    print(table(["model", "file", "first token, s", "unchecked, s"], rows))
    write_json(options.output, {"models": {
        binary.name: {"bytes": binary.stat().st_size, "startup_seconds": summary(with_check),
                      "startup_seconds_unchecked": summary(without)}
        for binary, with_check, without in zip(binaries, checked, unchecked)}})


if __name__ == "__main__":
    main()
