"""Where the tensors behind the names of an inventory live in a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from initrules.decision import Row
from initrules.sharding import is_sharded, unknown_placement
from initrules.survey import modules_by_path, root_entries
from initrules.wrapped import chains

_PLAIN = (nn.Parameter, torch.Tensor)


class Place(NamedTuple):
    """Where one name of a parameter lives in the model."""

    owner: nn.Module
    local: str
    parametrized: bool = False

    @property
    def chain(self) -> Any:
        """The parametrizations of a parametrized weight, or the old hook that does their work."""
        return dict(chains(self.owner))[self.local]

    def tensor(self) -> torch.Tensor:
        """The tensor that is stored: of a parametrized weight the first original."""
        if self.parametrized:
            original: torch.Tensor = self.chain.original if self.chain.is_tensor else self.chain.original0
            return original
        found: torch.Tensor | None = self.owner._parameters.get(self.local)
        if found is None:
            found = self.owner._buffers[self.local]
            assert found is not None
        return found

    def is_plain(self) -> bool:
        """Whether it is a dense tensor of its own that anything may be written into."""
        if self.parametrized:
            return False
        tensor = self.tensor()
        return type(tensor) in _PLAIN and tensor.is_contiguous() and not tensor.is_inference()

    def replace(self, tensor: torch.Tensor) -> None:
        """Put another tensor in its place."""
        setattr(self.owner, self.local, tensor)  # some modules, RNNs among them, keep a list of their own


def places_of(model: Any) -> Mapping[str, Place]:
    """The owner and local name behind every name in the inventory."""
    found: dict[str, Place] = {}
    for path, _, module in modules_by_path(model):
        if isinstance(module, nn.Module):
            prefix = f"{path}." if path else ""
            for local, tensor in (*module._parameters.items(), *module._buffers.items()):
                if tensor is not None:
                    found[prefix + local] = Place(module, local)
            if module._forward_pre_hooks or "parametrizations" in module._modules:
                found.update((prefix + local, Place(module, local, parametrized=True)) for local, _ in chains(module))
    return found


def unwritable(place: Place, tensor: torch.Tensor) -> str | None:
    """Why a tensor cannot be written, or None."""
    if nn.parameter.is_lazy(tensor):
        return None  # the plan has said so
    if tensor.is_inference():
        return "was made in inference mode, so that it cannot be written"
    if is_sharded(tensor):
        if place.parametrized:
            return "is parametrized and sharded; apply the plan before sharding"
        unknown = unknown_placement(tensor)
        return f"is placed as {unknown}, which holds no elements of it" if unknown else None
    if tensor.layout != torch.strided:
        return f"is stored as {tensor.layout}, and only dense tensors can be written"
    if any(stride == 0 and size > 1 for stride, size in zip(tensor.stride(), tensor.shape, strict=True)):
        return "is expanded: several of its entries are one number in memory"
    if place.parametrized:
        if tensor.device.type == "meta":
            return "is parametrized and on the meta device; build the model under 'no_init()' on a real one"
        lacking = [type(one).__name__ for one in place.chain if not hasattr(one, "right_inverse")]
        if lacking:
            return f"is wrapped in {lacking[0]}, which has no right_inverse to write through"
    return None


def half_wrapped(row: Row, places: Mapping[str, Place]) -> str | None:
    """Why a tied tensor cannot be written that only some of its modules wrap, or None."""
    if len(row.parameter.names) == 1:
        return None
    wrapped = {places[name.path].parametrized: name.path for name in row.parameter.names}
    if len(wrapped) < 2:
        return None
    return (
        f"is one tensor with '{wrapped[False]}', but '{wrapped[True]}' is parametrized: "
        "no value suits both; untie the two, or leave it out of the rules"
    )


def materialise_(row: Row, places: Mapping[str, Place], device: torch.device) -> None:
    """Give a tensor on the meta device memory; all its names get the same one."""
    old = places[row.path].tensor()
    if is_sharded(old):
        made = torch.empty_like(old, device=device)
    else:
        made = torch.empty_strided(old.shape, old.stride(), dtype=old.dtype, device=device)
    new = nn.Parameter(made, old.requires_grad) if isinstance(old, nn.Parameter) else made
    for name in row.parameter.names:
        places[name.path].replace(new)


def move_(model: Any, device: torch.device) -> None:
    """Move what is not on a device there; what was one tensor stays one."""
    moved: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # with the old one, so that no id is used again

    def there(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in moved:
            moved[id(tensor)] = (tensor, tensor.to(device))
        return moved[id(tensor)][1]

    home = torch.empty(0, device=device).device  # with its index
    entries = root_entries(model)
    for module in [model] if entries is None else entries.values():
        if any(tensor.device != home for tensor in (*module.parameters(), *module.buffers())):
            module._apply(there)
