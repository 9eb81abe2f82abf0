"""Makes the pictures in the README and in docs/ from the program itself: python docs/screenshots.py.

It needs the test extra, Chromium with its driver, and for the pictures as they are in the repository
Debian's fonts-inter and fonts-jetbrains-mono.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import browser  # noqa: E402  # the tests' own
from browser import Tab  # noqa: E402
from initrules import planning, report, ruleset  # noqa: E402
from initrules.factory import build  # noqa: E402
from initrules.held import drawn  # noqa: E402
from initrules.report.html import plan_page  # noqa: E402
from initrules.survey import survey  # noqa: E402

COLUMNS = 124  # of the terminal
THEME = TerminalTheme(
    (20, 22, 26), (228, 231, 235),
    [(43, 48, 56), (255, 123, 114), (86, 194, 113), (227, 179, 65), (125, 177, 255), (200, 160, 255), (110, 200, 210),
     (228, 231, 235)],
)  # fmt: skip
STYLE = """
body { margin: 0; background: #14161a; color: #e4e7eb; padding: 22px 26px; }
pre { margin: 0; font: 13px/1.45 "JetBrains Mono", "DejaVu Sans Mono", monospace; font-variant-ligatures: none; }
b { color: #56c271; }
"""


def plans(model: str, rules: Sequence[str], *, draw: int | None = None) -> str:
    """A page of the program."""
    built = build(model, {}, device="meta")
    inventory = survey(built)
    made = [planning.make(ruleset.load(name), inventory) for name in rules]
    values = [] if draw is None else [drawn(built, plan, seed=draw) for plan in made]
    return plan_page(made, rules, title=model, values=values)


def terminal(model: str, rules: str) -> str:
    """What ``plan`` prints in a terminal, as a page."""
    with Path("/dev/null").open("w", encoding="utf-8") as nowhere:
        console = Console(
            record=True,
            width=COLUMNS,
            file=nowhere,
            force_terminal=True,
            color_system="truecolor",
            legacy_windows=False,
        )
        console.print(report.plan_view(planning.make(ruleset.load(rules), survey(build(model, {}, device="meta")))))
    shown = console.export_html(theme=THEME, code_format="{code}", inline_styles=True)
    command = f"<b>$</b> initrules plan {rules} --model {model}"
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style><pre>{command}\n\n{shown}</pre>'


def take(
    tab: Tab, page: str, file: Path, *, width: int, height: int = 0, select: str = "", scheme: str = "light"
) -> None:
    """One picture: the page opened, perhaps a row clicked; as high as the page itself unless a height is given."""
    with tempfile.TemporaryDirectory() as folder:
        html = Path(folder) / "page.html"
        html.write_text(page, encoding="utf-8")
        browser.colours(tab, scheme)
        browser.resize(tab, width, height or 100)
        tab.driver.get(html.as_uri())
        height = height or int(tab.js("return document.documentElement.scrollHeight"))
        if select:
            tab.click_row(select)
        browser.resize(tab, width, height)  # waits until all is drawn
        tab.driver.save_screenshot(str(file))


def main(folder: Path) -> None:
    """Make all pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    gpt2, ppo = "examples/gpt2.py:build", "examples/ppo.py:build"
    with browser.tab() as tab:
        take(tab, terminal(gpt2, "preset:gpt2"), folder / "plan.png", width=1060, scheme="dark")
        page = plans(gpt2, ["preset:gpt2"], draw=0)
        chosen = "transformer.h.{0..3}.attn.c_proj.weight"
        take(tab, page, folder / "page.png", width=1280, height=860, select=chosen)
        both = plans(ppo, ["preset:ppo", "preset:ppo-humanoid"], draw=0)
        take(tab, both, folder / "environments.png", width=1280, height=800, select="actor.4.weight", scheme="dark")


if __name__ == "__main__":
    main(ROOT / "docs" / "images")
