"""Documents say what is: each console block is run, each code and each action has its entry."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from commands import ROOT
from initrules import cli, manual, ruleset
from support import isolation

WIDTH = 100
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


class Block(NamedTuple):
    """The commands of one console block, each with the output that follows it."""

    document: Path
    steps: tuple[tuple[str, str], ...]


def blocks(document: Path) -> Iterator[Block]:
    for found in re.findall(r"^```console\n(.*?)^```$", document.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", found, re.MULTILINE)
        yield Block(document, tuple(steps))


def output(command: str) -> str:
    """What a command prints, on both streams."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), isolation():
        cli._run(shlex.split(command)[1:], debug=False)
    return said.getvalue()


def regenerate(document: Path) -> None:
    """Write today's output behind each command."""

    def filled(found: re.Match[str]) -> str:
        commands = re.findall(r"^\$ .*$", found[1], re.MULTILINE)
        return "```console\n" + "".join(f"{line}\n{output(line[2:])}" for line in commands) + "```"

    text = document.read_text(encoding="utf-8")
    new = re.sub(r"^```console\n(.*?)^```$", filled, text, flags=re.MULTILINE | re.DOTALL)
    document.write_text(new, encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))
def test_console_blocks(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for block in blocks(document):
        for command, shown in block.steps:
            assert command.startswith("initrules ")
            assert output(command) == shown, command


@pytest.mark.parametrize("document", [ROOT / "README.md", ROOT / "docs" / "language.md", ROOT / "docs" / "signals.md"],
                         ids=lambda path: path.name)  # fmt: skip
def test_rule_files_in_documents_can_be_read(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    bodies = re.findall(r"^```yaml\n(initrules: 1.*?)^```$", text, re.MULTILINE | re.DOTALL)
    alone = [re.sub(r"^extends: base.yaml.*\n", "", body, flags=re.MULTILINE) for body in bodies]
    assert alone
    assert all(ruleset.from_text(body, document.name).rules for body in alone)


def test_the_manual_of_actions_is_the_classes_own() -> None:
    assert (ROOT / "docs" / "actions.md").read_text(encoding="utf-8") == manual.markdown()


def codes() -> set[str]:
    """Every code of a finding or an error in the source."""
    found = set()
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id="Finding" | "error" | "warning"), args=[ast.Constant(value=str(code)), *_]
                ):
                    found.add(code)
                case ast.Assign(targets=[ast.Name(id="code")], value=ast.Constant(value=str(code))):
                    found.add(code)
                case ast.AnnAssign(target=ast.Name(id="code"), value=ast.Constant(value=str(code))):
                    found.add(code)
    return found


def test_every_code_is_explained_and_none_besides() -> None:
    text = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)) == sorted(codes())


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        for link in re.findall(r"\]\(([^):#]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"


def test_the_test_command_stands_behind_its_marker() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = re.search(r"^<!-- ci: test -->\n```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert command is not None
    assert "pytest" in command[1]
    assert text.count("<!-- ci: test -->") == 1


def test_there_are_blocks_to_run() -> None:
    assert sum(len(block.steps) for document in DOCUMENTS for block in blocks(document)) >= 6


if __name__ == "__main__":  # python tests/test_docs.py; then read the diff
    os.chdir(ROOT)
    os.environ["COLUMNS"] = str(WIDTH)
    (ROOT / "docs" / "actions.md").write_text(manual.markdown(), encoding="utf-8")
    for one in DOCUMENTS:
        regenerate(one)
