"""The first rule file for a model: one default for each kind of layer that it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from initrules.inventory import Inventory

_KINDS = (
    (("MultiheadAttention", "LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "RNNCell"), "their own reset method",
     '{"*": reset}'),
    (("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"),
     "keeps the size of gradients through ReLU layers, He et al. 2015",
     "{weight: {kaiming_normal: {mode: fan_out, nonlinearity: relu}}, bias: zeros}"),
    (("Embedding", "EmbeddingBag"), "small vectors, as GPT-2 has them", "{weight: {normal: {std: 0.02}}}"),
    (("Linear", "Conv1D", "Bilinear"), "keeps the variance of signals and gradients, Glorot & Bengio 2010",
     "{weight: xavier_uniform, bias: zeros}"),
)  # fmt: skip
_NORM = ("*Norm*", "a norm starts as the identity on normalised features", "{weight: ones, bias: zeros}")


def starter(inventory: Inventory | None) -> str:
    """The text of a rule file that covers a model, or a small example without one."""
    sections = list(_sections(inventory)) if inventory else [_section("Linear", *_KINDS[3][1:]), _section(*_NORM)]
    lines = [
        "initrules: 1",
        "about: how this model starts; every rule says why",
        f"unmatched: {'error' if inventory else 'keep'}",
        *(["defaults:"] if sections else []),
    ]
    return "\n".join([*lines, *(line for section in sections for line in section), ""])


def _sections(inventory: Inventory) -> Iterator[list[str]]:
    left = {name.owner for p in inventory.parameters if not p.buffer and not p.frozen for name in p.names}
    before: list[tuple[str, set[int]]] = []
    for types, why, block in _KINDS:
        owners = {o for o in left if any(kind.name in types for kind in inventory.module_of(o).types)}
        if owners:
            present = {kind.name for o in owners for kind in inventory.module_of(o).types}
            named = [name for name in types if name in present]
            choice = named[0] if len(named) == 1 else f"[{', '.join(named)}]"
            tied = [other for other, theirs in before if _tied(inventory, owners, theirs)]
            yield _section(choice, why, _fitting(inventory, owners, block), tied)
            before.append((choice, owners))
            left -= owners
    norms = {o for o in left if any("Norm" in kind.name for kind in inventory.module_of(o).types)}
    if norms:
        yield _section(*_NORM[:2], _fitting(inventory, norms, _NORM[2]))
        left -= norms
    rest = [inventory.module_of(owner) for owner in sorted(left)]
    for kind in dict.fromkeys(module.types[0].name for module in rest if module.types):
        yield _section(f"={kind}", "no common rule is known; decide what it needs", '{"*": keep}')


def _tied(inventory: Inventory, some: set[int], others: set[int]) -> bool:
    """Whether modules of two kinds own one tensor: the earlier rule has it, as embeddings have that of lm_head."""
    owners = ({name.owner for name in parameter.names} for parameter in inventory.parameters)
    return any(one & some and one & others for one in owners)


def _fitting(inventory: Inventory, owners: set[int], block: str) -> str:
    has_bias = any(name.owner in owners and name.local == "bias" for p in inventory.parameters for name in p.names)
    return block if has_bias else block.replace(", bias: zeros", "")


def _section(kind: str, why: str, block: str, tied: Sequence[str] = ()) -> list[str]:
    name = "".join(c.lower() if c.isalnum() else "-" for c in kind.split(",", maxsplit=1)[0]).strip("-") or "all"
    select = f'"{kind}"' if kind.startswith(("*", "=")) else kind
    others = "".join(f", not: {{type: {other}}}" for other in tied)
    return [f"  - rule: {name}", f"    why: {why}", f"    select: {{type: {select}{others}}}", f"    set: {block}"]
