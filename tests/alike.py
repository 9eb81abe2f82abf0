"""Are two ways to initialise a model the same? Compared over many starts, tensor by tensor."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor

from initrules import planning, ruleset
from initrules.apply import apply_
from initrules.planning import PlanData
from initrules.survey import stored_by_path, survey
from reference import RULES
from support import isolation

DRAWS = 16
SIGNIFICANT = 1e-5  # the chance that one tensor is called different although it is not; seeds are fixed


def loaded(name: str, model: Any, **variables: object) -> PlanData:
    rules = ruleset.load(RULES / f"{name}.yaml")
    return planning.make(rules.with_variables(variables) if variables else rules, survey(model))


def tensors(model: Any) -> dict[str, Tensor]:
    return {name: stored[0].detach().clone() for name, stored in stored_by_path(model).items()}


def ours(name: str, build: Callable[[], Any], **variables: object) -> list[dict[str, Tensor]]:
    """Some starts of a model by a rule set, which must leave nothing out and warn of nothing."""
    with isolation():
        model = build()
    plan = loaded(name, model, **variables)
    assert [str(finding) for finding in plan.findings if finding.severity.rank < 2] == []
    assert all(row.value or row.parameter.buffer for row in plan.rows)
    found = []
    for seed in range(DRAWS):
        apply_(model, plan, seed=seed)
        found.append(tensors(model))
    return found


def theirs(build: Callable[[], Any], init: Callable[[Any], None] | None = None) -> list[dict[str, Tensor]]:
    """As many starts by a reference, or by the model's own constructor."""
    found = []
    for seed in range(DRAWS):
        with isolation(100 + seed), torch.no_grad():
            model = build()
            if init is not None:
                init(model)
        found.append(tensors(model))
    return found


def assert_alike(found: list[dict[str, Tensor]], expected: list[dict[str, Tensor]]) -> None:
    """Each tensor is equal where the reference never varies, and from the same distribution where it does."""
    assert found[0].keys() == expected[0].keys()
    for name in expected[0]:
        one, other = (torch.stack([draw[name] for draw in draws]).double() for draws in (found, expected))
        blocks = 12 if one.ndim > 1 and one.shape[1] % 12 == 0 else 1  # so that packed q k v and gates are told apart
        for a, b in zip(one.chunk(blocks, dim=1), other.chunk(blocks, dim=1), strict=True):
            if bool((b == b[:1]).all()):
                torch.testing.assert_close(a, b.expand_as(a), msg=name)
            else:
                assert not torch.equal(a[0], a[1]), name
                assert stats.ks_2samp(a.flatten().numpy(), b.flatten().numpy()).pvalue > SIGNIFICANT, name
                assert abs(math.log(float(a.std() / b.std()))) < spread_bound(b), name


def spread_bound(reference: Tensor) -> float:
    """How far the logarithms of two sample stds may be apart: 5σ, with the kurtosis that the reference has."""
    centred = reference - reference.mean()
    kurtosis = float((centred**4).mean() / (centred**2).mean() ** 2)
    return 5 * math.sqrt((kurtosis - 1) / (2 * reference.numel()))
