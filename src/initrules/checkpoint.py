"""Writes initialised models to files: whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import nn

from initrules.errors import ApplyError
from initrules.survey import root_entries


class Saved(NamedTuple):
    """What was written: the number of bytes, and the entries of the state that are no tensors."""

    size: int
    left_out: tuple[str, ...]


def save(model: Any, path: str, metadata: Mapping[str, str]) -> Saved:
    """Write the state of a model as safetensors, atomically.

    Tied tensors are written once; the other names stand in the metadata, where
    ``safetensors.torch.load_model`` looks for them. Raises ``ApplyError``; then nothing is changed.
    """
    check_target(path)
    target = Path(path)
    try:
        state = _state(model)
    except RecursionError:
        hint = "Take the module out of itself before saving; in Python 'apply_' works as it is."
        raise ApplyError("the model holds itself, so that torch cannot list its state", hint=hint) from None
    left_out = tuple(name for name, value in state.items() if not isinstance(value, torch.Tensor))
    tensors, aliases = _once({name: value for name, value in state.items() if name not in left_out})
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
        os.close(handle)
        save_file(tensors, temporary, {**metadata, **aliases, "format": "pt"})
        _order(Path(temporary))
        size = Path(temporary).stat().st_size
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        raise ApplyError(f"'{path}' cannot be written: {error.strerror or error}") from error
    except (SafetensorError, ValueError, KeyError) as error:
        raise ApplyError(f"'{path}' cannot be written: {error}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
    return Saved(size, left_out)


def _order(path: Path) -> None:
    """Sort the metadata, which safetensors writes in random order: equal contents become equal bytes."""
    with path.open("r+b") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        if len(text) <= length:
            file.seek(8)
            file.write(text.ljust(length))


def check_target(path: str) -> None:
    """Refuse a file that cannot be written. Raises ``ApplyError``."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise ApplyError(f"'{path}' does not end in '.safetensors'", hint="Only safetensors files are written.")
    if target.is_dir():
        raise ApplyError(f"'{path}' is a folder", hint="Name a file in it.")
    if not target.parent.is_dir():
        raise ApplyError(f"there is no folder '{target.parent}'", hint="Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise ApplyError(f"the folder '{target.parent}' cannot be written to", hint="Choose another one.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _state(model: Any) -> dict[str, Any]:
    if isinstance(model, nn.Module):
        return dict(model.state_dict())
    entries = root_entries(model) or {}
    return {f"{name}.{key}": value for name, module in entries.items() for key, value in module.state_dict().items()}


def _once(state: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Each tensor under its first name, and the first name of every other."""
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    first: dict[Any, str] = {}
    for name, tensor in state.items():
        key = (tensor.data_ptr(), tuple(tensor.shape), tensor.stride()) if tensor.numel() else name
        if key in first:
            aliases[name] = first[key]
        else:
            first[key] = name
            tensors[name] = tensor.detach().contiguous().clone()
    return tensors, aliases
