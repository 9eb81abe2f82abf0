"""Markdown for comments: small enough, cut between rows, and no name is markup."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from initrules.errors import Finding, Severity
from initrules.planning import PlanData
from initrules.report.markdown import LIMIT, Table, code, document, findings_markdown, plain, plan_markdown
from initrules.source import Span
from support import planned

ROW = re.compile(r"\| .* \|")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("a.weight", "`a.weight`", id="a name"),
        pytest.param("a|b", "`a\\|b`", id="a bar would end the cell"),
        pytest.param("a`b``c", "```a`b``c```", id="a longer fence"),
        pytest.param("`a", "`` `a ``", id="a tick at the edge"),
        pytest.param("<b>@x\n", "`<b>@x\\n`", id="neither HTML nor a second line"),
    ],
)
def test_code(text: str, wanted: str) -> None:
    assert code(text) == wanted


def test_plain_text_is_no_markup() -> None:
    assert plain("a_b *c* [d] `e` <f> @g #1 |\n") == "a\\_b \\*c\\* \\[d\\] \\`e\\` &lt;f> &#64;g \\#1 \\|\\\\n"


@pytest.mark.parametrize("limit", [300, 500, 1000, 5000])
def test_tables_are_cut_between_rows_and_every_row_is_counted(limit: int) -> None:
    first = Table(("a", "b"), tuple((f"é{n}" * 3, str(n)) for n in range(40)), "things")
    second = Table(("c",), tuple((f"row {n}",) for n in range(9)), "others")
    text = document(["Head.", first, second, "End."], limit)
    assert len(text.encode()) <= limit
    assert text.startswith("Head.")
    assert text.endswith("End.")
    for noun, marker, count in (("things", "é", 40), ("others", "row", 9)):
        shown = [line for line in text.splitlines() if line.startswith(f"| {marker}")]
        assert all(ROW.fullmatch(line) for line in shown)
        more = re.search(rf"^and (\d+) more {noun}$", text, re.MULTILINE)
        assert len(shown) + (int(more[1]) if more else 0) == count


def test_an_empty_table_is_left_out() -> None:
    assert document(["a", Table(("x",), (), "things"), "b"]) == "a\n\nb"


def plan(layers: int = 2) -> PlanData:
    with torch.device("meta"):
        model = nn.Sequential(*(nn.Linear(4, width) for width in range(4, 4 + layers)))
    return planned(
        "defaults: [{rule: base, select: {type: Linear}, set: {weight: zeros, bias: zeros}}]\n"
        'rules: [{rule: first, lock: true, select: "0", set: {weight: {normal: {std: 0.5}}}, '
        "parametrize: {weight: weight_norm}},"
        " {rule: none, select: nowhere, set: {weight: ones}}]",
        model,
    )


def test_a_plan() -> None:
    assert plan_markdown(plan()).split("\n") == [
        "4 parameters, 4 ● written, 0 = kept, 0 ○ without a rule",
        "",
        "| severity | code | at | what, and the way out |",
        "|---|---|---|---|",
        (
            "| error | `claims-nothing` | `rules.yaml:3:129` | the rule 'none' claims nothing: "
            "no module meets nowhere<br>"
            "If that is right for some models, add 'optional: true'. |"
        ),
        "",
        "| parameter | shape | starts as | std | by rule | over |",
        "|---|---|---|---|---|---|",
        "| `0.weight` | 4×4 | `normal std=0.5`<br>`wrapped in weight_norm` | 0.5 | `first` locked | `base` |",
        "| `0.bias` | 4 | `zeros` |  | `base` |  |",
        "| `1.weight` | 5×4 | `zeros` |  | `base` |  |",
        "| `1.bias` | 5 | `zeros` |  | `base` |  |",
        "",
        "| rule | tier | claims | wins | the rest goes to | at |",
        "|---|---|---|---|---|---|",
        "| `base` | default | 4 | 3 | `first` 1 | `rules.yaml:2:19` |",
        "| `first` | locked | 1 | 1 |  | `rules.yaml:3:16` |",
        "| `none` | rule | 0 | 0 |  | `rules.yaml:3:129` |",
        "",
        (
            "A locked rule beats rules, rules beat defaults; in one tier the last one wins: "
            "base files first, top to bottom."
        ),
    ]


def test_a_large_plan_fits_a_comment() -> None:
    text = plan_markdown(plan(900))
    assert LIMIT * 0.9 < len(text.encode()) <= LIMIT
    shown = len(re.findall(r"^\| `\d+\.", text, re.MULTILINE))
    more = re.search(r"^and ([\d,]+) more groups$", text, re.MULTILINE)
    assert more is not None
    assert shown + int(more[1].replace(",", "")) == 1800
    assert "and 3 more rules" in text


def test_findings() -> None:
    found = [
        Finding("dead-rule", Severity.ERROR, "x_y is dead", Span("a.yaml", 1, 2), "Delete it."),
        Finding("frozen", Severity.INFO, "x" * 700),
    ]
    lines = findings_markdown(found, "a.yaml: 2").split("\n")
    assert lines[0] == "a.yaml: 2"
    assert lines[4] == "| error | `dead-rule` | `a.yaml:1:2` | x\\_y is dead<br>Delete it. |"
    assert lines[5] == f"| info | `frozen` |  | {'x' * 597}... |"
    assert findings_markdown([], "a.yaml: 0") == "a.yaml: 0"
