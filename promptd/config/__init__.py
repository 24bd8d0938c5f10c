"""Reading the configuration: one file, the environment and the flags become one frozen Config.

Each of the three is a Layer that is checked alone, so that an error names where it came from (the line,
the variable); then they are laid over one another: flag, environment, file, default. Rules that span
keys and where the socket and the state lie are here; types and bounds are in schema, sources in
layers, "25ms" and "150MB" in units. One file is read and nothing else is touched: no directory is looked at
or created.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import structs

from promptd.config.layers import (
    Layer,
    absolute,
    check,
    decode,
    from_environment,
    from_file,
    from_flags,
    lay_over,
    with_absolute_paths,
)
from promptd.config.schema import Config, LibraryConfig
from promptd.config.text import ConfigKey, KeyPath, schema, written
from promptd.config.types import FileMode
from promptd.config.write import example, render
from promptd.errors import ConfigError

__all__ = [
    "Config",
    "ConfigKey",
    "FileMode",
    "changed_keys",
    "example",
    "load",
    "placing",
    "render",
    "schema",
    "socket_candidates",
    "socket_path",
    "state_directory",
    "written",
]

MAX_SOCKET_PATH_BYTES = 107  # sun_path holds 108 with its terminating zero: unix(7)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def load(
    path: str | os.PathLike[str] | None,
    environment: Mapping[str, str],
    overrides: Mapping[str, Any] = _NOTHING,
) -> Config:
    """Read the configuration; by precedence: `overrides` (flags), `environment`, the file, the default.

    Args:
        path: the TOML file, or None for none.
        environment: `PROMPTD_<SECTION>_<KEY>` (lists with commas or as JSON, tables as JSON),
            `PROMPTD_SOCKET` for `PROMPTD_SERVE_SOCKET`, `PROMPTD_ROOTS` with colons; empty counts as unset.
        overrides: dotted paths (`serve.socket`) to values as in the file; None counts as unset; `roots`
            takes a list of directories or tables.

    Raises:
        ConfigError: with details `key` and, where they are known, `file`, `line` and `nearest`.
    """
    layers = [from_file(path, environment)] if path is not None else []
    layers += [from_environment(environment), from_flags(overrides)]
    merged: dict[str, Any] = {}
    for layer in layers:
        check(layer)
        lay_over(merged, with_absolute_paths(layer, environment))
    config = msgspec.convert(merged, Config, strict=False, dec_hook=decode)
    config = structs.replace(config, library=_with_placed_aliases(config, layers, environment))
    _refuse_contradictions(config, layers)
    return config


@contextmanager
def placing(path: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> Iterator[None]:
    """Say of a value that is found to be wrong later (a dialect that does not exist) where it was written.

    Within, a ConfigError that names a key and no line becomes one that names the file and the line, or the
    environment variable. `path` and `environment` are those of `load`.
    """
    try:
        yield
    except ConfigError as error:
        if "key" not in error.details or {"file", "line"} & error.details.keys():
            raise
        layers = [from_file(path, environment)] if path is not None else []
        layers.append(from_environment(environment))
        key = tuple(
            int(part) if part.isdigit() else part for part in re.findall(r"\w+", error.details["key"])
        )
        raise _contradiction(layers, key, error.message) from None


def changed_keys(old: Config, new: Config) -> list[str]:
    """The dotted paths whose values differ, in the order of the schema; `roots` as a whole."""
    return [
        name
        for name in ("roots", *(key.path for key in schema() if key.section != "roots"))
        if _value_at(old, name) != _value_at(new, name)
    ]


def _value_at(config: Config, dotted: str) -> Any:
    value: Any = config
    for name in dotted.split("."):
        value = getattr(value, name)
    return value


# -- where things are -----------------------------------------------------------------------------


def socket_candidates(config: Config, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Where a daemon may listen, in order: one path if configured, else the user's and the system's."""
    if configured := config.serve.socket or environment.get("PROMPTD_SOCKET", ""):
        return (_checked_socket(configured),)
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    directories = [runtime, "/run"] if os.path.isabs(runtime) else ["/run"]
    return tuple(_checked_socket(f"{directory}/promptd/promptd.sock") for directory in directories)


def socket_path(config: Config, environment: Mapping[str, str]) -> str:
    """The path at which a daemon started with this configuration listens; ConfigError if it is too long."""
    return socket_candidates(config, environment)[0]


def _checked_socket(path: str) -> str:
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise ConfigError(
            f"The socket's path has {size} bytes and the kernel allows {MAX_SOCKET_PATH_BYTES}: {path}; "
            "choose a shorter one with --socket or `serve.socket`.",
            key="serve.socket",
        )
    return path


def state_directory(config: Config, environment: Mapping[str, str]) -> str:
    """The directory of use counts and the snapshot: configured, systemd's, or the user's (XDG)."""
    if config.state.directory:
        return config.state.directory
    if given := environment.get("STATE_DIRECTORY", "").partition(":")[0]:  # systemd joins several with colons
        return given
    state_home = environment.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state_home):  # the XDG specification: a relative one is to be ignored
        state_home = absolute("~/.local/state", "/", environment)
    return f"{state_home.rstrip('/')}/promptd"


# -- rules that span keys -------------------------------------------------------------------------


def _with_placed_aliases(
    config: Config, layers: Iterable[Layer], environment: Mapping[str, str]
) -> LibraryConfig:
    """The library section with each alias as an id prefix; a path that is inside no root is an error."""
    roots = [root.path for root in config.roots]
    aliases: dict[str, str] = {}
    for prefix, value in config.library.aliases.items():
        place = _place(value, roots, environment)
        if place is None:
            known = f"(roots: {', '.join(roots)})" if roots else "(no roots are configured)"
            problem = f'the alias "{prefix}" points to "{value}", which is not inside a root {known}.'
            raise _contradiction(layers, ("library", "aliases", prefix), problem)
        aliases[prefix] = place
    return structs.replace(config.library, aliases=aliases)


def _place(value: str, roots: Iterable[str], environment: Mapping[str, str]) -> str | None:
    """The id prefix that an alias's value means, without slashes around it, or None."""
    if value.startswith(("/", "~")):
        path = absolute(value, "/", environment)
        inside = (os.path.relpath(path, root) for root in roots if os.path.commonpath([path, root]) == root)
        value = next(inside, "..")
    place = os.path.normpath(value)
    if place == ".." or place.startswith("../") or "\0" in place:
        return None
    return "" if place == "." else place


def _refuse_contradictions(config: Config, layers: Iterable[Layer]) -> None:
    paths = [root.path for root in config.roots]
    if again := next((index for index, path in enumerate(paths) if path in paths[:index]), None):
        raise _contradiction(
            layers, ("roots", again, "path"), f"{paths[again]} is configured as a root twice."
        )
    for section, low, high in (
        ("loading", "min_workers", "max_workers"),
        ("watch", "debounce", "max_debounce"),
    ):
        least, most = (getattr(getattr(config, section), name) for name in (low, high))
        if least > most:
            least, most = written(f"{section}.{low}", least), written(f"{section}.{high}", most)
            problem = f"`{section}.{low}` is {least}, which is more than `{section}.{high}`, {most}."
            raise _contradiction(layers, (section, low), problem)
    if config.tokens.model and config.tokens.model not in config.tokens.models:
        known = ", ".join(config.tokens.models) or "none"
        problem = f'`tokens.model` is "{config.tokens.model}", which is not one of `tokens.models`: {known}.'
        raise _contradiction(layers, ("tokens", "model"), problem)
    if config.serve.socket:
        _checked_socket(config.serve.socket)


def _contradiction(layers: Iterable[Layer], path: KeyPath, problem: str) -> ConfigError:
    """The error, said of the last layer that set the key, since that one won."""
    return ([layer for layer in layers if layer.has(path)] or [Layer({}, "")])[-1].error(path, problem)
