"""From options to rules, models and plans; torch is imported where a model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from initrules import ruleset
from initrules.errors import Finding, Severity
from initrules.ruleset import RuleSet

if TYPE_CHECKING:
    from initrules.planning import PlanData
    from initrules.sources import Sources

FINE, FINDINGS, CANNOT_RUN, DRIFTED, INTERRUPTED = 0, 1, 2, 3, 130


def rules_of(path: str, options: dict[str, Any]) -> RuleSet:
    """The rule set that the options ask for."""
    from initrules import plugins  # noqa: PLC0415

    loaded = ruleset.load(path, allow=options["allow"], tables=plugins.tables())
    return loaded.with_variables(options["variables"]) if options["variables"] else loaded


def model_of(options: dict[str, Any]) -> Any:
    """The model, built by the user's factory."""
    from initrules.factory import build  # noqa: PLC0415

    return build(options["model"], options["arguments"], device=options["device"])


def sources_of(rules: RuleSet, options: dict[str, Any]) -> Sources:
    """The checkpoints that the rules load from."""
    from initrules.sources import read  # noqa: PLC0415

    return read(rules, options["sources"])


def plan_for(rules: RuleSet, model: Any, sources: Sources) -> PlanData:
    """The plan for a model that was built."""
    from initrules import planning  # noqa: PLC0415
    from initrules.survey import survey  # noqa: PLC0415

    return planning.make(rules, survey(model), sources.catalogs)


def plan_of(path: str, options: dict[str, Any]) -> PlanData:
    """The plan that the options ask for."""
    rules = rules_of(path, options)
    sources = sources_of(rules, options)
    return plan_for(rules, model_of(options), sources)


def exit_code(findings: Sequence[Finding], fail_on: str) -> int:
    """1 when there is a finding at least as serious as asked for, else 0."""
    limit = Severity(fail_on).rank
    return FINDINGS if any(finding.severity.rank <= limit for finding in findings) else FINE
