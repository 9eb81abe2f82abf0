"""What a plan says about the layers of chains: their weights, biases and wraps, as numbers where they are known."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from initrules.activations import Activation
from initrules.chains import Chain, Link
from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.evaluation import Missing
from initrules.fans import Fans, role_fans
from initrules.inventory import Inventory


class Layers:
    """Finds the rows of a module's parameters under the name by which a chain knows it."""

    def __init__(self, inventory: Inventory, rows: Sequence[Row]) -> None:
        self._columns = inventory.columns
        self._rows = rows

    def row(self, path: str) -> Row:
        """The row of a parameter by any of its names."""
        position = self._columns.find(path)
        assert position is not None
        return self._rows[position]

    def _own(self, link: Link, local: str) -> Row | None:
        position = self._columns.find(f"{link.path}.{local}".lstrip("."))
        return None if position is None else self._rows[position]

    def weight(self, link: Link) -> Row | None:
        """The row of its weight."""
        return self._own(link, "weight") if link.affine or link.norm else None

    def bias_row(self, link: Link) -> Row | None:
        """The row of its bias."""
        return self._own(link, "bias")

    def bias(self, link: Link) -> float | None:
        """What its bias is, in every entry: 0 without one, None when it is not known or not the same in all."""
        row = self.bias_row(link)
        if row is None:
            return 0.0
        return row.moments.mean if row.moments is not None and row.moments.std == 0 else None

    def fans(self, link: Link) -> Fans | None:
        """Inputs and outputs that an entry of its weight connects to."""
        row = self.weight(link)
        found = role_fans(link.module, "weight", row.parameter.shape) if row else None
        return None if found is None or isinstance(found, Missing) else found

    def spread(self, link: Link) -> float | None:
        """The std of the weight that takes part in the computation; None unless its mean is 0 and it is known."""
        row = self.weight(link)
        if row is None or row.moments is None or row.moments.mean != 0:
            return None
        around = wraps(row)
        if not around or around == {"weight_norm"} or row.moments.std == 0:
            return row.moments.std
        shape = row.parameter.shape
        sides = (shape[0], math.prod(shape[1:]))
        if around == {"orthogonal"} or (around == {"spectral_norm"} and _is_orthogonal(row)):
            return 1 / math.sqrt(max(sides))
        if around == {"spectral_norm"}:  # the largest singular value of a random matrix, Marchenko & Pastur 1967
            return 1 / (math.sqrt(sides[0]) + math.sqrt(sides[1]))
        return None


def wraps(row: Row) -> set[str]:
    """The parametrizations around a weight once the plan is applied."""
    decision = row.decisions.get("parametrize")
    return {*row.parameter.parametrized, *((a.name for a in decision.actions) if decision and decision.writes else ())}


def _is_orthogonal(row: Row) -> bool:
    return row.value is not None and [action.name for action in row.value.actions] == ["orthogonal"]


def zero(row: Row | None) -> bool:
    """Whether every entry is known to be 0."""
    return row is not None and row.moments == (0.0, 0.0)


def warning(code: str, message: str, row: Row, hint: str) -> Finding:
    """A warning about the value that a rule gives to a parameter."""
    decision = row.decisions["set"]
    return Finding(code, Severity.WARNING, message, decision.span, hint, decision.rule)


class Stage(NamedTuple):
    """One affine layer of a chain and what follows it up to the next one.

    ``link``: the layer; ``activation``: what follows it; ``before``: std of what the weight gives for
    inputs of std 1, if known; ``forward`` and ``backward``: factors on the std of signal and gradient, None
    where they are not known.
    """

    link: Link
    row: Row
    before: float | None
    forward: float | None
    backward: float | None
    activation: Activation | None

    @property
    def advice(self) -> str | None:
        """The value that keeps the size of a signal here."""
        return self.activation.advice if self.activation else "lecun_normal"


def runs(chain: Chain, layers: Layers) -> Iterator[tuple[Stage, ...]]:
    """The stages between what changes the signal in unknown ways, or brings it back to size 1 as norms do."""
    found: list[Stage] = []
    size: float | None = 1.0
    links = [link for link in chain.links if not link.transparent]
    position = 0
    while position < len(links):
        link = links[position]
        activation = links[position + 1].activation if link.affine and position + 1 < len(links) else None
        stage = _stage(link, links[position + 1] if activation else None, size, layers) if link.affine else None
        position += 2 if activation else 1
        if stage is None:
            if found:
                yield tuple(found)
            found, size = [], _after_norm(link, layers) if link.norm else None
            continue
        found.append(stage)
        size = None if size is None or stage.forward is None else _bounded(size * stage.forward**2)
    if found:
        yield tuple(found)


def _bounded(size: float) -> float:
    """A variance that stays a float however deep the network: beyond these ends nothing depends on it."""
    return min(max(size, _LEAST), 1 / _LEAST)


_LEAST = 1e-200


def _after_norm(link: Link, layers: Layers) -> float | None:
    row, bias = layers.weight(link), layers.bias(link)
    if row is None:
        return 1.0
    return row.moments.mean**2 + row.moments.std**2 + bias**2 if row.moments and bias is not None else None


def _stage(link: Link, follower: Link | None, size: float | None, layers: Layers) -> Stage | None:
    row, fans, spread = layers.weight(link), layers.fans(link), layers.spread(link)
    if row is None or fans is None or not spread:
        return None
    activation, bias = follower.activation if follower else None, layers.bias(link)
    multiplied = fans.fan_in * spread**2
    known = size is not None and bias is not None
    variance = multiplied * (size or 0) + (bias or 0) ** 2 if known else None
    forward, slopes = None, 1.0
    if activation is None:
        forward = math.sqrt(multiplied) if bias == 0 else None
    elif activation.scales and bias == 0:
        forward = math.sqrt(multiplied * activation.second_moment(1.0))
    elif variance and size and bias == 0:
        forward = math.sqrt(activation.second_moment(variance) / size)
    if activation is not None:
        slopes = activation.slope_moment(variance) if variance and bias == 0 else math.nan
        slopes = activation.slope_moment(1.0) if activation.scales else slopes
    backward = math.sqrt(fans.fan_out * spread**2 / _skipped(link) * slopes)
    before = math.sqrt(multiplied * size) if size is not None else None
    return Stage(link, row, before, forward, None if math.isnan(backward) else backward, activation)


def _skipped(link: Link) -> float:
    """By how much a stride thins out the outputs that an input takes part in."""
    stride = link.module.attributes.get("stride", 1)
    return math.prod(float(one) for one in stride if not isinstance(one, str)) if isinstance(stride, tuple) else 1.0
