"""Clients that misbehave, against a daemon with 64 descriptors: others keep their latency, accept recovers.

What a single connection may do is shown in tests/serve.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.daemon.process import Daemon
from tests.proofs import flood
from tests.proofs.usage import descriptors

MAX_RATIO, SURELY_MS = 20.0, 25.0  # others may be at work on this machine; docs/reliability.md has figures
GROWTH_BYTES = 64_000_000
RECOVERED_S = 3.0  # `stall_s` and a sweep, and what a busy machine makes of serving one


@pytest.fixture
def daemon(place: Path) -> Iterator[Daemon]:
    """A daemon that may open 64 descriptors."""
    daemon = flood.start(place)
    try:
        yield daemon
    finally:
        daemon.close()


@pytest.mark.slow
def test_others_keep_their_latency_and_accept_recovers(daemon: Daemon) -> None:
    """A good client is answered as before while 215 bad ones hold every place that there is; when they are
    gone a new one is served at once, no descriptor is lost, and memory is what it was.
    """
    with daemon.connect() as good:
        result = flood.run(daemon, good)
        assert result.during_ms < max(MAX_RATIO * result.before_ms, SURELY_MS), str(result)
        assert result.descriptors_during <= flood.DESCRIPTORS
        assert result.grown_bytes < GROWTH_BYTES, str(result)
        assert result.recovered_s < RECOVERED_S + MAX_RATIO * result.served_s, str(result)
        daemon.wait_for(lambda: descriptors(daemon.process.pid) <= result.descriptors_before + 1)
        assert good.ask("ping")["pong"]
    assert not daemon.log("unforeseen error")


@pytest.mark.slow
def test_the_library_is_read_though_every_place_is_taken(daemon: Daemon) -> None:
    """Connections leave descriptors for the work: a file that changes under the flood is read."""
    with ExitStack() as attack, daemon.connect() as good:
        good.ask("ping")
        flood.begin(daemon, attack)
        for version in range(20):
            (daemon.directory.parent / "library" / "small.md").write_text(f"Version {version}.\n")
            assert good.ask("assemble", name="small")["text"] == f"Version {version}.\n"
