"""Scales of charts: where a value stands, and which values are named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_MARGIN = 0.04  # of the range, beyond the outermost values
MOST_DECADES = 30  # of a log scale: what is smaller stands at its lower end
_NICE = (1, 2, 2.5, 5, 10)


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from ``low`` to ``high`` between two places; on a log scale both are positive."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def over(
        cls, values: Iterable[float], start: float, end: float, *, log: bool = False, margin: float = _MARGIN
    ) -> Axis:
        """An axis that holds the values with a margin; those that a log scale cannot hold do not count."""
        known = [value for value in values if not log or value > 0]
        low, high = (min(known), max(known)) if known else (1.0, 10.0)
        if log:
            low = max(low, high * 10.0**-MOST_DECADES)
            edge = margin * math.log(high / low) if high > low else 0.5
            return cls(low * math.exp(-edge), high * math.exp(edge), start, end, log=True)
        edge = margin * (high - low) if high > low else max(abs(high), 1.0) / 2
        return cls(low - edge, high + edge, start, end)

    def at(self, value: float) -> float:
        """The place of a value; one outside stands at the nearest end."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        known = (math.log(value) if value > 0 else low) if self.log else value
        share = min(1.0, max(0.0, (known - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values to name, at least two where the scale allows."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if last - first >= 1:
                step = max(1, math.ceil((last - first + 1) / most))
                return [10.0**power for power in range(first, last + 1, step)]
        return [value for value in _linear(self.low, self.high, most) if not self.log or value > 0]


def _linear(low: float, high: float, most: int) -> Sequence[float]:
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(nice * power for nice in _NICE if nice * power >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def named(value: float) -> str:
    """A tick in words: short, and exact."""
    if value == 0:
        return "0"
    if abs(value) >= 1e4 or abs(value) < 1e-3:
        mantissa, exponent = f"{value:e}".split("e")
        short = f"{float(mantissa):g}"
        if abs(value) >= 1e4 and value % 1000 == 0 and abs(value) < 1e6:
            return f"{value / 1000:g}k"
        return f"{short}e{int(exponent)}"
    return f"{value:g}"
