"""What the author of a component says about how it may be shortened: the keys of front matter for it.

`optimise` or `optimize` (never, or the strongest strategy allowed), `priority` (higher is kept longer, or
`required`), `keep` (never left out, and shortened without loss only; the same as `priority: required`),
`min_tokens` and `stable_first`. An invalid value is a note and counts as not given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any

from promptd.core.assembly.skeleton import Note
from promptd.core.syntax.plain_text import line_of_text
from promptd.core.syntax.tolerant_yaml import is_true

DEFAULT_PRIORITY = 0.5  # the middle of 0-1, so that an author can go both ways
MAX_PRIORITY = 1_000.0
NEVER = "never"
LOSSLESS = "conservative"  # the strongest strategy for what its author wants to keep
REQUIRED = "required"
_NO = ("false", "no", "off", "0")
OPTIMISE_KEYS = ("optimise", "optimize")  # of both in one file the first counts


@dataclass(frozen=True, slots=True)
class AuthorHints:
    """The hints of one component. `limit`: a strategy or "never"; `min_tokens` are of its own text."""

    description: str = ""
    limit: str | None = None
    priority: float = DEFAULT_PRIORITY
    min_tokens: int = 0
    is_stable_first: bool = False
    is_kept: bool = False
    notes: tuple[Note, ...] = ()


def author_hints_of(
    id: str,
    description: str,
    metadata: Mapping[str, Any],
    strategies: Sequence[str],
    lines: Mapping[str, int] = MappingProxyType({}),
) -> AuthorHints:
    """Read the hints off a component's front matter. `lines`: where its keys are."""
    reader = _HintReader(id, metadata, lines)
    is_kept = reader.is_kept()
    limit = reader.limit(strategies)
    return AuthorHints(
        description,
        LOSSLESS if is_kept and limit != NEVER else limit,
        DEFAULT_PRIORITY
        if reader.is_required()
        else reader.number("priority", DEFAULT_PRIORITY, MAX_PRIORITY),
        int(reader.number("min_tokens", 0, 1e9)),
        is_true(metadata.get("stable_first")),
        is_kept,
        tuple(reader.notes),
    )


class _HintReader:
    def __init__(self, id: str, metadata: Mapping[str, Any], lines: Mapping[str, int]) -> None:
        self.id, self.metadata, self.lines = id, metadata, lines
        self.notes: list[Note] = []

    def limit(self, strategies: Sequence[str]) -> str | None:
        given = [key for key in OPTIMISE_KEYS if self.metadata.get(key) is not None]
        if not given:
            return None
        key, written = given[0], self.metadata[given[0]]
        limit = NEVER if written is False else line_of_text(written).casefold()
        if limit in (NEVER, *strategies):
            return NEVER if limit == "none" else limit
        self.note(key, written, f"one of {', '.join((NEVER, *strategies))}; taken as never")
        return NEVER  # an author who writes the key wants less to be done

    def is_kept(self) -> bool:
        """True by `keep: true` or `priority: required`; a `keep` that says neither yes nor no keeps."""
        written = self.metadata.get("keep")
        if written is not None and not isinstance(written, bool) and not is_true(written):
            if str(written).strip().casefold() in _NO:
                return self.is_required()
            self.note("keep", written, "true or false; taken as true")
            return True  # an author who writes the key does not want to lose it
        return is_true(written) or self.is_required()

    def is_required(self) -> bool:
        return str(self.metadata.get("priority")).strip().casefold() == REQUIRED

    def number(self, key: str, default: float, most: float) -> float:
        written = self.metadata.get(key)
        if written is None:
            return default
        try:
            number = float(written) if not isinstance(written, bool) else -1.0
        except (TypeError, ValueError, OverflowError):
            number = -1.0
        if isfinite(number) and number >= 0:
            return min(number, most)
        self.note(key, written, f"a number from 0{self.others(key)}; taken as {default:g}")
        return default

    @staticmethod
    def others(key: str) -> str:
        return f" or {REQUIRED}" if key == "priority" else ""

    def note(self, key: str, written: object, expected: str) -> None:
        message = f"`{key}` is `{line_of_text(written)[:40]}`; it must be {expected}"
        self.notes.append(Note("front-matter", message, self.id, self.lines.get(key, 1)))
