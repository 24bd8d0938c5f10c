"""`serve`: from a command line to a configuration to a running daemon.

The daemon gets a function that loads the configuration, for now and for each reload, and owns the rest.
"""

import gc
import os
from typing import Any

import click

from promptd.cli.backend import config_option
from promptd.errors import ConfigError

NO_ROOTS = "Nothing to serve: name a library DIR, or a --config FILE with [[roots]]."


@click.command(
    epilog="""\b
Examples:
  promptd serve prompts
  promptd serve prompts shared/prompts           the first root that has a component wins
  promptd serve --config /etc/promptd/config.toml --log-format json

Exits 75 if another daemon holds the socket, 78 if the configuration is wrong. SIGTERM stops it
after the requests in flight, SIGHUP reads the configuration again."""
)
@click.argument("directories", nargs=-1, metavar="[DIR...]", type=click.Path(exists=True, file_okay=False))
@config_option
@click.option("--socket", metavar="PATH", help="Socket to listen on (default: see `promptd sockname`).")
@click.option("--log-format", type=click.Choice(["console", "json"]), help="Default: console on a terminal.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Default: info.")
@click.pass_context
def serve(
    ctx: click.Context, /, directories: tuple[str, ...], config_path: str | None, **options: str | None
) -> None:
    """Watch the library in DIR and answer on a Unix socket.

    Directories on the command line take the place of the [[roots]] of the configuration.
    """
    gc.disable()  # until the daemon is READY: a seventh of the time that imports take
    from promptd import config
    from promptd.daemon import process

    overrides = _overrides(directories, options)

    def load() -> config.Config:
        settings = config.load(config_path, os.environ, overrides)
        if not settings.roots:
            raise ConfigError(NO_ROOTS, key="roots")
        return settings

    if not directories and config_path is None and "PROMPTD_ROOTS" not in os.environ:
        raise click.UsageError(NO_ROOTS)
    ctx.exit(process.run(load))


def _overrides(directories: tuple[str, ...], options: dict[str, str | None]) -> dict[str, Any]:
    keys = {"socket": "serve.socket", "log_format": "log.format", "log_level": "log.level"}
    found: dict[str, Any] = {key: options[name] for name, key in keys.items() if options[name] is not None}
    return found | ({"roots": list(directories)} if directories else {})
