"""What is said about a selector that meets nothing, and about slips of one character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from initrules import ruleset
from initrules.matcher import Matcher
from initrules.near import one_edit_away, way_to_meet
from initrules.survey import survey
from support import isolated


@isolated
def net() -> nn.Module:
    body = nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1))
    return nn.ModuleDict({"encoder": body, "decoder": nn.Sequential(nn.Conv1d(1, 1, 1)), "norm": nn.LayerNorm(1)})


CLASSES = "'Conv1d', 'LayerNorm', 'Linear', 'ModuleDict', 'ReLU', 'Sequential', '_ConvNd'"


@pytest.mark.parametrize(("select", "hint"), [
    pytest.param("encodr.0", "Nearest: 'encoder.0'.", id="a path"),
    pytest.param("{name: nrom}", "Nearest: 'norm'.", id="a name"),
    pytest.param("zzz", "", id="nothing is near"),
    pytest.param('"0"', "A path is anchored at the root: write '**.0'.", id="a last segment"),
    pytest.param('"[01]"', "A path is anchored at the root: write '**.[01]'.", id="a pattern over last segments"),
    pytest.param("encoder.0.weight",
                 "It matches parameters; a path names modules, and the keys of 'set' name parameters.",
                 id="a parameter"),
    pytest.param("Linear", "'Linear' fits a class, not a path: write {type: Linear}.", id="a class"),
    pytest.param("{name: Linear}", "'Linear' fits a class, not a name: write {type: Linear}.", id="a class as a name"),
    pytest.param('"Conv*"', "'Conv*' fits a class, not a path: write {type: Conv*}.", id="a glob over classes"),
    pytest.param('"*Norm"', "'*Norm' fits a class, not a path: write {type: \"*Norm\"}.", id="in quotes"),
    pytest.param("torch.nn.Linear", "'torch.nn.Linear' fits a class, not a path: write {type: torch.nn.Linear}.",
                 id="a qualified class"),
    pytest.param('"=Linear"', "'=Linear' fits a class, not a path: write {type: =Linear}.", id="an exact class"),
    pytest.param("=", "", id="no class at all"),
    pytest.param("{type: Liner}", "Did you mean 'Linear'?", id="a misspelt class"),
    pytest.param("{type: torch.nn.Liner}", "Did you mean 'Linear'?", id="a misspelt qualified class"),
    pytest.param("{type: Xyz}", f"Choose one of {CLASSES}.", id="all classes when none is near"),
    pytest.param("{type: Module}", "Every module is a Module: leave 'type' out.", id="Module"),
    pytest.param("{type: =_ConvNd}", "Only sub-classes of '_ConvNd' are here: leave out the '='.", id="sub-classes"),
    pytest.param("{type: encoder}", "'encoder' is a path, not a class: write {path: encoder}.", id="a path as a class"),
    pytest.param("{type: Linear, parent: decodr}", "'parent' meets nothing. Nearest: 'decoder'.", id="a nested typo"),
    pytest.param("{type: Linear, parent: zzz}", "'parent' meets nothing.", id="a nested pattern, nothing near"),
    pytest.param("{next: norm, type: Linear}", "Each key meets something, together they meet nothing: "
                 "'type' alone meets 2, 'next' alone meets 1.", id="each key meets, together nothing"),
    pytest.param("{parent: norm}", "'parent' meets modules, but none stands there.", id="nobody has that parent"),
    pytest.param("{next: ''}", "'next' meets modules, but none stands there.", id="nobody has that sibling"),
    pytest.param('{type: Linear, not: "**"}', "'not' excludes every module.", id="not excludes all"),
    pytest.param("{type: Linear, pick: 7}", "'pick' leaves nothing: the other keys meet at most 2 in one place.",
                 id="pick is out of range"),
    pytest.param("{type: Linear, path: norm, pick: 7}", "Each key meets something, together they meet nothing: "
                 "'type' alone meets 2, 'path' alone meets 1.", id="pick is not to blame"),
    pytest.param("[zzz, encodr]", "Nearest: 'encoder'.", id="the first of a list that is near"),
])  # fmt: skip
def test_way_to_meet(select: str, hint: str) -> None:
    text = f"initrules: 1\nrules: [{{rule: r, select: {select}, set: {{weight: 1}}}}]"
    matcher = Matcher(survey(net()))
    selectors = ruleset.from_text(text).rules[0].select
    assert not matcher.meetings(selectors)
    assert way_to_meet(matcher, selectors) == hint


@pytest.mark.parametrize(("word", "choices", "near"), [
    pytest.param("bais", ["bias", "weight"], "bias", id="two characters swapped"),
    pytest.param("bias", ["bias"], None, id="equal is no edit"),
    pytest.param("wieghts", ["weight"], None, id="two edits"),
    pytest.param("weight", ["weights"], "weights", id="one more"),
    pytest.param("weights", ["weight"], "weight", id="one less"),
    pytest.param("xeight", ["weight"], "weight", id="the first one changed"),
    pytest.param("weighx", ["weight"], "weight", id="the last one changed"),
    pytest.param("ab", ["ba"], "ba", id="all there is, swapped"),
    pytest.param("a", [""], "", id="against nothing"),
    pytest.param("abc", ["cba"], None, id="a swap of characters that do not stand together"),
    pytest.param("k", ["b", "a"], "a", id="the first of several"),
])  # fmt: skip
def test_one_edit_away(word: str, choices: list[str], near: str | None) -> None:
    assert one_edit_away(word, choices) == near


def edits(word: str) -> set[str]:
    """Every word over ``abc`` that is one edit away, written down one by one."""
    spots = range(len(word) + 1)
    found = {word[:i] + letter + word[i:] for i in spots for letter in "abc"}
    found |= {word[:i] + letter + word[i + 1 :] for i in range(len(word)) for letter in "abc"}
    found |= {word[:i] + word[i + 1 :] for i in range(len(word))}
    found |= {word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)}
    return found - {word}


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_one_edit_is_what_edits_write(one: str, other: str) -> None:
    assert (one_edit_away(one, [other]) is not None) == (other in edits(one))
