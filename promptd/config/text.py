"""The configuration as text: what a key expects in words, and at which line of a file it is.

Pure functions over the schema and TOML text. Nothing here opens a file or decides which value wins
(the package does). A key's path is a tuple (`("roots", 0, "path")`), written `roots[0].path` for people.
"""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
from msgspec import inspect

from promptd.config import units
from promptd.config.schema import SECTIONS

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ConfigKey:
    """One key: `path` such as `cache.entries` (`roots[].path` in a root), what it expects, its default.

    `unit` is what a number counts, "" for what is no number; a duration or a size may be text as well.
    """

    path: str
    type: str
    default: Any
    doc: str
    unit: str = ""
    is_required: bool = False

    @property
    def section(self) -> str:
        """`cache` of `cache.entries`, `roots` of `roots[].path`."""
        return self.path.partition(".")[0].removesuffix("[]")

    @property
    def name(self) -> str:
        """`entries` of `cache.entries`."""
        return self.path.rpartition(".")[2]


def schema() -> list[ConfigKey]:
    """Every key in the order of config.example.toml; defaults are as TOML writes them."""
    return [
        _key(f"{section}[]" if section == "roots" else section, field)
        for section in SECTIONS
        for field in fields_of(section).values()
    ]


def fields_of(section: str) -> dict[str, inspect.Field]:
    """The keys of one section, in order, with their types as msgspec describes them."""
    struct = inspect.type_info(SECTIONS[section])
    assert isinstance(struct, inspect.StructType)
    return {field.encode_name: field for field in struct.fields}


def _key(section: str, field: inspect.Field) -> ConfigKey:
    meta = field.type
    assert isinstance(meta, inspect.Metadata), f"{section}.{field.name} has no description"
    return ConfigKey(
        path=f"{section}.{field.name}",
        type=expectation(meta),
        default=_default(field),
        doc=(meta.extra_json_schema or {})["description"],
        unit=unit_of(meta),
        is_required=field.required,
    )


def _default(field: inspect.Field) -> Any:
    if field.required:
        return None
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    unit = unit_of(field.type)
    return units.spell(value, unit) if unit in units.QUANTITIES else msgspec.to_builtins(value, enc_hook=str)


def unit_of(kind: inspect.Type) -> str:
    """What a number of this type counts, "" for what is no number."""
    return str((kind.extra or {}).get("unit", "")) if isinstance(kind, inspect.Metadata) else ""


@cache
def quantities(section: str) -> dict[str, str]:
    """The keys of one section that hold a duration or a size, with the unit of their plain number."""
    found = {name: unit_of(field.type) for name, field in fields_of(section).items()}
    return {name: unit for name, unit in found.items() if unit in units.QUANTITIES}


def written(dotted: str, value: Any) -> Any:
    """A key's plain number as a file has it: a duration or a size with its unit, anything else as it is."""
    section, _, name = dotted.partition(".")
    unit = quantities(section).get(name)
    return value if unit is None or value is None else units.spell(value, unit)


def bare(kind: inspect.Type) -> inspect.Type:
    """The type below its descriptions."""
    while isinstance(kind, inspect.Metadata):
        kind = kind.type
    return kind


def expectation(kind: inspect.Type) -> str:
    """What a value of this type must be, as the end of a sentence: `a whole number from 1 to 64`."""
    if (unit := unit_of(kind)) in units.QUANTITIES:
        return f"a {units.QUANTITIES[unit].noun} {_range(bare(kind), unit)}"
    while isinstance(kind, inspect.Metadata):
        if said := (kind.extra or {}).get("expects"):
            return str(said)
        kind = kind.type
    return next((say(kind) for type_, say in _EXPECTATIONS if isinstance(kind, type_)), "a table")


def expectation_at(path: KeyPath) -> str:
    """What the value at a known key's path must be; a path may go on into a list or a table."""
    if len(path) < 2 or (path[0] == "roots" and len(path) == 2):
        return "a list of tables, [[roots]]" if path == ("roots",) else "a table"
    names = [part for part in path if not isinstance(part, int)]
    field = fields_of(str(path[0]))[str(names[1])]
    kind: inspect.Type = field.type
    if (unit := unit_of(kind)) in units.QUANTITIES:
        whole = "whole " if isinstance(bare(kind), inspect.IntType) else ""
        return f'{expectation(kind)}, such as "{_default(field)}", or a {whole}number of {unit}'
    for part in path[3 if path[0] == "roots" else 2 :]:
        kind = _inside(bare(kind), part)
    return expectation(kind)


def _inside(kind: inspect.Type, part: str | int) -> inspect.Type:
    """The type of what is at `part` of a list or a table."""
    match kind:
        case inspect.VarTupleType(item_type=item):
            return item
        case inspect.DictType(value_type=item):
            return item
        case inspect.StructType(fields=fields):
            return next((field.type for field in fields if field.encode_name == part), kind)
    return kind


def _range(kind: inspect.Type, unit: str = "") -> str:
    assert isinstance(kind, inspect.IntType | inspect.FloatType)
    low, high = (kind.gt if kind.gt is not None else kind.ge or 0), kind.le or 0
    least, most = (units.spell(low, unit), units.spell(high, unit)) if unit else (f"{low}", f"{high}")
    return f"{'above' if kind.gt is not None else 'from'} {least} {'up ' * (kind.gt is not None)}to {most}"


# How each type is said; the most general come last.
_EXPECTATIONS: tuple[tuple[type[inspect.Type], Callable[[Any], str]], ...] = (
    (inspect.IntType, lambda kind: f"a whole number {_range(kind)}"),
    (inspect.FloatType, lambda kind: f"a number {_range(kind)}"),
    (inspect.StrType, lambda kind: "text, not empty" if kind.min_length else "text"),
    (inspect.BoolType, lambda kind: "true or false"),
    (inspect.LiteralType, lambda kind: "one of " + ", ".join(f'"{value}"' for value in kind.values)),
    (inspect.VarTupleType, lambda kind: f"a list, each {expectation(kind.item_type)}"),
    (inspect.DictType, lambda kind: f"a table, each value {expectation(kind.value_type)}"),
    (inspect.CustomType, lambda kind: 'octal text such as "0600"'),
)


# -- paths ----------------------------------------------------------------------------------------


def spelled(path: KeyPath) -> str:
    """`("roots", 0, "path")` as `roots[0].path`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def nearest(path: KeyPath) -> str | None:
    """The right spelling nearest to an unknown key: of its section first, then the same name elsewhere."""
    known = [re.sub(r"\[\]", "", key.path) for key in schema()] + list(SECTIONS)
    known += [f"{spelled(path[:-1])}.{name}" for name in _names_inside(path)]
    written = ".".join(str(part) for part in path if not isinstance(part, int))
    section, _, name = written.rpartition(".")
    siblings = [key for key in known if key.rpartition(".")[0] == section]
    close = difflib.get_close_matches(written, siblings, 1)
    elsewhere = [key for key in known if key.rpartition(".")[2] == name]
    return next(iter(close + elsewhere + difflib.get_close_matches(written, known, 1)), None)


def _names_inside(path: KeyPath) -> list[str]:
    """The keys that a table in a table of tables may have: `tokens.models.NAME`."""
    if len(path) <= 3 or path[0] == "roots":
        return []
    kind: inspect.Type = fields_of(str(path[0]))[str(path[1])].type
    for part in path[2:-1]:
        kind = _inside(bare(kind), part)
    return [field.encode_name for field in kind.fields] if isinstance(kind, inspect.StructType) else []


_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([\w-]+)")
_KEY = rf"(?:{_PART.pattern.replace('(', '(?:')})"
_DOTTED = rf"({_KEY}(?:\s*\.\s*{_KEY})*)"
_HEADER = re.compile(rf"\s*(\[\[?)\s*{_DOTTED}\s*\]")
_ASSIGNMENT = re.compile(rf"\s*{_DOTTED}\s*=")


def line_of(text: str, path: KeyPath) -> int | None:
    """The 1-based line of TOML `text` where `path`, or the nearest thing around it, is written."""
    around = [(len(place), -line) for place, line in _places(text) if path[: len(place)] == place]
    return -max(around)[1] if around else None


def _places(text: str) -> Iterator[tuple[KeyPath, int]]:
    prefix: KeyPath = ()
    tables: Counter[KeyPath] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            prefix = _parts(header[2])
            if header[1] == "[[":
                tables[prefix] += 1
                prefix = (*prefix, tables[prefix] - 1)
            yield prefix, number
        elif assignment := _ASSIGNMENT.match(line):
            yield (*prefix, *_parts(assignment[1])), number


def _parts(dotted: str) -> KeyPath:
    return tuple(part[0] or part[1] or part[2] for part in _PART.findall(dotted))
