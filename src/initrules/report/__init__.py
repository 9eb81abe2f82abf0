"""Shows plans and findings: text, JSON, HTML. Never touches a model."""

from initrules.report.data import as_json
from initrules.report.explain import explain_text
from initrules.report.markdown import plan_markdown
from initrules.report.notebook import plan_html_table
from initrules.report.signals import facts_text, signals_json, signals_text
from initrules.report.text import LEAST_WIDTH, counts, findings_text, plan_text, plan_view
from initrules.report.verdict import verdict_json, verdict_text
from initrules.report.why import module_text, why_not_text

__all__ = [
    "LEAST_WIDTH",
    "as_json",
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
