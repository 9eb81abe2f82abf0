"""How the page looks: colours, contrast, narrow windows, paper; and how fast it opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

import browser
from browser import Tab
from initrules.report.html import plan_page
from page_models import many_modules


def brightness(page: Tab) -> float:
    """Of the background, from 0 to 255."""
    return float(page.js("""
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        return canvas.getImageData(0, 0, 1, 1).data[1];
    """))  # fmt: skip


def test_light_dark_and_the_switch_between(page: Tab) -> None:
    browser.colours(page, "light")
    assert brightness(page) > 230
    browser.colours(page, "dark")
    assert brightness(page) < 60
    page.one("#theme").click()  # dark
    browser.colours(page, "light")
    assert brightness(page) < 60
    page.one("#theme").click()
    assert page.one("#theme").get_attribute("aria-label") == "Colours: light"
    assert brightness(page) > 230


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(page: Tab, scheme: str) -> None:
    browser.colours(page, scheme)
    page.click_row("h.11.attn.qkv.weight")
    ratios = page.js(CONTRAST)
    assert len(ratios) > 50
    assert [name for name, ratio in ratios if ratio < 4.5] == []


CONTRAST = """
const rgb = (text) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  canvas.fillStyle = text;
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data];
};
const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const light = (colour) => {
  const [r, g, b] = colour.map((part) => linear(part / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = rgb(getComputedStyle(at).backgroundColor);
    if (colour[3] === 255) return colour;
  }
  return rgb("Canvas");
};
const saysSomething = (element) =>
  element.checkVisibility() && !["SCRIPT", "STYLE"].includes(element.tagName) &&
  [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim());
return [...document.querySelectorAll("body *")].filter(saysSomething).map((element) => {
  const colours = [rgb(getComputedStyle(element).color), behind(element)];
  const [a, b] = colours.map(light).sort((x, y) => y - x);
  return [`${element.className}: ${element.textContent.slice(0, 20)}`, (a + 0.05) / (b + 0.05)];
});
"""


IN_VIEW = """
const box = document.querySelector(arguments[0]).getBoundingClientRect();
return box.height > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
"""


@pytest.mark.parametrize("width", [380, 700, 900])
def test_a_narrow_window_hides_nothing_to_the_side(page: Tab, width: int) -> None:
    browser.resize(page, width, 760)
    page.click_row("h.11.attn.qkv.weight")
    assert page.js("return document.documentElement.scrollWidth") <= width
    assert page.js(IN_VIEW, "[aria-selected=true]")
    assert page.js(IN_VIEW, "#panel h2")


def test_paper_gets_every_row(page: Tab) -> None:
    browser.resize(page, 1400, 300)
    drawn = len(page.all(".row"))
    page.js("window.dispatchEvent(new Event('beforeprint'))")
    assert len(page.all(".row")) == len(page.rows()) > drawn
    page.js("window.dispatchEvent(new Event('afterprint'))")
    assert len(page.all(".row")) == drawn
    assert len(page.driver.print_page()) > 10_000


def test_a_hundred_thousand_modules_open_quickly(opened: Tab, tmp_path: Path) -> None:
    file = tmp_path / "many.html"
    file.write_text(plan_page([many_modules(100_000)], ["rules.yaml"], title="many"), "utf-8")
    assert file.stat().st_size < 6_000_000
    opened.open(file)
    took = opened.js("return performance.getEntriesByName('initrules-ready')[0].startTime")
    assert opened.text("#status") == "30,000 parameters"
    assert took < 5000  # milliseconds: below 1000 on a machine with nothing else to do, see benchmarks
    assert len(opened.all(".row")) < 100
    opened.filter("layer9{0..9}.{0,1}")
    opened.keys(Keys.ENTER)
    assert opened.text("#status") == "20 of 30,000 parameters, 20 modules"
    assert opened.logs()[0] == []
