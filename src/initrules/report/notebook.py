"""A plan as a static table, for notebooks: no script, every name escaped, styles of its own."""

from __future__ import annotations

from html import escape

from initrules.errors import Finding, printable
from initrules.grouping import Group, group
from initrules.planning import PlanData
from initrules.report.text import PRECEDENCE, counts, fans_text, shape_text, shown_rows, std_text, value_text

_HEADS = ("", "parameter", "shape", "fans", "starts as", "std", "by rule", "over")
_CLASSES = {"std": ' class="n"', "over": ' class="q"'}
_MOST = 200  # rows; a notebook keeps each output in its file
# Colours are mixed from the notebook's own text colour, so that light and dark themes both work.
_STYLE = """
.initrules table{border-collapse:collapse;font-size:12px;margin:0}
.initrules th,.initrules td{text-align:left;vertical-align:top;padding:3px 12px 3px 0;background:none;border:0;
border-bottom:1px solid color-mix(in srgb,currentColor 15%,transparent)}
.initrules th{font-weight:500;opacity:.65}
.initrules code,.initrules pre{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:12px;background:none;
color:inherit;padding:0}
.initrules .n{text-align:right;font-variant-numeric:tabular-nums}
.initrules .q,.initrules p{opacity:.7;font-size:12px}
.initrules p{margin:6px 0 0}
.initrules pre{margin:6px 0 0;white-space:pre-wrap}
"""


def plan_html_table(plan: PlanData) -> str:
    """The grouped table without its empty columns, the first 200 groups; what is left out is counted."""
    problems = frozenset(path for finding in plan.errors for path in finding.parameters)
    groups = group(shown_rows(plan), apart=problems)
    rows = [_cells(one, broken=one.first.path in problems) for one in groups[:_MOST]]
    kept = [at for at in range(len(_HEADS)) if any(row[at] for row in rows)]
    head = "".join(f'<th scope="col"{_class(at)}>{_HEADS[at]}</th>' for at in kept)
    body = "".join(f"<tr>{''.join(f'<td{_class(at)}>{row[at]}</td>' for at in kept)}</tr>" for row in rows)
    rest = f"<p>and {len(groups) - _MOST} more groups</p>" if len(groups) > _MOST else ""
    findings = "".join(_finding(finding) for finding in plan.findings if finding.severity.rank < 2)
    return (
        f'<div class="initrules"><style>{_STYLE}</style>'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"
        f"<p>{escape(counts(plan))}</p><p>{PRECEDENCE}</p>{findings}</div>"
    )


def _cells(one: Group, *, broken: bool) -> tuple[str, ...]:
    row = one.first
    value = row.value
    count = f' <span class="q">×{len(one.rows)}</span>' if len(one.rows) > 1 else ""
    also = f'<br><span class="q">~ also under {_text(", ".join(one.also))}</span>' if one.also else ""
    rule = "" if value is None else _text(value.rule) + (" <b>locked</b>" if value.lock else "")
    return (
        "✗" if broken else _symbol(one), f"<code>{_text(one.pattern)}</code>{count}{also}", shape_text(row),
        fans_text(row), "<br>".join(f"<code>{escape(line)}</code>" for line in value_text(row).split("\n")),
        std_text(row), rule, ", ".join(f"<s>{_text(loser.rule)}</s>" for loser in value.losers) if value else "",
    )  # fmt: skip


def _symbol(one: Group) -> str:
    if one.first.value is None:
        return "❄" if one.first.parameter.frozen else "○"
    return "●" if one.first.value.writes else "="


def _class(column: int) -> str:
    return _CLASSES.get(_HEADS[column], "")


def _text(text: str) -> str:
    return escape(printable(text))


def _finding(finding: Finding) -> str:
    return f"<pre>{escape(f'{finding.severity.value} {finding}')}</pre>"
