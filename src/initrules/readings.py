"""What was read from a model while it ran: signals of each layer, and what follows it. Plain data, without torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signal:
    """One module in one mode.

    ``calls``: how often it ran. ``mean`` and ``std``: of all that it gave. ``dead``: share of its units that gave
    0 for all inputs. ``back``: root mean square of the gradient of what it gave, None where no gradient came.
    ``still``: share of its units whose gradient is 0 for all inputs. ``weights``: norm of the gradient of its own
    parameters, None without trainable ones. ``problem``: what is not finite.
    """

    path: str
    kind: str
    calls: int
    mean: float | None = None
    std: float | None = None
    dead: float | None = None
    back: float | None = None
    still: float | None = None
    weights: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One mode. ``first_bad``: where the first value that is not finite came from, ``first_bad_gradient`` backwards."""

    mode: str
    signals: tuple[Signal, ...]
    loss: str
    first_bad: str | None = None
    first_bad_gradient: str | None = None

    @property
    def ratio(self) -> float | None:
        """Std of the last layer that ran over that of the first."""
        return _ratio([one.std for one in self.signals])

    @property
    def gradient_ratio(self) -> float | None:
        """Gradient that reaches the first layer over that of the last."""
        found = _ratio([one.back for one in self.signals])
        return 1 / found if found else None


def _ratio(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return known[-1] / known[0] if len(known) > 1 and known[0] else None


@dataclass(frozen=True, slots=True)
class Fact:
    """What stands around one layer.

    ``why``: what its ``gain`` rests on, or why there is none. ``follows`` and ``precedes``: what uses its output, and
    what its input comes from, in words. ``residual``: whether it is the last of a branch that is added to what the
    branch began with. ``last``: whether no layer comes after it. All None where it was not called.
    """

    path: str
    why: str
    gain: float | None = None
    follows: str | None = None
    precedes: str | None = None
    residual: bool | None = None
    last: bool | None = None
