#!/usr/bin/env python3
"""Checks that no file includes upwards: each folder may use only the floors below it.

The table is docs/Overview.md's picture of the house. Run from anywhere; exits 1 and names every
forbidden edge.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# Folder prefix (below include/stc and lib) -> prefixes it may include, itself always included.
FLOOR0 = ["Support"]
IR = FLOOR0 + ["Packing", "Compress", "Dialect/STC/IR", "Dialect/Packed/IR"]
UTILS = IR + ["Formats", "Tokenizer", "Dialect/STC/Utils"]
ALLOWED = {
    "Support": [],
    "Tokenizer": FLOOR0,
    "Chat": FLOOR0,
    "Grammar": FLOOR0,
    "Formats": FLOOR0 + ["Tokenizer"],
    "Packing": FLOOR0,
    "Compress": FLOOR0 + ["Packing"],
    "Runtime": FLOOR0 + ["Packing", "Tokenizer", "Chat", "Grammar"],
    "Dialect/STC/IR": FLOOR0 + ["Packing", "Compress"],
    "Dialect/Packed/IR": FLOOR0 + ["Packing", "Dialect/STC/IR"],
    "Dialect/StableHLO/IR": [],
    "Dialect/STC/Utils": IR + ["Formats", "Tokenizer"],
    "Calibration": UTILS,
    "Dialect/STC/Transforms": UTILS + ["Calibration"],
    "Dialect/Packed/Transforms": UTILS + ["Target/CPU/TargetDescription"],
    "Reference": UTILS,
    "Import": UTILS,
    "Export": UTILS + ["Import"],
    "Conversion": UTILS + ["Dialect/StableHLO/IR"],
    "Target/Kernels": UTILS + ["Dialect/Packed/Transforms", "Conversion", "Runtime/ModelABI"],
    "Target/CPU": UTILS + ["Dialect/Packed/Transforms", "Conversion", "Runtime/ModelABI",
                           "Target/Kernels"],
    "Target/GPU": UTILS + ["Dialect/Packed/Transforms", "Conversion", "Runtime/ModelABI",
                           "Target/Kernels"],
    "Target/Emission": FLOOR0 + ["Target/CPU", "Target/GPU"],
    "Target/Autotune": UTILS + ["Dialect/Packed/Transforms", "Target/CPU", "Target/Emission",
                                "Runtime/ThreadPool"],
    "Pipelines": UTILS + ["Calibration", "Dialect/StableHLO/IR", "Dialect/STC/Transforms", "Dialect/Packed/Transforms", "Conversion",
                          "Target", "Reference", "Import"],
    "Driver": [""],
}
MLIR_FREE = ("Support", "Tokenizer", "Chat", "Grammar", "Formats", "Packing", "Compress", "Runtime")
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.M)


def folder_of(path):
    """The longest key of ALLOWED that `path` (relative, '/'-separated) lies in."""
    keys = [key for key in ALLOWED if path == key or path.startswith(key + "/")]
    return max(keys, key=len, default=None)


def main():
    errors = []
    for base in (ROOT / "include" / "stc", ROOT / "lib"):
        for file in sorted(base.rglob("*")):
            if file.suffix not in (".h", ".cpp", ".td"):
                continue
            relative = file.relative_to(base).as_posix()
            owner = folder_of(relative)
            if owner is None:
                errors.append(f"{file.relative_to(ROOT)}: lies in no folder of the design")
                continue
            for include in INCLUDE.findall(file.read_text()):
                if include.startswith(("mlir/", "llvm/")) and owner in MLIR_FREE:
                    errors.append(f"{file.relative_to(ROOT)}: floor 0 includes {include}")
                if not include.startswith("stc/"):
                    continue
                target = include[len("stc/"):]
                allowed = ALLOWED[owner] + [owner]
                if not any(target.startswith(prefix) for prefix in allowed):
                    errors.append(f"{file.relative_to(ROOT)}: {owner} may not include {include}")
    for error in errors:
        print("error:", error)
    print(f"include edges: {'FAILED' if errors else 'ok'}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
