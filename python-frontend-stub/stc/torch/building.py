"""Groups steps into layers and builds the graph from them."""
from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from ..errors import CaptureError, UnsupportedOperator, UnsupportedOperators
from ..graph import Graph, Value, Weight
from .raising import Raised
from .steps import Step, WeightSource


#: What a residual stream consists of.
_RESIDUAL = ("embedding", "arith.addf", "scale")


def cuts_of(steps: Sequence[Step], last: Step) -> List[int]:
    """The indices of steps whose result is all that later steps take from here and before."""
    final: Dict[Step, int] = {}  # the last use
    for i, step in enumerate(steps):
        for used in step.inputs:
            final[used] = i
    final[last] = len(steps)
    cuts, reach = [], -1
    for i, step in enumerate(steps):
        # Uses of anything before step i that come after it.
        if reach <= i:
            cuts.append(i)
        reach = max(reach, final.get(step, i))
    return cuts


def layers_of(steps: Sequence[Step], last: Step) -> List[Tuple[int, int]]:
    """[begin, end) of every layer: one attention and what surrounds it.

    A layer begins at the latest point before its attention where one value carries everything on,
    and ends where the next begins; the last is as long as the first, if it can be.
    """
    cuts = set(cuts_of(steps, last))
    attentions = [i for i, step in enumerate(steps) if step.kind == "attention"]
    begins: List[int] = []
    for index in attentions:
        before = [cut for cut in cuts if cut < index]
        # The last cut that queries, keys and values are computed from.
        begin = max((cut for cut in before if _feeds_all(steps, cut, index)), default=None)
        if begin is None:
            return []
        begins.append(begin + 1)
    if len(set(begins)) != len(begins):
        return []
    ends = begins[1:]
    if begins:
        length = begins[1] - begins[0] if len(begins) > 1 else 0
        alike = begins[-1] + length
        sums = [cut + 1 for cut in cuts
                if cut > attentions[-1] and steps[cut].kind == "arith.addf"]
        if length and alike - 1 in cuts and [s.kind for s in steps[begins[-1]:alike]] == \
                [s.kind for s in steps[begins[0]:begins[1]]]:
            ends.append(alike)
        else:
            ends.append(max(sums) if sums else len(steps))
    return list(zip(begins, ends))


def _feeds_all(steps: Sequence[Step], cut: int, attention: int) -> bool:
    """Whether the residual stream at `cut` is what the layer of an attention starts from.

    Its queries, keys and values come from it; and it is not a normalization that only they use,
    which belongs to the layer.
    """
    return steps[cut].kind in _RESIDUAL or not any(steps[i].kind in _RESIDUAL for i in range(cut))


def build(raised: Raised, context: int, cache: str, bos_token: Optional[int],
          eos_tokens: Sequence[int]) -> Graph:
    """The graph of a raised module."""
    attentions = [step for step in raised.steps if step.kind == "attention"]
    if not attentions:
        raise CaptureError("module: expected at least one attention, got none")
    shapes = {(step.attributes["kv_heads"], step.attributes["head_dim"]) for step in attentions}
    if len(shapes) > 1:
        raise UnsupportedOperators([UnsupportedOperator(
            "attention", "", "key/value heads of one number and size in all layers are expected, "
            f"got {', '.join(f'{heads} of {size}' for heads, size in sorted(shapes))}")])
    layers = layers_of(raised.steps, raised.hidden)
    if not layers:
        raise CaptureError("module: expected layers that hand one hidden state on, got others")
    kv_heads, head_dim = shapes.pop()
    graph = Graph(kv_heads=kv_heads, head_dim=head_dim, context=context, cache=cache,
                  bos_token=bos_token, eos_tokens=eos_tokens)
    builder = _Builder(graph, raised)
    builder.build(layers)
    return graph


class _Builder:
    def __init__(self, graph: Graph, raised: Raised) -> None:
        self.graph, self.raised = graph, raised
        self.values: Dict[Step, Value] = {}

    def build(self, layers: Sequence[Tuple[int, int]]) -> None:
        steps = self.raised.steps
        position = 0
        for begin, end in layers:
            self.add_all(steps[position:begin])
            entering = steps[begin - 1]

            def body(hidden: Value, begin: int = begin, end: int = end,
                     entering: Step = entering) -> Value:
                outside = self.values[entering]
                self.values[entering] = hidden
                self.add_all(steps[begin:end])
                self.values[entering] = outside
                return self.values[steps[end - 1]]
            self.values[steps[end - 1]] = self.graph.layer(self.values[entering], body)
            position = end
        self.add_all(steps[position:])
        weights = [self.weight(source) for source in self.raised.head]
        options = self.raised.head_options
        self.graph.head(self.values[self.raised.hidden], *weights,
                        scale=options.get("scale", 1.0), soft_cap=options.get("soft_cap", 0.0))

    def weight(self, source: WeightSource) -> Weight:
        return self.graph.weights.get(source.name) or \
            self.graph.weight(source.name, source.tensor, source.source)

    def add_all(self, steps: Sequence[Step]) -> None:
        for step in steps:
            self.values[step] = self.add(step)

    def add(self, step: Step) -> Value:
        graph = self.graph
        inputs: List[Any] = [self.values[used] for used in step.inputs]
        weights = [self.weight(source) for source in step.weights]
        attributes = dict(step.attributes)
        if step.kind.startswith("arith."):
            return graph.elementwise(step.kind, *inputs)
        if step.kind == "rotate":
            table = graph.rotary_table(frequencies=attributes["frequencies"],
                                       scale=attributes["scale"])
            return graph.rotate(inputs[0], table, attributes["interleaved"],
                                attributes["head_dim"])
        leading = [attributes.pop("function")] if "function" in attributes else []
        if step.kind == "attention":
            for name in ("kv_heads", "head_dim"):  # which are the graph's
                attributes.pop(name)
        method: Callable[..., Value] = getattr(graph, step.kind)
        return method(*leading, *inputs, *weights, **attributes)


def structure_of(raised: Raised) -> List[Tuple[Any, ...]]:
    """What must not depend on how long the text is: all but angles and windows, which are read off
    tables of that length."""
    numbers = {step: i for i, step in enumerate(raised.steps)}
    skipped: Set[str] = {"frequencies", "window", "sinks"}
    return [(step.kind, tuple(numbers[used] for used in step.inputs),
             tuple(weight.name for weight in step.weights),
             tuple(sorted((name, value) for name, value in step.attributes.items()
                          if name not in skipped)))
            for step in raised.steps] + [
                ("head", tuple(w.name for w in raised.head), tuple(raised.head_options.items()))]
