"""Initialisers that people really use, as rule files: the same distribution, and where they draw once the same bits."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest
import torch

import initrules
from initrules.resetting import one_thread
from initrules.ruleset import RuleSet
from support import isolation
from wild import cases, count

DRAWS = 24
SAME_BITS = sorted(path.stem for path in (cases.HERE / "global").glob("*.yaml"))
MORE_BITS = sorted(path.stem for path in (cases.MORE / "global").glob("*.yaml"))
WILD_PAGE = Path(__file__).parents[1] / "docs" / "wild.md"

compare: Any = cases.imported(cases.REFERENCE / "compare.py").compare


@functools.cache
def case(folder: Path, name: str) -> Any:
    return cases.imported(folder / f"{name}.py")


def built(one: Any) -> Any:
    """A model as the case builds it, with the same values each time."""
    torch.manual_seed(1)
    return one.build()


def tensors(model: Any) -> dict[str, torch.Tensor]:
    return {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}


def different(one: Any, rules: RuleSet) -> list[str]:
    """The tensors whose bits differ between the reference and the rules, after the same seed."""
    with isolation():
        wanted, given = built(one), built(one)
        torch.manual_seed(2)
        one.reference_init(wanted)
        after = torch.get_rng_state()
        torch.manual_seed(2)
        initrules.apply_(given, rules)
        assert torch.equal(after, torch.get_rng_state()), "the two draw a different number of values"
    found = tensors(given)
    return [name for name, value in tensors(wanted).items() if not _equal(value, found[name])]


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    untouched = a.isnan() & b.isnan()  # where the case marks by NaN what nobody writes
    return torch.equal(a.masked_fill(untouched, 0), b.masked_fill(untouched, 0))


def check(one: Any, rules: RuleSet) -> list[str]:
    """Errors of the plan, and every difference between the distributions."""
    with isolation(), one_thread():  # many small draws
        errors = [str(error) for error in initrules.plan(built(one), rules).errors]
        return errors or compare(one, cases.initialiser(rules), draws=DRAWS)


@pytest.mark.parametrize("name", cases.names(cases.REFERENCE))
def test_the_distribution_is_that_of_the_reference(name: str) -> None:
    assert check(case(cases.REFERENCE, name), cases.rules_of(cases.HERE / f"{name}.yaml")) == []


@pytest.mark.parametrize("name", SAME_BITS)
def test_the_bits_are_those_of_the_reference(name: str) -> None:
    assert different(case(cases.REFERENCE, name), cases.rules_of(cases.HERE / "global" / f"{name}.yaml")) == []


@pytest.mark.parametrize("name", cases.names(cases.MORE))
def test_more_distributions(name: str) -> None:
    assert check(case(cases.MORE, name), cases.rules_of(cases.MORE / f"{name}.yaml")) == []


@pytest.mark.parametrize("name", MORE_BITS)
def test_more_bits(name: str) -> None:
    assert different(case(cases.MORE, name), cases.rules_of(cases.MORE / "global" / f"{name}.yaml")) == []


def test_all_that_draw_once_have_the_same_bits() -> None:
    """But one, whose order is neither that of registration nor of ``apply``; see ``docs/limits.md``."""
    once = {name for name in cases.names(cases.REFERENCE) if "o.redraw" not in case(cases.REFERENCE, name).META["caps"]}
    assert once - set(SAME_BITS) == {"gnn_dimenet"}
    assert set(SAME_BITS) - once == {"rl_dreamerv3"}  # draws once after all


def test_a_wrong_rule_is_found() -> None:
    rules = cases.rules_of(cases.HERE / "rl_cleanrl_ppo.yaml")
    wrong = RuleSet(rules.files, rules.about, rules.rules[:-1], rules.variables)  # without the policy head
    assert [problem.partition(":")[0] for problem in check(case(cases.REFERENCE, "rl_cleanrl_ppo"), wrong)] == [
        "actor.4.weight"
    ]


@pytest.mark.parametrize("folders", count.FOLDERS, ids=["given", "more"])
def test_the_page_shows_the_counts_of_today(folders: tuple[Path, Path]) -> None:
    shown = count.table(*folders) in WILD_PAGE.read_text(encoding="utf-8")
    assert shown, "run tests/wild/count.py and paste its tables"


@pytest.mark.parametrize("folders", count.FOLDERS, ids=["given", "more"])
def test_rule_files_are_about_as_long_as_the_python_they_replace(folders: tuple[Path, Path]) -> None:
    found = count.counts(*folders)
    assert sum(rules for _, _, rules in found) <= 1.2 * sum(python for _, python, _ in found)
    assert max(rules / python for _, python, rules in found) < 2
