#!/usr/bin/env python3
"""Small models of every kind with code for a GPU: their logits and their text by the card and by the
processor must agree.

    whole_models.py OUT prepare [--target sm_90] [--filter TEXT]    compiles them into OUT
    whole_models.py OUT run                                         compares; needs Python alone

Models are those that the project's tests make (test/EndToEnd) and the checkpoint of examples/books.
Errors are the largest difference of logits over the largest logit."""
import argparse
import array
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

MANIFEST = "models.json"
# Of unquantized models, where only the order of sums differs; and where activations, or keys and
# values, are rounded, so that a sum's last bit can become a step of a code.
CLOSE, ROUNDED = 2e-5, 5e-2
TOKENS = [1] + [(37 * i + 11) % 58 + 3 for i in range(59)]


def root():
    """The project's, which the machine with the GPU need not have."""
    return pathlib.Path(__file__).resolve().parents[2]


def cases(folder):
    """Name, checkpoint, options of `stc compile`, most error, and what the model reads."""
    sys.path.insert(0, str(root() / "test" / "EndToEnd"))
    from alibi_families import Bloom
    from encoders import Bert
    from gpt_families import Falcon, GptNeoX
    from gpt_oss import GptOss
    from latent_families import DeepSeekV3
    from llama_families import Gemma2, Gemma3, Qwen3
    from recent_families import GraniteMoe
    from seq2seq import T5
    from support import BOOKS, make_llama

    def family(kind):
        made = kind()
        return made.write(folder / kind.__name__, made.tensors())

    def wide(name, **config):
        return make_llama(folder / name, hidden=256, ffn=512, vocab=320, **config)

    plain = wide("plain")
    halves = wide("halves", dtype="BF16")
    yield "books int4", BOOKS, ("--quantize", "int4-g32", "--prune", "2:4"), ROUNDED, "text"
    yield "llama", plain, (), CLOSE, "text"
    for cache in ("int8", "fp8", "f16"):
        yield f"llama cache {cache}", plain, ("--kv-cache", cache), ROUNDED, "text"
    for quantize in ("int8-g64", "int4-g128", "int3-g64", "int2-g32"):
        yield f"llama {quantize}", plain, ("--quantize", quantize), ROUNDED, "text"
        yield (f"llama {quantize} rounded", plain,
               ("--quantize", quantize, "--activations", "rounded"), ROUNDED, "text")
    for prune in ("2:4", "4:8", "4:16", "magnitude:0.5", "block16x4:0.5"):
        yield (f"llama {prune} int4", plain, ("--prune", prune, "--quantize", "int4-g64"), ROUNDED,
               "text")
    for prune in ("none", "2:4"):
        yield (f"llama {prune} int8-row per token", plain,
               ("--prune", prune, "--quantize", "int8-row", "--activations", "per-token"), ROUNDED,
               "text")
    for name, model in (("f32", plain), ("bf16", halves)):
        for prune in ("2:4", "magnitude:0.5"):
            yield f"llama {prune} {name}", model, ("--prune", prune), CLOSE, "text"
            yield (f"llama {prune} {name} rounded", model,
                   ("--prune", prune, "--activations", "rounded"), ROUNDED, "text")
    for kind in (Qwen3, Gemma2, Gemma3, GptNeoX, Falcon, Bloom, DeepSeekV3, GraniteMoe):
        yield kind.__name__, family(kind), (), CLOSE, "text"
    yield "GptOss", family(GptOss), (), ROUNDED, "text"  # its experts are codes
    yield "DeepSeekV3 int4", family(DeepSeekV3), ("--quantize", "int4-g32"), ROUNDED, "text"
    yield "Bert", family(Bert), (), CLOSE, "encoder"
    yield "T5", family(T5), (), CLOSE, "both"


def prepare(args):
    compiler = pathlib.Path(os.environ.get("STC_BIN_DIR", root() / "build/release/bin")) / "stc"
    args.out.mkdir(parents=True, exist_ok=True)

    def build(job):
        number, (name, model, options, most, reads) = job
        done = subprocess.run([compiler, "compile", model, "-o", args.out / f"model{number}",
                               "--target", f"nvptx-{args.target}", "--quiet", *options],
                              capture_output=True, text=True)
        entry = dict(name=name, file=f"model{number}", most=most, reads=reads)
        return entry, done.stderr.strip() if done.returncode else ""

    with tempfile.TemporaryDirectory() as folder:
        chosen = [case for case in cases(pathlib.Path(folder)) if args.filter in case[0]]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(build, enumerate(chosen)))
    for entry, problem in results:
        if problem:
            print(f"left out: {entry['name']}: {problem}")
    entries = [entry for entry, problem in results if not problem]
    (args.out / MANIFEST).write_text(json.dumps(entries, indent=1) + "\n")
    print(f"{len(entries)} of {len(chosen)} models")


def floats_of(path):
    """The float32 numbers of a .npy file."""
    data = path.read_bytes()
    begin = 10 + int.from_bytes(data[8:10], "little")
    return array.array("f", data[begin:])


def difference(actual, expected):
    if len(actual) != len(expected):
        return float("inf")
    largest = max(map(abs, expected))
    # A number that is none compares false to everything.
    worst = max(abs(a - e) if a == a else float("inf") for a, e in zip(actual, expected))
    return worst / largest


def run_model(folder, entry, scratch):
    """How far the card's logits are off, and how many of the tokens it chose are the processor's."""
    tokens = ",".join(map(str, TOKENS))
    reads = {"text": ["--tokens", tokens], "encoder": ["--tokens", tokens],
             "both": ["--tokens", tokens[:40].rsplit(",", 1)[0], "--decoder-tokens", "0,5,9,20"]}
    binary = folder / entry["file"]

    def call(device, *words):
        done = subprocess.run([binary, *words, "--device", device], capture_output=True, text=True,
                              timeout=120)
        if done.returncode:
            raise RuntimeError((done.stderr.strip() or f"exit {done.returncode}").splitlines()[0])
        return done.stdout

    logits = {}
    for device in ("cpu", "cuda"):
        out = scratch / f"{entry['file']}-{device}.npy"
        call(device, "logits", *reads[entry["reads"]], "-o", out)
        logits[device] = floats_of(out)
        out.unlink()
    error = difference(logits["cuda"], logits["cpu"])
    if entry["reads"] != "text":
        return error, None, 0
    # Eight tokens at once, then one after the other.
    words = ["run", "--tokens", ",".join(map(str, TOKENS[:8])), "-n", "32", "--temperature", "0",
             "--ignore-eos", "--print-tokens", "--quiet"]
    expected, actual = call("cpu", *words).split(), call("cuda", *words).split()
    same = next((i for i, pair in enumerate(zip(actual, expected)) if pair[0] != pair[1]),
                min(len(actual), len(expected)))
    return error, same, len(expected)


def run_all(args):
    entries = json.loads((args.out / MANIFEST).read_text())
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for entry in entries:
            start = time.monotonic()
            try:
                error, same, of = run_model(args.out, entry, pathlib.Path(folder))
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
                failures += 1
                print(f"{entry['name']:<44} FAILED: {problem}", flush=True)
                continue
            # Text may part where two tokens are as likely, if numbers were rounded.
            right = error <= entry["most"] and (entry["most"] > CLOSE or same == (of or None))
            failures += not right
            text = "" if same is None else f"{same} of {of} tokens"
            print(f"{entry['name']:<44} {'agrees' if right else 'WRONG ':<8} {error:9.1e}  {text:<16}"
                  f" {time.monotonic() - start:6.1f} s", flush=True)
    print(f"{len(entries)} models compared, {failures} failed")
    sys.exit(1 if failures else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("step", choices=["prepare", "run"])
    parser.add_argument("--target", default="sm_90")
    parser.add_argument("--filter", default="", help="only models whose name has this text")
    args = parser.parse_args()
    (prepare if args.step == "prepare" else run_all)(args)


if __name__ == "__main__":
    main()
