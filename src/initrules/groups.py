"""Optimizer groups from a plan's ``optimize`` decisions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from initrules.decision import Row
from initrules.planning import PlanData

# One group as torch.optim takes it: ``params``, ``names``, ``lr``, ``weight_decay``. Not a TypedDict, because type
# checkers do not take one for the dict[str, Any] of torch's own signature.
Group: TypeAlias = dict[str, Any]


def param_groups(
    planned: PlanData, tensors: Mapping[str, Sequence[Any]], *, lr: float, weight_decay: float = 0.0
) -> list[Group]:
    """Put each trainable parameter into exactly one group of equal learning rate and decay.

    A group has ``params``, their ``names``, ``lr`` and ``weight_decay``; a weight that is stored in two tensors,
    as by weight_norm, has two entries of one name. ``tensors``: all that is stored for each name. What is frozen
    now, and what has ``freeze``, is left out. Units: ``lr`` is multiplied by ``lr_scale``; a rule's
    ``weight_decay`` replaces the one given here.
    """
    groups: dict[tuple[float, float], Group] = {}
    for row in planned.rows:
        trained = [] if row.parameter.buffer else [tensor for tensor in tensors[row.path] if tensor.requires_grad]
        if not trained or _option(row, "freeze") is True:
            continue
        scale = _option(row, "lr_scale")
        decay = _option(row, "weight_decay")
        key = (lr * (1.0 if scale is None else scale), weight_decay if decay is None else decay)
        group = groups.setdefault(key, {"params": [], "names": [], "lr": key[0], "weight_decay": key[1]})
        group["params"].extend(trained)
        group["names"].extend([row.path] * len(trained))
    return list(groups.values())


def _option(row: Row, option: str) -> Any:
    decision = row.decisions.get(option)
    return decision.actions[0].value if decision is not None and decision.writes else None
