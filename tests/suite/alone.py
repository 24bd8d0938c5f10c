"""Tests marked `alone` run while no other test does: those that change a setting of the whole machine.

A pytest plugin, loaded by tests/conftest.py. xdist can keep tests together but not apart, so two locks in the
directory for temporary files do it, for all processes of this user, of whichever checkout: every test takes
`shared` as a reader, one that is alone as a writer. `turnstile` is held while waiting for `shared`, so
that no other test begins while one waits to be alone. The kernel releases both when a process ends, however
it ends.

The locks are taken outside the time limit of the test: waiting for a neighbour is not the test's doing.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

_locks = pytest.StashKey["Locks"]()


@contextmanager
def locked(descriptor: int, operation: int) -> Iterator[None]:
    """Hold one lock."""
    fcntl.flock(descriptor, operation)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


class Locks:
    """The two locks, opened for as long as a session lasts."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._turnstile, self._shared = (
            os.open(directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            for name in ("turnstile", "shared")
        )

    @contextmanager
    def inside(self, *, alone: bool) -> Iterator[None]:
        """Wait until this test may run, and keep others out if it is to be alone."""
        with ExitStack() as stay:
            with locked(self._turnstile, fcntl.LOCK_EX):
                stay.enter_context(locked(self._shared, fcntl.LOCK_EX if alone else fcntl.LOCK_SH))
            yield

    def close(self) -> None:
        """Close both files."""
        os.close(self._turnstile)
        os.close(self._shared)


def pytest_configure(config: pytest.Config) -> None:
    """Open the locks."""
    config.stash[_locks] = Locks(Path(tempfile.gettempdir()) / f"promptd-tests-{os.getuid()}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close the locks."""
    config.stash[_locks].close()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run the test inside; first of all wrappers, so that the time limit begins after the wait."""
    with item.config.stash[_locks].inside(alone=item.get_closest_marker("alone") is not None):
        return (yield)
