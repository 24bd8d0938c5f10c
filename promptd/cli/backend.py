"""Where answers come from: a daemon on its socket, or an engine opened in this very process.

Both answer `call(method, params)` with the same bytes, so a command is written once. `Where` holds
what the command line said; `open_source` turns it into something to ask.
"""

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import click

from promptd.cli import output

if TYPE_CHECKING:
    from promptd.config import Config


class Backend(Protocol):
    """Anything that answers a method of the wire with the JSON of its result."""

    def call(self, method: str, params: dict[str, Any], /) -> bytes:
        """The result of `method` as encoded JSON; raises PromptdError."""

    def close(self) -> None:
        """Let go of the connection or the engine."""


@dataclass(frozen=True, slots=True)
class Where:
    """What the command line said about whom to ask."""

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
        """The socket to talk to: the option, the environment, the configuration, then discovery."""
        from promptd.client import discover

        return discover(self.socket or self._configured_socket(), os.environ)

    def _configured_socket(self) -> str:
        """The socket that a configuration file names, "" for none; without a file nothing is imported."""
        if not self.config_path:
            return ""
        return self.configuration().serve.socket


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that fill a `Where`, and hand it to the command as `where`."""

    @functools.wraps(command)
    def with_where(*args: Any, **options: Any) -> Any:
        where = Where(*(options.pop(name) for name in ("socket", "no_daemon", "library", "config_path")))
        return command(*args, where=where, **options)

    decorated: Callable[..., Any] = with_where
    for option in reversed((socket_option, no_daemon_option, library_option, config_option)):
        decorated = option(decorated)
    return decorated


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the daemon's result as it is, on one line."
)
socket_option = click.option(
    "--socket", metavar="PATH", help="Socket of the daemon (default: see `promptd sockname`)."
)
no_daemon_option = click.option("--no-daemon", is_flag=True, help="Answer in this process, without a daemon.")
library_option = click.option(
    "--library",
    metavar="DIR",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="Library directory for --no-daemon, which it implies. May be repeated.",
)
config_option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    envvar="PROMPTD_CONFIG",
    help="Configuration file (default: $PROMPTD_CONFIG, else none).",
)


@contextmanager
def open_source(where: Where) -> Iterator[Backend]:
    """Something to ask, closed again afterwards.

    Raises:
        Unavailable: no daemon answers on the socket.
        ConfigError: the configuration is wrong.
    """
    with output.progress_bar("reading the library") as progress:
        source = _open_engine(where, progress) if where.is_in_process else _connect(where)
        try:
            yield source
        finally:
            source.close()


def ask(where: Where, method: str, params: Mapping[str, Any] | None = None) -> bytes:
    """One question to whomever `where` names: the result as encoded JSON."""
    with open_source(where) as source:
        return source.call(method, dict(params or {}))


def decode(result: bytes) -> Any:
    """The JSON of a result as Python values."""
    import msgspec

    return msgspec.json.decode(result)


def _connect(where: Where) -> Backend:
    from promptd.client import Client

    return Client(where.socket_path())


def _open_engine(where: Where, progress: output.ShowProgress | None) -> Backend:
    from promptd.engine.embedded import Engine

    config = where.configuration()
    if not config.roots:
        raise click.UsageError("--no-daemon needs a library: --library DIR, or --config FILE with [[roots]].")
    return Engine.open(config=config, progress=progress)
