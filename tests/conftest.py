"""Every test leaves torch's global random state as it found it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import browser
import page_models
from browser import Tab
from page_models import Pages


@pytest.fixture(autouse=True)
def _global_random_state_is_left_alone() -> Iterator[None]:
    before = torch.get_rng_state()
    yield
    moved = not torch.equal(before, torch.get_rng_state())
    torch.set_rng_state(before)
    assert not moved, "the test moved torch's global random state; build models with support.isolated"


@pytest.fixture(scope="session")
def opened() -> Iterator[Tab]:
    """A browser, one for all tests of a process."""
    with browser.tab() as tab:
        yield tab


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Pages:
    """Pages to look at, in files."""
    return page_models.written(tmp_path_factory.mktemp("pages"))


@pytest.fixture
def page(opened: Tab, pages: Pages) -> Iterator[Tab]:
    """The page of one plan; whatever a test does, nothing is asked of a network and nothing complains."""
    browser.resize(opened, 1400, 860)
    browser.colours(opened, "light")
    opened.open(pages.one)
    yield opened
    said, asked = opened.logs()
    assert said == []
    assert all(address.startswith(("file:", "data:")) for address in asked)
