"""Builds graphs from PyTorch modules."""
from __future__ import annotations

from typing import Any, Optional, Sequence

from ..errors import CaptureError
from ..graph import Graph
from .building import build, structure_of
from .capture import capture
from .raising import Raised, Raiser


def to_graph(module: Any, *, context: int, cache: str = "f32", frontend: str = "auto",
             batched: bool = True, sample_tokens: Optional[int] = None,
             bos_token: Optional[int] = None, eos_tokens: Sequence[int] = ()) -> Graph:
    """A graph of a decoder: a torch.nn.Module whose forward maps token ids to logits.

    context: the most tokens a text can have. cache: see Graph. frontend: export (torch.export, of
    PyTorch 2.1), fx (torch.fx's symbolic trace), aten (what ATen executes, for modules whose Python
    code looks at sizes and values), or auto: export where it exists, else fx. batched: whether
    forward takes [1, tokens] or [tokens].

    The module runs on a text of `sample_tokens` tokens, by default `context`, to read masks and
    rotary angles off it: no more than a sliding window would hide the window. It runs once more on
    a short text; what it computes must not depend on how long the text is.

    Throws UnsupportedOperators with all operators that have no `stc` form, and CaptureError for a
    module that cannot be traced.
    """
    length = context if sample_tokens is None else sample_tokens
    if length < 4 or length > context:
        raise CaptureError(f"sample_tokens: expected a number from 4 to {context}, got {length}")

    def raise_at(tokens: int) -> Raised:
        return Raiser(capture(module, tokens, frontend=frontend, batched=batched)).run()

    raised = raise_at(length)
    if structure_of(raised) != structure_of(raise_at(length - 1 if length < 8 else 7)):
        raise CaptureError(f"{type(module).__name__}: expected one computation for texts of any "
                           "length, got others for short texts than for long ones")
    return build(raised, context, cache, bos_token, eos_tokens)


__all__ = ["to_graph"]
