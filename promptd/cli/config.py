"""`config`: check a configuration file, show what is in effect and why, export what a daemon runs with.

Everything is read and printed as text; only `export --out` writes a file.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from promptd.cli import output
from promptd.cli.backend import Where, config_option, daemon_options, decode, open_backend

if TYPE_CHECKING:
    from promptd.config.layers import Layer


@click.group(
    epilog="""\b
Examples:
  promptd config check prompts/promptd.toml
  promptd config show --config prompts/promptd.toml
  promptd config export --out promptd.toml"""
)
def config() -> None:
    """Check, show or export a configuration."""


@config.command(
    epilog="""\b
Examples:
  promptd config check prompts/promptd.toml
  promptd config check prompts/promptd.toml && promptd reload"""
)
@click.argument("file", envvar="PROMPTD_CONFIG")
def check(file: str) -> None:
    """Check FILE (default: $PROMPTD_CONFIG); exit with 78 and name the key if it is invalid.

    The file is checked together with the environment, as `promptd serve` reads both.
    """
    from promptd.config import load, placing
    from promptd.engine.opening import check_config

    settings = load(file, os.environ)
    with placing(file, os.environ):
        check_config(settings)
    for root in settings.roots:
        if not Path(root.path).is_dir():
            output.warn(f"{file}: root {root.path} is not a directory")
    output.emit_line(f"{file}: ok")


@config.command(
    epilog="""\b
Examples:
  promptd config show
  PROMPTD_CACHE_ENTRIES=500 promptd config show --config prompts/promptd.toml"""
)
@config_option
def show(config_path: str | None) -> None:
    """Print the configuration in effect as a TOML file.

    A comment after a value names its origin; a value without a comment is a default.
    """
    from promptd.config import load, render

    text = render(load(config_path, os.environ))
    output.emit("".join(f"{line}\n" for line in _annotated(text, config_path)).encode())


@config.command(
    epilog="""\b
Examples:
  promptd config export --out promptd.toml
  promptd config export | ssh web1 'cat > promptd.toml'
  promptd serve prompts --config promptd.toml    # on the other machine"""
)
@click.option(
    "--out", metavar="FILE", type=click.Path(dir_okay=False), help="Write to FILE instead of stdout."
)
@daemon_options
def export(out: str | None, where: Where) -> None:
    """Export the running daemon's configuration as a file for another machine.

    A comment after each target has the value that this daemon measured. The socket and the state directory
    are left out.
    """
    with open_backend(where) as backend:
        answers = [decode(backend.call(method, {})) for method in ("configuration", "health", "version")]
    text = "".join(f"{line}\n" for line in _exported(*answers))
    if out is None:
        output.emit(text.encode())
        return
    try:
        Path(out).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise click.FileError(out, problem.strerror or str(problem)) from None
    output.note(f"wrote {out}")


# Keys of [targets] and the target in the health snapshot that each belongs to.
TARGET_OF = {
    "response_time_max": "response_time",
    "hit_ratio_min": "hit_ratio",
    "error_ratio_max": "errors",
    "memory_bytes_max": "memory",
    "load_time_max": "component_load",
    "reduction_min": "token_reduction",
}
OF_THE_MACHINE = {"[serve]": "socket", "[state]": "directory"}


def _exported(
    configuration: dict[str, Any], health: dict[str, Any], version: dict[str, Any]
) -> Iterator[str]:
    """The lines of the daemon's TOML without what belongs to its machine, with what it measured."""
    measured = {target["name"]: target for target in health.get("targets", ())}
    yield f"# Configuration of promptd {version['version']}, exported at {health['time']}."
    yield "# A library on the command line replaces [[roots]]: promptd serve DIR --config FILE"
    yield ""
    header = ""
    for line in configuration["toml"].splitlines():
        name = line.partition(" = ")[0]
        if line.startswith("["):
            header = line
        if OF_THE_MACHINE.get(header) == name:
            continue
        target = measured.get(TARGET_OF.get(name, "")) if header == "[targets]" else None
        yield f"{line}  # {_measured(target)}" if target else line


def _measured(target: dict[str, Any]) -> str:
    """The comment after a target: the value over its window, or why there is none."""
    if target["value"] is None:
        return "not measured: " + {"off": "no target is set", "warming": "the daemon was warming up"}.get(
            target["state"], "no data"
        )
    value = f"{target['value']:,.0f}" if target["unit"] == "bytes" else f"{target['value']:.4g}"
    unit = "" if target["unit"] == "share" else f" {target['unit']}"
    return f"measured {value}{unit} over {target['window']}: {target['state']}"


def _annotated(text: str, config_path: str | None) -> Iterator[str]:
    """The lines of rendered TOML, each value that is not a default with its origin."""
    from promptd.config.layers import from_environment, from_file

    layers = [from_environment(os.environ)]
    layers += [from_file(config_path, os.environ)] if config_path else []
    table: tuple[str | int, ...] = ()
    for line in text.splitlines():
        name, is_value, _ = line.partition(" = ")
        if line.startswith("["):
            table = _table(line, table)
        origin = _origin((*table, name), layers) if is_value else ""
        yield f"{line}  # {output.plain(origin)}" if origin else line


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
