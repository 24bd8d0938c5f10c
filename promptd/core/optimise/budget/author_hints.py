"""What the author of a component says about how it may be shortened: the keys of front matter for it.

`optimise` or `optimize` (never, or the strongest strategy allowed), `priority` (higher is kept longer),
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
OPTIMISE_KEYS = ("optimise", "optimize")  # of both in one file the first counts


@dataclass(frozen=True, slots=True)
class AuthorHints:
    """The hints of one component. `limit`: a strategy or "never"; `min_tokens` are of its own text."""

    description: str = ""
    limit: str | None = None
    priority: float = DEFAULT_PRIORITY
    min_tokens: int = 0
    is_stable_first: bool = False
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
    return AuthorHints(
        description,
        reader.limit(strategies),
        reader.number("priority", DEFAULT_PRIORITY, MAX_PRIORITY),
        int(reader.number("min_tokens", 0, 1e9)),
        is_true(metadata.get("stable_first")),
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
        self.note(key, written, f"a number from 0; taken as {default:g}")
        return default

    def note(self, key: str, written: object, expected: str) -> None:
        message = f"`{key}` is `{line_of_text(written)[:40]}`; it must be {expected}"
        self.notes.append(Note("front-matter", message, self.id, self.lines.get(key, 1)))
