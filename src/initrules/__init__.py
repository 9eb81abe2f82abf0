"""initrules: YAML rules decide how every parameter of a PyTorch model starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initrules.ablation.running import ablate
    from initrules.api import Plan, apply_, materialize_, plan, verify
    from initrules.construct import no_init
    from initrules.errors import Finding, RuleError, Severity
    from initrules.filling import compile_drawing
    from initrules.integrations.tracking import log_plan, plan_rows
    from initrules.replicas import digests
    from initrules.ruleset import RuleSet, from_text, load
    from initrules.stage import Stage
    from initrules.verdict import Problem, Verification

__all__ = [
    "Finding",
    "Plan",
    "Problem",
    "RuleError",
    "RuleSet",
    "Severity",
    "Stage",
    "Verification",
    "ablate",
    "apply_",
    "compile_drawing",
    "digests",
    "from_text",
    "load",
    "log_plan",
    "materialize_",
    "no_init",
    "plan",
    "plan_rows",
    "verify",
]
__version__ = "0.1.0"

_HOMES = {
    **dict.fromkeys(("Plan", "apply_", "materialize_", "plan", "verify"), "initrules.api"),
    "digests": "initrules.replicas",
    "compile_drawing": "initrules.filling",
    "ablate": "initrules.ablation.running",
    "no_init": "initrules.construct",
    **dict.fromkeys(("Problem", "Verification"), "initrules.verdict"),
    **dict.fromkeys(("log_plan", "plan_rows"), "initrules.integrations.tracking"),
    "Stage": "initrules.stage",
    **dict.fromkeys(("Finding", "RuleError", "Severity"), "initrules.errors"),
    **dict.fromkeys(("RuleSet", "from_text", "load"), "initrules.ruleset"),
}


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line starts without torch."""
    import importlib  # noqa: PLC0415

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'initrules' has no attribute '{name}'")
