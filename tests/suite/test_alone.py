"""alone.py: many at once, or one alone; who waits to be alone is not overtaken for ever."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.suite.alone import Locks

PATIENCE_S = 10.0


class Guest(threading.Thread):
    """Another process, as far as locks of files are concerned: comes in, stays until it may go."""

    def __init__(self, directory: Path, *, alone: bool) -> None:
        super().__init__(daemon=True)
        self.is_inside, self.may_go = threading.Event(), threading.Event()
        self._directory, self._alone = directory, alone
        self.start()

    def run(self) -> None:
        """Come in, and go when asked to."""
        with closing(Locks(self._directory)) as locks, locks.inside(alone=self._alone):
            self.is_inside.set()
            self.may_go.wait(PATIENCE_S)


@contextmanager
def inside(directory: Path, *, alone: bool) -> Iterator[Guest]:
    """A guest who is in for a while."""
    guest = Guest(directory, alone=alone)
    try:
        assert guest.is_inside.wait(PATIENCE_S)
        yield guest
    finally:
        guest.may_go.set()
        guest.join(PATIENCE_S)


def test_others_come_in_beside_each_other(tmp_path: Path) -> None:
    """Two tests that need not be alone run at once."""
    with inside(tmp_path, alone=False), inside(tmp_path, alone=False) as second:
        assert second.is_inside.is_set()


@pytest.mark.parametrize("first_alone", [True, False])
def test_alone_is_alone(tmp_path: Path, first_alone: bool) -> None:
    """A test that runs alone waits until all have ended, and all wait until it has."""
    with inside(tmp_path, alone=first_alone) as first:
        second = Guest(tmp_path, alone=not first_alone)
        assert not second.is_inside.wait(0.05)
        first.may_go.set()
        assert second.is_inside.wait(PATIENCE_S)
        second.may_go.set()
        second.join(PATIENCE_S)


def test_who_waits_to_be_alone_is_not_overtaken(tmp_path: Path) -> None:
    """While one waits to be alone no other test begins, though the lock could be shared."""
    with inside(tmp_path, alone=False) as first:
        waiting = Guest(tmp_path, alone=True)
        assert not waiting.is_inside.wait(0.05)
        late = Guest(tmp_path, alone=False)
        assert not late.is_inside.wait(0.05)
        first.may_go.set()
        assert waiting.is_inside.wait(PATIENCE_S)
        assert not late.is_inside.is_set()
        waiting.may_go.set()
        assert late.is_inside.wait(PATIENCE_S)
        late.may_go.set()
        for guest in (waiting, late):
            guest.join(PATIENCE_S)
