"""What an editor shows in rule files and test files, by the language server that editors use.

The schemas are those that ``initrules schema`` prints, named in the first line of the document.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from initrules.actions.base import arguments
from initrules.actions.drawn import TruncNormal
from initrules.actions.table import BUILTIN
from initrules.ruletest.schema import file_schema
from initrules.schema import json_schema
from language_server import Server, running

RULES = """initrules: 1
rules:
  - rule: first
    select: {type: Linear}
    set:
      weight:
        """
TESTS = """initrules-test: 1
cases:
  - name: a
    rules: a.yaml
    inventory: a.json
    expect:
      - params: actor.4.weight
        """


class Editor:
    """Opens texts in which ``|`` is where the cursor stands."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self._opened = 0

    def open(self, text: str, kind: str = "rules") -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The cursor as the protocol has it, and what is wrong in the document."""
        self._opened += 1
        uri = (self.folder / f"{self._opened}.yaml").as_uri()
        whole = f"# yaml-language-server: $schema={(self.folder / kind).as_uri()}.json\n{text}"
        before = whole.partition("|")[0]
        line, character = before.count("\n"), len(before) - before.rfind("\n") - 1
        document = {"uri": uri, "languageId": "yaml", "version": 1, "text": whole.replace("|", "")}
        self.server.notify("textDocument/didOpen", textDocument=document)
        found = self.server.diagnostics(uri)
        return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}, found

    def completions(self, text: str, kind: str = "rules") -> dict[str, str]:
        """What is offered at the cursor, each with its text."""
        cursor, _ = self.open(text, kind)
        items = self.server.ask("textDocument/completion", **cursor)["items"]
        return {item["label"]: _text(item.get("documentation", "")) for item in items}

    def hover(self, text: str, kind: str = "rules") -> str:
        cursor, _ = self.open(text, kind)
        return _text((self.server.ask("textDocument/hover", **cursor) or {}).get("contents", ""))

    def problems(self, text: str, kind: str = "rules") -> list[tuple[str, str]]:
        """What is marked, and what is said about it."""
        _, found = self.open(text, kind)
        lines = ["", *text.split("\n")]
        marked = [(one["range"]["start"], one["range"]["end"], one["message"]) for one in found]
        return [(lines[start["line"]][start["character"] : end["character"]], told) for start, end, told in marked]


def _text(documentation: Any) -> str:
    return str(documentation["value"] if isinstance(documentation, dict) else documentation).replace("\\", "")


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "rules.json").write_text(json.dumps(json_schema()), encoding="utf-8")
    (folder / "test.json").write_text(json.dumps(file_schema()), encoding="utf-8")
    with running(folder) as server:
        yield Editor(server, folder)


def test_actions_are_completed(editor: Editor) -> None:
    for place in (f"{RULES}|", f"{RULES.rstrip()} |", f"{RULES}  n|", f"{RULES.rstrip()} {{n|}}", f"{RULES}  - |"):
        offered = editor.completions(place)
        assert set(BUILTIN.actions) <= set(offered), place
        assert (TruncNormal.__doc__ or "").split("\n")[0] in offered["trunc_normal"]


def test_an_action_comes_with_the_arguments_that_it_needs(editor: Editor) -> None:
    cursor, _ = editor.open(f"{RULES}|")
    items = editor.server.ask("textDocument/completion", **cursor)["items"]
    written = {item["label"]: item["insertText"] for item in items}
    assert (written["zeros"], written["normal"], written["uniform"]) == (
        "zeros", "normal:\n  std: ", "uniform:\n  low: $1\n  high: $2",
    )  # fmt: skip


def test_the_arguments_of_an_action_are_completed_with_their_texts(editor: Editor) -> None:
    offered = editor.completions(f"{RULES}  trunc_normal:\n            |")
    known = arguments(TruncNormal)
    assert set(known) <= set(offered)
    assert all(argument.doc in offered[name] for name, argument in known.items())


def test_hover_shows_the_manual(editor: Editor) -> None:
    assert arguments(TruncNormal)["cut"].doc in editor.hover(f"{RULES}  trunc_normal: {{std: 1, c|ut: 3}}\n")
    assert (TruncNormal.__doc__ or "").split("\n")[0] in editor.hover(f"{RULES}  trunc_n|ormal: {{std: 1, cut: 3}}\n")


def test_a_typo_is_marked(editor: Editor) -> None:
    assert editor.problems(f"{RULES}  trunc_normal: {{std: 1, cut: 3}}\n") == []
    assert editor.problems(f"{RULES}  trunc_normal: {{sdt: 1, std: 2}}\n") == [("sdt", "Property sdt is not allowed.")]
    assert editor.problems(f"{RULES}  trunc_nromal: {{std: 1}}\n") == [
        ("trunc_nromal", "Property trunc_nromal is not allowed.")
    ]


def test_keys_of_rules_and_selectors_are_completed(editor: Editor) -> None:
    assert "optional" in editor.completions("initrules: 1\nrules:\n  - rule: a\n    |")
    assert {"path", "type", "inside", "pick"} <= set(
        editor.completions("initrules: 1\nrules:\n  - rule: a\n    select:\n      |")
    )


def test_test_files_are_completed_too(editor: Editor) -> None:
    offered = editor.completions(f"{TESTS}|", "test")
    assert {"set", "by", "over", "std", "unclaimed"} <= set(offered)
    assert "the rule that decides it" in offered["by"]
    assert "orthogonal" in editor.completions(f"{TESTS}set:\n          |", "test")
    assert editor.problems(f"{TESTS}bye: x\n", "test") == [("bye", "Property bye is not allowed.")]
