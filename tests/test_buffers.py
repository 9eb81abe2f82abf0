"""Buffers of models on the meta device: what their own methods compute, and what only a constructor knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, ResNetConfig, ResNetModel

import initrules
from initrules.errors import Problems
from support import isolated

ALL = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: "**", set: {"*": {normal: {std: 0.02}}}}
""")


def on_meta(build: Callable[[], Any]) -> Any:
    with torch.device("meta"):
        return build()


class Rotary(nn.Module):
    """Has a table that its reset method computes, in a new tensor."""

    table: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.empty(4), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.table = torch.arange(4.0) ** 2


class Random(Rotary):
    """Has a table of random numbers."""

    def reset_parameters(self) -> None:
        self.table.normal_()


def llama() -> nn.Module:
    return LlamaForCausalLM(
        LlamaConfig(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
                    num_key_value_heads=2, vocab_size=64)
    )  # fmt: skip


def bert() -> nn.Module:
    return BertModel(
        BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=64)
    )


def resnet() -> nn.Module:
    return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic"))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), id="running statistics"),
        pytest.param(
            lambda: {"one": nn.Sequential(Rotary(), nn.Linear(3, 3)), "other": None}, id="a table in a new tensor"
        ),
        pytest.param(llama, id="rotary embeddings of transformers"),
        pytest.param(bert, id="positions of transformers"),
        pytest.param(resnet, id="a ResNet of transformers"),
    ],
)
def test_buffers_are_those_of_a_model_built_as_always(build: Callable[[], Any]) -> None:
    expected, model = isolated(build)(), on_meta(build)
    initrules.materialize_(model, ALL)
    wanted, found = (nn.ModuleDict({"root": m}) if isinstance(m, nn.Module) else m["one"] for m in (expected, model))
    buffers = dict(found.named_buffers())
    assert buffers
    for name, buffer in wanted.named_buffers():
        assert torch.equal(buffers[name], buffer), name
        assert buffers[name].dtype == buffer.dtype


def test_buffers_that_are_drawn_depend_on_the_seed() -> None:
    tables = []
    for seed in (0, 0, 1):
        model = on_meta(Random)
        initrules.materialize_(model, initrules.from_text("initrules: 1"), seed=seed)
        tables.append(model.table)
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


class Fixed(nn.Module):
    """Has a table that only the constructor computes, and a method that fails without one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.arange(3.0))
        self.weight = nn.Parameter(torch.empty(3))

    def reset_parameters(self) -> None:
        self.weight.data.fill_(self.weight.mean().item())


def test_a_buffer_that_only_the_constructor_knows_is_an_error_before_anything_is_changed() -> None:
    model = on_meta(lambda: nn.Sequential(Fixed(), nn.BatchNorm1d(3)))
    with pytest.raises(Problems) as caught:
        initrules.materialize_(model, ALL)
    assert str(caught.value) == (
        "1 buffer on the meta device, and no rule gives a value: 0.table\n"
        "  Build the model under 'initrules.no_init(meta=True)', which keeps buffers, or write a rule for them."
    )
    assert all(tensor.is_meta for tensor in model.state_dict().values())
    with initrules.no_init(meta=True):
        kept: Any = Fixed()
    initrules.materialize_(kept, ALL)
    assert kept.table.tolist() == [0, 1, 2]


def test_parameters_that_have_values_keep_them() -> None:
    model = isolated(nn.BatchNorm1d)(3)
    model.requires_grad_(requires_grad=False).weight.fill_(5)
    model.register_buffer("running_mean", torch.empty(3, device="meta"))
    initrules.materialize_(model, initrules.from_text("initrules: 1"))
    assert model.weight.tolist() == [5, 5, 5]
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0, 0, 0]


def test_a_rule_for_a_buffer_wins() -> None:
    model = on_meta(Fixed)
    rules = 'initrules: 1\nrules: [{rule: a, select: "", set: {weight: ones, table: {formula: 2 * i}}}]'
    initrules.materialize_(model, initrules.from_text(rules))
    assert model.table.tolist() == [0, 2, 4]


def test_tensors_that_are_neither_parameter_nor_buffer_are_named() -> None:
    class Loose(nn.Linear):
        def __init__(self) -> None:
            super().__init__(3, 3)
            self.positions = torch.arange(3)

    with pytest.raises(Problems) as caught:
        initrules.materialize_(on_meta(lambda: nn.Sequential(Loose())), ALL)
    assert str(caught.value) == (
        "1 tensor on the meta device that is neither parameter nor buffer: 0.positions\n"
        "  Build the model under 'initrules.no_init(meta=True)', which keeps buffers and all other tensors."
    )
