"""A stamp: replies to a plain request whose values never came before, without making a prompt of each.

When one prompt of an outline has been made, everything in its reply that no value can change is known: the
text between values, the manifest but for some numbers, warnings, the stable prefix. A stamp holds that as
JSON. For other values of the same variables it fills in what differs, and what it gives is byte for byte what
would have been made and encoded otherwise. Nothing of it is kept, so values that come once push nothing out
of the cache of prompts.
"""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import accumulate

import msgspec

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.tokens.incremental import IncrementalCount
from promptd.protocol.records import ManifestEntry

_NUMBER = 1_234_567_890_123_456_789  # stands in a manifest where a form has a place for a number
_DIGITS = b"%d" % _NUMBER
_encode = msgspec.json.Encoder().encode


def digest_of(text: str) -> str:
    """SHA-256 of a text, as everywhere in a reply."""
    return hashlib.sha256(text.encode()).hexdigest()


class ReplyTemplate:
    """Made from one prompt and what it was filled with; `render` is asked for every other set of values."""

    __slots__ = (
        "_after",
        "_before",
        "_changing",
        "_form",
        "_layout",
        "_numbers",
        "_slots",
        "_tally",
        "_warnings",
        "prefix",
        "stable_tokens",
    )

    def __init__(self, prompt: Prompt, skeleton: Skeleton, filled: Filled, tally: IncrementalCount) -> None:
        given = dict(prompt.request.variables)
        self._layout, self._tally = filled.layout, tally
        # Each slot with the name whose value goes there, or without one and with the text that always does.
        self._slots = [
            (run, slot.name if slot.kind == "variable" and slot.name in given else None, text)
            for (run, slot), text in zip(self._layout.slots, filled.values, strict=True)
        ]
        drafts = [(draft.first, draft.last) for draft in skeleton.drafts]
        self._changing = [each for each in drafts if not self._layout.is_constant(*each)]
        self._numbers = [*self._placed(drafts)]
        self._form = b"[%b]" % b",".join(map(self._form_of, prompt.manifest, drafts))
        self._warnings = _encode(prompt.warnings)
        self.stable_tokens = prompt.stable_prefix_tokens
        self.prefix = digest_of(prompt.text[: prompt.stable_end])
        encoding, name, metadata = map(_encode, (prompt.encoding, prompt.name, dict(prompt.metadata)))
        self._before = b',"encoding":%b,"stable_prefix_tokens":%d' % (encoding, prompt.stable_prefix_tokens)
        self._after = b'"name":%b,"metadata":%b,"manifest":' % (name, metadata)

    @staticmethod
    def can_be(prompt: Prompt) -> bool:
        """False for a prompt whose reply differs by more than values, or that holds the number of forms."""
        is_plain = prompt.fit is None and prompt.estimate is None and prompt.is_consistent
        return is_plain and _DIGITS not in _encode(prompt.manifest)

    def __repr__(self) -> str:
        return f"<ReplyTemplate with {len(self._slots)} slots, {len(self._changing)} changing entries>"

    def _placed(self, drafts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Of each number of the form where it comes from: a start of a run and how far behind, or a count."""
        layout, count = self._layout, len(self._layout.runs) + 1
        for draft in drafts:
            if draft in self._changing:
                yield count + self._changing.index(draft), 0
            for part in draft:
                yield layout.run_of[part], layout.within[part]

    def _form_of(self, entry: ManifestEntry, draft: tuple[int, int]) -> bytes:
        """One entry of the manifest as JSON, with %d for what changes."""
        tokens = _NUMBER if draft in self._changing else entry.tokens
        entry = msgspec.structs.replace(entry, tokens=tokens, span=(_NUMBER, _NUMBER))
        return _encode(entry).replace(b"%", b"%%").replace(_DIGITS, b"%d")

    def render(self, values: Mapping[str, str], max_chars: int, max_tokens: int) -> tuple[bytes, int] | None:
        """The reply for these values but for its end, and its tokens; None if that may be too large."""
        layout = self._layout
        filled_in = tuple(text if name is None else values[name] for _, name, text in self._slots)
        texts: list[str] = layout.runs.copy()  # type: ignore[assignment] # slots are replaced in the next line
        for (run, _, _), text in zip(self._slots, filled_in, strict=True):
            texts[run] = text
        whole = "".join(texts)
        filled = Filled(whole, (0, *accumulate(map(len, texts))), layout, (), filled_in)
        measured = self._tally.measure(filled)
        tokens = measured.count(0, len(whole))
        if len(whole) > max_chars or tokens > max_tokens:
            return None
        counts = [measured.count(filled.offset(first), filled.offset(last)) for first, last in self._changing]
        sources = (*filled.starts, *counts)
        manifest = self._form % tuple([sources[at] + behind for at, behind in self._numbers])
        digest = digest_of(whole).encode()
        etag = hashlib.sha256(b'["%b",%b,%b]' % (digest, manifest, self._warnings)).hexdigest()[:32].encode()
        head = b'{"text":%b,"tokens":%d,"tokens_source":%d' % (filled.encoded(), tokens, tokens)
        seal = b',"digest":"%b","etag":"%b",' % (digest, etag)
        pieces = (head, self._before, seal, self._after, manifest, b',"warnings":', self._warnings)
        return b"".join(pieces), tokens
