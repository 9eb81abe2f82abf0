"""Options of the optimizer fit every parameter."""

from __future__ import annotations

import pytest

from initrules.actions.base import Option, summary
from initrules.actions.option import Freeze, LrScale, WeightDecay
from targets import target


@pytest.mark.parametrize(
    ("option", "shown"),
    [
        pytest.param(LrScale(value=0.81), "lr_scale 0.81", id="a scale"),
        pytest.param(WeightDecay(value=0), "weight_decay 0", id="no decay"),
        pytest.param(Freeze(value=False), "freeze false", id="not frozen"),
    ],
)
def test_an_option_fits_every_parameter(option: Option, shown: str) -> None:
    assert option.problem(target(3)) is None
    assert summary(option) == shown
