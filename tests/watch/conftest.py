"""What the tests of watching share: a place where permissions count, even for root."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.watch.fakes import AsNobody


@pytest.fixture
def as_nobody() -> Iterator[AsNobody]:
    """A fresh directory that everybody may read (pytest's own are root's), and the way to lose rights."""
    directory = Path(tempfile.mkdtemp(prefix="promptd-test-")).resolve()
    directory.chmod(0o755)
    yield AsNobody(directory)
    for path in (directory, *directory.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(directory)
