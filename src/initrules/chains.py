"""Which modules a signal goes through one after the other, where the structure alone says so.

An inventory has no data flow. It is certain in ``nn.Sequential`` itself, whose children run in order
(taken to be called as a whole), and in the blocks listed here, whose code is known. Sub-classes of
``nn.Sequential`` and other modules are opaque: nothing is said about what goes on inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from initrules.activations import Activation, activation_of, own_name
from initrules.expression import Value
from initrules.inventory import Inventory, Module, TypeName


@dataclass(frozen=True, slots=True)
class Link:
    """One module of a chain. ``name``: its position in ``Inventory.names``."""

    name: int
    path: str
    module: Module

    @property
    def kind(self) -> str:
        """The bare name of its class where it is torch's own, ``Linear`` for GPT-2's ``Conv1D``, else ``""``."""
        if own_name(self.module, "transformers.pytorch_utils.") == "Conv1D":
            return "Linear"
        return own_name(self.module) or ""

    @property
    def activation(self) -> Activation | None:
        """The activation that it is."""
        return activation_of(self.module)

    @property
    def affine(self) -> bool:
        """Whether it is a matrix and perhaps a bias."""
        return self.kind in AFFINE

    @property
    def norm(self) -> bool:
        """Whether it normalises, then multiplies by its weight."""
        return self.kind in NORMS

    @property
    def transparent(self) -> bool:
        """Whether zeros stay zeros and the size of a signal stays about what it is."""
        return self.kind in TRANSPARENT


AFFINE = frozenset({"Linear", "Conv1d", "Conv2d", "Conv3d"})
NORMS = frozenset(
    {"BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm", "LayerNorm", "GroupNorm", "RMSNorm",
     "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"}
)  # fmt: skip
TRANSPARENT = frozenset({"Identity", "Flatten", "Unflatten", "Dropout", "Dropout1d", "Dropout2d", "Dropout3d"})


@dataclass(frozen=True, slots=True)
class Chain:
    """Modules in the order in which a signal goes through them.

    ``path``: the module whose code says so. ``whole``: whether what goes in and comes out of that module
    is what goes in and comes out of the chain. ``root``: whether that is the whole model.
    """

    path: str
    links: tuple[Link, ...]
    whole: bool = True
    root: bool = False


# Blocks of transformers: what goes through which of their modules in turn. "whole" marks those that do nothing else.
_FEED_FORWARD = ("fc1", "activation_fn", "fc2")
_BLOCKS: Mapping[str, tuple[bool, tuple[str, ...]]] = {
    **dict.fromkeys(("CLIPMLP", "SiglipMLP", "ViTMLP", "PhiMLP"), (True, _FEED_FORWARD)),
    **dict.fromkeys(("OPTDecoderLayer", "WhisperEncoderLayer", "WhisperDecoderLayer"), (False, _FEED_FORWARD)),
    **dict.fromkeys(
        ("BertLayer", "RobertaLayer", "ElectraLayer"),
        (False, ("intermediate.dense", "intermediate.intermediate_act_fn", "output.dense")),
    ),
    "GPT2MLP": (True, ("c_fc", "act", "c_proj", "dropout")),
    "GPTNeoXMLP": (True, ("dense_h_to_4h", "act", "dense_4h_to_h")),
    "T5DenseActDense": (True, ("wi", "act", "dropout", "wo")),
    "ResNetConvLayer": (True, ("convolution", "normalization", "activation")),
}
# What nn.TransformerEncoderLayer calls between its matrices is a function; it notes which. A member ~n stands for
# the function of the module n.
_FUNCTIONS: Mapping[Value | None, Module] = {
    1: Module((TypeName("ReLU", ("torch.nn.ReLU",)),)),
    2: Module((TypeName("GELU", ("torch.nn.GELU",)),)),
}


def chains(inventory: Inventory) -> Iterator[Chain]:
    """Every chain of an inventory, the longest only: a chain inside another one is part of it."""
    return _Chains(inventory).all()


def _runs_in_turn(module: Module) -> bool:
    """Whether a chain may start at a module of this make."""
    own = own_name(module)
    return own in {"Sequential", "TransformerEncoderLayer"} or own_name(module, "transformers.models.") in _BLOCKS


class _Chains:
    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._children: dict[int, dict[str, int]] = {}
        self._starting = self._candidates()
        if self._starting:
            for position, name in enumerate(inventory.names):
                if name.parent is not None:
                    self._children.setdefault(name.parent, {})[name.segment] = position

    def _candidates(self) -> list[int]:
        """The names at which a chain may start; most models have no module of such a make."""
        columns = self._inventory.columns
        known = {number for number, make in enumerate(columns.makes) if _runs_in_turn(make.module)}
        adapted = {columns.parents[name] for name, path in enumerate(columns.paths) if path.endswith("lora_A")}
        if not known and not adapted:
            return []
        made = columns.made
        return [name for name, module in enumerate(columns.modules) if made[module] in known or name in adapted]

    def all(self) -> Iterator[Chain]:
        inside: set[int] = set()
        for position in self._starting:
            if position in inside:
                continue
            name = self._inventory.names[position]
            whole, members = self._members(position)
            if members:
                inside |= self._below(position) if whole else set()
                links = tuple(link for member in members for link in self._links(member))
                yield Chain(name.path, links, whole, root=whole and name.parent is None)
            yield from self._adapters(position)

    def _members(self, position: int) -> tuple[bool, tuple[int, ...]]:
        """The modules inside this one that run in turn, and whether that is all it does."""
        if position < 0:
            return False, ()
        module = self._inventory.module_of(position)
        children = self._children.get(position, {})
        if own_name(module) == "Sequential":
            return True, tuple(children.values())
        block = _BLOCKS.get(own_name(module, "transformers.models.") or "")
        if block:
            found = [self._at(position, path) for path in block[1]]
            return block[0], () if None in found else tuple(one for one in found if one is not None)
        if own_name(module) == "TransformerEncoderLayer" and self._function(position) in _FUNCTIONS:
            return False, (children["linear1"], ~position, children["dropout"], children["linear2"])
        return False, ()

    def _at(self, position: int, path: str) -> int | None:
        found: int | None = position
        for segment in path.split("."):
            found = self._children.get(found, {}).get(segment) if found is not None else None
        return found

    def _links(self, position: int) -> Iterator[Link]:
        waiting = [position]
        while waiting:
            current = waiting.pop()
            whole, members = self._members(current)
            if whole:
                waiting += reversed(members)
            elif current < 0:
                yield Link(~current, self._inventory.names[~current].path, _FUNCTIONS[self._function(~current)])
            else:
                name = self._inventory.names[current]
                yield Link(current, name.path, self._inventory.modules[name.module])

    def _function(self, position: int) -> Value | None:
        """Which function torch's own layer calls between its two matrices: 1 or 2, else none that is known."""
        return self._inventory.module_of(position).attributes.get("activation_relu_or_gelu")

    def _below(self, position: int) -> set[int]:
        """The Sequentials and blocks that are part of the chain that starts here."""
        found, waiting = set(), [position]
        while waiting:
            whole, members = self._members(waiting.pop())
            if whole:
                found |= set(members)
                waiting += members
        return {one for one in found if one >= 0 and self._members(one)[0]}

    def _adapters(self, position: int) -> Iterator[Chain]:
        """LoRA's two matrices, under the names that PEFT gave them."""
        children = self._children.get(position, {})
        if "lora_A" not in children or "lora_B" not in children:
            return
        down, up = (self._children.get(children[name], {}) for name in ("lora_A", "lora_B"))
        for adapter in down.keys() & up.keys():
            links = (*self._links(down[adapter]), *self._links(up[adapter]))
            yield Chain(self._inventory.names[position].path, links, whole=False)
