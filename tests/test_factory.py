"""Building the user's model: whatever his code does, the tool says it in one message and goes on."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import torch
from torch import nn

from initrules.errors import ModelError
from initrules.factory import build, function
from support import isolated

HEAD = """
import dataclasses, os, subprocess, sys
import torch
from torch import nn
"""


@pytest.fixture(autouse=True)
def _modules_are_forgotten() -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    yield
    assert sys.path == path
    for name in set(sys.modules) - before:
        if name.startswith(("initrules_model_", "user_")):
            del sys.modules[name]


def written(folder: Path, body: str) -> str:
    file = folder / "user_model.py"
    file.write_text(HEAD + body, encoding="utf-8")
    return str(file)


@isolated
def built(spec: str, device: str = "meta", arguments: Mapping[str, object] = MappingProxyType({})) -> object:
    return build(spec, arguments, device=device)


DEBUG = "--debug shows where it was raised."
ON_META = f"It ran on the meta device, without values; '--device cpu' builds it for real. {DEBUG}"
RETURNS = "It must return an nn.Module, or a dict or dataclass whose values are modules or None."


@pytest.mark.parametrize(
    ("body", "message", "hint"),
    [
        pytest.param(
            "def build(): raise ValueError('no')", "the factory '{0}' raised ValueError: no", ON_META, id="raises"
        ),
        pytest.param(
            "def build(): raise ValueError", "the factory '{0}' raised ValueError", ON_META, id="says nothing"
        ),
        pytest.param(
            "class E(Exception):\n  def __str__(self): raise TypeError\ndef build(): raise E",
            "the factory '{0}' raised E",
            ON_META,
            id="an error that cannot be shown",
        ),
        pytest.param("def build(): sys.exit(3)", "the factory '{0}' raised SystemExit: 3", DEBUG, id="sys.exit"),
        pytest.param(
            "class Odd(BaseException): ...\ndef build(): raise Odd('x')",
            "the factory '{0}' raised Odd: x",
            DEBUG,
            id="a BaseException",
        ),
        pytest.param(
            "def build(): raise GeneratorExit", "the factory '{0}' raised GeneratorExit", DEBUG, id="GeneratorExit"
        ),
        pytest.param(
            "def build(): build()",
            "the factory '{0}' raised RecursionError: maximum recursion depth exceeded",
            ON_META,
            id="infinite recursion",
        ),
        pytest.param("def build(): return None", "the factory '{0}' returned None, not a model", RETURNS, id="None"),
        pytest.param(
            "def build(): return 3",
            "the factory '{0}' returned a value of type 'int', not a model",
            RETURNS,
            id="an int",
        ),
        pytest.param(
            "def build(): return 'x'",
            "the factory '{0}' returned a value of type 'str', not a model",
            RETURNS,
            id="text",
        ),
        pytest.param(
            "def build(): return nn.Linear",
            "the factory '{0}' returned a value of type 'type', not a model",
            RETURNS,
            id="a class",
        ),
        pytest.param("build = 3", "'{0}' is a int, not a function that builds a model", None, id="no function"),
        pytest.param(
            "def build(n): return n",
            "the factory '{0}' cannot be called like this: missing a required argument: 'n'",
            "Give it with --arg; it takes 'n'.",
            id="a missing argument",
        ),
        pytest.param("def biuld(): ...", "'{1}' has no 'build'", "Did you mean 'biuld'?", id="no such function"),
        pytest.param("def build(:", "importing '{1}' raised SyntaxError: ", DEBUG, id="a syntax error"),
        pytest.param(
            "import no_such_module_1",
            "importing '{1}' failed: No module named 'no_such_module_1'",
            "Install what it imports.",
            id="a missing import",
        ),
        pytest.param(
            "import user_model.x",
            "importing '{1}' failed: No module named 'user_model.x'; 'user_model' is not a package",
            "Install what it imports.",
            id="an import of itself",
        ),
        pytest.param(
            "1 / 0", "importing '{1}' raised ZeroDivisionError: division by zero", DEBUG, id="an import that fails"
        ),
        pytest.param("sys.exit('bye')", "importing '{1}' raised SystemExit: bye", DEBUG, id="an import that leaves"),
        pytest.param(
            "def __getattr__(name): raise OSError('odd')",
            "importing '{1}' raised OSError: odd",
            DEBUG,
            id="an attribute that fails",
        ),
    ],
)
def test_what_goes_wrong_is_said(tmp_path: Path, body: str, message: str, hint: str | None) -> None:
    file = written(tmp_path, body)
    with pytest.raises(ModelError) as caught:
        built(f"{file}:build")
    expected = message.format(f"{file}:build", file)
    assert caught.value.message == expected or ("SyntaxError" in expected and caught.value.message.startswith(expected))
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        pytest.param(
            "no/such.py:build",
            "there is no file 'no/such.py'",
            "The path is relative to the current folder.",
            id="file",
        ),
        pytest.param(
            "no_such_1:build",
            "there is no module 'no_such_1'",
            "Install it, or give a file: 'path/to/file.py:function'.",
            id="module",
        ),
        pytest.param(
            "no_such_1.deep:build",
            "there is no module 'no_such_1'",
            "Install it, or give a file: 'path/to/file.py:function'.",
            id="module in a package",
        ),
        pytest.param("torch.nn:Liner", "'torch.nn' has no 'Liner'", "Did you mean 'Linear'?", id="attribute"),
        pytest.param("math:pi.real.x", "'math' has no 'x'", None, id="attribute of a number"),
        pytest.param(
            "examples/ppo.py",
            "'examples/ppo.py' names no factory",
            "Write 'path/to/file.py:function' or 'package.module:function'.",
            id="no colon",
        ),
        pytest.param(
            ":build",
            "':build' names no factory",
            "Write 'path/to/file.py:function' or 'package.module:function'.",
            id="no module",
        ),
        pytest.param("..x:build", None, DEBUG, id="a relative module"),
    ],
)
def test_what_is_not_there_is_said(spec: str, message: str | None, hint: str | None) -> None:
    with pytest.raises(ModelError) as caught:
        built(spec)
    assert message is None or caught.value.message == message
    assert hint is None or caught.value.hint == hint


def test_an_unknown_device_is_no_fault_of_the_factory() -> None:
    with pytest.raises(ModelError, match=r"^'nowhere' is no device"):
        built("torch.nn:Identity", "nowhere")


@pytest.mark.parametrize(
    ("given", "hint"), [({"wdith": 3}, "Did you mean 'width'?"), ({"x": 1}, "Choose one of 'depth', 'width'.")]
)
def test_an_unknown_argument_is_named(tmp_path: Path, given: dict[str, object], hint: str) -> None:
    file = written(tmp_path, "def build(width=1, depth=2): return nn.Identity()")
    with pytest.raises(ModelError) as caught:
        built(f"{file}:build", arguments=given)
    name = next(iter(given))
    assert caught.value.message == (
        f"the factory '{file}:build' cannot be called like this: got an unexpected keyword argument '{name}'"
    )
    assert caught.value.hint == hint


def test_values_on_the_meta_device_are_explained(tmp_path: Path) -> None:
    body = "class Net(nn.Linear):\n  def __init__(self): super().__init__(2, 2); self.top = self.weight.max().item()"
    file = written(tmp_path, body)
    with pytest.raises(ModelError) as caught:
        built(f"{file}:Net")
    assert caught.value.hint == ON_META
    assert isinstance(built(f"{file}:Net", "cpu"), nn.Linear)


def test_an_interrupt_from_the_keyboard_goes_on(tmp_path: Path) -> None:
    for body in ("def build(): raise KeyboardInterrupt", "raise KeyboardInterrupt"):
        with pytest.raises(KeyboardInterrupt):
            built(f"{written(tmp_path, body)}:build")


def test_a_circle_of_imports_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "user_a.py").write_text("from user_b import b\na = 1")
    (tmp_path / "user_b.py").write_text("from user_a import a\nb = 1")
    with pytest.raises(
        ModelError, match="raised ImportError: cannot import name 'a' from partially initialized module"
    ):
        built(f"{written(tmp_path, 'from user_a import a')}:build")


def test_modules_beside_the_file_are_found_when_it_runs_too(tmp_path: Path) -> None:
    (tmp_path / "user_helper.py").write_text("WIDTH = 5")
    file = written(tmp_path, "def build():\n  from user_helper import WIDTH\n  return nn.Linear(WIDTH, 1)")
    model = built(f"{file}:build")
    assert isinstance(model, nn.Linear)
    assert model.in_features == 5


def test_modules_of_the_current_folder_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "class Nets:\n  small = nn.Identity()\n  @staticmethod\n  def make(): return nn.ReLU()")
    assert isinstance(built("user_model:Nets.small"), nn.Identity)
    assert isinstance(built("user_model:Nets.make"), nn.ReLU)


def test_dataclasses_and_dicts_are_models(tmp_path: Path) -> None:
    body = """
@dataclasses.dataclass
class Nets:
    q: nn.Module
    v: nn.Module | None = None
def as_dict(): return {"q": nn.Identity(), "v": None}
def as_dataclass(): return Nets(nn.Identity())
"""
    file = written(tmp_path, body)
    assert isinstance(built(f"{file}:as_dict"), dict)
    assert type(built(f"{file}:as_dataclass")).__name__ == "Nets"


def test_the_model_is_built_on_the_device(tmp_path: Path) -> None:
    file = written(tmp_path, "def build(): return nn.Linear(2, 2)")
    for device in ("meta", "cpu"):
        model = built(f"{file}:build", device)
        assert isinstance(model, nn.Linear)
        assert model.weight.device == torch.device(device)


def test_what_a_factory_prints_goes_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    body = """
print("imported")
def build():
    print("printed"); sys.stdout.flush(); os.write(1, b"written\\n"); subprocess.run(["echo", "child"])
    return nn.Identity()
"""
    built(f"{written(tmp_path, body)}:build")
    sys.stdout.write(json.dumps("ours"))
    said = capfd.readouterr()
    assert said.out == '"ours"'
    assert sorted(said.err.split()) == ["child", "imported", "printed", "written"]


def test_a_closed_stdout_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(_: int) -> int:
        raise OSError(9, "Bad file descriptor")

    monkeypatch.setattr(os, "dup", closed)
    assert isinstance(built(f"{written(tmp_path, 'def build(): return nn.Identity()')}:build"), nn.Identity)


def test_a_factory_cannot_move_the_working_folder(tmp_path: Path) -> None:
    here = Path.cwd()
    built(f"{written(tmp_path, 'def build(): os.chdir(os.sep); return nn.Identity()')}:build")
    assert Path.cwd() == here
    with contextlib.suppress(ModelError):
        built(f"{written(tmp_path, 'os.chdir(os.sep); 1 / 0')}:build")
    assert Path.cwd() == here


def test_a_callable_without_a_signature_is_called() -> None:
    with pytest.raises(ModelError, match=r"returned a value of type 'dict'|raised"):
        built("builtins:type")


def test_a_function_is_imported_with_what_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "beside_it.py").write_text("VALUE = 7\n")
    (tmp_path / "code.py").write_text("def late():\n    import beside_it\n    return beside_it.VALUE\nnumber = 3\n")
    assert function(f"{tmp_path}/code.py:late")() == 7
    with pytest.raises(ModelError) as caught:
        function(f"{tmp_path}/code.py:number")
    assert str(caught.value) == f"'{tmp_path}/code.py:number' is a int, not a function"
