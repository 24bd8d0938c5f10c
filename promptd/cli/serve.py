"""`serve`: run the daemon in the foreground.

The daemon gets a function that loads the configuration, for the start and for each reload.
"""

import gc
import os
from typing import Any

import click

from promptd.cli.backend import config_option
from promptd.cli.streams import make_stderr_a_log
from promptd.errors import ConfigError

NO_ROOTS = "no library: use promptd serve DIR, or --config FILE with [[roots]]."


@click.command(
    epilog="""\b
Examples:
  promptd serve prompts
  promptd serve prompts shared/prompts    # a component of the first root hides the same name in later ones
  promptd serve --config prompts/promptd.toml --log-format json

Exit code 75 means that another daemon uses the socket, 78 that the configuration is invalid. SIGTERM stops
the daemon after the requests in progress; SIGHUP reloads the configuration."""
)
@click.argument("directories", nargs=-1, metavar="[DIR...]", type=click.Path(exists=True, file_okay=False))
@config_option
@click.option("--socket", metavar="PATH", help="Listen on this socket (default: see `promptd socket`).")
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    help="Choose the log format (default: console on a terminal, else json).",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Log this level and above (default: info).",
)
@click.pass_context
def serve(
    ctx: click.Context, /, directories: tuple[str, ...], config_path: str | None, **options: str | None
) -> None:
    """Watch the library in DIR and serve prompts on a Unix socket.

    Directories on the command line replace the [[roots]] of the configuration.
    """
    make_stderr_a_log()
    gc.disable()  # until the daemon is READY: a seventh of the time that imports take
    from promptd import config
    from promptd.daemon import process
    from promptd.engine.opening import check_config

    overrides = _overrides(directories, options)

    def load() -> config.Config:
        settings = config.load(config_path, os.environ, overrides)
        if not settings.roots:
            raise ConfigError(NO_ROOTS, key="roots")
        with config.placing(config_path, os.environ):
            check_config(settings)
        return settings

    if not directories and config_path is None and "PROMPTD_ROOTS" not in os.environ:
        raise click.UsageError(NO_ROOTS)
    ctx.exit(process.run(load))


def _overrides(directories: tuple[str, ...], options: dict[str, str | None]) -> dict[str, Any]:
    keys = {"socket": "serve.socket", "log_format": "log.format", "log_level": "log.level"}
    found: dict[str, Any] = {key: options[name] for name, key in keys.items() if options[name] is not None}
    return found | ({"roots": list(directories)} if directories else {})
