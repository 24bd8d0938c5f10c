"""Who may connect: decided from uids and counts."""

import os
import resource
import socket

import pytest

from promptd.errors import Busy, InvalidRequest
from promptd.server.admission import Admission, connection_limit, credentials_of
from promptd.server.peer import Limits


def test_each_user_has_so_many_connections() -> None:
    """A user at the limit is refused, others are not; leaving frees a place."""
    admission = Admission(Limits(max_connections_per_uid=1), {1, 2})
    assert admission.enter(1) is None
    assert isinstance(admission.enter(1), Busy)
    assert admission.enter(2) is None
    admission.leave(1)
    assert admission.enter(1) is None
    assert (admission.accepted, admission.refused()) == (3, {"connections_per_uid": 1})


def test_there_are_so_many_connections_in_all() -> None:
    """The whole is limited for all users."""
    admission = Admission(Limits(max_connections=2), {1, 2, 3})
    assert [admission.enter(uid) is None for uid in (1, 2, 3)] == [True, True, False]
    assert admission.refused() == {"connections": 1}
    assert repr(admission) == "<Admission 2 present, 1 refused>"


def test_others_are_refused_by_name() -> None:
    """The error names the setting that would allow a refused user."""
    admission = Admission(Limits(), {1})
    error = admission.enter(2)
    assert isinstance(error, InvalidRequest)
    assert "serve.allow_uids" in error.message
    assert error.details == {"uid": 2}


def test_the_kernel_knows_who_connected() -> None:
    """A socket pair of our own is us."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert credentials_of(ours) == (os.getpid(), os.geteuid())


@pytest.mark.parametrize(("descriptors", "connections"), [(1024, 256), (64, 24), (8, 4)])
def test_connections_leave_descriptors_for_the_work(
    monkeypatch: pytest.MonkeyPatch, descriptors: int, connections: int
) -> None:
    """Where few descriptors are allowed fewer connections are taken: components must still be readable."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert connection_limit(Limits()) == connections
