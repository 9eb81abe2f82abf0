"""Inventories in files, so that plan, lint, explain and diff run without torch or the user's code.

The file is versioned JSON, one line for each module and each parameter in registration order, so that
a diff of two files reads like a diff of two models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from initrules.errors import ModelError
from initrules.expression import Value
from initrules.inventory import Columns, Facts, Inventory, Make, Module, ModuleName, Parameter, TypeName, bent, shared

VERSION = 1
_KEY = "initrules-inventory"

_STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA: Mapping[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "initrules inventory",
    "type": "object",
    "required": [_KEY, "classes", "modules", "names", "parameters"],
    "properties": {
        _KEY: {"const": VERSION},
        "classes": {"type": "array", "items": {"type": "array", "items": _STRINGS}},
        "modules": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["class"],
                "properties": {
                    "class": {"type": "integer", "minimum": 0},
                    "attributes": {"type": "object"},
                    "resets": {"type": "string"},
                },
            },
        },
        "names": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "module"],
                "properties": {
                    "path": {"type": "string"},
                    "module": {"type": "integer", "minimum": 0},
                    "parent": {"type": "integer", "minimum": 0},
                },
            },
        },
        "parameters": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["names", "shape", "dtype"],
                "properties": {
                    "names": {
                        "type": "array",
                        "minItems": 1,
                        "items": {
                            "type": "array",
                            "prefixItems": [{"type": "integer", "minimum": 0}, {"type": "string"}],
                            "minItems": 2,
                            "maxItems": 2,
                        },
                    },
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "dtype": {"type": "string"},
                    "requires_grad": {"type": "boolean"},
                    "buffer": {"type": "boolean"},
                    "parametrized": _STRINGS,
                },
            },
        },
    },
}


def dumps(inventory: Inventory) -> str:
    """An inventory as JSON text: equal inventories give equal text."""
    classes: dict[tuple[TypeName, ...], int] = {}
    modules = [_module(module, classes.setdefault(module.types, len(classes))) for module in inventory.modules]
    sections: dict[str, list[Any]] = {
        "classes": [[[kind.name, *kind.qualified] for kind in types] for types in classes],
        "modules": modules,
        "names": [_name(name) for name in inventory.names],
        "parameters": [_parameter(parameter) for parameter in inventory.parameters],
    }
    return "\n".join(_lines(sections)) + "\n"


def _lines(sections: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    yield "{"
    yield f'"{_KEY}": {VERSION},'
    last = list(sections)[-1]
    for section, rows in sections.items():
        yield f'"{section}": ['
        for index, row in enumerate(rows):
            yield f" {json.dumps(row, ensure_ascii=False)}{',' if index + 1 < len(rows) else ''}"
        yield "]" if section == last else "],"
    yield "}"


def _module(module: Module, kind: int) -> dict[str, Any]:
    found: dict[str, Any] = {"class": kind}
    if module.attributes:
        found["attributes"] = dict(sorted(module.attributes.items()))
    if module.resets:
        found["resets"] = module.resets
    return found


def _name(name: ModuleName) -> dict[str, Any]:
    parent = {} if name.parent is None else {"parent": name.parent}
    return {"path": name.path, "module": name.module, **parent}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    found: dict[str, Any] = {
        "names": [[name.owner, name.local] for name in parameter.names],
        "shape": list(parameter.shape),
        "dtype": parameter.dtype,
    }
    if not parameter.requires_grad:
        found["requires_grad"] = False
    if parameter.buffer:
        found["buffer"] = True
    if parameter.parametrized:
        found["parametrized"] = list(parameter.parametrized)
    return found


def read(file: str) -> Inventory:
    """Read an inventory file. Raises ``ModelError`` when it is none, or of another version."""
    try:
        text = Path(file).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(
            f"there is no file '{file}'", hint="Make it with: initrules record --model ... -o FILE"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"'{file}' cannot be read: {error}") from None
    return loads(text, file)


def loads(text: str, file: str) -> Inventory:
    """The inventory in a JSON text. Raises ``ModelError``."""
    hint = "Make it anew with: initrules record --model ... -o FILE"
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ModelError(f"'{file}' is not JSON: {error}", hint=hint) from None
    problem = next(iter(jsonschema.Draft202012Validator(dict(SCHEMA)).iter_errors(data)), None)
    if problem is not None:
        raise ModelError(f"'{file}' is no inventory: {problem.json_path}: {problem.message[:200]}", hint=hint)
    try:
        return _inventory(data)
    except (IndexError, ValueError) as error:
        raise ModelError(f"'{file}' is no inventory: {error}", hint=hint) from None


def _inventory(data: Any) -> Inventory:
    classes = [tuple(TypeName(kind[0], tuple(kind[1:])) for kind in types) for types in data["classes"]]
    modules = tuple(
        Module(classes[one["class"]], _attributes(one.get("attributes", {})), one.get("resets"))
        for one in data["modules"]
    )
    parents, paths = [one.get("parent", -1) for one in data["names"]], [one["path"] for one in data["names"]]
    numbers = [one["module"] for one in data["names"]]
    for position, (path, parent) in enumerate(zip(paths, parents, strict=True)):
        if numbers[position] >= len(modules) or parent >= position:
            raise ValueError(f"the name '{path}' points to a module that does not exist")
    return _columns(modules, paths, parents, numbers, data["parameters"]).inventory()


def _columns(
    modules: Sequence[Module],
    paths: Sequence[str],
    parents: Sequence[int],
    numbers: Sequence[int],
    parameters: Sequence[Mapping[str, Any]],
) -> Columns:
    """The columns of a model: modules of one class, equal attributes and equal tensors are of one make."""
    owned: dict[int, dict[str, int]] = {}  # by module: the position of each tensor
    for position, one in enumerate(parameters):
        for owner, local in one["names"]:
            owned.setdefault(numbers[owner], {})[local] = position
    facts = [_facts(one) for one in parameters]
    makes: dict[Any, tuple[int, Make]] = {}
    made: list[int] = []
    starts: list[int] = [0]
    identities: list[int] = []
    for number, module in enumerate(modules):
        tensors = owned.get(number, {})
        make = Make(module, tuple((local, facts[position]) for local, position in tensors.items()))
        key = (module.types, module.resets, json.dumps(sorted(module.attributes.items())), make.tensors)
        made.append(makes.setdefault(key, (len(makes), make))[0])
        identities += tensors.values()
        starts.append(len(identities))
    if list(dict.fromkeys(identities)) != list(range(len(parameters))):
        raise ValueError("its parameters do not stand in the order of the modules that own them")
    columns = Columns(
        [make for _, make in makes.values()], paths, parents, numbers, made, starts, bent=bent(paths, parents)
    )
    return shared(columns, identities)


def _facts(one: Mapping[str, Any]) -> Facts:
    return Facts(
        shape=tuple(one["shape"]),
        dtype=one["dtype"],
        device="file",
        requires_grad=one.get("requires_grad", True),
        buffer=one.get("buffer", False),
        parametrized=tuple(one.get("parametrized", ())),
    )


def _attributes(given: Mapping[str, Any]) -> dict[str, Value]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
