"""A saved plan as plan data again: to show, to explain and to compare, without rules, model or torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from initrules import expression
from initrules.actions.base import Moments
from initrules.cascade import Tier
from initrules.decision import Decision, Kept, Loser, Row, Tally
from initrules.errors import Finding, ModelError, RuleError, Severity
from initrules.evaluation import Missing
from initrules.fans import Fans, Part, Target
from initrules.inventory import Columns, Inventory, Parameter, ParameterName
from initrules.planning import PlanData
from initrules.rules import Variable
from initrules.ruleset import RuleSet
from initrules.silence import Silenced
from initrules.source import Span
from initrules.transfer import Transfer

_NO_FANS = Missing("a saved plan has none")


@dataclass(frozen=True, slots=True)
class SavedAction:
    """An action of a saved plan: what tables ask of one."""

    name: str

    def splits(self, target: Target) -> bool:
        """Whether it filled a packed weight part by part."""
        return bool(target.parts)

    def state_dict_keys(self, path: str) -> tuple[str, ...]:
        """Unknown: the plan does not say how it stores the weight."""
        del path
        return ()


def restored(data: Mapping[str, Any], file: str) -> PlanData:
    """Plan data with the rows, counts and findings of a saved plan, and no rules.

    ``data``: as ``saved.read`` gives it. Raises ``ModelError`` when it lacks what a plan has.
    """
    try:
        rows = tuple(_row(one) for one in data["parameters"])
        return PlanData(
            rows=rows,
            findings=tuple(map(_finding, data.get("findings", ()))),
            tallies=tuple(map(_tally, data.get("rules", ()))),
            rules=RuleSet(
                tuple(data["files"]), data.get("about", ""), (), dict(_variables(data.get("variables", {}), file)),
                stream=data.get("stream", "keyed"),
            ),
            inventory=_inventory(rows),
            transfers=tuple(map(_transfer, data.get("transfers", ()))),
            silenced=tuple(Silenced(_finding(one), one["reason"]) for one in data.get("silenced", ())),
            saved=data["fingerprint"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, RuleError) as error:
        hint = "Make it anew with: initrules plan RULES --model ... --format json > FILE"
        raise ModelError(f"'{file}' is no whole plan: {type(error).__name__}: {error}", hint=hint) from None


def _inventory(rows: tuple[Row, ...]) -> Inventory:
    return Inventory((), (), tuple(row.parameter for row in rows), Columns((), (), (), (), (), (0,)))


def _row(one: Mapping[str, Any]) -> Row:
    names = [ParameterName(0, name.rpartition(".")[2], name) for name in one.get("names", [one["name"]])]
    parameter = Parameter(
        names=tuple(names), shape=tuple(one["shape"]), dtype=one["dtype"], device="file",
        requires_grad=not (one.get("frozen") or one.get("buffer")), buffer=one.get("buffer", False),
        parametrized=tuple(one.get("parametrized", ())),
    )  # fmt: skip
    fans = Fans(*one["fans"]) if "fans" in one else None
    parts = tuple(Part(name, 0, 0, 0) for name in one.get("parts", ()))
    decisions = {prop: _decision(prop, decision, fans) for prop, decision in one["decisions"].items()}
    moments = Moments(one["mean"], one["std"]) if "std" in one else None
    target = Target(one["name"], parameter.shape, parameter.dtype, _NO_FANS, _NO_FANS, parts)
    return Row(parameter, target, decisions, moments)


def _decision(prop: str, one: Mapping[str, Any], fans: Fans | None) -> Decision:
    actions = tuple(SavedAction(*action) for action in one["value"])
    return Decision(
        prop=prop, rule=one["rule"], why=one.get("why", ""), span=_span(one["place"]), written=one["written"],
        actions=actions,
        losers=tuple(
            Loser(lost["rule"], lost["written"], _span(lost["place"]), lost["reason"]) for lost in one.get("lost", ())
        ),
        lock=one.get("lock", False), fans=fans if prop == "set" else None,
        kept=Kept(one["summary"], tuple(one["value"])),
    )  # fmt: skip


def _span(place: str) -> Span:
    file, line, column = place.rsplit(":", 2)
    return Span(file, int(line), int(column))


def _tally(one: Mapping[str, Any]) -> Tally:
    tier = Tier[one["tier"].upper()]
    return Tally(one["rule"], _span(one["place"]), tier, one["claimed"], one["won"], one["taken"], one.get("why", ""))


def _finding(one: Mapping[str, Any]) -> Finding:
    span = _span(one["place"]) if one.get("place") else None
    return Finding(
        one["code"], Severity(one["severity"]), one["message"], span, one.get("hint"), one.get("rule"),
        tuple(one.get("parameters", ())),
    )  # fmt: skip


def _transfer(one: Mapping[str, Any]) -> Transfer:
    return Transfer(
        one["source"], tuple(one["taken"].items()), tuple(one["refused"].items()), tuple(one["left"]),
        tuple(one["without"]),
    )  # fmt: skip


def _variables(given: Mapping[str, Any], file: str) -> Iterator[tuple[str, Variable]]:
    for name, value in given.items():
        if isinstance(value, list):
            yield name, tuple(expression.parse(text, Span(file, 1, 1)) for text in value)
        else:
            yield name, expression.parse(value, Span(file, 1, 1))
