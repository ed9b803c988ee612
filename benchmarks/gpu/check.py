#!/usr/bin/env python3
"""Builds, checks and times everything that runs on a GPU, and prints one table.

check.py OUT prepares OUT (programs, kernels, a model), runs all of it and writes OUT/check.json. Where
compiler and GPU are on two machines, --only prepare fills OUT on the one, and --only run, which needs
Python alone, does the rest on the other: python3 OUT/check.py OUT --only run."""
import argparse
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

PROGRAMS = ["StcGpuTests", "stc-gpu-kernels", "stc-gpu-model"]
WHOLE_MODELS = "whole_models.py"
CUDA = "/usr/local/cuda/bin"
# Of the kernels, those that the memory checker runs, which makes them slow: of every layout one for
# a token, and one for as many tokens as warpgroups multiply at least.
MANY_TOKENS = 64

MATRIX = re.compile(r"(\S+) +(exact|rounded|WRONG \d+ \(.*\)) +([\d.]+) us +([\d.]+) GB/s +([\d.]+) % of copy +"
                    r"([\d.]+) Tops/s +(\d+) x (\d+)$")
PREFILL = re.compile(r"prefill +(\d+) tokens: +([\d.]+) ms +([\d.]+) tokens/s$")
DECODE = re.compile(r"decode at +(\d+): +([\d.]+) ms +([\d.]+) tokens/s +([\d.]+) GB/s of weights +"
                    r"([\d.]+) % of copy$")


class Absent(Exception):
    """Something that is not there, so that nothing is wrong and nothing is known."""


class Step:
    """One row of the table."""

    def __init__(self, name, status, detail="", seconds=0.0, output=""):
        self.name, self.status, self.detail = name, status, detail
        self.seconds, self.output = seconds, output


def find(name):
    return shutil.which(name) or shutil.which(name, path=CUDA)


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("error:", "ninja:", "FAILED"))]
    return (errors or lines or ["no message"])[-1]


def execute(name, command, timeout, judge=None):
    """Runs a command; `judge` makes the detail of its output, or raises ValueError for what is wrong,
    Absent for what is not there."""
    words = [str(word) for word in command]
    start = time.monotonic()
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout)
    except OSError as error:
        return Step(name, "failed", f"{words[0]}: {error.strerror}")
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or ""
        output = output.decode(errors="replace") if isinstance(output, bytes) else output
        return Step(name, "failed", f"not done after {timeout} s", timeout, output)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        return Step(name, "failed", f"exit {done.returncode}: {last_line(done.stdout)}", seconds,
                    done.stdout)
    try:
        detail = judge(done.stdout) if judge else ""
    except ValueError as problem:
        return Step(name, "failed", str(problem), seconds, done.stdout)
    except Absent as reason:
        return Step(name, "absent", str(reason), seconds, done.stdout)
    return Step(name, "passed", detail, seconds, done.stdout)


def summary(pattern, what):
    """A judge that wants a line of this pattern, whose groups `what` puts into words."""
    def judge(output):
        found = re.search(pattern, output)
        if not found:
            raise ValueError(f"expected a line like '{pattern}', got {last_line(output)}")
        return what.format(*found.groups())
    return judge


def judge_tests(output):
    skipped = re.search(r"\[  SKIPPED \] (\d+) test", output)
    passed = re.search(r"\[  PASSED  \] (\d+) test", output)
    if not passed:
        raise ValueError(f"expected a summary of tests, got {last_line(output)}")
    if skipped:
        reason = re.search(r"this machine has no GPU: (.+)", output)
        raise Absent("no GPU here" + (f": {reason.group(1)}" if reason else ""))
    return f"{passed.group(1)} tests"


def some_cases(folder):
    """A folder with some of the cases of another: of each layout the last of one token and the first
    of many."""
    lines = (folder / "cases.txt").read_text().splitlines()
    cases = [dict(word.split("=", 1) for word in line.split()) for line in lines]
    single, many = {}, {}
    for i, case in enumerate(cases):
        layout, tokens = case["name"].split("_")[0], int(case["tokens"])
        if tokens == 1:
            single[layout] = i
        elif tokens >= MANY_TOKENS:
            many.setdefault(layout, i)
    chosen = sorted([*single.values(), *many.values()])
    result = folder.with_name(folder.name + "-sanitized")
    result.mkdir(exist_ok=True)
    (result / "cases.txt").write_text("".join(lines[i] + "\n" for i in chosen))
    for i in chosen:
        shutil.copy(folder / cases[i]["image"], result / cases[i]["image"])
    return result


def prepare(args):
    """Programs, kernels and a model, ready to be carried to a machine with a GPU."""
    root = pathlib.Path(__file__).resolve().parents[2]
    build = args.build or root / "build" / "release"
    gpu = root / "benchmarks" / "gpu"
    steps = [execute("build programs", ["ninja", "-C", build, *PROGRAMS], args.timeout)]
    if steps[-1].status == "passed":
        programs = args.out / "programs"
        programs.mkdir(parents=True, exist_ok=True)
        for name in PROGRAMS:
            shutil.copy(build / "bin" / name, programs / name)
    if not find("ptxas"):
        return steps + [Step("build kernels", "absent", f"no ptxas on the PATH or in {CUDA}")]
    if args.chip == "":
        return steps + [Step("build kernels", "absent", "no GPU here to build for: say --target")]
    environment = ["env", f"STC_BIN_DIR={build / 'bin'}", sys.executable]
    selection = ["--filter", args.filter] if args.filter else []
    kernels = summary(r"check: (\d+) of (\d+) kernels", "{0} of {1} to check")
    steps.append(execute("build kernels", environment + [
        gpu / "kernels.py", args.out / "kernels", "--target", args.chip, *selection], args.timeout,
        kernels))
    model = summary(r"([\d.]+ GB) of weights", "{0} of weights")
    layers = ["--layers", args.layers] if args.layers else []
    steps.append(execute("build model", environment + [
        gpu / "model.py", args.shape, args.out / "model", "--target", args.chip, *layers],
        args.timeout, model))
    steps.append(execute("build models", environment + [
        gpu / WHOLE_MODELS, args.out / "models", "prepare", "--target", args.chip], args.timeout,
        summary(r"(\d+) of (\d+) models", "{0} of {1} to compare")))
    shutil.copy(__file__, args.out / "check.py")
    shutil.copy(gpu / WHOLE_MODELS, args.out / WHOLE_MODELS)
    return steps


def sanitize(args, name, command):
    sanitizer = find("compute-sanitizer")
    if not sanitizer:
        return Step(name, "absent", f"no compute-sanitizer on the PATH or in {CUDA}")
    return execute(name, [sanitizer, "--tool", "memcheck", "--error-exitcode", "9", *command],
                   args.timeout, summary(r"ERROR SUMMARY: (0) errors", "{0} errors"))


def run_all(args):
    """The checks and the times of what was prepared."""
    programs = args.out / "programs"
    checked, timed, model = args.out / "kernels/check", args.out / "kernels/time", args.out / "model"
    models = args.out / "models"
    plan = [
        ("test runtime", "StcGpuTests", None, [], judge_tests),
        ("check kernels", "stc-gpu-kernels", checked / "cases.txt", [checked, "check", "2"],
         summary(r"(\d+) cases checked, 0 failed", "{0} cases exact")),
        ("time kernels", "stc-gpu-kernels", timed / "cases.txt", [timed],
         summary(r"(\d+) cases checked, 0 failed", "{0} matrices")),
        ("time model", "stc-gpu-model", model / "model.txt", [model],
         summary(r"decode at .* ([\d.]+) tokens/s", "{0} tokens/s")),
        ("compare models", WHOLE_MODELS, models / "models.json", [models, "run"],
         summary(r"(\d+) models compared, 0 failed", "{0} models as on the processor")),
    ]
    steps = []
    for name, program, needed, arguments, judge in plan:
        is_script = program.endswith(".py")
        path = args.out / program if is_script else programs / program
        command = [sys.executable, path] if is_script else [path]
        missing = next((file for file in (path, needed) if file and not file.exists()), None)
        if missing:
            steps.append(Step(name, "absent", f"{missing}: not prepared"))
        elif steps and steps[0].detail.startswith("no GPU"):
            steps.append(Step(name, "absent", "no GPU here"))
        else:
            steps.append(execute(name, [*command, *arguments], args.timeout, judge))
    if steps[0].detail.startswith("no GPU"):
        return steps
    if (programs / "StcGpuTests").exists():
        steps.append(sanitize(args, "memory of the runtime", [
            # One test wants an error of the driver's, which the checker would count.
            programs / "StcGpuTests", "--gtest_filter=-RealGpu.RefusesDamagedText"]))
    if (programs / "stc-gpu-kernels").exists() and (checked / "cases.txt").exists():
        some = some_cases(checked)
        steps.append(sanitize(args, "memory of kernels",
                              [programs / "stc-gpu-kernels", some, "check", "1"]))
    return steps


def described_gpu():
    """What nvidia-smi says of the first GPU: name, driver, compute capability; empty without it."""
    smi = find("nvidia-smi")
    if not smi:
        return {}
    query = "name,driver_version,compute_cap,memory.total"
    try:
        done = subprocess.run([smi, f"--query-gpu={query}", "--format=csv,noheader"],
                              capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    words = [word.strip() for word in (done.stdout.splitlines() or [""])[0].split(",")]
    return dict(zip(query.split(","), words)) if done.returncode == 0 and len(words) == 4 else {}


def measured(steps):
    """The numbers in the steps' output."""
    matrices, prefill, decode = [], [], []
    for line in "\n".join(step.output for step in steps).splitlines():
        if found := MATRIX.match(line):
            name, verdict, us, rate, share, operations = found.groups()[:6]
            matrices.append({"name": name, "verdict": verdict, "microseconds": float(us),
                             "gigabytes_per_second": float(rate), "percent_of_copy": float(share),
                             "tera_operations_per_second": float(operations)})
        elif found := PREFILL.match(line):
            prefill.append({"tokens": int(found.group(1)), "milliseconds": float(found.group(2)),
                            "tokens_per_second": float(found.group(3))})
        elif found := DECODE.match(line):
            decode.append({"position": int(found.group(1)), "milliseconds": float(found.group(2)),
                           "tokens_per_second": float(found.group(3)),
                           "gigabytes_per_second": float(found.group(4)),
                           "percent_of_copy": float(found.group(5))})
    return {"matrices": matrices, "prefill": prefill, "decode": decode}


def table(heads, rows):
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "/") for cell in row) + " |"
                    for row in rows]


def markdown(gpu, steps, numbers):
    title = f"{gpu['name']}, driver {gpu['driver_version']}" if gpu else "no GPU that nvidia-smi knows"
    lines = [f"GPU: {title}", ""]
    lines += table(["step", "result", "what", "seconds"],
                   [(step.name, step.status, step.detail, f"{step.seconds:.1f}") for step in steps])
    if numbers["matrices"]:
        lines += [""] + table(
            ["matrix", "result", "us", "GB/s", "% of copy", "Tops/s"],
            [tuple(entry.values()) for entry in numbers["matrices"]])
    if numbers["prefill"] or numbers["decode"]:
        lines += [""] + table(["model", "ms", "tokens/s", "% of copy"], [
            (f"prefill of {entry['tokens']}", entry["milliseconds"], entry["tokens_per_second"], "")
            for entry in numbers["prefill"]] + [
            (f"decode at {entry['position']}", entry["milliseconds"], entry["tokens_per_second"],
             entry["percent_of_copy"]) for entry in numbers["decode"]])
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--only", choices=["prepare", "run"], help="one half of the work")
    parser.add_argument("--build", type=pathlib.Path, help="the build folder (default: build/release)")
    parser.add_argument("--target", default="", help="sm_90 or another (default: the GPU's)")
    parser.add_argument("--shape", default="llama-3-8b", help="of the model (see model.py)")
    parser.add_argument("--layers", type=int, default=0, help="of the model (default: all)")
    parser.add_argument("--filter", default="", help="only kernels whose name has this text")
    parser.add_argument("--timeout", type=int, default=3600, help="seconds a step may take")
    args = parser.parse_args()
    gpu = described_gpu()
    args.chip = args.target or ("sm_" + gpu["compute_cap"].replace(".", "") if gpu else "")
    if args.only == "run" and not args.out.is_dir():
        sys.exit(f"error: {args.out}: expected a folder that --only prepare filled, got none")
    args.out.mkdir(parents=True, exist_ok=True)
    steps = prepare(args) if args.only != "run" else []
    steps += run_all(args) if args.only != "prepare" else []
    numbers = measured(steps)
    print(markdown(gpu, steps, numbers))
    report = {"gpu": gpu, "command": shlex.join(sys.argv), **numbers, "steps": [
        {"name": step.name, "result": step.status, "what": step.detail,
         "seconds": round(step.seconds, 2)} for step in steps]}
    (args.out / "check.json").write_text(json.dumps(report, indent=1) + "\n")
    for step in steps:
        if step.status == "failed" and step.output:
            log = args.out / (step.name.replace(" ", "-") + ".log")
            log.write_text(step.output)
            print(f"{step.name}: all it said is in {log}", file=sys.stderr)
    failed = [step.name for step in steps if step.status == "failed"]
    if failed:
        sys.exit(f"error: {', '.join(failed)}: expected to pass, got failures")


if __name__ == "__main__":
    main()
