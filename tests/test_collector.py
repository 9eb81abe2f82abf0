"""The garbage collector is held off, and put back."""

from __future__ import annotations

import gc

import pytest

from initrules.collector import held_off


@pytest.mark.parametrize("enabled", [True, False])
def test_it_is_off_inside_and_as_before_after(enabled: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        with held_off():
            assert not gc.isenabled()
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if before else gc.disable)()
