"""The page: complete, offline, escaped, and the same for the same results."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ablations import results
from initrules.ablation.page import page
from initrules.ablation.study import Curve

CURVES = "".join(f'[{step}.0, {{"loss": {3 - step}, "gradients/<q>": {step + 1}}}]\n' for step in range(3))


class Reader(HTMLParser):
    """Checks that elements close in order, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in {"meta", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"path", "line", "circle"}
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> str:
    from dataclasses import replace  # noqa: PLC0415

    found = results(
        tmp_path_factory.mktemp("page"), {"base": [1.0, 2.0, 3.0], "arm": [2.0, 3.0, None]}, curves=CURVES,
        arms={"arm": 'a "quoted" <arm>'},
    )  # fmt: skip
    return page(replace(found, study=replace(found.study, curves=(Curve("loss", True, "of <each> step"),))))


def test_the_page_is_well_formed_and_shows_everything(made: str) -> None:
    reader = Reader()
    reader.feed(made)
    assert reader.open == []
    said = " ".join(reader.text)
    for part in ("a <study> & more", "not compared", "Learning curves", "of <each> step, log scale", "Gradients", "<q>",
                 "Outputs before the first step", "0.weight", "4×3", "All runs", "✗ arm, seed 2, raised"):  # fmt: skip
        assert part in said, part
    assert ("title", 'a "quoted" <arm>') in reader.attributes


def test_names_cannot_become_markup(made: str) -> None:
    for markup in ("<study>", "<q>", "<arm>", "<each>", "<good>"):
        assert markup not in made


def test_nothing_is_asked_of_a_network_and_only_its_own_style_counts(made: str) -> None:
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(| style=", made)
    style = re.search(r"<style>(.*)</style>", made, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in made


def test_a_check_box_hides_each_arm(made: str) -> None:
    assert re.findall(r'id="show(\d)" checked', made) == ["0", "1"]
    assert "body:has(#show1:not(:checked)) :is(tr,g).arm1 { display: none; }" in made
    assert made.count('<tr class="a1 arm1">') == 4  # a line of the table, and three runs


def test_equal_results_give_equal_pages(tmp_path: Path) -> None:
    values = {"base": [1.0, 2.0], "arm": [3.0, 1.0]}
    assert page(results(tmp_path, values, curves=CURVES)) == page(results(tmp_path, values, curves=CURVES))


def test_a_study_in_which_nothing_finished(tmp_path: Path) -> None:
    made = page(results(tmp_path, {"base": [None], "arm": [None]}))
    assert "Runs without a result" in made
    assert "Outputs before" not in made
    assert "How each parameter starts" not in made
