"""Turns a torch.nn.Module into a list of operators: a trace of it is run on a sample text."""
from __future__ import annotations

import inspect
import re
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
import torch.fx

from ..errors import CaptureError
from .operators import CHECKS, MODULES, RESHAPES, SHAPE_ONLY, Captured, Node, canonical_name
from .tracing import PATH, Traced, choose_tracer

#: What Python's augmented assignments call, and what they do besides.
_IN_PLACE = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div"}

#: Operators whose result may share memory with their argument.
_ALIASES = RESHAPES | frozenset((
    "t", "T", "mT", "transpose", "permute", "expand", "getitem", "slice", "narrow", "select",
    "chunk", "split", "unbind", "view_as_complex", "view_as_real", "detach", "alias", "to",
    "contiguous"))


def _sample(length: int, vocabulary: int, batched: bool) -> torch.Tensor:
    """Token ids to run a module on; what they are does not matter."""
    ids = torch.arange(length, dtype=torch.int64) % vocabulary
    return ids[None] if batched else ids


class _Evaluator(torch.fx.Interpreter):
    """Runs an fx graph on a sample text and notes what the constants are and what shapes are."""

    def __init__(self, graph_module: torch.fx.GraphModule, constants: Dict[str, str],
                 names: Dict[int, str], tied: Dict[str, str]) -> None:
        super().__init__(graph_module)
        self.tied = tied            # a parameter's other names -> its first
        self.constants = constants  # placeholder -> parameter's name
        self.names = names          # id of a parameter or buffer -> its name
        self.nodes: Dict[torch.fx.Node, Node] = {}
        self.order: List[Node] = []
        self.tokens: Optional[Node] = None
        self.output_node: Optional[Node] = None

    def run_node(self, n: torch.fx.Node) -> Any:
        result = super().run_node(n)
        if n.op == "output":
            self.output_node = self.nodes.get(_first(n.args[0]))
            return result
        node = self.translate(n, result)
        tensor = isinstance(result, torch.Tensor)
        node.shape = tuple(result.shape) if tensor else None
        if node.constant:
            node.value = result
            if tensor:
                parameter = self.names.get(id(result), node.parameter)
                node.parameter = self.tied.get(parameter, parameter) if parameter else None
        self.nodes[n] = node
        self.order.append(node)
        return result

    def translate(self, n: torch.fx.Node, result: Any) -> Node:
        path = n.meta.get(PATH) or _export_path(n)
        if n.op == "placeholder":
            if n.target in self.constants:
                return Node("constant", str(n.target), module=path, constant=True,
                            parameter=self.constants[str(n.target)])
            if self.tokens is not None:  # a parameter of forward that keeps its default
                return Node("constant", str(n.target), constant=True)
            self.tokens = Node("tokens", str(n.target))
            return self.tokens
        if n.op == "get_attr":
            return Node("constant", str(n.target), module=path, constant=True)
        args, kwargs = (self.lookup(value) for value in (n.args, n.kwargs))
        spelled = _spelling(n)
        if n.op == "call_module":
            child = self.fetch_attr(str(n.target))
            path = str(n.target)
            spelled = type(child).__name__
            name, wanted = MODULES.get(spelled, (spelled, ()))
            extra = tuple(self.attribute(child, str(n.target), key) for key in wanted)
            args = (args[0], *extra) if name != "embedding" else (*extra, args[0])
            if name in ("softmax", "gelu"):
                kwargs = {key: getattr(child, key) for key in ("dim", "approximate")
                          if hasattr(child, key)}
        else:
            name = canonical_name(spelled)
        inputs = [value for value in _flatten((args, kwargs)) if isinstance(value, Node)]
        # In place: as good as the plain operator where nobody else sees the argument.
        in_place = name in _IN_PLACE or name.endswith("_") and not name.endswith("__")
        unshared = in_place and self.is_unshared(n)
        if unshared:
            name = canonical_name(_IN_PLACE.get(name, name[:-1]))
        changes = result is None and name not in CHECKS
        if not all(value.constant for value in inputs) and (changes or in_place and not unshared):
            return Node(name, spelled, args, kwargs, path, mutates=True)
        numberless = not any(isinstance(value, torch.Tensor) for value in _flatten(result))
        constant = (all(value.constant for value in inputs) or numberless
                    or canonical_name(name) in SHAPE_ONLY)
        return Node(name, spelled, args, kwargs, path, constant)

    def is_unshared(self, n: torch.fx.Node) -> bool:
        """Whether nothing but an in-place node's result will show what it does."""
        first = n.args[0] if n.args else None
        if not isinstance(first, torch.fx.Node) or self.nodes[first].name in _ALIASES:
            return False
        others = [user for user in first.users if user is not n]
        return all(user in self.nodes and self.nodes[user].name not in _ALIASES
                   for user in others)

    def attribute(self, child: torch.nn.Module, path: str, key: str) -> Any:
        value = getattr(child, key, None)
        if not isinstance(value, torch.Tensor):
            return value
        name = self.names.get(id(value), f"{path}.{key}")
        return Node("constant", name, module=path, constant=True, value=value,
                    shape=tuple(value.shape), parameter=name)

    def lookup(self, value: Any) -> Any:
        """fx's arguments with Nodes in place of fx nodes."""
        if isinstance(value, torch.fx.Node):
            return self.nodes[value]
        if isinstance(value, (tuple, list)):
            return tuple(self.lookup(item) for item in value)
        if isinstance(value, dict):
            return {key: self.lookup(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(*(self.lookup(item) for item in (value.start, value.stop, value.step)))
        return value


def _first(result: Any) -> Any:
    """The first of what a module returns: its logits."""
    while isinstance(result, (tuple, list, dict)):
        values = list(result.values()) if isinstance(result, dict) else list(result)
        result = values[0] if values else None
    return result


def _first_tensor(result: Any) -> torch.Tensor:
    first = _first(result)
    assert isinstance(first, torch.Tensor)
    return first


def _flatten(value: Any) -> List[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in _flatten(item)]
    if isinstance(value, dict):
        return [leaf for item in value.values() for leaf in _flatten(item)]
    if isinstance(value, slice):
        return [value.start, value.stop, value.step]
    return [value]


def _spelling(n: torch.fx.Node) -> str:
    """What PyTorch calls the operator of a node."""
    schema = getattr(n.target, "_schema", None)
    if schema is not None:
        return str(schema.name)
    return str(n.target) if isinstance(n.target, str) else \
        str(getattr(n.target, "__name__", n.target))


def _export_path(n: torch.fx.Node) -> str:
    """The path that torch.export notes: the innermost module of the stack."""
    stack = n.meta.get("nn_module_stack")
    if not stack:
        return ""
    entry = list(stack.values())[-1]
    path = str(entry[0] if isinstance(entry, tuple) else entry)
    # Early versions write Python expressions: getattr(L['self'].layers, '0').norm.
    while "getattr(" in path:
        plain = re.sub(r"getattr\(([^()]*), '(\w+)'\)", r"\1.\2", path)
        if plain == path:
            break
        path = plain
    return re.sub(r"^L\['self'\]\.?", "", path)


def _parameter_names(module: torch.nn.Module) -> Tuple[Dict[int, str], Dict[str, str]]:
    """id -> first name of every parameter and buffer, and other names -> the first."""
    names: Dict[int, str] = {}
    tied: Dict[str, str] = {}
    for table in (module.named_parameters, module.named_buffers):
        options: Dict[str, Any] = {"remove_duplicate": False} if _keeps_duplicates(table) else {}
        for name, tensor in table(**options):
            if id(tensor) in names:
                tied[name] = names[id(tensor)]
            else:
                names[id(tensor)] = name
    return names, tied


def _keeps_duplicates(table: Any) -> bool:
    return "remove_duplicate" in inspect.signature(table).parameters


def capture(module: torch.nn.Module, length: int, *, frontend: str = "auto",
            batched: bool = True, vocabulary: int = 2) -> Captured:
    """The operators of `module` for a text of `length` tokens.

    Its forward takes the ids, [1, length] or [length], and returns logits. It is run once, on the
    processor it is on, without gradients and in evaluation mode.
    """
    trace = choose_tracer(frontend)
    sample = _sample(length, vocabulary, batched)
    names, tied = _parameter_names(module)
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            traced = trace(module, sample)
            evaluator = _Evaluator(traced.graph_module, traced.constants, names, tied)
            try:
                captured = evaluator.run(*_fill_defaults(traced))
                original = module(sample)
            except Exception as error:
                raise CaptureError(f"{type(module).__name__}: could not be run on "
                                   f"{list(sample.shape)} token ids: {error}") from error
    finally:
        module.train(training)
    if evaluator.tokens is None or evaluator.output_node is None \
            or evaluator.output_node.shape is None:
        raise CaptureError(f"{type(module).__name__}: expected a module that maps token ids to "
                           "a tensor of logits, got one that does not")
    # A trace sees no aliases and only one way through the code: better to look than to trust it.
    ours, theirs = _first_tensor(captured), _first_tensor(original)
    if ours.shape != theirs.shape or not torch.allclose(ours, theirs, 1e-3, 1e-3, equal_nan=True):
        raise CaptureError(f"{type(module).__name__}: expected a trace that computes what the "
                           "module does, got other numbers (operators in place, perhaps)")
    return Captured(evaluator.order, evaluator.tokens, evaluator.output_node, length)


def _fill_defaults(traced: Traced) -> Sequence[Any]:
    """Arguments for every placeholder, of which fx keeps those that concrete_args fixed."""
    placeholders = [n for n in traced.graph_module.graph.nodes if n.op == "placeholder"]
    missing = len(placeholders) - len(traced.arguments)
    return list(traced.arguments)[:len(placeholders)] + [None] * missing
