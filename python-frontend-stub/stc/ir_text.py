"""Prints a graph as textual IR of the `stc` dialect."""
from __future__ import annotations

from typing import Dict, List

from .graph import Graph, Op, Value, Weight, is_plain_symbol


def quote(text: str) -> str:
    """A string of IR: printable ASCII stays, other bytes of UTF-8 are written as hexadecimal."""
    return '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:02X}"
                         for byte in text.encode()) + '"'


def symbol(name: str) -> str:
    """A reference to a weight."""
    return "@" + (name if is_plain_symbol(name) else quote(name))


def number(value: float) -> str:
    """A float of IR, which needs a point; the shortest text that reads back as the same float64."""
    mantissa, _, exponent = repr(float(value)).partition("e")
    if "." not in mantissa:
        mantissa += ".0"
    return f"{mantissa}e{exponent}" if exponent else mantissa


def activations(columns: int) -> str:
    return f"tensor<?x{columns}xf32>"


class _Printer:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: List[str] = []
        self.names: Dict[int, str] = {}
        self.counter = 0
        element = "" if graph.cache == "f32" else f", element = {graph.cache}"
        self.cache_body = (f"<layers = {graph.layers}, kv_heads = {graph.kv_heads}, "
                           f"head_dim = {graph.head_dim}, capacity = {graph.capacity}{element}>")
        self.cache_type = "!stc.kv_cache" + self.cache_body

    def fresh(self) -> str:
        self.counter += 1
        return f"%{self.counter - 1}"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def read(self, depth: int, weight: Weight) -> str:
        name = self.fresh()
        self.line(depth, f"{name} = stc.get_weight {symbol(weight.name)} : "
                         f"{weight.tensor.ir_type}")
        return name

    def define(self, value: Value) -> str:
        self.names[id(value)] = self.fresh()
        return self.names[id(value)]

    def module(self, checkpoint: str) -> str:
        graph = self.graph
        attributes = [f"stc.checkpoint = {quote(checkpoint)}"]
        if graph.bos_token is not None:
            attributes.append(f"stc.bos_token = {graph.bos_token} : i64")
        if graph.eos_tokens:
            tokens = ", ".join(map(str, graph.eos_tokens))
            attributes.append(f"stc.eos_tokens = array<i64: {tokens}>")
        self.line(0, f"module attributes {{{', '.join(attributes)}}} {{")
        for weight in graph.weights.values():
            self.line(1, f"stc.weight {symbol(weight.name)} : {weight.tensor.ir_type} "
                         f"{{source = {quote(weight.source)}}}")
        self.forward()
        self.head()
        self.line(0, "}")
        return "\n".join(self.lines) + "\n"

    def forward(self) -> None:
        graph = self.graph
        assert graph.hidden is not None
        result = activations(graph.hidden.columns)
        self.line(1, f"func.func @forward(%tokens: tensor<?xi32>, %position: index, "
                     f"%cache: {self.cache_type}) -> {result} {{")
        for table in graph.tables:
            angles = activations(len(table.frequencies))
            scale = f" scale {number(table.scale)}" if table.scale != 1 else ""
            self.line(2, f"%cos{table.index}, %sin{table.index} = stc.rotary_table %tokens, "
                         f"%position frequencies [{', '.join(map(number, table.frequencies))}]"
                         f"{scale} : (tensor<?xi32>, index) -> ({angles}, {angles})")
        self.operations(2, graph.operations)
        self.line(2, f"return {self.names[id(graph.hidden)]} : {result}")
        self.line(1, "}")

    def head(self) -> None:
        graph = self.graph
        assert graph.hidden is not None and graph.head_weight is not None
        weights = [graph.head_weight] + ([graph.head_bias] if graph.head_bias else [])
        hidden, logits = activations(graph.hidden.columns), activations(weights[0].shape[0])
        self.line(1, f"func.func @head(%hidden: {hidden}) -> {logits} {{")
        result = self.linear(2, self.fresh, "%hidden", hidden, weights, logits)
        for kind, word, value, absent in (("scale", "by", graph.head_scale, 1.0),
                                          ("soft_cap", "cap", graph.head_cap, 0.0)):
            if value != absent:
                before, result = result, self.fresh()
                self.line(2, f"{result} = stc.{kind} {before} {word} {number(value)} : "
                             f"({logits}) -> {logits}")
        self.line(2, f"return {result} : {logits}")
        self.line(1, "}")

    def linear(self, depth: int, name: "object", x: str, x_type: str, weights: List[Weight],
               result_type: str) -> str:
        """Prints a linear operation and returns its name, which `name` makes."""
        reads = [self.read(depth, weight) for weight in weights]
        types = ", ".join([x_type] + [weight.tensor.ir_type for weight in weights])
        bias = f" bias {reads[1]}" if len(reads) > 1 else ""
        assert callable(name)
        result: str = name()
        self.line(depth, f"{result} = stc.linear {x}, {reads[0]}{bias} : "
                         f"({types}) -> {result_type}")
        return result

    def operations(self, depth: int, operations: List[Op]) -> None:
        for op in operations:
            if op.kind == "stc.layer":
                self.layer(depth, op)
            else:
                self.operation(depth, op)

    def layer(self, depth: int, op: Op) -> None:
        assert op.body_input is not None and op.body_result is not None and op.result is not None
        entering = self.names[id(op.operands[0])]
        inner, hidden = self.define(op.body_input), activations(op.body_input.columns)
        result = self.define(op.result)
        self.line(depth, f"{result} = stc.layer {op.attributes['index']} "
                         f"({inner} = {entering} : {hidden}) {{")
        self.operations(depth + 1, op.body)
        self.line(depth + 1, f"stc.yield {self.names[id(op.body_result)]} : {hidden}")
        self.line(depth, "}")

    def operation(self, depth: int, op: Op) -> None:
        assert op.result is not None
        value, attributes = op.result, op.attributes
        inputs = [self.names[id(operand)] for operand in op.operands]
        types = [activations(operand.columns) for operand in op.operands]
        result_type = activations(value.columns)
        if op.kind == "attention":
            self.attention(depth, op, inputs, types)
        elif op.kind == "stc.linear":
            self.linear(depth, lambda: self.define(value), inputs[0], types[0], op.weights,
                        result_type)
        elif op.kind in ("stc.embedding", "positions"):
            ids = "%tokens"
            if op.kind == "positions":
                ids = self.fresh()
                self.line(depth, f"{ids} = stc.positions %tokens, %position : "
                                 "(tensor<?xi32>, index) -> tensor<?xi32>")
            table = self.read(depth, op.weights[0])
            self.line(depth, f"{self.define(value)} = stc.embedding {ids}, {table} : "
                             f"(tensor<?xi32>, {op.weights[0].tensor.ir_type}) -> {result_type}")
        elif op.kind in ("stc.rms_norm", "stc.layer_norm"):
            vectors = [self.read(depth, weight) for weight in op.weights]
            bias = f" bias {vectors[1]}" if len(vectors) > 1 else ""
            groups = attributes.get("groups", 1)
            parts = f" groups {groups}" if groups > 1 else ""
            vector_types = ", ".join(weight.tensor.ir_type for weight in op.weights)
            self.line(depth, f"{self.define(value)} = {op.kind} {inputs[0]}, {vectors[0]}{bias}"
                             f"{parts} epsilon {number(attributes['epsilon'])} : "
                             f"({types[0]}, {vector_types}) -> {result_type}")
        elif op.kind in ("stc.scale", "stc.soft_cap"):
            word, factor = (("by", attributes["factor"]) if op.kind == "stc.scale"
                            else ("cap", attributes["cap"]))
            self.line(depth, f"{self.define(value)} = {op.kind} {inputs[0]} {word} "
                             f"{number(factor)} : ({types[0]}) -> {result_type}")
        elif op.kind == "stc.rotary_embedding":
            rotary = attributes["table"]
            angles = activations(len(rotary.frequencies))
            interleaved = "interleaved " if attributes["interleaved"] else ""
            head = f" head_dim {attributes['head_dim']}" if attributes["head_dim"] else ""
            self.line(depth, f"{self.define(value)} = stc.rotary_embedding {interleaved}"
                             f"{inputs[0]}, %cos{rotary.index}, %sin{rotary.index}{head} : "
                             f"({types[0]}, {angles}, {angles}) -> {result_type}")
        elif op.kind in ("stc.activation", "stc.gated_activation"):
            bounds = "".join(f" {word} {number(attributes[word])}" for word in ("limit", "offset")
                             if attributes.get(word))
            self.line(depth, f"{self.define(value)} = {op.kind} <{attributes['function']}> "
                             f"{', '.join(inputs)}{bounds} : ({', '.join(types)}) -> {result_type}")
        elif op.kind == "stc.permute_features":
            order = self.read(depth, op.weights[0])
            self.line(depth, f"{self.define(value)} = {op.kind} {inputs[0]}, {order} : "
                             f"({types[0]}, {op.weights[0].tensor.ir_type}) -> {result_type}")
        else:  # arith
            self.line(depth, f"{self.define(value)} = {op.kind} {', '.join(inputs)} : "
                             f"{result_type}")

    def attention(self, depth: int, op: Op, inputs: List[str], types: List[str]) -> None:
        """Keys and values go into the cache first; attention reads all of it."""
        assert op.result is not None
        attributes = op.attributes
        layer = self.fresh()
        self.line(depth, f"{layer} = arith.constant {attributes['layer']} : index")
        self.line(depth, f"stc.cache_update {inputs[1]}, {inputs[2]}, %cache[{layer}, %position] : "
                         f"{types[1]}, {types[2]}, {self.cache_body}")
        logits, logits_type = "", ""
        for weight in op.weights:
            logits = f" sink_logits {self.read(depth, weight)}"
            logits_type = f", {weight.tensor.ir_type}"
        rules = f" sinks {attributes['sinks']}" if attributes["sinks"] else ""
        if attributes["soft_cap"]:
            rules += f" soft_cap {number(attributes['soft_cap'])}"
        if attributes["slopes"]:
            rules += f" slopes [{', '.join(map(number, attributes['slopes']))}]"
        if attributes["pattern"] is not None:
            rules += f" pattern {quote(attributes['pattern'])}"
        self.line(depth, f"{self.define(op.result)} = stc.attention {inputs[0]}, "
                         f"%cache[{layer}, %position]{logits} heads {attributes['heads']} scale "
                         f"{number(attributes['scale'])} window {attributes['window']}{rules} : "
                         f"({types[0]}, {self.cache_type}, index, index{logits_type}) -> {types[0]}")


def print_graph(graph: Graph, checkpoint: str) -> str:
    """The module of a finished graph; `checkpoint` names the file with its weights."""
    return _Printer(graph).module(checkpoint)
