"""A plan as an HTML table, for notebooks."""

from __future__ import annotations

from html import escape

from initrules.actions.base import shown
from initrules.errors import printable
from initrules.grouping import Group, group
from initrules.planning import PlanData
from initrules.report.text import PRECEDENCE


def plan_html_table(plan: PlanData) -> str:
    """The grouped table; names from the model and the rules are escaped."""
    rows = [row for row in plan.rows if not row.parameter.buffer or row.decisions]
    head = "".join(f"<th>{name}</th>" for name in ("parameter", "shape", "starts as", "std", "by rule", "over"))
    body = "".join(_row(one) for one in group(rows))
    problems = "".join(f"<pre>{escape(f'{f.severity.value} {f}')}</pre>" for f in plan.findings if f.severity.rank < 2)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{problems}<p>{PRECEDENCE}</p>"


def _row(one: Group) -> str:
    row = one.first
    value = row.value
    count = f" ×{len(one.rows)}" if len(one.rows) > 1 else ""
    std = shown(float(row.moments.std)) if row.moments is not None and row.moments.std else ""
    cells = (
        f"{one.pattern}{count}", "×".join(map(str, row.parameter.shape)), value.summary if value else "no rule",
        std, value.rule if value else "", ", ".join(loser.rule for loser in value.losers) if value else "",
    )  # fmt: skip
    return f"<tr>{''.join(f'<td>{escape(printable(cell))}</td>' for cell in cells)}</tr>"
