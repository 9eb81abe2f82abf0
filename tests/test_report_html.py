"""The page is one file that asks for nothing and that no name can break out of."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib import resources

import pytest
from torch import nn

from initrules.report.html import plan_page
from support import planned

HOSTILE = ("<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "<!--<script>", "]]>&amp;{{data}}")
RULES = "rules: [{rule: a, select: {type: Linear}, why: '</script><b>', set: {weight: zeros}}]"


class Elements(HTMLParser):
    """The tags with their attributes, and what scripts and styles hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.bodies: dict[str, str] = {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        tag, attributes = self.tags[-1] if self.tags else ("", {})
        if tag in {"script", "style"} and data.strip():
            self.bodies.setdefault(attributes.get("id") or tag, data)


@pytest.fixture(scope="module")
def page() -> str:
    return plan_page(
        [planned(RULES, nn.ModuleDict({name: nn.Linear(1, 1, device="meta") for name in HOSTILE}))],
        ["<b>"],
        title=HOSTILE[1],
    )


def test_no_name_becomes_markup(page: str) -> None:
    clean = Elements(
        plan_page([planned(RULES, nn.ModuleDict({"a": nn.Linear(1, 1, device="meta")}))], ["a"], title="a")
    )
    found = Elements(page)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in clean.tags]
    assert "<" not in found.bodies["data"]
    assert "onerror" in found.bodies["data"]


def test_the_policy_allows_this_script_and_this_style_alone(page: str) -> None:
    found = Elements(page)
    policy = next(attributes["content"] for _, attributes in found.tags if "http-equiv" in attributes)
    digests = {
        name: base64.b64encode(hashlib.sha256(found.bodies[name].encode()).digest()).decode()
        for name in ("script", "style")
    }
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digests['script']}'; style-src 'sha256-{digests['style']}'; "
        "base-uri 'none'; form-action 'none'"
    )


def test_nothing_is_loaded(page: str) -> None:
    assert not [attributes for _, attributes in Elements(page).tags if {"src", "href"} & attributes.keys()]
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|WebSocket|innerHTML|insertAdjacentHTML|eval\(", page)


def test_equal_plans_give_equal_pages(page: str) -> None:
    again = plan_page(
        [planned(RULES, nn.ModuleDict({name: nn.Linear(1, 1, device="meta") for name in HOSTILE}))],
        ["<b>"],
        title=HOSTILE[1],
    )
    assert again == page


def test_the_parts_stay_short() -> None:
    parts = list(resources.files("initrules.report").joinpath("page").iterdir())
    assert len(parts) > 10
    assert {part.name: lines for part in parts if (lines := len(part.read_text("utf-8").splitlines())) > 400} == {}
