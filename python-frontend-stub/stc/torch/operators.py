"""One vocabulary for the operators of torch.fx and of torch.export.

The same operator has several spellings: torch.nn.functional.silu, a torch.nn.SiLU that is called,
aten.silu.default. A Node has the one name that the patterns know.
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

#: What PyTorch calls an operator -> what the patterns call it, where these differ.
_SYNONYMS = {
    "truediv": "div", "true_divide": "div", "divide": "div", "multiply": "mul", "subtract": "sub",
    "negative": "neg", "concat": "cat", "concatenate": "cat",
    "swapaxes": "transpose", "swapdims": "transpose", "reshape": "view",
    "_unsafe_view": "view", "_reshape_alias": "view", "view_copy": "view", "flatten": "view",
    "unflatten": "view", "mm": "matmul", "bmm": "matmul", "_softmax": "softmax",
    "_safe_softmax": "softmax", "swish": "silu", "special_expit": "sigmoid",
    "slice_copy": "slice", "expand_copy": "expand", "transpose_copy": "transpose",
    "permute_copy": "permute", "unsqueeze_copy": "unsqueeze", "squeeze_copy": "squeeze",
    "split_copy": "split", "split_with_sizes": "split", "split_with_sizes_copy": "split",
    "numpy_T": "t", "expand_as": "expand", "broadcast_to": "expand",
    "_scaled_dot_product_flash_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_flash_attention_for_cpu": "scaled_dot_product_attention",
    "_scaled_dot_product_efficient_attention": "scaled_dot_product_attention",
    "_scaled_dot_product_attention_math": "scaled_dot_product_attention",
    "_fused_rms_norm": "rms_norm", "native_layer_norm": "layer_norm",
}

#: Operators that change no number (activations are f32 in stc, whatever they were cast to).
IDENTITIES = frozenset((
    "to", "_to_copy", "float", "half", "bfloat16", "type", "type_as", "contiguous", "clone",
    "detach", "alias", "dropout", "native_dropout", "identity", "cpu", "cuda", "lift_fresh_copy",
    "lift_fresh", "convert_element_type", "positive", "_assert_tensor_metadata"))

#: Operators that only say how numbers are indexed. Their effect is read off the shapes.
RESHAPES = frozenset(("view", "view_as", "unsqueeze", "squeeze"))

#: Everything the patterns look at; anything else that depends on the tokens is not supported.
KNOWN = IDENTITIES | RESHAPES | frozenset((
    "tokens", "embedding", "linear", "matmul", "addmm", "t", "T", "mT", "transpose", "permute",
    "expand", "repeat_interleave", "index_select", "getitem", "slice", "narrow", "select", "chunk",
    "split", "unbind", "cat", "stack", "neg", "add", "sub", "mul", "div", "pow", "square", "mean",
    "rsqrt", "sqrt", "reciprocal", "rms_norm", "layer_norm", "silu", "gelu", "relu", "sigmoid",
    "tanh", "softmax", "scaled_dot_product_attention", "masked_fill", "where", "view_as_complex",
    "view_as_real"))

#: Checks, which have no result. Anything else without one is there for what it changes.
CHECKS = frozenset((
    "_assert", "_assert_is_none", "_assert_async", "_assert_scalar", "_assert_tensor_metadata",
    "sym_constrain_range", "sym_constrain_range_for_size", "_set_grad_enabled"))

#: Operators whose result holds no number of their argument, only its shape or type.
SHAPE_ONLY = frozenset((
    "zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full",
    "new_empty", "new_tensor"))

#: torch.nn modules that are one operator, and what of them becomes an argument.
MODULES: Dict[str, Tuple[str, Tuple[str, ...]]] = {
    "Linear": ("linear", ("weight", "bias")), "Embedding": ("embedding", ("weight",)),
    "SiLU": ("silu", ()), "GELU": ("gelu", ()), "ReLU": ("relu", ()), "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "Softmax": ("softmax", ()), "Dropout": ("dropout", ()), "Identity": ("identity", ()),
    "RMSNorm": ("rms_norm", ("normalized_shape", "weight", "eps")),
    "LayerNorm": ("layer_norm", ("normalized_shape", "weight", "bias", "eps")),
}


@dataclass(eq=False)
class Node:
    """One operator of a captured module.

    name: in the vocabulary above; spelled: as PyTorch has it; args, kwargs: with Nodes for values;
    module: the path of the module that uses it. `value` is what it computed for the sample text
    where that does not depend on the ids of the tokens, else None; `shape` is the result's in
    either case, None if that is no tensor. `parameter`: the name of the parameter or buffer it is.
    `mutates`: it changes what other nodes hold too.
    """

    name: str
    spelled: str
    args: Tuple[Any, ...] = ()
    kwargs: Dict[str, Any] = field(default_factory=dict)
    module: str = ""
    constant: bool = False
    value: Any = None
    shape: Optional[Tuple[int, ...]] = None
    parameter: Optional[str] = None
    mutates: bool = False

    def arg(self, index: int, name: str, default: Any = None) -> Any:
        """An argument by position or by name."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)


def canonical_name(spelled: str) -> str:
    """`aten::_softmax`, `softmax` -> `softmax`. In-place forms keep their underscore."""
    name = spelled.rpartition("::")[2]
    return _SYNONYMS.get(name, name)


@dataclass
class Captured:
    """A module as operators in the order of their execution, for one text of `length` tokens."""

    nodes: List[Node]
    tokens: Node
    output: Node
    length: int
