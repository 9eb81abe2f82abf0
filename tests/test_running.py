"""Running a model on inputs: what is called, what comes back, and that nothing is left behind."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from transformers import GPT2Config, GPT2LMHeadModel

from initrules.errors import ModelError
from initrules.running import Call, calls_of, restored, roots, run, tensors
from support import isolated


class Busy(nn.Module):
    """Changes all that a forward pass can change."""

    count: int = 0
    steps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.drop = nn.Dropout(0.5)
        self.spectral = parametrizations.spectral_norm(nn.Linear(4, 4))
        self.hooked = torch.nn.utils.spectral_norm(nn.Linear(4, 4))
        self.seen: Tensor | None = None
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, x: Tensor, *, scale: float = 1.0) -> Tensor:
        self.count += 1
        self.steps = self.steps + 1
        self.seen = x
        self.cache = x
        x.add_(random.random() + float(np.random.random()))  # noqa: NPY002
        out: Tensor = self.hooked(self.spectral(self.drop(self.norm(x)))) * scale
        return out


@isolated
def busy() -> Busy:
    return Busy()


def everything(model: nn.Module) -> dict[str, Any]:
    """All that could be left behind, by name; tensors as bytes."""
    found: dict[str, Any] = {"torch": torch.get_rng_state().tolist(), "python": random.getstate()}
    found["numpy"] = [str(part) for part in np.random.get_state()]  # noqa: NPY002
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            found[f"{path}:{name}"] = [*value] if isinstance(value, dict) else id(value)
        found |= {f"{path}.{name}": value.tolist() for name, value in module._buffers.items() if value is not None}
        found |= {f"{path}.{name}": p.tolist() for name, p in module._parameters.items() if p is not None}
        found |= {
            f"{path}.{name}@": (id(p), id(p.grad), p.requires_grad)
            for name, p in module._parameters.items()
            if p is not None
        }
        found |= {f"{path}.{name}@": id(b) for name, b in module._buffers.items()}
    return found


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_nothing_is_left_behind(mode: str) -> None:
    model = busy().eval()
    model.norm.train()
    model.norm.weight.grad = torch.ones(4)
    inputs = torch.ones(3, 4)
    before = everything(model)
    with restored(model):
        assert model.norm.weight.grad is None
        model.norm.register_forward_hook(lambda *_: None)
        model.norm.bias.requires_grad_(False)
        (out,) = run(model, calls_of(model, inputs), mode)
        assert model.training is (mode == "train")
        out.sum().backward()
        assert model.norm.weight.grad is not None
        assert everything(model) != before
    assert everything(model) == before
    assert torch.equal(inputs, torch.ones(3, 4))
    assert torch.equal(model.norm.weight.grad, torch.ones(4))


def test_everything_comes_back_after_an_error() -> None:
    model = busy()
    before = everything(model)
    message = "running the model in train mode raised RuntimeError: .*"
    with pytest.raises(ModelError, match=message), restored(model):
        run(model, calls_of(model, torch.ones(3, 5)), "train")
    assert everything(model) == before


def test_parameters_are_put_back_when_asked_for() -> None:
    model = busy()
    before = everything(model)
    version = model.norm.weight._version
    with restored(model, parameters=True):
        model.norm.weight.data.add_(1)
    assert everything(model) == before
    assert model.norm.weight._version == version


def test_runs_repeat() -> None:
    model = busy()
    outputs = []
    for _ in range(2):
        with restored(model, seed=3):
            outputs.append(run(model, calls_of(model, {"x": torch.ones(3, 4), "scale": 2.0}), "train")[0])
    assert torch.equal(*outputs)


@dataclass
class Two:
    actor: nn.Module | None
    critic: nn.Module | None


LAYER = nn.Linear(2, 2, device="meta")
NET = nn.Sequential(LAYER)
X = torch.ones(1, 2)


@pytest.mark.parametrize(("model", "inputs", "calls"), [
    pytest.param(NET, X, [Call("", NET, (X,), {})], id="a tensor is the only argument"),
    pytest.param(NET, (X, 1), [Call("", NET, (X, 1), {})], id="a tuple is all arguments"),
    pytest.param(NET, [X], [Call("", NET, (X,), {})], id="a list too"),
    pytest.param(NET, {"input": X}, [Call("", NET, (), {"input": X})], id="a mapping is named arguments"),
    pytest.param(NET, {"0": X}, [Call("0", LAYER, (X,), {})], id="unless its keys are paths"),
    pytest.param(NET, {"0": {"input": X}}, [Call("0", LAYER, (), {"input": X})], id="named arguments by path"),
    pytest.param({"net": NET, "no": None}, {"net": (X,)}, [Call("net", NET, (X,), {})], id="a dict of modules"),
    pytest.param(Two(NET, None), {"actor": X, "critic": X}, [Call("actor", NET, (X,), {})], id="one of them left out"),
    pytest.param({"net": NET, "no": None}, {"net": X, "no": X}, [Call("net", NET, (X,), {})], id="of a dict too"),
    pytest.param(Two(NET, None), {"actor.0": X}, [Call("actor.0", LAYER, (X,), {})], id="a dataclass of modules"),
    pytest.param(torch.compile(NET, backend="eager"), X, [Call("", NET, (X,), {})], id="without wrappers"),
])  # fmt: skip
def test_calls(model: Any, inputs: Any, calls: list[Call]) -> None:
    found = calls_of(model, inputs)
    assert [(c.path, c.module, c.positional, c.named) for c in found] == [
        (c.path, c.module, c.positional, c.named) for c in calls
    ]


DICT_HINT = "\n  Give a dict from the path of a module to its arguments: {'actor': (observation,)}."


@pytest.mark.parametrize(("inputs", "message"), [
    pytest.param(X, f"the model is several modules, and the inputs do not say which of them gets what{DICT_HINT}",
                 id="one tensor for several modules"),
    pytest.param({}, f"the inputs are an empty dict{DICT_HINT}", id="nothing"),
    pytest.param({"aktor": X}, "the inputs are for 'aktor', which is no module\n  Did you mean 'actor'?",
                 id="misspelt"),
])  # fmt: skip
def test_inputs_that_name_no_module(inputs: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        calls_of({"actor": NET}, inputs)
    assert str(caught.value) == message


def test_roots() -> None:
    assert roots(torch.compile(NET, backend="eager")) == (NET,)
    assert roots(Two(NET, None)) == (NET,)


@dataclass
class Result:
    value: Any
    count: int


A, B = torch.zeros(1), torch.ones(1)


@pytest.mark.parametrize(("output", "found"), [
    pytest.param(A, [A], id="a tensor"),
    pytest.param((A, [B, None]), [A, B], id="nested"),
    pytest.param({"a": A, "n": torch.ones(1, dtype=torch.int64)}, [A], id="indices are no outputs"),
    pytest.param(Result((A, B), 3), [A, B], id="a dataclass"),
    pytest.param(Result, [], id="a class is none"),
    pytest.param("text", [], id="nothing"),
])  # fmt: skip
def test_tensors(output: Any, found: list[Tensor]) -> None:
    assert [id(tensor) for tensor in tensors(output)] == [id(tensor) for tensor in found]


@isolated
def _gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=32, n_positions=8))


def test_a_transformer() -> None:
    model = _gpt2()
    before = everything(model)
    with restored(model):
        calls = calls_of(model, {"input_ids": torch.zeros(2, 4, dtype=torch.int64), "use_cache": False})
        (out,) = run(model, calls, "train")
        assert [tuple(tensor.shape) for tensor in tensors(out)] == [(2, 4, 32)]
    assert everything(model) == before
