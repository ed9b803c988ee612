"""Recognizes causal softmax attention, as one operator or written out (Vaswani et al. 2017)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import torch

from .constants import (ConstantError, Visibility, allowed_by, last_two, visibility_of)
from .layout import Axis, Dim, Layout, join, size_of
from .operators import Node
from .steps import (both_ways, constant_tensor, fixed, is_call, is_last_dim, is_node, operands,
                    scalar, strip, strip_leading)

#: Where the arguments stand that the ATen forms do not have under one name: mask, is_causal.
_FUSED: Dict[str, Tuple[Optional[int], int]] = {
    "_scaled_dot_product_flash_attention": (None, 4),
    "_scaled_dot_product_flash_attention_for_cpu": (None, 4),
    "_scaled_dot_product_efficient_attention": (3, 6),
}


@dataclass(frozen=True)
class Attention:
    """Queries, keys and values as nodes; keys are [..., head_dim, tokens] where transposed."""

    queries: Node
    keys: Node
    values: Node
    scale: float
    sees: Visibility
    keys_transposed: bool
    soft_cap: float = 0.0


def fused_attention(node: Node) -> Attention:
    """Of scaled_dot_product_attention. A ConstantError says what it has that stc lacks."""
    queries, keys, values = (strip(node.arg(i, name))
                             for i, name in enumerate(("query", "key", "value")))
    plain = node.spelled.rpartition("::")[2]
    mask_at, causal_at = _FUSED.get(plain, (3, 5))
    mask = node.kwargs.get("attn_mask", node.kwargs.get("attn_bias"))
    if mask is None and mask_at is not None and mask_at < len(node.args):
        mask = node.args[mask_at]
    causal = bool(fixed(node.arg(causal_at, "is_causal", False)))
    scale = scalar(node.kwargs.get("scale"))
    if scale is None:
        scale = (queries.shape or (1,))[-1] ** -0.5
    if causal:
        sees = Visibility()
    elif mask is None:
        raise ConstantError("a causal mask or is_causal=True is needed")
    else:
        tensor = constant_tensor(strip(mask))
        if tensor is None:
            raise ConstantError("a mask that does not depend on the tokens is needed")
        sees = _visibility(tensor if tensor.dtype == torch.bool else allowed_by(tensor),
                           queries.shape[-2] if queries.shape else 0)
    return Attention(queries, keys, values, scale, sees, False)


def written_attention(node: Node) -> Optional[Attention]:
    """Of softmax(mask(q k^T * scale)) v, at its last matmul. None if it is no such thing; a
    ConstantError says what it has that stc lacks."""
    probabilities, values = operands(node)
    probabilities = strip_leading(probabilities)
    if not is_call(probabilities, "softmax"):
        return None
    if not is_last_dim(probabilities, probabilities.arg(1, "dim"),
                       len(probabilities.shape or ())):
        raise ConstantError("a softmax over the keys is needed")
    scores = strip_leading(probabilities.args[0])
    size = (scores.shape or (0,))[-1]
    scale, cap, allowed = 1.0, 0.0, torch.ones(size, size, dtype=torch.bool)
    while not is_call(scores, "matmul"):
        if is_call(scores, "tanh") and cap == 0 and scale > 0:
            # So far there was c of c * tanh(score / c); the scale is what follows.
            scores, cap = strip_leading(scores.args[0]), scale
            continue
        step = _mask_or_scale(scores)
        if step is None:
            raise ConstantError("scores that are scaled, capped and masked by constants are "
                                f"needed, got {scores.spelled if is_node(scores) else scores}")
        scores, factor, mask = strip_leading(step[0]), step[1], step[2]
        scale *= factor
        if mask is not None:
            if cap:
                raise ConstantError("a mask after the soft cap of scores is needed")
            allowed &= _square(mask, size)
    queries, keys = operands(scores)
    if bool(allowed.all()) and size > 1:
        raise ConstantError("a causal mask is needed")
    return Attention(queries, keys, values, scale, visibility_of(allowed), True, cap)


def _mask_or_scale(node: Any) -> Optional[Tuple[Node, float, Optional[torch.Tensor]]]:
    """What is masked or scaled at a node, by how much, and the mask: true where visible."""
    if is_call(node, "mul"):
        for x, factor in both_ways(node):
            number = scalar(factor)
            if number is not None:
                return x, number, None
    if is_call(node, "div"):
        x, divisor = operands(node)
        number = scalar(divisor)
        return (x, 1 / number, None) if number else None
    if is_call(node, "add"):
        for x, addend in both_ways(node):
            tensor = constant_tensor(addend)
            if tensor is not None:
                return x, 1.0, allowed_by(tensor)
    if is_call(node, "masked_fill"):
        mask, value = constant_tensor(strip(node.arg(1, "mask"))), scalar(node.arg(2, "value"))
        if mask is not None and value is not None and value <= -1e4:
            return strip(node.args[0]), 1.0, ~mask.bool()
    if is_call(node, "where"):
        mask, value = constant_tensor(strip(node.args[0])), scalar(node.arg(2, "other"))
        if mask is not None and value is not None and value <= -1e4:
            return strip(node.args[1]), 1.0, mask.bool()
    return None


def _square(mask: torch.Tensor, size: int) -> torch.Tensor:
    """The mask of all heads as [queries, keys]."""
    if mask.dim() < 2 or mask.shape[-2:] != (size, size):
        mask = mask.expand(*mask.shape[:-2], size, size) if mask.dim() > 1 else \
            mask.expand(size, size)
    same = last_two(mask)
    if same is None:
        raise ConstantError("one mask for all heads is needed")
    return same.cpu()


def _visibility(allowed: torch.Tensor, size: int) -> Visibility:
    return visibility_of(_square(allowed, size))


def heads_of(layout: Layout) -> Optional[Tuple[int, int]]:
    """(heads, head_dim) of queries or values laid out as [..., heads ..., tokens, head_dim]."""
    if len(layout.dims) < 2 or not _is_tokens(layout.dims[-2]):
        return None
    head_dim = _columns(layout.dims[-1])
    heads = layout.leading_axes(2)
    count = size_of(heads)
    if head_dim is None or heads != join([Axis(count, head_dim)]):
        return None
    return count, head_dim


def shared_heads(layout: Layout, queries: Layout, kv_heads: int, head_dim: int) -> bool:
    """Whether keys or values, [..., tokens, head_dim], give query head h the head
    h // (heads / kv_heads), by repeating, by expanding or by broadcasting."""
    missing = len(queries.dims) - len(layout.dims)
    if missing < 0 or not _is_tokens(layout.dims[-2]) or _columns(layout.dims[-1]) != head_dim:
        return False
    axes = []
    for own, theirs in zip([()] * missing + list(layout.dims[:-2]), queries.dims[:-2]):
        axes += list(own) if own or size_of(theirs) == 1 else [Axis(size_of(theirs), 0)]
    count = size_of(queries.leading_axes(2))
    return (count % kv_heads == 0
            and join(axes) == join([Axis(kv_heads, head_dim), Axis(count // kv_heads, 0)]))


def _is_tokens(dim: Dim) -> bool:
    return len(dim) == 1 and dim[0].stride is None


def _columns(dim: Dim) -> Optional[int]:
    """The size of a dimension of adjacent columns."""
    if not dim:
        return 1
    return dim[0].size if len(dim) == 1 and dim[0].stride == 1 else None
