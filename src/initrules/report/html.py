"""A plan as an HTML table, for notebooks."""

from __future__ import annotations

from html import escape

from initrules.errors import printable
from initrules.grouping import Group, group
from initrules.planning import PlanData
from initrules.report.text import PRECEDENCE, counts, fans_text, shape_text, shown_rows, std_text, value_text


def plan_html_table(plan: PlanData) -> str:
    """The grouped table; names from the model and the rules are escaped."""
    head = "".join(f"<th>{name}</th>" for name in ("parameter", "shape", "fans", "starts as", "std", "by rule", "over"))
    problems = frozenset(path for finding in plan.errors for path in finding.parameters)
    body = "".join(_row(one) for one in group(shown_rows(plan), apart=problems))
    findings = "".join(f"<pre>{escape(f'{f.severity.value} {f}')}</pre>" for f in plan.findings if f.severity.rank < 2)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f"{table}<p>{escape(counts(plan))}</p><p>{PRECEDENCE}</p>{findings}"


def _row(one: Group) -> str:
    row = one.first
    value = row.value
    count = f" ×{len(one.rows)}" if len(one.rows) > 1 else ""
    also = f"\n~ also under {', '.join(one.also)}" if one.also else ""
    rule = "" if value is None else f"{value.rule}{' locked' if value.lock else ''}"
    cells = (
        f"{one.pattern}{count}{also}", shape_text(row), fans_text(row), value_text(row), std_text(row), rule,
        ", ".join(loser.rule for loser in value.losers) if value else "",
    )  # fmt: skip
    return f"<tr>{''.join(f'<td>{_lines(cell)}</td>' for cell in cells)}</tr>"


def _lines(cell: str) -> str:
    return "<br>".join(escape(printable(line)) for line in cell.split("\n"))
