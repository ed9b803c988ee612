#!/usr/bin/env python3
"""Reads code objects of AMD's GPUs (stc compile --emit=hsaco): of each kernel, the registers and
memory that its descriptor asks for, and how often its code has the instructions that matter.

  code_object.py FILE.hsaco...        prints a table in Markdown

What it prints is counted in code, not measured."""
import collections
import os
import pathlib
import re
import subprocess
import sys

LLVM = pathlib.Path(os.environ.get("STC_LLVM_BIN", "/usr/lib/llvm-22/bin"))

# Columns of the table: what instructions begin with.
KINDS = {
    "dot": r"v_dot4",
    "matrix": r"v_mfma_i32|v_wmma_i32",
    "sparse": r"v_smfmac",
    "loads": r"(global|flat|buffer)_load|s_load",
    "LDS": r"ds_(read|load|write|store)",
    "exchanges": r"ds_(swizzle|bpermute)|v_\w+_dpp",
    "scratch": r"scratch_",
}


def tool(name, *arguments):
    return subprocess.run([LLVM / name, *arguments], check=True, capture_output=True,
                          text=True).stdout


def kernels(path):
    """{name: {"vgprs", "sgprs", "private", ...}} from the metadata."""
    found = {}
    notes = tool("llvm-readelf", "--notes", path)
    # Entries of a list; each has the keys of one kernel, those of its arguments further in.
    for entry in re.split(r"\n  - (?=\.)", notes.split("amdhsa.kernels:", 1)[1]):
        def number(key):
            match = re.search(rf"^ *(?:- )?\.{key}: +(\d+)$", entry, re.MULTILINE)
            return int(match.group(1)) if match else 0
        name = re.search(r"^ *\.name: +(\w+)$", entry, re.MULTILINE)
        if name:
            found[name.group(1)] = {
                "vgprs": number("vgpr_count"), "sgprs": number("sgpr_count"),
                "vgpr_spills": number("vgpr_spill_count"),
                "sgpr_spills": number("sgpr_spill_count"),
                "private": number("private_segment_fixed_size"),
                "group": number("group_segment_fixed_size"),
                "threads": number("max_flat_workgroup_size"),
                "wave": number("wavefront_size")}
    return found


def instructions(path):
    """{name: Counter of mnemonics} of the kernels' code."""
    counts, current = {}, None
    for line in tool("llvm-objdump", "-d", "--no-show-raw-insn", path).splitlines():
        label = re.match(r"[0-9a-f]+ <(\w+)>:", line)
        if label:
            current = counts.setdefault(label.group(1), collections.Counter())
        elif line.startswith("\t") and current is not None:
            current[line.split()[0]] += 1
    return counts


def count(counter, pattern):
    return sum(n for name, n in counter.items() if re.match(pattern, name))


def architecture(path):
    return re.search(r"amdhsa.target: +'?amdgcn-amd-amdhsa--(\w+)", tool("llvm-readelf", "--notes",
                                                                          path)).group(1)


def main(paths):
    head = ["chip", "kernel", "instructions", *KINDS, "VGPRs", "spilled", "SGPRs", "spilled",
            "private bytes"]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for path in paths:
        code = instructions(path)
        for name, sizes in sorted(kernels(path).items()):
            row = [architecture(path), name.replace("stc_model_", ""), sum(code[name].values())]
            row += [count(code[name], pattern) for pattern in KINDS.values()]
            row += [sizes["vgprs"], sizes["vgpr_spills"], sizes["sgprs"], sizes["sgpr_spills"],
                    sizes["private"]]
            print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
