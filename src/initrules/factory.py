"""Builds the user's model from ``package.module:factory`` or ``path/to/file.py:factory``.

This is the only place that runs the user's code.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

from initrules.errors import ModelError, suggestion

T = TypeVar("T")


def build(spec: str, arguments: Mapping[str, Any], *, device: str = "meta") -> Any:
    """Import the factory and call it, with new tensors on ``device``; what it prints goes to stderr.

    Raises ``ModelError`` when there is no such factory or it fails.
    """
    with contextlib.redirect_stdout(sys.stderr):
        factory = _factory(spec)
        if isinstance(factory, nn.Module):
            return factory
        if not callable(factory):
            raise ModelError(f"'{spec}' is a {type(factory).__name__}, not a function that builds a model")
        return _call(spec, factory, arguments, device)


def _call(spec: str, factory: Callable[..., Any], arguments: Mapping[str, Any], device: str) -> Any:
    try:
        with torch.device(device):
            return factory(**arguments)
    except Exception as error:
        hint = "--debug shows where it was raised."
        if device == "meta":
            hint = "It ran on the meta device, without values; '--device cpu' builds it for real. " + hint
        raise ModelError(f"the factory '{spec}' raised {type(error).__name__}: {error}", hint=hint) from error


def _factory(spec: str) -> Any:
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ModelError(
            f"'{spec}' names no factory", hint="Write 'path/to/file.py:function' or 'package.module:function'."
        )
    module = _from_file(where) if where.endswith(".py") else _from_package(where)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            public = [attribute for attribute in vars(found) if not attribute.startswith("_")]
            raise ModelError(f"'{where}' has no '{part}'", hint=suggestion(part, public))
        found = getattr(found, part)
    return found


def _from_file(where: str) -> ModuleType:
    path = Path(where).resolve()
    if not path.is_file():
        raise ModelError(f"there is no file '{where}'", hint="The path is relative to the current folder.")
    name = f"initrules_model_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up while they are made
    with _importable(path.parent):
        _run(where, lambda: found.loader.exec_module(module))  # type: ignore[union-attr]
    return module


def _from_package(where: str) -> ModuleType:
    with _importable(Path.cwd()):
        return _run(where, lambda: importlib.import_module(where))


def _run(where: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise ModelError(
                f"there is no module '{error.name}'", hint="Install it, or give a file: 'path/to/file.py:function'."
            ) from error
        raise ModelError(f"importing '{where}' failed: {error}", hint="Install what it imports.") from error
    except Exception as error:
        raise ModelError(
            f"importing '{where}' raised {type(error).__name__}: {error}", hint="--debug shows where it was raised."
        ) from error


@contextlib.contextmanager
def _importable(folder: Path) -> Any:
    """Let modules beside the user's file be imported, as Python does for a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
