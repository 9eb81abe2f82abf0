"""Chains: only what is certain to run in turn."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
import transformers
from torch import nn

from initrules.chains import chains
from initrules.survey import survey
from preset_models import bert, gpt2, quiet
from support import isolated


class Own(nn.Sequential):
    """May do anything in its forward."""


def resnet() -> Any:
    with quiet():
        return transformers.ResNetModel(transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"))  # fmt: skip


def lora() -> Any:
    down = nn.ModuleDict({"a": nn.Linear(4, 2)})
    up = nn.ModuleDict({"a": nn.Linear(2, 4), "b": nn.Linear(2, 4)})
    return nn.ModuleDict({"q": nn.ModuleDict({"lora_A": down, "lora_B": up})})


def found(model: Any) -> list[tuple[str, str, bool, bool]]:
    return [(one.path, " ".join(link.path for link in one.links), one.whole, one.root) for one in chains(survey(model))]


@pytest.mark.parametrize(("build", "wanted"), [
    pytest.param(lambda: nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), nn.Tanh()),
                 [("", "0 1.0 1.1 2", True, True)], id="nested"),
    pytest.param(lambda: nn.Sequential(OrderedDict(b=nn.Linear(2, 2), a=nn.ReLU())), [("", "b a", True, True)],
                 id="in order, not by name"),
    pytest.param(lambda: nn.ModuleDict({"net": nn.Sequential(nn.Linear(2, 2))}), [("net", "net.0", True, False)],
                 id="not the root"),
    pytest.param(lambda: Own(nn.Linear(2, 2), nn.ReLU()), [], id="a sub-class is opaque"),
    pytest.param(lambda: nn.ModuleList([nn.Linear(2, 2), nn.ReLU()]), [], id="a list has no order of calls"),
    pytest.param(lora, [("q", "q.lora_A.a q.lora_B.a", False, False)], id="adapters that have both"),
    pytest.param(lambda: nn.TransformerEncoderLayer(4, 2, 8),
                 [("", "linear1  dropout linear2", False, False)], id="torch's own layer calls a function"),
    pytest.param(lambda: nn.TransformerDecoderLayer(4, 2, 8), [], id="torch's decoder does not note which"),
    pytest.param(lambda: nn.TransformerEncoderLayer(4, 2, 8, activation=nn.Tanh()), [], id="some other function"),
    pytest.param(nn.Sequential, [], id="nothing in it"),
])  # fmt: skip
def test_chains(build: Any, wanted: list[tuple[str, str, bool, bool]]) -> None:
    assert found(isolated(build)()) == wanted


@pytest.mark.parametrize(("build", "path", "links", "whole"), [
    pytest.param(gpt2, "transformer.h.0.mlp", "c_fc act c_proj dropout", True, id="GPT-2"),
    pytest.param(bert, "bert.encoder.layer.0",
                 "intermediate.dense intermediate.intermediate_act_fn output.dense", False, id="BERT"),
    pytest.param(resnet, "encoder.stages.1.layers.0.layer", "0.convolution 0.normalization 0.activation "
                 "1.convolution 1.normalization 1.activation", True, id="a branch of a ResNet"),
])  # fmt: skip
def test_chains_of_transformers(build: Any, path: str, links: str, whole: bool) -> None:
    chain = {one.path: one for one in chains(survey(isolated(build)()))}[path]
    assert [link.path for link in chain.links] == [f"{path}.{link}" for link in links.split()]
    assert (chain.whole, chain.root) == (whole, False)


def test_a_deep_nest_is_walked() -> None:
    model = isolated(nn.Sequential)(nn.Flatten())
    for _ in range(2000):
        model = nn.Sequential(model)
    assert [len(links.split()) for _, links, _, _ in found(model)] == [1]


def test_kinds_of_links() -> None:
    model = nn.Sequential(isolated(nn.Linear)(1, 1), nn.BatchNorm1d(1), nn.Dropout(), nn.ReLU())
    (chain,) = chains(survey(model))
    assert [(one.affine, one.norm, one.transparent, one.activation is not None) for one in chain.links] == [
        (True, False, False, False),
        (False, True, False, False),
        (False, False, True, False),
        (False, False, False, True),
    ]
