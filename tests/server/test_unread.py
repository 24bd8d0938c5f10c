"""What a user has not read is bounded, whatever his connections do."""

from promptd.server.unread import SMALL_BYTES, Unread

MIB = 1_048_576


def test_above_the_allowance_large_replies_are_refused() -> None:
    """Small ones are sent, and one to a connection that reads all it gets; other users are not concerned."""
    unread = Unread(4 * MIB)
    unread.add(7, 4 * MIB)
    assert unread.objection(7, SMALL_BYTES, 1) is None
    refusal = unread.objection(7, MIB, 1)
    assert refusal is not None
    assert "serve.client_memory" in refusal.message
    assert unread.objection(7, MIB, 0) is None
    assert unread.objection(8, MIB, 1) is None


def test_a_connection_that_reads_gets_no_more_than_twice_the_allowance() -> None:
    """Many that connect anew do not add up without end."""
    unread = Unread(4 * MIB)
    unread.add(7, 8 * MIB)
    assert unread.objection(7, MIB, 0) is not None


def test_what_was_read_is_room_again() -> None:
    """And nothing is kept of a user who read everything."""
    unread = Unread(4 * MIB)
    unread.add(7, 4 * MIB)
    unread.add(7, -4 * MIB)
    assert unread.objection(7, MIB, 1) is None
    assert repr(unread) == "<Unread 0 bytes of 0 users>"
