"""What is asked for and what is answered: the request, the prompt, its manifest.

The records are what the wire shows, and the keys of the prompt cache. Token counts and digests are put
in by `prompt_of`; the functions that count and hash are handed in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from promptd.engine.component import Place
from promptd.engine.fill import Filled
from promptd.engine.fitting.allocate import Row
from promptd.engine.fitting.cost import Estimate, Savings
from promptd.engine.library import Component
from promptd.engine.skeleton import Note, Skeleton, Unit
from promptd.engine.tolerant_yaml import as_text
from promptd.errors import InvalidParams

MAX_NAMES = 1_000
MAX_NUMBER_BITS = 4_096  # Python refuses to write out numbers of more than 4,300 digits


class Options(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """How a prompt is wanted; None is what the configuration says. `budget` and `reserve` are tokens."""

    strategy: str | None = None
    budget: int | None = None
    reserve: int | None = None
    model: str | None = None
    format: str | None = None
    stable_first: bool | None = None


PLAIN = Options()


class Request(msgspec.Struct, frozen=True, cache_hash=True, gc=False):
    """One prompt asked for. `variables` are sorted pairs, so equal requests are equal keys."""

    names: tuple[str, ...]
    variables: tuple[tuple[str, str], ...] = ()
    arguments: str | None = None
    options: Options | None = None  # None is PLAIN


def request_of(
    names: tuple[str, ...],
    variables: Mapping[str, Any] | None = None,
    arguments: str | None = None,
    options: Options = PLAIN,
) -> Request:
    """Build a request; scalars become text. Raises InvalidParams for anything a prompt cannot hold."""
    if not names or len(names) > MAX_NAMES:
        raise InvalidParams(f"ask for 1 to {MAX_NAMES} components, not {len(names)}")
    pairs = tuple(
        sorted((_sound("a name", name), _value(name, value)) for name, value in (variables or {}).items())
    )
    sound = None if arguments is None else _sound("arguments", arguments)
    return Request(names, pairs, sound, None if options == PLAIN else options)


def _value(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float, bool)):
        raise InvalidParams(f"variables.{name}: expected text, a number or a boolean", variable=name)
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        raise InvalidParams(f"variables.{name}: the number is too large; send it as text", variable=name)
    return _sound(f"variables.{name}", as_text(value))


def _sound(what: str, text: str) -> str:
    """The text if a prompt can hold it: half of a surrogate pair cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidParams(f"{what}: contains a lone surrogate, which is no character") from None
    return text


class Entry(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One piece of a prompt. `span` is [start, end) in code points, `tokens` those of that span.

    `variant` is what a strategy or a budget made of it, `removed` every unit that was taken out of it.
    """

    id: str
    digest: str
    tokens: int
    span: tuple[int, int]
    reason: str
    chain: tuple[str, ...]
    line: int | None = None
    target: str | None = None
    variant: str = ""
    removed: tuple[Unit, ...] = ()


class Warning(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Something left out, shortened or doubtful: where it is written and the chain that led there."""

    kind: str
    message: str
    id: str = ""
    line: int = 0
    target: str = ""
    chain: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Facts:
    """What an answer rests on: components at a digest, and places that were empty. Compared by identity.

    `files` holds (component, digest, path); `absent` holds paths and places; `paths` all of their paths
    and `ids` all of their ids; `ways` are the directories and links through which usable files are reached: a
    signature says nothing of where a file is. `proof` asks the disk whether all is as it was when the facts
    were last found to hold, which was at the library's revision `proved_at`; whoever checks facts puts it in.
    """

    files: tuple[tuple[Component, str, str], ...]
    absent: tuple[tuple[str, Place], ...]
    paths: tuple[str, ...]
    ids: frozenset[str]
    ways: tuple[str, ...] = ()
    proof: Callable[[], bool] | None = None
    proved_at: int = -1

    def is_touched_by(self, affected: frozenset[str]) -> bool:
        """True if a change that affected these ids may have made the answer another one."""
        return not self.ids.isdisjoint(affected)


class Shares(msgspec.Struct, frozen=True):
    """What was kept of what there was, as four figures from 0 to 1 that are never blended."""

    anchors: float
    information: float
    instructions: float
    structure: float


@dataclass(frozen=True, slots=True)
class Fit:
    """How a prompt was made to fit.

    `allocation` says for each piece what a budget did with it; `gap` is the share of value that a better
    allocation might still have.
    """

    strategy: str
    quality: Shares
    savings: Savings
    budget: int | None = None
    reserve: int = 0
    allocation: tuple[Row, ...] | None = None
    gap: float = 0.0


@dataclass(slots=True)
class Prompt:
    """An assembled prompt; `uses` counts since last folded.

    `pieces` are values of the reply that are JSON already, until it was encoded whole.
    `encoded` is kept by whoever sends it: `encoded_bytes` of it are the prompt's own, what follows is true of
    the revision `encoded_at`.

    `tokens_source` are those of the same request with the strategy `none` and no budget; `stable_end` is
    where the prefix without values ends, in code points. `fit` is None where nothing was asked to be saved,
    `worth_version` that of the words' worth it rests on, -1 if on none.
    """

    request: Request
    name: str
    text: str
    tokens: int
    encoding: str
    digest: str
    etag: str
    manifest: tuple[Entry, ...]
    warnings: tuple[Warning, ...]
    metadata: Mapping[str, Any]
    facts: Facts
    tokens_source: int
    stable_end: int
    stable_prefix_tokens: int
    fit: Fit | None = None
    estimate: Estimate | None = None
    worth_version: int = -1
    is_consistent: bool = True
    pieces: Mapping[str, msgspec.Raw] | None = None
    encoded: bytes | None = None
    encoded_bytes: int = 0
    encoded_at: int = -1
    uses: int = 0

    def __repr__(self) -> str:
        return f"<Prompt {self.name} {self.tokens} tokens {self.digest[:8]}>"

    @property
    def size_bytes(self) -> int:
        """What it costs to keep: text twice (as text and encoded) and about 300 bytes an entry."""
        units = sum(len(entry.removed) for entry in self.manifest)
        return 2 * len(self.text.encode(errors="replace")) + 300 * (len(self.manifest) + units) + 1000


def entries(
    skeleton: Skeleton,
    filled: Filled,
    count: Callable[[int, int], int],
    constant: dict[int, int] | None = None,
) -> tuple[Entry, ...]:
    """The manifest: one entry for each piece, in the order it was met. `count`: tokens of a span.

    `constant` remembers, for this very skeleton, the tokens of entries that no value can change.
    """
    known = {} if constant is None else constant
    starts, run_of, within = filled.starts, filled.mould.run_of, filled.mould.within
    found: list[Entry] = []
    for index, draft in enumerate(skeleton.drafts):
        first, last = draft.first, draft.last
        start, end = starts[run_of[first]] + within[first], starts[run_of[last]] + within[last]
        tokens = known.get(index)
        if tokens is None:
            tokens = count(start, end) if end > start else 0
            if filled.mould.is_constant(first, last):
                known[index] = tokens
        found.append(
            Entry(
                draft.id,
                draft.digest,
                tokens,
                (start, end),
                draft.reason,
                draft.chain,
                draft.line,
                draft.target,
                draft.variant,
                draft.removed,
            )
        )
    return tuple(found)


def warnings(*notes: Note) -> tuple[Warning, ...]:
    """Notes as they are shown, each once."""
    shown = (Warning(note.kind, note.message, note.id, note.line, note.target, note.chain) for note in notes)
    return tuple(dict.fromkeys(shown))
