"""Refused connections: a client that writes first reads why, and no descriptor is kept for long."""

import socket
from collections.abc import Iterator

import pytest

from promptd.server.rejected import MAX_KEPT, Rejected


@pytest.fixture
def rejected() -> Iterator[Rejected]:
    """One, cleared at the end."""
    made = Rejected()
    yield made
    made.clear()


def test_a_refused_client_may_write_before_it_reads(rejected: Rejected) -> None:
    """Its write does not fail, then it reads the reason and the end; two sweeps later all is closed."""
    ours, theirs = socket.socketpair()
    with theirs:
        rejected.reject(ours, b"no\n")
        theirs.sendall(b"a request")
        assert theirs.makefile("rb").read() == b"no\n"
        rejected.sweep()
        assert ours.fileno() >= 0
        assert rejected
        rejected.sweep()
        assert ours.fileno() == -1
        assert not rejected


def test_a_flood_holds_only_so_many(rejected: Rejected) -> None:
    """Beyond the bound the oldest are closed at once."""
    pairs = [socket.socketpair() for _ in range(MAX_KEPT + 3)]
    for number, (ours, _) in enumerate(pairs):
        rejected.reject(ours, b"no\n")
        if number == 1:
            rejected.sweep()
    assert [ours.fileno() >= 0 for ours, _ in pairs] == [False] * 3 + [True] * MAX_KEPT
    assert repr(rejected) == f"<Rejected {MAX_KEPT}>"
    for _, theirs in pairs:
        theirs.close()


def test_who_is_gone_already_needs_no_reason(rejected: Rejected) -> None:
    """Telling a client that hung up is no error."""
    ours, theirs = socket.socketpair()
    theirs.close()
    rejected.reject(ours, b"no\n")
