"""Models that nobody here wrote: transformers, stable-baselines3, torch's own Transformer."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
import transformers
from scipy import stats  # type: ignore[import-untyped]
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.policies import ActorCriticCnnPolicy, ActorCriticPolicy
from torch import Tensor, nn

from initrules import planning, ruleset
from initrules.apply import apply_
from initrules.planning import PlanData
from initrules.survey import stored_by_path, survey
from support import isolation, planned

ERROR_BUDGET = 1e-6  # the chance that one whole model is called different although it is not


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what these libraries say about configs made for a test."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def built(build: Callable[[], Any], *, seed: int = 0, device: str = "cpu") -> Any:
    with quiet(), isolation(seed), torch.device(device):
        return build()


def preset(name: str, model: Any) -> PlanData:
    return planning.make(ruleset.load(f"preset:{name}"), survey(model))


def tensors(model: Any) -> dict[str, Tensor]:
    return {name: stored[0].detach() for name, stored in stored_by_path(model).items()}


def assert_same_distribution(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Constant tensors are equal, the others agree in mean and variance: t and F tests, one error budget."""
    assert found.keys() == expected.keys()
    allowed = ERROR_BUDGET / (2 * len(expected))
    for name, tensor in expected.items():
        one, other = found[name].double().flatten().numpy(), tensor.double().flatten().numpy()
        if np.array_equal(one, other):
            continue
        assert not (other == other[0]).all(), f"{name}: all entries should be {other[0]}"
        ratio = one.var(ddof=1) / other.var(ddof=1)
        tail = stats.f(one.size - 1, other.size - 1)
        assert 2 * min(tail.cdf(ratio), tail.sf(ratio)) > allowed, f"{name}: the variances differ by {ratio:.3f}"
        assert stats.ttest_ind(one, other).pvalue > allowed, name


# GPT-2


def gpt2(**changes: Any) -> Any:
    config = {"vocab_size": 300, "n_positions": 64, "n_embd": 64, "n_layer": 3, "n_head": 4} | changes
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**config))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="small"),
        pytest.param({"n_layer": 6, "initializer_range": 0.05}, id="deeper, wider spread"),
        pytest.param({"tie_word_embeddings": False}, id="untied"),
        pytest.param({"add_cross_attention": True}, id="cross attention"),
    ],
)
def test_gpt2_agrees_with_transformers_own_initialisation(changes: dict[str, Any]) -> None:
    model = built(lambda: gpt2(**changes))
    plan = preset("gpt2", model)
    assert plan.errors == ()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(9)
    apply_(model, plan, seed=5)
    assert_same_distribution(tensors(model), tensors(built(lambda: gpt2(**changes), seed=1)))


def test_gpt2_residual_projections_have_the_std_of_the_paper() -> None:
    """Radford et al. 2019, section 2.3: 1/√N of the others, N = 2 · n_layer residual layers."""
    model = built(gpt2)
    apply_(model, preset("gpt2", model))
    weights = [block.attn.c_proj.weight for block in model.transformer.h]
    weights += [block.mlp.c_proj.weight for block in model.transformer.h]
    entries = torch.cat([weight.detach().flatten() for weight in weights]) / (0.02 / math.sqrt(2 * 3))
    chi2 = stats.chi2(entries.numel())
    assert 2 * min(chi2.cdf(float((entries**2).sum())), chi2.sf(float((entries**2).sum()))) > ERROR_BUDGET


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_gpt2_output_layer_stays_the_token_embedding(device: str) -> None:
    model = built(gpt2, device=device)
    keys = list(model.state_dict())
    record = apply_(model, preset("gpt2", model))
    assert model.lm_head.weight is model.transformer.wte.weight
    assert record.written.count("transformer.wte.weight") == 1
    assert "lm_head.weight" not in record.written
    assert list(model.state_dict()) == keys
    with torch.no_grad():
        loss = model.eval()(torch.arange(20)[None], labels=torch.arange(20)[None]).loss
    assert float(loss) == pytest.approx(math.log(300), rel=0.05)  # near-uniform predictions


# Llama

LLAMA = """
vars: {std: root.config.initializer_range}
defaults:
  - {rule: weights, select: {type: [Linear, Embedding]}, set: {weight: {normal: {std: std}}}}
  - {rule: norms, select: {type: '*RMSNorm'}, set: {weight: ones}}
rules:
  - rule: residual
    select: {name: [o_proj, down_proj], type: Linear}
    set: {weight: {normal: {std: std / sqrt(2 * root.config.num_hidden_layers)}}}
    decides: 2 * root.config.num_hidden_layers
"""


def llama(**changes: Any) -> Any:
    config = {
        "vocab_size": 200, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2,
    } | changes  # fmt: skip
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))


@pytest.mark.parametrize("tied", [False, True])
def test_llama_on_meta_plans_as_on_the_cpu(tied: bool) -> None:
    plans = [planned(LLAMA, built(lambda: llama(tie_word_embeddings=tied), device=d)) for d in ("meta", "cpu")]
    assert plans[0].errors == ()
    assert plans[0].fingerprint() == plans[1].fingerprint()
    assert [row.path for row in plans[0].rows] == [row.path for row in plans[1].rows]
    assert [str(finding) for finding in plans[0].findings] == [str(finding) for finding in plans[1].findings]


def test_llama_of_real_size_is_planned_on_meta_in_seconds() -> None:
    model = built(
        lambda: llama(vocab_size=128_256, hidden_size=4096, intermediate_size=14_336, num_hidden_layers=32),
        device="meta",
    )
    plan = planned(LLAMA, model)
    assert plan.errors == ()
    row = plan.row("model.layers.31.mlp.down_proj.weight")
    assert row is not None
    assert row.moments is not None
    assert row.moments.std == pytest.approx(0.02 / 8)


def test_llama_agrees_with_transformers_own_initialisation() -> None:
    rules = LLAMA[: LLAMA.index("rules:")]
    model = built(llama)
    apply_(model, planned(rules, model))
    assert_same_distribution(tensors(model), tensors(built(llama, seed=1)))


# Stable-Baselines3


def policy(kind: str) -> Any:
    def rate(_: float) -> float:
        return 1e-3

    spaces = gymnasium.spaces
    vector = spaces.Box(-1, 1, (6,))
    match kind:
        case "mlp":
            return ActorCriticPolicy(vector, spaces.Discrete(3), rate)
        case "relu":
            return ActorCriticPolicy(vector, spaces.Discrete(3), rate, activation_fn=nn.ReLU, net_arch=[32, 32])
        case "continuous":
            return ActorCriticPolicy(vector, spaces.Box(-1, 1, (2,)), rate)
        case _:
            return ActorCriticCnnPolicy(spaces.Box(0, 255, (3, 36, 36), np.uint8), spaces.Discrete(4), rate)


def singular_values(tensor: Tensor) -> Tensor:
    found: Tensor = torch.linalg.svdvals(tensor.detach().flatten(1))
    return found


@pytest.mark.parametrize("kind", ["mlp", "relu", "continuous", "cnn"])
def test_sb3_policies_get_the_gains_of_sb3(kind: str) -> None:
    model, theirs = built(lambda: policy(kind)), built(lambda: policy(kind), seed=1)
    keys = list(model.state_dict())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(9 if parameter.ndim > 1 else 0)
    plan = preset("ppo", model)
    assert plan.errors == ()
    apply_(model, plan, seed=3)
    expected = tensors(theirs)
    for name, tensor in tensors(model).items():
        if tensor.ndim > 1:
            assert torch.allclose(singular_values(tensor), singular_values(expected[name]), rtol=1e-5, atol=1e-6), name
        else:
            assert torch.equal(tensor, expected[name]), name
    assert list(model.state_dict()) == keys


@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_sb3_gains_by_number(kind: str) -> None:
    model = built(lambda: policy(kind))
    apply_(model, preset("ppo", model))
    gains = {"action_net.weight": 0.01, "value_net.weight": 1.0}
    for name, tensor in tensors(model).items():
        if tensor.ndim > 1:
            wanted = torch.tensor(gains.get(name, math.sqrt(2)))
            assert torch.allclose(singular_values(tensor), wanted, rtol=1e-5), name


def test_sb3_shared_extractor_is_one_target_with_three_names() -> None:
    model = built(lambda: policy("cnn"))
    plan = preset("ppo", model)
    row = plan.row("vf_features_extractor.cnn.0.weight")
    assert row is not None
    assert [str(name) for name in row.parameter.names] == [
        "features_extractor.cnn.0.weight", "pi_features_extractor.cnn.0.weight", "vf_features_extractor.cnn.0.weight",
    ]  # fmt: skip
    assert apply_(model, plan).written.count("features_extractor.cnn.0.weight") == 1
    assert model.vf_features_extractor is model.features_extractor


@pytest.mark.parametrize("algorithm", [PPO, A2C])
def test_sb3_first_policy_is_near_uniform_and_trains(algorithm: Any) -> None:
    with quiet(), isolation():
        agent = algorithm("MlpPolicy", "CartPole-v1", n_steps=32, seed=0, device="cpu")
        apply_(agent.policy, preset("ppo", agent.policy))
        observations = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
        chances = agent.policy.get_distribution(observations).distribution.probs
        assert float((chances - 0.5).abs().max()) < 0.02
        agent.learn(64)
        assert all(bool(parameter.isfinite().all()) for parameter in agent.policy.parameters())


# Others: whatever the architecture, a plan is made, and what it says is done

GENERAL = """
defaults:
  - {rule: rest, select: '**', set: {'*': {normal: {std: 0.02}}}}
rules:
  - {rule: linear, select: {type: Linear}, set: {weight: kaiming_uniform, bias: zeros}}
  - {rule: conv, select: {type: Conv2d}, set: {weight: {kaiming_normal: {mode: fan_out}}, bias: zeros}, optional: true}
  - {rule: embedding, select: {type: Embedding}, set: {weight: {normal: {std: 0.1}}}, optional: true}
  - {rule: norm, select: {type: '*Norm*'}, set: {weight: ones, bias: zeros}}
"""


def bert() -> Any:
    return transformers.BertForMaskedLM(
        transformers.BertConfig(
            vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
        )
    )


def vit() -> Any:
    return transformers.ViTForImageClassification(
        transformers.ViTConfig(
            image_size=16,
            patch_size=8,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
        )
    )


def t5() -> Any:
    return transformers.T5ForConditionalGeneration(
        transformers.T5Config(vocab_size=100, d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2)
    )


def mixtral() -> Any:
    return transformers.MixtralForCausalLM(
        transformers.MixtralConfig(
            vocab_size=100, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, num_local_experts=4,
        )
    )  # fmt: skip


def torch_transformer() -> Any:
    return nn.Transformer(d_model=16, nhead=2, num_encoder_layers=2, num_decoder_layers=2, dim_feedforward=32)


@pytest.mark.parametrize("build", [bert, vit, t5, mixtral, torch_transformer, llama])
def test_any_architecture(build: Callable[[], Any]) -> None:
    model = built(build)
    keys, ties = list(model.state_dict()), [id(p) for p in model.parameters()]
    plan = planned(GENERAL, model)
    assert plan.errors == ()
    assert planned(GENERAL, built(build, device="meta")).fingerprint() == plan.fingerprint()
    apply_(model, plan)
    assert list(model.state_dict()) == keys
    assert [id(p) for p in model.parameters()] == ties
    for row in plan.rows:
        if row.moments and row.moments.std and row.parameter.shape:
            tensor = tensors(model)[row.path].double().numpy()
            padded = 0 if row.target.padding is None else row.parameter.shape[-1]
            drawn = tensor.size - padded
            share = float((tensor**2).sum()) / (drawn * row.moments.std**2)
            assert abs(share - 1) < 6 * math.sqrt(2 / drawn), row.path  # the largest kurtosis is the normal's


def test_t5_shared_embedding_has_all_its_names() -> None:
    row = planned(GENERAL, built(t5)).row("decoder.embed_tokens.weight")
    assert row is not None
    assert [str(name) for name in row.parameter.names][:3] == [
        "shared.weight", "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
    ]  # fmt: skip


def test_bert_padding_row_stays_zero() -> None:
    model = built(bert)
    apply_(model, planned(GENERAL, model))
    embedding = model.bert.embeddings.word_embeddings
    assert not bool(embedding.weight[embedding.padding_idx].any())
    assert bool(embedding.weight[1:].any(dim=1).all())


def test_torch_transformer_as_torch_initialises_it() -> None:
    """``nn.Transformer._reset_parameters`` gives every matrix Xavier uniform, packed projections as one."""
    rules = """
defaults:
  - {rule: own, select: '**', set: {'*': reset}}
rules:
  - {rule: linear, select: {type: Linear}, set: {weight: xavier_uniform}}
  - {rule: out, select: {parent: {type: MultiheadAttention}}, set: {bias: zeros}}
  - {rule: attention, select: {type: MultiheadAttention}, set: {in_proj_weight: {xavier_uniform: {parts: whole}}}}
"""
    model = built(torch_transformer)
    apply_(model, planned(rules, model))
    found, expected = tensors(model), tensors(built(torch_transformer, seed=1))
    biases = [name for name in found if name.endswith(("linear1.bias", "linear2.bias"))]
    assert_same_distribution(
        {name: tensor for name, tensor in found.items() if name not in biases},
        {name: tensor for name, tensor in expected.items() if name not in biases},
    )
