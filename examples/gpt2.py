"""A small GPT-2 with the module names of transformers' ``GPT2LMHeadModel``.

Pre-norm blocks, learned positions, output layer tied to the token embedding (Radford et al. 2019).
The projections are ``nn.Linear``; transformers has its own ``Conv1D`` there, which keeps the weight
transposed. Rules that select ``type: [Linear, Conv1D]`` serve both.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class GPT2Config:
    """Sizes, and the std that initialisation is based on."""

    vocab_size: int = 256
    n_positions: int = 64
    n_embd: int = 64
    n_layer: int = 4
    n_head: int = 4
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head:
            message = f"n_embd ({self.n_embd}) must be a multiple of n_head ({self.n_head})"
            raise ValueError(message)


class GPT2Attention(nn.Module):
    """Causal self-attention; ``c_attn`` computes queries, keys and values at once."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.heads = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        packed: Tensor = self.c_attn(x)
        query, key, value = packed.view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        out: Tensor = self.c_proj(mixed.transpose(1, 2).reshape(batch, length, width))
        return out


class GPT2MLP(nn.Module):
    """Two layers with the tanh form of GELU between them."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.n_embd, 4 * config.n_embd)
        self.c_proj = nn.Linear(4 * config.n_embd, config.n_embd)
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(self.act(self.c_fc(x)))
        return out


class GPT2Block(nn.Module):
    """Two residual branches, each behind its own LayerNorm."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = GPT2Attention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = GPT2MLP(config)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class GPT2Model(nn.Module):
    """Embeddings, blocks, final norm: token ids in, hidden states out."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.n_positions, config.n_embd)
        self.h = nn.ModuleList(GPT2Block(config) for _ in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.n_embd)

    def forward(self, tokens: Tensor) -> Tensor:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.wte(tokens) + self.wpe(positions)
        for block in self.h:
            x = block(x)
        out: Tensor = self.ln_f(x)
        return out


class GPT2LMHeadModel(nn.Module):
    """GPT-2 with an output layer whose weight is the token embedding itself."""

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.config = config
        self.transformer = GPT2Model(config)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.lm_head.weight = self.transformer.wte.weight

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.lm_head(self.transformer(tokens))
        return logits


def build(
    n_layer: int = 4, n_embd: int = 64, n_head: int = 4, vocab_size: int = 256, n_positions: int = 64
) -> GPT2LMHeadModel:
    """A GPT-2 small enough to train on a laptop; (12, 768, 12, 50257, 1024) is the real one."""
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=vocab_size, n_positions=n_positions, n_embd=n_embd, n_layer=n_layer, n_head=n_head)
    )


def example_inputs(vocab_size: int = 256, length: int = 16, batch: int = 2, seed: int = 0) -> Tensor:
    """Token ids, shape (batch, length)."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(vocab_size, (batch, length), generator=generator)
