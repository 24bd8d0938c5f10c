"""The configuration written as TOML: what is in effect, and the example with every key explained.

Pure functions from records to text. Reading is the package's own; the sentences come from the schema.
"""

import json
import textwrap
from typing import Any

import msgspec

from promptd.config import units
from promptd.config.schema import SECTIONS, Config
from promptd.config.text import ConfigKey, quantities, schema
from promptd.support import escape

_COMMENT_WIDTH = 108  # with "# " in front: the line length of this project


def render(config: Config) -> str:
    """The whole configuration as TOML that reads back equal; durations and sizes with their units."""
    data = msgspec.to_builtins(config, enc_hook=str)
    for section in data.keys() - {"roots"}:
        keys = quantities(section)
        data[section] |= {name: units.spell(data[section][name], unit) for name, unit in keys.items()}
    roots = [("[[roots]]", root) for root in data.pop("roots")]
    tables = [*roots, *((f"[{name}]", section) for name, section in data.items())]
    return "\n".join(_table(header, keys) for header, keys in tables)


def _table(header: str, keys: dict[str, Any]) -> str:
    return "".join(f"{line}\n" for line in (header, *(f"{name} = {_value(keys[name])}" for name in keys)))


def _value(value: Any) -> str:
    if isinstance(value, dict):
        pairs = ", ".join(f"{_value(name)} = {_value(item)}" for name, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    # A JSON scalar is a TOML one, but for DEL, which TOML wants escaped, and for surrogate pairs.
    return escape.toml(json.dumps(value, ensure_ascii=False))


# -- the example ----------------------------------------------------------------------------------

_PREAMBLE = """\
# promptd: every key with its default. No configuration file is required: `promptd serve DIR` works without.
#
# Precedence: a flag, then the environment (PROMPTD_CACHE_ENTRIES=500), then this file, then the default.
# Durations are written "25ms", "10s", "5m", "1h" or "1d", sizes "512KB", "150MB" or "1MiB": KB, MB, GB and TB
# are powers of 1000, KiB, MiB, GiB and TiB powers of 1024. Plain numbers are in the unit in brackets.
# An unknown key, a wrong type or a value out of range is an error that names the line.
# `promptd config check` checks a file; `promptd config show` prints the configuration in effect.
"""


def example() -> str:
    """The text of config.example.toml: every section and key with its sentence, unit, bounds and default."""
    return _PREAMBLE + "".join(_example_section(section) for section in SECTIONS)


def _example_section(section: str) -> str:
    is_list = section == "roots"  # there is no default root, so this section is a comment
    header = f"[[{section}]]" if is_list else f"[{section}]"
    doc = " ".join((SECTIONS[section].__doc__ or "").split())
    keys = [key for key in schema() if key.section == section]
    lines = [header, *(line for key in keys for line in _example_key(key))]
    return "".join(
        f"{line}\n" for line in ("", f"## {doc}", *(f"# {line}" if is_list else line for line in lines))
    )


def _example_key(key: ConfigKey) -> list[str]:
    value = "/srv/prompts" if key.is_required else key.default
    comment = textwrap.wrap(f"{key.doc}{_limits(key)}", _COMMENT_WIDTH, break_on_hyphens=False)
    return [*(f"# {line}" for line in comment), f"{key.name} = {_value(value)}"]


def _limits(key: ConfigKey) -> str:
    kind, _, bounds = key.type.removeprefix("a ").removeprefix("whole ").partition(" ")
    if key.unit in units.QUANTITIES:
        return f" [{kind}, plain numbers in {key.unit}; {bounds}]"
    if key.unit:
        return f" [{key.unit}; {bounds}]"
    return f" [{key.type}]" if "one of" in key.type else ""
