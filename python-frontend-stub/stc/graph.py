"""Builds a decoder graph of the `stc` dialect, one transformer idea per call.

A graph maps token ids to logits. Activations are `Value`s of [tokens, columns]; the key/value cache
and the position in it are the graph's own and appear in no call. What every operation means is in
docs/Dialects/STC.md.
"""
from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Union

from .errors import GraphError
from .tensors import Tensor, as_tensor, write_atomically, write_safetensors

ACTIVATIONS = ("silu", "gelu", "gelu_tanh", "relu", "sigmoid", "quick_gelu")
CACHE_TYPES = ("f32", "f16", "i8", "f8E4M3FN")

#: The forms of a sparse pattern, which the compiler reads.
_PATTERN_FORMS = "dilated:NxD, strided:L, fixed:LxC, local:W+G, bigbird:BxW+G+R@S or blocks:B:K,K/K/..."
_PATTERN = re.compile(r"(dilated:\d+x\d+|strided:\d+|fixed:\d+x\d+|local:\d+\+\d+|"
                      r"bigbird:\d+x\d+\+\d+\+\d+@\d+|blocks:\d+:\d+([,/]\d+)*)\Z", re.ASCII)

#: The functions of a module in some phase: weights share their space of names.
FUNCTIONS = ("forward", "head", "prefill", "decode", "score")


class Weight:
    """A named weight of a graph; made by Graph.weight."""

    def __init__(self, graph: "Graph", name: str, tensor: Tensor, source: str) -> None:
        self.graph, self.name, self.tensor = graph, name, tensor
        self.source = source  # its name in the safetensors file

    @property
    def shape(self) -> Tuple[int, ...]:
        return self.tensor.shape


@dataclass(frozen=True)
class RotaryTable:
    """Cosines and sines of every token's angles; made by Graph.rotary_table."""

    graph: "Graph"
    frequencies: Tuple[float, ...]
    scale: float
    index: int


class Value:
    """Activations, [tokens, columns] of f32. Sums and products are elementwise."""

    def __init__(self, graph: "Graph", columns: int, region: int) -> None:
        self.graph, self.columns, self.region = graph, columns, region

    def linear(self, weight: Weight, bias: Optional[Weight] = None) -> "Value":
        """self * weight^T (+ bias); weight is [outputs, inputs], as PyTorch stores it."""
        return self.graph.linear(self, weight, bias)

    def rms_norm(self, weight: Weight, epsilon: float = 1e-5, groups: int = 1) -> "Value":
        """self / sqrt(mean of squares + epsilon) * weight (Zhang and Sennrich 2019).

        Each of `groups` equal parts of a row, such as heads, is normalized on its own; the weight
        has one value per column of a part.
        """
        return self.graph.rms_norm(self, weight, epsilon, groups)

    def layer_norm(self, weight: Weight, bias: Optional[Weight] = None,
                   epsilon: float = 1e-5) -> "Value":
        """(self - mean) / sqrt(variance + epsilon) * weight (+ bias) (Ba et al. 2016)."""
        return self.graph.layer_norm(self, weight, bias, epsilon)

    def scale(self, factor: float) -> "Value":
        """factor * self."""
        return self.graph.scale(self, factor)

    def soft_cap(self, cap: float) -> "Value":
        """cap * tanh(self / cap)."""
        return self.graph.soft_cap(self, cap)

    def rotate(self, table: RotaryTable, interleaved: bool = False,
               head_dim: Optional[int] = None) -> "Value":
        """Rotates pairs of every head by the token's angles (Su et al. 2021).

        With n frequencies in the table, pair i is columns i and i + n, or 2 i and 2 i + 1 when
        `interleaved`. A head has 2 n columns, or `head_dim`, of which the first 2 n are rotated.
        """
        return self.graph.rotate(self, table, interleaved, head_dim)

    def activation(self, kind: str) -> "Value":
        """silu, gelu, gelu_tanh, relu, sigmoid or quick_gelu of every number."""
        return self.graph.activation(kind, self)

    def silu(self) -> "Value":
        return self.activation("silu")

    def gelu(self) -> "Value":
        return self.activation("gelu")

    def relu(self) -> "Value":
        return self.activation("relu")

    def __add__(self, other: "Value") -> "Value":
        return self.graph.elementwise("arith.addf", self, other)

    def __sub__(self, other: "Value") -> "Value":
        return self.graph.elementwise("arith.subf", self, other)

    def __mul__(self, other: "Value") -> "Value":
        return self.graph.elementwise("arith.mulf", self, other)


@dataclass
class Op:
    """One operation as it will be printed: ir_text knows the kinds and their attributes."""

    kind: str
    operands: List[Value]
    weights: List[Weight]
    result: Optional[Value]
    attributes: Dict[str, Any] = field(default_factory=dict)
    body: List["Op"] = field(default_factory=list)
    body_input: Optional[Value] = None
    body_result: Optional[Value] = None


class Graph:
    """A decoder under construction.

    kv_heads, head_dim: of the keys and values of every layer. context: the most tokens a text can
    have; rounded up to a multiple of 16. cache: how keys and values are kept, f32, f16, i8 or
    f8E4M3FN.
    bos_token, eos_tokens: token ids that begin and end a text, if any do.
    """

    def __init__(self, *, kv_heads: int, head_dim: int, context: int, cache: str = "f32",
                 bos_token: Optional[int] = None, eos_tokens: Sequence[int] = ()) -> None:
        for name, size in (("kv_heads", kv_heads), ("head_dim", head_dim), ("context", context)):
            _require(isinstance(size, int) and size > 0, name, "a positive number", size)
        _require(cache in CACHE_TYPES, "cache", f"one of {', '.join(CACHE_TYPES)}", cache)
        self.kv_heads, self.head_dim, self.cache = kv_heads, head_dim, cache
        self.capacity = (context + 15) // 16 * 16
        self.bos_token, self.eos_tokens = bos_token, tuple(eos_tokens)
        self.weights: Dict[str, Weight] = {}
        self.tables: List[RotaryTable] = []
        self.operations: List[Op] = []  # of @forward
        self.layers = 0
        self.hidden: Optional[Value] = None  # what @forward returns
        self.head_weight: Optional[Weight] = None
        self.head_bias: Optional[Weight] = None
        self.head_scale, self.head_cap = 1.0, 0.0
        self._regions: List[Tuple[int, List[Op]]] = [(0, self.operations)]
        self._next_region = 1

    # Weights

    def weight(self, name: str, data: Any, source: Optional[str] = None) -> Weight:
        """Names a weight: a list, a numpy array, a torch tensor or an stc.Tensor.

        Commands and recipes use the name, such as `layers.0.q`. `source` is the tensor's name in
        the safetensors file, by default the same.
        """
        _require(name not in self.weights, f"weight {name}", "a name of its own", "a second one")
        _require(name not in FUNCTIONS, f"weight {name}",
                 f"a name other than those of functions ({', '.join(FUNCTIONS)})", "one of them")
        source = source or name
        taken = {weight.source for weight in self.weights.values()}
        _require(source not in taken, f"weight {name}", "a source of its own", source)
        try:
            tensor = as_tensor(data)
        except GraphError as error:
            raise GraphError(f"weight {name}: {error}") from None
        self.weights[name] = Weight(self, name, tensor, source)
        return self.weights[name]

    # Operations

    def embedding(self, table: Weight) -> Value:
        """Rows of a [vocabulary, columns] table, one per token of the text."""
        self._check_weight(table, 2, None, "embedding")
        return self._add("stc.embedding", [], [table], table.shape[1])

    def position_embedding(self, table: Weight) -> Value:
        """Rows of a [positions, columns] table, one per token: learned positions."""
        self._check_weight(table, 2, None, "position_embedding")
        _require(table.shape[0] >= self.capacity, f"position_embedding @{table.name}",
                 f"{self.capacity} rows (the context, a multiple of 16)", table.shape[0])
        return self._add("positions", [], [table], table.shape[1])

    def linear(self, x: Value, weight: Weight, bias: Optional[Weight] = None) -> Value:
        """See Value.linear."""
        self._check_weight(weight, 2, x.columns, "linear")
        if bias is not None:
            self._check_weight(bias, 1, weight.shape[0], "bias")
        return self._add("stc.linear", [x], [weight] + ([bias] if bias else []), weight.shape[0])

    def rms_norm(self, x: Value, weight: Weight, epsilon: float = 1e-5, groups: int = 1) -> Value:
        """See Value.rms_norm."""
        _require(groups > 0 and x.columns % groups == 0, "rms_norm groups",
                 f"a divisor of {x.columns} columns", groups)
        self._check_weight(weight, 1, x.columns // groups, "rms_norm")
        _check_epsilon("rms_norm", epsilon)
        return self._add("stc.rms_norm", [x], [weight], x.columns, epsilon=float(epsilon),
                         groups=groups)

    def layer_norm(self, x: Value, weight: Weight, bias: Optional[Weight] = None,
                   epsilon: float = 1e-5) -> Value:
        """See Value.layer_norm."""
        for vector in (weight, bias) if bias else (weight,):
            self._check_weight(vector, 1, x.columns, "layer_norm")
        _check_epsilon("layer_norm", epsilon)
        return self._add("stc.layer_norm", [x], [weight] + ([bias] if bias else []), x.columns,
                         epsilon=float(epsilon))

    def scale(self, x: Value, factor: float) -> Value:
        """See Value.scale."""
        _require(math.isfinite(factor), "scale", "a finite number", factor)
        return self._add("stc.scale", [x], [], x.columns, factor=float(factor))

    def soft_cap(self, x: Value, cap: float) -> Value:
        """See Value.soft_cap."""
        _check_positive("soft_cap", cap)
        return self._add("stc.soft_cap", [x], [], x.columns, cap=float(cap))

    def activation(self, kind: str, x: Value) -> Value:
        """See Value.activation."""
        _check_activation(kind)
        return self._add("stc.activation", [x], [], x.columns, function=kind)

    def gated_activation(self, kind: str, gate: Value, up: Value, *, limit: float = 0.0,
                         offset: float = 0.0) -> Value:
        """activation(gate) * up (Shazeer 2020).

        limit: bounds gate from above and up on both sides first; 0: none. offset: is added to what
        the activation is multiplied by (gpt-oss has 7.0 and 1.0).
        """
        _check_activation(kind)
        _check_columns("gated_activation", gate, up)
        if limit != 0:
            _check_positive("gated_activation limit", limit)
        _require(math.isfinite(offset), "gated_activation offset", "a finite number", offset)
        return self._add("stc.gated_activation", [gate, up], [], gate.columns, function=kind,
                         limit=float(limit), offset=float(offset))

    def permute_features(self, x: Value, order: Weight) -> Value:
        """Column order[c] of x as column c; order is a weight of whole numbers."""
        self._check_weight(order, 1, x.columns, "permute_features")
        return self._add("stc.permute_features", [x], [order], x.columns)

    def elementwise(self, kind: str, a: Value, b: Value) -> Value:
        """An `arith` operation on two activations; `a + b` and its like call it."""
        if not isinstance(b, Value):
            raise GraphError(f"{kind}: expected two activations, got {type(b).__name__}")
        _check_columns(kind, a, b)
        return self._add(kind, [a, b], [], a.columns)

    def rotary_table(self, theta: float = 10000.0,
                     frequencies: Optional[Sequence[float]] = None,
                     scale: float = 1.0) -> RotaryTable:
        """Angles position * frequency for every token.

        Without `frequencies` they are theta ** (-2 i / head_dim) for i below head_dim / 2. Scalings
        of the frequencies belong in `frequencies`; cosines and sines are multiplied by `scale`.
        Equal tables are one.
        """
        if frequencies is None:
            _require(self.head_dim % 2 == 0, "rotary_table", "an even head_dim", self.head_dim)
            _check_positive("rotary_table theta", theta)
            frequencies = [theta ** (-2.0 * i / self.head_dim) for i in range(self.head_dim // 2)]
        numbers = tuple(float(frequency) for frequency in frequencies)
        _require(bool(numbers) and all(math.isfinite(f) and f >= 0 for f in numbers),
                 "rotary_table frequencies", "finite numbers that are not negative", list(numbers))
        _check_positive("rotary_table scale", scale)
        for table in self.tables:
            if (table.frequencies, table.scale) == (numbers, scale):
                return table
        self.tables.append(RotaryTable(self, numbers, scale, len(self.tables)))
        return self.tables[-1]

    def rotate(self, x: Value, table: RotaryTable, interleaved: bool = False,
               head_dim: Optional[int] = None) -> Value:
        """See Value.rotate."""
        _require(table.graph is self, "rotate", "a table of this graph", "another graph's")
        rotated = 2 * len(table.frequencies)
        head_dim = rotated if head_dim is None else head_dim
        _require(head_dim >= rotated, "rotate head_dim", f"at least {rotated}", head_dim)
        _require(x.columns % head_dim == 0, "rotate", f"a multiple of {head_dim} columns",
                 x.columns)
        return self._add("stc.rotary_embedding", [x], [], x.columns, table=table,
                         interleaved=interleaved,
                         head_dim=head_dim if head_dim > rotated else 0)

    def attention(self, queries: Value, keys: Value, values: Value, *, heads: int,
                  scale: Optional[float] = None, window: int = 0, sinks: int = 0,
                  soft_cap: float = 0.0, pattern: Optional[str] = None,
                  slopes: Sequence[float] = (), sink_logits: Optional[Weight] = None) -> Value:
        """Causal softmax attention over everything the text holds so far.

        queries: [tokens, heads * head_dim]; keys, values: [tokens, kv_heads * head_dim]. scale: by
        default head_dim ** -0.5. window: how many positions a token sees, itself included; 0: all.
        sinks: how many of the first positions stay visible behind the window (Xiao et al. 2023).
        soft_cap: c makes c * tanh(score / c) of every score; 0: none.
        pattern: which earlier positions a token sees, such as "strided:64" or "bigbird:16x3+1+2@7"
        (docs/Attention.md), in place of a window. slopes: one number per head, -slope * distance is
        added to its scores (ALiBi: Press et al. 2022). sink_logits: a weight of one number per head,
        a score more in its softmax, of no value (gpt-oss, 2025).
        Stands in a layer, once.
        """
        _require(len(self._regions) == 2, "attention", "a place in a layer (Graph.layer)",
                 "one outside")
        operations = self._regions[-1][1]
        _require(not any(op.kind == "attention" for op in operations), f"layer {self.layers}",
                 "one attention", "a second one")
        _require(isinstance(heads, int) and heads > 0 and heads % self.kv_heads == 0,
                 "attention heads", f"a positive multiple of kv_heads = {self.kv_heads}", heads)
        for name, value, count in (("queries", queries, heads), ("keys", keys, self.kv_heads),
                                   ("values", values, self.kv_heads)):
            _require(value.columns == count * self.head_dim, f"attention {name}",
                     f"{count * self.head_dim} columns", value.columns)
        scale = self.head_dim ** -0.5 if scale is None else float(scale)
        _check_positive("attention scale", scale)
        if soft_cap != 0:
            _check_positive("attention soft_cap", soft_cap)
        _require(window >= 0, "attention window", "a number that is not negative", window)
        _require(sinks == 0 or (sinks > 0 and window > 0), "attention sinks",
                 "0, or a positive number beside a window", sinks)
        if pattern is not None:
            _require(isinstance(pattern, str) and bool(_PATTERN.match(pattern)),
                     "attention pattern", f"{_PATTERN_FORMS} (window= says how long a window is)",
                     pattern)
            _require(window == 0, "attention pattern", "no window beside it", window)
        numbers = tuple(float(slope) for slope in slopes)
        _require(len(numbers) in (0, heads), "attention slopes", f"{heads} numbers", len(numbers))
        _require(all(math.isfinite(slope) and slope >= 0 for slope in numbers),
                 "attention slopes", "finite numbers that are not negative", list(numbers))
        if sink_logits is not None:
            self._check_weight(sink_logits, 1, heads, "attention sink_logits")
        # A window as long as the cache hides nothing.
        if window >= self.capacity:
            window = sinks = 0
        return self._add("attention", [queries, keys, values],
                         [] if sink_logits is None else [sink_logits], queries.columns, heads=heads,
                         scale=scale, window=window, sinks=sinks, soft_cap=float(soft_cap),
                         pattern=pattern, slopes=numbers, layer=self.layers)

    def layer(self, x: Value, body: Callable[[Value], Value]) -> Value:
        """One layer: calls `body` with the hidden state that enters and takes what it returns.

        Layers whose bodies are alike share code in the compiled program.
        """
        _require(len(self._regions) == 1, "layer", "a place outside other layers", "one in a layer")
        self._check_value(x, "layer")
        op = Op("stc.layer", [x], [], None, {"index": self.layers})
        region = self._next_region
        self._next_region += 1
        op.body_input = Value(self, x.columns, region)
        self._regions.append((region, op.body))
        try:
            result = body(op.body_input)
            _require(isinstance(result, Value), f"layer {self.layers}",
                     "its body to return activations", type(result).__name__)
            self._check_value(result, "layer")
            _require(result.columns == x.columns, f"layer {self.layers}",
                     f"{x.columns} columns again", result.columns)
        finally:
            self._regions.pop()
        op.body_result = result
        self.layers += 1
        op.result = Value(self, x.columns, 0)
        self.operations.append(op)
        return op.result

    def head(self, hidden: Value, weight: Weight, bias: Optional[Weight] = None, *,
             scale: float = 1.0, soft_cap: float = 0.0) -> None:
        """Ends the graph: logits = hidden * weight^T (+ bias). A tied head takes the embedding.

        The logits are multiplied by `scale`, then bounded by `soft_cap` unless that is 0.
        """
        _require(self.hidden is None, "head", "to be called once", "a second call")
        _require(len(self._regions) == 1, "head", "a place outside layers", "one in a layer")
        self._check_value(hidden, "head")
        self._check_weight(weight, 2, hidden.columns, "head")
        if bias is not None:
            self._check_weight(bias, 1, weight.shape[0], "head bias")
        _require(math.isfinite(scale), "head scale", "a finite number", scale)
        if soft_cap != 0:
            _check_positive("head soft_cap", soft_cap)
        self.hidden, self.head_weight, self.head_bias = hidden, weight, bias
        self.head_scale, self.head_cap = float(scale), float(soft_cap)

    # Output

    def text(self, checkpoint: str = "model.safetensors") -> str:
        """The graph as textual IR whose weights are in the file `checkpoint`."""
        from .ir_text import print_graph  # which needs the classes above

        _require(self.hidden is not None, "graph", "a head (Graph.head)", "none")
        _require(self.layers > 0, "graph", "at least one layer (Graph.layer)", "none")
        for token in (*self.eos_tokens, *([] if self.bos_token is None else [self.bos_token])):
            assert self.head_weight is not None
            vocabulary = self.head_weight.shape[0]
            _require(isinstance(token, int) and 0 <= token < vocabulary, "bos and eos tokens",
                     f"numbers from 0 to {vocabulary - 1}", token)
        return print_graph(self, checkpoint)

    def save(self, path: Union[str, "os.PathLike[str]"], tokenizer: Any = None) -> str:
        """Writes `path`, which ends in .mlir, and the weights beside it as .safetensors.

        `tokenizer` is a Hugging Face tokenizer.json that is copied beside them: a folder holds one
        model then. `stc compile path` takes it from there. Returns the path as text.
        """
        path = os.fspath(path)
        _require(path.endswith(".mlir"), "save", "a path that ends in .mlir", path)
        weights = path[:-len(".mlir")] + ".safetensors"
        text = self.text(os.path.basename(weights))
        write_safetensors(weights, {w.source: w.tensor for w in self.weights.values()})
        if tokenizer is not None:
            with open(tokenizer, "rb") as file:
                data = file.read()
            target = os.path.join(os.path.dirname(path), "tokenizer.json")
            write_atomically(target, lambda file: _write_all(file, data))
        write_atomically(path, lambda file: _write_all(file, text.encode()))
        return path

    # Checks

    def _add(self, kind: str, operands: List[Value], weights: List[Weight], columns: int,
             **attributes: Any) -> Value:
        _require(self.hidden is None, kind, "a graph without a head yet", "one with a head")
        for operand in operands:
            self._check_value(operand, kind)
        region, operations = self._regions[-1]
        result = Value(self, columns, region)
        operations.append(Op(kind, operands, weights, result, attributes))
        return result

    def _check_value(self, value: Value, where: str) -> None:
        _require(value.graph is self, where, "activations of this graph", "another graph's")
        _require(value.region in [region for region, _ in self._regions], where,
                 "activations from here or from outside", "activations from within another layer")

    def _check_weight(self, weight: Weight, rank: int, columns: Optional[int], where: str) -> None:
        if not isinstance(weight, Weight):
            raise GraphError(f"{where}: expected a weight (Graph.weight), "
                             f"got {type(weight).__name__}")
        name = f"{where} @{weight.name}"
        _require(weight.graph is self, name, "a weight of this graph", "another graph's")
        _require(len(weight.shape) == rank, name, f"a weight of {rank} dimensions",
                 list(weight.shape))
        if columns is not None:
            _require(weight.shape[-1] == columns, name, f"a weight of {columns} columns",
                     weight.shape[-1])


def _require(valid: bool, where: str, expected: str, got: Any) -> None:
    if not valid:
        raise GraphError(f"{where}: expected {expected}, got {got}")


def _check_positive(where: str, value: float) -> None:
    _require(math.isfinite(value) and value > 0, where, "a finite, positive number", value)


def _check_epsilon(where: str, epsilon: float) -> None:
    _require(math.isfinite(epsilon) and epsilon >= 0, f"{where} epsilon",
             "a finite number that is not negative", epsilon)


def _check_activation(kind: str) -> None:
    _require(kind in ACTIVATIONS, "activation", f"one of {', '.join(ACTIVATIONS)}", kind)


def _check_columns(where: str, a: Value, b: Value) -> None:
    _require(a.columns == b.columns, where, f"{a.columns} columns on both sides", b.columns)


def _write_all(file: Any, data: bytes) -> None:
    file.write(data)


_SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*\Z")


def is_plain_symbol(name: str) -> bool:
    """Whether IR can name a weight without quotes."""
    return bool(_SYMBOL.match(name))
