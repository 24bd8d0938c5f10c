"""Accepting from a real listening socket, and pausing when nothing can be accepted."""

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from promptd.server.acceptor import Acceptor
from tests.conftest import Until


@pytest.fixture
def listening(socket_path: str) -> Iterator[socket.socket]:
    """A non-blocking listening socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as made:
        made.bind(socket_path)
        made.listen(200)
        made.setblocking(False)
        yield made


def clients(path: str, count: int) -> list[socket.socket]:
    """That many connections."""
    made = []
    for _ in range(count):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect(path)
        made.append(client)
    return made


async def test_a_connection_is_handed_on(listening: socket.socket, socket_path: str, until: Until) -> None:
    """More than one burst, all of them, non-blocking; none after the stop."""
    accepted: list[socket.socket] = []
    acceptor = Acceptor([listening], asyncio.get_running_loop(), accepted.append)
    acceptor.start()
    made = clients(socket_path, 150)
    await until(lambda: len(accepted) == 150)
    assert not any(sock.getblocking() for sock in accepted)
    acceptor.stop()
    made += clients(socket_path, 1)
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(accepted) == 150
    for sock in made + accepted:
        sock.close()


class Exhausted:
    """A listening socket of a process without descriptors."""

    def accept(self) -> None:
        """Fail as the kernel does."""
        raise OSError(errno.EMFILE, "Too many open files")


class HandLoop:
    """Readers and timers, kept for the test to fire."""

    def __init__(self) -> None:
        self.readers: dict[Any, Callable[[], None]] = {}
        self.timers: list[Callable[[], None]] = []

    def add_reader(self, listening: Any, callback: Callable[[Any], None], *args: Any) -> None:
        """Watch it."""
        self.readers[listening] = lambda: callback(*args)

    def remove_reader(self, listening: Any) -> bool:
        """Watch it no more."""
        return self.readers.pop(listening, None) is not None

    def call_later(self, delay_s: float, callback: Callable[[Any], None], *args: Any) -> Any:
        """Keep the timer."""
        assert delay_s > 0
        self.timers.append(lambda: callback(*args))
        return self

    def cancel(self) -> None:
        """Forget the timers."""
        self.timers.clear()


def test_without_descriptors_it_pauses() -> None:
    """The socket is not watched for a while (a level-triggered loop would spin), then it is again."""
    loop, listening = HandLoop(), Exhausted()
    acceptor = Acceptor(
        [cast(socket.socket, listening)], cast(asyncio.AbstractEventLoop, loop), lambda _: None
    )
    acceptor.start()
    loop.readers[listening]()
    assert (loop.readers, acceptor.failures) == ({}, 1)
    assert repr(acceptor) == "<Acceptor of 1 sockets, 1 paused>"
    loop.timers.pop()()
    loop.readers[listening]()
    assert acceptor.failures == 2
    acceptor.stop()
    assert loop.timers == []
