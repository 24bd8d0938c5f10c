"""Fixtures of all tests: an event loop that may not be blocked, a library on disk, and `until`.

Nothing here depends on a single package of promptd. `asyncio_debug`, the time limit and "warnings are errors"
are set in pyproject.toml; how a run as a whole behaves is in tests/suite, a plugin for each promise. A test
never sleeps: it waits for an event, moves a manual clock, or asks `until`.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import pytest
from blockbuster import BlockBuster

from promptd.core.library.graph import strongly_connected

pytest_plugins = [
    "tests.suite.hermetic",
    "tests.suite.alone",
    "tests.suite.examples",
    "tests.suite.order",
    "tests.suite.quick",
    "tests.suite.reruns",
]

strongly_connected({})  # as a daemon that is READY has done: what it imports must not be imported on a loop
THRESHOLDS = gc.get_threshold()


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of all later garbage collections: it never is garbage, and to
    walk through it takes a tenth of a second each time.
    """
    gc.collect()
    gc.freeze()


def pytest_runtest_teardown() -> None:
    """Collect garbage as before: `serve` turns that off in this process, a daemon has its own thresholds."""
    gc.enable()
    gc.set_threshold(*THRESHOLDS)


POLL_S = 0.005
PATIENCE_S = 10.0

# Calls of promptd that may block the loop, each with its reason. Anything else is a bug.
MAY_BLOCK = (
    # A reply is validated by a stat sweep in the event loop, 2 µs a dependency; slow file systems
    # move to a thread by measurement.
    "os.stat",
    "os.path.islink",
    "os.path.abspath",
    "os.path.samestat",
    "os.readlink",  # of a way to a component that is a link: where it leads belongs to the same sweep
)


@pytest.fixture(autouse=True)
def _loop_must_not_block(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail an async test in which code of promptd blocks the event loop."""
    if request.node.get_closest_marker("asyncio") is None:
        yield
        return
    watchdog = BlockBuster("promptd")
    watchdog.activate()
    for name in MAY_BLOCK:
        watchdog.functions[name].deactivate()
    try:
        yield
    finally:
        watchdog.deactivate()


Library = Callable[[Mapping[str, str | bytes]], Path]


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Return a function that writes `{id: text}` below one temporary root and returns the root."""
    root = tmp_path / "library"

    def write(files: Mapping[str, str | bytes]) -> Path:
        root.mkdir(exist_ok=True)
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return root

    return write


Until = Callable[[Callable[[], object]], Awaitable[None]]


@pytest.fixture
def until() -> Until:
    """Return an async function that waits until a condition is truthy, or fails after PATIENCE_S."""

    async def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, f"still not true after {PATIENCE_S} s: {condition}"
            await asyncio.sleep(POLL_S)

    return wait
