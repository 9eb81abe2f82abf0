"""Fans by module role, against a table worked out by hand; what torch reads from the shape; parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import nn
from torch.nn.utils import parametrizations
from transformers.pytorch_utils import Conv1D

from initrules.evaluation import Missing
from initrules.fans import Fans, Part, Target, padding_row, role_fans, shape_fans
from initrules.inventory import Inventory, Module, TypeName
from initrules.matcher import Matcher
from initrules.scope import Scopes
from initrules.survey import survey
from support import isolated


def target(build: Callable[[], nn.Module], name: str, *, as_torch: bool = False) -> Target:
    inventory = survey(isolated(build)())
    return target_of(inventory, name, as_torch=as_torch)


def target_of(inventory: Inventory, name: str, *, as_torch: bool = False) -> Target:
    scopes = Scopes(Matcher(inventory), {}, as_torch=as_torch)
    found = [(p, one) for p in inventory.parameters for one in p.names if one.path == name]
    (parameter, one) = found[0]
    return scopes.target(parameter, one)


class MyLinear(nn.Linear):
    """A sub-class of torch's own class."""


class Experts(nn.Module):
    """A stack of (out, in) matrices, as in mixtures of experts."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.num_experts = 4
        self.up = nn.Parameter(torch.zeros(4, 6, 3))
        self.bias = nn.Parameter(torch.zeros(4, 6))
        for name, value in attributes.items():
            setattr(self, name, value)


def own(name: str, shape: tuple[int, ...], **attributes: Any) -> nn.Module:
    """A user's own class that only shares a name with one of torch's."""
    module = type(name, (nn.Module,), {})()
    module.weight = nn.Parameter(torch.zeros(shape))
    for key, value in attributes.items():
        setattr(module, key, value)
    return module  # type: ignore[no-any-return]


# Derivation: fan_in = how many inputs one output sums over, fan_out = how many outputs one input
# reaches. A kernel of k taps counts k times; of g groups, an output sees one group only. The last
# pair is what torch.nn.init reads: (shape[1], shape[0]) times the taps.
@pytest.mark.parametrize(("build", "name", "role", "torch_reads"), [
    pytest.param(lambda: nn.Linear(3, 5), "weight", (3, 5), (3, 5), id="Linear"),
    pytest.param(lambda: MyLinear(3, 5), "weight", (3, 5), (3, 5), id="a sub-class"),
    pytest.param(lambda: nn.Conv1d(6, 8, 5), "weight", (6 * 5, 8 * 5), (30, 40), id="Conv1d"),
    pytest.param(lambda: nn.Conv2d(6, 8, (2, 3)), "weight", (6 * 6, 8 * 6), (36, 48), id="Conv2d"),
    pytest.param(lambda: nn.Conv3d(2, 4, 3), "weight", (2 * 27, 4 * 27), (54, 108), id="Conv3d"),
    pytest.param(lambda: nn.Conv2d(6, 8, 3, groups=2), "weight", (3 * 9, 4 * 9), (27, 72), id="grouped"),
    pytest.param(lambda: nn.Conv2d(6, 6, 3, groups=6), "weight", (9, 9), (9, 54), id="depthwise"),
    pytest.param(lambda: nn.Conv2d(6, 12, 3, groups=6), "weight", (9, 2 * 9), (9, 108), id="depthwise, doubled"),
    pytest.param(lambda: nn.ConvTranspose2d(6, 8, 3), "weight", (6 * 9, 8 * 9), (72, 54), id="transposed"),
    pytest.param(lambda: nn.ConvTranspose1d(6, 8, 3, groups=2), "weight", (3 * 3, 4 * 3), (12, 18),
                 id="transposed and grouped"),
    pytest.param(lambda: nn.ConvTranspose3d(2, 4, 2), "weight", (2 * 8, 4 * 8), (32, 16), id="transposed, 3d"),
    pytest.param(lambda: nn.Embedding(10, 4), "weight", (4, 10), (4, 10), id="an embedding's fan_in is its width"),
    pytest.param(lambda: nn.EmbeddingBag(10, 4), "weight", (4, 10), (4, 10), id="EmbeddingBag"),
    pytest.param(lambda: nn.Bilinear(3, 4, 5), "weight", (3 * 4, 5), (3 * 4, 5 * 4), id="Bilinear sums over pairs"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2), "in_proj_weight", (4, 4), (4, 4), id="packed q, k, v"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2), "out_proj.weight", (4, 4), (4, 4), id="its output"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2, kdim=6, vdim=3), "q_proj_weight", (4, 4), (4, 4), id="own q"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2, kdim=6, vdim=3), "k_proj_weight", (6, 4), (6, 4), id="own k"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2, kdim=6, vdim=3), "v_proj_weight", (3, 4), (3, 4), id="own v"),
    pytest.param(lambda: nn.LSTM(3, 5), "weight_ih_l0", (3, 5), (3, 5), id="one gate of an LSTM"),
    pytest.param(lambda: nn.LSTM(3, 5), "weight_hh_l0", (5, 5), (5, 5), id="its recurrent part"),
    pytest.param(lambda: nn.LSTM(3, 5, proj_size=2), "weight_hh_l0", (2, 5), (2, 5), id="recurrent, projected"),
    pytest.param(lambda: nn.LSTM(3, 5, proj_size=2), "weight_hr_l0", (5, 2), (5, 2), id="the projection"),
    pytest.param(lambda: nn.LSTM(3, 5, 2, bidirectional=True), "weight_ih_l1_reverse", (10, 5), (10, 5),
                 id="the second layer sees both directions"),
    pytest.param(lambda: nn.GRU(3, 5), "weight_ih_l0", (3, 5), (3, 5), id="GRU"),
    pytest.param(lambda: nn.LSTMCell(3, 5), "weight_hh", (5, 5), (5, 5), id="LSTMCell"),
    pytest.param(lambda: nn.GRUCell(3, 5), "weight_ih", (3, 5), (3, 5), id="GRUCell"),
    pytest.param(lambda: nn.RNN(3, 5), "weight_ih_l0", (3, 5), (3, 5), id="RNN has one gate"),
    pytest.param(lambda: Conv1D(8, 3), "weight", (3, 8), (8, 3), id="transformers' Conv1D"),  # type: ignore[no-untyped-call]
    pytest.param(Experts, "up", (3, 6), (18, 12), id="stacked experts, each (out, in)"),
    pytest.param(lambda: Experts(is_transposed=True), "up", (6, 3), (18, 12), id="stacked experts, each (in, out)"),
    pytest.param(lambda: Experts(num_experts=5), "up", (18, 12), (18, 12), id="another first dimension is no stack"),
    pytest.param(lambda: own("Conv2d", (8, 4, 3), groups=2), "weight", (12, 24), (12, 24), id="others by shape"),
    pytest.param(lambda: own("ConvTranspose1d", (6, 8, 3)), "weight", (24, 18), (24, 18), id="a name is no role"),
    pytest.param(lambda: own("Conv1D", (3, 8), nf=8), "weight", (3, 8), (8, 3), id="a copy of Conv1D"),
    pytest.param(lambda: own("Conv1D", (3, 8), nf=3), "weight", (8, 3), (8, 3), id="another layer of that name"),
    pytest.param(lambda: parametrizations.weight_norm(nn.ConvTranspose2d(6, 8, 3)), "weight", (54, 72), (72, 54),
                 id="a parametrized weight"),
])  # fmt: skip
def test_fans(build: Callable[[], nn.Module], name: str, role: tuple[int, int], torch_reads: tuple[int, int]) -> None:
    found = target(build, name)
    assert (found.fans(), found.fans(layout="torch")) == (role, torch_reads)
    assert target(build, name, as_torch=True).fans(parts="each") == torch_reads


@pytest.mark.parametrize(("build", "name", "whole"), [
    pytest.param(lambda: nn.MultiheadAttention(4, 2), "in_proj_weight", (4, 12), id="q, k, v as one"),
    pytest.param(lambda: nn.LSTM(3, 5), "weight_ih_l0", (3, 20), id="four gates as one"),
    pytest.param(lambda: nn.GRU(3, 5), "weight_hh_l0", (5, 15), id="three gates as one"),
])  # fmt: skip
def test_packed_weights_as_one(build: Callable[[], nn.Module], name: str, whole: tuple[int, int]) -> None:
    """What torch reads, and what `parts: whole` asks for."""
    assert target(build, name).fans(parts="whole") == whole
    assert target(build, name, as_torch=True).fans() == whole


@pytest.mark.parametrize(("build", "name", "parts"), [
    pytest.param(lambda: nn.MultiheadAttention(4, 2), "in_proj_weight", "q0:4 k4:8 v8:12", id="q k v"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2), "in_proj_bias", "q0:4 k4:8 v8:12", id="its bias"),
    pytest.param(lambda: nn.MultiheadAttention(4, 2, kdim=6), "q_proj_weight", "", id="separate weights"),
    pytest.param(lambda: nn.LSTM(3, 5), "weight_ih_l0", "i0:5 f5:10 g10:15 o15:20", id="i f g o"),
    pytest.param(lambda: nn.LSTM(3, 5), "bias_hh_l0", "i0:5 f5:10 g10:15 o15:20", id="a bias of gates"),
    pytest.param(lambda: nn.LSTM(3, 5, bidirectional=True), "weight_hh_l0_reverse", "i0:5 f5:10 g10:15 o15:20",
                 id="the other direction"),
    pytest.param(lambda: nn.LSTM(3, 5, proj_size=2), "weight_hr_l0", "", id="the projection has no gates"),
    pytest.param(lambda: nn.GRU(3, 5), "weight_ih_l0", "r0:5 z5:10 n10:15", id="r z n"),
    pytest.param(lambda: nn.GRUCell(3, 5), "bias_ih", "r0:5 z5:10 n10:15", id="a cell"),
    pytest.param(lambda: nn.LSTMCell(3, 5), "weight_hh", "i0:5 f5:10 g10:15 o15:20", id="the other cell"),
    pytest.param(lambda: nn.RNN(3, 5), "weight_ih_l0", "", id="RNN has no gates"),
    pytest.param(lambda: nn.Linear(3, 6), "weight", "", id="a Linear has none"),
])  # fmt: skip
def test_parts(build: Callable[[], nn.Module], name: str, parts: str) -> None:
    found = target(build, name)
    assert " ".join(f"{part.name}{part.start}:{part.stop}" for part in found.parts) == parts
    assert all(part.dim == 0 for part in found.parts)


def test_a_packed_weight_that_does_not_divide_has_no_parts() -> None:
    module = isolated(lambda: nn.MultiheadAttention(4, 2))()
    module.in_proj_bias = nn.Parameter(torch.zeros(7))
    assert target_of(survey(module), "in_proj_bias").parts == ()


def test_a_lazy_weight_has_no_parts_and_no_fans() -> None:
    found = target(lambda: nn.LazyLinear(3), "weight")
    assert (found.parts, found.fans()) == ((), Missing("a parameter with 1 dimension has no fans"))


@pytest.mark.parametrize(("shape", "fans"), [
    pytest.param((), Missing("a parameter with 0 dimensions has no fans"), id="a scalar"),
    pytest.param((3,), Missing("a parameter with 1 dimension has no fans"), id="a bias"),
    pytest.param((2, 3), Fans(3, 2), id="a matrix"),
    pytest.param((2, 3, 5, 7), Fans(105, 70), id="a field"),
    pytest.param((0, 3), Fans(3, 0), id="no rows"),
])  # fmt: skip
def test_shape_fans_are_what_torch_reads(shape: tuple[int, ...], fans: Fans | Missing) -> None:
    assert shape_fans(shape) == fans
    if isinstance(fans, Fans):
        assert nn.init._calculate_fan_in_and_fan_out(torch.zeros(shape)) == fans


def test_groups_that_are_no_number() -> None:
    owner = Module((TypeName("Conv1d", ("torch.nn.Conv1d",)),), {"groups": "two"})
    assert role_fans(owner, "weight", (8, 3, 5)) == (15, 40)


@pytest.mark.parametrize(("build", "row"), [
    pytest.param(lambda: nn.Embedding(5, 2, padding_idx=1), 1, id="an embedding"),
    pytest.param(lambda: nn.Embedding(5, 2, padding_idx=-1), 4, id="counted from the end"),
    pytest.param(lambda: nn.Embedding(5, 2), None, id="without"),
    pytest.param(lambda: nn.EmbeddingBag(5, 2, padding_idx=0), 0, id="the first row of a bag"),
    pytest.param(lambda: own("Embedding", (5, 2), padding_idx=1), None, id="a class of that name"),
])  # fmt: skip
def test_padding(build: Callable[[], nn.Module], row: int | None) -> None:
    assert target(build, "weight").padding == row


def test_the_padding_row_is_known_by_every_name() -> None:
    """ "`padding_idx` rows stay zero unless a rule says otherwise", also for a rule that meets the tied head."""

    def build() -> nn.Module:
        model = nn.ModuleDict({"table": nn.Embedding(5, 2, padding_idx=3), "head": nn.Linear(2, 5, bias=False)})
        model["head"].weight = model["table"].weight
        return model

    assert target(build, "head.weight").padding == 3
    assert padding_row(survey(isolated(build)()).modules[1], "other") is None


def test_numbers_of_a_target() -> None:
    found = target(lambda: nn.LSTM(3, 5), "weight_ih_l0")
    assert (found.numel, found.part_shape) == (60, (5, 3))
    assert target(lambda: nn.Linear(3, 5), "weight").part_shape == (5, 3)
    assert Part("q", 0, 0, 4).stop == 4


# Slices, as ``parts`` and ``repeat`` fill them, keep the role of the weight that they are cut from.
@pytest.mark.parametrize(("build", "name", "cut", "fans"), [
    pytest.param(lambda: nn.Linear(64, 64 + 2 * 16), "weight", (0, 64, 80), (64, 16), id="k of grouped queries"),
    pytest.param(lambda: Conv1D(24, 8), "weight", (1, 0, 8), (8, 8), id="q of GPT-2's packed projection"),  # type: ignore[no-untyped-call]
    pytest.param(Experts, "up", (0, 1, 2), (3, 6), id="one expert"),
    pytest.param(Experts, "up", (1, 0, 3), (3, 3), id="half of the outputs of all experts"),
    pytest.param(lambda: Experts(is_transposed=True), "up", (2, 0, 1), (6, 1), id="one output of (in, out)"),
    pytest.param(lambda: nn.Conv2d(8, 8, 3, groups=8), "weight", (0, 0, 4), (9, 9), id="half of a depthwise one"),
    pytest.param(lambda: nn.Conv2d(8, 16, 3), "weight", (0, 0, 4), (72, 36), id="before a pixel shuffle"),
    pytest.param(lambda: nn.ConvTranspose2d(8, 16, 3), "weight", (1, 0, 4), (72, 36), id="some outputs, transposed"),
])  # fmt: skip
def test_fans_of_a_slice(
    build: Callable[[], nn.Module], name: str, cut: tuple[int, int, int], fans: tuple[int, int]
) -> None:
    piece = target(build, name).slice(*cut)
    assert piece.fans() == fans
    assert piece.slice(cut[0], 0, cut[2] - cut[1]).fans() == fans


SIZES = {
    "vocab_size": 8, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2,
    "num_key_value_heads": 1, "num_local_experts": 3,
}  # fmt: skip


# The down projection of every one of them sums over 24 or 40 inputs and writes 16.
@pytest.mark.parametrize(("model", "more", "stack", "down", "shape"), [
    pytest.param("Mixtral", {}, "mlp.experts", (24, 16), (3, 16, 24), id="Mixtral: (out, in)"),
    pytest.param("Qwen3Moe", {"num_experts": 3, "moe_intermediate_size": 40}, "mlp.experts", (40, 16), (3, 16, 40),
                 id="Qwen3: (out, in)"),
    pytest.param("GptOss", {"head_dim": 8}, "mlp.experts", (24, 16), (3, 24, 16), id="GPT-OSS: is_transposed"),
    pytest.param("Llama4Text", {"head_dim": 8, "moe_layers": [0]}, "feed_forward.experts", (24, 16), (3, 24, 16),
                 id="Llama 4: (in, out), by the width of the stream"),
])  # fmt: skip
def test_experts_of_transformers(
    model: str, more: dict[str, Any], stack: str, down: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    config = getattr(transformers, f"{model}Config")(**{**SIZES, **more})
    with torch.device("meta"):
        built = isolated(getattr(transformers, f"{model.removesuffix('Text')}ForCausalLM"))(config)
    inventory = survey(built)
    found = target_of(inventory, f"model.layers.0.{stack}.down_proj")
    assert (found.shape, found.fans()) == (shape, down)
    assert target_of(inventory, f"model.layers.0.{stack}.gate_up_proj").fans() == (16, 2 * down[0])


@pytest.mark.parametrize(("local", "width", "fans"), [
    pytest.param("gate_up_proj", 6, (6, 3), id="the stream where outputs would be"),
    pytest.param("gate_up_proj", 3, (3, 6), id="the stream where it belongs"),
    pytest.param("down_proj", 3, (6, 3), id="outputs into the stream, stored last"),
    pytest.param("down_proj", 6, (3, 6), id="outputs into the stream, stored first"),
    pytest.param("weight", 6, (3, 6), id="a name that says nothing"),
    pytest.param("gate_up_proj", 5, (3, 6), id="another width"),
])  # fmt: skip
def test_experts_by_the_width_of_the_stream(local: str, width: int, fans: tuple[int, int]) -> None:
    owner = Module((TypeName("Experts", ("user.Experts",)),), {"hidden_size": width})
    assert role_fans(owner, local, (4, 6, 3)) == fans
