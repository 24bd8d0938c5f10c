"""Keys of front matter that are written twice, on any level, and names that are declared twice.

YAML calls the first a fault and most readers keep the last without a word. Here it is said with the line of
the second, and of keys that list things (`known_keys.JOINED`) all are meant.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from promptd.core.syntax.component import Diagnostic
from promptd.core.syntax.known_keys import JOINED

_MAX_NAMED_LINES = 5


class WrittenKey(NamedTuple):
    """One key of a block as it is written: where, and its value."""

    key: str
    line: int
    value: Any


def doubled(items: Sequence[WrittenKey], are_joined: Iterable[str]) -> Iterator[Diagnostic]:
    """A diagnostic for each key of a mapping that is written more than once, at its second line."""
    lines: dict[str, list[int]] = {}
    for key, line, _ in items if len({item.key for item in items}) < len(items) else ():
        lines.setdefault(key, []).append(line)
    for key, at in lines.items():
        if len(at) > 1:
            yield Diagnostic("doubled-key", twice(key, "written", at, are_all_used=key in are_joined), at[1])


def twice(name: str, done: str, lines: Sequence[int], *, are_all_used: bool) -> str:
    """The sentence about a name that is written, or declared, on several lines."""
    often = "twice" if len(lines) == 2 else f"{len(lines)} times"
    named = sorted({*lines[: _MAX_NAMED_LINES - 1], lines[-1]})
    listed = " and ".join(filter(None, (", ".join(map(str, named[:-1])), str(named[-1]))))
    used = ("both are" if len(lines) == 2 else "all are") if are_all_used else "the last one is"
    return f"`{name}` is {done} {often}, on line{'s'[: len(named) - 1]} {listed}: {used} used"


def joined(items: Iterable[WrittenKey]) -> dict[str, Any]:
    """The block as a mapping: of a key written twice the last value, or all where they can be joined."""
    values: dict[str, list[Any]] = {}
    for key, _, value in items:
        values.setdefault(key, []).append(value)
    return {key: _join(every) if key in JOINED else every[-1] for key, every in values.items()}


def _join(values: Sequence[Any]) -> Any:
    given = [value for value in values if value is not None]
    if len(given) < 2:
        return given[0] if given else None
    if all(isinstance(value, dict) for value in given):
        return {key: item for value in given for key, item in value.items()}
    return [item for value in given for item in _members(value)]


def _members(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item for item in value.split(",") if item.strip()]
    return value if isinstance(value, list) else [value]


def declared_twice(items: Sequence[WrittenKey]) -> Iterator[Diagnostic]:
    """Names that two mappings under one and the same joined key both have."""
    seen: dict[tuple[str, str], list[int]] = {}
    for key, line, value in items:
        if key in JOINED and isinstance(value, dict):
            for name in value:
                seen.setdefault((key, name), []).append(line)
    for (_, name), lines in seen.items():
        if len(lines) > 1:
            yield Diagnostic("doubled-key", twice(name, "declared", lines, are_all_used=False), lines[1])
