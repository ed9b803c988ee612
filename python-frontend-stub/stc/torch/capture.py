"""Turns a torch.nn.Module into a list of operators, by torch.export or by torch.fx."""
from __future__ import annotations

import contextlib
import dis
import inspect
import re
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
import torch.fx

from ..errors import CaptureError
from .operators import CHECKS, MODULES, RESHAPES, SHAPE_ONLY, Captured, Node, canonical_name

_PATH = "stc_module_path"  # in the meta of fx nodes

#: What Python's augmented assignments call, and what they do besides.
_IN_PLACE = {"iadd": "add", "isub": "sub", "imul": "mul", "itruediv": "div"}

#: Operators whose result may share memory with their argument.
_ALIASES = RESHAPES | frozenset((
    "t", "T", "mT", "transpose", "permute", "expand", "getitem", "slice", "narrow", "select",
    "chunk", "split", "unbind", "view_as_complex", "view_as_real", "detach", "alias", "to",
    "contiguous"))


@contextlib.contextmanager
def _module_paths(module: torch.nn.Module) -> Iterator[None]:
    """Has every fx node made meanwhile know the path of the module that made it."""
    stack: List[str] = [""]
    hooks = []
    for path, child in module.named_modules():
        if path:
            hooks.append(child.register_forward_pre_hook(
                lambda _m, _i, path=path: stack.append(path)))  # type: ignore[misc]
            hooks.append(child.register_forward_hook(lambda _m, _i, _o: stack.pop() and None))
    create = torch.fx.Graph.create_node

    def create_with_path(graph: Any, *args: Any, **kwargs: Any) -> Any:
        node = create(graph, *args, **kwargs)
        node.meta.setdefault(_PATH, stack[-1])
        return node

    torch.fx.Graph.create_node = create_with_path  # type: ignore[method-assign]
    try:
        yield
    finally:
        torch.fx.Graph.create_node = create  # type: ignore[method-assign]
        for hook in hooks:
            hook.remove()


class _Tracer(torch.fx.Tracer):
    """Keeps the modules of operators.MODULES whole and looks into all others."""

    def is_leaf_module(self, m: torch.nn.Module, module_qualified_name: str) -> bool:
        return type(m).__module__.startswith("torch.nn") and type(m).__name__ in MODULES


@contextlib.contextmanager
def _traceable_factories(tracer: torch.fx.Tracer) -> Iterator[None]:
    """Lets torch.arange(x.shape[1]) and its like be traced: they take no tensor to dispatch on."""
    originals = {name: getattr(torch, name) for name in
                 ("arange", "zeros", "ones", "full", "empty", "eye", "linspace")}

    def holds_proxy(value: Any) -> bool:
        if isinstance(value, (tuple, list)):
            return any(map(holds_proxy, value))
        return isinstance(value, torch.fx.Proxy)

    def traceable(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if holds_proxy(args) or holds_proxy(tuple(kwargs.values())):
                return tracer.create_proxy("call_function", original, args, kwargs)
            return original(*args, **kwargs)
        return call

    for name, original in originals.items():
        setattr(torch, name, traceable(original))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(torch, name, original)


def _iterate(proxy: Any) -> Any:
    """Iterates over a proxy that is unpacked, `a, b = x.shape`, as torch.fx does.

    PyTorch 1.13 looks the unpacking instruction up by a number that Python 3.11 changed.
    """
    frame = sys._getframe(1)
    for instruction in dis.get_instructions(frame.f_code):
        if instruction.offset == frame.f_lasti and instruction.opname == "UNPACK_SEQUENCE":
            return iter([proxy[i] for i in range(instruction.argval)])
    return proxy.tracer.iter(proxy)


@contextlib.contextmanager
def _unpackable_proxies() -> Iterator[None]:
    original = torch.fx.Proxy.__iter__
    torch.fx.Proxy.__iter__ = _iterate  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        torch.fx.Proxy.__iter__ = original  # type: ignore[method-assign]


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
        path = n.meta.get(_PATH) or _export_path(n)
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
            name, wanted = MODULES[spelled]
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


@dataclass
class _Traced:
    """A graph and what it is called with; constants: placeholder -> the parameter it stands for."""

    graph_module: torch.fx.GraphModule
    arguments: Sequence[Any]
    constants: Dict[str, str] = field(default_factory=dict)


def _trace_fx(module: torch.nn.Module, sample: torch.Tensor) -> _Traced:
    """torch.fx's symbolic trace: forward runs once on proxies."""
    tracer = _Tracer()
    # Everything but the tokens keeps its default.
    parameters = list(inspect.signature(module.forward).parameters.values())
    defaults = {entry.name: entry.default for entry in parameters[1:]
                if entry.default is not inspect.Parameter.empty}
    try:
        with _module_paths(module), _traceable_factories(tracer), _unpackable_proxies():
            graph = tracer.trace(module, concrete_args=defaults or None)
    except Exception as error:  # whatever the module's own code throws at a proxy
        raise CaptureError(
            f"{type(module).__name__}: torch.fx could not trace it: {error}\n"
            "  (a module whose Python code looks at values or sizes needs frontend=\"aten\", or "
            "torch.export of torch 2.1)") from error
    return _Traced(torch.fx.GraphModule(module, graph), [sample])


def _trace_aten(module: torch.nn.Module, sample: torch.Tensor) -> _Traced:
    """What ATen executes for the sample: forward runs once on tensors."""
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        with _module_paths(module):
            traced = make_fx(module)(sample)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise CaptureError(f"{type(module).__name__}: could not be run on {list(sample.shape)} "
                           f"token ids: {error}") from error
    return _Traced(traced, [sample])


def _trace_fx_or_aten(module: torch.nn.Module, sample: torch.Tensor) -> _Traced:
    try:
        return _trace_fx(module, sample)
    except CaptureError:
        return _trace_aten(module, sample)


def _trace_export(module: torch.nn.Module, sample: torch.Tensor) -> _Traced:
    """torch.export's graph, the parameters that its placeholders stand for, and its arguments."""
    try:
        program = torch.export.export(module, (sample,))  # type: ignore[attr-defined]
    except Exception as error:
        raise CaptureError(f"{type(module).__name__}: torch.export could not export it: "
                           f"{error}") from error
    signature = program.graph_signature
    constants: Dict[str, str] = {}
    # Buffers that are not saved are in none of the program's tables in some versions.
    values: Dict[str, Any] = {**dict(module.named_buffers()), **program.state_dict,
                              **getattr(program, "tensor_constants", {}),
                              **getattr(program, "constants", {})}
    for table in ("inputs_to_parameters", "inputs_to_buffers",
                  "inputs_to_lifted_tensor_constants"):
        constants.update(getattr(signature, table, {}))
    arguments = [values[constants[str(n.target)]] if str(n.target) in constants else sample
                 for n in program.graph.nodes if n.op == "placeholder"]
    return _Traced(program.graph_module, arguments, constants)


def _choose_tracer(frontend: str) -> Callable[[torch.nn.Module, torch.Tensor], _Traced]:
    """auto: torch.export where this PyTorch has it (2.1), else torch.fx, else ATen."""
    exports = hasattr(torch, "export") and hasattr(torch.export, "export")
    if frontend == "export" and not exports:
        raise CaptureError(f"frontend: expected PyTorch 2.1 or later for export, "
                           f"got {torch.__version__}")
    tracers = {"auto": _trace_export if exports else _trace_fx_or_aten, "export": _trace_export,
               "fx": _trace_fx, "aten": _trace_aten}
    if frontend not in tracers:
        raise CaptureError(f"frontend: expected one of {', '.join(tracers)}, got {frontend}")
    return tracers[frontend]


def capture(module: torch.nn.Module, length: int, *, frontend: str = "auto",
            batched: bool = True, vocabulary: int = 2) -> Captured:
    """The operators of `module` for a text of `length` tokens.

    Its forward takes the ids, [1, length] or [length], and returns logits. It is run once, on the
    processor it is on, without gradients and in evaluation mode.
    """
    trace = _choose_tracer(frontend)
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


def _fill_defaults(traced: _Traced) -> Sequence[Any]:
    """Arguments for every placeholder: fx keeps those that concrete_args fixed."""
    placeholders = [n for n in traced.graph_module.graph.nodes if n.op == "placeholder"]
    return list(traced.arguments) + [None] * (len(placeholders) - len(traced.arguments))
