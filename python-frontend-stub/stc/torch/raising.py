"""Raises a captured module to steps: patterns are tried where their last operator stands."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

import torch

from ..errors import UnsupportedOperators
from .attention import Attention, fused_attention, heads_of, shared_heads, written_attention
from .constants import ConstantError, frequencies_of, scale_of
from .layout import Axis, Layout, join, repeated
from .norms import layer_norm_call, nonlinearity, normalized, rms_norm_call, soft_capped
from .operators import IDENTITIES, KNOWN, Captured, Node
from .parts import Part, part_of, renumbered
from .rotary import Rotation, angle_table, is_of_heads, partial_rotation, rotation_of
from .steps import (Problems, Rows, Step, WeightSource, WeightTable, ancestors, both_ways,
                    constant_tensor, fixed, is_node, operands, scalar, strip, varies)

Result = Optional[Rows]  # None: a problem was noted


@dataclass
class Raised:
    """A decoder: the steps that lead to the hidden state, in order, and the head."""

    steps: List[Step]
    hidden: Step
    head: List[WeightSource]
    head_options: Dict[str, float]  # of Graph.head


class Raiser:
    """One run over a captured module, from its output to the tokens."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.weights = WeightTable()
        self.problems = Problems()
        self.done: Dict[Node, Result] = {}
        self.scaled: Dict[Tuple[Step, float], Step] = {}
        self.steps: List[Step] = []
        self.rules: Dict[str, Callable[[Node], Result]] = {
            "embedding": self.embedding, "linear": self.linear, "matmul": self.matmul,
            "addmm": self.addmm, "add": self.add, "sub": self.subtract, "mul": self.multiply,
            "div": self.divide, "rms_norm": self.rms_norm, "layer_norm": self.layer_norm,
            "cat": self.concatenation,
            "scaled_dot_product_attention": self.fused, "getitem": self.part, "slice": self.part,
            "narrow": self.part, "select": self.part, "view": self.view, "unsqueeze": self.view,
            "squeeze": self.view, "view_as": self.view, "transpose": self.permute,
            "permute": self.permute, "t": self.permute, "T": self.permute, "mT": self.permute,
            "expand": self.expand, "repeat_interleave": self.repeat,
            "index_select": self.repeat}
        for name in ("silu", "gelu", "relu", "sigmoid"):
            self.rules[name] = self.activation

    def run(self) -> Raised:
        """Raises the module or throws UnsupportedOperators, with all that is not supported."""
        reached = self._check_operators()
        # In the order of execution: deep models would be deep recursion from the end.
        for node in self.captured.nodes:
            if node in reached and (node.name in ("embedding", "linear", "addmm")
                                    or node.name == "matmul" and not varies(operands(node)[1])):
                self.rows(node)
        logits = self.plain(self.captured.output)
        head: Dict[str, float] = {}
        last = logits.step if logits is not None else None
        for kind, attribute in (("soft_cap", "cap"), ("scale", "factor")):
            if last is not None and last.kind == kind:
                head[kind] = last.attributes[attribute]
                last = last.inputs[0]
        if logits is not None and last is not None and (
                last.kind != "linear" or not logits.layout.is_rows(last.columns)):
            self.reject(self.captured.output,
                        "logits of all tokens from a linear layer are expected here")
        if self.problems.found:
            raise UnsupportedOperators(self.problems.list())
        assert last is not None
        hidden = last.inputs[0]
        needed = ancestors(hidden)
        return Raised([step for step in self.steps if step in needed], hidden, last.weights, head)

    def _check_operators(self) -> Set[Node]:
        """The operators between tokens and logits. Throws if no pattern knows some of them."""
        seen: Set[Node] = set()
        work: List[Any] = [self.captured.output]
        while work:
            value = work.pop()
            if isinstance(value, (tuple, list)):
                work += value
            if not varies(value) or value in seen:
                continue
            seen.add(value)
            work += [value.args, list(value.kwargs.values())]
        for node in self.captured.nodes:
            if node.mutates:
                self.problems.add(node, "not supported, as it changes a tensor that is used "
                                        "elsewhere too")
            elif node in seen and node.name not in KNOWN:
                self.problems.add(node, "not supported")
        if self.problems.found:
            raise UnsupportedOperators(self.problems.list())
        return seen

    # Steps

    def reject(self, node: Node, reason: str) -> Result:
        self.problems.add(node, reason)
        return None

    def rows(self, value: Any) -> Result:
        """The numbers of a node up to a factor, raised once."""
        node = strip(value)
        assert is_node(node)
        if node not in self.done:
            self.done[node] = self._raise(node)
        return self.done[node]

    def plain(self, value: Any) -> Result:
        """The numbers of a node: a factor becomes a step."""
        rows = self.rows(value)
        if rows is None or rows.scale == 1:
            return rows
        key = (rows.step, rows.scale)
        if key not in self.scaled:
            self.scaled[key] = self.step(strip(value), "scale", [rows.step], [],
                                         rows.step.columns, factor=rows.scale)
        return Rows(self.scaled[key], rows.layout)

    def _raise(self, node: Node) -> Result:
        if node.constant:
            return self.reject(node, "numbers that depend on the tokens are expected here")
        rule = self.rules.get(node.name)
        if rule is None:
            return self.reject(node, {
                "tokens": "token ids are expected to be looked up in an embedding",
                "softmax": "a softmax is expected to be part of attention",
            }.get(node.name, "expected to be part of a pattern (normalization, rotary embedding, "
                             "attention), but in none that is known"))
        return rule(node)

    def step(self, node: Node, kind: str, inputs: List[Step], weights: List[WeightSource],
             columns: int, **attributes: Any) -> Step:
        self.steps.append(Step(kind, inputs, weights, columns, attributes, node.module))
        return self.steps[-1]

    def weight(self, value: Any, base: str, dims: int, transposed: bool = False
               ) -> Optional[WeightSource]:
        """The weight that a constant is; a parameter's own where it is one, as it is or
        transposed twice."""
        tensor = constant_tensor(value)
        if tensor is None or tensor.dim() != dims:
            return None
        origin, turned = value, transposed
        while is_node(origin) and origin.parameter is None and origin.args \
                and is_node(origin.args[0]):
            if origin.name in ("t", "T", "mT", "transpose", "permute") and dims == 2 \
                    and tuple(origin.args[0].shape or ()) == tuple(origin.shape or ())[::-1]:
                turned = not turned
            elif origin.name not in IDENTITIES or origin.value.dtype != origin.args[0].value.dtype:
                break
            origin = origin.args[0]
        result = tensor.t() if transposed else tensor
        if is_node(origin) and origin.parameter is not None:
            if not turned:
                return self.weights.parameter(origin.parameter, origin.value)
            return self.weights.derived(origin.parameter, "turned", "transposed", result)
        return self.weights.derived(base, str(id(value)), "constant", result)

    # Rules

    def embedding(self, node: Node) -> Result:
        a, b = strip(node.args[0]), strip(node.arg(1, "weight", node.kwargs.get("input")))
        table, ids = (a, b) if constant_tensor(a) is not None else (b, a)
        while is_node(ids) and ids.name in ("view", "unsqueeze", "squeeze"):
            ids = strip(ids.args[0])
        weight = self.weight(table, f"{node.module}.table", 2)
        if ids is not self.captured.tokens or weight is None:
            return self.reject(node, "a table that is looked up by the token ids is expected")
        columns = int(weight.tensor.shape[1])
        layout = Layout.rows(node.shape or (), self.captured.length, columns)
        if layout is None:
            return self.reject(node, "one row for every token is expected")
        return Rows(self.step(node, "embedding", [], [weight], columns), layout)

    def linear(self, node: Node) -> Result:
        return self._linear(node, node.args[0], node.arg(1, "weight"), node.arg(2, "bias"), False)

    def addmm(self, node: Node) -> Result:
        if any(scalar(node.kwargs.get(name, 1)) != 1 for name in ("alpha", "beta")):
            return self.reject(node, "factors of 1 are expected")
        return self._linear(node, node.args[1], node.args[2], node.args[0], True)

    def matmul(self, node: Node) -> Result:
        x, other = operands(node)
        if varies(x) and not varies(other):
            return self._linear(node, x, other, None, True)
        try:
            attention = written_attention(node)
        except ConstantError as error:
            return self.reject(node, str(error))
        if attention is None:
            return self.reject(node, "a product with a weight, or attention, is expected")
        return self.attend(node, attention)

    def _linear(self, node: Node, x: Any, matrix: Any, bias: Any, transposed: bool) -> Result:
        if not varies(x):
            return self.reject(node, "numbers that depend on the tokens are expected on the left")
        rows = self.plain(x)
        if rows is None:
            return None
        weights = [self.weight(strip(matrix), f"{node.module}.matrix", 2, transposed)]
        if bias is not None:
            weights.append(self.weight(strip(bias), f"{node.module}.bias", 1))
        given = [weight for weight in weights if weight is not None]
        if len(given) != len(weights):
            return self.reject(node, "a weight of two dimensions, and a bias of one, are expected")
        if not rows.layout.is_rows(rows.step.columns):
            return self.reject(node, "whole rows of activations, one per token, are expected")
        columns = int(given[0].tensor.shape[0])
        layout = Layout((*rows.layout.dims[:-1], join([Axis(columns, 1)])))
        return Rows(self.step(node, "linear", [rows.step], given, columns), layout)

    def add(self, node: Node) -> Result:
        if scalar(node.kwargs.get("alpha", 1)) != 1:
            return self.reject(node, "a factor (alpha) of 1 is expected")
        rotation = rotation_of(node)
        if rotation is not None:
            return self.rotate(node, rotation)
        for x, other in both_ways(node):
            if varies(x) and not varies(other):
                table = self._position_table(other)
                return self._add_constant(node, x, other) if table is None else \
                    self._add_positions(node, x, table)
        return self._elementwise(node, "arith.addf")

    def _position_table(self, value: Any) -> Optional[Node]:
        """The parameter, [positions, columns], whose first rows a constant is."""
        tensor, length = constant_tensor(value), self.captured.length
        if tensor is None or tensor.dim() < 2 or tensor.shape[-2] != length \
                or tensor.numel() != length * tensor.shape[-1]:
            return None
        work: List[Any] = [value]
        while work:
            node = work.pop()
            table = constant_tensor(node)
            if table is None:
                continue
            if node.parameter is not None and table.dim() >= 2 and table.shape[-2] >= length \
                    and table.shape[-1] == tensor.shape[-1] and table.shape[:-2].numel() == 1 \
                    and torch.equal(table.reshape(-1, table.shape[-1])[:length],
                                    tensor.reshape(length, -1)):
                return node if is_node(node) else None
            work += [argument for argument in node.args if is_node(argument)]
        return None

    def _add_positions(self, node: Node, x: Node, table: Node) -> Result:
        rows = self.plain(x)
        if rows is None:
            return None
        assert table.parameter is not None
        weight = self.weights.parameter(
            table.parameter, table.value.reshape(-1, table.value.shape[-1]))
        columns = rows.step.columns
        if not rows.layout.is_rows(columns) or weight.tensor.shape[1] != columns:
            return self.reject(node, "a position embedding of whole rows is expected")
        positions = self.step(node, "position_embedding", [], [weight], columns)
        return Rows(self.step(node, "arith.addf", [rows.step, positions], [], columns),
                    rows.layout)

    def subtract(self, node: Node) -> Result:
        return self._elementwise(node, "arith.subf")

    def _elementwise(self, node: Node, kind: str) -> Result:
        a, b = operands(node)
        if not varies(a) or not varies(b):
            return self.reject(node, "activations on both sides are expected")
        left, right = self.plain(a), self.plain(b)
        if left is None or right is None:
            return None
        if left.layout != right.layout or left.step.columns != right.step.columns:
            return self.reject(node, "two sides that are laid out alike are expected")
        return Rows(self.step(node, kind, [left.step, right.step], [], left.step.columns),
                    left.layout)

    def _add_constant(self, node: Node, x: Node, other: Any) -> Result:
        """A vector added to a product is its bias."""
        rows, vector = self.plain(x), constant_tensor(other)
        if rows is None:
            return None
        step = rows.step
        weight = self.weight(other, f"{node.module}.bias", 1) if vector is not None else None
        if weight is None or step.kind != "linear" or len(step.weights) > 1 \
                or int(weight.tensor.shape[0]) != step.columns \
                or not rows.layout.is_rows(step.columns):
            return self.reject(node, "a constant is expected to be the bias of a linear layer")
        return Rows(self.step(node, "linear", step.inputs, [step.weights[0], weight],
                              step.columns), rows.layout)

    def multiply(self, node: Node) -> Result:
        found = normalized(node)
        if found is not None:
            return self._norm(node, found[0], None, found[1])
        for x, weight in both_ways(node):
            if constant_tensor(weight) is not None and scalar(weight) is None:
                inner = normalized(x)
                if inner is not None:
                    return self._norm(node, inner[0], weight, inner[1])
        if nonlinearity(node) is not None:
            return self.activation(node)
        capped = soft_capped(node)
        if capped is not None:
            return self._soft_cap(node, *capped)
        for x, factor in both_ways(node):
            number = scalar(factor)
            if number is not None:
                return self._scale(node, x, number)
        for gate, up in both_ways(node):
            function = nonlinearity(gate)
            if function is not None and varies(up):
                return self._gated(node, function[0], function[1], up)
        return self._elementwise(node, "arith.mulf")

    def divide(self, node: Node) -> Result:
        found = normalized(node)
        if found is not None:
            return self._norm(node, found[0], None, found[1])
        x, divisor = operands(node)
        number = scalar(divisor)
        if not varies(x) or not number:
            return self.reject(node, "a division by a number is expected")
        return self._scale(node, x, 1 / number)

    def _soft_cap(self, node: Node, x: Node, cap: float) -> Result:
        """cap * tanh(x), where x is something divided by cap."""
        rows = self.rows(x)
        if rows is None:
            return None
        step, factor = rows.step, rows.scale * cap
        if abs(factor - 1) > 1e-6:  # f32 rounds 1 / cap
            step = self.step(node, "scale", [step], [], step.columns, factor=factor)
        return Rows(self.step(node, "soft_cap", [step], [], step.columns, cap=cap), rows.layout)

    def _scale(self, node: Node, x: Node, factor: float) -> Result:
        """A factor waits for who uses the product: attention has room for it."""
        rows = self.rows(x)
        return rows and Rows(rows.step, rows.layout, rows.scale * factor)

    def _norm(self, node: Node, x: Node, weight: Any, epsilon: float) -> Result:
        rows = self.plain(x)
        if rows is None:
            return None
        columns, groups = rows.step.columns, 1
        if not rows.layout.is_rows(columns):
            size = (x.shape or (0,))[-1]
            if not is_of_heads(rows.layout, size):
                return self.reject(node, "a normalization of whole rows or heads is expected")
            columns, groups = size, columns // size
        vector = constant_tensor(weight)
        if weight is None:
            source: Optional[WeightSource] = self.weights.derived(
                "ones", str(columns), f"of_{columns}", torch.ones(columns))
        elif vector is not None and vector.dim() > 1 and vector.numel() == columns:
            source = self.weights.derived(f"{node.module}.norm", str(id(weight)), "constant",
                                          vector.reshape(-1))
        else:
            source = self.weight(weight, f"{node.module}.norm", 1)
        if source is None or int(source.tensor.shape[0]) != columns:
            return self.reject(node, "one weight per column is expected")
        return Rows(self.step(node, "rms_norm", [rows.step], [source], rows.step.columns,
                              epsilon=epsilon, groups=groups), rows.layout)

    def rms_norm(self, node: Node) -> Result:
        call = rms_norm_call(node)
        if call is None:
            return self.reject(node, "a normalization of the last dimension is expected")
        return self._norm(node, *call)

    def layer_norm(self, node: Node) -> Result:
        call = layer_norm_call(node)
        if call is None:
            return self.reject(node, "a normalization of the last dimension is expected")
        x, weight, bias, epsilon = call
        rows = self.plain(x)
        if rows is None:
            return None
        columns = rows.step.columns
        weights: List[Optional[WeightSource]] = [
            self.weights.derived("ones", str(columns), f"of_{columns}", torch.ones(columns))
            if weight is None else self.weight(weight, f"{node.module}.norm", 1)]
        if bias is not None:
            weights.append(self.weight(bias, f"{node.module}.bias", 1))
        given = [vector for vector in weights if vector is not None]
        if len(given) != len(weights) or not rows.layout.is_rows(columns):
            return self.reject(node, "a normalization of whole rows by constants is expected")
        return Rows(self.step(node, "layer_norm", [rows.step], given, columns, epsilon=epsilon),
                    rows.layout)

    def activation(self, node: Node) -> Result:
        function = nonlinearity(node)
        assert function is not None
        rows = self.plain(function[1])
        if rows is None:
            return None
        return Rows(self.step(node, "activation", [rows.step], [], rows.step.columns,
                              function=function[0]), rows.layout)

    def _gated(self, node: Node, function: str, gate: Node, up: Node) -> Result:
        left, right = self.plain(gate), self.plain(up)
        if left is None or right is None:
            return None
        if left.layout != right.layout or left.step.columns != right.step.columns:
            return self.reject(node, "a gate that is laid out like what it gates is expected")
        return Rows(self.step(node, "gated_activation", [left.step, right.step], [],
                              left.step.columns, function=function), left.layout)

    def rotate(self, node: Node, rotation: Rotation) -> Result:
        rows = self.rows(rotation.x)
        if rows is None:
            return None
        head_dim = (rotation.x.shape or (0,))[-1]
        tables = [angle_table(table, rows.layout, rotation.columns or head_dim)
                  for table in (rotation.cosines, rotation.sines)]
        layout = rows.layout.view(node.shape or ())
        if not is_of_heads(rows.layout, head_dim) or tables[0] is None or tables[1] is None \
                or layout is None:
            return self.reject(node, "a rotary embedding of whole heads by angles of each token "
                                     "is expected")
        try:
            scale = scale_of(tables[0])
            frequencies = frequencies_of(tables[0] / scale, tables[1] / scale)
        except ConstantError as error:
            return self.reject(node, f"rotary embedding: {error}")
        return Rows(self.step(node, "rotate", [rows.step], [], rows.step.columns,
                              frequencies=frequencies, scale=scale, head_dim=head_dim,
                              interleaved=rotation.interleaved),
                    layout, rows.scale)

    def concatenation(self, node: Node) -> Result:
        rotation = rotation_of(node) or partial_rotation(node)
        if rotation is None:
            return self.reject(node, "a concatenation is expected to be a rotary embedding of "
                                     "heads or of their first columns")
        return self.rotate(node, rotation)

    def fused(self, node: Node) -> Result:
        try:
            return self.attend(node, fused_attention(node))
        except ConstantError as error:
            return self.reject(node, str(error))

    def attend(self, node: Node, attention: Attention) -> Result:
        inputs = [self.rows(value) for value in
                  (attention.queries, attention.keys, attention.values)]
        queries, keys, values = inputs
        if queries is None or keys is None or values is None:
            return None
        if attention.keys_transposed:
            order = list(range(len(keys.layout.dims)))
            order[-2:] = reversed(order[-2:])
            keys = Rows(keys.step, keys.layout.permute(order), keys.scale)
        heads = heads_of(queries.layout)
        if heads is None or heads[0] * heads[1] != queries.step.columns:
            return self.reject(node, "queries of [..., heads, tokens, head_dim] are expected")
        count, head_dim = heads
        kv_heads = keys.step.columns // head_dim
        layouts = [keys.layout, values.layout]
        if fixed(node.kwargs.get("enable_gqa", False)):
            layouts = [repeated(layout, count // kv_heads) for layout in layouts]
        if values.step.columns != keys.step.columns or kv_heads == 0 \
                or not all(shared_heads(layout, queries.layout, kv_heads, head_dim)
                           for layout in layouts):
            return self.reject(node, "keys and values of [..., heads, tokens, head_dim] are "
                                     "expected, each head for adjacent query heads")
        step = self.step(node, "attention", [queries.step, keys.step, values.step], [],
                         queries.step.columns, heads=count, kv_heads=kv_heads, head_dim=head_dim,
                         scale=attention.scale * queries.scale * keys.scale,
                         window=attention.sees.window, sinks=attention.sees.sinks,
                         soft_cap=attention.soft_cap)
        layout = queries.layout.view(node.shape or ())
        return Rows(step, layout, values.scale) if layout is not None else \
            self.reject(node, "a result of [..., heads, tokens, head_dim] is expected")

    # Indexing

    def view(self, node: Node) -> Result:
        rotation = rotation_of(node)
        if rotation is not None:
            return self.rotate(node, rotation)
        return self._relaid(node, lambda layout: layout.view(node.shape or ()))

    def permute(self, node: Node) -> Result:
        rank = len(node.shape or ())
        order = list(range(rank))
        if node.name == "permute":
            dims = node.args[1] if isinstance(node.args[1], (tuple, list)) else node.args[1:]
            order = [fixed(dim) % rank for dim in (dims or node.kwargs["dims"])]
        else:
            a, b = (-2, -1) if node.name != "transpose" else (
                fixed(node.arg(1, "dim0")), fixed(node.arg(2, "dim1")))
            order[a], order[b] = order[b], order[a]
        return self._relaid(node, lambda layout: layout.permute(order))

    def expand(self, node: Node) -> Result:
        return self._relaid(node, lambda layout: layout.expand(node.shape or ()))

    def repeat(self, node: Node) -> Result:
        count, dim = fixed(node.arg(1, "repeats")), fixed(node.arg(2, "dim"))
        if node.name == "index_select":
            count, dim = _repetition(fixed(node.arg(2, "index"))), fixed(node.arg(1, "dim"))
        if not isinstance(count, int) or not isinstance(dim, int):
            return self.reject(node, "a repetition of one dimension is expected")

        def repeated(layout: Layout) -> Layout:
            dims = list(layout.dims)
            dims[dim] = join([*dims[dim], Axis(count, 0)])
            return Layout(tuple(dims))
        return self._relaid(node, repeated)

    def _relaid(self, node: Node, change: Callable[[Layout], Optional[Layout]]) -> Result:
        rows = self.rows(node.args[0])
        if rows is None:
            return None
        layout = change(rows.layout)
        if layout is None or layout.shape != node.shape:
            return self.reject(node, "dimensions that keep tokens and columns apart are expected")
        return Rows(rows.step, layout, rows.scale)

    def part(self, node: Node) -> Result:
        source = node.args[0]
        if node.name == "getitem" and is_node(source) and source.shape is None \
                and source.name not in ("chunk", "split", "unbind"):
            if fixed(node.args[1]) != 0:
                return self.reject(node, "the first result is expected")
            # An operator of several results, of which the first is what it computes.
            if source.name in IDENTITIES:
                return self.rows(source)
            merged = Node(source.name, source.spelled, source.args, source.kwargs, source.module,
                          shape=node.shape)
            return self.rows(merged)
        part = part_of(node)
        if part is None:
            return self.reject(node, "indexing by slices and numbers is expected")
        rows = self.rows(part.source)
        if rows is None:
            return None
        layout = rows.layout if part.is_whole() else None
        if layout is None:
            selected = self._columns(node, part, rows)
            if selected is None:
                return None
            rows, layout = selected, selected.layout
        layout = layout.view(node.shape or ())
        if layout is None:
            return self.reject(node, "dimensions that keep tokens and columns apart are expected")
        return Rows(rows.step, layout, rows.scale)

    def _columns(self, node: Node, part: Part, rows: Rows) -> Result:
        """Some columns of a product are the product with some rows of the weight."""
        step, columns = rows.step, [0]
        for dim, chosen in zip(rows.layout.dims, part.ranges):
            if any(axis.stride is None for axis in dim):
                if len(chosen) != self.captured.length:
                    return self.reject(node, "all tokens are expected, not some of them")
                continue
            indices = Layout((dim,)).column_indices()
            columns = [c + indices[i] for c in columns for i in chosen]
        if step.kind != "linear" or not columns:
            return self.reject(node, "a part of what a linear layer gives is expected")
        key = f"rows {columns}"
        index = torch.tensor(columns)
        weights = [self.weights.derived(weight.source, key, "part", weight.tensor[index])
                   for weight in step.weights]
        taken = self.step(node, "linear", step.inputs, weights, len(columns))
        return Rows(taken, renumbered(rows.layout, part), rows.scale)


def _repetition(index: torch.Tensor) -> Optional[int]:
    """How often 0, 1, 2 ... are repeated in a row."""
    count = int((index == index[0]).sum())
    size = index.numel() // count
    even = torch.arange(size).repeat_interleave(count)
    return count if even.shape == index.shape and torch.equal(even, index.cpu()) else None
