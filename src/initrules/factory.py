"""Builds the user's model from ``package.module:factory`` or ``path/to/file.py:factory``.

This is the only place that runs the user's code.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

from initrules.errors import ModelError, suggestion
from initrules.survey import root_entries

T = TypeVar("T")


def build(spec: str, arguments: Mapping[str, Any], *, device: str = "meta") -> Any:
    """Import the factory and call it, with new tensors on ``device``; what it prints goes to stderr.

    Raises ``ModelError`` when there is no such factory, it fails, or it returns no model. Whatever
    it raises is caught, ``SystemExit`` too; only an interrupt from the keyboard goes on.
    """
    _check_device(device)
    where, name = _split(spec)
    folder = Path(where).resolve().parent if where.endswith(".py") else Path.cwd()
    with _on_stderr(), _back_here(), _importable(folder):
        factory = _attribute(where, name)
        model = factory if isinstance(factory, nn.Module) else _call(spec, factory, arguments, device)
    if not isinstance(model, nn.Module) and root_entries(model) is None:
        kind = "None" if model is None else f"a value of type '{type(model).__name__}'"
        hint = "It must return an nn.Module, or a dict or dataclass whose values are modules or None."
        raise ModelError(f"the factory '{spec}' returned {kind}, not a model", hint=hint)
    return model


def example_inputs(spec: str | None, model: str) -> Any:
    """What a function of the user's gives to run the model on, on the CPU; what it prints goes to stderr.

    ``spec``: as for a factory; None for the function ``example_inputs`` beside the model's factory, if there is one.
    Returns None when there is not. Raises ``ModelError`` when it fails.
    """
    where, name = _split(spec) if spec is not None else (_split(model)[0], "example_inputs")
    folder = Path(where).resolve().parent if where.endswith(".py") else Path.cwd()
    with _on_stderr(), _back_here(), _importable(folder):
        if spec is None and not _has(where, name):
            return None
        found = _attribute(where, name)
        if not callable(found):
            return found
        try:
            with torch.device("cpu"):
                return found()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            hint = "It is called without arguments; '--inputs file.py:function' names another."
            raise ModelError(f"the inputs '{where}:{name}' raised {_said(error)}", hint=hint) from error


def _has(where: str, name: str) -> bool:
    module = _from_file(where) if where.endswith(".py") else _run(where, lambda: importlib.import_module(where))
    return getattr(module, name, None) is not None


def function(spec: str) -> Callable[..., Any]:
    """Import a function; modules beside its file can be imported from now on.

    Raises ``ModelError`` when there is no such function, or importing it raises anything but an interrupt.
    """
    where, name = _split(spec)
    sys.path.insert(0, str(Path(where).resolve().parent if where.endswith(".py") else Path.cwd()))
    found = _attribute(where, name)
    if not callable(found):
        raise ModelError(f"'{spec}' is a {type(found).__name__}, not a function")
    return found  # type: ignore[no-any-return]


def _call(spec: str, factory: Any, arguments: Mapping[str, Any], device: str) -> Any:
    if not callable(factory):
        raise ModelError(f"'{spec}' is a {type(factory).__name__}, not a function that builds a model")
    _check_arguments(spec, factory, arguments)
    try:
        with torch.device(device):
            return factory(**arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        hint = "--debug shows where it was raised."
        if device == "meta" and isinstance(error, Exception):
            hint = "It ran on the meta device, without values; '--device cpu' builds it for real. " + hint
        raise ModelError(f"the factory '{spec}' raised {_said(error)}", hint=hint) from error


def _check_arguments(spec: str, factory: Any, arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the factory does not take, where its signature says so."""
    try:
        signature = inspect.signature(factory)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        unknown = [key for key in arguments if key not in signature.parameters]
        names = ", ".join(f"'{name}'" for name in signature.parameters)
        hint = suggestion(unknown[0], signature.parameters) if unknown else f"Give it with --arg; it takes {names}."
        raise ModelError(f"the factory '{spec}' cannot be called like this: {error}", hint=hint) from error


def _check_device(device: str) -> None:
    try:
        torch.device(device)
    except RuntimeError:
        raise ModelError(f"'{device}' is no device", hint="Choose 'meta', 'cpu' or 'cuda', for example.") from None


def _split(spec: str) -> tuple[str, str]:
    where, colon, name = spec.rpartition(":")
    if not colon or not where or not name:
        raise ModelError(
            f"'{spec}' names no factory", hint="Write 'path/to/file.py:function' or 'package.module:function'."
        )
    return where, name


def _attribute(where: str, name: str) -> Any:
    found: Any = _from_file(where) if where.endswith(".py") else _run(where, lambda: importlib.import_module(where))
    for part in name.split("."):
        public = [attribute for attribute in dir(found) if not attribute.startswith("_")]
        missing = object()
        found = _run(where, functools.partial(getattr, found, part, missing))
        if found is missing:
            raise ModelError(f"'{where}' has no '{part}'", hint=suggestion(part, public))
    return found


def _said(error: BaseException) -> str:
    """The kind of an error and its text, whatever its author made of ``str``."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


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
    try:
        _run(where, lambda: found.loader.exec_module(module))  # type: ignore[union-attr]
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _run(where: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except KeyboardInterrupt:
        raise
    except ModuleNotFoundError as error:
        if error.name and (where == error.name or where.startswith(f"{error.name}.")):
            raise ModelError(
                f"there is no module '{error.name}'", hint="Install it, or give a file: 'path/to/file.py:function'."
            ) from error
        raise ModelError(f"importing '{where}' failed: {error}", hint="Install what it imports.") from error
    except BaseException as error:
        raise ModelError(
            f"importing '{where}' raised {_said(error)}", hint="--debug shows where it was raised."
        ) from error


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let modules beside the user's file be imported, as Python does for a script."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


@contextlib.contextmanager
def _on_stderr() -> Iterator[None]:
    """Send what is printed to stderr, also by C code and child processes, so that stdout stays what it promises."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        kept = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # one of them is closed
        kept = None
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


@contextlib.contextmanager
def _back_here() -> Iterator[None]:
    """Come back to the folder that paths on the command line are relative to."""
    here = Path.cwd()
    try:
        yield
    finally:
        os.chdir(here)
