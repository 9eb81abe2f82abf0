"""The manual of the actions says what their classes say."""

from __future__ import annotations

import pytest

from initrules import manual
from initrules.actions.base import arguments
from initrules.actions.table import BUILTIN
from initrules.errors import ActionError

TABLES = (BUILTIN.actions, BUILTIN.parametrizations, BUILTIN.options)
NAMES = sorted({name for table in TABLES for name in table})


def test_every_action_stands_in_one_line() -> None:
    lines = manual.overview().splitlines()
    shown = [line.split()[0] for line in lines if line.startswith("  ")]
    assert shown == [name for table in TABLES for name in table]
    assert all(len(line.split(maxsplit=1)) == 2 for line in lines if line.startswith("  "))


@pytest.mark.parametrize("name", NAMES)
def test_a_page_names_every_argument(name: str) -> None:
    page = manual.page(name)
    for table in (one for one in TABLES if name in one):
        for key in arguments(table[name]):
            assert f"\n  {key}: " in page
    assert page.startswith(f"{name}\n\n")


def test_a_page_whole() -> None:
    assert manual.page("scale").endswith(
        "\n\nArguments:\n  factor: number, required; multiplies every entry\n\n{scale: VALUE} gives 'factor' directly."
    )
    assert "  sparsity: number ≥ 0, required; " in manual.page("sparse")
    assert "  fan: number > 0, not set; " in manual.page("xavier_normal")
    assert "  mode: fan_in or fan_out or fan_avg, default fan_in; " in manual.page("kaiming_normal")
    assert "  name: text, or a map of prefixes, not set; " in manual.page("load")


def test_other_spellings_lead_to_the_same_page() -> None:
    assert manual.page("he_normal") == manual.page("kaiming_normal")
    assert "Also spelled `he_normal`." in manual.markdown()


def test_one_name_in_two_tables_has_two_pages() -> None:
    assert manual.page("orthogonal").count("Arguments:") == 2
    assert manual.page("keep").count("keep\n\n") == 1


def test_an_unknown_action() -> None:
    with pytest.raises(ActionError) as caught:
        manual.page("ortogonal")
    assert str(caught.value) == "unknown action 'ortogonal'\n  Did you mean 'orthogonal'?"
