"""What the proofs share: a short directory, since a socket's path has at most 107 bytes."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """A short directory for a library, a socket and a state."""
    with TemporaryDirectory(prefix="promptd-") as short:
        yield Path(short)
