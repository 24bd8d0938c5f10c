"""Putting garbage collection off, and what comes after."""

import gc
from contextlib import suppress

import pytest

from promptd.upkeep import garbage


@pytest.mark.parametrize("was_enabled", [True, False])
def test_it_is_as_before_afterwards(was_enabled: bool) -> None:
    """Also where something fails inside, and where it was off anyway."""
    if not was_enabled:
        gc.disable()
    try:
        with suppress(LookupError), garbage.put_off():
            assert not gc.isenabled()
            raise LookupError
        assert gc.isenabled() is was_enabled
    finally:
        gc.enable()
