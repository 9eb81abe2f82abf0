"""What the page shows, as compact data: modules and parameters by number, everything said once.

Parameters that are decided alike by every plan share a *style*; its sides, one for each plan, hold
all that the panel tells about them. What differs inside a style (captures from the path) is listed
with it, so that a model of 100,000 modules is a few megabytes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from initrules.actions.base import shown
from initrules.decision import Decision, Row, Tally
from initrules.difference import essence
from initrules.errors import EvaluationError, Finding
from initrules.evaluation import Scope, evaluate
from initrules.grouping import group
from initrules.inventory import Inventory, Module
from initrules.matcher import Matcher
from initrules.planning import PlanData
from initrules.report.explain import variables_of
from initrules.report.histogram import Array, Gathering
from initrules.report.text import PRECEDENCE, counts, shape_text, std_text, value_text
from initrules.rules import Variable
from initrules.scope import Scopes

PAGE_VERSION = 1
_MOST_CAPTURES = 12

Values = Iterable[tuple[Row, Array]]  # what parameters hold, one after the other


class _Table:
    """Gives equal keys one number; the entry is made only once."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._numbers: dict[Hashable, int] = {}

    def number(self, key: Hashable, make: Callable[[], Any]) -> int:
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.entries)
            self.entries.append(make())
        return found

    def text(self, text: str) -> int:
        return self.number(text, lambda: text)


def page_data(
    plans: Sequence[PlanData], names: Sequence[str], *, title: str, values: Sequence[Values | None] = ()
) -> dict[str, Any]:
    """Everything the page shows about plans of one model, JSON-ready.

    ``names``: one for each plan, the heading of its column. ``values``: for each plan what its
    parameters hold, from which histograms are made. Raises ``ValueError`` when the plans are of
    different models.
    """
    inventory = plans[0].inventory
    if any(plan.inventory.fingerprint() != inventory.fingerprint() for plan in plans[1:]):
        raise ValueError("a page shows plans of one model")
    texts, styles = _Table(), _Styles(plans)
    kept = [at for at, row in enumerate(plans[0].rows) if _is_shown(plans, at, row)]
    style_of = [styles.style(position) for position in kept]
    rows = [plans[0].rows[position] for position in kept]
    number = {row.path: at for at, row in enumerate(rows)}
    held = [*values, *[None] * (len(plans) - len(values))]
    return {
        "initrules-page": PAGE_VERSION,
        "title": title,
        "precedence": PRECEDENCE,
        "modules": _modules(inventory, texts),
        "parameters": _parameters(rows, texts) | {"style": style_of},
        "texts": texts.entries,
        "styles": styles.entries(style_of, kept),
        "groups": _groups(rows, style_of, number),
        "versions": [
            _version(plan, number)
            | {"name": name, "sides": styles.sides[at].entries, "decisions": styles.decisions[at].entries}
            | {"histograms": _histograms(held[at] or (), number, style_of)}
            for at, (plan, name) in enumerate(zip(plans, names, strict=True))
        ],
    }


def _version(plan: PlanData, number: Mapping[str, int]) -> dict[str, Any]:
    """What one plan says of itself."""
    return {
        "files": list(plan.rules.files),
        "about": plan.rules.about,
        "stream": plan.rules.stream,
        "counts": counts(plan),
        "rules": [_rule(plan, tally) for tally in plan.tallies],
        "variables": list(_variables(plan)),
        "findings": [_finding(finding, number) for finding in plan.findings],
    }


def _is_shown(plans: Sequence[PlanData], position: int, row: Row) -> bool:
    """Every parameter, and the buffers that some rule decides."""
    return not row.parameter.buffer or any(plan.rows[position].decisions for plan in plans)


def _modules(inventory: Inventory, texts: _Table) -> dict[str, Any]:
    types, first = _Table(), dict[int, int]()
    kinds = [types.number(module.types, functools.partial(_classes, module)) for module in inventory.modules]
    same = {}
    for position, name in enumerate(inventory.names):
        known = first.setdefault(name.module, position)
        if known != position:
            same[position] = known
    return {
        "parent": [-1 if name.parent is None else name.parent for name in inventory.names],
        "segment": [texts.text(name.segment) for name in inventory.names],
        "type": [kinds[name.module] for name in inventory.names],
        "same": same,
        "types": types.entries,
    }


def _classes(module: Module) -> list[list[str]]:
    return [[kind.name, *kind.qualified] for kind in module.types]


def _parameters(rows: Sequence[Row], texts: _Table) -> dict[str, Any]:
    """The owner and local name of each parameter; ``also``: those of its further names."""
    first = [row.parameter.names[0] for row in rows]
    others = ((at, name) for at, row in enumerate(rows) for name in row.parameter.names[1:])
    return {
        "owner": [name.owner for name in first],
        "local": [texts.text(name.local) for name in first],
        "also": [[at, name.owner, texts.text(name.local)] for at, name in others],
    }


class _Styles:
    """Numbers what the panel tells: styles, their sides, the decisions of those."""

    def __init__(self, plans: Sequence[PlanData]) -> None:
        self.plans = plans
        self.sides = [_Table() for _ in plans]
        self.decisions = [_Table() for _ in plans]
        self._styles = _Table()
        self._problems = [frozenset(path for f in plan.errors for path in f.parameters) for plan in plans]

    def style(self, position: int) -> int:
        """The style of the parameter at a position."""
        row = self.plans[0].rows[position]
        p = row.parameter
        sides = tuple(self._side(version, plan.rows[position]) for version, plan in enumerate(self.plans))
        wrapped = tuple(p.parametrized)
        kind = "buffer" if p.buffer else "frozen parameter" if p.frozen else "parameter"
        key = (p.shape, p.dtype, kind, wrapped, sides)
        return self._styles.number(key, lambda: self._entry(position, kind, sides))

    def _entry(self, position: int, kind: str, sides: tuple[int, ...]) -> dict[str, Any]:
        rows = [plan.rows[position] for plan in self.plans]
        found: dict[str, Any] = {"shape": shape_text(rows[0]), "dtype": rows[0].parameter.dtype, "kind": kind}
        if rows[0].parameter.parametrized:
            found["parametrized"] = list(rows[0].parameter.parametrized)
        differing = [at for at, row in enumerate(rows) if _essence(row) != _essence(rows[0])]
        return found | {"sides": sides} | ({"differs": differing} if differing else {})

    def entries(self, style_of: Sequence[int], kept: Sequence[int]) -> list[Any]:
        """The styles, each with what its members' names bound."""
        found: list[dict[str, set[Any]]] = [{} for _ in self._styles.entries]
        for style, position in zip(style_of, kept, strict=True):
            for plan in self.plans:
                for decision in plan.rows[position].decisions.values():
                    for name, value in decision.captures.items():
                        found[style].setdefault(name, set()).add(value)
        return [
            entry | ({"captures": {name: _few(some) for name, some in captures.items()}} if captures else {})
            for entry, captures in zip(self._styles.entries, found, strict=True)
        ]

    def _side(self, version: int, row: Row) -> int:
        decided = tuple(self._decision(version, one) for _, one in sorted(row.decisions.items(), key=_by_prop))
        broken = row.path in self._problems[version]
        state = _state(row, broken=broken)
        fans, read = row.value.fans if row.value else None, row.torch_fans
        key = (decided, state, row.moments, fans, read, row.target.parts, row.target.each)
        return self.sides[version].number(key, lambda: _side(row, state, decided))

    def _decision(self, version: int, decision: Decision) -> int:
        key = (decision.prop, decision.rule, decision.span, decision.summary, decision.losers, decision.lock)
        rules = self.plans[version].rules
        return self.decisions[version].number(key, lambda: _decision(decision, sorted(variables_of(rules, decision))))


def _essence(row: Row) -> Any:
    """What counts as a difference between plans: the values, not how they are written nor who gives them."""
    return row.value is None, {prop: essence(decision) for prop, decision in row.decisions.items()}


def _side(row: Row, state: str, decided: Sequence[int]) -> dict[str, Any]:
    found: dict[str, Any] = {"state": state, "value": value_text(row).replace("\n", " · "), "decisions": decided}
    if std_text(row):
        found["std"] = std_text(row)
    if row.moments is not None:
        found["moments"] = [shown(float(row.moments.mean)), shown(float(row.moments.std))]
        found["expected"] = [_finite(row.moments.mean), _finite(row.moments.std)]
    if row.value is not None and row.value.fans is not None:
        found["fans"] = [shown(fan) for fan in row.value.fans]
    if row.torch_fans is not None:
        found["torchFans"] = [shown(fan) for fan in row.torch_fans]
    return found


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _by_prop(entry: tuple[str, Decision]) -> tuple[bool, bool, str]:
    return entry[0] != "set", entry[0] != "parametrize", entry[0]


def _state(row: Row, *, broken: bool) -> str:
    if broken:
        return "error"
    if row.value is None:
        return "frozen" if row.parameter.frozen else "none"
    return "written" if row.value.writes else "kept"


def _decision(decision: Decision, variables: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "prop": decision.prop, "rule": decision.rule, "place": decision.span.place, "written": decision.written,
        "value": decision.summary,
    }  # fmt: skip
    if decision.lock:
        found["lock"] = True
    if variables:
        found["variables"] = variables
    if decision.losers:
        found["losers"] = [
            {"rule": one.rule, "place": one.span.place, "written": one.written, "reason": one.reason}
            for one in decision.losers
        ]
    return found


def _few(values: Iterable[Any]) -> str:
    """The values that a capture has, and how many more there are."""
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    more = f" and {len(ordered) - _MOST_CAPTURES} more" if len(ordered) > _MOST_CAPTURES else ""
    return ", ".join(map(str, ordered[:_MOST_CAPTURES])) + more


def _groups(rows: Sequence[Row], style_of: Sequence[int], number: Mapping[str, int]) -> list[Any]:
    """Each exact pattern with the parameters it stands for, in the order of their first members."""
    alike: dict[int, list[Row]] = {}
    for row, style in zip(rows, style_of, strict=True):
        alike.setdefault(style, []).append(row)
    found = [
        [one.pattern, sorted(number[row.path] for row in one.rows)] for some in alike.values() for one in group(some)
    ]
    return sorted(found, key=lambda one: one[1][0])


def _rule(plan: PlanData, tally: Tally) -> dict[str, Any]:
    rule = next(rule for rule in plan.rules.rules if rule.name == tally.rule)
    tier = {"default": "defaults", "rule": "rules", "lock": "locked"}[tally.tier.name.lower()]
    return {
        "name": tally.rule, "tier": tier, "place": tally.span.place, "why": tally.why, "select": rule.text,
        "claimed": tally.claimed, "won": tally.won, "taken": dict(tally.taken),
    }  # fmt: skip


def _variables(plan: PlanData) -> Iterator[dict[str, Any]]:
    """Each variable as written, where, and its value if it has one for the whole model."""
    scope = Scopes(Matcher(plan.inventory), plan.rules.variables).of_model()
    for name, value in plan.rules.variables.items():
        parts = value if isinstance(value, tuple) else (value,)
        written = f"[{', '.join(part.text for part in parts)}]" if isinstance(value, tuple) else parts[0].text
        found = {"name": name, "written": written, "place": parts[0].span.place if parts else ""}
        evaluated = _evaluated(value, scope)
        yield found | ({"value": evaluated} if evaluated not in {None, written} else {})


def _evaluated(value: Variable, scope: Scope) -> str | None:
    try:
        if isinstance(value, tuple):
            return f"[{', '.join(shown(evaluate(part, scope)) for part in value)}]"
        return shown(evaluate(value, scope))
    except EvaluationError:
        return None  # it names facts of a parameter, or captures


def _finding(finding: Finding, number: Mapping[str, int]) -> dict[str, Any]:
    span = finding.span
    found: dict[str, Any] = {"code": finding.code, "severity": finding.severity.value, "message": finding.message}
    if span is not None:
        found |= {"place": span.place, "line": span.line_text[:400], "mark": [span.column - 1, max(1, span.width)]}
    if finding.hint:
        found["hint"] = finding.hint
    if finding.rule:
        found["rule"] = finding.rule
    if finding.parameters:
        found["parameters"] = sorted(number[path] for path in finding.parameters if path in number)
    return found


def _histograms(held: Values, number: Mapping[str, int], style_of: Sequence[int]) -> dict[str, Any]:
    """For each style what its parameters hold, in bins."""
    found: dict[int, Gathering] = {}
    for row, array in held:
        if row.path in number:
            found.setdefault(style_of[number[row.path]], Gathering()).add(array)
    made = {style: gathering.histogram() for style, gathering in sorted(found.items())}
    return {str(style): one.as_json() for style, one in made.items() if one is not None}
