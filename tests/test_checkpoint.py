"""Saving: whole or not at all, each tensor once, equal contents in equal bytes."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model
from torch import Tensor, nn

from initrules.checkpoint import check_target, save
from initrules.errors import ApplyError
from support import isolated
from writing import Tied


def aliases(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def test_tied_weights_are_written_once_and_load_again(tmp_path: Path) -> None:
    model, path = isolated(Tied)(), tmp_path / "a.safetensors"
    saved = save(model, str(path), {"k": "v"})
    assert saved == (path.stat().st_size, ())
    assert [*load_file(path)] == ["embed.weight"]
    assert aliases(path) == {"format": "pt", "k": "v", "out.weight": "embed.weight"}
    fresh = isolated(Tied)()
    assert not any(load_model(fresh, path))
    assert torch.equal(fresh.out.weight, model.out.weight)


def test_metadata_is_sorted(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(isolated(nn.Linear)(2, 2), str(path), {f"k{at}": f"é{at}" for at in range(30)})
    content = path.read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert list(header["__metadata__"]) == sorted(header["__metadata__"])
    assert load_file(path).keys() == {"weight", "bias"}


@dataclass
class Nets:
    q: nn.Module
    v: nn.Module | None = None


@pytest.mark.parametrize("root", [lambda net: {"q": net, "v": None}, Nets, lambda net: {"q": net}])
def test_roots_of_several_modules(tmp_path: Path, root: Any) -> None:
    net, path = isolated(nn.Linear)(2, 2), tmp_path / "a.safetensors"
    save(root(net), str(path), {})
    values = load_file(path)
    assert values.keys() == {"q.weight", "q.bias"}
    again = isolated(nn.Linear)(2, 2)
    again.load_state_dict({name.removeprefix("q."): value for name, value in values.items()})
    assert torch.equal(again.weight, net.weight)


class Views(nn.Module):
    """Buffers that overlap, are transposed, or are empty."""

    def __init__(self) -> None:
        super().__init__()
        base = torch.arange(6.0).reshape(2, 3)
        self.base: Tensor
        for name, value in {
            "base": base,
            "row": base[0],
            "turned": base.T,
            "none": base[:0],
            "empty": base[:0],
        }.items():
            self.register_buffer(name, value)


def test_views_are_written_as_tensors_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save(Views(), str(path), {})
    values = load_file(path)
    assert values["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert values["row"].tolist() == [0, 1, 2]
    assert values.keys() == {"base", "row", "turned", "none", "empty"}


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    path, other = tmp_path / "a.safetensors", tmp_path / "other"
    other.touch()
    save(nn.Identity(), str(path), {})
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(other.stat().st_mode)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("a.pt", "'{}' does not end in '.safetensors'", id="another format"),
        pytest.param("folder.safetensors", "'{}' is a folder", id="a folder"),
        pytest.param("no/a.safetensors", "there is no folder '{0.parent}'", id="no folder"),
    ],
)
def test_what_cannot_be_written_is_said_before(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder.safetensors").mkdir()
    path = tmp_path / name
    with pytest.raises(ApplyError) as caught:
        check_target(str(path))
    assert caught.value.message == message.format(path)


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ApplyError, match="cannot be written to"):
        check_target(str(tmp_path / "a.safetensors"))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(PermissionError(13, "Permission denied"), "Permission denied", id="no permission"),
        pytest.param(
            SafetensorError("I/O error: No space left on device"), "I/O error: No space left on device", id="full"
        ),
        pytest.param(ValueError("sparse"), "sparse", id="a tensor that the format has not"),
    ],
)
@pytest.mark.parametrize("place", ["initrules.checkpoint.save_file", "tempfile.mkstemp"])
def test_a_failure_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str, place: str
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    path = tmp_path / "a.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr(place, fails)
    with pytest.raises(ApplyError) as caught:
        save(nn.Identity(), str(path), {})
    assert caught.value.message == f"'{path}' cannot be written: {reason}"
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


def test_a_model_that_holds_itself_is_refused_in_words(tmp_path: Path) -> None:
    model = isolated(nn.Sequential)(isolated(nn.Linear)(2, 2))
    model.add_module("me", model)
    with pytest.raises(ApplyError) as caught:
        save(model, str(tmp_path / "m.safetensors"), {})
    assert caught.value.message == "the model holds itself, so that torch cannot list its state"
