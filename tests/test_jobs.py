"""What is looked up once about every value that is to be written."""

from __future__ import annotations

import pytest
from torch import nn

import support
from initrules.jobs import Job, jobs
from initrules.places import places_of


@support.isolated
def three() -> nn.Module:
    return nn.Sequential(*(nn.Linear(2, 2, bias=False) for _ in range(3)))


def made(model: nn.Module, rules: str) -> dict[str, Job]:
    return {job.path: job for job in jobs(support.planned(rules, model), places_of(model))}


TRAITS = {
    "a constant": ("ones", {"entrywise", "ours"}),
    "drawn": ("{normal: {std: 0.02}}", {"entrywise", "ours"}),
    "a matrix": ("orthogonal", {"ours"}),
    "a chain": ("[{normal: {std: 1}}, {scale: 2}]", {"ours", "several"}),
    "a change in place": ("[keep, {scale: 2}]", {"ours", "several", "keeps", "changes"}),
    "the owner's method": ("reset", {"resets"}),
    "a formula": ("{formula: '0.5'}", {"uncertain"}),
    "another parameter": ("{copy: 2.weight}", {"reads"}),
}


@pytest.mark.parametrize(("value", "wanted"), TRAITS.values(), ids=TRAITS)
def test_traits(value: str, wanted: set[str]) -> None:
    traits = made(three(), f"rules: [{{rule: one, select: '0', set: {{weight: {value}}}}}]")["0.weight"].traits
    names = ("entrywise", "ours", "keeps", "uncertain", "resets", "reads", "several", "changes")
    assert {name for name in names if getattr(traits, name)} == wanted


def test_nothing_comes_from_keyed_streams_in_a_file_with_the_global_one() -> None:
    found = made(three(), "stream: global\nrules: [{rule: one, select: '0', set: {weight: ones}}]")["0.weight"].traits
    assert not found.entrywise
    assert not found.ours


def test_a_parametrized_weight_is_not_written_entry_by_entry() -> None:
    model = three()
    nn.utils.parametrizations.weight_norm(model.get_submodule("0"))
    job = made(model, "rules: [{rule: one, select: '0', set: {weight: ones}}]")["0.weight"]
    assert job.traits.entrywise
    assert not job.entrywise


def test_what_is_read_comes_first_and_what_is_kept_is_left_out() -> None:
    rules = """rules:
      - {rule: copied, select: "0", set: {weight: {copy: 2.weight}}}
      - {rule: kept, select: "1", set: {weight: keep}}
      - {rule: drawn, select: "2", set: {weight: ones}}
    """
    assert list(made(three(), rules)) == ["2.weight", "0.weight"]
