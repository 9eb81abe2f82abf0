"""Every example builds, runs, and takes its rule set, on the CPU and on the meta device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from initrules.apply import apply_
from initrules.survey import stored_by_path
from reference import ALL, PLACES, REFERENCES, ROOT, Reference, example
from support import isolation
from writing import same

RUN_BY_TORCHRUN = {"fsdp"}  # see test_sharding.py
NAMES = sorted({path.stem for path in (ROOT / "examples").glob("*.py")} - RUN_BY_TORCHRUN | {*PLACES})
BY_RULES = {reference.rules: reference for reference in REFERENCES}
EVERY = [pytest.param(reference, id=reference.rules) for reference in REFERENCES]
COMPLETE = ["gpt2", "phase2/env-small", "ppo", "ppo-humanoid", "resnet", "vit"]  # these leave no tensor out


def modules(root: Any) -> dict[str, nn.Module]:
    if isinstance(root, nn.Module):
        return {"": root}
    return {name: module for name, module in vars(root).items() if module is not None}


def outputs(reference: Reference, model: Any, **arguments: Any) -> Iterator[Tensor]:
    """What the example's networks give for its own inputs."""
    inputs = example(reference.example).example_inputs(**arguments)
    for name, module in modules(model).items():
        given = inputs[name] if isinstance(inputs, dict) else inputs if isinstance(inputs, tuple) else (inputs,)
        result = module(*given)
        yield from result if isinstance(result, tuple) else (result,)


def inputs_of(reference: Reference) -> dict[str, Any]:
    return {key: value for key, value in reference.arguments.items() if key == "observations"}


def test_every_example_is_a_reference() -> None:
    saved = {example for reference in ALL for example in reference.checkpoints.values()}
    assert sorted(({reference.example for reference in ALL} | saved) - {"preset_models"}) == NAMES


@pytest.mark.parametrize("reference", EVERY)
def test_example_takes_its_rules_and_runs(reference: Reference) -> None:
    model = reference.model()
    plan = reference.plan(model)
    assert plan.errors == ()
    apply_(model, plan)
    assert all(bool(t.isfinite().all()) for stored in stored_by_path(model).values() for t in stored)
    with isolation():  # dropout draws
        found = list(outputs(reference, model, **inputs_of(reference)))
        loss = sum((one.square().mean() for one in found), torch.zeros(()))
        loss.backward()  # type: ignore[no-untyped-call]
    assert found
    assert all(bool(one.isfinite().all()) for one in found)
    assert all(
        bool(parameter.grad.isfinite().all())
        for module in modules(model).values()
        for parameter in module.parameters()
        if parameter.grad is not None
    )


@pytest.mark.parametrize("reference", EVERY)
def test_example_on_meta_has_the_plan_of_the_cpu(reference: Reference) -> None:
    with torch.device("meta"):
        model = reference.model()
    on_meta, on_cpu = reference.plan(model), reference.plan(reference.model())
    assert on_meta.fingerprint() == on_cpu.fingerprint()
    assert [str(finding) for finding in on_meta.findings] == [str(finding) for finding in on_cpu.findings]
    assert all(tensor.is_meta for stored in stored_by_path(model).values() for tensor in stored)


@pytest.mark.parametrize("name", COMPLETE)
def test_example_on_meta_gets_the_values_of_the_cpu(name: str) -> None:
    reference = BY_RULES[name]
    with torch.device("meta"):
        model = reference.model()
    other = reference.model()
    for one in (model, other):
        apply_(one, reference.plan(one), seed=4)
    found, expected = stored_by_path(model), stored_by_path(other)
    assert list(found) == list(expected)
    assert all(same(found[path][0], expected[path][0]) for path in expected)
    with torch.no_grad():
        for module in (*modules(model).values(), *modules(other).values()):
            module.eval()
        one, two = (list(outputs(reference, root, **inputs_of(reference))) for root in (model, other))
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.mark.parametrize(
    ("rules", "arguments"),
    [
        pytest.param("gpt2", {"n_layer": 2, "n_embd": 32, "vocab_size": 50}, id="another GPT-2"),
        pytest.param("ppo", {"observations": 7, "actions": 5, "hidden": 8}, id="another agent"),
        pytest.param("resnet", {"depth": 50, "width": 8}, id="bottlenecks"),
        pytest.param("resnet", {"depth": 34, "width": 4, "classes": 3}, id="deeper"),
        pytest.param("vit", {"depth": 1, "width": 32, "heads": 2, "classes": 3}, id="another ViT"),
        pytest.param("phase2/full", {"share": False}, id="nothing shared"),
        pytest.param("phase2/full", {"dropout": 0.0, "hidden": 16}, id="narrow heads without dropout"),
        pytest.param("phase2/env-small", {"hidden": 8, "actions": 2}, id="smaller still"),
    ],
)
def test_rules_fit_other_sizes(rules: str, arguments: dict[str, Any]) -> None:
    reference = BY_RULES[rules]
    model = reference.model(**arguments)
    plan = reference.plan(model)
    assert plan.errors == ()
    apply_(model, plan)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        pytest.param("gpt2", {"n_embd": 10, "n_head": 4}, "n_embd (10) must be a multiple of n_head (4)", id="gpt2"),
        pytest.param("resnet", {"depth": 19}, "no ResNet has depth 19, choose one of 18, 34, 50, 101", id="resnet"),
        pytest.param("vit", {"width": 10, "heads": 4}, "width (10) must be a multiple of heads (4)", id="vit"),
    ],
)
def test_impossible_sizes_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the message is compared whole
        example(name).build(**arguments)
    assert str(caught.value) == message


@pytest.mark.parametrize("name", NAMES)
def test_inputs_depend_on_their_seed_alone(name: str) -> None:
    def flat(seed: int) -> list[Tensor]:
        found = example(name).example_inputs(seed=seed)
        if isinstance(found, Tensor):
            return [found]
        return [tensor for group in found.values() for tensor in group] if isinstance(found, dict) else list(found)

    assert all(torch.equal(one, other) for one, other in zip(flat(0), flat(0), strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(flat(0), flat(1), strict=True))


def test_soft_clamp_is_the_identity_inside_and_pulls_back_outside() -> None:
    clamp = example("phase2").SoftClamp()
    x = torch.tensor([-10.0, -0.1, 0.0, 0.5, 1.0, 1.1, 10.0], requires_grad=True)
    soft = clamp.train()(x)
    assert torch.allclose(soft[2:5], x[2:5])
    assert float(soft[0].detach()) == pytest.approx(-0.5)
    assert float(soft[-1].detach()) == pytest.approx(1.5)
    soft[1:6].sum().backward()
    assert bool((torch.as_tensor(x.grad)[1:6] > 0).all())
    assert torch.equal(clamp.eval()(x), x.clamp(0, 1))
