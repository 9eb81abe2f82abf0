"""The first rule file: it plans without errors and warnings, whatever the model is made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from commands import ROOT
from initrules import planning, ruleset
from initrules.errors import Severity
from initrules.factory import build
from initrules.planning import PlanData
from initrules.starter import starter
from initrules.survey import survey
from reference import PLACES
from support import isolated


def started(model: Any) -> tuple[str, PlanData]:
    inventory = survey(model)
    text = starter(inventory)
    return text, planning.make(ruleset.from_text(text, "new.yaml"), inventory)


class Odd(nn.Module):
    """Layers whose kinds have no common rule, or whose names are no words."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(3))
        self.rnn = nn.LSTM(2, 2, bias=False)
        self.attention = nn.MultiheadAttention(4, 2)
        self.conv = nn.Conv1d(2, 2, 1, bias=False)
        self.transposed = nn.ConvTranspose2d(2, 2, 1)
        self.bag = nn.EmbeddingBag(4, 2)
        self.norm = nn.LayerNorm(2, elementwise_affine=False)
        self.group = nn.GroupNorm(2, 4)
        self.act = nn.PReLU()
        self.bilinear = nn.Bilinear(2, 2, 2)


class Bare(nn.Module):
    """A norm without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(3)
        self.frozen = nn.Linear(2, 2).requires_grad_(requires_grad=False)


def example(name: str, function: str = "build") -> Callable[[], Any]:
    return lambda: build(f"{ROOT / 'examples' / PLACES.get(name, name)}.py:{function}", {})


def transformer(kind: str) -> Callable[[], Any]:
    def built() -> Any:
        import transformers  # noqa: PLC0415

        sizes = {"GPT2": {"n_embd": 8, "n_layer": 2, "n_head": 2, "vocab_size": 11}, "Bert": {
            "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8, "vocab_size": 9,
        }}  # fmt: skip
        config = getattr(transformers, f"{kind}Config")(**sizes[kind])
        with torch.device("meta"):
            return getattr(transformers, f"{kind}{'LMHeadModel' if kind == 'GPT2' else 'Model'}")(config)

    return built


@pytest.mark.parametrize(
    "model",
    [
        *(pytest.param(example(path.stem), id=path.stem) for path in sorted((ROOT / "examples").glob("*.py"))),
        *(pytest.param(example(name), id=name) for name in PLACES),
        pytest.param(example("phase2", "build_small"), id="phase2 small"),
        pytest.param(transformer("GPT2"), id="GPT-2 of transformers"),
        pytest.param(transformer("Bert"), id="BERT of transformers"),
        pytest.param(Odd, id="odd layers"),
        pytest.param(Bare, id="a norm without a bias and a frozen layer"),
        pytest.param(nn.Identity, id="no parameters"),
    ],
)
def test_it_plans_without_errors_and_warnings(model: Callable[[], Any]) -> None:
    text, plan = started(isolated(model)())
    assert [str(finding) for finding in plan.findings if finding.severity is not Severity.INFO] == []
    assert all(row.value for row in plan.rows if not row.parameter.buffer and not row.parameter.frozen), text


def test_what_it_writes() -> None:
    text, _ = started(isolated(Bare)())
    assert text == Path(__file__).with_name("golden").joinpath("text", "new.yaml").read_text(encoding="utf-8")


def test_without_a_model_it_is_an_example() -> None:
    rules = ruleset.from_text(starter(None))
    assert (rules.unmatched, [rule.name for rule in rules.rules]) == ("keep", ["linear", "norm"])
