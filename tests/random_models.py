"""Random models and rule sets, and the naive definition of what rules decide, for property tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import torch
from hypothesis import strategies as st
from torch import nn

NAMES = ("a", "b", "c")


class Leaf(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))
        self.bias = nn.Parameter(torch.zeros(2))


class Special(Leaf):
    """A sub-class."""


class Node(nn.Module):
    """Modules and a parameter of its own."""

    def __init__(self, children: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, 2))
        for name, child in children.items():
            self.add_module(name, child)


def _nodes(below: st.SearchStrategy[nn.Module]) -> st.SearchStrategy[nn.Module]:
    return st.dictionaries(st.sampled_from(NAMES), below, min_size=1, max_size=3).map(Node)


@st.composite
def models(draw: st.DrawFn) -> nn.Module:
    """A tree of modules, then some of its leaves put in a second place, and some parameters tied."""
    tree = st.recursive(st.builds(Leaf) | st.builds(Special), _nodes, max_leaves=6)
    model = Node(draw(st.dictionaries(st.sampled_from(NAMES), tree, min_size=1, max_size=3)))
    leaves = [module for module in model.modules() if isinstance(module, Leaf)]
    nodes = [module for module in model.modules() if isinstance(module, Node)]
    for _ in range(draw(st.integers(0, 2))):
        draw(st.sampled_from(nodes)).add_module(draw(st.sampled_from(("d", "e"))), draw(st.sampled_from(leaves)))
    for _ in range(draw(st.integers(0, 2))):
        one, other = draw(st.sampled_from(leaves)), draw(st.sampled_from([*leaves, *nodes]))
        one.weight = other.weight  # type: ignore[assignment]
    return model


@dataclass(frozen=True)
class RandomRule:
    name: str
    select: Mapping[str, Any]
    keys: tuple[str, ...]
    tier: str = "rules"
    lock: bool = False
    overlay: bool = False
    span: int = field(default=0, compare=False)

    def yaml(self, *, backwards: bool = False) -> str:
        """The rule in flow style, with the keys of every mapping in one order or the other."""
        values = flow({key: len(self.name) + self.span for key in self.keys}, backwards=backwards)
        entries = {"rule": self.name, "select": flow(self.select, backwards=backwards), "set": values}
        entries |= {"lock": "true"} if self.lock else {}
        entries |= {"optional": "true"}
        order = [*entries.items()][:: -1 if backwards else 1]
        return "{" + ", ".join(f"{key}: {value}" for key, value in order) + "}"


def flow(value: Any, *, backwards: bool = False) -> str:
    """A mapping as YAML in flow style."""
    if not isinstance(value, Mapping):
        return f'"{value}"' if isinstance(value, str) else str(value)
    items = [*value.items()][:: -1 if backwards else 1]
    return "{" + ", ".join(f'"{key}": {flow(one, backwards=backwards)}' for key, one in items) + "}"


PATHS = ("**", "*", "a", "b.*", "*.*", "**.a", "a.**", "**.b.*", "[ab].?", "")
TYPES = ("Leaf", "=Leaf", "Special", "Node", "*e*")
PICKS = ("first", "last", "all-but-first", "all-but-last", 0, -1, 1)


@st.composite
def selectors(draw: st.DrawFn, *, picks: bool = True, depth: int = 0) -> Mapping[str, Any]:
    found: dict[str, Any] = {}
    if draw(st.booleans()):
        found["path"] = draw(st.sampled_from(PATHS))
    if draw(st.booleans()):
        found["type"] = draw(st.sampled_from(TYPES))
    if not found or draw(st.integers(0, 3)) == 0:
        found["name"] = draw(st.sampled_from((*NAMES, "d", "?")))
    for key in ("inside", "parent", "not"):
        if depth == 0 and draw(st.integers(0, 3)) == 0:
            found[key] = draw(selectors(picks=False, depth=1))
    if picks and draw(st.integers(0, 3)) == 0:
        found["pick"] = draw(st.sampled_from(PICKS))
    return found


@st.composite
def rule_sets(draw: st.DrawFn, *, picks: bool = True) -> tuple[RandomRule, ...]:
    """Rules of all tiers, in two files."""
    rules = []
    for number in range(draw(st.integers(1, 7))):
        tier = draw(st.sampled_from(("rules", "rules", "defaults")))
        lock = tier == "rules" and draw(st.integers(0, 3)) == 0
        keys = draw(st.sampled_from((("weight",), ("bias",), ("*",), ("weight", "*"), ("w*",))))
        select = draw(selectors(picks=picks))
        rules.append(RandomRule(f"r{number}", select, keys, tier, lock, draw(st.booleans()), number))
    return tuple(rules)


def texts(rules: tuple[RandomRule, ...], *, backwards: bool = False) -> tuple[str, str]:
    """The bodies of the base file and of the overlay; ``backwards``: sections and keys in another order."""
    bodies = []
    for overlay in (False, True):
        here = {tier: [r.yaml(backwards=backwards) for r in rules if (r.tier, r.overlay) == (tier, overlay)]
                for tier in ("defaults", "rules")}  # fmt: skip
        sections = [f"{tier}: [{', '.join(lines)}]" for tier, lines in here.items()]
        bodies.append("\n".join(sections[:: -1 if backwards else 1]))
    return bodies[0], bodies[1]


# --- The naive definition: slow, one question at a time, straight from the text ---------------------


def naive_winners(rules: tuple[RandomRule, ...], model: nn.Module) -> dict[str, str]:
    """For every parameter, by its canonical name, the rule that decides it."""
    found = {}
    in_order = [rule for overlay in (False, True) for rule in rules if rule.overlay is overlay]
    for names in _parameters(model).values():
        claims = [rule for rule in in_order if _claims(rule, names, model)]
        for tier in (
            [rule for rule in claims if rule.lock],
            [rule for rule in claims if rule.tier == "rules"],
            claims,
        ):
            if tier:
                found[names[0]] = tier[-1].name
                break
    return found


def _parameters(model: nn.Module) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for local, tensor in module._parameters.items():
            names.setdefault(id(tensor), []).append(f"{path}.{local}".lstrip("."))
    return names


def _owner(name: str) -> str:
    return name.rpartition(".")[0]


def _claims(rule: RandomRule, names: list[str], model: nn.Module) -> bool:
    modules = dict(model.named_modules(remove_duplicate=False))
    excluded = rule.select.get("not")
    if excluded is not None:
        met = {id(modules[path]) for path in _selected(excluded, model)}
        if any(id(modules[_owner(name)]) in met for name in names):
            return False
    chosen = _selected(rule.select, model)
    return any(
        _owner(name) in chosen and any(fnmatchcase(name.rpartition(".")[2], key) for key in rule.keys) for name in names
    )


def _selected(select: Mapping[str, Any], model: nn.Module) -> list[str]:
    """The paths that a selector meets."""
    modules = dict(model.named_modules(remove_duplicate=False))
    met = {key: _selected(select[key], model) for key in ("inside", "parent", "not") if key in select}
    excluded = {id(modules[path]) for path in met.get("not", ())}
    groups: dict[str | None, list[str]] = {}
    for path, module in modules.items():
        nearest = next((one for one in _above(path) if one in met.get("inside", ())), None)
        holds = (
            ("path" not in select or _glob(select["path"].split("."), path.split(".") if path else [], select["path"]))
            and ("type" not in select or _is_type(module, select["type"]))
            and ("name" not in select or fnmatchcase(path.rpartition(".")[2], select["name"]))
            and ("inside" not in select or nearest is not None)
            and ("parent" not in select or (path != "" and _owner(path) in met["parent"]))
            and id(module) not in excluded
        )
        if holds:
            groups.setdefault(nearest if "inside" in select else _owner(path) if path else None, []).append(path)
    return [path for members in groups.values() for path in _picked(members, select.get("pick"))]


def _above(path: str) -> Iterator[str]:
    """The path itself and those of its ancestors, nearest first."""
    yield path
    while path:
        path = _owner(path)
        yield path


def _glob(pattern: list[str], segments: list[str], text: str) -> bool:
    if text == "":
        return not segments
    if not pattern:
        return not segments
    if pattern[0] == "**":
        return any(_glob(pattern[1:], segments[skip:], text) for skip in range(len(segments) + 1))
    return bool(segments) and fnmatchcase(segments[0], pattern[0]) and _glob(pattern[1:], segments[1:], text)


def _is_type(module: nn.Module, wanted: str) -> bool:
    kinds = [one.__name__ for one in type(module).__mro__ if one not in {nn.Module, object}]
    return kinds[0] == wanted[1:] if wanted[0] == "=" else any(fnmatchcase(kind, wanted) for kind in kinds)


def _picked(members: list[str], pick: Any) -> list[str]:
    slices = {"first": slice(1), "last": slice(-1, None), "all-but-first": slice(1, None), "all-but-last": slice(-1)}
    if pick is None:
        return members
    if isinstance(pick, str):
        return members[slices[pick]]
    return [members[pick]] if -len(members) <= pick < len(members) else []
