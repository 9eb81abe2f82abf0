"""Writes initialised models to files: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn

from initrules.errors import ApplyError
from initrules.survey import root_entries


def save(model: Any, path: str, metadata: Mapping[str, str]) -> int:
    """Write the state of a model as safetensors, atomically; the number of bytes written.

    Tied tensors are written once; the other names stand in the metadata, where
    ``safetensors.torch.load_model`` looks for them. Raises ``ApplyError``; then nothing is changed.
    """
    check_target(path)
    target = Path(path)
    tensors, aliases = _once(_state(model))
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        save_file(tensors, temporary, {**metadata, **aliases, "format": "pt"})
        size = Path(temporary).stat().st_size
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(target)
    except OSError as error:
        raise ApplyError(f"'{path}' cannot be written: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
    return size


def check_target(path: str) -> None:
    """Refuse a file that cannot be written. Raises ``ApplyError``."""
    target = Path(path)
    if target.suffix != ".safetensors":
        raise ApplyError(f"'{path}' does not end in '.safetensors'", hint="Only safetensors files are written.")
    if not target.parent.is_dir():
        raise ApplyError(f"there is no folder '{target.parent}'", hint="Make it first.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _state(model: Any) -> dict[str, torch.Tensor]:
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
