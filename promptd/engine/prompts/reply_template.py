"""A template of replies: those to a plain request whose values never came before, without a prompt of each.

When one prompt has been made, everything in its reply that no value can change is known: the text between
values, the manifest but for some numbers, warnings, the stable prefix. A template is that reply, encoded with
marks in place of what values change and cut at them (`reply`): it knows which fields change, and neither the
others nor their order. What it gives for other values is byte for byte what would have been made and encoded
otherwise. Nothing of it is kept, so values that come once push nothing out of the cache of prompts.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate

import msgspec

from promptd.core.assembly.fill import Filled
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.tokens.incremental import IncrementalCount
from promptd.engine.prompts.reply import Cut, cut, digest_of, etag_of, mark, reply_of, seal_of
from promptd.protocol.records import ManifestEntry

_TEXT, _TOKENS, _DIGEST, _ETAG, _MANIFEST, _CLOCK = range(6)  # what values, or the moment, change in a reply


class ReplyTemplate:
    """Made from one prompt and what it was filled with; `render` is asked for every other set of values."""

    __slots__ = (
        "_changing",
        "_layout",
        "_manifest",
        "_numbers",
        "_reply",
        "_seal",
        "_slots",
        "_tally",
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
        self._changing = [*dict.fromkeys(each for each in drafts if not self._layout.is_constant(*each))]
        numbers = [*self._placed(drafts)]
        manifest = cut(self._marked(prompt.manifest, drafts), b"%d")
        self._manifest = manifest.form
        self._numbers = [numbers[number] for number in manifest.marks]
        self._reply = _reply(prompt)
        seen = prompt.warnings, prompt.encoding, prompt.stable_prefix_tokens
        self._seal = cut(msgspec.Raw(seal_of(mark(_DIGEST), mark(_MANIFEST), *seen)))
        self.stable_tokens = prompt.stable_prefix_tokens
        self.prefix = digest_of(prompt.text[: prompt.stable_end])

    @staticmethod
    def can_be(prompt: Prompt) -> bool:
        """False for a prompt whose reply differs by more than values."""
        return prompt.fit is None and prompt.estimate is None and prompt.is_consistent

    def __repr__(self) -> str:
        return f"<ReplyTemplate with {len(self._slots)} slots, {len(self._changing)} changing entries>"

    def _placed(self, drafts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        """Of each number of a manifest where it comes from: a start of a run and how far behind, or a count.

        Three for each entry: its tokens, its start and its end.
        """
        layout, count = self._layout, len(self._layout.runs) + 1
        counts = {draft: count + at for at, draft in enumerate(self._changing)}
        for draft in drafts:
            yield counts.get(draft, 0), 0
            for part in draft:
                yield layout.run_of[part], layout.within[part]

    def _marked(
        self, manifest: tuple[ManifestEntry, ...], drafts: list[tuple[int, int]]
    ) -> list[ManifestEntry]:
        """The manifest with marks for what changes, by their index among the `_placed`."""
        changing = frozenset(self._changing)
        return [
            msgspec.structs.replace(
                entry,
                tokens=mark(3 * index) if draft in changing else entry.tokens,
                span=(mark(3 * index + 1), mark(3 * index + 2)),
            )
            for index, (entry, draft) in enumerate(zip(manifest, drafts, strict=True))
        ]

    def render(
        self, values: Mapping[str, str], clock: str, max_chars: int, max_tokens: int
    ) -> tuple[bytes, int] | None:
        """The reply for these values, and its tokens; None if that may be too large."""
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
        manifest = self._manifest % tuple([sources[at] + behind for at, behind in self._numbers])
        digest = b'"%b"' % digest_of(whole).encode()
        found = [filled.encoded(), b"%d" % tokens, digest, b"", manifest, b'"%b"' % clock.encode()]
        found[_ETAG] = b'"%b"' % etag_of(self._seal.fill(found)).encode()
        return self._reply.fill(found), tokens


def _reply(prompt: Prompt) -> Cut:
    """The whole reply, cut at everything that values or the moment change."""
    reply = reply_of(prompt, mark(_CLOCK), text=mark(_TEXT))
    changing = {"tokens": _TOKENS, "tokens_source": _TOKENS, "digest": _DIGEST, "etag": _ETAG}
    changing["manifest"] = _MANIFEST
    return cut(msgspec.structs.replace(reply, **{field: mark(at) for field, at in changing.items()}))
