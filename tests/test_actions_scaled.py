"""Spreads that come from fans: every formula against torch's own initialiser, and the three arguments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initrules.actions.scaled import (
    FanScaled,
    KaimingNormal,
    KaimingUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
    XavierNormal,
    XavierUniform,
)
from initrules.fans import Fans
from targets import packed, target

_WIDE = target(6, 4, 3, 3)  # fan_in 36, fan_out 54


@pytest.mark.parametrize(
    ("action", "variance"),
    [
        pytest.param(XavierNormal(), 2 / 90, id="xavier"),
        pytest.param(XavierUniform(gain=3), 9 * 2 / 90, id="xavier with a gain"),
        pytest.param(XavierNormal(fan=7), 1 / 7, id="a fan takes the place of the average"),
        pytest.param(KaimingNormal(), 2 / 36, id="kaiming is for a ReLU"),
        pytest.param(KaimingUniform(a=1), 1 / 36, id="kaiming with a slope"),
        pytest.param(KaimingNormal(mode="fan_out", nonlinearity="relu"), 2 / 54, id="kaiming over the outputs"),
        pytest.param(KaimingNormal(mode="fan_avg", nonlinearity="linear"), 1 / 45, id="kaiming over both"),
        pytest.param(KaimingNormal(nonlinearity="tanh"), (5 / 3) ** 2 / 36, id="kaiming for a tanh"),
        pytest.param(KaimingNormal(fan=8), 2 / 8, id="kaiming with a fan"),
        pytest.param(LecunNormal(), 1 / 36, id="lecun"),
        pytest.param(LecunUniform(fan=9), 1 / 9, id="lecun with a fan"),
        pytest.param(VarianceScaling(), 1 / 36, id="variance scaling"),
        pytest.param(VarianceScaling(scale=2, mode="fan_avg"), 2 / 45, id="variance scaling over both"),
        pytest.param(VarianceScaling(scale=0), 0, id="no variance"),
        pytest.param(VarianceScaling(distribution="truncated_normal"), 1 / 36, id="a cut normal keeps the variance"),
    ],
)
def test_variance(action: FanScaled, variance: float) -> None:
    moments = action.moments(_WIDE)
    assert (moments.mean, moments.std**2) == pytest.approx((0, variance))
    assert action.problem(_WIDE) is None


@pytest.mark.parametrize(
    ("action", "shape"),
    [
        pytest.param(XavierNormal(), "normal", id="xavier_normal"),
        pytest.param(XavierUniform(), "uniform", id="xavier_uniform"),
        pytest.param(KaimingNormal(), "normal", id="kaiming_normal"),
        pytest.param(KaimingUniform(), "uniform", id="kaiming_uniform"),
        pytest.param(LecunNormal(), "normal", id="lecun_normal is not cut"),
        pytest.param(LecunUniform(), "uniform", id="lecun_uniform"),
        pytest.param(VarianceScaling(), "normal", id="variance_scaling"),
        pytest.param(VarianceScaling(distribution="uniform"), "uniform", id="variance_scaling as asked for"),
    ],
)
def test_shape_of_the_distribution(action: FanScaled, shape: str) -> None:
    assert action.shape() == shape


@pytest.mark.parametrize(
    ("action", "fan"),
    [
        pytest.param(LecunNormal(), 10, id="by role"),
        pytest.param(LecunNormal(layout="role"), 10, id="by role, said so"),
        pytest.param(LecunNormal(layout="torch"), 4, id="as torch reads the shape"),
        pytest.param(LecunNormal(layout="torch", fan=5), 5, id="a fan is a fan"),
    ],
)
def test_layout(action: FanScaled, fan: float) -> None:
    assert action.std(target(6, 4, fans=Fans(10, 20))) == pytest.approx(1 / math.sqrt(fan))


def test_parts_have_their_own_fans_unless_told_otherwise() -> None:
    qkv = packed("q", "k", "v", rows=4, columns=8)
    each, whole = XavierNormal(), XavierNormal(parts="whole")
    assert (each.splits(qkv), whole.splits(qkv)) == (True, False)
    assert each.std(qkv) == pytest.approx(math.sqrt(2 / (8 + 4)))
    assert whole.std(qkv) == pytest.approx(math.sqrt(2 / (8 + 12)))
    assert XavierNormal(parts="each").std(qkv) == each.std(qkv)
    assert not each.splits(target(4, 8))


@pytest.mark.parametrize(
    ("action", "shape", "dtype", "problem"),
    [
        pytest.param(XavierNormal(), (3,), "float32", "a parameter with 1 dimension has no fans", id="a bias"),
        pytest.param(KaimingNormal(), (), "float32", "a parameter with 0 dimensions has no fans", id="a scalar"),
        pytest.param(KaimingNormal(fan=3), (3,), "float32", None, id="a bias with a fan"),
        pytest.param(XavierNormal(), (3, 3), "int8", "random values do not fit int8", id="integers"),
        pytest.param(XavierNormal(), (0, 3), "float32", None, id="an empty weight"),
        pytest.param(LecunNormal(), (3, 0), "float32", None, id="no inputs"),
        pytest.param(
            XavierUniform(gain=1e5), (2, 2), "float16",
            "values up to 1.225e+05 do not fit float16, whose largest value is 6.55e+04", id="too large",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be(action: FanScaled, shape: tuple[int, ...], dtype: str, problem: str | None) -> None:
    assert action.problem(target(*shape, dtype=dtype)) == problem


def test_fans_are_told_unless_a_number_takes_their_place() -> None:
    assert XavierNormal().fans(_WIDE) == Fans(36, 54)
    assert XavierNormal(fan=2).fans(_WIDE) is None


def test_a_weight_without_fans_never_comes_this_far() -> None:
    with pytest.raises(TypeError, match="has no fans"):
        XavierNormal().std(target(3))


@given(st.integers(1, 50), st.integers(1, 50), st.floats(0, 10))
def test_scale_is_the_square_of_a_gain(rows: int, columns: int, gain: float) -> None:
    weight = target(rows, columns)
    scaled = VarianceScaling(scale=gain**2, mode="fan_avg").std(weight)
    assert scaled == pytest.approx(XavierNormal(gain=gain).std(weight))
