"""What can go wrong, as one family of exceptions. Every message is meant for a user."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence, Tuple


class StcError(Exception):
    """Anything that this package reports."""


class GraphError(StcError, ValueError):
    """A graph or a tensor that `stc` could not compile."""


class CompileError(StcError):
    """`stc` refused or failed. The message is its own, without the leading `error:`."""


class ModelError(StcError):
    """A compiled model could not be loaded or refused a call."""


class CaptureError(StcError):
    """A module could not be turned into a list of operators at all."""


@dataclass(frozen=True)
class UnsupportedOperator:
    """One operator of a module that has no `stc` form.

    operator: what PyTorch calls it; module: the path of the module that uses it, "" for the
    outermost; reason: what `stc` takes instead; count: how often this happens.
    """

    operator: str
    module: str
    reason: str
    count: int = 1

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"{self.operator} in {self.module or 'the module itself'}: {self.reason}{times}"


class UnsupportedOperators(StcError):
    """All operators of a module that have no `stc` form, in the order of their first use."""

    operators: Tuple[UnsupportedOperator, ...]

    def __init__(self, operators: Sequence[UnsupportedOperator]) -> None:
        self.operators = tuple(operators)
        what = "operator has" if len(self.operators) == 1 else "operators have"
        lines = [f"{len(self.operators)} {what} no stc form:"]
        super().__init__("\n".join(lines + [f"  {entry}" for entry in self.operators]))
