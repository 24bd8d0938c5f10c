"""The three places a value can come from: a TOML file, the environment, the flags; each checked alone.

A Layer knows where it was written, so that an error names the line or the variable in words of this
project, not of msgspec. Durations and sizes become numbers here (`Layer.numbers`), and a key that was
renamed is refused with its new name. Which layer wins, rules that span keys, and where files are is the
package's. The one file that is read here is the configuration itself.
"""

import json
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import tomli
from msgspec import inspect

from promptd.config import text as config_text
from promptd.config import units
from promptd.config.renamed import RENAMED
from promptd.config.schema import SECTIONS, Config
from promptd.config.text import KeyPath
from promptd.config.types import FileMode
from promptd.errors import ConfigError
from promptd.support import escape

_PREFIX = "PROMPTD_"
_BOM = "\ufeff"
_SHORT_NAMES = {"PROMPTD_SOCKET": "PROMPTD_SERVE_SOCKET"}
_MAX_SHOWN_CHARACTERS = 60  # of a wrong value in an error


@dataclass(frozen=True)
class Layer:
    """One source of values: nested tables, and what is needed to say where a value was written."""

    data: dict[str, Any]
    base: str  # relative paths start here
    file: str = ""
    text: str = ""
    variables: Mapping[KeyPath, str] = field(default_factory=dict)
    is_strict: bool = False  # the file says 5 and not "5"; a variable can only say "5"

    def has(self, path: KeyPath) -> bool:
        """True if this layer sets the key at `path`; `roots` are set as a whole."""
        return path[0] in self.data and (path[0] == "roots" or path[1] in self.data[path[0]])

    def numbers(self) -> dict[str, Any]:
        """The data with durations and sizes as plain numbers; other text stays, for `check` to refuse."""
        return {
            section: _with_numbers(table, config_text.quantities(section))
            if section in SECTIONS and section != "roots" and isinstance(table, dict)
            else table
            for section, table in self.data.items()
        }

    def error(self, path: KeyPath, problem: str, **details: Any) -> ConfigError:
        """The problem as an error that says where it was written; `path` is the key's path in this layer."""
        key = config_text.spelled(path)
        line = config_text.line_of(self.text, path) if self.text else None
        where = next(
            (name for place, name in self.variables.items() if path[: len(place)] == place), self.file
        )
        prefix = f"{where}, line {line}: " if line else f"{where}: " if where else ""
        places = {"file": self.file or None, "line": line}
        shown = {name: value for name, value in places.items() if value is not None}
        return ConfigError(f"{prefix}{problem}", key=key, **shown, **details)


def _with_numbers(table: dict[str, Any], quantities: Mapping[str, str]) -> dict[str, Any]:
    texts = {name: table[name] for name in quantities if isinstance(table.get(name), str)}
    read = {name: units.number(text, quantities[name]) for name, text in texts.items()}
    return table | {name: number for name, number in read.items() if number is not None}


# -- where values come from ------------------------------------------------------------------------


def from_file(path: str | os.PathLike[str], environment: Mapping[str, str]) -> Layer:
    """Read one TOML file; ConfigError if it cannot be read or is not TOML (with the line)."""
    name = absolute(os.fspath(path), os.getcwd(), environment)
    try:
        with open(name, "rb") as file:
            text = file.read().decode().removeprefix(_BOM)  # an editor's; it says nothing in UTF-8
        return Layer(tomli.loads(text), os.path.dirname(name), name, text, is_strict=True)
    except OSError as error:
        raise ConfigError(f"{name} cannot be read: {error.strerror}.", file=name) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name} is not UTF-8 text (byte {error.start}).", file=name) from error
    except tomli.TOMLDecodeError as error:
        unseen = _unseen_at(error)
        raise ConfigError(f"{name} is not TOML: {error}{unseen}.", file=name, line=error.lineno) from error


def _unseen_at(error: tomli.TOMLDecodeError) -> str:
    """What a reader cannot see in the line that does not parse: a no-break space, a zero-width one."""
    start = error.doc.rfind("\n", 0, error.pos) + 1
    line = error.doc[start:].partition("\n")[0].rstrip("\r")
    found = next(((at, char) for at, char in enumerate(line, 1) if _is_unseen(char)), None)
    if found is None:
        return ""
    at, char = found
    return f"; column {at} is {unicodedata.name(char, 'a control character')} (U+{ord(char):04X}): delete it"


def _is_unseen(char: str) -> bool:
    return char not in " \t" and (char.isspace() or escape.one_line(char) != char)


def from_environment(environment: Mapping[str, str]) -> Layer:
    """Take every `PROMPTD_<SECTION>_<KEY>`; an unknown key of a known section is for `check` to refuse."""
    data: dict[str, Any] = {}
    variables: dict[KeyPath, str] = {}
    for name, text in sorted(environment.items()):
        path = _path_of_variable(_SHORT_NAMES.get(name, name))
        if path is None or not text:
            continue
        variables[path] = name
        lay_over(data, _nested(path, _value_of_variable(path, text)))
    return Layer(data, os.getcwd(), variables=variables)


def _path_of_variable(name: str) -> KeyPath | None:
    if name == "PROMPTD_ROOTS":
        return ("roots",)
    section, _, key = name.removeprefix(_PREFIX).lower().partition("_")
    is_ours = name.startswith(_PREFIX) and key and section in SECTIONS and section != "roots"
    return (section, key) if is_ours else None


def _value_of_variable(path: KeyPath, text: str) -> Any:
    if path == ("roots",):
        return [{"path": part} for part in text.split(os.pathsep) if part]
    section, name = map(str, path)
    known = config_text.fields_of(section).get(name)
    kind = config_text.bare(known.type) if known else None
    if isinstance(kind, inspect.VarTupleType) and not text.startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    if isinstance(kind, inspect.VarTupleType | inspect.DictType):
        return _json_or_text(text)
    return text


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # not the type that is expected: the check that follows says so


def from_flags(overrides: Mapping[str, Any]) -> Layer:
    """Take dotted paths to values; None is a flag that was not given."""
    data: dict[str, Any] = {}
    for dotted, value in overrides.items():
        if value is None:
            continue
        if dotted == "roots":
            value = [root if isinstance(root, Mapping) else {"path": os.fspath(root)} for root in value]
        lay_over(data, _nested(tuple(dotted.split(".")), value))
    return Layer(data, os.getcwd())


def _nested(path: KeyPath, value: Any) -> dict[str, Any]:
    for part in reversed(path):
        value = {part: value}
    result: dict[str, Any] = value
    return result


def absolute(path: str, base: str, environment: Mapping[str, str]) -> str:
    """The path made absolute by its letters alone: `~` expanded, `.` and `..` resolved, `base` in front."""
    if path == "~" or path.startswith("~/"):
        path = (environment.get("HOME") or os.path.expanduser("~")) + path[1:]
    elif path.startswith("~"):
        path = os.path.expanduser(path)
    return os.path.normpath(os.path.join(base, path))


def lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    """Put sections of `above` into `below`, key by key; a key's value is replaced whole."""
    for section, keys in above.items():
        below[section] = {**below.get(section, {}), **keys} if isinstance(keys, Mapping) else keys


def with_absolute_paths(layer: Layer, environment: Mapping[str, str]) -> dict[str, Any]:
    """The layer's numbers with every path absolute; an empty one means "not configured" and stays."""

    def anchored(table: Mapping[str, Any], key: str) -> dict[str, Any]:
        path = table.get(key)
        return {**table, key: absolute(path, layer.base, environment)} if path else dict(table)

    data = layer.numbers()
    if "roots" in data:
        data["roots"] = [anchored(root, "path") for root in data["roots"]]
    for section, key in (("serve", "socket"), ("state", "directory")):
        if section in data:
            data[section] = anchored(data[section], key)
    return data


# -- types and bounds -----------------------------------------------------------------------------


def decode(kind: type, value: object) -> object:
    """Convert what TOML cannot write as it is (msgspec's `dec_hook`)."""
    return FileMode.parse(value) if kind is FileMode else value


def check(layer: Layer) -> None:
    """Check one layer alone; ConfigError says what is wrong in words of this project, not of msgspec."""
    try:
        msgspec.convert(layer.numbers(), Config, strict=layer.is_strict, dec_hook=decode)
    except msgspec.ValidationError as error:
        raise _translated(str(error), layer) from None


_FOREIGN = re.compile(r"(?s)(?P<problem>.*?)(?: - at `(?P<path>\$.*)`)?")
_STEP = re.compile(r"\.(\w+)|\[(\d+)\]|\[(\.\.\.)\]")
_NAMED = re.compile(r"(?P<kind>unknown|missing required) field `(?P<name>.*)`")


def _translated(foreign: str, layer: Layer) -> ConfigError:
    match = _FOREIGN.fullmatch(foreign)
    assert match is not None
    path = _named_steps(layer, _STEP.findall(match["path"] or ""))
    if named := _NAMED.search(match["problem"]):
        return _wrong_name(layer, (*path, named["name"]), is_unknown=named["kind"] == "unknown")
    return _wrong_value(layer, path)


def _named_steps(layer: Layer, steps: list[tuple[str, str, str]]) -> KeyPath:
    """The path; msgspec writes `[...]` for a key of a table, which is the first whose value is wrong."""
    path: KeyPath = ()
    for number, (name, index, unnamed) in enumerate(steps):
        if not unnamed:
            path = (*path, name or int(index))
        elif number + 1 < len(steps) or _is_table_of_tables(path):
            path = (*path, _wrong_item(layer, path))
    return path


def _is_table_of_tables(path: KeyPath) -> bool:
    kind = config_text.bare(config_text.fields_of(str(path[0]))[str(path[1])].type)
    return isinstance(kind, inspect.DictType) and not isinstance(
        config_text.bare(kind.value_type), inspect.StrType
    )


def _wrong_item(layer: Layer, path: KeyPath) -> str:
    section, name = map(str, path[:2])
    table: dict[str, Any] = layer.data[section][name]
    for key, value in table.items():
        alone = {section: {name: {key: value}}}
        try:
            msgspec.convert(alone, Config, strict=layer.is_strict, dec_hook=decode)
        except msgspec.ValidationError:
            return key
    return next(iter(table))


def _wrong_name(layer: Layer, path: KeyPath, *, is_unknown: bool) -> ConfigError:
    key = config_text.spelled(path)
    if not is_unknown:
        return layer.error(path, f"`{key}` is missing.")
    if renamed := RENAMED.get(key):
        variable = f" ({_PREFIX}{renamed.replace('.', '_').upper()})" if path in layer.variables else ""
        return layer.error(path, f"`{key}` was renamed to `{renamed}`{variable}.", nearest=renamed)
    nearest = config_text.nearest(path)
    hint = f"; did you mean `{nearest}`?" if nearest else "; `promptd config show` lists every key."
    return layer.error(path, f"`{key}` is not a key{hint}", **({"nearest": nearest} if nearest else {}))


def _wrong_value(layer: Layer, path: KeyPath) -> ConfigError:
    path, value = _deepest_wrong(layer.data, path)
    expected = config_text.expectation_at(path)
    return layer.error(path, f"`{config_text.spelled(path)}` is {_shown(value)}; it must be {expected}.")


def _deepest_wrong(data: Any, path: KeyPath) -> tuple[KeyPath, Any]:
    """The value at `path`; in a table of text, whose keys msgspec leaves unnamed, the first wrong one."""
    for part in path:
        data = data[part]
    if isinstance(data, dict) and len(path) > 1:
        wrong = next((name for name, item in data.items() if not (name and isinstance(item, str))), None)
        return ((*path, wrong), data[wrong]) if wrong is not None else (path, data)
    return path, data


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN_CHARACTERS else f"{text[: _MAX_SHOWN_CHARACTERS - 1]}…"
