"""A part of a model under the names that it has in the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from initrules.errors import ModelError


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of a pipeline, or any other part of a model: rules and streams go by the names in the whole model.

    ``names``: what a path here is called there, as ``{"layers.0": "layers.12"}``; whatever lies below goes
    with it, the longest path that fits counts, ``""`` is the part itself. Only what lies in this part can
    be counted, picked or be a sibling. Raises ``ModelError`` when two paths get one name.
    """

    module: nn.Module
    names: Mapping[str, str]

    def __post_init__(self) -> None:
        twice = sorted({name for name in self.names.values() if list(self.names.values()).count(name) > 1})
        if twice:
            raise ModelError(f"two parts of the stage are called '{twice[0]}'", hint="Give each its own name.")

    def name(self, path: str) -> str:
        """What a path is called in the whole model."""
        fitting = [own for own in self.names if own == path or not own or path.startswith(f"{own}.")]
        if not fitting:
            return path
        own = max(fitting, key=len)
        return ".".join(filter(None, (self.names[own], path[len(own) :].lstrip("."))))
