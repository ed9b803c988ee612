"""How the dimensions of a tensor index a matrix of activations, [tokens, columns].

PyTorch code moves heads between dimensions; `stc` keeps one row per token. A Layout says for every
dimension of a tensor which indices of the matrix it runs over, so that views and transposes need no
operation, and whether a tensor is what an operation expects can be decided.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple


@dataclass(frozen=True)
class Axis:
    """`size` indices: of tokens (stride None), or of columns `stride` apart; 0 repeats columns."""

    size: int
    stride: Optional[int]


Dim = Tuple[Axis, ...]  # the first runs slowest; () has size 1


def join(axes: Sequence[Axis]) -> Dim:
    """Axes that run over evenly spaced columns are one."""
    joined: List[Axis] = []
    for axis in axes:
        if axis.size == 1:
            continue
        if joined and axis.stride and joined[-1].stride == axis.stride * axis.size:
            joined[-1] = Axis(joined[-1].size * axis.size, axis.stride)
        elif joined and axis.stride == 0 and joined[-1].stride == 0:
            joined[-1] = Axis(joined[-1].size * axis.size, 0)
        else:
            joined.append(axis)
    return tuple(joined)


def size_of(dim: Dim) -> int:
    return product([axis.size for axis in dim])


@dataclass(frozen=True)
class Layout:
    """The dimensions of a tensor, outermost first."""

    dims: Tuple[Dim, ...]

    @staticmethod
    def rows(shape: Sequence[int], tokens: int, columns: int) -> Optional["Layout"]:
        """Of a tensor that is the matrix itself: leading sizes multiply to `tokens`."""
        if not shape or shape[-1] != columns or product(shape[:-1]) != tokens:
            return None
        whole = Layout(((Axis(tokens, None),), join([Axis(columns, 1)])))
        return whole.view(shape)

    @property
    def shape(self) -> Tuple[int, ...]:
        return tuple(map(size_of, self.dims))

    def leading_axes(self, last: int) -> Dim:
        """All dimensions but the `last` last as one."""
        return join([axis for dim in self.dims[:-last] for axis in dim])

    def is_rows(self, columns: int) -> bool:
        """Whether this is a matrix of whole rows, one per token, with dimensions of size 1 or a
        split of the tokens in front."""
        leading = self.leading_axes(1)
        return (len(leading) == 1 and leading[0].stride is None
                and self.dims[-1] == join([Axis(columns, 1)]))

    def view(self, shape: Sequence[int]) -> Optional["Layout"]:
        """The same indices in other sizes; None where one would cross what is no multiple."""
        axes = [axis for dim in self.dims for axis in dim]
        dims: List[Dim] = []
        for size in shape:
            taken: List[Axis] = []
            left = size
            while left > 1:
                if not axes:
                    return None
                axis = axes.pop(0)
                if axis.size <= left:
                    if left % axis.size:
                        return None
                    taken.append(axis)
                    left //= axis.size
                    continue
                # The outer part of the axis; tokens stay together.
                if axis.size % left or axis.stride is None:
                    return None
                inner = axis.size // left
                taken.append(Axis(left, axis.stride * inner))
                axes.insert(0, Axis(inner, axis.stride))
                left = 1
            dims.append(join(taken))
        return None if any(axis.size != 1 for axis in axes) else Layout(tuple(dims))

    def permute(self, order: Sequence[int]) -> "Layout":
        return Layout(tuple(self.dims[i] for i in order))

    def expand(self, shape: Sequence[int]) -> Optional["Layout"]:
        """Dimensions of size 1 repeat; new ones come in front."""
        missing = len(shape) - len(self.dims)
        if missing < 0:
            return None
        dims: List[Dim] = [()] * missing + list(self.dims)
        for i, size in enumerate(shape):
            if not dims[i] and size > 1:
                dims[i] = (Axis(size, 0),)
            elif size_of(dims[i]) != size:
                return None
        return Layout(tuple(dims))

    def column_indices(self) -> List[int]:
        """The columns that a tensor without tokens runs over, in its order."""
        columns = [0]
        for dim in self.dims:
            for axis in dim:
                assert axis.stride is not None
                columns = [c + i * axis.stride for c in columns for i in range(axis.size)]
        return columns


def product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result


def repeated(layout: Layout, count: int) -> Layout:
    """Heads, the third dimension from the end, each `count` times in a row."""
    dims = list(layout.dims)
    dims[-3] = join([*dims[-3], Axis(count, 0)])
    return Layout(tuple(dims))
