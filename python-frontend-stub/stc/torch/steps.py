"""The operations a module comes down to, before they are grouped into layers."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import torch

from ..errors import UnsupportedOperator
from ..graph import FUNCTIONS
from .layout import Layout
from .operators import IDENTITIES, Node


@dataclass(frozen=True)
class WeightSource:
    """A weight to be: its name, the tensor, and the name of the parameter it is or is made of."""

    name: str
    tensor: torch.Tensor
    source: str


@dataclass(eq=False)
class Step:
    """One operation: a method of Graph by its name in `kind`, or an `arith` operation."""

    kind: str
    inputs: List["Step"]
    weights: List[WeightSource]
    columns: int
    attributes: Dict[str, Any] = field(default_factory=dict)
    module: str = ""


@dataclass(frozen=True)
class Rows:
    """A tensor of the module: the step that computes its numbers, up to a factor, and how they are
    indexed."""

    step: Step
    layout: Layout
    scale: float = 1.0


class WeightTable:
    """Names weights by the parameters they are, and those that are computed after them."""

    def __init__(self) -> None:
        self.by_key: Dict[str, WeightSource] = {}
        self.names: Dict[str, int] = {}

    def parameter(self, name: str, tensor: torch.Tensor) -> WeightSource:
        """A parameter as it is."""
        short = re.sub(r"\.weight$", "", name)
        return self._add(name, name if short in FUNCTIONS else short, name, tensor)

    def derived(self, base: str, key: str, suffix: str, tensor: torch.Tensor) -> WeightSource:
        """What `key` says was made of the parameter or constant `base`."""
        stem = re.sub(r"\.weight$", "", base)
        known = self.by_key.get(f"{base}|{key}")
        if known:
            return known
        count = self.names.get(f"{stem}.{suffix}", 0)
        self.names[f"{stem}.{suffix}"] = count + 1
        name = f"{stem}.{suffix}" + (f"_{count}" if count else "")
        return self._add(f"{base}|{key}", name, name, tensor.contiguous())

    def _add(self, key: str, name: str, source: str, tensor: torch.Tensor) -> WeightSource:
        return self.by_key.setdefault(key, WeightSource(name, tensor, source))


class Problems:
    """Operators without an `stc` form, as they are found."""

    def __init__(self) -> None:
        self.found: Dict[Tuple[str, str, str], List[str]] = {}

    def add(self, node: Node, reason: str) -> None:
        # Layers differ by a number: one line for all of them.
        alike = re.sub(r"\b\d+\b", "*", node.module)
        self.found.setdefault((node.spelled, alike, reason), []).append(node.module)

    def list(self) -> List[UnsupportedOperator]:
        return [UnsupportedOperator(operator, alike if len(set(modules)) > 1 else modules[0],
                                    reason, len(modules))
                for (operator, alike, reason), modules in self.found.items()]


# What patterns ask of nodes


def is_node(value: Any) -> bool:
    return isinstance(value, Node)


def strip(value: Any) -> Any:
    """The node behind operators that change no number."""
    while is_node(value) and value.name in IDENTITIES and value.args and is_node(value.args[0]):
        value = value.args[0]
    return value


def strip_leading(value: Any) -> Any:
    """The node behind operators that change no number and at most the leading dimensions."""
    value = strip(value)
    while is_call(value, "view", "expand", "unsqueeze", "squeeze") and is_node(value.args[0]) \
            and (value.args[0].shape or ())[-2:] == value.shape[-2:]:
        value = strip(value.args[0])
    return value


def varies(value: Any) -> bool:
    """Whether a value depends on the tokens' ids."""
    return is_node(value) and not value.constant


def fixed(value: Any) -> Any:
    """The value of an argument that does not depend on the ids: numbers stay what they are."""
    if is_node(value):
        return value.value
    if isinstance(value, (tuple, list)):
        return tuple(fixed(item) for item in value)
    return value


def scalar(value: Any) -> Optional[float]:
    """A number, or the number of a constant tensor that holds one."""
    if varies(value):
        return None
    value = fixed(value)
    if isinstance(value, torch.Tensor) and value.numel() == 1 and not value.is_complex():
        return float(value)
    return float(value) if isinstance(value, (int, float)) else None


def constant_tensor(value: Any) -> Optional[torch.Tensor]:
    """The tensor of a constant node, else None."""
    tensor = value.value if is_node(value) and value.constant else None
    return tensor if isinstance(tensor, torch.Tensor) else None


def operands(node: Node) -> Tuple[Any, Any]:
    """Both sides of a binary operator, stripped."""
    return strip(node.arg(0, "input")), strip(node.arg(1, "other"))


def both_ways(node: Node) -> Sequence[Tuple[Any, Any]]:
    a, b = operands(node)
    return ((a, b), (b, a))


def is_call(value: Any, *names: str) -> bool:
    """Whether a value is the varying result of one of these operators."""
    return varies(value) and value.name in names


def is_last_dim(node: Node, value: Any, rank: int) -> bool:
    """Whether `value` names only the last of `rank` dimensions."""
    value = fixed(value)
    if isinstance(value, (tuple, list)) and len(value) == 1:
        value = value[0]
    return value in (-1, rank - 1)


def ancestors(last: Step) -> Set[Step]:
    """The steps that `last` depends on, itself included."""
    found: Set[Step] = set()
    work = [last]
    while work:
        step = work.pop()
        if step not in found:
            found.add(step)
            work += step.inputs
    return found
