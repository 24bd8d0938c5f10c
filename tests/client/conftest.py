"""What the tests of the client share: short paths, scripted daemons, and both clients behind one face."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from promptd.client import AsyncClient, Client
from tests.client.scripted import Script, ScriptedDaemon

Play = Callable[..., ScriptedDaemon]
Open = Callable[..., Any]


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A path short enough for a Unix socket (107 bytes), whatever the test's name."""
    return str(tmp_path_factory.mktemp("c") / "d.sock")


@pytest.fixture
def play(path: str) -> Iterator[Play]:
    """Return a function that starts a scripted daemon at `path`; all are closed at the end."""
    playing: list[ScriptedDaemon] = []

    def start(*scripts: Script) -> ScriptedDaemon:
        playing.append(ScriptedDaemon(path, *scripts))
        return playing[-1]

    yield start
    for daemon in playing:
        daemon.close()


class Blocking(Client):
    """The blocking client."""

    hang_up = Client.close


class Driven:
    """The asyncio client as if it were blocking: every coroutine is run to its end."""

    def __init__(self, *args: Any, **more: Any) -> None:
        self.runner = asyncio.Runner()
        self._client = AsyncClient(*args, **more)

    @property
    def timeout_s(self) -> float:
        """As of the client itself."""
        return self._client.timeout_s

    @timeout_s.setter
    def timeout_s(self, value: float) -> None:
        self._client.timeout_s = value

    def hang_up(self) -> None:
        """Close the client and keep its loop."""
        self.runner.run(self._client.close())

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return lambda *args, **more: self.runner.run(method(*args, **more))

    def __repr__(self) -> str:
        return repr(self._client).replace("Async", "")

    def close(self) -> None:
        """Close the client and its loop."""
        self.hang_up()
        self.runner.close()


@pytest.fixture(params=[Blocking, Driven], ids=["blocking", "asyncio"])
def open_client(request: pytest.FixtureRequest) -> Iterator[Open]:
    """Return a function that makes a client, of each kind in turn; all are closed at the end."""
    opened: list[Any] = []

    def make(*args: Any, **more: Any) -> Any:
        opened.append(request.param(*args, **more))
        return opened[-1]

    yield make
    for client in opened:
        client.close()
