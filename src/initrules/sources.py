"""Checkpoints that ``load`` reads: opened once, memory-mapped, never running code."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from initrules.calls import nested
from initrules.document import MAX_DEPTH
from initrules.errors import Problems, RuleError, SourceError, suggestion
from initrules.evaluation import Catalog
from initrules.presets import PREFIX
from initrules.rules import CheckpointSource
from initrules.ruleset import RuleSet
from initrules.source import Span

Tensors = Mapping[str, torch.Tensor]


class Sources:
    """The tensors of every checkpoint that the rules load from."""

    def __init__(self, tensors: Mapping[str, Tensors]) -> None:
        self._tensors = tensors

    @property
    def catalogs(self) -> Mapping[str, Catalog]:
        """Names, shapes and dtypes: all that a plan may look at."""
        return {source: {name: (tuple(t.shape), str(t.dtype).removeprefix("torch.")) for name, t in tensors.items()}
                for source, tensors in self._tensors.items()}  # fmt: skip

    def tensor(self, source: str, name: str) -> torch.Tensor:
        """One stored tensor."""
        return self._tensors[source][name]


NO_SOURCES = Sources({})
_EXPLAINED = (SafetensorError, RuntimeError, OSError, EOFError, ValueError)  # whose text a reader understands
_NO_CHECKPOINT = "it is no checkpoint"


def read(rules: RuleSet, given: Mapping[str, Any] | None = None) -> Sources:
    """Open the checkpoints that some rule loads from.

    ``given`` replaces sources by name: another file, or tensors at hand. Files are read only below
    the folders that the rule set may read. Raises ``Problems``.
    """
    tensors: dict[str, Tensors] = {}
    unknown = sorted((given or {}).keys() - rules.sources.keys())
    problems: list[RuleError] = [
        SourceError(f"unknown source '{name}'", None, suggestion(name, rules.sources)) for name in unknown
    ]
    for name in sorted(_used(rules)):
        source, chosen = rules.sources[name], (given or {}).get(name)
        try:
            if isinstance(chosen, Mapping):
                tensors[name] = _selected(chosen, source)
            elif chosen is not None:
                tensors[name] = _opened(Path(str(chosen)), source)
            else:
                tensors[name] = _opened(_located(source, rules), source)
        except SourceError as error:
            problems.append(error)
    if problems:
        raise Problems(problems)
    return Sources(tensors)


def files(rules: RuleSet, given: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The file of every checkpoint that some rule loads from, whether it is there or not; see ``read``."""
    chosen = {name: (given or {}).get(name, _path(rules.sources[name])) for name in sorted(_used(rules))}
    return tuple(str(file) for file in chosen.values() if not isinstance(file, Mapping))


def state_dict(file: str, key: str | None = None) -> Tensors:
    """The tensors of a .safetensors file, or of what ``torch.save`` wrote; ``key``: below this entry only.

    Raises ``SourceError``.
    """
    if not Path(file).is_file():
        raise SourceError(f"there is no file '{file}'", hint="The path is relative to the current folder.")
    return _opened(Path(file), CheckpointSource("weights", file, key, Span(file, 1, 1)))


def metadata(file: str) -> Mapping[str, str]:
    """What a .safetensors file says about itself; nothing for other files."""
    if Path(file).suffix != ".safetensors":
        return {}
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def _used(rules: RuleSet) -> set[str]:
    calls = nested(call for rule in rules.rules for declaration in rule.declarations for call in declaration.calls)
    given = {call.given.get("source") for call in calls if call.action.name == "load"}
    return {source for source in given if isinstance(source, str) and source in rules.sources}


def _path(source: CheckpointSource) -> Path:
    origin = source.span.file
    return Path(source.file) if origin.startswith(PREFIX) else Path(origin).parent / source.file


def _located(source: CheckpointSource, rules: RuleSet) -> Path:
    path = _path(source)
    allowed = [Path(folder) for folder in rules.folders] or [Path.cwd()]
    if not any(path.resolve().is_relative_to(folder) for folder in allowed):
        raise SourceError(
            f"'{path}' lies outside the folder of the rule file",
            source.span,
            "'--allow FOLDER' on the command line permits more; '--source NAME=FILE' names a file itself.",
        )
    return path


def _opened(path: Path, source: CheckpointSource) -> Tensors:
    if not path.is_file():
        start = "current folder" if source.span.file.startswith(PREFIX) else "rule file"
        hint = f"The path is relative to the {start}; '--source NAME=FILE' names another."
        raise SourceError(f"the source '{source.name}' has no file '{path}'", source.span, hint)
    try:
        stored = _safetensors(path) if path.suffix == ".safetensors" else _pickled(path, source)
    except SourceError:
        raise
    except Exception as error:  # noqa: BLE001  # torch's unpickler meets other people's bytes with errors of any kind
        reason = str(error).partition("\n")[0][:200] if isinstance(error, _EXPLAINED) and str(error) else _NO_CHECKPOINT
        hint = "Give a .safetensors file, or what torch.save wrote from a state_dict."
        raise SourceError(f"'{path}' cannot be read: {reason}", source.span, hint) from None
    return _selected(stored, source)


def _safetensors(path: Path) -> Tensors:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping


def _loaded(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except RuntimeError as error:
        if "mmap" not in str(error):
            raise
        return torch.load(path, map_location="cpu", weights_only=True)  # the format before torch 1.6


def _pickled(path: Path, source: CheckpointSource) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of files that it then refuses
            return _loaded(path)
    except pickle.UnpicklingError as error:
        reason = str(error).partition("Check the documentation")[0].strip().splitlines()
        wanted = next((line.strip() for line in reason if "GLOBAL" in line), reason[0] if reason else "")
        raise SourceError(
            f"'{path}' holds more than weights, and reading it would run code: {wanted[:160]}",
            source.span,
            "Save the weights alone where it was made: torch.save(model.state_dict(), FILE).",
        ) from None


def _selected(stored: Any, source: CheckpointSource) -> Tensors:
    """The tensors below ``key``, nested names joined with dots."""
    everything = dict(_flattened(stored)) if isinstance(stored, Mapping) else {}
    if source.key is None:
        found = everything
    else:
        prefix = f"{source.key}."
        found = {name.removeprefix(prefix): tensor for name, tensor in everything.items() if name.startswith(prefix)}
    if not found:
        keys = sorted({name.partition(".")[0] for name in everything})
        if source.key is not None and keys:
            missing = f"the source '{source.name}' has nothing under the key '{source.key}'"
            raise SourceError(missing, source.span, suggestion(source.key, keys))
        holds = "a mapping without tensors" if isinstance(stored, Mapping) else f"a {type(stored).__name__}"
        raise SourceError(
            f"the source '{source.name}' holds no weights but {holds}",
            source.span,
            "Save the weights where it was made: torch.save(model.state_dict(), FILE).",
        )
    return found


def _flattened(stored: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, torch.Tensor]]:
    for key, value in stored.items():
        if isinstance(value, torch.Tensor):
            yield f"{prefix}{key}", value
        elif isinstance(value, Mapping) and depth < MAX_DEPTH:
            yield from _flattened(value, f"{prefix}{key}.", depth + 1)
