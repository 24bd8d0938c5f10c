"""Daemons for tests: as many as a test starts, or one shared by a module, all ended whatever happens."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.daemon.process import Daemon

Start = Callable[..., Daemon]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short directory: a socket's path has at most 107 bytes."""
    with TemporaryDirectory(prefix="promptd-") as short:
        yield Path(short)


@pytest.fixture
def start(directory: Path) -> Iterator[Start]:
    """Return a function that starts a daemon in `directory` (or another); every one is ended."""
    with ExitStack() as endings:

        def start_one(*arguments: object, place: Path = directory, **more: object) -> Daemon:
            place.mkdir(exist_ok=True)
            daemon = Daemon(place, *arguments, **more)  # type: ignore[arg-type]
            endings.callback(daemon.close)
            return daemon

        yield start_one
