"""lint against several models, and its repairs: every plan stays as it is, every comment in its place."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from commands import PPO, ROOT, run
from initrules import planning, ruleset
from initrules.fixes import Fix, fixes
from initrules.planning import PlanData
from initrules.survey import survey
from initrules.verbs import linting
from random_models import models, rule_sets, texts
from support import isolation

MESSY = """# what it is for
initrules: 1
vars:
  used: 0.02   # stays
  # about nothing
  nothing: 3   # goes
  by_the_dead: 2
defaults:
  - rule: all
    select: {type: Linear}
    set: {weight: {he_normal: {}}, bias: zeros}
rules:
  # dead one
  - rule: dead      # goes too
    select: actor.4
    set:
      weight: {normal: {std: by_the_dead}}   # inside

  # heads
  - rule: head
    why: it must
    select: {inside: actor, type: Linear, pick: last}
    set: {weight: {normal: {std: used}}}
    allow: {contested: it is meant to win}
"""
CLEAN = """# what it is for
initrules: 1
vars:
  used: 0.02   # stays
  # about nothing
defaults:
  - rule: all
    select: {type: Linear}
    set: {weight: {kaiming_normal: {}}, bias: zeros}
rules:
  # dead one

  # heads
  - rule: head
    why: it must
    select: {inside: actor, type: Linear, pick: last}
    set: {weight: {normal: {std: used}}}
"""
OPTIONS: Mapping[str, Any] = {"allow": (), "variables": {}, "sources": {}, "model": (), "inventory": ()}


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_repairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MESSY, encoding="utf-8")
    file.chmod(0o640)
    before = run(capsys, "plan", file, *PPO, "--format", "json").out
    done = run(capsys, "lint", file, *PPO, "--fix")
    assert file.read_text(encoding="utf-8") == CLEAN
    assert done.err.splitlines() == [
        f"fixed {file}: removes the variable 'nothing'",
        f"fixed {file}: spells 'he_normal' as 'kaiming_normal'",
        f"fixed {file}: removes the rule 'dead'",
        f"fixed {file}: removes the variable 'by_the_dead'",
        f"fixed {file}: removes 'contested' from 'allow' of rule 'head'",
    ]
    assert (done.code, done.out) == (0, f"{file}: 2 rules, 0 errors, 0 warnings, 0 notes\n")
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]
    assert file.stat().st_mode & 0o777 == 0o640
    after = run(capsys, "plan", file, *PPO, "--format", "json").out
    assert json.loads(before)["fingerprint"] == json.loads(after)["fingerprint"]


def test_without_a_model_only_what_no_model_can_notice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MESSY, encoding="utf-8")
    assert run(capsys, "lint", file, "--fix").code == 0
    assert file.read_text(encoding="utf-8") == MESSY.replace("  nothing: 3   # goes\n", "").replace(
        "he_normal", "kaiming_normal"
    )


def test_what_would_change_a_plan_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MESSY, encoding="utf-8")

    def wrong(text: str, name: str, findings: Any) -> tuple[Fix, ...]:
        """An edit as it is asked for, and one that takes out a rule that decides something."""
        return fixes(text, name, findings)[0], Fix("breaks it", text.index("  - rule: head"), len(text))

    monkeypatch.setattr(linting, "fixes", wrong)
    monkeypatch.setattr(linting, "_MOST_ROUNDS", 1)
    done = run(capsys, "lint", file, *PPO, "--fix")
    assert done.err == f"fixed {file}: removes the variable 'nothing'\n"
    assert "rule: head" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["preset:ppo"], "'--fix' edits a file; a preset is extended instead.", id="a preset"),
        pytest.param(["no/such.yaml"], "there is no file 'no/such.yaml'", id="no such file"),
    ],
)
def test_what_cannot_be_repaired(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    done = run(capsys, "lint", *words, "--fix")
    assert done.code == 2
    assert said in done.err


def test_a_folder_that_takes_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MESSY, encoding="utf-8")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    done = run(capsys, "lint", file, "--fix")
    assert (done.code, done.err) == (
        2, f"nothing can be written beside '{file}': No space left on device\n  Check the folder.\n",
    )  # fmt: skip
    assert file.read_text(encoding="utf-8") == MESSY


def test_several_models_and_inventories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, inventory = tmp_path / "rules.yaml", tmp_path / "gpt2.json"
    body = "rules:\n  - {rule: a, select: actor.0, set: {'*': 1}}\n  - {rule: g, select: '**.c_fc', set: {'*': 1}}\n"
    file.write_text(f"initrules: 1\n{body}", encoding="utf-8")
    assert run(capsys, "record", "--model", "examples/gpt2.py:build", "-o", inventory).code == 0
    assert run(capsys, "lint", file, *PPO).code == 1
    done = run(capsys, "lint", file, *PPO, "--inventory", inventory)
    assert done.code == 0
    assert [line.split()[-1] for line in done.out.splitlines()] == ["[unclaimed]", "[unclaimed]", "notes"]
    assert f", in {inventory} [unclaimed]" in done.out


def test_what_is_silenced_is_counted_and_shown_on_demand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MESSY, encoding="utf-8")
    assert run(capsys, "lint", file, *PPO).out.endswith("3 rules, 1 error, 0 warnings, 2 notes, 1 silenced\n")
    shown = run(capsys, "lint", file, *PPO, "--silenced").out
    assert f"silenced info {file}:20:11: 'head' takes 'actor.4.weight' from 'dead' [contested]\n" in shown
    assert "\n  because it is meant to win\n" in shown


COMMENTS = ("# a comment", "", "  # indented", "#\ttab")


def plan(file: Path, model: nn.Module) -> PlanData:
    return planning.make(ruleset.load(file), survey(model))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rule_sets(), models(), st.lists(st.sampled_from(COMMENTS), min_size=4, max_size=4), st.booleans())
def test_every_repair_leaves_every_plan_as_it_is(
    tmp_path: Path, rules: Any, model: nn.Module, comments: list[str], block: bool
) -> None:
    base, top = tmp_path / "base.yaml", tmp_path / "top.yaml"
    first, second = texts(rules)
    if block:
        second = (
            second.replace("[{rule", "\n  - {rule")
            .replace("}, {rule", "}\n  - {rule")
            .replace("}]", "}")
            .replace("[]", "\n  []")
        )
    base.write_text(f"initrules: 1\n{first}\n", encoding="utf-8")
    lines = ["initrules: 1", "extends: base.yaml", "vars:", "  a: b", "  b: 1", "  c: [1, 2]", second]
    kept = [comment for comment in comments if "#" in comment]
    top.write_text("\n".join([*comments, *lines, *kept]) + "\n", encoding="utf-8")
    with isolation():
        before = plan(top, model)
        done = list(linting.repair(str(top), [("m", survey(model))], dict(OPTIONS)))
        after = plan(top, model)
    assert done
    assert after.fingerprint() == before.fingerprint()
    values = [[(prop, d.rule, d.actions) for prop, d in row.decisions.items()] for row in before.rows]
    assert [[(prop, d.rule, d.actions) for prop, d in row.decisions.items()] for row in after.rows] == values
    assert base.read_text(encoding="utf-8") == f"initrules: 1\n{first}\n"
    text = top.read_text(encoding="utf-8")
    assert all(text.count(comment) >= comments.count(comment) for comment in kept)
    dead = {one.rule for one in after.findings if one.code == "dead-rule" and one.span and one.span.file == str(top)}
    assert not dead
    assert "vars" not in text
