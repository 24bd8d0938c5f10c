"""Daemons for tests, all ended whatever happens; maintenance in this process; the log, read back."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import pytest_asyncio

from promptd.support import log
from tests.conftest import Library
from tests.daemon.maintained import FILES, Maintained
from tests.daemon.process import Daemon
from tests.daemon.workspaces import workspace_of

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


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """Everything that is logged at info and above, one JSON object a line."""
    stream = io.StringIO()
    log.configure("json", "info", stream)
    yield stream
    log.silence()


@pytest_asyncio.fixture
async def maintained(library: Library) -> AsyncIterator[Maintained]:
    """Maintenance of a small library that has been read."""
    root = await asyncio.to_thread(library, FILES)
    workspace = await asyncio.to_thread(workspace_of, root)
    made = Maintained(root, workspace)
    await asyncio.to_thread(made.state.mkdir)
    yield made
    for task in made.tasks.all:
        task.cancel()
    await asyncio.gather(*made.tasks.all, return_exceptions=True)
    made.lock.release()
    await asyncio.to_thread(workspace.close)
