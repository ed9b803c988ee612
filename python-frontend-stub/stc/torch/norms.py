"""Recognizes normalizations and nonlinearities that are written out."""
from __future__ import annotations

from typing import Any, Optional, Tuple

import torch

from .operators import Node
from .steps import both_ways, fixed, is_call, is_last_dim, is_node, operands, scalar, strip


def normalized(node: Any) -> Optional[Tuple[Node, float]]:
    """x and epsilon of x / sqrt(mean(x^2) + epsilon), in any of its spellings."""
    if is_call(node, "mul"):
        for x, factor in both_ways(node):
            mean = _inverse_root(factor)
            epsilon = _mean_of_squares(mean, x)
            if epsilon is not None:
                return x, epsilon
    if is_call(node, "div"):
        x, root = operands(node)
        epsilon = _mean_of_squares(_root(root), x)
        if epsilon is not None:
            return x, epsilon
    return None


def _root(node: Any) -> Any:
    """y of sqrt(y)."""
    if is_call(node, "sqrt"):
        return strip(node.args[0])
    if is_call(node, "pow") and scalar(node.arg(1, "exponent")) == 0.5:
        return strip(node.args[0])
    return None


def _inverse_root(node: Any) -> Any:
    """y of 1 / sqrt(y)."""
    if is_call(node, "rsqrt"):
        return strip(node.args[0])
    if is_call(node, "reciprocal"):
        return _root(strip(node.args[0]))
    if is_call(node, "pow") and scalar(node.arg(1, "exponent")) == -0.5:
        return strip(node.args[0])
    if is_call(node, "div"):
        one, root = operands(node)
        return _root(root) if scalar(one) == 1 else None
    return None


def _mean_of_squares(node: Any, x: Any) -> Optional[float]:
    """epsilon of mean(x^2) + epsilon over the last dimension, 0 without one."""
    epsilon: Optional[float] = 0.0
    if is_call(node, "add"):
        sides = [(a, scalar(b)) for a, b in both_ways(node) if scalar(b) is not None]
        if len(sides) != 1:
            return None
        node, epsilon = sides[0]
    if not is_call(node, "mean") or not is_node(x):
        return None
    squares = strip(node.args[0])
    if not is_last_dim(node, node.arg(1, "dim"), len(x.shape or ())) \
            or not fixed(node.arg(2, "keepdim", False)) or not _is_square(squares, x):
        return None
    return epsilon


def _is_square(node: Any, x: Any) -> bool:
    if is_call(node, "pow"):
        return strip(node.args[0]) is x and scalar(node.arg(1, "exponent")) == 2
    if is_call(node, "square"):
        return strip(node.args[0]) is x
    return is_call(node, "mul") and operands(node) == (x, x)


def rms_norm_call(node: Node) -> Optional[Tuple[Any, Any, float]]:
    """x, weight and epsilon of torch.nn.functional.rms_norm over the last dimension."""
    x, weight = strip(node.args[0]), strip(node.arg(2, "weight"))
    shape = fixed(node.arg(1, "normalized_shape"))
    if not is_node(x) or (len(shape) if isinstance(shape, (tuple, list, torch.Size)) else 1) != 1:
        return None
    # PyTorch's default is the machine epsilon of the input's type.
    epsilon = scalar(node.arg(3, "eps"))
    return x, weight, torch.finfo(torch.float32).eps if epsilon is None else epsilon


def layer_norm_call(node: Node) -> Optional[Tuple[Any, Any, Any, float]]:
    """x, weight, bias and epsilon of torch.nn.functional.layer_norm over the last dimension."""
    x, shape = strip(node.args[0]), fixed(node.arg(1, "normalized_shape"))
    if not is_node(x) or (len(shape) if isinstance(shape, (tuple, list, torch.Size)) else 1) != 1:
        return None
    epsilon = scalar(node.arg(4, "eps", 1e-5))
    if epsilon is None:
        return None
    return x, strip(node.arg(2, "weight")), strip(node.arg(3, "bias")), epsilon


def soft_capped(node: Any) -> Optional[Tuple[Node, float]]:
    """x and c of c * tanh(x)."""
    if is_call(node, "mul"):
        for curve, factor in both_ways(node):
            cap = scalar(factor)
            if cap is not None and is_call(curve, "tanh"):
                return strip(curve.args[0]), cap
    return None


def nonlinearity(node: Any) -> Optional[Tuple[str, Node]]:
    """The function, as stc names it, and its argument."""
    if is_call(node, "silu", "relu", "sigmoid"):
        return node.name, strip(node.args[0])
    if is_call(node, "gelu"):
        tanh = fixed(node.arg(1, "approximate", "none")) == "tanh"
        return "gelu_tanh" if tanh else "gelu", strip(node.args[0])
    if is_call(node, "mul"):
        for x, gate in both_ways(node):
            if is_call(gate, "sigmoid") and strip(gate.args[0]) is x:
                return "silu", x
    return None
