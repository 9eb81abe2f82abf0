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
        if self.rows and self.rows[-1] and self.tags[-1] not in {"p", "pre", "style"}:
            self.rows[-1][-1] += data


@isolated
def model() -> nn.ModuleDict:
    net = nn.ModuleDict({"<script>alert(1)</script>": nn.Linear(2, 3), "n": nn.BatchNorm1d(2), "c": nn.Linear(2, 3)})
    net["shared"] = nn.ModuleDict({"x": net["c"]})
    return net


RULES = """
defaults: [{rule: all, select: {type: Linear}, set: {weight: kaiming_normal}}]
rules: [{rule: lock, select: c, lock: true, set: {weight: zeros, bias: orthogonal}, parametrize: {bias: weight_norm}}]
"""


def test_the_table() -> None:
    found = Cells(report.plan_html_table(planned(RULES, model())))
    assert found.rows[0] == ["", "parameter", "shape", "fans", "starts as", "std", "by rule", "over"]
    assert found.rows[1][2:] == ["3×2", "2→3", "kaiming_normal", "1", "all", ""]
    rows = {row[1].partition("~")[0]: row for row in found.rows}
    assert rows["c.weight"] == ["●", "c.weight~ also under shared.x", "3×2", "", "zeros", "", "lock locked", "all"]
    assert (rows["c.bias"][0], rows["c.bias"][4]) == ("✗", "orthogonalwrapped in weight_norm")
    assert rows["n.{weight,bias} ×2"][0] == "○"


def test_empty_columns_are_left_out() -> None:
    plan = planned(
        "rules: [{rule: a, select: c, set: {weight: zeros}}]", nn.ModuleDict({"c": nn.Linear(1, 1, device="meta")})
    )
    assert Cells(report.plan_html_table(plan)).rows[0] == ["", "parameter", "shape", "starts as", "by rule"]


def test_what_is_kept_and_what_is_frozen_have_their_signs() -> None:
    net = model()
    net["n"].requires_grad_(False)
    rules = "rules: [{rule: keep, select: c, set: {weight: keep}}]"
    found = Cells(report.plan_html_table(planned(rules, net)))
    signs = {row[1].partition("~")[0].partition(" ")[0]: row[0] for row in found.rows[1:]}
    assert signs["c.weight"] == "="
    assert "❄" in signs.values()


def test_a_long_plan_is_cut_with_a_count() -> None:
    net = nn.ModuleDict(
        {f"m{chr(97 + at // 26)}{chr(97 + at % 26)}": nn.Linear(1, at + 1, device="meta") for at in range(150)}
    )
    html = report.plan_html_table(planned("rules: [{rule: a, select: {type: Linear}, set: {weight: zeros}}]", net))
    assert len(Cells(html).rows) == 1 + 200
    assert "<p>and 100 more groups</p>" in html


def test_names_are_escaped() -> None:
    html = report.plan_html_table(planned(RULES, model()))
    assert "script" not in Cells(html).tags
    assert "<script" not in html
    assert "alert" in html


def test_counts_problems_and_the_sentence() -> None:
    html = report.plan_html_table(planned(RULES, model()))
    assert "6 parameters, 2 ● written, 0 = kept, 3 ○ without a rule, 1 ✗ in error, 3 buffers not shown" in html
    assert html.count("<pre>") == 1
    assert html.count("<style>") == 1
    assert "<pre>error rules.yaml:4:" in html
    assert "in one tier the last one wins" in html
