"""Small models with the names that the rule sets are written for, and nothing that initialises them well."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from reference import example


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what transformers says about configs made for a test."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def mamba(**changes: Any) -> Any:
    with quiet():
        return transformers.MambaForCausalLM(transformers.MambaConfig(
            vocab_size=96, hidden_size=64, state_size=8, num_hidden_layers=3, use_mambapy=True, **changes))  # fmt: skip


def t5(**changes: Any) -> Any:
    sizes = {"vocab_size": 96, "d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 2}
    with quiet():
        return transformers.T5ForConditionalGeneration(transformers.T5Config(**{**sizes, **changes}))


def llama(**changes: Any) -> Any:
    sizes = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    with quiet():
        return transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**sizes, **heads, **changes}))


def bert(layers: int = 3) -> Any:
    with quiet():
        return transformers.BertForSequenceClassification(transformers.BertConfig(
            vocab_size=96, hidden_size=32, num_hidden_layers=layers, num_attention_heads=2,
            intermediate_size=64))  # fmt: skip


def gpt2(width: int = 64) -> Any:
    """With an output layer of its own."""
    with quiet():
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(
            vocab_size=96, n_positions=32, n_embd=width, n_layer=2, n_head=2, tie_word_embeddings=False))  # fmt: skip


def resnet() -> Any:
    with quiet():
        return transformers.ResNetForImageClassification(transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"))  # fmt: skip


def ppo_policy(depth: int = 2, activation: type[nn.Module] = nn.Tanh) -> Any:
    """The networks of a stable-baselines3 agent."""
    from stable_baselines3 import PPO  # noqa: PLC0415  # slow to import

    shape = {"net_arch": {"pi": [32] * depth, "vf": [32] * depth}, "activation_fn": activation}
    return PPO("MlpPolicy", "CartPole-v1", policy_kwargs=shape, seed=0, device="cpu").policy


def fixup() -> Any:
    return example("fixup").build()


def phase2() -> Any:
    return example("phase2").build()


def vit() -> Any:
    return example("vit").build()


def torch_transformer(encoder: int = 3, decoder: int = 2) -> Any:
    return nn.Transformer(32, 2, encoder, decoder, 64, batch_first=True)


def torch_encoder(layers: int = 4) -> Any:
    return nn.TransformerEncoder(nn.TransformerEncoderLayer(32, 2, 64, batch_first=True), layers)


class SeparateAttention(nn.Module):
    """Projections with the names of fairseq's and torchscale's attention."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(width, width) for _ in range(4))


class SeparateLayer(nn.Module):
    """One layer of a post-norm Transformer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.self_attn = SeparateAttention(width)
        self.self_attn_layer_norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)
        self.final_layer_norm = nn.LayerNorm(width)


def separate_decoder(layers: int = 5) -> Any:
    return nn.ModuleDict({"layers": nn.ModuleList(SeparateLayer(64) for _ in range(layers))})


class TitanBlock(nn.Module):
    """One layer with Meta's names."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({name: nn.Linear(width, width, bias=False) for name in ("wq", "wk", "wv", "wo")})
        self.feed_forward = nn.ModuleDict({
            "w1": nn.Linear(width, 2 * width, bias=False),
            "w2": nn.Linear(2 * width, width, bias=False),
            "w3": nn.Linear(width, 2 * width, bias=False),
        })  # fmt: skip
        self.attention_norm = nn.RMSNorm(width)
        self.ffn_norm = nn.RMSNorm(width)


def titan(width: int = 64, layers: int = 3) -> Any:
    return nn.ModuleDict({
        "tok_embeddings": nn.Embedding(96, width),
        "layers": nn.ModuleDict({str(index): TitanBlock(width) for index in range(layers)}),
        "norm": nn.RMSNorm(width),
        "output": nn.Linear(width, 96, bias=False),
    })  # fmt: skip


class SineLayer(nn.Module):
    """sin(omega_0 · Linear(x))."""

    def __init__(self, inputs: int, outputs: int, omega_0: float) -> None:
        super().__init__()
        self.omega_0 = omega_0
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(self.omega_0 * self.linear(x))


class Siren(nn.Module):
    """Coordinates in, a value out."""

    def __init__(self, hidden: int, depth: int, omega_0: float) -> None:
        super().__init__()
        widths = [2] + [hidden] * depth
        sines = [SineLayer(a, b, omega_0) for a, b in pairwise(widths)]
        self.net = nn.Sequential(*sines, nn.Linear(hidden, 1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out


def siren(hidden: int = 64, depth: int = 4, omega_0: float = 30.0) -> Any:
    return Siren(hidden, depth, omega_0)


class DiTBlock(nn.Module):
    """Attention and feed-forward, each shifted, scaled and gated by six numbers for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))


class DiT(nn.Module):
    """The modules of the authors' DiT, by their names."""

    def __init__(self, side: int, patch: int, width: int, depth: int) -> None:
        super().__init__()
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(4, width, patch, patch)})
        self.t_embedder = nn.ModuleDict(
            {"mlp": nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, width))}
        )
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(11, width)})
        self.pos_embed = nn.Parameter(torch.zeros(1, side * side, width), requires_grad=False)
        self.blocks = nn.ModuleList(DiTBlock(width) for _ in range(depth))
        self.final_layer = nn.ModuleDict({
            "linear": nn.Linear(width, patch * patch * 8),
            "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width)),
        })  # fmt: skip


def dit(side: int = 5, patch: int = 2, width: int = 48, depth: int = 2) -> Any:
    return DiT(side, patch, width, depth)


def lstm() -> Any:
    return nn.ModuleDict({
        "plain": nn.LSTM(24, 32, num_layers=2, bidirectional=True),
        "cell": nn.LSTMCell(16, 32),
    })  # fmt: skip


class Mlp(nn.Module):
    """``width`` is recorded, so that rules can read it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.input = nn.Linear(16, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.readout = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.input(x))
        for layer in self.hidden:
            x = torch.relu(layer(x))
        out: Tensor = self.readout(x)
        return out


def mlp(width: int = 128) -> Any:
    return Mlp(width)
