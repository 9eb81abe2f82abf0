"""The page in headless Chromium: what a person sees, clicks and types."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from browser import Tab
from page_models import Pages

DOWN, LEFT, RIGHT = Keys.ARROW_DOWN, Keys.ARROW_LEFT, Keys.ARROW_RIGHT


def test_equal_layers_are_folded_and_differing_ones_set_apart(page: Tab) -> None:
    rows = page.js("return initrules.rows()")
    assert [row["pattern"] for row in rows if row["level"] == 3 and row["pattern"].startswith("h.")] == [
        "h.{0..10}",
        "h.11",
    ]
    assert page.text("#status") == "85 parameters"
    assert page.text('[data-at="0"]').split() == ["›", "ModuleDict", "the", "model"]
    row = page.one(f'[data-at="{page.rows().index("h.{0..10}.attn.qkv.weight")}"]')
    assert row.text.split("\n") == ["●", "weight", "×11", "12×4", "normal std=0.1414", "0.1414", "all"]


def test_each_pattern_of_a_row_finds_exactly_its_members(page: Tab) -> None:
    rows = page.js("return initrules.rows()")
    assert len(rows) > 30
    for row in rows[1:]:
        found = page.js("return initrules.find(arguments[0])", row["pattern"])
        kind = "modules" if row["kind"] == "module" else "parameters"
        assert sorted(found[kind]) == sorted(row["members"]), row["pattern"]


def test_the_panel_tells_why(page: Tab) -> None:
    page.click_row("h.11.attn.qkv.weight")
    claims = [element.text.split("\n") for element in page.all(".claim")]
    assert claims[0][:3] == ["last", "locked", "rules.yaml:8:73"]
    assert claims[0][3:] == ["selects {path: h.11.attn.qkv}", "starts as: ones"]
    assert claims[1][:3] == ["all", "defaults", "rules.yaml:5:76"]
    assert claims[1][4:] == ["starts as: {normal: {std: scale}}", "lost, because 'last' is locked"]
    assert "line-through" in page.one(".lost .declaration").value_of_css_property("text-decoration")
    page.click_row("h.{0..10}.attn.qkv.weight")
    assert page.text(".facts") == "11 parameters, 12×4, float32"
    assert page.text(".claim .variables").split("\n") == [
        "gain = sqrt(2) = 1.414",
        "rules.yaml:3:14",
        "scale = gain / 10 = 0.1414",
        "rules.yaml:3:30",
    ]
    assert page.text(".claim .why") == "where most begin"


def test_captures_and_findings_stand_in_the_panel(page: Tab) -> None:
    page.click_row("h.{0..10}.attn.proj.weight")
    assert "layer = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10" in page.text("#panel-content")
    page.click_row("h.{0..10}.norm.bias")
    assert page.text(".finding .severity") == "error"
    assert page.text(".finding mark") == "orthogonal"
    assert page.all(".finding")[0].text.endswith("Name the key 'weight', or select layers whose parameter is a matrix.")


def test_the_histogram_shows_what_is_expected(page: Tab) -> None:
    page.click_row("h.{0..10}.attn.qkv.weight")
    assert page.text(
        "figcaption"
    ) == "5,500 values of 11 parameters: std 0.1736 (expected 0.1414), mean 0 (expected 0)".replace(
        "mean 0 ", page.text("figcaption").split(", ")[1].rpartition(" (")[0] + " "
    )
    assert len(page.all("svg .sigma")) == 2
    assert page.one("svg").get_attribute("aria-label") == f"Histogram: {page.text('figcaption')}"
    page.click_row("h.{0..10}.attn.qkv.bias")
    assert page.all("svg") == []


def test_members_are_listed_when_asked_for(page: Tab) -> None:
    page.click_row("h.{0..10}.attn.qkv.weight")
    assert page.all(".members li") == []
    page.one("summary").click()
    assert [item.text for item in page.all(".members li")][:3] == [
        "h.0.attn.qkv.weight",
        "again.qkv.weight ~ tied",
        "h.1.attn.qkv.weight",
    ]


def test_a_fold_shows_each_of_its_modules(page: Tab) -> None:
    page.click_row("h.{0..10}", ".badge")
    at = page.rows().index("h.{0..10}")
    assert page.rows()[at + 1 : at + 13] == [f"h.{number}" for number in range(12)]
    assert page.one(f'[data-at="{at}"] .badge').get_attribute("aria-pressed") == "true"
    page.click_row("h.{0..10}", ".badge")
    assert page.rows()[at + 1] == "h.11"


def test_the_keyboard_alone(page: Tab) -> None:
    page.keys("/")
    assert page.js("return document.activeElement.id") == "filter"
    page.keys("**.attn.*", Keys.ENTER)
    assert page.text("#status") == "48 of 85 parameters, 24 modules"
    active = 'return document.querySelector("[aria-selected=true]").querySelector(".label").textContent'
    first = page.js(active)
    page.keys(DOWN, DOWN)
    assert page.js(active) != first
    assert page.one(".grid").get_attribute("aria-activedescendant") == page.one("[aria-selected=true]").get_attribute(
        "id"
    )
    page.keys(Keys.HOME)
    assert page.one("[aria-selected=true]").get_attribute("aria-level") == "1"
    page.keys(LEFT)
    assert (len(page.rows()), page.one("[aria-selected=true]").get_attribute("aria-expanded")) == (1, "false")
    page.keys(RIGHT, RIGHT)
    assert page.one("[aria-selected=true]").get_attribute("aria-level") == "2"
    page.keys(LEFT, LEFT)
    assert page.one("[aria-selected=true]").get_attribute("aria-level") == "1"
    page.keys(Keys.END, Keys.ENTER)
    page.keys(Keys.ESCAPE)
    assert page.all("[aria-selected=true]") == []
    page.keys(Keys.ESCAPE)
    assert page.one("#filter").get_attribute("value") == ""
    assert page.text("#status") == "85 parameters"


def test_m_shows_each_of_a_fold(page: Tab) -> None:
    page.click_row("h.{0..10}")
    page.keys("m")
    assert "h.3" in page.rows()
    page.keys("m")
    assert "h.3" not in page.rows()


def test_enter_leads_to_the_details_and_back(page: Tab) -> None:
    page.click_row("h.11.attn.qkv.weight")
    page.keys(Keys.ENTER)
    assert page.js("return document.activeElement.id") == "panel"
    page.keys(Keys.ESCAPE)
    assert page.one("[aria-selected=true]").is_displayed()
    assert page.js("return document.activeElement.className") == "grid"


FOUND = {
    "rule: proj": "12 of 85 parameters",
    "over: all": "13 of 85 parameters",
    "value: normal*, type: Linear": "18 of 85 parameters",
    "finding: error": "12 of 85 parameters",
    "type: [LayerNorm, Embedding]": "25 of 85 parameters, 13 modules",
    "h.{0..2}.norm.weight": "3 of 85 parameters",
    "qkv": "24 of 85 parameters, 13 modules, no path is 'qkv': shown are those that contain it",
    "nothing.like.this": "0 of 85 parameters",
    "{typ: Linear}": "there is no key 'typ'; the keys are path, name, type, parent, inside, next, not, pick, rule, "
    "over, value, finding",
    "{inside: {rule: all}}": "there is no key 'rule'; the keys are path, name, type, parent, inside, next, not, pick",
    "where: fan_in > 3": "'where' is an expression, and only 'initrules plan' evaluates those",
    "h.{0..2": "a '{' that is never closed in 'h.{0..2'",
    "{type: Linear": "a '{' that is never closed",
    "{type: Linear} x": "'x' stands after the end",
    "type: Linear, type: ReLU": "the key 'type' stands twice",
    "type: [Linear": "a '[' that is never closed",
    "type: , name: a": "a key without a value",
    "type: Linear, pick: some": "'pick' is a number or one of first, last, all-but-first, all-but-last",
    r'path: "\q"': r'the text "\q" has an escape that cannot be read',
    "name: a.b": "'a.b' has several segments, 'name' looks at the last one",
    "re:(": "not a regular expression: Invalid regular expression: /^(?:()$/u: Unterminated group",
}


@pytest.mark.parametrize(("text", "status"), FOUND.items(), ids=FOUND)
def test_the_filter_says_what_it_found(page: Tab, text: str, status: str) -> None:
    page.filter(text)
    assert page.text("#status") == status


def test_the_groups_are_the_exact_ones(page: Tab, pages: Pages) -> None:
    page.one('[data-view="groups"]').click()
    rows = page.js("return initrules.rows()")
    assert [row["pattern"] for row in rows][:2] == ["wte.weight", "h.{0..11}.norm.weight"]
    assert sorted(name for row in rows for name in row["members"]) == sorted(row.path for row in pages.plan.rows)
    page.filter("h.{0..1}.**")
    assert page.one('[data-at="0"] .badge').text == "2 of 12"


def test_links_filter(page: Tab) -> None:
    link = next(button for button in page.all("#panel .link") if button.text == "proj")
    link.click()
    assert page.one("#filter").get_attribute("value") == "rule: proj"
    assert page.text("#status") == "12 of 85 parameters"


def test_one_column_for_each_plan(opened: Tab, pages: Pages) -> None:
    opened.open(pages.two)
    assert [head.text for head in opened.all("[role=columnheader]")] == [
        "parameter",
        "shape",
        "here.yaml",
        "there.yaml",
    ]
    row = opened.one(f'[data-at="{opened.rows().index("h.11.attn.qkv.weight")}"]')
    assert row.text.split("\n") == ["weight", "12×4", "●", "ones", "last", "●", "normal std=0.5", "differs", "other"]
    bias = opened.one(f'[data-at="{opened.rows().index("h.11.attn.qkv.bias")}"]')
    assert bias.find_elements("css selector", ".differs") == []  # zeros are 0
    opened.one("#differences").click()
    assert opened.text("#status") == "43 of 85 parameters"
    opened.click_row("h.11.attn.qkv.weight")
    assert [name.text for name in opened.all(".version-name")] == ["here.yaml", "there.yaml"]
    assert opened.logs()[0] == []


def test_names_that_attack_are_only_shown(opened: Tab, pages: Pages) -> None:
    opened.open(pages.hostile)
    labels = opened.labels()
    assert set(labels) >= {
        "<img src=x onerror=alert(1)>",
        "</script><script>alert(2)</script>",
        "<b>bold</b>",
        "{{data}}",
    }
    assert opened.all("img, b, i") == []
    assert len(opened.all("script")) == 2
    shown = [element.text for element in opened.all(".row .label")]
    assert "a\\u{202e}b" in shown
    for at in range(len(opened.rows())):
        opened.js("document.querySelector(`[data-at='${arguments[0]}'] .label`).click()", at)
    for row in opened.js("return initrules.rows()")[1:]:
        found = opened.js("return initrules.find(arguments[0])", row["pattern"])
        assert found["modules" if row["kind"] == "module" else "parameters"] == row["members"]
    assert opened.all("img, b, i") == []
    assert opened.js("return document.title") == "</title><script>alert(4)</script>"
    assert opened.logs()[0] == []
