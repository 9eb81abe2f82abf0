"""Shows plans and findings: text, JSON, HTML. Never touches a model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from initrules.report.contents import contents_text, contents_view
    from initrules.report.data import as_json
    from initrules.report.explain import explain_text
    from initrules.report.markdown import plan_markdown
    from initrules.report.marks import findings_text
    from initrules.report.notebook import plan_html_table
    from initrules.report.signals import facts_text, signals_json, signals_text
    from initrules.report.text import LEAST_WIDTH, counts, plan_text, plan_view
    from initrules.report.verdict import verdict_json, verdict_text
    from initrules.report.why import module_text, why_not_text

__all__ = [
    "LEAST_WIDTH",
    "as_json",
    "contents_text",
    "contents_view",
    "counts",
    "explain_text",
    "facts_text",
    "findings_text",
    "module_text",
    "plan_html_table",
    "plan_markdown",
    "plan_text",
    "plan_view",
    "signals_json",
    "signals_text",
    "verdict_json",
    "verdict_text",
    "why_not_text",
]

_HOMES = {
    "as_json": "data",
    **dict.fromkeys(("contents_text", "contents_view"), "contents"),
    "explain_text": "explain",
    "findings_text": "marks",
    "plan_html_table": "notebook",
    "plan_markdown": "markdown",
    **dict.fromkeys(("LEAST_WIDTH", "counts", "plan_text", "plan_view"), "text"),
    **dict.fromkeys(("facts_text", "signals_json", "signals_text"), "signals"),
    **dict.fromkeys(("verdict_json", "verdict_text"), "verdict"),
    **dict.fromkeys(("module_text", "why_not_text"), "why"),
}


def __getattr__(name: str) -> Any:
    """Import on first use: findings alone are shown without what draws tables."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"initrules.report.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'initrules.report' has no attribute '{name}'")
