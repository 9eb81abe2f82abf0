"""The page's filter selects what selectors of rule files select."""

from __future__ import annotations

import json
import random

import pytest

from browser import Tab
from initrules import planning, ruleset
from initrules.errors import RuleError
from initrules.matcher import Matcher
from initrules.pattern import path_pattern
from initrules.source import Span
from page_models import Pages

SELECTORS = (
    "**",
    "*",
    "h.*",
    "h.**",
    "**.qkv",
    "h.<layer>.attn",
    "h.{0..3}.attn.*",
    "h.{1,1[01]}.norm",
    "h.[!0-8].norm",
    "wte",
    "re:h\\.\\d+\\.(?P<part>attn|norm)",
    "{type: Linear}",
    "{type: =Module}",
    "{type: '*Norm'}",
    "{type: torch.nn.Linear}",
    "{type: '=torch.nn.modules.linear.Linear'}",
    "{name: proj}",
    "{name: '*r*', type: Linear}",
    "{parent: {type: Block}}",
    "{inside: [again, 'h.1'], type: Linear}",
    "{inside: h.3, pick: last, type: Linear}",
    "{type: Linear, pick: [0, -1]}",
    "{type: Linear, pick: all-but-first}",
    "{next: {type: ReLU}}",
    "{type: Linear, not: again}",
    "{type: Linear, not: [h.0.attn.qkv, {name: head}]}",
    "{parent: {path: 'h.*.attn', not: h.2.attn}}",
    "[{type: Embedding}, head]",
    "{inside: {type: Block, pick: -1}}",
    "{path: ['h.{0..01}.norm', \"experts.*.{0,2}\"], type: [Linear, LayerNorm]}",
    "{inside: experts, type: Linear, pick: 1}",
)


@pytest.mark.parametrize("text", SELECTORS)
def test_the_filter_selects_as_rules_do(page: Tab, pages: Pages, text: str) -> None:
    inventory = pages.plan.inventory
    select = text if text[0] in "{[" else json.dumps(text)
    rules = ruleset.from_text(
        f'initrules: 1\nrules: [{{rule: r, select: {select}, set: {{"*": keep}}, optional: true}}]'
    )
    met = [inventory.names[at].path for at in Matcher(inventory).meetings(rules.rules[0].select)]
    found = page.js("return initrules.find(arguments[0])", text)
    assert found["modules"] == met
    claimed = {
        name.path for row in planning.make(rules, inventory).rows if row.decisions for name in row.parameter.names
    }
    by_path = {
        path
        for path in found["parameters"]
        if text[0] not in "{[" and path_pattern(text, Span("", 1, 1)).match(path) is not None
    }
    owners = {"": ""} | {name.path: row.path for row in pages.plan.rows for name in row.parameter.names}
    assert {owners[path] for path in found["parameters"]} - {owners[path] for path in by_path} <= {
        owners[path] for path in claimed
    }
    assert {path for path in claimed if path.rpartition(".")[0] in met} <= set(found["parameters"])


ANSWERS = """
return arguments[0].map((text) => {
  try {
    const found = initrules.find(text);
    return found.note ? [] : found.modules;
  } catch {
    return null;
  }
});
"""


def test_any_pattern_means_the_same_here_as_in_a_rule(page: Tab, pages: Pages) -> None:
    chance = random.Random(7)
    pieces = (
        "h",
        "attn",
        "*",
        "**",
        "?",
        "1",
        "{0..9}",
        "{qkv,proj}",
        "[0-9]",
        "<i_>",
        "n*",
        "norm",
        ".",
        ".",
        ".",
        "{",
        "]",
        "re:",
        "w[!a]e",
    )
    drawn = ["".join(chance.choices(pieces, k=chance.randint(1, 7))) for _ in range(1500)]
    texts = [text for text in drawn if not text.startswith("re:")]
    answers = page.js(ANSWERS, texts)
    paths = [name.path for name in pages.plan.inventory.names]
    expected = [_matched(text, paths) for text in texts]
    assert {
        text: (here, there) for text, here, there in zip(texts, answers, expected, strict=True) if here != there
    } == {}
    assert 100 < sum(answer is None for answer in expected) < 1300
    assert sum(bool(answer) for answer in expected) > 50


def _matched(text: str, paths: list[str]) -> list[str] | None:
    try:
        pattern = path_pattern(text, Span("", 1, 1))
    except RuleError:
        return None
    return [path for path in paths if pattern.match(path) is not None]
