"""`config check` and `config show`: is this configuration right, and what is in effect from where."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptd.cli import output
from promptd.cli.source import config_option

if TYPE_CHECKING:
    from promptd.config.layers import Layer


@click.group(
    epilog="""\b
Examples:
  promptd config check /etc/promptd/config.toml
  promptd config show --config promptd.toml"""
)
def config() -> None:
    """Check a configuration file, or show what is in effect."""


@config.command(epilog="\b\nExamples:\n  promptd config check promptd.toml && systemctl reload promptd")
@click.argument("file", envvar="PROMPTD_CONFIG")
def check(file: str) -> None:
    """Check FILE (default: $PROMPTD_CONFIG); exit 78 naming the key where it is wrong.

    The file is checked together with the environment, as `serve` would read it.
    """
    from promptd.config import load

    settings = load(file, os.environ)
    for root in settings.roots:
        if not Path(root.path).is_dir():
            output.warn(f"{file}: the root {root.path} is not a directory.")
    output.emit_line(f"{file}: ok")


@config.command(
    epilog="""\b
Examples:
  promptd config show
  PROMPTD_CACHE_ENTRIES=500 promptd config show --config promptd.toml"""
)
@config_option
def show(config_path: str | None) -> None:
    """Print the configuration in effect as TOML that can be used as a file.

    A comment beside a value says where it came from; values without one are defaults.
    """
    from promptd.config import load, render

    text = render(load(config_path, os.environ))
    output.emit("".join(f"{line}\n" for line in _annotated(text, config_path)).encode())


def _annotated(text: str, config_path: str | None) -> Iterator[str]:
    """The lines of rendered TOML, each value that is no default with its origin."""
    from promptd.config.layers import from_environment, from_file

    layers = [from_environment(os.environ)]
    layers += [from_file(config_path, os.environ)] if config_path else []
    table: tuple[str | int, ...] = ()
    for line in text.splitlines():
        name, is_value, _ = line.partition(" = ")
        if line.startswith("["):
            table = _table(line, table)
        origin = _origin((*table, name), layers) if is_value else ""
        yield f"{line}  # {origin}" if origin else line


def _table(header: str, before: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """`[cache]` → `("cache",)`; each `[[roots]]` counts one on from the root before it."""
    name = header.strip("[]")
    if not header.startswith("[["):
        return (name,)
    return (name, before[1] + 1 if len(before) == 2 and isinstance(before[1], int) else 0)


def _origin(path: tuple[str | int, ...], layers: "list[Layer]") -> str:
    """Where the value at `path` came from, "" for the default; `layers` strongest first."""
    from promptd.config.text import line_of

    layer = next((layer for layer in layers if _sets(layer, path)), None)
    if layer is None:
        return ""
    variable = next((name for place, name in layer.variables.items() if path[: len(place)] == place), "")
    line = line_of(layer.text, path) if layer.text else None
    return f"${variable}" if variable else f"{layer.file}:{line}" if line else layer.file


def _sets(layer: "Layer", path: tuple[str | int, ...]) -> bool:
    """True if `layer` sets the value; roots are taken from one layer as a whole."""
    value: Any = layer.data
    for part in path:
        if isinstance(part, int) and part >= len(value):
            return False
        if isinstance(part, str) and part not in value:
            return False
        value = value[part]
    return True
