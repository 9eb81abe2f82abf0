"""Plans for notebooks: every name is escaped, nothing is hidden without a count."""

from __future__ import annotations

from html.parser import HTMLParser

from torch import nn

from initrules import report
from support import isolated, planned


class Cells(HTMLParser):
    """Collects the text of each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1] and self.tags[-1] in {"td", "th", "br"}:
            self.rows[-1][-1] += data


@isolated
def model() -> nn.Module:
    net = nn.ModuleDict({"<script>alert(1)</script>": nn.Linear(2, 3), "n": nn.BatchNorm1d(2), "c": nn.Linear(2, 3)})
    net["shared"] = nn.ModuleDict({"x": net["c"]})
    return net


RULES = """
defaults: [{rule: all, select: {type: Linear}, set: {weight: kaiming_normal}}]
rules: [{rule: lock, select: c, lock: true, set: {weight: zeros, bias: orthogonal}, parametrize: {bias: weight_norm}}]
"""


def test_the_table() -> None:
    html = report.plan_html_table(planned(RULES, model()))
    found = Cells(html)
    assert found.rows[0] == ["parameter", "shape", "fans", "starts as", "std", "by rule", "over"]
    assert found.rows[1][1:] == ["3×2", "2→3", "kaiming_normal", "1", "all", ""]
    weight, bias = (next(row for row in found.rows if row[0].startswith(f"c.{name}")) for name in ("weight", "bias"))
    assert weight == ["c.weight~ also under shared.x", "3×2", "", "zeros", "", "lock locked", "all"]
    assert bias[3] == "orthogonalwrapped in weight_norm"


def test_names_are_escaped() -> None:
    html = report.plan_html_table(planned(RULES, model()))
    assert "script" not in Cells(html).tags
    assert "<script" not in html
    assert "alert" in html


def test_counts_problems_and_the_sentence() -> None:
    html = report.plan_html_table(planned(RULES, model()))
    assert "6 parameters, 2 ● written, 0 = kept, 3 ○ without a rule, 1 ✗ in error, 3 buffers not shown" in html
    assert html.count("<pre>") == 1
    assert "<pre>error rules.yaml:4:" in html
    assert "inside one tier the last one wins" in html
