"""Rule sets held against initialisers that are not ours: transformers', torch.nn.init, and formulas of papers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import initrules
import preset_models
from alike import assert_alike, loaded, ours, tensors, theirs
from initrules.apply import apply_
from reference import RULES, example
from support import isolation

# Fixup


def fixup_init(model: Any) -> None:
    """Zhang et al. 2019, section 3, in the order of its three rules."""
    blocks = [m for m in model.modules() if type(m).__name__.startswith("Fixup") and hasattr(m, "scale")]
    for conv in (m for m in model.modules() if isinstance(m, nn.Conv2d)):
        nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    for block in blocks:
        branch = [block.conv1, block.conv2, *([block.conv3] if hasattr(block, "conv3") else [])]
        for conv in branch[:-1]:
            conv.weight.mul_(len(blocks) ** (-1 / (2 * len(branch) - 2)))
        branch[-1].weight.zero_()
    model.fc.weight.zero_()
    model.fc.bias.zero_()


@pytest.mark.parametrize("arguments", [
    pytest.param({}, id="9 basic blocks"),
    pytest.param({"bottleneck": True, "blocks": 2, "width": 8}, id="6 bottlenecks"),
])  # fmt: skip
def test_fixup(arguments: dict[str, Any]) -> None:
    def build() -> Any:
        return example("fixup").build(**arguments)

    assert_alike(ours("fixup", build), theirs(build, fixup_init))


def test_fixup_starts_as_its_skip_connections_and_first_steps_do_not_grow_with_depth() -> None:
    """The paper's claim: one step of SGD changes the output by Θ(rate), however many blocks there are."""
    moved = []
    for blocks in (1, 8):
        with isolation():
            model = example("fixup").build(blocks=blocks, width=8)
        apply_(model, loaded("fixup", model))
        images = example("fixup").example_inputs(batch=8)
        assert torch.equal(model(images), torch.zeros(8, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for _ in range(3):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), torch.arange(8)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        moved.append(float(model(images).detach().norm()))
    assert 0.2 < moved[1] / moved[0] < 5


# DeepNorm


def deepnorm_init(model: Any, beta: Callable[[str], float]) -> None:
    """Wang et al. 2022, figure 2: gain beta for ffn, v and out projections, gain 1 for q and k."""
    for name, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention):
            for part, gain in zip(module.in_proj_weight.chunk(3), (1, 1, beta(name)), strict=True):
                nn.init.xavier_normal_(part, gain=gain)
            module.in_proj_bias.zero_()
        elif isinstance(module, nn.Linear):
            gain = 1 if name.endswith(("q_proj", "k_proj")) else beta(name)
            nn.init.xavier_normal_(module.weight, gain=gain)
            module.bias.zero_()


@pytest.mark.parametrize(("build", "encoder", "decoder"), [
    # N = 3, M = 2: 0.87 (N⁴ M)^(-1/16) = 0.633, (12 M)^(-1/4) = 0.452
    pytest.param(preset_models.torch_transformer, 0.87 * (3**4 * 2) ** (-1 / 16), 24**-0.25, id="encoder and decoder"),
    pytest.param(preset_models.torch_encoder, 32**-0.25, math.nan, id="an encoder of 4 layers"),
    pytest.param(preset_models.separate_decoder, 40**-0.25, math.nan, id="a decoder of 5 layers"),
])  # fmt: skip
def test_deepnorm(build: Callable[[], Any], encoder: float, decoder: float) -> None:
    def init(model: Any) -> None:
        deepnorm_init(model, lambda name: decoder if name.startswith("decoder") else encoder)

    assert_alike(ours("deepnorm", build), theirs(build, init))


# muP


def mlp(width: int) -> Any:
    with isolation():
        return preset_models.Mlp(width)


def test_mup_values_and_rates_are_those_of_table_3() -> None:
    model = mlp(256)
    plan = initrules.plan(model, RULES / "mup.yaml")
    plan.apply_()
    assert float(model.hidden[0].weight.detach().std()) == pytest.approx(256**-0.5, rel=0.02)
    assert float(model.input.weight.detach().std()) == pytest.approx(16**-0.5, rel=0.05)
    assert not bool(model.readout.weight.any())
    rates = {name: group["lr"] for group in plan.param_groups(lr=1.0) for name in group["names"]}
    assert rates == {
        "input.weight": 1, "input.bias": 1, "hidden.0.weight": 1 / 4, "hidden.0.bias": 1,
        "hidden.1.weight": 1 / 4, "hidden.1.bias": 1, "readout.weight": 1 / 4, "readout.bias": 1,
    }  # fmt: skip
    own = initrules.plan(model, RULES / "mup.yaml", vars={"readout_lr": 1})
    assert {name: group["lr"] for group in own.param_groups(lr=1.0) for name in group["names"]}["readout.weight"] == 1


def change_of_output(width: int, groups: Callable[[Any], Any]) -> float:
    """How far a few steps of Adam move the output."""
    model = mlp(width)
    plan = initrules.plan(model, RULES / "mup.yaml")
    plan.apply_()
    optimizer = torch.optim.Adam(groups(plan))
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 16, generator=generator), torch.randn(64, 1, generator=generator)
    for _ in range(4):
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return float(model(x).detach().square().mean().sqrt())


def test_mup_first_steps_do_not_grow_with_the_width() -> None:
    """The coordinate check of Yang et al. 2022, appendix D.1; with one rate for all, the output explodes."""
    lr = 1e-3
    scaled = [change_of_output(width, lambda plan: plan.param_groups(lr=lr)) for width in (64, 1024)]
    plain = [
        change_of_output(width, lambda plan: [{"params": plan.model.parameters(), "lr": lr}]) for width in (64, 1024)
    ]
    assert scaled[0] == pytest.approx(plain[0])  # at base_width nothing is scaled
    assert 0.4 < scaled[1] / scaled[0] < 2.5
    assert plain[1] / plain[0] > 8


def test_mup_leaves_a_tied_readout_to_the_embedding() -> None:
    with isolation():
        model = example("gpt2").build()
    row = loaded("mup", model).row("lm_head.weight")
    assert row is not None
    assert row.value is not None
    assert row.value.rule == "embedding"


# Llama


def titan_init(model: Any, output: str) -> None:
    """torchtitan's llama3: torch's truncated normals with their absolute bounds, by the number of the layer."""
    width = model.get_submodule(output).weight.shape[1]
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, nn.Linear) and name != output:
            deep = name.endswith((".wo", ".w2", ".w3", ".o_proj", ".down_proj", ".up_proj"))
            layer = int(name.partition("layers.")[2].partition(".")[0])
            nn.init.trunc_normal_(module.weight, std=0.02 / math.sqrt(2 * (layer + 1)) if deep else 0.02)
    weight, std = model.get_submodule(output).weight, width**-0.5
    nn.init.trunc_normal_(weight, std=std, a=-3 * std, b=3 * std)


@pytest.mark.parametrize(("build", "output"), [
    pytest.param(preset_models.titan, "output", id="torchtitan's names"),
    pytest.param(preset_models.llama, "lm_head", id="transformers' names"),
    pytest.param(lambda: preset_models.llama(tie_word_embeddings=True), "lm_head", id="tied"),
])  # fmt: skip
def test_llama(build: Callable[[], Any], output: str) -> None:
    assert_alike(ours("llama", build), theirs(build, lambda model: titan_init(model, output)))


def test_llama_reads_initializer_range() -> None:
    model = preset_models.llama
    with isolation():
        row = loaded("llama", model(initializer_range=0.1)).row("model.layers.1.self_attn.o_proj.weight")
    assert row is not None
    assert row.moments is not None
    assert row.moments.std == pytest.approx(0.1 / math.sqrt(4))


# DiT


def positions(width: int, side: int) -> np.ndarray[Any, Any]:
    """Vaswani et al. 2017, section 3.5, for columns in the first half of the channels and rows in the second."""
    table = np.zeros((side, side, width))
    for row in range(side):
        for column in range(side):
            for half, place in ((0, column), (1, row)):
                for m in range(width // 4):
                    angle = place / 10000 ** (m / (width // 4))
                    start = half * width // 2
                    table[row, column, start + m] = math.sin(angle)
                    table[row, column, start + width // 4 + m] = math.cos(angle)
    return table.reshape(side * side, width)


def dit_init(model: Any) -> None:
    """Peebles & Xie 2023, section 3.2 and the authors' initialize_weights."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            module.bias.zero_()
    model.pos_embed.copy_(torch.from_numpy(positions(model.pos_embed.shape[2], 5)).unsqueeze(0))
    patches = model.x_embedder["proj"]
    nn.init.xavier_uniform_(patches.weight.view(patches.weight.shape[0], -1))
    patches.bias.zero_()
    for tensor in (model.y_embedder["embedding_table"], *model.t_embedder["mlp"][::2]):
        nn.init.normal_(tensor.weight, std=0.02)
    modulations = [block.adaLN_modulation[1] for block in model.blocks]
    for layer in (*modulations, model.final_layer["adaLN_modulation"][1], model.final_layer["linear"]):
        layer.weight.zero_()
        layer.bias.zero_()


def test_dit() -> None:
    assert_alike(ours("dit", preset_models.dit), theirs(preset_models.dit, dit_init))


# SIREN


def siren_init(model: Any) -> None:
    """Sitzmann et al. 2020: U(±1/n) first, then U(±√(6/n)/ω₀); biases stay as they are."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    omega = model.net[0].omega_0
    for index, layer in enumerate(layers):
        fan_in = layer.weight.shape[1]
        bound = 1 / fan_in if index == 0 else math.sqrt(6 / fan_in) / (omega if index < len(layers) - 1 else 30)
        nn.init.uniform_(layer.weight, -bound, bound)


@pytest.mark.parametrize("omega", [30.0, 10.0])
def test_siren(omega: float) -> None:
    def build() -> Any:
        return preset_models.siren(omega_0=omega)

    assert_alike(ours("siren", build), theirs(build, siren_init))


def test_siren_arguments_of_the_sines_have_std_1_in_every_layer() -> None:
    """Supplement 1.3: activations follow the arcsine law (variance 1/2), arguments N(0, 1)."""
    with isolation():
        model = preset_models.siren(hidden=256, depth=6)
    apply_(model, loaded("siren", model))
    x = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        for index, layer in enumerate(model.net[:-1]):
            argument = layer.omega_0 * (layer.linear(x) - layer.linear.bias)
            x = torch.sin(layer.omega_0 * layer.linear(x))
            if index > 0:
                assert float(argument.std()) == pytest.approx(1, rel=0.1)
            assert float(x.var()) == pytest.approx(0.5, rel=0.1)


# transformers' own


@pytest.mark.parametrize("changes", [
    pytest.param({}, id="as it is"),
    pytest.param({"rescale_prenorm_residual": True, "time_step_scale": 0.5}, id="smaller outputs"),
    pytest.param({"time_step_init_scheme": "constant", "use_bias": True}, id="constant time steps, biases"),
    pytest.param({"tie_word_embeddings": False, "initializer_range": 0.3, "time_step_floor": 0.03}, id="a floor"),
])  # fmt: skip
def test_mamba_agrees_with_transformers(changes: dict[str, Any]) -> None:
    def build() -> Any:
        return preset_models.mamba(**changes)

    assert_alike(ours("mamba", build), theirs(build))


@pytest.mark.parametrize("changes", [
    pytest.param({}, id="as it is"),
    pytest.param({"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}, id="T5 1.1"),
    pytest.param({"initializer_factor": 0.3}, id="a factor"),
])  # fmt: skip
def test_t5_agrees_with_transformers(changes: dict[str, Any]) -> None:
    def build() -> Any:
        return preset_models.t5(**changes)

    assert_alike(ours("t5", build), theirs(build))


# LSTM


def lstm_init(model: Any) -> None:
    """Gate by gate with torch's own functions; the forget gate is torch's second."""
    for name, tensor in model.named_parameters():
        gates = tensor.chunk(4)
        if "bias" in name:
            tensor.zero_()
            if "bias_ih" in name:
                gates[1].fill_(1)
            continue
        for gate in gates:
            (nn.init.orthogonal_ if "weight_hh" in name else nn.init.xavier_uniform_)(gate)


def test_lstm() -> None:
    found = ours("lstm", preset_models.lstm)
    assert_alike(found, theirs(preset_models.lstm, lstm_init))
    for name, tensor in found[0].items():
        if "weight_hh" in name:
            for gate in tensor.chunk(4):
                torch.testing.assert_close(gate @ gate.T, torch.eye(32))


def test_lstm_with_projection_and_another_bias() -> None:
    with isolation():
        model: Any = nn.LSTM(8, 12, proj_size=4)
    apply_(model, loaded("lstm", model, forget_bias=2))
    assert model.bias_ih_l0.detach().tolist() == [0.0] * 12 + [2.0] * 12 + [0.0] * 24
    expected = math.sqrt(6 / 16)
    assert float(model.weight_hr_l0.detach().abs().max()) <= expected


# Layer-wise decay


def beit_scale(name: str, layers: int, decay: float) -> float:
    """decay ** (number of layers + 1 - layer), with embeddings as layer 0 and block k as layer k + 1."""
    numbers = [part for before, part in zip(name.split("."), name.split(".")[1:], strict=False)
               if before in {"blocks", "layer"}]  # fmt: skip
    early = name.startswith(("cls_token", "pos_embed", "patch_embed", "bert.embeddings"))
    layer = 0 if early else int(numbers[0]) + 1 if numbers else layers + 1
    return float(decay ** (layers + 1 - layer))


@pytest.mark.parametrize(("build", "layers"), [
    pytest.param(preset_models.vit, 4, id="timm's names"),
    pytest.param(preset_models.bert, 3, id="transformers' BERT"),
])  # fmt: skip
@pytest.mark.parametrize("decay", [0.75, 0.9])
def test_layerwise_decay(build: Callable[[], Any], layers: int, decay: float) -> None:
    with isolation():
        model = build()
    before = {name: value.clone() for name, value in tensors(model).items()}
    plan = initrules.plan(model, RULES / "layerwise-decay.yaml", vars={"decay": decay})
    assert plan.errors == ()
    groups = plan.param_groups(lr=0.1, weight_decay=0.05)
    listed = [name for group in groups for name in group["names"]]
    assert sorted(listed) == sorted(name for name, _ in model.named_parameters())
    for group in groups:
        for name, tensor in zip(group["names"], group["params"], strict=True):
            assert group["lr"] == pytest.approx(0.1 * beit_scale(name, layers, decay)), name
            free = tensor.ndim <= 1 or name in {"cls_token", "pos_embed"}
            assert group["weight_decay"] == (0.0 if free else 0.05), name
    plan.apply_()
    assert all(torch.equal(value, before[name]) for name, value in tensors(model).items())


def test_layerwise_decay_adds_to_a_rule_set(tmp_path: Path) -> None:
    rules = tmp_path / "both.yaml"
    rules.write_text("initrules: 1\nextends: [preset:vit, preset:layerwise-decay]\n", encoding="utf-8")
    with isolation():
        model = example("vit").build()
    plan = initrules.plan(model, rules)
    assert plan.errors == ()
    plan.apply_()
    assert {row.value.rule for row in plan.rows if row.value} >= {"linear", "patches", "head"}
