"""explain, as a user calls it."""

from __future__ import annotations

import pytest
from rich.console import Console

from commands import PPO, ROOT, run
from initrules.verbs import reasons


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(
            ["critic.4.bias", "--why-not", "policy-head"],
            "critic.4.bias: rule 'policy-head' does not claim it\n"
            "  NOT MET inside: [actor, actor_mean, action_net]  critic.4 (Linear) in critic (Sequential) in the root "
            "(Agent)\n",
            id="why not",
        ),
        pytest.param(["--module", "critic.4"], "critic.4: Linear, 2 parameters of its own\n", id="a module"),
    ],
)
def test_other_questions(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    found = run(capsys, "explain", "preset:ppo", *words, *PPO)
    assert (found.code, found.err) == (0, "")
    assert said.splitlines()[0] in found.out
    assert said.splitlines()[-1] in found.out


def test_what_lost_is_struck_out_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = lambda: Console(force_terminal=True, color_system="standard", width=200)  # noqa: E731
    monkeypatch.setattr(reasons, "Console", terminal)
    lines = run(capsys, "explain", "preset:ppo", "actor.4.weight", *PPO).out.splitlines()
    assert [line for line in lines if "\x1b[2;9m" in line] == [line for line in lines if "over 'hidden'" in line]
    assert lines[0] == "\x1b[1mactor.4.weight: parameter, 2×64, float32\x1b[0m"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "Name a PARAMETER, or a module with '--module PATH'.", id="neither"),
        pytest.param(["a.weight", "--module", "a"], "Name a PARAMETER, or a module with '--module PATH'.", id="both"),
        pytest.param(
            ["--module", "a", "--why-not", "r"], "'--why-not' asks about a PARAMETER, not about a module.", id="mixed"
        ),
    ],
)  # fmt: skip
def test_arguments_that_do_not_go_together(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    found = run(capsys, "explain", "preset:ppo", *arguments, *PPO)
    assert found.code == 2
    assert message in found.err
