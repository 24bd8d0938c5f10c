"""How long something may stay unfinished: states and seconds in, what is overdue out."""

from promptd.server.peer import Limits
from promptd.server.timeouts import Patience, Pending, timeout_error

LIMITS = Limits(first_byte_timeout=1.0, request_timeout=2.0, write_timeout=3.0)


def test_a_new_peer_is_waited_for() -> None:
    """The first byte's time runs from the beginning, not from the first sweep."""
    patience = Patience(LIMITS, 10.0)
    assert patience.overdue(Pending("first_byte", 0), 10.9) is None
    assert patience.overdue(Pending("first_byte", 0), 11.0) == "first_byte"


def test_each_state_has_its_time() -> None:
    """A frame 2 s, a stall 3 s from when they were first seen."""
    for awaited, allowed_s in (("frame", 2.0), ("stall", 3.0)):
        patience = Patience(LIMITS, 0.0)
        state = Pending(awaited, 1)  # type: ignore[arg-type]
        assert patience.overdue(state, 5.0) is None
        assert patience.overdue(state, 5.0 + allowed_s - 0.1) is None
        assert patience.overdue(state, 5.0 + allowed_s) == awaited


def test_progress_starts_the_time_anew() -> None:
    """The same state further on is another state."""
    patience = Patience(LIMITS, 0.0)
    for now_s, progress in ((0.0, 1), (2.9, 2), (5.8, 3), (8.7, 4)):
        assert patience.overdue(Pending("stall", progress), now_s) is None
    assert patience.overdue(Pending("stall", 4), 11.7) == "stall"


def test_nothing_awaited_is_never_overdue() -> None:
    """Idle for a year is fine, and forgets what was awaited before."""
    patience = Patience(LIMITS, 0.0)
    patience.overdue(Pending("frame", 1), 1.0)
    assert patience.overdue(None, 2.0) is None
    assert patience.overdue(None, 3e7) is None
    assert patience.overdue(Pending("frame", 1), 3e7) is None
    assert repr(patience) == "<Patience Pending(awaited='frame', progress=1) since 30000000.0>"


def test_the_error_names_the_limit() -> None:
    """What a peer is sent holds the setting and its seconds."""
    assert timeout_error("first_byte", LIMITS).details == {"limit": "first_byte_timeout"}
    assert "2 s" in timeout_error("frame", LIMITS).message
