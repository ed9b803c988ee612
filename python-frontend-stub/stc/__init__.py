"""The Python side of stc, the sparse transformer compiler.

Graph builds a decoder by hand, from_torch builds one from a torch.nn.Module, compile calls the
compiler, and Model runs what it wrote.
"""
from __future__ import annotations

from typing import Any

from .compiler import compile, find_compiler
from .errors import (CaptureError, CompileError, GraphError, ModelError, StcError,
                     UnsupportedOperator, UnsupportedOperators)
from .graph import Graph, RotaryTable, Value, Weight
from .model import Generated, Model
from . import tensors
from .tensors import Tensor

__version__ = "0.1.0"


def from_torch(module: Any, **options: Any) -> Graph:
    """A graph of a torch.nn.Module that maps token ids to logits; see stc.torch.to_graph."""
    from .torch import to_graph  # needs PyTorch, which the rest does not

    return to_graph(module, **options)


__all__ = ["CaptureError", "CompileError", "Generated", "Graph", "GraphError", "Model",
           "ModelError", "RotaryTable", "StcError", "Tensor", "UnsupportedOperator",
           "UnsupportedOperators", "Value", "Weight", "compile", "find_compiler", "from_torch"]
