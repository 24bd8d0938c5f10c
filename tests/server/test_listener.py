"""The listener over real sockets, on both event loops."""

import asyncio
import json
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from promptd.protocol.jsonrpc import codec_factory
from promptd.server.binding import adopt, bind
from promptd.server.listener import Listener
from promptd.server.peer import Limits
from tests.conftest import Until
from tests.server.conftest import Dial, ManualClock, Serve
from tests.server.fakes import EchoHandler, line_of

NOBODY = 65534
LARGE = 4_000_000  # far more than a socket and both its ends' buffers hold


@pytest.fixture
def handler() -> EchoHandler:
    """The handler behind every listener here."""
    return EchoHandler()


# -- requests -----------------------------------------------------------------------------------


async def test_requests_are_answered(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """One line in, one line out, any number of times."""
    await serve(handler, socket_path)
    peer = await dial(socket_path)
    for number in range(3):
        reply = await peer.ask(line_of(identity=number, n=number))
        assert reply == {"jsonrpc": "2.0", "id": number, "result": {"n": number}}


async def test_the_peer_is_known(serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler) -> None:
    """The kernel says which user and process connected."""
    await serve(handler, socket_path)
    await (await dial(socket_path)).ask(line_of())
    peer, _ = handler.batches[0][0]
    assert (peer.uid, peer.pid) == (os.geteuid(), os.getpid())


async def test_many_pipelined_requests(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """A thousand requests in one write: all answered, in order, and never more than 32 begun."""
    listener = await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(b"".join(line_of(identity=number) for number in range(1000)))
    assert [(await peer.receive())["id"] for _ in range(1000)] == list(range(1000))
    assert max(map(len, handler.batches)) <= 32
    assert listener.statistics().requests == 1000


async def test_several_peers_in_one_turn(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """Requests that wait in several sockets are handed over as one batch."""
    await serve(handler, socket_path)
    peers = [await dial(socket_path) for _ in range(5)]
    for peer in peers:
        await peer.ask(line_of())
    handler.batches.clear()
    for peer in peers:
        peer.say(line_of())
    for peer in peers:
        await peer.receive()
    assert sum(map(len, handler.batches)) == 5
    assert len(handler.batches) < 5


async def test_a_bad_line_leaves_the_connection_usable(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """Malformed, far too deep and oversized lines are refused by name; the next request works."""
    await serve(handler, socket_path)
    peer = await dial(socket_path)
    assert (await peer.ask(b"{nonsense\n"))["error"]["data"]["type"] == "promptd.MalformedFrame"
    assert (await peer.ask(b"[" * 100_000 + b"\n"))["error"]["data"]["type"] == "promptd.InvalidRequest"
    oversized = line_of(a="x" * 1_100_000)
    assert (await peer.ask(oversized))["error"]["data"]["type"] == "promptd.FrameTooLarge"
    assert (await peer.ask(line_of(n=1)))["result"] == {"n": 1}


async def test_a_large_reply_arrives_whole(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """Megabytes pass, several at once, to a peer that reads."""
    await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of("large", size=LARGE) * 10)
    for _ in range(10):
        assert len((await peer.receive())["result"]) == LARGE - 2


async def test_who_hung_up_is_let_go(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """Closed, and not only at the end of what it asks: the handler learns it while it is still at work."""
    listener = await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of("hold") * 3)
    await until(lambda: handler.held)
    peer.writer.write_eof()
    await asyncio.sleep(0.05)
    listener.sweep()
    assert handler.gone == []
    peer.writer.close()
    await peer.writer.wait_closed()
    listener.sweep()
    await until(lambda: handler.gone)
    assert {peer for peer, _ in handler.held} == set(handler.gone)


async def test_half_close(serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler) -> None:
    """`printf … | nc -N`: end of input, the replies, end."""
    await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of(n=1) + line_of(n=2))
    peer.writer.write_eof()
    assert [json.loads(line)["result"]["n"] for line in (await peer.rest()).splitlines()] == [1, 2]


async def test_a_gone_peer_is_reported_to_the_handler(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A peer that leaves, with a call under way or not, is closed and forgotten."""
    listener = await serve(handler, socket_path)
    for method in ("echo", "hold"):
        peer = await dial(socket_path)
        peer.say(line_of(method))
        await until(lambda: sum(map(len, handler.batches)) == 1)
        await peer.close()
        handler.release()
        await until(lambda: len(handler.gone) == 1)
        assert handler.gone[0].is_closed
        assert listener.statistics().connections == 0
        handler.gone.clear()
        handler.batches.clear()


# -- limits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_uid"])
async def test_connections_are_limited(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until, limit: str
) -> None:
    """One too many gets an error; the others are undisturbed, and a free place is given again."""
    listener = await serve(handler, socket_path, Limits(**{limit: 2}))
    first, second = await dial(socket_path), await dial(socket_path)
    assert "result" in await first.ask(line_of())
    third = await dial(socket_path)
    third.say(line_of())
    refusal = json.loads(await third.rest())
    assert refusal["id"] is None
    assert refusal["error"]["data"] == {"type": "promptd.Busy", "limit": limit}
    assert "result" in await second.ask(line_of())
    await second.close()
    await until(lambda: listener.statistics().connections == 1)
    assert "result" in await (await dial(socket_path)).ask(line_of())
    assert listener.statistics().refused == {limit.removeprefix("max_"): 1}
    assert listener.statistics().accepted == 3


@contextmanager
def effective_user(uid: int) -> Iterator[None]:
    """Be another user for a moment: SO_PEERCRED holds who it was at connect."""
    before = os.geteuid()
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(before)


def connect_as(uid: int, path: str) -> socket.socket:
    """A connection made by that user."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.setblocking(False)
    with effective_user(uid):
        client.connect(path)
    return client


@pytest.fixture
def public() -> Iterator[Path]:
    """A short directory that all users may enter; pytest's own are only for its user."""
    with TemporaryDirectory(prefix="promptd-") as short:
        Path(short).chmod(0o755)
        yield Path(short)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as another user")
@pytest.mark.parametrize("allowed", [(), (NOBODY,)])
async def test_peers_are_checked(
    serve: Serve,
    dial: Dial,
    handler: EchoHandler,
    public: Path,
    allowed: tuple[int, ...],
) -> None:
    """Even where the file's permissions let another user in, only an allowed one is served."""
    path = str(public / "d.sock")
    listener = await serve(handler, path, allow_uids=allowed)
    Path(path).chmod(0o666)
    reply = await (await dial(path, sock=connect_as(NOBODY, path))).ask(line_of())
    if allowed:
        assert "result" in reply
        assert handler.batches[0][0][0].uid == NOBODY
    else:
        assert str(NOBODY) in reply["error"]["message"]
        assert listener.statistics().refused == {"uid": 1}


async def test_the_first_byte_is_awaited_so_long(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, clock: ManualClock, until: Until
) -> None:
    """A connection that sends nothing is sent the reason and closed; one that spoke may be idle."""
    listener = await serve(handler, socket_path, Limits(sweep_s=3600), clock=clock)
    silent, spoken = await dial(socket_path), await dial(socket_path)
    await spoken.ask(line_of())
    await until(lambda: listener.statistics().connections == 2)
    listener.sweep()
    clock.now_s += 5.0
    listener.sweep()
    assert json.loads(await silent.rest())["error"]["data"]["limit"] == "first_byte_timeout"
    assert "result" in await spoken.ask(line_of())
    assert listener.statistics().timed_out == 1


async def test_sweeps_come_by_themselves(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """While there are connections a timer looks at them; here with a real clock and short times."""
    await serve(handler, socket_path, Limits(first_byte_timeout=0.05, sweep_s=0.01))
    silent = await dial(socket_path)
    assert b"first_byte_timeout" in await silent.rest()
    again = await dial(socket_path)
    assert b"first_byte_timeout" in await again.rest()


async def test_half_a_line_is_awaited_so_long(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, clock: ManualClock, until: Until
) -> None:
    """A slow sender is disconnected, whatever it has sent in between."""
    listener = await serve(handler, socket_path, Limits(sweep_s=3600), clock=clock)
    slow = await dial(socket_path)
    slow.say(b"{")
    await until(lambda: listener.statistics().bytes_in == 1)
    listener.sweep()
    clock.now_s += 9.0
    slow.say(b" ")
    await until(lambda: listener.statistics().bytes_in == 2)
    listener.sweep()
    clock.now_s += 1.0
    listener.sweep()
    assert b"request_timeout" in await slow.rest()


async def test_a_stalled_reader_is_cut_off_and_harms_no_other(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, clock: ManualClock, until: Until
) -> None:
    """It is asked nothing more while it does not read, then aborted; others are served all the time."""
    listener = await serve(handler, socket_path, Limits(sweep_s=3600), clock=clock)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stalled:
        stalled.setblocking(False)
        stalled.connect(socket_path)
        stalled.send(line_of("large", size=LARGE) * 20)
        await until(lambda: listener.statistics().paused == 1)
        assert listener.statistics().requests <= 8
        listener.sweep()
        clock.now_s += 9.0
        listener.sweep()
        assert "result" in await (await dial(socket_path)).ask(line_of())
        assert listener.statistics().stalled == 0
        clock.now_s += 1.0
        listener.sweep()
        await until(lambda: len(handler.gone) == 1)
        assert listener.statistics().stalled == 1


async def test_calls_in_flight_are_limited(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """Beyond the limit requests stay in the socket; they are begun as earlier ones are answered."""
    listener = await serve(handler, socket_path, Limits(max_in_flight=3))
    peer = await dial(socket_path)
    peer.say(line_of("hold") * 5)
    await until(lambda: listener.statistics().in_flight == 3)
    assert len(handler.held) == 3
    handler.release()
    await until(lambda: len(handler.held) == 2)
    handler.release()
    assert len([await peer.receive() for _ in range(5)]) == 5


async def test_accept_recovers_from_a_lack_of_descriptors(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """Without a free descriptor clients wait, without spinning; one is freed and they are served."""
    listener = await serve(handler, socket_path)
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    waiting.setblocking(False)
    _, hard = before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    hoard = []
    try:
        while True:
            try:
                hoard.append(os.dup(waiting.fileno()))
            except OSError:
                break
        waiting.connect(socket_path)
        waiting.send(line_of(n=1))
        await until(lambda: listener.statistics().accept_failures >= 2)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for descriptor in hoard:
            os.close(descriptor)
    await until(lambda: listener.statistics().requests == 1)
    assert json.loads(waiting.recv(4096))["result"] == {"n": 1}
    assert listener.statistics().accept_failures < 20
    waiting.close()


@pytest.mark.asyncio(loop_factories=["asyncio"])  # uvloop's loop cannot be made to fail
async def test_a_connection_that_cannot_be_opened(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop cannot take one more socket: the client sees the end, its place is free again."""
    listener = await serve(handler, socket_path)

    async def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "connect_accepted_socket", fail)
        assert await (await dial(socket_path)).rest() == b""
    assert listener.statistics().connections == 0
    assert "result" in await (await dial(socket_path)).ask(line_of())


# -- stop ---------------------------------------------------------------------------------------


async def test_a_stop_answers_what_was_received(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A call under way is answered, the connection closed, the socket gone; then the next may bind."""
    listener = await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of("hold", n=1))
    await until(lambda: handler.held)
    stopping = asyncio.create_task(listener.stop(5.0))
    await until(lambda: not os.path.exists(socket_path))
    assert not stopping.done()
    handler.release()
    assert json.loads(await peer.rest())["result"] == {"n": 1}
    await stopping
    await serve(EchoHandler(), socket_path)


async def test_a_stop_answers_who_has_just_connected(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A request that was not sent yet when the stop began is answered; an idle peer is not waited for."""
    listener = await serve(handler, socket_path)
    idle, fresh = await dial(socket_path), await dial(socket_path)
    await idle.ask(line_of())
    await until(lambda: listener.statistics().accepted == 2)
    stopping = asyncio.create_task(listener.stop(5.0))
    assert await idle.rest() == b""
    fresh.say(line_of(n=1))
    assert json.loads(await fresh.rest())["result"] == {"n": 1}
    await stopping


async def test_a_stop_truncates_nothing(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """Replies of megabytes that were begun before the stop arrive whole; then the end."""
    listener = await serve(handler, socket_path)
    peers = [await dial(socket_path) for _ in range(4)]
    for peer in peers:
        peer.say(line_of("large", size=LARGE) * 3)
    await until(lambda: len({id(p) for batch in handler.batches for p, _ in batch}) == 4)
    stopping = asyncio.create_task(listener.stop(5.0))
    for received in await asyncio.gather(*(peer.rest() for peer in peers)):
        assert received.endswith(b"\n")
        assert [len(json.loads(line)["result"]) for line in received.splitlines()] == [LARGE - 2] * 3
    await stopping


async def test_a_stop_ends_with_its_grace(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A call that is never answered does not hold the daemon: its peer sees the end without a frame."""
    listener = await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of("hold"))
    await until(lambda: handler.held)
    await listener.stop(0.05)
    assert await peer.rest() == b""
    assert len(handler.gone) == 1
    handler.release()


@pytest.mark.parametrize("grace_s", [0.0, 0.2, 4.5])
async def test_a_stop_never_waits_longer_than_its_grace(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, monkeypatch: Any, grace_s: float
) -> None:
    """All its waits together, with a peer that neither says anything nor goes."""
    listener = await serve(handler, socket_path)
    await dial(socket_path)
    waits: list[float] = []

    async def emptied(within_s: float) -> None:
        waits.append(within_s)

    monkeypatch.setattr(listener, "_emptied", emptied)
    await listener.stop(grace_s)
    assert min(waits) >= 0
    assert sum(waits[:-1]) == pytest.approx(grace_s)  # after the last one everybody has been cut off


async def test_a_stop_does_not_wait_for_who_does_not_read(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A peer that leaves megabytes unread is cut off when the grace is over."""
    listener = await serve(handler, socket_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stalled:
        stalled.setblocking(False)
        stalled.connect(socket_path)
        stalled.send(line_of("large", size=LARGE))
        await until(lambda: handler.batches)
        await listener.stop(0.05)
        assert len(handler.gone) == 1


async def test_a_cancelled_stop_ends_at_once(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler, until: Until
) -> None:
    """A second SIGTERM cancels the stop: connections are aborted and the lock is free."""
    listener = await serve(handler, socket_path)
    peer = await dial(socket_path)
    peer.say(line_of("hold"))
    await until(lambda: handler.held)
    stopping = asyncio.create_task(listener.stop(60.0))
    await until(lambda: not os.path.exists(socket_path))
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await peer.rest() == b""
    await serve(EchoHandler(), socket_path)


async def test_a_socket_from_systemd_is_served_and_left(
    dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """A socket that was handed over is listened on; its file survives the stop, clients can still queue."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as systemds:
        systemds.bind(socket_path)
        systemds.listen()
        for number in range(2):
            listener = Listener([adopt(systemds.dup())], handler, codec_factory())
            await listener.start()
            peer = await dial(socket_path)
            assert (await peer.ask(line_of(n=number)))["result"] == {"n": number}
            await listener.stop(1.0)
        await dial(socket_path)


async def test_a_listener_that_never_started_stops(socket_path: str, handler: EchoHandler) -> None:
    """Stopping undoes the binding even if nothing was ever accepted."""
    binding = await asyncio.to_thread(bind, socket_path)
    await Listener([binding], handler, codec_factory()).stop(1.0)
    assert not os.path.exists(socket_path)


async def test_a_listener_can_be_looked_at(
    serve: Serve, dial: Dial, socket_path: str, handler: EchoHandler
) -> None:
    """Its repr tells where and how many; its statistics are a record."""
    listener = await serve(handler, socket_path)
    await (await dial(socket_path)).ask(line_of())
    assert repr(listener) == f"<Listener on {socket_path}: 1 connections>"
    statistics = listener.statistics()
    assert (statistics.connections, statistics.accepted, statistics.requests) == (1, 1, 1)
    assert statistics.bytes_in == len(line_of())
    assert statistics.bytes_out > 0
