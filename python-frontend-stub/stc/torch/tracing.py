"""Traces a torch.nn.Module by torch.export, by torch.fx, or as ATen executes it."""
from __future__ import annotations

import contextlib
import dis
import inspect
import sys
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Sequence

import torch
import torch.fx

from ..errors import CaptureError
from .operators import MODULES

PATH = "stc_module_path"  # in the meta of fx nodes


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
        node.meta.setdefault(PATH, stack[-1])
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


@dataclass
class Traced:
    """A graph and what it is called with; constants: placeholder -> the parameter it stands for."""

    graph_module: torch.fx.GraphModule
    arguments: Sequence[Any]
    constants: Dict[str, str] = field(default_factory=dict)


def _trace_fx(module: torch.nn.Module, sample: torch.Tensor) -> Traced:
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
    return Traced(torch.fx.GraphModule(module, graph), [sample, *defaults.values()])


def _trace_aten(module: torch.nn.Module, sample: torch.Tensor) -> Traced:
    """What ATen executes for the sample: forward runs once on tensors."""
    from torch.fx.experimental.proxy_tensor import make_fx

    try:
        with _module_paths(module):
            traced = make_fx(module)(sample)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise CaptureError(f"{type(module).__name__}: could not be run on {list(sample.shape)} "
                           f"token ids: {error}") from error
    return Traced(traced, [sample])


def _trace_fx_or_aten(module: torch.nn.Module, sample: torch.Tensor) -> Traced:
    try:
        return _trace_fx(module, sample)
    except CaptureError:
        return _trace_aten(module, sample)


def _trace_export(module: torch.nn.Module, sample: torch.Tensor) -> Traced:
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
    return Traced(program.graph_module, arguments, constants)


def choose_tracer(frontend: str) -> Callable[[torch.nn.Module, torch.Tensor], Traced]:
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
