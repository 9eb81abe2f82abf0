"""Construction without drawing, or without memory; real models stand beside the same model built as always."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.init import dirac_, orthogonal_, sparse_, trunc_normal_
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
)

import initrules
from initrules.blank import has_blanks
from initrules.construct import no_init
from initrules.errors import Problems
from support import isolated

ALL = initrules.from_text("""initrules: 1
rules:
  - {rule: all, select: "**", set: {"*": {normal: {std: 0.02}}}}
""")


BIAS = """initrules: 1
rules:
  - {rule: first, select: "", set: {bias: 5}}
"""


def gpt2() -> PreTrainedModel:
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=32, n_head=2, vocab_size=64))


def llama() -> PreTrainedModel:
    config = LlamaConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
        vocab_size=64,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def bert() -> PreTrainedModel:
    return BertModel(
        BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, vocab_size=64)
    )


def left_out(module: nn.Module) -> list[str]:
    return [name for name, parameter in module.named_parameters() if has_blanks(parameter)]


class Started(nn.Module):
    """Gives its parameters their start in ways of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.arange(4.0))
        self.scaled = nn.Parameter(torch.randn(3) * 0.02)
        self.cut = nn.Parameter(torch.empty(3, 3))
        self.matrix = nn.Parameter(torch.empty(3, 3))
        self.given = nn.Parameter(torch.empty(3))
        self.through_data = nn.Parameter(torch.empty(3))
        self.changed = nn.Parameter(torch.empty(3))
        nn.init.trunc_normal_(self.cut, std=0.02)
        nn.init.orthogonal_(self.matrix)
        nn.init.uniform_(self.given)
        nn.init.constant_(self.given, 2)
        self.through_data.data.normal_(0, 0.02)
        nn.init.normal_(self.changed)
        with torch.no_grad():
            self.changed.mul_(3).clamp_(-1, 1)


class ByName(nn.Module):
    """Calls functions of torch.nn.init that it imported by name."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = trunc_normal_(nn.Parameter(torch.empty(3, 3)), std=0.02)
        self.matrix = orthogonal_(nn.Parameter(torch.empty(3, 3)))
        self.sparse = sparse_(nn.Parameter(torch.empty(3, 3)), 0.9)
        self.constant = dirac_(nn.Parameter(torch.empty(3, 3, 3)))


class Sliced(nn.Module):
    """Draws a weight part by part."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(4, 2))
        nn.init.normal_(self.weight)
        with torch.no_grad():
            nn.init.orthogonal_(self.weight[:2])
            nn.init.orthogonal_(self.weight[2:])


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        pytest.param(lambda: nn.Linear(3, 2), ["weight", "bias"], id="linear"),
        pytest.param(lambda: nn.LayerNorm(3), [], id="constants are written"),
        pytest.param(lambda: nn.BatchNorm1d(3), [], id="so are statistics"),
        pytest.param(lambda: nn.Embedding(4, 3, padding_idx=1), ["weight"], id="embedding"),
        pytest.param(
            lambda: nn.MultiheadAttention(4, 2), ["in_proj_weight", "out_proj.weight"], id="biases that are zeroed last"
        ),
        pytest.param(
            lambda: nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)),
            ["bias", "parametrizations.weight.original0", "parametrizations.weight.original1"],
            id="what is computed from nothing is nothing",
        ),
        pytest.param(Started, ["cut", "matrix", "through_data", "changed"], id="own ways"),
        pytest.param(ByName, ["cut", "matrix", "sparse"], id="functions imported by name"),
        pytest.param(lambda: nn.LSTM(3, 2, bias=False), ["weight_ih_l0", "weight_hh_l0"], id="LSTM"),
        pytest.param(Sliced, [], id="parts are drawn"),
        pytest.param(lambda: nn.LazyLinear(3), [], id="lazy ones have no shape"),
    ],
)
def test_left_out(build: Callable[[], nn.Module], expected: list[str]) -> None:
    with no_init():
        module = isolated(build)()
    assert left_out(module) == expected


def test_what_a_constructor_computes_stays() -> None:
    with no_init():
        module = isolated(Started)()
    assert module.table.tolist() == [0, 1, 2, 3]
    assert module.given.tolist() == [2, 2, 2]
    assert bool(module.scaled.abs().gt(0).all())


@pytest.mark.parametrize("build", [gpt2, llama, bert])
@pytest.mark.parametrize("meta", [False, True])
def test_a_real_model_gets_the_values_of_one_built_as_always(build: Callable[[], Any], meta: bool) -> None:
    expected = isolated(build)()
    initrules.apply_(expected, ALL, seed=5)
    with no_init(meta=meta):
        model = isolated(build)()
    assert {p.device.type for p in model.parameters()} == {"meta" if meta else "cpu"}
    if meta:
        initrules.materialize_(model, ALL, seed=5)
    else:
        initrules.apply_(model, ALL, seed=5)
    found = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, tensor in (*expected.named_parameters(), *expected.named_buffers()):
        assert torch.equal(found[name], tensor), name
    tied = [name for name, _ in expected.named_parameters(remove_duplicate=False)]
    assert [name for name, _ in model.named_parameters(remove_duplicate=False)] == tied


def test_the_largest_part_is_neither_drawn_nor_touched() -> None:
    with no_init():
        model = isolated(gpt2)()
    weights = [name for name, p in model.named_parameters() if p.ndim > 1]
    assert left_out(model) == weights


def test_a_plan_that_leaves_nothing_in_a_parameter_is_refused() -> None:
    rules = initrules.from_text("""initrules: 1
rules:
  - {rule: first, select: "0", set: {weight: zeros, bias: [keep, {scale: 2}]}}
""")
    with no_init():
        model = isolated(lambda: nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2)))()
    with pytest.raises(Problems) as caught:
        initrules.apply_(model, rules)
    assert str(caught.value) == (
        "3 parameters of NaN, as 'no_init' leaves them, and no rule gives a value: 0.bias, 1.weight, 1.bias\n"
        "  Add a rule or a default for them: 'reset' gives what their modules' own code would have drawn, "
        "'keep' says that NaN is meant."
    )
    assert left_out(model) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_what_was_loaded_since_is_not_refused() -> None:
    with no_init():
        model = isolated(nn.Linear)(3, 2)
    model.load_state_dict({"weight": torch.ones(2, 3), "bias": torch.zeros(2)})
    initrules.apply_(model, initrules.from_text(BIAS))
    assert model.weight.tolist() == [[1, 1, 1], [1, 1, 1]]
    assert model.bias.tolist() == [5, 5]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param('{rule: all, select: "", set: {"*": keep}}', id="kept"),
        pytest.param("{rule: first, select: no, set: {bias: 5}, optional: true}", id="unclaimed"),
    ],
)
def test_what_was_written_through_data_is_not_refused(rules: str) -> None:
    with no_init():
        model = isolated(nn.Linear)(3, 2)
    model.weight.data.fill_(7)
    model.bias.data.fill_(8)
    initrules.apply_(model, initrules.from_text(f"initrules: 1\nrules: [{rules}]"))
    assert model.bias.tolist() == [8, 8]


@pytest.mark.parametrize("change", [copy.deepcopy, nn.Module.bfloat16, nn.Module.half, nn.Module.double])
def test_a_copy_or_a_cast_of_a_blank_model_is_refused_too(change: Callable[[nn.Module], nn.Module]) -> None:
    with no_init():
        model = isolated(nn.Linear)(3, 2)
    with pytest.raises(
        Problems, match="1 parameter of NaN, as 'no_init' leaves them, and no rule gives a value: weight"
    ):
        initrules.apply_(change(model), initrules.from_text(BIAS))


def test_keep_says_that_nan_is_meant() -> None:
    with no_init():
        model = isolated(nn.Linear)(3, 2)
    initrules.apply_(model, initrules.from_text('initrules: 1\nrules: [{rule: all, select: "", set: {"*": keep}}]'))
    assert left_out(model) == ["weight", "bias"]


def test_a_model_that_was_never_applied_computes_nothing_but_nan() -> None:
    with no_init():
        model = isolated(nn.Linear)(3, 2)
    assert bool(model(torch.ones(1, 3)).isnan().all())
    with no_init():
        square: Any = nn.utils.parametrizations.orthogonal(isolated(nn.Linear)(3, 3))
    assert bool(square.weight.isnan().any())


def test_reset_gives_what_was_left_out() -> None:
    with no_init():
        model = isolated(nn.Linear)(30, 20)
    initrules.apply_(model, initrules.from_text('initrules: 1\nrules: [{rule: all, select: "", set: {"*": reset}}]'))
    assert model.weight.abs().max().item() <= 30**-0.5


def test_after_an_error_inside_torch_draws_again() -> None:
    before = nn.init.orthogonal_
    with pytest.raises(ZeroDivisionError), no_init(), no_init(meta=True):
        _ = 1 / 0
    assert nn.init.orthogonal_ is before
    assert not left_out(isolated(nn.Linear)(3, 2))
    assert isolated(nn.Linear)(3, 2).weight.device.type == "cpu"


def test_other_threads_draw_as_always() -> None:
    found: list[nn.Module] = []
    with no_init(), no_init(meta=True):
        thread = threading.Thread(target=lambda: found.append(isolated(Started)()))
        thread.start()
        thread.join()
    assert not left_out(found[0])
    assert {p.device.type for p in found[0].parameters()} == {"cpu"}


def test_contexts_of_two_threads_may_overlap() -> None:
    inside, done = threading.Event(), threading.Event()

    def elsewhere() -> None:
        with no_init():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=elsewhere)
    with no_init():
        thread.start()
        inside.wait(10)
    done.set()
    thread.join()
    assert not left_out(isolated(Started)())


def test_nested_contexts_leave_out_once() -> None:
    with no_init():
        with no_init():
            inner = isolated(nn.Linear)(3, 2)
        outer = isolated(nn.Linear)(3, 2)
    assert (left_out(inner), left_out(outer)) == (["weight", "bias"], ["weight", "bias"])


def test_the_plan_may_be_made_before() -> None:
    with no_init(meta=True):
        model = isolated(gpt2)()
    plan = initrules.plan(model, ALL)
    record = initrules.materialize_(model, plan, seed=2)
    assert (record.seed, record.fingerprint) == (2, plan.data.fingerprint())
    assert not any(isinstance(p, Tensor) and p.is_meta for p in model.parameters())


def test_marks_on_parameters_go_with_them_to_the_meta_device() -> None:
    class Marked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            weight: Any = nn.Parameter(torch.empty(3))
            weight.no_decay = True
            self.weight = weight
            self.twin = weight

    with no_init(meta=True):
        model: Any = Marked()
    assert model.weight.no_decay is True
    assert model.twin is model.weight
