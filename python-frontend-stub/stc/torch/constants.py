"""Reads what a module's constant tensors mean: rotary angles and attention masks."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import torch

#: At or below this an addend hides a position: exp() of it is 0 beside any real score.
_HIDDEN = -1e4


class ConstantError(Exception):
    """A constant is none of what `stc` can express; the message says what it takes."""


def frequencies_of(cosines: torch.Tensor, sines: torch.Tensor) -> Tuple[float, ...]:
    """The frequencies f of tables cos(p f) and sin(p f), [positions, frequencies], from p = 0.

    A frequency is at most pi. The angle at the first position gives a first value; later positions
    refine it, the more the further away they are.
    """
    cos, sin = cosines.double().tolist(), sines.double().tolist()
    positions = len(cos)
    if positions < 2:
        raise ConstantError("angles of at least two positions are needed")
    found: List[float] = []
    for i in range(len(cos[0])):
        frequency = math.atan2(sin[1][i], cos[1][i])
        position = 2
        while position < positions:
            frequency += _wrap(math.atan2(sin[position][i], cos[position][i])
                               - position * frequency) / position
            position *= 2
        if abs(frequency) < 1e-12:
            frequency = 0.0
        for p in range(positions):
            allowed = 1e-4 + 4e-7 * p * abs(frequency)
            if abs(math.cos(p * frequency) - cos[p][i]) > allowed \
                    or abs(math.sin(p * frequency) - sin[p][i]) > allowed:
                raise ConstantError("angles that grow evenly from position 0 are "
                                    f"needed; frequency {i} does otherwise at position {p}")
        if frequency < 0:
            raise ConstantError(f"frequencies that are not negative are needed, got {frequency}")
        found.append(frequency)
    return _as_powers(found)


def scale_of(cosines: torch.Tensor) -> float:
    """The factor of a table of cosines from position 0 on, where the angle is 0."""
    scale = float(cosines[0, 0])
    if not scale > 0 or not bool((cosines[0] == cosines[0, 0]).all()):
        raise ConstantError("cosines of one factor, from position 0 on, are needed")
    return scale


def _wrap(angle: float) -> float:
    """The same angle between -pi and pi."""
    return math.remainder(angle, 2 * math.pi)


def _as_powers(frequencies: Sequence[float]) -> Tuple[float, ...]:
    """theta ** (-i / n) in full precision where the frequencies are that, rounded to f32."""
    n = len(frequencies)
    if n > 1 and 0 < frequencies[-1] < 1:
        theta = float(f"{frequencies[-1] ** (-n / (n - 1)):.5g}")
        powers = [theta ** (-i / n) for i in range(n)]
        if all(abs(power - f) <= 1e-6 * power for power, f in zip(powers, frequencies)):
            return tuple(powers)
    return tuple(frequencies)


@dataclass(frozen=True)
class Visibility:
    """What a token sees: itself and window - 1 before it (0: all), and the first `sinks`."""

    window: int = 0
    sinks: int = 0


def visibility_of(allowed: torch.Tensor) -> Visibility:
    """Reads a mask, [queries, keys] of bool, true where the query sees the key."""
    size = allowed.shape[-1]
    if allowed.shape[-2] != size or allowed.dim() != 2:
        raise ConstantError(f"a square mask is needed, got {list(allowed.shape)}")
    last: List[bool] = allowed[-1].tolist()
    window = next((i for i, seen in enumerate(reversed(last)) if not seen), size)
    sinks = 0 if window == size else next((i for i, seen in enumerate(last) if not seen), 0)
    row, column = torch.arange(size)[:, None], torch.arange(size)[None]
    expected = (column <= row) & ((column > row - window) | (column < sinks))
    if not torch.equal(expected, allowed.cpu()):
        raise ConstantError("a causal mask is needed, with a sliding window and sinks if any")
    return Visibility(0 if window == size else window, sinks)


def allowed_by(mask: torch.Tensor) -> torch.Tensor:
    """Which positions an additive mask leaves visible: it is 0 there and hides all others."""
    hidden = mask <= _HIDDEN
    if not bool((hidden | (mask == 0)).all()):
        raise ConstantError("a mask of zeros and large negative numbers is needed (no biases)")
    return ~hidden


def last_two(tensor: torch.Tensor) -> Optional[torch.Tensor]:
    """[..., m, n] -> [m, n] where all leading indices hold the same."""
    if tensor.dim() < 2:
        return None
    flat = tensor.reshape(-1, *tensor.shape[-2:])
    return flat[0] if bool((flat == flat[:1]).all()) else None
