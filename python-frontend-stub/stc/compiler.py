"""Calls the `stc` command line."""
from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import tempfile
from typing import List, Optional, Sequence, Union

from .errors import CompileError
from .graph import Graph

PathLike = Union[str, "os.PathLike[str]"]


def find_compiler() -> str:
    """The `stc` program: $STC, or `stc` on the PATH, or the build beside this source tree."""
    named = os.environ.get("STC")
    if named:
        if not os.access(named, os.X_OK):
            raise CompileError(f"STC: expected a program, got {named}")
        return named
    found = shutil.which("stc")
    if found:
        return found
    built = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "bin" / "stc"
    if built.is_file():
        return str(built)
    raise CompileError("stc: expected the program on the PATH or named by the variable STC, "
                       "got neither")


def run_compiler(arguments: Sequence[PathLike]) -> str:
    """Runs `stc ARGUMENTS...` and returns what it printed. A failure is a CompileError."""
    command = [find_compiler(), *(os.fspath(argument) for argument in arguments)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True)
    errors = result.stderr.decode(errors="replace").strip()
    if result.returncode != 0:
        line = next((line for line in errors.splitlines() if line.startswith("error: ")), "")
        raise CompileError(line[len("error: "):] or errors or
                           f"{command[0]}: expected exit status 0, got {result.returncode}")
    return result.stdout.decode(errors="replace")


def compile(model: Union[Graph, PathLike], output: PathLike, *, emit: str = "exe",
            prune: Optional[str] = None, quantize: Optional[str] = None,
            target: Optional[str] = None, recipe: Optional[PathLike] = None,
            calibrate: Optional[PathLike] = None, options: Sequence[str] = ()) -> pathlib.Path:
    """Compiles a checkpoint, a .mlir file or a Graph as `stc compile` does.

    emit: exe, shared, object, asm, llvm, mlir:PHASE, safetensors or gguf. prune, quantize, target,
    recipe and calibrate are the options of that name, for example prune="2:4" and
    quantize="int4-g32"; `options` holds any others. Returns the path of what was written: of the
    library for shared (OUT.so, with OUT.h and OUT.weights beside it) and of OUT.o for object.
    """
    arguments: List[str] = ["--emit=" + emit, "--quiet", "-o", os.fspath(output)]
    for name, value in (("prune", prune), ("quantize", quantize), ("target", target),
                        ("recipe", recipe), ("calibrate", calibrate)):
        if value is not None:
            arguments += [f"--{name}", os.fspath(value)]
    arguments += options
    if isinstance(model, Graph):
        with tempfile.TemporaryDirectory(prefix="stc-") as directory:
            saved = model.save(os.path.join(directory, "model.mlir"))
            run_compiler(["compile", saved, *arguments])
    else:
        run_compiler(["compile", model, *arguments])
    path = os.fspath(output)
    suffixes = {"shared": ".so", "object": ".o"}
    if emit == "gguf" and not path.endswith(".gguf"):
        path += ".gguf"
    return pathlib.Path(path + suffixes.get(emit, ""))
