"""Outputs that the plan can foresee, held against what the rules say about them.

Foreseen is what a chain ends in: one value for all inputs behind a layer whose weight is zero, else the
range of the last activation. What happens behind the chain, in code, is not known and not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from initrules.actions.owner import Output, transform
from initrules.activations import Activation
from initrules.chains import Chain, Link
from initrules.errors import EvaluationError, Finding, RuleError, Severity
from initrules.evaluation import Scope, evaluate
from initrules.expression import Expression
from initrules.findings import Gathered
from initrules.inventory import Inventory
from initrules.layers import Layers, zero
from initrules.rules import Expectation


def promise_findings(
    inventory: Inventory, layers: Layers, found: Iterable[Chain], expect: Sequence[Expectation], scope: Scope
) -> Iterator[Finding]:
    """Expectations that cannot hold, and values of ``output`` for another function than the one that follows."""
    known = {chain.path: chain for chain in found if chain.whole}
    problems = Gathered()
    for chain in known.values():
        for position, link in enumerate(chain.links):
            _other_function(chain, position, link, layers, problems)
    yield from problems.findings()
    for one in expect:
        if one.kind != "output":
            continue
        for position, name in enumerate(inventory.names):
            if any(pattern.match(name.path) is not None for pattern in one.patterns):
                link = Link(position, name.path, inventory.modules[name.module])
                end = _end(known.get(name.path) or Chain(name.path, (link,)), layers)
                yield from _contradictions(name.path, end, one, scope)


@dataclass(frozen=True, slots=True)
class _End:
    """What a chain gives: between ``low`` and ``high``, which are equal where it is one value.

    ``layer``: the last affine layer; ``activation``: the last function behind it.
    """

    low: float = -math.inf
    high: float = math.inf
    activation: Activation | None = None

    @property
    def constant(self) -> bool:
        return self.low == self.high

    def through(self, activation: Activation) -> _End:
        if self.constant:
            value = activation.function(self.low)
            return _End(value, value, activation)
        return _End(activation.low, activation.high, activation)


def _end(chain: Chain, layers: Layers) -> _End:
    found = _End()
    for link in chain.links:
        activation = link.activation
        if activation is not None:
            found = found.through(activation)
        elif link.affine:
            bias = layers.bias(link)
            found = _End(bias, bias) if zero(layers.weight(link)) and bias is not None else _End()
        elif not (link.transparent and (found.low == 0 or not link.kind.startswith("Dropout"))):
            found = _End()
    return found


def _contradictions(path: str, end: _End, one: Expectation, scope: Scope) -> Iterator[Finding]:
    try:
        low, high = _limits(end, one.values.get("through"))
        wanted = _wanted(one.values, scope)
    except RuleError:  # without a value for this model: what evaluates it for real will say so
        return
    where = f"the output of '{path}'" if path else "the output"
    is_ = f"starts at {low:.4g}" if low == high else f"lies between {low:g} and {high:g}"
    if low == high and one.values.get("varies") is True:
        message = f"{where} starts at {low:.4g} for all inputs, and shall vary with them"
        yield Finding(
            "unkept", Severity.WARNING, message, one.span, "Draw the weight of its last layer: {normal: {std: 1e-3}}."
        )
    if wanted is None or (low <= wanted[1] and high >= wanted[0]):
        return
    near = one.values.get("near") is not None
    shown = f"near {sum(wanted) / 2:.4g}" if near else f"within [{wanted[0]:g}, {wanted[1]:g}]"
    hint = (
        _way_out(end, sum(wanted) / 2)
        if low == high
        else "Expect a value in that range, or let another function follow the layer."
    )
    yield Finding("unkept", Severity.WARNING, f"{where} {is_}, and is expected {shown}", one.span, hint)


def _limits(end: _End, through: Any) -> tuple[float, float]:
    if not isinstance(through, Expression):
        return end.low, end.high
    if end.constant:
        value = transform(through.text)(end.low)
        return value, value
    return -math.inf, math.inf


def _wanted(values: Any, scope: Scope) -> tuple[float, float] | None:
    """The range that is expected; ``near`` without a tolerance is taken widely."""
    numbers = {key: _number(values.get(key), scope) for key in ("near", "tolerance")}
    near = numbers["near"]
    if near is not None:
        about = numbers["tolerance"]
        reach = abs(about) if about is not None else 0.1 * max(1.0, abs(near))
        return near - reach, near + reach
    within = values.get("within")
    if within is None:
        return None
    low, high = (_number(one, scope) for one in within)
    return None if low is None or high is None else (low, high)


def _number(value: Any, scope: Scope) -> float | None:
    if value is None:
        return None
    found = evaluate(value, scope) if isinstance(value, Expression) else value
    if isinstance(found, int | float):
        return float(found)
    raise EvaluationError(f"'{value}' is no number", value.span)


def _way_out(end: _End, wanted: float) -> str:
    if end.activation is None:
        return f"Set the bias of its last layer: {{constant: {wanted:.4g}}}."
    if end.activation.through is None or not end.activation.low < wanted < end.activation.high:
        return "Set another bias for its last layer."
    return f"Set the bias of its last layer: {{output: {{value: {wanted:.4g}, through: {end.activation.through}}}}}."


def _other_function(chain: Chain, position: int, link: Link, layers: Layers, problems: Gathered) -> None:
    """A bias computed for one function, in front of another one."""
    row = layers.bias_row(link)
    if row is None or row.value is None or row.moments is None or not link.affine:
        return
    (action,) = row.value.actions if len(row.value.actions) == 1 else (None,)
    if not isinstance(action, Output):
        return
    following = next((one for one in chain.links[position + 1 :] if not one.transparent), None)
    activation = following.activation if following else None
    if activation is None:
        return
    given = activation.function(row.moments.mean)
    if abs(given - action.value) <= 1e-6 * max(1.0, abs(action.value)):
        return
    hint = f"Write 'through: {activation.through}'." if activation.through else "Compute the bias for that function."
    message = (
        f"'{action.through}' is not what follows: {activation.name} gives {given:.4g}, not {action.value:.4g}, behind"
    )
    found = Finding("other-function", Severity.WARNING, message, row.value.span, hint, row.value.rule)
    problems.add(found, row.path)
