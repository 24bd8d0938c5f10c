"""What a listener allows one peer and all peers together, and what it counts of them: plain records.

What a Peer and a Handler are is in protocol.peers.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one listener allows; timeouts are in seconds."""

    max_connections: int = 256
    max_connections_per_uid: int = 64
    max_in_flight: int = 32  # a connection; beyond it we stop reading, which slows the sender down
    max_request_bytes: int = 1_048_576
    max_reply_bytes: int = 16_777_216
    max_json_depth: int = 64
    client_memory: int = 33_554_432  # bytes of replies that one user has not read
    first_byte_timeout: float = 5.0
    request_timeout: float = 10.0  # from the first byte of a line to its newline
    write_timeout: float = 10.0  # unsent bytes of which none moves
    # Calls of one peer in one turn: a pipelining peer does not starve the others, and at most this many
    # replies of max_reply_bytes are made before its reading is looked at.
    max_calls_a_turn: int = 8
    # Unsent bytes from which a peer is asked nothing more; above the 50 KB of a usual large prompt.
    write_high_water_bytes: int = 262_144
    sweep_s: float = 0.5  # how often the three times above are looked at: they end at most this much late


@dataclass(slots=True)
class ConnectionCounts:
    """What is counted of all connections together; owned by the listener, added to by its connections."""

    requests: int = 0
    errors: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    paused: int = 0
    stalled: int = 0
    timed_out: int = 0


@dataclass(frozen=True, slots=True)
class ListenerStatistics:
    """`connections` and `in_flight` are of now, everything else counts since the start.

    `refused` counts connections by reason: `connections`, `connections_per_uid`, `uid`.
    `requests` counts answered calls and refused lines, `errors` those of them that got an error,
    `paused` how often a peer was not read from because of its calls or its slow reading,
    `stalled` and `timed_out` the peers that were disconnected, `accept_failures` the times when the
    process had no descriptor left for a new connection.
    """

    connections: int
    in_flight: int
    accepted: int
    accept_failures: int
    refused: Mapping[str, int]
    requests: int
    errors: int
    bytes_in: int
    bytes_out: int
    paused: int
    stalled: int
    timed_out: int
