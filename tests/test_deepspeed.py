"""A model divided by DeepSpeed's ZeRO-3 over two processes holds the values of a single one, bit for bit."""

from __future__ import annotations

from divided import every_way
from ranks import world

REFUSAL = """DeepSpeed has divided the model: 'Embedding.weight' is empty
  Plan and apply inside 'deepspeed.zero.GatheredParameters(list(model.parameters()), modifier_rank=0)'."""


def test_zero_3() -> None:
    """What docs/sharding.md says of both ways, and of the mistakes."""
    assert world(2, every_way) == 2 * [
        {
            "before it is divided": [],
            "gathered": [],
            "gathered without a modifier_rank": ["0.weight", "1.weight", "1.bias", "3.weight", "3.bias"],
            "divided": REFUSAL,
            "divided after the plan": REFUSAL,
        }
    ]
