"""Options that several verbs share, and those that would do nothing where they stand: each says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import ROOT, run

PPO = f"{ROOT / 'examples' / 'ppo.py'}:build"
INVENTORY = str(ROOT / "tests" / "rules" / "inventories" / "ppo.json")
NO_MODEL = "beside '--inventory': no model is built; name it with '--model' instead, or leave the option out."
SAVED = "here: saved plans need no model."


@pytest.mark.parametrize(("words", "message"), [
    pytest.param("plan preset:ppo --inventory I --inputs x.py:f", f"'--inputs' does nothing {NO_MODEL}", id="plan"),
    pytest.param("plan preset:ppo --inventory I --arg n=1", f"'--arg' does nothing {NO_MODEL}", id="plan --arg"),
    pytest.param("explain preset:ppo actor.0.bias --inventory I --device cpu", f"'--device' does nothing {NO_MODEL}",
                 id="explain --device"),
    pytest.param("diff preset:ppo preset:ppo-humanoid --inventory I --inputs x.py:f",
                 f"'--inputs' does nothing {NO_MODEL}", id="diff"),
    pytest.param("lint preset:ppo --inventory I --inputs x.py:f", f"'--inputs' does nothing {NO_MODEL}", id="lint"),
    pytest.param("lint preset:ppo --source a=b.pt",
                 "'--source' does nothing without a model: add '--model' or '--inventory'.", id="lint without a model"),
    pytest.param("lint preset:ppo --silenced --format json",
                 "'--silenced' does nothing with '--format json': only tables show what is silenced.",
                 id="lint --silenced"),
    pytest.param("explain preset:ppo --module actor.0 --all --inventory I",
                 "'--all' does nothing beside '--module' and '--why-not', which leave no line out.",
                 id="explain --all"),
    pytest.param("diff a.json b.json --model x.py:f", f"'--model' does nothing {SAVED}", id="diff of saved plans"),
    pytest.param("diff a.json preset:ppo --inventory I --set x=1",
                 "'--set' does nothing to 'a.json': a saved plan stays as it is; name the rule file instead.",
                 id="diff --set"),
    pytest.param("verify preset:ppo --model M --key x", "'--key' does nothing without '--weights FILE'.", id="verify"),
    pytest.param("signal --model M --set x=1",
                 "'--set' does nothing without RULES: the model is run as its factory leaves it.", id="signal"),
    pytest.param("signal preset:ppo --model M --gains --mode eval",
                 "'--mode' does nothing with '--gains', for which the model is run in eval mode.", id="signal --gains"),
    pytest.param("plan preset:ppo --inventory I --watch --fail-on info",
                 "'--fail-on' does nothing with '--watch', which ends with code 0.", id="plan --watch"),
    pytest.param("new r.yaml --arg n=1", "'--arg' does nothing without '--model'.", id="new"),
    pytest.param("record --model M --source a=b", "No such option '--source'.", id="record"),
    pytest.param("test --verbose --format junit",
                 "'--verbose' does nothing with '--format junit', which shows all; with '--output FILE' the table is "
                 "shown too.", id="test"),
])  # fmt: skip
def test_what_would_do_nothing_is_refused(
    words: str, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(capsys, *({"I": INVENTORY, "M": PPO}.get(word, word) for word in words.split()))
    assert (found.code, found.out) == (2, "")
    assert " ".join(found.err.split()).endswith(f"Error: {message}"), found.err


@pytest.mark.parametrize("words", [
    pytest.param("lint preset:ppo --model M --inventory I --device meta", id="one of two models is built"),
    pytest.param("signal preset:ppo --model M --set hidden_gain=1 --mode eval", id="signal with rules"),
    pytest.param("explain preset:ppo actor.0.bias --inventory I --all", id="explain"),
])  # fmt: skip
def test_what_does_something_is_taken(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, *({"I": INVENTORY, "M": PPO}.get(word, word) for word in words.split())).code == 0
