"""Files joined: order, replacement, removal, and what may be read from where."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from initrules import ruleset
from initrules.document import MAX_CHARACTERS
from initrules.errors import RuleError
from initrules.ruleset import MAX_EXTENDS_DEPTH, RuleSet

_RULE = "- {{rule: {0}, select: x, set: {{w: zeros}}}}\n"


def _file(body: str = "", *names: str, section: str = "rules") -> str:
    rules = "".join(f"  {_RULE.format(name)}" for name in names)
    return f"initrules: 1\n{body}\n{section}:\n{rules}" if names else f"initrules: 1\n{body}\n"


@pytest.fixture(autouse=True)
def _inside_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)


def _load(files: Mapping[str, str], top: str = "top.yaml") -> RuleSet:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    return ruleset.load(top)


def _refusal(files: Mapping[str, str], top: str = "top.yaml") -> str:
    with pytest.raises(RuleError) as caught:
        _load(files, top)
    return str(caught.value)


@pytest.mark.parametrize(
    ("files", "names", "read"),
    [
        pytest.param({"top.yaml": _file("", "a", "b")}, "a b", "top.yaml", id="top to bottom"),
        pytest.param(
            {"top.yaml": _file("extends: base.yaml", "b"), "base.yaml": _file("", "a")},
            "a b", "base.yaml top.yaml", id="base before overlay",
        ),
        pytest.param(
            {"top.yaml": _file("extends: [one.yaml, two.yaml]", "c"), "one.yaml": _file("", "a"),
             "two.yaml": _file("", "b")},
            "a b c", "one.yaml two.yaml top.yaml", id="left to right",
        ),
        pytest.param(
            {"top.yaml": _file("extends: [one.yaml, two.yaml]", "d"), "one.yaml": _file("extends: base.yaml", "b"),
             "two.yaml": _file("extends: base.yaml", "c"), "base.yaml": _file("", "a")},
            "a b c d", "base.yaml one.yaml two.yaml top.yaml", id="each file once",
        ),
        pytest.param(
            {"top.yaml": _file("extends: sub/mid.yaml", "c"), "sub/mid.yaml": _file("extends: base.yaml", "b"),
             "sub/base.yaml": _file("", "a")},
            "a b c", "sub/base.yaml sub/mid.yaml top.yaml", id="relative to the file that says it",
        ),
        pytest.param(
            {"top.yaml": _file("extends: sub/mid.yaml", "c"), "sub/mid.yaml": _file("extends: ../base.yaml", "b"),
             "base.yaml": _file("", "a")},
            "a b c", "base.yaml sub/mid.yaml top.yaml", id="up again, but not out",
        ),
        pytest.param(
            {"top.yaml": _file("defaults:\n  " + _RULE.format("d"), "a")}, "d a", "top.yaml", id="defaults first"
        ),
        pytest.param(
            {"top.yaml": _file("extends: base.yaml\nremove: [a, c]", "a"), "base.yaml": _file("", "a", "b", "c")},
            "b a", "base.yaml top.yaml", id="a removed name is free again",
        ),
    ],
)  # fmt: skip
def test_order_of_files_and_rules(files: dict[str, str], names: str, read: str) -> None:
    found = _load(files)
    assert [rule.name for rule in found.rules] == names.split()
    assert list(found.files) == read.split()


def test_what_an_overlay_replaces_and_what_it_adds_to() -> None:
    base = _file(
        "about: base\nunmatched: error\nstream: global\norder: rules\nvars: {a: 1, b: a + 1}\n"
        "sources: {s: {file: one.pt}, t: {file: two.pt}}\nexpect: [{output: x, near: 1}]"
    )
    top = _file(
        "extends: base.yaml\nabout: top\nunmatched: keep\nvars: {a: 5, c: b}\nsources: {s: {file: new.pt, key: k}}\n"
        "expect: [{output: y, near: 2}]"
    )
    found = _load({"base.yaml": base, "top.yaml": top})
    assert (found.about, found.unmatched, found.stream, found.order) == ("top", "keep", "global", "rules")
    assert {name: str(value) for name, value in found.variables.items()} == {"a": "5", "b": "a + 1", "c": "b"}
    assert {one.name: (one.file, one.key) for one in found.sources.values()} == {
        "s": ("new.pt", "k"),
        "t": ("two.pt", None),
    }
    assert [str(one.patterns[0]) for one in found.expect] == ["x", "y"]


def test_an_unlocked_rule_stays_in_its_place() -> None:
    locked = "initrules: 1\nrules:\n  - {rule: a, select: x, set: {w: zeros}, lock: true}\n  " + _RULE.format("b")
    found = _load({"base.yaml": locked, "top.yaml": _file("extends: base.yaml\nunlock: [a]", "c")})
    assert [(rule.name, rule.lock) for rule in found.rules] == [("a", False), ("b", False), ("c", False)]


def test_a_preset_is_read_from_anywhere() -> None:
    top = _load({"top.yaml": _file("extends: preset:ppo", "mine")})
    assert top.files == ("preset:ppo", "top.yaml")
    assert ruleset.from_text(_file("extends: preset:ppo-humanoid"), "f.yaml").files[:2] == (
        "preset:ppo",
        "preset:ppo-humanoid",
    )
    assert ruleset.load("preset:ppo").folders == ()


_OUTSIDE = "  A rule file reads only below its own folder; '--allow FOLDER' on the command line permits more."


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param({}, "there is no file 'top.yaml'\n  The folder '.' has no YAML files.", id="no file"),
        pytest.param(
            {"tap.yaml": _file()}, "there is no file 'top.yaml'\n  Did you mean 'tap.yaml'?", id="a misspelt file"
        ),
        pytest.param(
            {"top.yaml": _file("extends: sub/base.yaml")},
            "top.yaml:2:10: there is no file 'sub/base.yaml'\n    extends: sub/base.yaml\n             ^^^^^^^^^^^^^\n"
            "  There is no folder 'sub' either.",
            id="no folder",
        ),
        pytest.param(
            {"top.yaml": _file("extends: bose.yaml"), "base.yaml": _file()},
            "top.yaml:2:10: there is no file 'bose.yaml'\n    extends: bose.yaml\n             ^^^^^^^^^\n"
            "  Did you mean 'base.yaml'?",
            id="a misspelt base",
        ),
        pytest.param(
            {"top.yaml": _file("extends: [a.yaml, ../out.yaml]"), "a.yaml": _file(), "../out.yaml": _file()},
            "top.yaml:2:19: '../out.yaml' lies outside the folder of the rule file\n"
            f"    extends: [a.yaml, ../out.yaml]\n                      ^^^^^^^^^^^\n{_OUTSIDE}",
            id="up and out",
        ),
        pytest.param(
            {"top.yaml": _file("extends: /etc/passwd")},
            "top.yaml:2:10: '/etc/passwd' lies outside the folder of the rule file\n"
            f"    extends: /etc/passwd\n             ^^^^^^^^^^^\n{_OUTSIDE}",
            id="an absolute path",
        ),
        pytest.param(
            {"top.yaml": _file("extends: sub/../../out.yaml"), "sub/a.yaml": _file(), "../out.yaml": _file()},
            "top.yaml:2:10: '../out.yaml' lies outside the folder of the rule file\n"
            f"    extends: sub/../../out.yaml\n             ^^^^^^^^^^^^^^^^^^\n{_OUTSIDE}",
            id="down, up and out",
        ),
        pytest.param(
            {"top.yaml": _file("extends: sub"), "sub/a.yaml": _file()},
            "top.yaml:2:10: 'sub' is not a file\n    extends: sub\n             ^^^\n  Name a rule file.",
            id="a folder",
        ),
        pytest.param(
            {"top.yaml": _file('extends: ""')},
            "top.yaml:2:10: '.' is not a file\n    extends: \"\"\n             ^^\n  Name a rule file.",
            id="an empty name",
        ),
        pytest.param(
            {"top.yaml": _file('extends: "a\\0b.yaml"')},
            "top.yaml:2:10: there is no file 'a\\x00b.yaml'\n    extends: \"a\\0b.yaml\"\n             ^^^^^^^^^^^\n"
            "  Did you mean 'top.yaml'?",
            id="a NUL in the name",
        ),
        pytest.param(
            {"top.yaml": _file(f"extends: {'a' * 300}.yaml")},
            f"top.yaml:2:10: '{'a' * 300}.yaml' cannot be read\n    extends: {'a' * 91}\n"
            f"             {'^' * 91}\n  The system says: File name too long.",
            id="a name too long for the system",
        ),
        pytest.param(
            {"top.yaml": _file("extends: preset:ppoo")},
            "top.yaml:2:10: unknown preset 'ppoo'\n    extends: preset:ppoo\n             ^^^^^^^^^^^\n"
            "  Did you mean 'ppo'?",
            id="a misspelt preset",
        ),
        pytest.param(
            {"top.yaml": _file("extends: preset:../ppo")},
            "top.yaml:2:10: unknown preset '../ppo'\n    extends: preset:../ppo\n"
            "             ^^^^^^^^^^^^^\n  Did you mean 'ppo'?",
            id="a preset is a name, no path",
        ),
    ],
)
def test_what_cannot_be_extended(files: dict[str, str], message: str) -> None:
    assert _refusal(files) == message


def test_a_circle_is_shown() -> None:
    here = Path.cwd()
    found = _refusal(
        {"top.yaml": _file("extends: a.yaml"), "a.yaml": _file("extends: b.yaml"), "b.yaml": _file("extends: a.yaml")}
    )
    assert found == (
        f"b.yaml:2:10: 'extends' runs in a circle: {here}/a.yaml → {here}/b.yaml → {here}/a.yaml\n"
        "    extends: a.yaml\n             ^^^^^^\n  Remove one of the links."
    )


def test_a_file_that_extends_itself_by_another_name_is_a_circle() -> None:
    found = _refusal({"top.yaml": _file("extends: sub/../top.yaml"), "sub/a.yaml": _file()})
    assert found.startswith("top.yaml:2:10: 'extends' runs in a circle")


def test_extends_is_bounded() -> None:
    files = {f"f{n}.yaml": _file(f"extends: f{n + 1}.yaml") for n in range(MAX_EXTENDS_DEPTH + 1)}
    assert _refusal(files, "f0.yaml") == (
        "f16.yaml:2:10: 'extends' is more than 16 files deep\n    extends: f17.yaml\n             ^^^^^^^^\n"
        "  Join some of the files, or list them side by side in one 'extends'."
    )


def test_a_link_out_of_the_folder_tree_is_out() -> None:
    Path("../secret.yaml").write_text(_file("", "a"), encoding="utf-8")
    Path("link.yaml").symlink_to(Path("../secret.yaml").resolve())
    Path("folder").symlink_to(Path("..").resolve(), target_is_directory=True)
    outside = "lies outside the folder of the rule file"
    assert f"'link.yaml' {outside}" in _refusal({"top.yaml": _file("extends: link.yaml")})
    assert f"'folder/secret.yaml' {outside}" in _refusal({"top.yaml": _file("extends: folder/secret.yaml")})


def test_a_link_inside_of_the_folder_tree_is_one_file() -> None:
    Path("link.yaml").symlink_to("base.yaml")
    found = _load({"top.yaml": _file("extends: [base.yaml, link.yaml]"), "base.yaml": _file("", "a")})
    assert [rule.name for rule in found.rules] == ["a"]


def test_links_in_a_circle_are_refused() -> None:
    Path("a.yaml").symlink_to("b.yaml")
    Path("b.yaml").symlink_to("a.yaml")
    found = _refusal({"top.yaml": _file("extends: a.yaml")})
    assert found == (
        "top.yaml:2:10: 'a.yaml' cannot be read\n    extends: a.yaml\n             ^^^^^^\n"
        "  The system says: Too many levels of symbolic links."
    )


def test_allowed_folders_may_be_read() -> None:
    Path("../other").mkdir()
    Path("../other/base.yaml").write_text(_file("", "a"), encoding="utf-8")
    Path("top.yaml").write_text(_file("extends: ../other/base.yaml", "b"), encoding="utf-8")
    found = ruleset.load("top.yaml", allow=["../other"])
    assert [rule.name for rule in found.rules] == ["a", "b"]
    assert found.folders == (str(Path("../other").resolve()), str(Path.cwd()))


def test_a_pipe_does_not_hang_the_reader() -> None:
    os.mkfifo("pipe.yaml")  # opening it would wait for a writer
    found = _refusal({"top.yaml": _file("extends: pipe.yaml")})
    assert found.startswith("top.yaml:2:10: 'pipe.yaml' is not a file\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"initrules: 1\nabout: \xff\n", "'f.yaml' is not UTF-8 text\n  Save it as UTF-8.", id="latin-1"),
        pytest.param("initrules: 1\n".encode("utf-16"), "'f.yaml' is not UTF-8 text\n  Save it as UTF-8.", id="utf-16"),
        pytest.param(
            b"x" * 10_000_000,
            f"f.yaml:1:1: the file has more than {MAX_CHARACTERS:,} characters\n"
            "  Split it and join the parts with 'extends', or load values from a checkpoint.",
            id="ten megabytes",
        ),
        pytest.param(
            b"initrules: 1\r\nabuot: x\r\n",
            "f.yaml:2:1: unknown key 'abuot'\n    abuot: x\n    ^^^^^\n  Did you mean 'about'?",
            id="CRLF",
        ),
        pytest.param(
            b"\xef\xbb\xbfinitrule: 1\n",
            "f.yaml:1:1: unknown key 'initrule'\n    initrule: 1\n    ^^^^^^^^\n  Did you mean 'initrules'?",
            id="byte order mark",
        ),
        pytest.param(b"", "f.yaml:1:1: the file is empty\n  Begin with the line 'initrules: 1'.", id="empty"),
    ],
)
def test_bytes_of_files(content: bytes, message: str) -> None:
    Path("f.yaml").write_bytes(content)
    assert _refusal({}, "f.yaml") == message


def test_a_folder_in_place_of_the_file() -> None:
    Path("f.yaml").mkdir()
    assert _refusal({}, "f.yaml") == "'f.yaml' cannot be read\n  The system says: Is a directory."


def test_text_extends_presets_only() -> None:
    with pytest.raises(RuleError) as caught:
        ruleset.from_text(_file("extends: base.yaml"), "f.yaml")
    assert str(caught.value) == (
        "f.yaml:2:10: rules that are no file cannot extend 'base.yaml'\n    extends: base.yaml\n"
        "             ^^^^^^^^^\n  Write 'preset:NAME', or put the rules into a file of their own."
    )


_BASE = _file("", "hidden", "head")


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        pytest.param(
            _file("extends: base.yaml", "head"),
            "top.yaml:4:12: the name 'head' is taken by the rule at base.yaml:5:12\n"
            "    - {rule: head, select: x, set: {w: zeros}}\n             ^^^^\n"
            "  Choose another name, or write 'remove: [head]'.",
            id="an inherited name",
        ),
        pytest.param(
            _file("extends: base.yaml", "mine", "mine"),
            "top.yaml:5:12: the name 'mine' is taken by the rule at top.yaml:4:12\n"
            "    - {rule: mine, select: x, set: {w: zeros}}\n             ^^^^\n  Choose another name.",
            id="a name twice in one file",
        ),
        pytest.param(
            _file("extends: base.yaml\nremove: [haed]"),
            "top.yaml:3:10: no inherited rule 'haed' to remove\n    remove: [haed]\n             ^^^^\n"
            "  Did you mean 'head'?",
            id="nothing to remove",
        ),
        pytest.param(
            _file("extends: base.yaml\nremove: [mine]", "mine"),
            "top.yaml:3:10: no inherited rule 'mine' to remove\n    remove: [mine]\n             ^^^^\n"
            "  Choose one of 'head', 'hidden'.",
            id="own rules cannot be removed",
        ),
        pytest.param(
            _file("extends: base.yaml\nunlock: [heads]"),
            "top.yaml:3:10: no inherited rule 'heads' to unlock\n    unlock: [heads]\n             ^^^^^\n"
            "  Did you mean 'head'?",
            id="nothing to unlock",
        ),
        pytest.param(
            _file("extends: base.yaml\nunlock: [head]"),
            "top.yaml:3:10: the rule 'head' is not locked\n    unlock: [head]\n             ^^^^\n"
            "  Leave it out of 'unlock'.",
            id="nothing locked",
        ),
        pytest.param(
            _file("remove: [head]"),
            "top.yaml:2:10: no inherited rule 'head' to remove\n    remove: [head]\n             ^^^^\n"
            "  'remove' is for rules of extended files.",
            id="nothing extended",
        ),
    ],
)
def test_names_over_all_files(overlay: str, message: str) -> None:
    assert _refusal({"base.yaml": _BASE, "top.yaml": overlay}) == message


def test_problems_of_all_files_are_told_at_once() -> None:
    found = _refusal(
        {"top.yaml": _file("extends: [a.yaml, b.yaml, c.yaml]"), "a.yaml": _file("vras: {}"), "b.yaml": "{"}
    )
    assert [line for line in found.split("\n") if line.startswith(("a", "b", "top"))] == [
        "a.yaml:2:1: unknown key 'vras'",
        "b.yaml:1:2: the file ends where a value is wanted",
        "top.yaml:2:27: there is no file 'c.yaml'",
    ]


def _given(**values: object) -> RuleSet:
    text = _file("vars: {gain: 1, gains: [1, 2], deep: 2 * gain, flag: true}")
    return ruleset.from_text(text, "f.yaml").with_variables(values)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param(0.5, "0.5", id="a number"),
        pytest.param("sqrt(2)", "sqrt(2)", id="an expression"),
        pytest.param(True, "true", id="a boolean"),
        pytest.param("1e-5", "1e-5", id="a number as text"),
    ],
)
def test_given_variables(value: object, shown: str) -> None:
    assert str(_given(gain=value).variables["gain"]) == shown


def test_given_lists() -> None:
    found = _given(gains=[3, "4 * gain"]).variables["gains"]
    assert isinstance(found, tuple)
    assert [str(part) for part in found] == ["3", "4 * gain"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param(
            {"gian": 1, "gain": "1 +"},
            "--set gain:1:1: '1 +' is not an expression\n    1 +\n    ^^^\n  An expression has numbers, names, "
            "+ - * / // % **, comparisons and calls such as sqrt(2).\n"
            "--set: unknown variable 'gian'\n  Did you mean 'gain'?",
            id="every problem at once",
        ),
        pytest.param(
            {"gain": "deep"},
            "--set gain:1:1: the variable 'gain' is defined by way of itself: gain → deep → gain\n    deep\n    ^^^^\n"
            "  Give one variable of the circle a value of its own.",
            id="a circle",
        ),
        pytest.param(
            {"gain": float("nan")},
            "--set gain:1:1: 'nan' is not finite\n    nan\n    ^^^\n  Give a finite number.",
            id="not a number",
        ),
        pytest.param(
            {"gain": "1 / 0"},
            "--set gain:1:1: '1 / 0' divides by zero\n    1 / 0\n    ^^^^^\n  Write another number.",
            id="division by zero",
        ),
        pytest.param(
            {"gain": None},
            "--set gain:1:1: 'None' is no number\n    None\n    ^^^^\n  Write a real number.",
            id="nothing",
        ),
    ],
)
def test_given_variables_that_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(RuleError) as caught:
        _given(**values)
    assert str(caught.value) == message


def test_own_actions_can_be_named() -> None:
    from initrules.actions.fixed import Zeros  # noqa: PLC0415
    from initrules.actions.table import BUILTIN  # noqa: PLC0415

    text = "initrules: 1\nrules: [{rule: a, select: x, set: {w: nothing}}]\n"
    (rule,) = ruleset.from_text(text, "f.yaml", BUILTIN.plus({"nothing": Zeros})).rules
    assert rule.declarations[0].calls[0].action is Zeros


def test_names_are_checked_in_what_can_be_read_beside_other_problems() -> None:
    """All problems at once: a misspelt action is told together with an error of structure."""
    Path("base.yaml").write_text("initrules: 1\nvars: {std: 0.1}\n", encoding="utf-8")
    rules = """initrules: 1
extends: base.yaml
rules:
  - {rule: a, select: x, set: {weight: zreos}}
  - {rule: b, select: x, set: {weight: {normal: {std: std, sdt: 2}}}}
"""
    Path("top.yaml").write_text(rules, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        ruleset.load("top.yaml")
    assert [problem.message for problem in caught.value.problems] == [
        "unknown action or variable 'zreos'",
        "unknown argument of 'normal': 'sdt'",
    ]


def test_names_are_not_checked_when_what_defines_them_cannot_be_read() -> None:
    """A misspelt 'vars' is one problem, not one for each use of a variable."""
    rules = "initrules: 1\nvras: {std: 0.1}\nrules: [{rule: a, select: x, set: {weight: std}}]\n"
    Path("top.yaml").write_text(rules, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        ruleset.load("top.yaml")
    assert [problem.message for problem in caught.value.problems] == ["unknown key 'vras'"]


def test_what_no_other_part_can_define_is_checked_all_the_same() -> None:
    """Captures hold in their own rule; nothing that cannot be read could bind them."""
    rules = """initrules: 1
vras: {std: 0.1}
rules:
  - {rule: a, select: "h.<fan_in>", set: {weight: std}}
  - {rule: b, select: "h.*", set: {weight: {copy: "h.<n>.weight"}, bias: 'count("h.[")'}}
"""
    Path("top.yaml").write_text(rules, encoding="utf-8")
    with pytest.raises(RuleError) as caught:
        ruleset.load("top.yaml")
    assert [problem.message for problem in caught.value.problems] == [
        "unknown key 'vras'",
        "the capture '<fan_in>' has the name of a built-in",
        "'<n>' in 'h.<n>.weight' is bound by no capture",
        "a '[' that is never closed in 'h.['",
    ]
