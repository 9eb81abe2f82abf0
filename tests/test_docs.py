"""Documents say what is: each console block is run, each code and each action has its entry."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
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
    """What a command prints, on both streams; ``> FILE``, ``; echo $?`` and ``cat`` do what a shell does."""
    words, asked, _ = command.partition("; echo $?")
    words, _, target = words.partition(" > ")
    said, kept = io.StringIO(), io.StringIO()
    if words.startswith("cat "):
        return Path(words.removeprefix("cat ")).read_text(encoding="utf-8")
    with contextlib.redirect_stdout(kept if target else said), contextlib.redirect_stderr(said), isolation():
        code = cli._run(shlex.split(words)[1:], debug=False)
    if target:
        Path(target).write_text(kept.getvalue(), encoding="utf-8")
    return said.getvalue() + (f"{code}\n" if asked else "")


def workplace(folder: Path) -> Path:
    """A folder in which documents can write: the repository's own by links, the rule files of ``docs/files`` copied."""
    for name in ("docs", "examples", "rules", "src", "tests"):
        (folder / name).symlink_to(ROOT / name, target_is_directory=True)
    for file in (ROOT / "docs" / "files").iterdir():
        shutil.copy(file, folder)
    return folder


def regenerate(document: Path) -> None:
    """Write today's output behind each command."""

    def filled(found: re.Match[str]) -> str:
        commands = re.findall(r"^\$ .*$", found[1], re.MULTILINE)
        return "```console\n" + "".join(f"{line}\n{output(line[2:])}" for line in commands) + "```"

    text = document.read_text(encoding="utf-8")
    new = re.sub(r"^```console\n(.*?)^```$", filled, text, flags=re.MULTILINE | re.DOTALL)
    document.write_text(new, encoding="utf-8")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.name))
def test_console_blocks(document: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(workplace(tmp_path))
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    for block in blocks(document):
        for command, shown in block.steps:
            assert command.startswith(("initrules ", "cat "))
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


COMMON = (ROOT / "docs" / "plan.md").read_text(encoding="utf-8").partition("## Options of several verbs")[2]


@pytest.mark.parametrize("verb", sorted(cli.VERBS))
def test_a_page_for_each_verb_with_all_its_options(verb: str) -> None:
    name = {"signal": "signals"}.get(verb, verb)
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    options = [one for one in cli.verb(verb).params if isinstance(one, click.Option)]
    names = [max(one.opts, key=len) for one in options]
    missing = [option for option in names if f"`{option}" not in page + COMMON]
    assert missing == []
    assert f"`initrules {verb}" in page or verb == "actions"  # whose page is its output
    assert f"(docs/{name}.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


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
    os.environ["COLUMNS"] = str(WIDTH)
    (ROOT / "docs" / "actions.md").write_text(manual.markdown(), encoding="utf-8")
    for one in DOCUMENTS:
        with tempfile.TemporaryDirectory() as place:
            os.chdir(workplace(Path(place)))
            regenerate(one)
