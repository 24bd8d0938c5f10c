"""Daemon or in-process: where a command gets its answers.

A daemon on its socket and an engine in this process answer `call(method, params)` with the same bytes, so a
command is written once. `Where` holds what the command line said; `open_backend` turns it into something to
call. For a daemon only the connection is imported: neither the configuration, nor the engine, nor rich.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import click

from promptd.cli import output

if TYPE_CHECKING:
    from promptd.client.connection import ClientConnection
    from promptd.config import Config

TIMEOUT_S = 30.0  # to connect, and for each answer; a first request may have to wait for a scan


class Backend(Protocol):
    """Anything that answers a method of the protocol with the JSON of its result."""

    def call(self, method: str, params: dict[str, Any], /) -> bytes:
        """The result of `method` as encoded JSON; raises PromptdError."""

    def close(self) -> None:
        """Close the connection or the engine."""


class Where(NamedTuple):
    """What the command line said about the daemon or the library."""

    socket: str | None = None
    no_daemon: bool = False
    library: tuple[str, ...] = ()
    config_path: str | None = None

    @property
    def is_in_process(self) -> bool:
        """True if no daemon is to be asked; naming a library is enough to say so."""
        return self.no_daemon or bool(self.library)

    def configuration(self) -> "Config":
        """The configuration these options, the environment and the file add up to."""
        from promptd import config

        overrides: dict[str, Any] = {}
        if self.library:
            overrides["roots"] = list(self.library)
        if self.socket:
            overrides["serve.socket"] = self.socket
        return config.load(self.config_path, os.environ, overrides)

    def socket_path(self) -> str:
        """The socket to connect to: the option, the environment, the configuration, then discovery."""
        from promptd.client.discovery import discover

        return discover(self.socket or self._configured_socket(), os.environ)

    def _configured_socket(self) -> str:
        """The socket that a configuration file names, "" for none; without a file nothing is imported."""
        if not self.config_path:
            return ""
        return self.configuration().serve.socket


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add every option that fills a `Where`, and pass it to the command as `where`."""
    return _with_where(command, (socket_option, no_daemon_option, library_option, config_option))


def daemon_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `source_options`, for a command that only a daemon can answer: --socket and --config."""
    return _with_where(command, (socket_option, config_option))


def _with_where(command: Callable[..., Any], options: tuple[Callable[..., Any], ...]) -> Callable[..., Any]:
    @functools.wraps(command)
    def with_where(*args: Any, **given: Any) -> Any:
        where = Where(**{name: given.pop(name) for name in Where._fields if name in given})
        return command(*args, where=where, **given)

    decorated: Callable[..., Any] = with_where
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one line of JSON.")
socket_option = click.option(
    "--socket", metavar="PATH", help="Connect to the daemon on this socket (default: see `promptd socket`)."
)
no_daemon_option = click.option(
    "--no-daemon", is_flag=True, help="Answer in this process instead of asking a daemon."
)
library_option = click.option(
    "--library",
    metavar="DIR",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Read this library in this process; implies --no-daemon. Repeat for more roots.",
)
config_option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    envvar="PROMPTD_CONFIG",
    help="Read this configuration file (default: $PROMPTD_CONFIG, else none).",
)


@contextmanager
def open_backend(where: Where) -> Iterator[Backend]:
    """A daemon or an engine to call, closed again afterwards.

    Raises:
        Unavailable: no daemon answers on the socket.
        ConfigError: the configuration is wrong.
    """
    if not where.is_in_process:
        with closing(DaemonBackend(where.socket_path())) as daemon:
            yield daemon
        return
    with (
        output.progress_bar("reading the library") as progress,
        closing(_engine(where, progress)) as engine,
    ):
        yield engine


def ask(where: Where, method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """One request to what `where` names: the result as encoded JSON."""
    with open_backend(where) as backend:
        return backend.call(method, dict(params or {}))


def decode(result: bytes) -> Any:
    """The JSON of a result as Python values."""
    import msgspec

    return msgspec.json.decode(result)


class DaemonBackend:
    """Requests over one connection, made at the first; `Client` without what only a library needs.

    A command lives for a few requests, so a connection that breaks is an error and not made again.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._connection: ClientConnection | None = None
        self._calls = 0

    def __repr__(self) -> str:
        return f"<DaemonBackend on {self._path}, {self._calls} calls>"

    def call(self, method: str, params: dict[str, Any], /) -> bytes:
        """The result as the daemon encoded it. Raises Unavailable, or the error the daemon answered with."""
        from promptd.client.connection import ClientConnection
        from promptd.client.wire import Broken, encode_request, hung_up

        self._calls += 1
        request, deadline_s = encode_request(self._calls, method, params), time.monotonic() + TIMEOUT_S
        if self._connection is None:
            self._connection = ClientConnection(self._path, TIMEOUT_S)
        try:
            self._connection.send(request, deadline_s)
            return self._connection.reply(self._calls, deadline_s).body()
        except Broken:
            raise hung_up(self._path) from None

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()


def _engine(where: Where, progress: output.ShowProgress | None) -> Backend:
    from promptd.engine.embedded import Engine

    config = where.configuration()
    if not config.roots:
        raise click.UsageError(
            "--no-daemon needs a library: use --library DIR, or --config FILE with [[roots]]."
        )
    from promptd.config import placing

    with placing(where.config_path, os.environ):
        return Engine.open(config=config, progress=progress)
