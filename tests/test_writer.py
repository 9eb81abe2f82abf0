"""Values computed again from plan and seed are those that were written."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from initrules import writer
from initrules.apply import apply_, values
from initrules.places import places_of
from initrules.planning import PlanData
from initrules.sources import Sources
from support import isolated, planned
from writing import NORMAL, WEIGHT, WRAP, One, Tied, chain, same


@isolated
def net(dtype: torch.dtype = torch.float32) -> nn.Module:
    return nn.Sequential(nn.Linear(7, 5), nn.LSTM(5, 3), nn.Embedding(6, 4, padding_idx=2), nn.BatchNorm1d(4)).to(dtype)


@isolated
def wrapped() -> Any:
    return parametrizations.weight_norm(nn.Linear(4, 3))


def recomputed(model: Any, plan: PlanData, seed: int, sources: Sources | None = None) -> dict[str, Tensor | Exception]:
    return {row.path: value for row, value in values(places_of(model), plan, seed=seed, sources=sources or Sources({}))}


def rules(*entries: str) -> str:
    return "rules:\n" + "\n".join(f"  - {{rule: r{n}, {entry}}}" for n, entry in enumerate(entries))


RESET = rules(
    "select: '**', set: {'*': reset}, optional: true", "select: {type: LSTM}, set: {'weight*': xavier_uniform}"
)
FORMULA = rules(
    "select: a, set: {weight: eye}",
    "select: b, set: {weight: {formula: 'i + j + norm(module.bias)'}, bias: {normal: {std: 1}}}",
)
COPY = rules(
    "select: a, set: {weight: [orthogonal, {normalize: {std: 0.1}}]}", "select: b, set: {weight: {copy: a.weight}}"
)
SCALED = rules("select: a, set: {weight: [keep, {scale: 2}]}", "select: b, set: {weight: {copy: a.weight}}")


@pytest.mark.parametrize(("model", "text"), [
    pytest.param(net(), NORMAL, id="drawn where they are"),
    pytest.param(net(torch.bfloat16), NORMAL, id="in bfloat16"),
    pytest.param(net(torch.float64), WEIGHT.format("{uniform: {bound: 1}}"), id="in float64"),
    pytest.param(chain("a", "b"), WEIGHT.format("orthogonal"), id="whole matrices"),
    pytest.param(net(), RESET,
                 id="by the modules' own methods"),
    pytest.param(chain("a", "b"), FORMULA,
                 id="from other parameters"),
    pytest.param(chain("a", "b"), COPY,
                 id="a copy of what is computed in steps"),
    pytest.param(Tied(2), NORMAL, id="tied, with a padding row"),
    pytest.param(wrapped(), NORMAL, id="into a parametrization"),
    pytest.param(chain("a"), WRAP.format("{normal: {std: 1}}", "spectral_norm"), id="that is wrapped afterwards"),
])  # fmt: skip
def test_values_are_those_that_were_written(model: Any, text: str) -> None:
    plan = planned(text, model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    found = recomputed(model, plan, 3)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    record = apply_(model, plan, seed=3)
    again = recomputed(model, plan, 3)
    assert set(found) == set(again) == set(record.written)
    for path, place in places_of(model).items():
        if path in again:
            wrapped = place.parametrized and not hasattr(place.chain, "original")  # stored as norm and direction
            assert_value(again[path], place.chain() if wrapped else place.tensor(), exactly=not wrapped)


def assert_value(value: Tensor | Exception, stored: Tensor, *, exactly: bool) -> None:
    assert isinstance(value, Tensor)
    assert same(value, stored) if exactly else torch.allclose(value, stored, rtol=0, atol=1e-6)


def test_what_is_changed_in_place_is_left_out_and_read_as_it_is() -> None:
    model = chain("a", "b")
    plan = planned(SCALED, model)
    apply_(model, plan, seed=0)
    found = recomputed(model, plan, 0)
    assert [*found] == ["b.weight"]
    assert isinstance(found["b.weight"], Tensor)
    assert same(found["b.weight"], model.a.weight)


def test_a_weight_that_was_wrapped_before_is_read_as_it_is() -> None:
    model: Any = nn.Sequential(wrapped(), isolated(nn.Linear)(4, 3))
    plan = planned(
        rules("select: '0', set: {weight: {normal: {std: 1}}}", "select: '1', set: {weight: {copy: 0.weight}}"), model
    )
    apply_(model, plan, seed=0)
    value = recomputed(model, plan, 0)["1.weight"]
    assert isinstance(value, Tensor)
    assert same(value, model[1].weight)


class Forgets(nn.Module):
    refuses: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(3))

    def reset_parameters(self) -> None:
        if self.refuses:
            raise RuntimeError("not again")
        nn.init.normal_(self.weight)


def test_an_error_of_the_users_code_stands_for_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Forgets()
    plan = planned(WEIGHT.format("reset"), model)
    apply_(model, plan, seed=0)
    monkeypatch.setattr(Forgets, "refuses", True)
    (found,) = recomputed(model, plan, 0).values()
    assert str(found) == "not again"


def test_a_few_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_HELD", 40)
    model = chain("a", "b", "c", "d")
    waves = []
    original = writer.Writer._recomputed

    def counted(self: writer.Writer, wave: Any) -> Any:
        waves.append([row.path for row in wave])
        return original(self, wave)

    monkeypatch.setattr(writer.Writer, "_recomputed", counted)
    found = recomputed(model, planned(WEIGHT.format("orthogonal"), model), 0)
    assert waves == [["a.weight", "b.weight"], ["c.weight", "d.weight"]]
    assert len(found) == 4


def test_values_in_global_order_are_those_of_the_generator() -> None:
    model = One(torch.zeros(4, 4))
    plan = planned("stream: global\n" + NORMAL, model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        apply_(model, plan)
        torch.manual_seed(0)
        (found,) = recomputed(model, plan, 0).values()
    assert isinstance(found, Tensor)
    assert same(found, model.weight)
