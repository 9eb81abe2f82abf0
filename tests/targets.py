"""Targets for tests of actions: what an action may know about a parameter."""

from __future__ import annotations

from initrules.evaluation import Missing
from initrules.fans import Fans, Part, Target, shape_fans


def target(*shape: int, dtype: str = "float32", fans: Fans | None = None, parts: tuple[Part, ...] = ()) -> Target:
    """A parameter of this shape; ``fans`` by role where they are not those of the shape."""
    found: Fans | Missing = fans or shape_fans(shape)
    each = shape_fans((shape[0] // len(parts), *shape[1:])) if parts else found
    return Target(path="layer.weight", shape=shape, dtype=dtype, each=each, whole=found, parts=parts)


def packed(*names: str, rows: int, columns: int) -> Target:
    """A weight of equal parts of ``rows`` rows each."""
    parts = tuple(Part(name, 0, i * rows, (i + 1) * rows) for i, name in enumerate(names))
    return target(rows * len(names), columns, parts=parts)
