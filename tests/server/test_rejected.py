"""Saying no: the line is heard even by a client that writes first, and no descriptor is kept for long."""

import socket
from collections.abc import Iterator

import pytest

from promptd.server.rejected import MAX_KEPT, Rejected


@pytest.fixture
def away() -> Iterator[Rejected]:
    """One, cleared at the end."""
    made = Rejected()
    yield made
    made.clear()


def test_a_refused_client_may_write_before_it_reads(away: Rejected) -> None:
    """Its write does not fail, then it reads the reason and the end; two sweeps later all is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        away.tell(ours, b"no\n")
        theirs.sendall(b"a request")
        assert theirs.makefile("rb").read() == b"no\n"
        away.sweep()
        assert ours.fileno() >= 0
        assert away
        away.sweep()
        assert ours.fileno() == -1
        assert not away


def test_a_flood_holds_only_so_many(away: Rejected) -> None:
    """Beyond the bound the oldest are closed at once."""
    pairs = [socket.socketpair() for _ in range(MAX_KEPT + 3)]
    for number, (ours, _) in enumerate(pairs):
        away.tell(ours, b"no\n")
        if number == 1:
            away.sweep()
    assert [ours.fileno() >= 0 for ours, _ in pairs] == [False] * 3 + [True] * MAX_KEPT
    assert repr(away) == f"<Rejected {MAX_KEPT}>"
    for _, theirs in pairs:
        theirs.close()


def test_who_is_gone_already_needs_no_reason(away: Rejected) -> None:
    """Telling a client that hung up is no error."""
    ours, theirs = socket.socketpair()
    theirs.close()
    away.tell(ours, b"no\n")
