"""Scale, normalize, repeat: against torch written out by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from initrules.apply import apply_
from initrules.errors import ApplyError, Problems
from support import isolated, messages, place, planned


@isolated
def model() -> Any:
    net: Any = nn.Module()
    net.conv = nn.Conv2d(3, 8, 3)
    net.shuffle = nn.PixelShuffle(2)
    return net


def chained(chain: str, net: Any, key: str = "weight") -> torch.Tensor:
    apply_(net, planned(f"rules: [{{rule: r, select: conv, set: {{{key}: {chain}}}}}]", net))
    found: torch.Tensor = getattr(net.conv, key).detach()
    return found


def test_scale_multiplies_what_is_there() -> None:
    net = model()
    before = net.conv.weight.detach().clone()
    assert torch.equal(chained("[keep, {scale: 0.5}]", net), before * 0.5)


def test_normalize_to_a_standard_deviation() -> None:
    assert chained("[kaiming_normal, {normalize: {std: 0.3}}]", model()).std().item() == pytest.approx(0.3, rel=1e-5)


def test_normalize_every_row_to_a_norm() -> None:
    rows = chained("[{normal: {std: 1}}, {normalize: {norm: 2, per: row}}]", model())
    torch.testing.assert_close(rows.flatten(1).norm(dim=1), torch.full((8,), 2.0))


def test_repeat_draws_the_first_part_and_repeats_each_slice() -> None:
    weight = chained("[orthogonal, {repeat: {times: next.upscale_factor**2}}]", model())
    small = weight[::4]
    assert torch.equal(weight, small.repeat_interleave(4, dim=0))
    torch.testing.assert_close(small.flatten(1) @ small.flatten(1).T, torch.eye(2))


@pytest.mark.parametrize(
    ("chain", "mean", "std"),
    [
        pytest.param("[{normal: {std: 2}}, {scale: -3}]", 0, 6, id="scale"),
        pytest.param("[{normal: {std: 2}}, {normalize: {std: 0.5}}]", 0, 0.5, id="normalize"),
        pytest.param("[{normal: {mean: 1, std: 2}}, {repeat: {times: 2}}]", 1, 2, id="repeat keeps both"),
        pytest.param("[kaiming_normal, {repeat: {times: 4}}]", 0, (2 / 27) ** 0.5, id="fans of the part that is drawn"),
    ],
)
def test_expected_moments(chain: str, mean: float, std: float) -> None:
    row = planned(f"rules: [{{rule: r, select: conv, set: {{weight: {chain}}}}}]", model()).row("conv.weight")
    assert row is not None
    assert row.moments == pytest.approx((mean, std))


@pytest.mark.parametrize("chain", ["[ones, {formula: x}]", "[{normal: {mean: 1, std: 1}}, {normalize: {norm: 1}}]"])
def test_unknown_moments(chain: str) -> None:
    row = planned(f"rules: [{{rule: r, select: conv, set: {{weight: {chain}}}}}]", model()).row("conv.weight")
    assert row is not None
    assert row.moments is None


def test_repeat_needs_a_divisible_dimension() -> None:
    body = "rules: [{rule: r, select: conv, set: {weight: [ones, {repeat: {times: 3}}]}}]"
    assert messages(planned(body, model()), "value")[0].split("\n")[0] == (
        f"{place(body, 'repeat')}: repeat needs a dimension 0 divisible by 3, this parameter has 8, for 'conv.weight'"
    )


def test_a_single_entry_has_no_spread() -> None:
    net: Any = nn.Module()
    net.gain = nn.Parameter(torch.ones(1))
    body = 'rules: [{rule: r, select: "", set: {gain: [ones, {normalize: {std: 1}}]}}]'
    assert messages(planned(body, net), "value")[0].split("\n")[0] == (
        f"{place(body, 'normalize')}: a single entry has no standard deviation, for 'gain'"
    )


def test_normalizing_zeros_is_found_before_the_first_write() -> None:
    with pytest.raises(Problems, match=r"'conv\.weight' cannot be written: what is to be normalized is zero"):
        chained("[zeros, {normalize: {std: 1}}]", model())


def test_the_same_change_in_place_twice_is_refused_until_something_is_written() -> None:
    net = model()
    body = "rules: [{rule: r, select: conv, set: {bias: [keep, {scale: 0.5}]}}]"
    plan = planned(body, net)
    apply_(net, plan)
    with pytest.raises(Problems) as caught:
        apply_(net, plan)
    assert isinstance(caught.value.problems[0], ApplyError)
    assert str(caught.value).split("\n")[0] == (
        f"{place(body, '[keep')}: 'conv.bias' was changed by this rule before (keep, scale 0.5) "
        "and not written since: once more would change it twice"
    )
    with torch.no_grad():
        net.conv.bias.fill_(1)
    apply_(net, plan)
    assert net.conv.bias.tolist() == [0.5] * 8
