"""What the tests of upkeep share: the log, read back."""

import io
from collections.abc import Iterator

import pytest

from promptd.support import log


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything that is logged at info and above, one JSON object a line."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    log.silence()
