"""Sharded parameters: which elements of a DTensor lie on this rank, with PyTorch's own way of splitting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from initrules.sections import Section, grid, whole


def is_sharded(tensor: torch.Tensor) -> bool:
    """Whether a tensor is a DTensor, of any placement."""
    return hasattr(tensor, "placements")


def is_divided(tensor: torch.Tensor) -> bool:
    """Whether DeepSpeed's ZeRO-3 has taken the elements of a parameter away, and has not gathered them."""
    return hasattr(tensor, "ds_shape") and not tensor.numel()


def unknown_placement(tensor: Any) -> str | None:
    """The placement of a DTensor that holds no elements of the parameter, or None."""
    return next((str(one) for one in tensor.placements if not (one.is_replicate() or hasattr(one, "dim"))), None)


def indices(tensor: Any) -> tuple[torch.Tensor, ...]:
    """For each dimension of a DTensor, the indices of it that lie on this rank, in local order."""
    found = [torch.arange(size, device="cpu") for size in tensor.shape]
    mesh = tensor.device_mesh
    coordinate = mesh.get_coordinate()
    if coordinate is None:  # this rank has no part in the mesh
        return tuple(one[:0] for one in found)
    for axis, placement in enumerate(tensor.placements):
        if not placement.is_replicate():
            found[placement.dim] = _piece(
                placement, found[placement.dim], mesh.size(axis), coordinate[axis], tensor.ndim
            )
    return tuple(found)


def _piece(placement: Any, index: torch.Tensor, ranks: int, rank: int, dimensions: int) -> torch.Tensor:
    """What a placement leaves of the indices of the dimension that it splits."""
    shape = [1] * dimensions
    shape[placement.dim] = -1
    pieces, _ = placement._split_tensor(index.view(shape), ranks, with_padding=False, contiguous=False)
    piece: torch.Tensor = pieces[rank].reshape(-1)
    return piece


def local(tensor: torch.Tensor) -> tuple[torch.Tensor, Section]:
    """What of a tensor lies in this process, and which elements of the whole these are."""
    if not is_sharded(tensor):
        return tensor, whole(tensor.numel())
    sharded: Any = tensor
    return sharded._local_tensor, grid(tuple(tensor.shape), [one.numpy() for one in indices(tensor)])


def gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor; every rank of its mesh must ask at the same time."""
    sharded: Any = tensor
    found: torch.Tensor = sharded.full_tensor() if is_sharded(tensor) else tensor
    return found


def put_(tensor: torch.Tensor, value: torch.Tensor) -> None:
    """Write a whole value into a tensor: of a DTensor into what lies on this rank."""
    if not is_sharded(tensor):
        tensor.copy_(value)
        return
    sharded: Any = tensor
    for dimension, index in enumerate(indices(tensor)):
        if len(index) != value.shape[dimension]:
            value = value.index_select(dimension, index.to(value.device))
    sharded._local_tensor.copy_(value)


def clear_row_(tensor: torch.Tensor, row: int) -> None:
    """Set one row of dimension 0 to zero, wherever it lies."""
    if not is_sharded(tensor):
        tensor[row] = 0
        return
    sharded: Any = tensor
    here = indices(tensor)[0] == row % tensor.shape[0]
    sharded._local_tensor[here.to(sharded._local_tensor.device)] = 0


def settle_shards_(modules: Iterable[nn.Module]) -> None:
    """Make FSDP2 take up parameters that were replaced: it keeps their memory a second time, in flat form."""
    for module in modules:
        if any(kind.__name__ == "FSDPModule" for kind in type(module).__mro__):
            module._apply(lambda tensor: tensor)  # type: ignore[no-untyped-call]


def meshes(tensors: Iterable[torch.Tensor]) -> Sequence[Any]:
    """The device meshes of all sharded tensors, each once."""
    found: dict[int, Any] = {}
    for tensor in tensors:
        if is_sharded(tensor):
            sharded: Any = tensor
            found.setdefault(id(sharded.device_mesh), sharded.device_mesh)
    return tuple(found.values())
