"""Hostile frames and files, through the real socket: no crash, no leak, and the next request is fine."""

import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.daemon.process import Daemon, Peer, write
from tests.proofs import daemons
from tests.proofs.hostile import (
    COMPONENTS,
    FRAMES,
    components,
    frames,
)
from tests.proofs.usage import descriptors, resident_bytes
from tests.suite.examples import examples

GROWTH_BYTES = 24_000_000  # the bounded memories of parameters, prompts and texts fill up meanwhile
HEARD_S = 20.0
FUZZED = settings(
    max_examples=examples(150),
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def daemon() -> Iterator[Daemon]:
    """A daemon whose library holds a good component and one that is made hostile."""
    with TemporaryDirectory(prefix="promptd-") as short:
        library = write(Path(short) / "library", {"x.md": "Good.\n", "hostile.md": "", "fine.md": "@x.md\n"})
        daemon = daemons.start("watched", Path(short) / "run", library)
        try:
            daemon.text("fine")  # which waits for the vocabulary, once
            yield daemon
        finally:
            daemon.close()


@pytest.fixture
def unharmed(daemon: Daemon) -> Iterator[None]:
    """After the test: nothing unforeseen was logged, descriptors are as before, memory has hardly grown."""
    daemon.text("fine")
    before = descriptors(daemon.process.pid)
    memory = resident_bytes(daemon.process.pid)
    yield
    assert not daemon.log("unforeseen error")
    daemon.wait_for(lambda: descriptors(daemon.process.pid) <= before + 2)
    assert resident_bytes(daemon.process.pid) < memory + GROWTH_BYTES


def survives_frame(daemon: Daemon, line: bytes) -> None:
    """Send a line and then a good request on the same connection, which is answered or said why not."""
    with Peer(daemon.socket) as peer:
        try:
            peer.socket.sendall(line + b'\n{"jsonrpc":"2.0","id":"good","method":"ping"}\n')
            peer.socket.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass  # refused before all was sent
        received = peer.reader.read()
    assert b'"promptd.Internal"' not in received
    assert b'"id":"good"' in received or b'"promptd.FrameTooLarge"' in received
    assert daemon.text("fine") == "Good.\n"


@pytest.mark.parametrize("line", FRAMES, ids=range(len(FRAMES)))
@pytest.mark.usefixtures("unharmed")
def test_each_frame_of_the_corpus(daemon: Daemon, line: bytes) -> None:
    """Answered or refused; the request after it is answered."""
    survives_frame(daemon, line)


@pytest.mark.slow
@pytest.mark.usefixtures("unharmed")
def test_frames_made_up(daemon: Daemon) -> None:
    """Requests of every method with odd parameters, damaged requests, and plain noise."""

    @FUZZED
    @given(frames)
    def holds(line: bytes) -> None:
        survives_frame(daemon, line)

    holds()


@pytest.mark.slow
@pytest.mark.usefixtures("unharmed")
def test_connections_cut_anywhere(daemon: Daemon) -> None:
    """A peer that hangs up in the middle of a line, or without reading its answers, affects no other."""

    @FUZZED
    @given(st.lists(frames, max_size=5), st.integers(0, 400))
    def holds(lines: list[bytes], cut: int) -> None:
        with Peer(daemon.socket) as peer:
            peer.socket.sendall(b"\n".join(lines)[:cut])
        assert daemon.text("fine") == "Good.\n"

    holds()


def survives_file(daemon: Daemon, data: bytes) -> None:
    """Save a file, ask for it in every way, and for another one that does not need it."""
    path = daemon.directory.parent / "library" / "hostile.md"
    path.write_bytes(data)
    questions = [
        ("assemble", {"name": "hostile", "variables": {"who": "Ada"}, "arguments": "a 'b c'"}),
        ("assemble", {"components": ["x", "hostile", "fine"]}),
        ("get", {"name": "hostile"}),
        ("check", {}),
        ("graph", {}),
    ]
    for method, params in questions:
        reply = daemon.peer.call(method, **params)
        assert reply.get("error", {}).get("data", {}).get("type") != "promptd.Internal", reply
    assert daemon.text("fine") == "Good.\n"


@pytest.mark.parametrize("data", COMPONENTS, ids=range(len(COMPONENTS)))
@pytest.mark.usefixtures("unharmed")
def test_each_file_of_the_corpus(daemon: Daemon, data: bytes) -> None:
    """A prompt or an error of its own; everyone else's prompt is the same."""
    survives_file(daemon, data)


@pytest.mark.slow
@pytest.mark.usefixtures("unharmed")
def test_files_made_up(daemon: Daemon) -> None:
    """Scraps of every dialect in any order, repeated, and plain noise."""

    @FUZZED
    @given(components)
    def holds(data: bytes) -> None:
        survives_file(daemon, data)

    holds()
