"""The hooks of ``.pre-commit-hooks.yaml``, run by pre-commit itself on a repository made for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from commands import ROOT

GOOD = "initrules: 1\nrules: [{rule: a, select: '**', set: {weight: zeros}}]\n"
BAD = "initrules: 1\nrules: [{rule: a, selct: '**', set: {weight: zeros}}]\n"
OTHER = "services: [{selct: 1}]\n"
TEST = """initrules-test: 1
cases:
  - {name: heads, rules: preset:ppo, inventory: ppo.json, expect: [{params: actor.4.weight, by: policy-head}]}
"""


class Repository(NamedTuple):
    """A git repository, and what is set while commands run in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False)

    def commit(self, **files: str) -> None:
        for name, text in files.items():
            (self.folder / name.replace("__", ".").replace("_", "-")).write_text(text, encoding="utf-8")
        assert self.run("git", "add", "-A").returncode == 0
        assert self.run("git", "commit", "-qm", "more").returncode == 0

    def hook(self, hooks: Path, name: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "pre_commit", "try-repo", str(hooks), name, "--all-files", "--verbose")


def repository(folder: Path, home: Path) -> Repository:
    folder.mkdir()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    identity = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "PRE_COMMIT"))}
    found = Repository(folder, {**kept, **identity, "PATH": path, "PRE_COMMIT_HOME": str(home), "NO_COLOR": "1"})
    assert found.run("git", "init", "-q").returncode == 0
    return found


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository that holds the hooks, as this one does, and nothing else."""
    home = tmp_path_factory.mktemp("hooks")
    made = repository(home / "repository", home / "cache")
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", made.folder)
    made.commit()
    return made.folder


@pytest.fixture
def user(tmp_path: Path) -> Repository:
    return repository(tmp_path / "user", tmp_path / "cache")


def test_lint_passes_over_what_is_no_rule_file(user: Repository, hooks: Path) -> None:
    user.commit(a__yaml=GOOD, compose__yaml=OTHER)
    done = user.hook(hooks, "initrules-lint")
    assert done.returncode == 0, done.stdout
    assert "a.yaml: 1 rule, 0 errors" in done.stdout
    assert "compose.yaml" not in done.stdout


def test_lint_stops_a_commit_and_says_where(user: Repository, hooks: Path) -> None:
    user.commit(a__yaml=GOOD, b__yaml=BAD)
    done = user.hook(hooks, "initrules-lint")
    assert done.returncode == 1
    assert "b.yaml:2:19: unknown key of a rule: 'selct'" in done.stdout
    assert "Did you mean 'select'?" in done.stdout


@pytest.mark.parametrize(
    ("test", "code", "told"),
    [
        pytest.param(TEST, 0, "1 passed, 0 failed", id="passes"),
        pytest.param(TEST.replace("policy-head", "value-head"), 1, "'value-head' does not claim it", id="fails"),
    ],
)
def test_rule_tests(user: Repository, hooks: Path, test: str, code: int, told: str) -> None:
    shutil.copy(ROOT / "tests" / "rules" / "inventories" / "ppo.json", user.folder)
    user.commit(heads__initrules_test__yaml=test)
    done = user.hook(hooks, "initrules-test")
    assert (done.returncode, told in done.stdout) == (code, True), done.stdout
