"""A prompt as the reply to `assemble`, and the bytes of a reply that values or the moment change.

What may change is put into a reply as a mark, the reply is encoded, and the bytes are cut at the marks. So
code that writes into encoded bytes knows neither the keys of a reply nor the order of its fields. A mark is
raw: NUL bytes around a number. JSON writes a NUL of any text as an escape, so nothing in a reply can look
like one.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from promptd.core.assembly.prompt import Prompt
from promptd.protocol.replies import AssembleReply, partial

_encode = msgspec.json.Encoder().encode


def digest_of(text: str) -> str:
    """SHA-256 of a text, as everywhere in a reply."""
    return hashlib.sha256(text.encode()).hexdigest()


def seal_of(digest: Any, *seen: object) -> bytes:
    """What an etag is made of: everything in the answer that may change while a daemon is asked, be it by
    another configuration (prices, calibration, encoding). What is None does not count.
    """
    return _encode([each for each in (digest, *seen) if each is not None])


def etag_of(seal: bytes) -> str:
    """One word for everything in an answer."""
    return hashlib.sha256(seal).hexdigest()[:32]


def reply_of(prompt: Prompt, clock: Any, **text: Any) -> AssembleReply:
    """A prompt's reply. `text` is the member that holds the text: text, messages or system."""
    fit = prompt.fit
    asked: dict[str, Any] = {}
    if fit is not None:
        asked = {"strategy": fit.strategy, "quality": fit.quality, "savings": fit.savings}
    if fit is not None and fit.budget is not None:
        asked |= {"budget": fit.budget, "reserve": fit.reserve}
        asked |= {"allocation": fit.allocation, "allocation_gap": fit.gap}
    if fit is not None and fit.disclosure is not None:
        asked["progressive"] = fit.disclosure
    if prompt.estimate is not None:
        asked["estimate"] = prompt.estimate
    return partial(
        AssembleReply,
        tokens=prompt.tokens,
        tokens_source=prompt.tokens_source,
        encoding=prompt.encoding,
        stable_prefix_tokens=prompt.stable_prefix_tokens,
        digest=prompt.digest,
        etag=prompt.etag,
        name=prompt.name,
        metadata=prompt.metadata,
        manifest=prompt.manifest,
        warnings=prompt.warnings,
        clock=clock,
        consistent=prompt.is_consistent,
        **text,
        **asked,
    )


def unchanged_of(prompt: Prompt, clock: str) -> AssembleReply:
    """The short reply to one who holds the prompt already."""
    return partial(
        AssembleReply,
        unchanged=True,
        tokens=prompt.tokens,
        digest=prompt.digest,
        etag=prompt.etag,
        clock=clock,
        consistent=prompt.is_consistent,
    )


def mark(number: int) -> Any:
    """What a reply holds in place of any value, text or number, until `cut` finds it."""
    return msgspec.Raw(b"\0%d\0" % number)


class Cut(NamedTuple):
    """Encoded bytes without what was marked: `form` has a place for each mark, `marks` are their numbers."""

    form: bytes
    marks: tuple[int, ...]

    def fill(self, values: Sequence[bytes]) -> bytes:
        """The bytes with values, by number, in place of the marks; cut for `%b`."""
        return self.form % tuple([values[number] for number in self.marks])


def cut(value: object, place: bytes = b"%b") -> Cut:
    """Encode a value that holds marks, and cut it at them. `place` is what takes the place of each."""
    pieces = _encode(value).replace(b"%", b"%%").split(b"\0")
    return Cut(place.join(pieces[::2]), tuple(map(int, pieces[1::2])))
