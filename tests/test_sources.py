"""Checkpoints: what can be read, and what is refused without running its code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from initrules import ruleset, sources
from initrules.errors import Problems

WEIGHTS = {"enc.weight": torch.ones(2, 3), "enc.bias": torch.zeros(2, dtype=torch.bfloat16)}
CATALOG = {"enc.weight": ((2, 3), "float32"), "enc.bias": ((2,), "bfloat16")}
RULES = """initrules: 1
sources: {old: SOURCE}
rules: [{rule: r, select: "**", set: {"*": {load: {source: old}}}}]
"""


def opened(folder: Path, source: str, given: dict[str, Any] | None = None, allow: tuple[Path, ...] = ()) -> Any:
    file = folder / "rules" / "r.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(RULES.replace("SOURCE", source), encoding="utf-8")
    return sources.read(ruleset.load(file, allow=allow), given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("stored", "source"),
    [
        pytest.param(WEIGHTS, "{file: w.pt}", id="a state dict"),
        pytest.param({"q": WEIGHTS, "step": 3}, "{file: w.pt, key: q}", id="under a key"),
        pytest.param({"a": {"b": WEIGHTS}}, "{file: w.pt, key: a.b}", id="under nested keys"),
        pytest.param({"enc": {"weight": WEIGHTS["enc.weight"], "bias": WEIGHTS["enc.bias"]}}, "{file: w.pt}",
                     id="nested names"),
        pytest.param({"model.enc.weight": WEIGHTS["enc.weight"], "model.enc.bias": WEIGHTS["enc.bias"]},
                     "{file: w.pt, key: model}", id="a key that is a prefix of names"),
    ],
)  # fmt: skip
def test_what_torch_saved(folder: Path, stored: Any, source: str) -> None:
    torch.save(stored, folder / "rules" / "w.pt")
    found = opened(folder, source)
    assert found.catalogs == {"old": CATALOG}
    assert torch.equal(found.tensor("old", "enc.weight"), WEIGHTS["enc.weight"])


def test_the_format_before_torch_1_6(folder: Path) -> None:
    torch.save(WEIGHTS, folder / "rules" / "w.pt", _use_new_zipfile_serialization=False)
    assert opened(folder, "{file: w.pt}").catalogs == {"old": CATALOG}


def test_safetensors(folder: Path) -> None:
    save_file(WEIGHTS, folder / "rules" / "w.safetensors")
    found = opened(folder, "{file: w.safetensors}")
    assert found.catalogs == {"old": CATALOG}
    assert torch.equal(found.tensor("old", "enc.weight"), WEIGHTS["enc.weight"])


def test_tensors_at_hand_and_other_files_replace_a_source(folder: Path) -> None:
    assert opened(folder, "{file: gone.pt}", {"old": WEIGHTS}).catalogs == {"old": CATALOG}
    torch.save(WEIGHTS, folder / "other.pt")
    assert opened(folder, "{file: gone.pt}", {"old": folder / "other.pt"}).catalogs == {"old": CATALOG}


def test_a_source_that_nothing_loads_from_is_not_opened() -> None:
    text = 'initrules: 1\nsources: {old: {file: gone.pt}}\nrules: [{rule: r, select: "**", set: {"*": zeros}}]'
    assert sources.read(ruleset.from_text(text)).catalogs == {}


@pytest.mark.parametrize(("given", "files"), [
    pytest.param(None, ("rules/w.pt",), id="as the rules name it"),
    pytest.param({"old": "other.pt"}, ("other.pt",), id="another file"),
    pytest.param({"old": WEIGHTS}, (), id="tensors at hand"),
])  # fmt: skip
def test_which_files_are_read(
    folder: Path, given: dict[str, Any] | None, files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether they are there or not; a source that nothing loads from is none of them."""
    monkeypatch.chdir(folder)
    text = RULES.replace("SOURCE", "{file: w.pt}, idle: {file: idle.pt}")
    Path("rules/r.yaml").write_text(text, encoding="utf-8")
    assert sources.files(ruleset.load("rules/r.yaml"), given) == files


def test_folders_can_be_allowed(folder: Path) -> None:
    torch.save(WEIGHTS, folder / "w.pt")
    assert opened(folder, "{file: ../w.pt}", allow=(folder,)).catalogs == {"old": CATALOG}


class Code:
    """Pickles as a call of os.getcwd."""

    def __reduce__(self) -> Any:
        return os.getcwd, ()


def test_a_pickle_that_wants_code_is_refused_and_does_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (folder / "rules" / "w.pt").open("wb") as file:
        torch.save({"q": Code()}, file)
    called: list[None] = []
    monkeypatch.setattr(os, "getcwd", lambda: called.append(None))
    with pytest.raises(Problems) as caught:
        opened(folder, "{file: w.pt}")
    assert not called
    lines = str(caught.value).split("\n")
    assert "holds more than weights, and reading it would run code" in lines[0]
    assert lines[-1] == "  Save the weights alone where it was made: torch.save(model.state_dict(), FILE)."


@pytest.mark.parametrize(
    ("make", "source", "wanted"),
    [
        pytest.param(None, "{file: w.pt}", "the source 'old' has no file 'rules/w.pt'", id="no file"),
        pytest.param(None, "{file: ../w.pt}", "'rules/../w.pt' lies outside the folder of the rule file", id="outside"),
        pytest.param(b"junk", "{file: w.safetensors}",
                     "'rules/w.safetensors' cannot be read: Error while deserializing header: header too small",
                     id="junk"),
        pytest.param(WEIGHTS, "{file: w.pt, key: encoder}",
                     "the source 'old' has nothing under the key 'encoder'", id="no such key"),
        pytest.param([1, 2], "{file: w.pt}", "the source 'old' holds no weights but a list", id="a list"),
        pytest.param({"step": 3}, "{file: w.pt}", "the source 'old' holds no weights but a mapping without tensors",
                     id="no weights"),
    ],
)  # fmt: skip
def test_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, make: Any, source: str, wanted: str) -> None:
    monkeypatch.chdir(folder)
    if isinstance(make, bytes):
        Path("rules/w.safetensors").write_bytes(make)
    elif make is not None:
        torch.save(make, "rules/w.pt")
    with pytest.raises(Problems) as caught:
        opened(Path(), source)
    problem = caught.value.problems[0]
    assert problem.message == wanted
    assert problem.span is not None
    assert problem.span.place == "rules/r.yaml:2:11"
    assert problem.hint


def test_a_broken_pickle_is_no_traceback(folder: Path) -> None:
    (folder / "rules" / "w.pt").write_bytes(pickle.dumps({"a": 1})[:5])
    with pytest.raises(Problems):
        opened(folder, "{file: w.pt}")


@pytest.mark.parametrize(
    "content", [pytest.param(b"hello", id="a text"), pytest.param(b"", id="empty"), pytest.param(b"e", id="one byte")]
)
def test_what_was_never_a_checkpoint_is_no_traceback(folder: Path, content: bytes) -> None:
    (folder / "rules" / "w.pt").write_bytes(content)
    with pytest.raises(Problems, match=r"w\.pt' cannot be read: it is no checkpoint"):
        opened(folder, "{file: w.pt}")


def test_an_unknown_source_is_refused_by_name(folder: Path) -> None:
    torch.save(WEIGHTS, folder / "rules" / "w.pt")
    with pytest.raises(Problems) as caught:
        opened(folder, "{file: w.pt}", {"odl": WEIGHTS})
    assert str(caught.value) == "unknown source 'odl'\n  Did you mean 'old'?"
