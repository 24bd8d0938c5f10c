"""What the tests of faults share: a library to do harm to, daemons, and the way to lose rights."""

from pathlib import Path

import pytest

from tests.daemon.conftest import directory, start
from tests.watch.conftest import as_nobody

__all__ = ["as_nobody", "directory", "place", "root", "start"]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory, by its real name."""
    place = tmp_path.resolve() / "place"
    place.mkdir()
    return place


@pytest.fixture
def root(place: Path) -> Path:
    """A library whose `hello.md` includes `part.md`."""
    root = place / "lib"
    root.mkdir()
    (root / "hello.md").write_text("Hello.\n<include>part.md</include>\n")
    (root / "part.md").write_text("zeroth text\n")
    return root
