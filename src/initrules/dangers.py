"""Dangerous plans, found before anything is written: layers that never learn, signals that vanish, outputs at an edge.

Only what the structure makes certain is said, see ``chains``. What starts at zero on purpose (the last
layer of a branch or of a network) is no danger and not worth a note: it moves in the first step.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from initrules.chains import AFFINE, Chain, Link
from initrules.decision import Row
from initrules.errors import Finding, Severity
from initrules.findings import Gathered, error, listed
from initrules.inventory import Inventory, torch_names
from initrules.layers import Layers, Stage, runs, warning, wraps, zero
from initrules.matcher import Matcher

_SATURATED = 1e-5  # a slope below this share of the largest one: a step of 1 would move the output by nothing
_FACTOR = 1000.0  # a signal that is so much smaller or larger has no use: float16 has 3 digits
_LOUD = 5.0  # std of logits at which a softmax is close to one-hot: the loss starts near 12 nats above ln n


def danger_findings(matcher: Matcher, few: Sequence[Row], layers: Layers, found: Iterable[Chain]) -> Iterator[Finding]:
    """Warnings about what will go wrong in training, and notes about hidden layers that start closed.

    ``few``: the rows of the matcher's inventory, each of which may stand for others; ``found``: the chains
    of the whole model, and ``layers`` its rows.
    """
    problems, alike = Gathered(), Gathered()
    dead: set[str] = set()
    hidden: set[str] = set()
    deep: list[tuple[_Faded, Chain, Sequence[Stage]]] = []
    for chain in found:
        hidden |= _hidden(chain, layers)
        for position, link in enumerate(chain.links):
            _dead(chain, position, layers, problems, dead)
            if link.norm:
                _zero_norm(chain, position, layers, problems, dead)
        for run in runs(chain, layers):
            _edge(run, layers, problems)
            faded = _depth(chain, run)
            deep += [(faded, chain, run)] if faded else []
    for row in few:
        _tied_logits(matcher.inventory, row, alike)
        _ignored(row, alike)
    yield from problems.findings()
    yield from alike.findings(matcher.spread)
    yield from _depths(deep)
    zeros = matcher.spread(row.path for row in few if _is_zero_layer(matcher.inventory, row))
    yield from _zero_layers([layers.row(path) for path in zeros if path not in dead], hidden)


def _hidden(chain: Chain, layers: Layers) -> set[str]:
    """The weights of a chain that have another matrix behind them."""
    weights = [layers.weight(link) for link in chain.links if link.affine]
    return {row.path for row in weights[:-1] if row is not None}


def _dead(chain: Chain, position: int, layers: Layers, problems: Gathered, dead: set[str]) -> None:
    """Follow what a zero layer gives, the same for all inputs, to what keeps its gradient away for good."""
    row, value = layers.weight(chain.links[position]), layers.bias(chain.links[position])
    if row is None or not zero(row) or value is None:
        return
    for link in chain.links[position + 1 :]:
        activation, other = link.activation, layers.weight(link)
        if activation is not None:
            if activation.slope_at(value) == 0:
                _closed(activation.name, row, value, problems, dead)
                return
            value = activation.function(value)
        elif value == 0 and other is not None and zero(other):
            _product(row, other, problems, dead)
            return
        elif value == 0 and (link.affine or link.norm):
            value = layers.bias(link)
            if value is None:
                return
        elif not (link.transparent or (value == 0 and "Pool" in link.kind)):
            return


def _closed(name: str, row: Row, value: float, problems: Gathered, dead: set[str]) -> None:
    hint = f"Give it a small value, or a bias at which {name} has a slope."
    after = f": it is zero, and {name} has no slope at what comes out of it, {value:g}"
    dead.add(row.path)
    problems.add(warning("dead-layer", "no gradient ever reaches", row, hint), row.path, after)


def _product(row: Row, other: Row, problems: Gathered, dead: set[str]) -> None:
    hint = "Leave one factor of each branch as it was drawn; only the last one starts at zero."
    for one in (row, other):
        dead.add(one.path)
        found = warning("dead-layer", "no gradient ever reaches", other, hint)
        problems.add(found, one.path, ": they are factors of one product, and two of its factors are zero")


def _zero_norm(chain: Chain, position: int, layers: Layers, problems: Gathered, dead: set[str]) -> None:
    """Without a residual around it: in the middle of a chain, or in one that is the whole model."""
    row = layers.weight(chain.links[position])
    if row is None or not zero(row) or row.path in dead:
        return
    if chain.root or any(link.affine for link in chain.links[position + 1 :]):
        hint = "Start it at ones; zero is for the last norm of a residual branch."
        found = warning("zero-norm", "all inputs give the same output:", row, hint)
        problems.add(found, row.path, " is zero, and no residual goes around it")


def _edge(run: Sequence[Stage], layers: Layers, problems: Gathered) -> None:
    """A bias so large that the activation behind it hardly moves, whatever comes in."""
    for stage in run:
        bias, activation = layers.bias(stage.link), stage.activation
        if activation is None or stage.before is None or not bias:
            continue
        low, high = bias - 6 * stage.before, bias + 6 * stage.before
        points = [min(max(0.0, low), high), *(low + (high - low) * step / 48 for step in range(49))]
        if max(map(activation.saturation, points)) < _SATURATED:
            _saturated(layers, stage.link, activation.name, bias, problems)


def _saturated(layers: Layers, link: Link, name: str, bias: float, problems: Gathered) -> None:
    row = layers.bias_row(link)
    assert row is not None
    hint = "Choose a bias at which it has a slope; an 'output' near the end of its range needs a little distance."
    found = warning("saturated", f"{name} has next to no slope at {bias:.4g}, the value of", row, hint)
    problems.add(found, row.path, ": what stands before it hardly learns")


@dataclass(frozen=True, slots=True)
class _Faded:
    """A signal or gradient that vanishes or explodes, in words that several chains may share."""

    what: str
    gains: str
    factor: str
    shrinks: bool
    advice: str | None

    @classmethod
    def of(cls, what: str, gains: Sequence[float], advice: str | None) -> _Faded:
        least, most, logarithm = min(gains), max(gains), math.fsum(map(math.log, gains))
        each = " to ".join(dict.fromkeys((f"{least:.2g}", f"{most:.2g}")))
        return cls(what, f"{len(gains)} layers with gains of {each}", _power(abs(logarithm)), logarithm < 0, advice)

    def finding(self, where: Sequence[str], hidden: Sequence[Stage]) -> Finding:
        verb = "shrinks" if self.shrinks else "grows"
        hint = f"A gain near 1 keeps it, here as {self.advice} gives it." if self.advice else "Keep each gain near 1."
        message = f"the {self.what} {verb} by a factor of {self.factor} in {' and '.join(where)}: {self.gains}"
        row = hidden[0].row
        found = warning("vanishing", message, row, hint) if self.shrinks else warning("exploding", message, row, hint)
        return replace(found, parameters=tuple(one.row.path for one in hidden))


def _power(logarithm: float) -> str:
    """What has this logarithm, with two digits: of deep networks too, where it is no float."""
    if logarithm < math.log(sys.float_info.max):
        return f"{math.exp(logarithm):.2g}"
    return f"1e+{logarithm / math.log(10):.0f}"


def _depth(chain: Chain, run: Sequence[Stage]) -> _Faded | None:
    """The product of gains along the hidden layers of a run; the last layer of a chain may be as small as it likes."""
    affine = [link for link in chain.links if link.affine]
    hidden = [stage for stage in run if stage.link is not affine[-1]]
    advice = next((stage.advice for stage in hidden if stage.advice), None)
    for what, gains in (("signal", [s.forward for s in hidden]), ("gradient", [s.backward for s in hidden[1:]])):
        known = [gain for gain in gains if gain]
        if len(known) < len(gains) or len(known) < 2:
            continue
        rest = sorted(map(math.log, known), key=abs)[:-1]  # not the work of a single layer
        if abs(math.fsum(rest)) > math.log(_FACTOR):
            return _Faded.of(what, known, advice)
    return None


def _depths(found: Sequence[tuple[_Faded, Chain, Sequence[Stage]]]) -> Iterator[Finding]:
    for one in dict.fromkeys(faded for faded, _, _ in found):
        same = [(chain, run) for faded, chain, run in found if faded == one]
        where = [f"'{chain.path}'" if chain.path else "the model" for chain, _ in same]
        yield one.finding(where, [stage for _, run in same for stage in run])


def _zero_layers(found: Sequence[Row], hidden: AbstractSet[str]) -> Iterator[Finding]:
    """Zero matrices that stay so, and hidden ones: what stands before them waits until they have moved."""
    problems = Gathered()
    for row in found:
        if _still(row):
            hint = "Let it learn, or give it a value; whatever stands before it is computed for nothing."
            constant = warning("zero-layer", "no gradient ever passes through", row, hint)
            problems.add(constant, row.path, ": it is zero, and does not learn")
    yield from problems.findings()
    paths = tuple(row.path for row in found if row.path in hidden and not _still(row))
    if paths:
        noun = "hidden layer is" if len(paths) == 1 else "hidden layers are"
        message = f"{len(paths)} {noun} zero, so that no gradient passes in the first step: {listed(paths)}"
        hint = "Zero suits the last layer of a branch or network; a small value starts at once."
        yield Finding("zero-layer", Severity.INFO, message, None, hint, None, paths)


def _is_zero_layer(inventory: Inventory, row: Row) -> bool:
    owner = inventory.module_of(row.parameter.names[0].owner)
    matrix = row.parameter.names[0].local == "weight" and not torch_names(owner.types).isdisjoint(AFFINE)
    return matrix and zero(row) and row.value is not None


def _still(row: Row) -> bool:
    """Whether a parameter does not learn."""
    freeze, scale = row.decisions.get("freeze"), row.decisions.get("lr_scale")
    options = [action.value for one in (freeze,) if one for action in one.actions if action.name == "freeze"]
    rates = [action.value for one in (scale,) if one for action in one.actions if action.name == "lr_scale"]
    return row.parameter.frozen or any(options) or any(rate == 0 for rate in rates)


_UNIT = frozenset({"orthogonal", "orthogonal gain=1", "eye"})  # singular values of 1
_SCALED = ("T5", "Switch", "LongT5", "Pix2Struct")  # multiply what goes into a tied output layer by d_model**-0.5


def _tied_logits(inventory: Inventory, row: Row, problems: Gathered) -> None:
    """A table that is also the output layer: its std times the root of its width is the std of the logits."""
    owners = [inventory.module_of(name.owner) for name in row.parameter.names]
    kinds = {kind for owner in owners for kind in torch_names(owner.types) & {"Embedding", "Linear"}}
    if row.value is None or row.moments is None or len(kinds) < 2 or len(row.parameter.shape) != 2:
        return
    if any(kind.name.removeprefix("M").startswith(_SCALED) for one in inventory.modules for kind in one.types[:1]):
        return
    size = math.hypot(*row.moments) * math.sqrt(row.parameter.shape[1])
    if size > _LOUD:
        hint = f"Give it the std of an output layer: 0.02, or 1 / sqrt(size(1)) = {row.parameter.shape[1] ** -0.5:.3g}."
        found = warning("loud-logits", "an embedding is the output layer too:", row, hint)
        after = f" of std {math.hypot(*row.moments):.3g} turns features of std 1 into logits of std {size:.3g}"
        problems.add(found, row.path, after)


def _ignored(row: Row, problems: Gathered) -> None:
    """What a parametrization takes away from the value under it."""
    value, moments, around = row.value, row.moments, wraps(row)
    if (
        value is None
        or moments is None
        or moments.std == 0
        or value.summary in {"orthogonal", "eye", "orthogonal gain=1"}
    ):
        return
    written = value.summary
    if "orthogonal" in row.parameter.parametrized:
        hint = "Write 'orthogonal' with a gain of 1, or 'keep'."
        found = error("ignored-value", "the model's own parametrization keeps orthogonal", value.span, hint, value.rule)
        problems.add(found, row.path, f": '{written}' cannot arrive")
    elif "orthogonal" in around:
        hint = "Write 'orthogonal' with a gain of 1, or leave the parametrization out."
        found = warning("ignored-value", "the parametrization makes orthogonal", row, hint)
        problems.add(found, row.path, f": of '{written}' only directions are left")
    elif "spectral_norm" in around:
        hint = "The std or gain has no effect: leave it out, or leave the parametrization out."
        message = "spectral_norm divides the size away from"
        found = Finding("ignored-size", Severity.INFO, message, value.span, hint, value.rule)
        problems.add(found, row.path, f": '{written}' starts with a largest singular value of 1")
