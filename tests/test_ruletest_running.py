"""Test files found and run: what passes, fails, and cannot run; and which rules were needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands import ROOT
from initrules import recording
from initrules.errors import Problems
from initrules.ruletest import report
from initrules.ruletest.running import Covered, Runner, beside, discover
from initrules.survey import survey
from reference import Reference

SHIPPED = discover([str(ROOT / "tests" / "rules")])
RULES = """initrules: 1
vars: {gain: 2}
defaults:
  - {rule: base, select: {type: Linear}, set: {weight: {orthogonal: {gain: gain}}, bias: zeros}}
rules:
  - {rule: convolutions, select: {type: Conv2d}, set: {weight: zeros}, optional: true}
"""
MODEL = (
    "from torch import nn\n\ndef build(width=3):\n    return nn.Sequential(nn.Linear(2, width), nn.LayerNorm(width))\n"
)


@pytest.fixture(autouse=True)
def _inside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(RULES, encoding="utf-8")
    Path("model.py").write_text(MODEL, encoding="utf-8")


def run(body: str, name: str = "t.initrules-test.yaml") -> str:
    Path(name).write_text(f"initrules-test: 1\nrules: a.yaml\nmodel: model.py:build\n{body}", encoding="utf-8")
    return report.text([Runner().run(name)], verbose=True)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: Path(file).name.partition(".")[0])
def test_shipped_rule_sets(file: str) -> None:
    result = Runner().run(file)
    assert result.passed, report.text([result])
    assert result.cases


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (ROOT / "tests" / "rules" / "inventories").glob("*.json"))
)
def test_recorded_inventories_can_be_read(name: str) -> None:
    assert recording.read(str(ROOT / "tests" / "rules" / "inventories" / f"{name}.json")).parameters


def test_the_inventory_of_ppo_is_that_of_the_example() -> None:
    text = recording.dumps(survey(Reference("ppo", "ppo").model()))
    assert (ROOT / "tests" / "rules" / "inventories" / "ppo.json").read_text(encoding="utf-8") == text


def test_a_case_passes() -> None:
    assert run(
        """cases:
  - {name: weights, expect: [{params: 0.weight, set: {orthogonal: {gain: gain}}, std: {about: 1.2, within: 0.6}}]}
  - {name: another gain, vars: {gain: 3}, args: {width: 5}, expect: [{params: 0.weight, set: {orthogonal: {gain: 3}}}]}
"""
    ) == (
        "✓ t.initrules-test.yaml\n  ✓ weights\n  ✓ another gain\n"
        "  coverage: 1 of 2 rules decide something (50 %)\n"
        "    a.yaml:6:12: 'convolutions' decides nothing in any case\n2 passed, 0 failed"
    )


def test_a_gain_that_only_a_run_shows() -> None:
    Path("a.yaml").write_text(
        "initrules: 1\nrules: [{rule: r, select: '0', set: {weight: {orthogonal: {gain: auto}}}}]\n", encoding="utf-8"
    )
    tanh = MODEL.replace("nn.LayerNorm(width)", "nn.Tanh(), nn.Linear(width, 2)").replace(
        "import nn", "import nn, ones"
    )
    Path("model.py").write_text(f"{tanh}\ndef example_inputs():\n    return ones(1, 2)\n", encoding="utf-8")
    assert "1 passed, 0 failed" in run(
        "cases: [{name: a, expect: [{params: 0.weight, set: {orthogonal: {gain: 5/3}}}]}]\n"
    )


def test_too_little_coverage_fails() -> None:
    told = run("cases: [{name: a, expect: [{rule: base, wins: 2}]}]\ncoverage: 60\n")
    assert told == (
        "✗ t.initrules-test.yaml\n  ✓ a\n"
        "  coverage: 1 of 2 rules decide something (50 %, 60 % asked for at t.initrules-test.yaml:5:11)\n"
        "    a.yaml:6:12: 'convolutions' decides nothing in any case\n"
        "1 passed, 0 failed, 1 below the coverage asked for"
    )


def test_coverage_is_that_of_all_cases_and_only_told_when_all_ran() -> None:
    body = "cases:\n  - {name: a, expect: [{rule: base, wins: 2}]}\n  - {name: b, expect: [{rule: base, wins: 2}]}\n"
    Path("t.initrules-test.yaml").write_text(f"initrules-test: 1\nrules: a.yaml\nmodel: model.py:build\n{body}")
    assert Runner(chosen=lambda name: name == "a").run("t.initrules-test.yaml").covered is None
    assert Covered(0, ()).per_cent == 100


def test_a_case_holds_for_each_of_its_rule_files() -> None:
    Path("b.yaml").write_text("initrules: 1\nextends: a.yaml\nvars: {gain: 4}\n", encoding="utf-8")
    told = run(
        "cases: [{name: a, rules: [a.yaml, b.yaml], expect: [{params: 0.weight, set: {orthogonal: {gain: 2}}}]}]\n"
    )
    assert "  ✓ a (a.yaml)\n  ✗ a (b.yaml)\n" in told
    assert "      is        orthogonal gain=4\n      because   'base' decides it at a.yaml:4:56" in told


FAILS = [
    pytest.param(
        "{params: 0.weight, by: bose}",
        "t.initrules-test.yaml:4:51: there is no rule 'bose' in a.yaml\n"
        "    cases: [{name: a, expect: [{params: 0.weight, by: bose}]}]\n"
        "                                                      ^^^^\n  Did you mean 'base'?",
        id="unknown rule",
    ),
    pytest.param(
        "{params: 0.weight, std: gian}",
        "t.initrules-test.yaml:4:52: unknown name 'gian'\n"
        "    cases: [{name: a, expect: [{params: 0.weight, std: gian}]}]\n"
        "                                                       ^^^^\n  Did you mean 'gain'?",
        id="unknown variable",
    ),
    pytest.param(
        "{params: 0.weight, set: {normal: {std: 1 / wdith}}, range: [0, wdith]}",
        "t.initrules-test.yaml:4:71: unknown name 'wdith'",
        id="unknown names in values and ends",
    ),
]


@pytest.mark.parametrize(("entry", "wanted"), FAILS)
def test_what_names_nothing_cannot_run(entry: str, wanted: str) -> None:
    Path("t.initrules-test.yaml").write_text(
        f"initrules-test: 1\nrules: a.yaml\nmodel: model.py:build\ncases: [{{name: a, expect: [{entry}]}}]\n"
    )
    result = Runner().run("t.initrules-test.yaml")
    assert result.broken
    assert str(result.cases[0].problems[0]).startswith(wanted)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        pytest.param(
            "cases: [{name: a, rules: none.yaml, expect: [{finding: x}]}]\n",
            "4:26: there is no file 'none.yaml'",
            id="no rule file",
        ),
        pytest.param(
            "cases: [{name: a, inventory: none.json, expect: [{finding: x}]}]\n",
            "4:30: there is no file 'none.json'",
            id="no inventory",
        ),
        pytest.param(
            "cases: [{name: a, model: 'model.py:bild', expect: [{finding: x}]}]\n",
            "4:26: 'model.py' has no 'bild'",
            id="no factory",
        ),
        pytest.param(
            "cases: [{name: a, vars: {gian: 1}, expect: [{finding: x}]}]\n",
            "2:8: t.initrules-test.yaml: unknown variable 'gian'",
            id="no variable",
        ),
        pytest.param(
            "cases: [{name: a, sources: {old: x.pt}, expect: [{finding: x}]}]\n",
            "2:8: unknown source 'old'",
            id="no source",
        ),
        pytest.param(
            "cases: [{name: a, expect: [{params: 1.weight, unclaimed: true}, {params: 0.weight, set: reset, "
            "std: 1}]}]\n",
            None,
            id="fails rather",
        ),
    ],
)
def test_what_cannot_run(body: str, wanted: str | None) -> None:
    Path("t.initrules-test.yaml").write_text(f"initrules-test: 1\nrules: a.yaml\nmodel: model.py:build\n{body}")
    result = Runner().run("t.initrules-test.yaml")
    assert result.broken == (wanted is not None)
    assert not result.passed
    told = [f"{one.span.line}:{one.span.column}: {one.message}" for one in result.cases[0].problems if one.span]
    assert told == ([wanted] if wanted else [])


def test_a_value_of_the_model_needs_a_model() -> None:
    Path("r.yaml").write_text("initrules: 1\nrules: [{rule: a, select: '0', set: {weight: reset}}]\n", encoding="utf-8")
    expect = "expect: [{params: 0.weight, std: {about: 1 / sqrt(6), within: 0.6}}]"
    assert "1 passed" in run(f"cases: [{{name: a, rules: r.yaml, {expect}}}]\n")
    Path("m.json").write_text(recording.dumps(survey(Reference("ppo", "ppo").model())), encoding="utf-8")
    expect = "expect: [{params: critic.0.weight, std: 1}]"
    Path("r.yaml").write_text("initrules: 1\nrules: [{rule: a, select: critic.0, set: {weight: reset}}]\n")
    told = run(f"cases: [{{name: a, rules: r.yaml, inventory: m.json, {expect}}}]\n")
    assert "the value of 'critic.0.weight' depends on what the model has" in told


def test_invalid_rules_can_be_what_is_expected() -> None:
    Path("bad.yaml").write_text("initrules: 1\nrule: []\n", encoding="utf-8")
    assert "✓ a" in run("cases: [{name: a, rules: bad.yaml, expect: [{finding: schema, says: unknown key}]}]\n")
    told = run(
        "cases: [{name: a, rules: bad.yaml, expect: [{finding: schema, says: unknown key}, {finding: syntax}]}]\n"
    )
    assert "finding {finding: syntax}: count" in told
    assert "1 could not run" in run("cases: [{name: a, rules: bad.yaml, expect: [{finding: syntax}]}]\n")


def test_an_error_in_the_plan_must_be_expected() -> None:
    Path("dead.yaml").write_text(
        "initrules: 1\nrules: [{rule: a, select: x, set: {weight: zeros}}]\n", encoding="utf-8"
    )
    told = run("cases: [{name: a, rules: dead.yaml, expect: [{rule: a, wins: 0}]}]\n")
    assert "findings: errors\n      expected  none\n" in told
    assert "✓ a" in run("cases: [{name: a, rules: dead.yaml, expect: [{finding: claims-nothing, rule: a}]}]\n")


def test_a_file_that_cannot_be_read() -> None:
    Path("t.initrules-test.yaml").write_bytes(b"\xff\xfe")
    assert (
        Runner().run("t.initrules-test.yaml").problems[0].message.startswith("'t.initrules-test.yaml' cannot be read")
    )
    assert Runner().run("none.yaml").broken


def test_discovery() -> None:
    for name in ("b/c/x.initrules-test.yaml", "b/y.initrules-test.yml", "b/z.yaml"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert discover(["b", "b/z.yaml", "b"]) == ["b/c/x.initrules-test.yaml", "b/y.initrules-test.yml", "b/z.yaml"]
    Path("empty").mkdir()
    with pytest.raises(Problems) as caught:
        discover(["empty", "nowhere"])
    assert [one.message for one in caught.value.problems] == [
        "there is no test file below 'empty'",
        "there is no file 'nowhere'",
    ]


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        pytest.param("a.yaml", "tests/a.yaml", id="beside"),
        pytest.param("../rules/a.yaml", "rules/a.yaml", id="above"),
        pytest.param("../../a.yaml", "../a.yaml", id="outside"),
        pytest.param("/x/a.yaml", "/x/a.yaml", id="absolute"),
        pytest.param("preset:ppo", "preset:ppo", id="preset"),
        pytest.param("../m.py:build", "m.py:build", id="factory in a file"),
        pytest.param("package.module:build", "package.module:build", id="factory of a package"),
        pytest.param("..", ".", id="the folder above"),
    ],
)
def test_names_are_relative_to_the_file(name: str, wanted: str) -> None:
    assert beside("tests/t.initrules-test.yaml", name) == wanted
