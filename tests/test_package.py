"""The repository and what is shipped of it: only what was agreed, in pieces that can be read."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from commands import ROOT
from initrules import presets

SOURCES = sorted((ROOT / "src").rglob("*.py"))
AGREED = {
    "rules", "src", "tests", "examples", "pyproject.toml", "README.md", "docs", "LICENSE", "CHANGELOG.md",
}  # fmt: skip


def test_the_top_level_is_as_agreed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    top = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} == AGREED


@pytest.mark.parametrize("file", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src" / "initrules")))
def test_sources_stay_short(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno + 1 <= 40, f"{node.name} in line {node.lineno}"


def test_what_the_wheel_holds() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/initrules"], "force-include": {"rules": "initrules/presets"}}
    assert (ROOT / "src" / "initrules" / "py.typed").exists()
    assert settings["project"]["scripts"] == {"initrules": "initrules.cli:main"}
    assert not (ROOT / "src" / "initrules" / "presets").exists()


def test_every_rule_set_is_a_preset() -> None:
    names = [file.relative_to(ROOT / "rules").with_suffix("").as_posix() for file in (ROOT / "rules").rglob("*.yaml")]
    for name in names:
        assert presets.text(name, None).startswith("initrules: 1\n")


def test_ci_runs_the_command_of_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    extract = re.search(r"^test_command=\$\((awk .*) README\.md\)$", script, re.MULTILINE)
    assert extract is not None
    command = subprocess.run(
        ["bash", "-c", f"{extract[1]} README.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert command.endswith("-m pytest -n auto --cov --cov-report=term\n")
    for tool in ("ruff format --check .", "ruff check .", "mypy", "lint-imports"):
        assert f".venv/bin/{tool}\n" in script


def test_pinned_and_required_versions_agree() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = {
        line.split("==")[0].lower(): line.split("==")[1]
        for line in (ROOT / "tests" / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line and not line.startswith("#")
    }
    assert pinned["torch"].startswith("2.13.0")
    for requirement in settings["project"]["dependencies"]:
        name, _, bound = requirement.partition(">=")
        least = [int(part) for part in bound.split(".")]
        have = [int(part) for part in re.findall(r"[0-9]+", pinned[name.lower()])[: len(least)]]
        assert have >= least, requirement
