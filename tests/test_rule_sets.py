"""The shipped rule sets: their golden plans, and the facts they are written for."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats  # type: ignore[import-untyped]
from torch import Tensor, nn
from torch.nn.utils import parametrize

from initrules import planning, ruleset
from initrules.apply import apply_
from initrules.groups import param_groups
from initrules.planning import PlanData
from initrules.survey import stored_by_path, survey
from initrules.writer import Record
from reference import ALL, RULES, Reference, example, written
from support import isolated, isolation, planned
from writing import memory

SIGNIFICANT = 1e-4  # seeds are fixed, so that a test passes always or never
ETA, GAMMA = 1.1, 0.9
U = -((0.5**-1) ** ETA)  # from X = 0.5 and U = -(X**-xi)**eta, xi = 1
TARGETS = {"v_h_e": 0.5, "x_h": 0.5, "u_r": U, "q_r": GAMMA * U / (1 - GAMMA), "v_r": U / (1 - GAMMA)}
SETS = ["default", "output-aware", "orthogonal", "xavier", "full", "env-shared"]
WIDTHS = [
    pytest.param({"hidden": 64}, id="as wide as the output: 8 * 8 = 64"),
    pytest.param({"hidden": 32}, id="narrower"),
    pytest.param({"hidden": 128}, id="wider"),
    pytest.param({"hidden": 64, "robots": 1}, id="8 outputs"),
    pytest.param({"hidden": 64, "dropout": 0.0}, id="without dropout"),
    pytest.param({"hidden": 64, "share": False}, id="nothing shared"),
]


# Golden plans


@pytest.mark.parametrize("reference", [pytest.param(one, id=one.rules) for one in ALL])
def test_golden_plan(reference: Reference) -> None:
    """A difference here is a change of what users get: run ``tests/golden/regenerate.py`` and read the diff."""
    assert written(reference.plan(reference.model())) == reference.golden.read_text(encoding="utf-8")


def test_every_rule_set_has_a_golden_plan() -> None:
    files = [path for path in RULES.rglob("*.yaml") if not path.name.endswith("-test.yaml")]
    assert sorted(one.rules for one in ALL) == sorted(
        path.relative_to(RULES).with_suffix("").as_posix() for path in files
    )


@pytest.mark.parametrize("reference", [pytest.param(one, id=one.rules) for one in ALL])
def test_rule_set_says_whom_it_follows_and_why(reference: Reference) -> None:
    rules = ruleset.load(f"preset:{reference.rules}")
    assert len(rules.about) > 40
    assert all(rule.why for rule in rules.rules)


# Helpers


def loaded(name: str, model: Any, **variables: object) -> PlanData:
    rules = ruleset.load(RULES / f"{name}.yaml")
    return planning.make(rules.with_variables(variables) if variables else rules, survey(model))


def started(name: str, model: Any, *, seed: int = 0, **variables: object) -> Record:
    return apply_(model, loaded(name, model, **variables), seed=seed)


def phase2(**arguments: Any) -> Any:
    with isolation():
        return example("phase2").build(**arguments)


def phase2_small(**arguments: Any) -> Any:
    with isolation():
        return example("phase2").build_small(**arguments)


def networks(root: Any) -> dict[str, Any]:
    return {name: module for name, module in vars(root).items() if module is not None}


def tensors(model: Any) -> dict[str, Tensor]:
    return {name: stored[0].detach() for name, stored in stored_by_path(model).items()}


def head_layers(root: Any) -> dict[str, list[nn.Linear]]:
    """The Linear layers of each network's head, the last one last."""
    return {
        f"{network}.{name}": [layer for layer in child if isinstance(layer, nn.Linear)]
        for network, module in networks(root).items()
        for name, child in module.named_children()
        if name.endswith("_head")
    }


def hidden_layers(root: Any) -> list[nn.Linear]:
    return [layer for layers in head_layers(root).values() for layer in layers[:-1]]


def last_layers(root: Any) -> list[nn.Linear]:
    return [layers[-1] for layers in head_layers(root).values()]


def singular_values(tensor: Tensor) -> Tensor:
    found: Tensor = torch.linalg.svdvals(tensor.detach().flatten(1))
    return found


def has_gain(weight: Tensor, gain: float) -> bool:
    return torch.allclose(singular_values(weight), torch.tensor(gain), rtol=1e-5)


def same_distribution(one: Tensor, other: Tensor) -> bool:
    flat, reference = one.detach().flatten(), other.detach().flatten()
    if bool((reference == reference[0]).all()):
        return torch.equal(flat, reference)
    return bool(stats.ks_2samp(flat.numpy(), reference.numpy()).pvalue > SIGNIFICANT)


# PPO


def ppo(**arguments: Any) -> Any:
    with isolation():
        return example("ppo").build(**arguments)


def test_ppo_singular_values_are_the_gains() -> None:
    agent = ppo()
    started("ppo", agent)
    for layer in (agent.actor[0], agent.actor[2], agent.critic[0], agent.critic[2]):
        assert has_gain(layer.weight, math.sqrt(2))
    assert has_gain(agent.actor[4].weight, 0.01)
    assert has_gain(agent.critic[4].weight, 1.0)
    assert not any(bool(layer.bias.any()) for layer in (*agent.actor[::2], *agent.critic[::2]))


def test_ppo_policy_head_wins_over_hidden_which_is_named() -> None:
    row = loaded("ppo", ppo()).row("actor.4.weight")
    assert row is not None
    assert row.value is not None
    assert (row.value.rule, row.value.summary) == ("policy-head", "orthogonal gain=0.01")
    assert [(loser.rule, loser.reason) for loser in row.value.losers] == [
        ("hidden", "'policy-head' is a rule, and rules beat defaults")
    ]


def test_ppo_bias_of_the_policy_head_stays_with_hidden() -> None:
    row = loaded("ppo", ppo()).row("actor.4.bias")
    assert row is not None
    assert row.value is not None
    assert row.value.rule == "hidden"


def test_ppo_fits_cleanrl_s_continuous_agent() -> None:
    """CleanRL's ppo_continuous_action.py: ``actor_mean``, ``actor_logstd``, ``critic``."""
    with isolation():
        agent: Any = nn.Module()
        agent.critic = example("ppo").network(11, 64, 1)
        agent.actor_mean = example("ppo").network(11, 64, 3)
        agent.actor_logstd = nn.Parameter(torch.ones(1, 3))
    started("ppo-humanoid", agent)
    assert has_gain(agent.actor_mean[4].weight, 0.001)
    assert torch.allclose(agent.actor_logstd.exp(), torch.tensor(0.5))


def test_ppo_humanoid_starts_close_to_zero_torque() -> None:
    agent = ppo(observations=17, actions=6, continuous=True)
    started("ppo-humanoid", agent, expected_return=3.5)
    actions, values = agent(example("ppo").example_inputs(17))
    assert float(actions.detach().abs().max()) < 0.01
    assert torch.allclose(agent.log_std, torch.tensor(math.log(0.5)))
    assert torch.equal(agent.critic[4].bias, torch.tensor([3.5]))
    assert has_gain(agent.critic[4].weight, 1.0)
    assert values.shape == (8,)


# ResNet and ViT


@pytest.mark.parametrize("depth", [18, 50])
def test_resnet_blocks_start_as_their_skip_connection(depth: int) -> None:
    with isolation():
        model = example("resnet").build(depth=depth, width=8)
    started("resnet", model)
    model.eval()
    block = model.layer1[1]
    x = torch.randn(2, model.layer2[0].conv1.in_channels, 6, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(block(x), x.relu())
    zeroed = [name for name, tensor in tensors(model).items() if name.endswith("weight") and not bool(tensor.any())]
    blocks = [name for name, module in model.named_modules() if type(module).__name__ in {"BasicBlock", "Bottleneck"}]
    assert zeroed == [f"{name}.bn{2 if depth == 18 else 3}.weight" for name in blocks]


def test_resnet_convolutions_and_classifier_are_torch_s() -> None:
    """torchvision/models/resnet.py: kaiming_normal_(mode="fan_out", nonlinearity="relu"); fc as nn.Linear makes it."""
    with isolation():
        model = example("resnet").build(width=32)
    started("resnet", model)
    for name, tensor in tensors(model).items():
        if tensor.ndim == 4:
            with isolation(1):
                expected = nn.init.kaiming_normal_(torch.empty_like(tensor), mode="fan_out", nonlinearity="relu")
            assert same_distribution(tensor, expected), name
    reference = isolated(nn.Linear)(256, 10)
    assert same_distribution(model.fc.weight, reference.weight)
    assert same_distribution(model.fc.bias, reference.bias)


def test_vit_starts_with_equal_classes_and_distinct_positions() -> None:
    with isolation():
        model = example("vit").build(width=128)
    started("vit", model, head_bias=-2)
    logits = model(example("vit").example_inputs())
    assert torch.equal(logits, torch.full_like(logits, -2.0))
    linear = torch.cat([t.flatten() for name, t in tensors(model).items() if t.ndim == 2 and "blocks" in name])
    # a normal cut at 2σ whose σ is widened so that 0.02 remains
    unit = float(stats.truncnorm(-2, 2).std())
    assert stats.kstest(linear[:100_000].numpy(), stats.truncnorm(-2, 2, 0, 0.02 / unit).cdf).pvalue > SIGNIFICANT
    assert float(model.pos_embed.detach().std()) == pytest.approx(0.02, rel=0.05)
    assert float(model.cls_token.detach().abs().max()) < 1e-5
    patch = model.patch_embed.proj.weight.detach()
    assert float(patch.std()) == pytest.approx(math.sqrt(1 / (3 * 8 * 8)), rel=0.02)


# Phase 2: what may go wrong and must not


@pytest.mark.parametrize("arguments", WIDTHS)
@pytest.mark.parametrize("name", SETS)
def test_phase2_hidden_head_layers_are_never_zeroed(name: str, arguments: dict[str, Any]) -> None:
    root = phase2(**arguments)
    started(f"phase2/{name}", root)
    assert len(hidden_layers(root)) == 10
    assert all(bool(layer.weight.any()) for layer in hidden_layers(root))


def test_phase2_shared_encoder_is_initialised_once_under_all_its_names() -> None:
    root = phase2()
    plan = loaded("phase2/full", root)
    record = apply_(root, plan)
    row = plan.row("v_r.state_encoder.output_fc.weight")
    assert row is not None
    assert [str(name) for name in row.parameter.names] == [
        f"{network}.state_encoder.output_fc.weight" for network in ("v_h_e", "x_h", "u_r", "q_r", "v_r")
    ]
    shared = [name for name in record.written if ".state_encoder.output_fc.weight" in name]
    assert shared == ["v_h_e.state_encoder.output_fc.weight"]
    assert root.v_r.state_encoder is root.v_h_e.state_encoder
    agents = plan.row("x_h.agent_encoder.index_embedding.weight")
    assert agents is not None
    assert len(agents.parameter.names) == 2


@pytest.mark.parametrize("name", SETS)
def test_phase2_random_network_is_untouched(name: str) -> None:
    root = phase2()
    before = [memory(tensor) for tensor in root.rnd.target.state_dict().values()]
    record = started(f"phase2/{name}", root)
    assert [memory(tensor) for tensor in root.rnd.target.state_dict().values()] == before
    assert not any(path.startswith("rnd.target") for path in (*record.written, *record.parametrized))
    assert not any(parameter.requires_grad for parameter in root.rnd.target.parameters())


@pytest.mark.parametrize("name", [*SETS[:-1], "env-small"])
def test_phase2_sets_fit_the_small_environment(name: str) -> None:
    root = phase2_small()
    plan = loaded(f"phase2/{name}", root)
    assert plan.errors == ()
    apply_(root, plan)


@pytest.mark.parametrize("name", SETS[:-1])
def test_phase2_sets_fit_networks_that_are_missing_or_have_no_parameters(name: str) -> None:
    module = example("phase2")
    whole = phase2()
    root = module.Phase2Networks(v_h_e=nn.Identity(), q_r=whole.q_r)
    plan = loaded(f"phase2/{name}", root)
    assert plan.errors == ()
    apply_(root, plan)
    assert len(head_layers(root)) == 1


def test_phase2_environment_refuses_a_layer_without_a_decision() -> None:
    root = phase2()
    root.v_h_e.extra = isolated(nn.GRU)(3, 3)
    plan = loaded("phase2/env-shared", root)
    assert [finding.code for finding in plan.errors] == ["unclaimed"]


def test_phase2_default_is_what_torch_does() -> None:
    """The baseline of an ablation: every layer as its own constructor leaves it."""
    root, fresh = phase2(), phase2()
    started("phase2/default", root)
    found, expected = tensors(root), tensors(fresh)
    for name, tensor in expected.items():
        if tensor.numel() >= 30 and not name.startswith("rnd.target"):
            assert same_distribution(found[name], tensor), name
            assert not torch.equal(found[name], tensor), name


# The eight strategies of the first user; the fifth, a warm start, stands in test_phase1_transfer.py


@pytest.mark.parametrize("arguments", WIDTHS)
@pytest.mark.parametrize("name", ["output-aware", "full"])
def test_strategy_1_output_aware(name: str, arguments: dict[str, Any]) -> None:
    root = phase2(**arguments)
    started(f"phase2/{name}", root)
    inputs = example("phase2").example_inputs()
    assert not any(bool(layer.weight.any()) for layer in last_layers(root))
    for training in (True, False):
        for network, target in TARGETS.items():
            with torch.no_grad(), isolation():
                output = getattr(root, network).train(training)(*inputs[network])
            assert torch.allclose(output, torch.tensor(target), rtol=1e-5), (network, training)


def test_strategy_1_biases_are_those_of_the_closed_forms() -> None:
    root = phase2()
    started("phase2/output-aware", root)
    found = {name.partition(".")[0]: layers[-1].bias.detach() for name, layers in head_layers(root).items()}
    q, v = TARGETS["q_r"], TARGETS["v_r"]
    expected = {
        "v_h_e": 0.5,
        "x_h": 0.5,
        "u_r": math.log((-U) ** (1 / ETA) - 1),
        "q_r": math.log(math.exp(-q) - 1),
        "v_r": -math.log(math.exp(-v) - 1),
    }
    assert {name: float(bias[0]) for name, bias in found.items()} == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_strategy_1_knobs_are_variables() -> None:
    root = phase2()
    started("phase2/output-aware", root, output_bias_v_h_e=0.25, output_bias_q_r=5)
    assert root.v_h_e.value_head[-1].bias.item() == pytest.approx(0.25)
    assert torch.allclose(root.q_r.q_head[-1].bias, torch.tensor(5.0), rtol=1e-5)


def test_strategy_1_targets_follow_each_other() -> None:
    root = phase2()
    started("phase2/output-aware", root, output_x_h=0.25, gamma=0.5)
    utility = -(4**ETA)
    inputs = example("phase2").example_inputs()
    with torch.no_grad(), isolation():
        assert torch.allclose(root.u_r(*inputs["u_r"]), torch.tensor(utility), rtol=1e-5)
        assert torch.allclose(root.v_r(*inputs["v_r"]), torch.tensor(2 * utility), rtol=1e-5)
        assert torch.allclose(root.q_r(*inputs["q_r"]), torch.tensor(utility), rtol=1e-5)


def test_strategy_1_unreachable_output_is_refused_with_its_place() -> None:
    errors = loaded("phase2/output-aware", phase2(), output_u_r=-0.5).errors
    assert [finding.rule for finding in errors] == ["output-u-r"]
    assert errors[0].span is not None
    assert errors[0].span.file.endswith("output-aware.yaml")


def test_strategy_2_orthogonal() -> None:
    root = phase2()
    started("phase2/orthogonal", root)
    for layer in hidden_layers(root):
        assert has_gain(layer.weight, math.sqrt(2))
        assert not bool(layer.bias.any())
    assert has_gain(root.v_h_e.state_encoder.output_fc.weight, math.sqrt(2))
    assert has_gain(root.v_h_e.goal_encoder.fc.weight, math.sqrt(2))
    for layer in last_layers(root):  # as nn.Linear makes them: U(-1/√fan_in, 1/√fan_in)
        bound = 1 / math.sqrt(layer.in_features)
        assert stats.kstest(layer.weight.detach().flatten().numpy(), stats.uniform(-bound, 2 * bound).cdf).pvalue > 1e-4


def test_strategy_3_xavier() -> None:
    with isolation():
        model: Any = nn.Sequential(
            nn.Linear(60, 80), nn.Sigmoid(), nn.Linear(80, 90), nn.Tanh(), nn.Linear(90, 70), nn.ReLU()
        )
    started("phase2/xavier", model)
    for layer in (model[0], model[2]):  # Glorot & Bengio 2010, eq. 16
        bound = math.sqrt(6 / (layer.in_features + layer.out_features))
        entries = layer.weight.detach().flatten().numpy()
        assert stats.kstest(entries, stats.uniform(-bound, 2 * bound).cdf).pvalue > SIGNIFICANT
        assert not bool(layer.bias.any())
    assert same_distribution(model[4].weight, isolated(nn.Linear)(90, 70).weight)
    assert bool(model[4].bias.any())


def test_strategy_3_xavier_outputs_of_phase2() -> None:
    root = phase2()
    started("phase2/xavier", root)
    weight = root.q_r.q_head[-1].weight.detach()
    with isolation(1):
        assert same_distribution(weight, nn.init.xavier_uniform_(torch.empty_like(weight)))
    assert bool(root.q_r.q_head[-1].bias.any())


def test_strategy_4_encoders() -> None:
    with isolation():
        root = example("phase2").build(hidden=64)
        convolutions = root.v_h_e.state_encoder.grid_conv
        convolutions.insert(1, nn.BatchNorm2d(16))
        convolutions[1].weight.data.fill_(7)
        convolutions[1].running_mean.fill_(7)
        root.v_h_e.agent_encoder.index_embedding = nn.Embedding(500, 16)
    started("phase2/full", root)
    for conv in (convolutions[0], convolutions[3]):
        with isolation(1):
            expected = nn.init.kaiming_normal_(torch.empty_like(conv.weight), mode="fan_out", nonlinearity="relu")
        assert same_distribution(conv.weight, expected)
        assert not bool(conv.bias.any())
    norm = convolutions[1]
    assert [norm.weight.unique().item(), norm.bias.unique().item(), norm.running_mean.unique().item()] == [1, 0, 0]
    embedding = root.v_h_e.agent_encoder.index_embedding.weight.detach().flatten().numpy()
    assert stats.kstest(embedding, stats.norm(0, 0.1).cdf).pvalue > SIGNIFICANT


def test_strategy_6_layer_wise_learning_rates() -> None:
    rules = """
vars: {decay: 0.9}
rules:
  - {rule: encoder, select: {inside: {name: '*_encoder'}}, optimize: {'*': {lr_scale: decay**2}}}
  - rule: hidden
    select: {inside: {name: '*_head'}, type: Linear, pick: all-but-last}
    optimize: {'*': {lr_scale: decay}}
  - {rule: output, select: {inside: {name: '*_head'}, type: Linear, pick: last}, optimize: {'*': {lr_scale: 1}}}
"""
    root = phase2()
    plan = planned(rules, root)
    assert plan.errors == ()
    groups = param_groups(plan, stored_by_path(root), lr=1e-3)
    rates = {name: group["lr"] for group in groups for name in group["names"]}
    assert rates["v_h_e.state_encoder.grid_conv.0.weight"] == pytest.approx(0.81e-3)
    assert rates["x_h.own_agent_encoder.index_embedding.weight"] == pytest.approx(0.81e-3)
    assert rates["q_r.q_head.3.bias"] == pytest.approx(0.9e-3)
    assert rates["q_r.q_head.6.weight"] == pytest.approx(1e-3)
    grouped = [id(parameter) for group in groups for parameter in group["params"]]
    trainable = {id(p) for module in networks(root).values() for p in module.parameters() if p.requires_grad}
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == trainable
    torch.optim.Adam(groups)


def test_strategy_7_spectral_norm() -> None:
    root = phase2()
    record = started("phase2/full", root)
    wrapped = [
        module
        for network in networks(root).values()
        for module in network.modules()
        if parametrize.is_parametrized(module)
    ]
    assert {id(module) for module in wrapped} == {id(layer) for layer in hidden_layers(root)}
    assert len(record.parametrized) == 10
    assert all(float(singular_values(layer.weight)[0]) == pytest.approx(1, abs=1e-5) for layer in hidden_layers(root))


def test_strategy_7_is_a_switch() -> None:
    assert started("phase2/full", phase2(), use_spectral_norm=False).parametrized == ()
    assert len(started("phase2/orthogonal", phase2(), use_spectral_norm=True).parametrized) == 10
    assert started("phase2/env-small", phase2_small()).parametrized == ()


class Branch(nn.Module):
    """A residual branch of two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.second(self.first(x).relu())
        return out


@pytest.mark.parametrize("depth", [1, 4, 16])
def test_strategy_8_fixup(depth: int) -> None:
    """Zhang et al. 2019, rule 2: He's spread times L**(-1 / (2m - 2)), and zero for the last layer of a branch."""
    rules = """
vars: {layers: 2}
rules:
  - rule: branches
    select: {parent: {type: Branch}, type: Linear, pick: all-but-last}
    set: {weight: {normal: {std: sqrt(2 / fan_in) * count("*") ** (-1 / (2 * layers - 2))}}, bias: zeros}
  - {rule: last, select: {parent: {type: Branch}, type: Linear, pick: last}, set: {weight: zeros, bias: zeros}}
"""
    with isolation():
        model: Any = nn.Sequential(*(Branch(96) for _ in range(depth)))
    apply_(model, planned(rules, model))
    for branch in model:
        with isolation(1):
            expected = nn.init.kaiming_normal_(torch.empty(96, 96)) / math.sqrt(depth)
        assert same_distribution(branch.first.weight, expected)
        assert not bool(branch.second.weight.any())
    x = torch.randn(3, 96, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model(x), x)
