"""Recognizes parts of tensors: x[..., :n], chunks, splits, elements of tuples."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Optional, Tuple

from .layout import Axis, Layout, join
from .operators import Node
from .steps import fixed, is_node, strip


@dataclass(frozen=True)
class Part:
    """The indices `ranges` of every dimension of `source`; the node then has a shape of its own."""

    source: Node
    ranges: Tuple[range, ...]

    def is_whole(self) -> bool:
        return self.source.shape == tuple(map(len, self.ranges))


def part_of(node: Any) -> Optional[Part]:
    """The part of a tensor that a node is, or None if it is no such thing."""
    if not is_node(node):
        return None
    if node.name == "getitem":
        source, index = node.args[0], node.args[1]
        if is_node(source) and source.shape is None:
            return _element(source, fixed(index))
        return _indexed(source, index)
    if node.name in ("slice", "narrow", "select"):
        return _sliced(node)
    return None


def _whole(source: Node) -> Optional[List[range]]:
    return [range(size) for size in source.shape] if source.shape is not None else None


def _along(source: Any, dim: Any, chosen: range) -> Optional[Part]:
    source = strip(source)
    ranges = _whole(source) if is_node(source) else None
    if ranges is None or not isinstance(dim, int):
        return None
    ranges[dim] = chosen
    return Part(source, tuple(ranges))


def _sliced(node: Node) -> Optional[Part]:
    """slice(x, dim, start, end, step), narrow(x, dim, start, length), select(x, dim, index)."""
    source = strip(node.arg(0, "input"))
    dim = fixed(node.arg(1, "dim", 0))
    if not is_node(source) or source.shape is None or not isinstance(dim, int):
        return None
    size = source.shape[dim]
    if node.name == "select":
        index = fixed(node.arg(2, "index"))
        chosen = range(size)[index:index + 1] if index >= 0 else range(size)[index:][:1]
    elif node.name == "narrow":
        start = fixed(node.arg(2, "start"))
        chosen = range(size)[start:][:fixed(node.arg(3, "length"))]
    else:
        chosen = range(size)[slice(fixed(node.arg(2, "start")), fixed(node.arg(3, "end")),
                                   fixed(node.arg(4, "step", 1)))]
    return _along(source, dim, chosen)


def _indexed(source: Any, index: Any) -> Optional[Part]:
    """x[index] with slices, integers, None and an ellipsis."""
    source = strip(source)
    ranges = _whole(source) if is_node(source) else None
    if ranges is None:
        return None
    entries = list(index) if isinstance(index, tuple) else [index]
    used = sum(1 for entry in entries if entry is not None and entry is not Ellipsis)
    if Ellipsis not in [entry for entry in entries if not is_node(entry)]:
        entries.append(Ellipsis)
    dim = 0
    for entry in entries:
        if entry is Ellipsis:
            dim += len(ranges) - used
            continue
        if entry is None:
            continue
        if isinstance(entry, slice):
            ranges[dim] = ranges[dim][slice(*map(fixed, (entry.start, entry.stop, entry.step)))]
        else:
            position = fixed(entry)
            if not isinstance(position, int):
                return None
            ranges[dim] = ranges[dim][position:][:1]
        dim += 1
    return Part(source, tuple(ranges))


def _element(many: Node, index: Any) -> Optional[Part]:
    """The element `index` of what chunk, split or unbind returns."""
    if many.name not in ("chunk", "split", "unbind") or not isinstance(index, int):
        return None
    source = strip(many.arg(0, "input"))
    if not is_node(source) or source.shape is None:
        return None
    if many.name == "unbind":
        dim = fixed(many.arg(1, "dim", 0))
        size = source.shape[dim]
        return _along(source, dim, range(size)[index:][:1])
    sizes = fixed(many.arg(1, "chunks" if many.name == "chunk" else "split_size_or_sections",
                           many.kwargs.get("split_size")))
    dim = fixed(many.arg(2, "dim", 0))
    total = source.shape[dim]
    if many.name == "chunk":
        sizes = -(-total // sizes)
    if isinstance(sizes, int):
        bounds = [*range(0, total, sizes), total]
    else:
        bounds = [0]
        for size in sizes:
            bounds.append(bounds[-1] + size)
    count = len(bounds) - 1
    if not -count <= index < count:
        return None
    index %= count
    return _along(source, dim, range(bounds[index], bounds[index + 1]))


def last_part(node: Any) -> Optional[Tuple[Node, range]]:
    """x and the indices of its last dimension, for a node that is whole in all others.

    One of the two elements of x viewed as pairs, [..., n, 2], are the even or odd indices of x.
    """
    part = part_of(strip(node))
    if part is None or part.source.shape is None:
        return None
    source, ranges = part.source, part.ranges
    shape, last = part.source.shape, ranges[-1]
    if any(len(chosen) != size for chosen, size in zip(ranges[:-1], shape[:-1])):
        return None
    if len(last) == 1 and shape[-1] == 2 and source.name == "view":
        pairs = strip(source.args[0])
        size = 2 * shape[-2] if len(shape) > 1 else 0
        if is_node(pairs) and pairs.shape is not None and pairs.shape[-1] == size:
            return pairs, range(last[0], size, 2)
    return source, last


def renumbered(layout: Layout, part: Part) -> Layout:
    """The layout of a part whose columns were gathered in its order."""
    dims: List[Tuple[Axis, ...]] = []
    stride = 1
    for dim, chosen in reversed(list(zip(layout.dims, part.ranges))):
        if any(axis.stride is None for axis in dim):
            dims.append(dim)
            continue
        dims.append(join([Axis(len(chosen), stride)]))
        stride *= len(chosen)
    return Layout(tuple(reversed(dims)))
