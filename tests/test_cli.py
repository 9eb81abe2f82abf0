"""The command line: what it prints, what it writes, and with which code it leaves."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, load_model

from commands import PPO, ROOT, Result, run, shell
from initrules import cli, ruleset
from initrules.ruletest.schema import file_schema
from initrules.schema import json_schema
from support import isolated

RULES = "initrules: 1\nvars: {std: 0.02}\nrules:\n"
ALL = RULES + "  - {rule: all, select: '**', set: {'*': {normal: {std: std}}}}\n"
DEAD = RULES + "  - {rule: none, select: nowhere, set: {'*': zeros}}\n"
PROXY = "import torch\nfrom torch import nn\n"


@pytest.fixture(autouse=True)
def _at_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "120")


def file(folder: Path, text: str, name: str = "rules.yaml") -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def model(folder: Path, body: str, name: str = "user_cli.py") -> str:
    return file(folder, PROXY + body, name) + ":build"


def test_plan_shows_the_policy_head_over_the_hidden_layers(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "plan", "rules/ppo.yaml", *PPO)
    row = next(line.split() for line in done.out.splitlines() if "actor.4.weight" in line)
    assert row == ["●", "actor.4.weight", "2×64", "orthogonal", "gain=0.01", "0.00125", "policy-head", "hidden"]
    assert (done.code, done.err) == (0, "")


def test_plan_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "plan", "rules/ppo.yaml", *PPO, "--format", "json")
    data = json.loads(done.out)
    assert data["initrules-plan"] == 1
    assert [row["name"] for row in data["parameters"]][-2:] == ["actor.4.weight", "actor.4.bias"]


def test_json_is_not_disturbed_by_what_a_factory_prints(tmp_path: Path) -> None:
    body = "import os\nprint('a')\ndef build():\n  print('b'); os.system('echo c'); os.write(1, b'd')\n"
    body += "  return nn.Linear(2, 2)\n"
    done = shell(f"initrules plan {file(tmp_path, ALL)} --model {model(tmp_path, body)} --format json")
    assert len(json.loads(done.out)["parameters"]) == 2
    assert (done.code, sorted(done.err.split())) == (0, ["a", "b", "c", "d"])


def test_explain(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "explain", "rules/ppo.yaml", "actor.4.weight", *PPO)
    assert done.out.splitlines()[:3] == [
        "actor.4.weight: parameter, 2×64, float32",
        "  starts as orthogonal gain=0.01   (mean 0, std 0.00125)",
        "    by 'policy-head', rules/ppo.yaml:19:19: {orthogonal: {gain: policy_gain}}",
    ]
    assert done.code == 0


def test_explain_an_unknown_parameter(capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "explain", "rules/ppo.yaml", "actor.4.wieght", *PPO)
    assert done == Result(2, "", "no parameter is named 'actor.4.wieght'\n  Did you mean 'actor.4.weight'?\n")


def test_arguments_of_the_factory_have_types(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "def build(**given):\n  net = nn.Linear(1, 1); net.said = repr(given); raise ValueError(repr(given))\n"
    words = [
        word for text in ("n=3", "x=1e-5", "flag=true", "name=yes", "none=null", "eq=a=b") for word in ("--arg", text)
    ]
    done = run(capsys, "plan", file(tmp_path, ALL), "--model", model(tmp_path, body), *words)
    shown = "{'n': 3, 'x': 1e-05, 'flag': True, 'name': 'yes', 'none': None, 'eq': 'a=b'}"
    assert f"raised ValueError: {shown}\n" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(["--set", "std=0.5"], "std=0.5", id="a number"),
        pytest.param(["--set", "std=sqrt(2)"], "std=1.414", id="an expression"),
    ],
)
def test_variables_are_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    done = run(capsys, "plan", file(tmp_path, ALL), *PPO, *words)
    assert f"normal {said}" in done.out
    assert done.code == 0


@pytest.mark.parametrize(
    ("words", "err"),
    [
        pytest.param(["--set", "sdt=1"], "--set: unknown variable 'sdt'\n  Did you mean 'std'?\n", id="unknown"),
        pytest.param(
            ["--set", "std=1/0"],
            "--set std:1:1: '1 / 0' divides by zero\n    1/0\n    ^^^\n  Write another number.\n",
            id="no value",
        ),
    ],
)
def test_variables_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], err: str
) -> None:
    done = run(capsys, "plan", file(tmp_path, ALL), *PPO, *words)
    assert (done.code, done.out) == (2, "")
    assert done.err == err


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["plan"], id="nothing given"),
        pytest.param(["plan", "rules/ppo.yaml"], id="no model"),
        pytest.param(["paln"], id="no such verb"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--set", "x"], id="no value"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--arg", "=1"], id="no name"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--format", "xml"], id="no such format"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--allow", "no/such"], id="no such folder"),
        pytest.param(["apply", "rules/ppo.yaml", *PPO], id="no output"),
        pytest.param(["apply", "rules/ppo.yaml", *PPO, "-o", "x.safetensors", "--seed", "-1"], id="a negative seed"),
        pytest.param(["apply", "rules/ppo.yaml", *PPO, "-o", "x.safetensors", "--seed", "1" * 30], id="a huge seed"),
        pytest.param(["plan", "no/such.yaml", *PPO], id="no such file"),
        pytest.param(["plan", "preset:nothing", *PPO], id="no such preset"),
        pytest.param(["plan", "rules", *PPO], id="a folder"),
        pytest.param(["plan", "rules/ppo.yaml", "--model", "examples/ppo.py:biuld"], id="no such factory"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--device", "nowhere"], id="no such device"),
        pytest.param(["plan", "rules/ppo.yaml", *PPO, "--source", "a=b"], id="no such source"),
        pytest.param(["apply", "rules/ppo.yaml", *PPO, "-o", "x.bin"], id="another format"),
        pytest.param(["apply", "rules/ppo.yaml", *PPO, "-o", "no/such/x.safetensors"], id="no such output folder"),
        pytest.param(["explain", "rules/ppo.yaml", "x", *PPO], id="no such parameter"),
        pytest.param(["actions", "ortogonal"], id="no such action"),
        pytest.param(["new", "no/such/rules.yaml"], id="no such folder for a rule file"),
        pytest.param(["new", "README.md"], id="a file that exists"),
    ],
)
def test_what_cannot_run_leaves_with_2(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    done = run(capsys, *words)
    assert done.code == 2
    assert done.err
    assert not done.out
    assert "Traceback" not in done.err
    assert "please report" not in done.err


@pytest.mark.parametrize(
    ("fail_on", "code"), [pytest.param("error", 0), pytest.param("warning", 0), pytest.param("info", 1)]
)
def test_information_fails_only_when_asked(capsys: pytest.CaptureFixture[str], fail_on: str, code: int) -> None:
    assert run(capsys, "plan", "rules/ppo.yaml", *PPO, "--fail-on", fail_on).code == code
    assert run(capsys, "lint", "rules/ppo.yaml", *PPO, "--fail-on", fail_on).code == code


def test_error_findings_leave_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules, output = file(tmp_path, DEAD), tmp_path / "x.safetensors"
    planned = run(capsys, "plan", rules, *PPO)
    applied = run(capsys, "apply", rules, *PPO, "-o", output)
    assert (planned.code, applied.code, applied.out) == (1, 1, "")
    assert applied.err.startswith("error ")
    assert applied.err.endswith("\nnothing was written\n")
    assert "[claims-nothing]" in applied.err
    assert [path.name for path in tmp_path.iterdir()] == ["rules.yaml"]


def test_warnings_are_said_before_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = file(tmp_path, RULES + "  - {rule: all, select: '**', set: {weight: zeros, biass: zeros}}\n")
    done = run(capsys, "apply", rules, *PPO, "-o", tmp_path / "x.safetensors")
    assert done.err.startswith("warning ")
    assert "x.safetensors: 6 parameters written, 6 left as built, " in done.out
    assert done.code == 0


def test_debug_shows_the_traceback_and_leaves_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("plan", file(tmp_path, ALL), "--model", model(tmp_path, "def build(): raise ValueError('here')\n"))
    plain, debug = run(capsys, *words), run(capsys, *words, debug=True)
    assert (plain.code, debug.code) == (2, 2)
    assert "Traceback" not in plain.err
    assert "raise ValueError('here')" in debug.err
    assert debug.err.endswith(plain.err)


def test_a_failure_of_the_tool_itself_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a\x1bb")

    monkeypatch.setattr(ruleset, "load", broken)
    plain, debug = run(capsys, "lint", "x.yaml"), run(capsys, "lint", "x.yaml", debug=True)
    said = "initrules failed: ZeroDivisionError: a\\x1bb\n  --debug shows where; please report it.\n"
    assert plain == Result(2, "", said)
    assert debug.err.startswith("Traceback")
    assert debug.code == 2


def test_an_interrupt_leaves_with_130(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "def build(): raise KeyboardInterrupt\n"
    done = run(capsys, "plan", file(tmp_path, ALL), "--model", model(tmp_path, body))
    assert (done.code, done.out) == (130, "")


def test_code_that_leaves_while_the_model_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "class Net(nn.Linear):\n  def reset_parameters(self): exit(0) if hasattr(self, 'done') else None\n"
    body += "def build():\n  net = Net(2, 2); net.done = True; return net\n"
    rules = file(tmp_path, RULES + "  - {rule: all, select: '**', set: {'*': reset}}\n")
    done = run(capsys, "apply", rules, "--model", model(tmp_path, body), "-o", tmp_path / "x.safetensors")
    assert done.code == 2
    assert "Traceback" not in done.err
    assert not (tmp_path / "x.safetensors").exists()


def test_main_takes_its_arguments_and_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["lint", "no/such.yaml", "--debug"])
    assert left.value.code == 2
    assert "Traceback" in capsys.readouterr().err


# what is written


@isolated
def applied(capsys: pytest.CaptureFixture[str], output: Path, *words: str, rules: str = "rules/ppo.yaml") -> Result:
    return run(capsys, "apply", rules, *(words or PPO), "-o", output)


def test_apply_twice_gives_equal_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, other = (tmp_path / f"{name}.safetensors" for name in "abc")
    done = applied(capsys, first)
    assert done == Result(0, f"{first}: 12 parameters written, {first.stat().st_size:,} bytes\n", "")
    assert applied(capsys, second).code == applied(capsys, other, *PPO, "--seed", "1").code == 0
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes() != other.read_bytes()
    values = load_file(first)
    assert torch.linalg.svdvals(values["actor.4.weight"]).tolist() == pytest.approx([0.01, 0.01])
    assert torch.linalg.svdvals(values["critic.2.weight"]).tolist() == pytest.approx([2**0.5] * 64)


def test_what_no_rule_touches_is_reproducible(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = (
        "import random\nimport numpy as np\n"
        "def build():\n  net = nn.Linear(3, 3)\n"
        "  net.register_buffer('b', torch.tensor([random.random(), np.random.rand()]))\n"
        "  return net\n"
    )
    words = ("--model", model(tmp_path, body))
    rules = file(tmp_path, RULES + "  - {rule: all, select: '**', set: {bias: zeros}}\n")
    contents = []
    for name in "ab":
        done = applied(capsys, tmp_path / f"{name}.safetensors", *words, rules=rules)
        assert "1 parameter written, 1 left as built" in done.out
        contents.append((tmp_path / f"{name}.safetensors").read_bytes())
    assert contents[0] == contents[1]


def test_an_old_file_survives_a_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    output = tmp_path / "x.safetensors"
    output.write_bytes(b"old")
    monkeypatch.setattr("initrules.checkpoint.save_file", interrupted)
    assert applied(capsys, output).code == 130
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]
    assert output.read_bytes() == b"old"


def test_a_saved_model_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sys.path.insert(0, str(ROOT / "examples"))
    try:
        from gpt2 import build  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    output = tmp_path / "gpt2.safetensors"
    done = applied(capsys, output, "--model", "examples/gpt2.py:build", rules="preset:gpt2")
    assert done.code == 0
    fresh = isolated(build)()
    assert not any(load_model(fresh, output))
    assert fresh.lm_head.weight is fresh.transformer.wte.weight
    again = isolated(build)()
    missing, unexpected = again.load_state_dict(load_file(output), strict=False)
    assert (missing, unexpected) == (["lm_head.weight"], [])
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), again.parameters(), strict=True))


def test_a_state_with_more_than_tensors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    body = "class Net(nn.Linear):\n  def get_extra_state(self): return {'a': 1}\ndef build(): return Net(2, 2)\n"
    words = ("--model", model(tmp_path, body))
    done = applied(capsys, tmp_path / "x.safetensors", *words, rules=file(tmp_path, ALL))
    assert (done.code, done.err) == (0, "warning '_extra_state' is no tensor and was left out\n")
    assert sorted(load_file(tmp_path / "x.safetensors")) == ["bias", "weight"]


# lint, schema, actions, new


def test_lint_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = file(tmp_path, "initrules: 1\nvars: {unused: 1}\nrules: [{rule: a, select: '**', set: {weight: zeros}}]\n")
    done = run(capsys, "lint", rules)
    first = f"info {rules}:2:16: nothing uses the variable 'unused' [unused-variable]\n"
    assert done == Result(0, f"{first}{rules}: 1 rule, 0 errors, 0 warnings, 1 note\n", "")


def test_lint_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = run(capsys, "lint", "rules/ppo.yaml", "--format", "json")
    assert good == Result(0, "[]\n", "")
    bad = run(capsys, "lint", file(tmp_path, "initrules: 1\nrules: 3\nvars: []\n"), "--format", "json")
    assert [(one["severity"], one["code"]) for one in json.loads(bad.out)] == [("error", "schema")] * 2
    assert bad.code == 2


def test_lint_of_a_broken_file_says_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, "lint", file(tmp_path, "initrules: 1\nrules: 3\nvars: []\n"))
    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("2 problems\n")


def test_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(run(capsys, "schema").out) == json.loads(json.dumps(json_schema()))
    assert json.loads(run(capsys, "schema", "--kind", "test").out) == json.loads(json.dumps(file_schema()))
    assert json.loads(run(capsys, "schema", "--kind", "plan").out)["title"] == "initrules plan"
    assert json.loads(run(capsys, "schema", "--kind", "inventory").out)["title"] == "initrules inventory"


def test_new_writes_and_does_not_overwrite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = tmp_path / "my rules.yaml"
    words = ("new", rules, *PPO, "--arg", "continuous=true", "--arg", "hidden=8")
    done = run(capsys, *words)
    line = f"initrules plan '{rules}' --model examples/ppo.py:build --arg continuous=true --arg hidden=8"
    assert done == Result(0, f"{rules} written; look at it with: {line}\n", "")
    assert run(capsys, *words).code == 2
    assert run(capsys, *words, "--force").code == 0
    assert run(capsys, "new", tmp_path / "b.yaml").out.endswith("--model MODULE:FUNCTION\n")


def test_new_says_why_it_cannot_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    done = run(capsys, "new", tmp_path / "a.yaml")
    assert done == Result(2, "", f"'{tmp_path / 'a.yaml'}' cannot be written: No space left on device\n")


@pytest.mark.parametrize("columns", ["", "40", "0", "many", "99999999"])
def test_any_width_of_a_window(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    done = run(capsys, "plan", "rules/ppo.yaml", *PPO)
    assert (done.code, "policy-head" in done.out) == (0, True)


def test_the_list_of_verbs_says_what_their_own_help_begins_with(capsys: pytest.CaptureFixture[str]) -> None:
    """The list does not import the verbs, so it has lines of its own."""
    listed = run(capsys, "--help").out.partition("Commands:\n")[2].splitlines()
    assert [line.split(maxsplit=1) for line in listed] == [[name, begins] for name, (_, begins) in cli.VERBS.items()]
    for name, (_, begins) in cli.VERBS.items():
        assert " ".join((cli.verb(name).help or "").split()).startswith(begins)


# as processes


LIGHT = """
import sys
from initrules import cli, ruleset
words = {words!r}
code = cli._run(words, debug=False)
heavy = sorted({{"torch", "numpy", "safetensors"}} & sys.modules.keys())
if words[0] in {{"lint", "--help", "--version"}}:
    heavy += sorted({{"rich"}} & sys.modules.keys())
sys.exit(f"{{code}} {{heavy}}" if code or heavy else 0)
"""


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["plan", "--help"],
        ["lint", "rules/ppo.yaml"],
        ["lint", "rules/phase2/full.yaml"],
        ["schema"],
        ["actions"],
        ["actions", "formula"],
        ["new", "{folder}/new.yaml"],
        ["--version"],
    ],
)
def test_what_needs_no_model_does_not_import_torch(tmp_path: Path, words: list[str]) -> None:
    script = tmp_path / "light.py"
    script.write_text(LIGHT.format(words=[word.format(folder=tmp_path) for word in words]))
    done = shell(f"{sys.executable} {script}")
    assert (done.code, done.err) == (0, "")


def test_a_reader_may_leave_early() -> None:
    done = shell("set -o pipefail; initrules plan rules/ppo.yaml --model examples/ppo.py:build --format json | head -1")
    assert done == Result(0, "{\n", "")
    flood = shell("set -o pipefail; initrules schema | head -c 1")
    assert (flood.code, flood.err) == (0, "")


def test_a_terminal_without_the_letters() -> None:
    done = shell("initrules actions trunc_normal", PYTHONIOENCODING="ascii")
    assert (done.code, done.out.startswith("trunc_normal\n"), done.err) == (0, True, "")


def test_colours_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "120"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    done = run(capsys, "plan", "rules/ppo.yaml", *PPO)
    assert "\x1b[32m●" in done.out
    assert done.code == 0


def test_a_class_of_a_package_is_a_factory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--model", "torch.nn:Linear", "--arg", "in_features=2", "--arg", "out_features=3")
    done = run(capsys, "plan", file(tmp_path, ALL), *words)
    assert done.code == 0
    assert "2 parameters, 2 ● written" in done.out


# lint of several files


def test_lint_of_several_files_tells_each_and_all_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = file(tmp_path, "initrules: 1\nrules: 3\n")
    done = run(capsys, "lint", "rules/ppo.yaml", bad, "rules/gpt2.yaml")
    assert (done.code, [line.split(":")[0] for line in done.out.splitlines()]) == (
        2,
        ["rules/ppo.yaml", "rules/gpt2.yaml"],
    )
    assert done.err.startswith(f"{bad}:2:8: the value of 'rules' must be a list")
    found = json.loads(run(capsys, "lint", "rules/ppo.yaml", bad, "--format", "json").out)
    assert [one["code"] for one in found] == ["schema"]


def test_lint_passes_over_other_files_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = file(tmp_path, "services: {}\n")
    assert run(capsys, "lint", other, "--skip-others") == Result(0, "", "")
    assert run(capsys, "lint", other).code == 2
    assert run(capsys, "lint", tmp_path / "none.yaml", "--skip-others").code == 2
