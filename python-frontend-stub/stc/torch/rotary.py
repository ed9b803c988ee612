"""Recognizes rotary embeddings in the forms that model code has (Su et al. 2021).

Halves: x * cos + cat(-x2, x1) * sin, or cat(x1 cos - x2 sin, x2 cos + x1 sin).
Pairs: stack of the same on even and odd columns, or a product of complex numbers.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

import torch

from .layout import Axis, Layout
from .operators import Node
from .parts import last_part
from .steps import both_ways, constant_tensor, is_call, is_last_dim, is_node, operands, strip


@dataclass(frozen=True)
class Rotation:
    """x and the constants it is rotated by, of a shape that broadcasts to x or to a half of it."""

    x: Node
    cosines: torch.Tensor
    sines: torch.Tensor
    interleaved: bool
    columns: int = 0  # the first ones of a head, if not all, that are rotated


def rotation_of(node: Node) -> Optional[Rotation]:
    """The rotation that ends at `node`, if one does."""
    if node.name == "add":
        return _of_sum(node)
    if node.name == "cat":
        return _of_halves(node)
    if node.name == "view" and is_node(node.args[0]):
        inner = strip(node.args[0])
        if is_call(inner, "stack"):
            return _of_pairs(inner)
        if is_call(inner, "cat"):  # of [..., n, 1], as ATen has a stack
            return _of_pairs(inner)
        if is_call(inner, "view_as_real"):
            return _of_complex(inner)
    return None


def partial_rotation(node: Node) -> Optional[Rotation]:
    """Of cat(rotated x[..., :r], x[..., r:])."""
    parts = _list(node)
    if len(parts) != 2 or not is_last_dim(node, node.arg(1, "dim", 0), len(node.shape or ())) \
            or not is_node(parts[0]):
        return None
    inner, rest = rotation_of(parts[0]), last_part(parts[1])
    first = last_part(inner.x) if inner is not None else None
    if inner is None or rest is None or first is None or first[0] is not rest[0]:
        return None
    source, rotated = first[0], len(first[1])
    size = (source.shape or (0,))[-1]
    if (first[1], rest[1]) != (range(rotated), range(rotated, size)):
        return None
    return Rotation(source, inner.cosines, inner.sines, inner.interleaved, rotated)


def _product(node: Any) -> Optional[Tuple[Node, torch.Tensor]]:
    """What varies and the constant of a product of both."""
    if not is_call(node, "mul"):
        return None
    for a, b in both_ways(node):
        factor = constant_tensor(b)
        if is_node(a) and factor is not None:
            return a, factor
    return None


def _of_sum(node: Node) -> Optional[Rotation]:
    for first, second in both_ways(node):
        straight, crossed = _product(first), _product(second)
        if straight is None or crossed is None:
            continue
        source = _rotated_half(crossed[0])
        if source is not None and source is straight[0]:
            return Rotation(source, straight[1], crossed[1], False)
    return None


def _list(node: Node) -> List[Any]:
    parts = node.arg(0, "tensors")
    return [strip(part) for part in parts] if isinstance(parts, (tuple, list)) else []


def _rotated_half(node: Any) -> Optional[Node]:
    """x of cat(-x2, x1) with x1 and x2 its halves."""
    if not is_call(node, "cat") or not is_last_dim(node, node.arg(1, "dim", 0),
                                                    len(node.shape or ())):
        return None
    parts = _list(node)
    if len(parts) != 2 or not is_call(parts[0], "neg"):
        return None
    high, low = last_part(parts[0].args[0]), last_part(parts[1])
    if high is None or low is None or high[0] is not low[0]:
        return None
    source = low[0]
    half = (source.shape or (0,))[-1] // 2
    return source if (low[1], high[1]) == (range(half), range(half, 2 * half)) else None


def _crosswise(first: Any, second: Any) -> Optional[Tuple[Any, Any, torch.Tensor, torch.Tensor]]:
    """a, b, cos, sin of the two sides a cos - b sin and b cos + a sin."""
    if not is_call(first, "sub") or not is_call(second, "add"):
        return None
    minuend, subtrahend = (_product(side) for side in operands(first))
    if minuend is None or subtrahend is None:
        return None
    (a, cos), (b, sin) = minuend, subtrahend
    for one, other in both_ways(second):
        straight, crossed = _product(one), _product(other)
        if straight is not None and crossed is not None and _same(straight[0], b) \
                and _same(crossed[0], a) and _equal(straight[1], cos) and _equal(crossed[1], sin):
            return a, b, cos, sin
    return None


def _same(a: Any, b: Any) -> bool:
    """One node, or the same part of one node."""
    if a is b:
        return True
    one, other = last_part(a), last_part(b)
    return one is not None and other is not None and one[0] is other[0] and one[1] == other[1]


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a is b or (a.shape == b.shape and torch.equal(a, b))


def _of_halves(node: Node) -> Optional[Rotation]:
    parts = _list(node)
    if len(parts) != 2 or not is_last_dim(node, node.arg(1, "dim", 0), len(node.shape or ())):
        return None
    return _of_sides(parts[0], parts[1], False)


def _of_pairs(node: Node) -> Optional[Rotation]:
    """Of a stack along a new last dimension, which a view then flattens."""
    parts = _list(node)
    rank = len(node.shape or ())
    if len(parts) != 2 or not is_last_dim(node, node.arg(1, "dim", 0), rank):
        return None
    if node.name == "cat":
        if any(not is_call(part, "unsqueeze", "view") or part.shape[-1:] != (1,)
               for part in parts):
            return None
        parts = [strip(part.args[0]) for part in parts]
    return _of_sides(parts[0], parts[1], True)


def _of_sides(first: Any, second: Any, interleaved: bool) -> Optional[Rotation]:
    sides = _crosswise(first, second)
    if sides is None:
        return None
    a, b, cos, sin = sides
    low, high = last_part(a), last_part(b)
    if low is None or high is None or low[0] is not high[0]:
        return None
    source = low[0]
    size = (source.shape or (0,))[-1]
    expected = ((range(0, size, 2), range(1, size, 2)) if interleaved
                else (range(size // 2), range(size // 2, size)))
    return Rotation(source, cos, sin, interleaved) if (low[1], high[1]) == expected else None


def _of_complex(node: Node) -> Optional[Rotation]:
    product = _product(strip(node.args[0]))
    if product is None or not product[1].is_complex() or not is_call(product[0],
                                                                      "view_as_complex"):
        return None
    pairs = strip(product[0].args[0])
    if not is_call(pairs, "view") or pairs.shape is None or pairs.shape[-1] != 2:
        return None
    source = strip(pairs.args[0])
    if not is_node(source) or source.shape != (*pairs.shape[:-2], 2 * pairs.shape[-2]):
        return None
    return Rotation(source, product[1].real, product[1].imag, True)


def angle_table(table: torch.Tensor, layout: Layout, head_dim: int) -> Optional[torch.Tensor]:
    """A constant that broadcasts to x as [tokens, head_dim / 2], or None if it is not such a table.

    `layout` is x's. The constant may have both halves, which are equal then.
    """
    shape = layout.shape
    at = [i for i, dim in enumerate(layout.dims) if len(dim) == 1 and dim[0].stride is None]
    width = table.shape[-1] if table.dim() else 0
    if len(at) != 1 or at[0] == len(shape) - 1 or width not in (head_dim, head_dim // 2):
        return None
    try:
        whole = table.expand(*shape[:-1], width)
    except RuntimeError:
        return None
    by_token = whole.movedim(at[0], 0).reshape(shape[at[0]], -1, width)
    if not bool((by_token == by_token[:, :1]).all()):
        return None
    by_token = by_token[:, 0]
    half = by_token[:, :head_dim // 2]
    if width == head_dim and not torch.equal(half, by_token[:, head_dim // 2:]):
        return None
    return half


def is_of_heads(layout: Layout, head_dim: int) -> bool:
    """Whether the last dimension is one head and the others are whole heads and tokens."""
    others = [axis for dim in layout.dims[:-1] for axis in dim if axis.stride is not None]
    return (layout.dims[-1] == (Axis(head_dim, 1),)
            and all(axis.stride and axis.stride % head_dim == 0 for axis in others))
