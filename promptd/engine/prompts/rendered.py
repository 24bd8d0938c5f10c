"""A skeleton with its values, counted, and what follows from that: manifest, digest, members of a reply."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import msgspec

from promptd.config import Config
from promptd.core.assembly import prompt as prompts
from promptd.core.assembly.fill import Filled
from promptd.core.assembly.skeleton import Skeleton
from promptd.core.tokens.incremental import IncrementalCount, Measured
from promptd.engine.prompts.reply import digest_of
from promptd.errors import OverBudget, PromptTooLarge
from promptd.protocol.records import ManifestEntry
from promptd.protocol.request import Request

QUICK_CHARS = 300_000  # of a text with its values that is filled, counted and encoded at once: some 5 ms
QUICK_VALUE_CHARS = 16_384  # of values, which are new and have to be counted: up to a microsecond each
SLOT_CHARS, ENTRY_CHARS = 60, 300  # what a place of a value and an entry of the manifest cost, in characters


@dataclass(frozen=True)
class Rendered:
    """One way to make the text: the skeleton, with values, counted. What follows from it is found once."""

    skeleton: Skeleton
    filled: Filled
    tokens: int
    measured: Measured
    constant: dict[int, int]

    @cached_property
    def manifest(self) -> tuple[ManifestEntry, ...]:
        """One entry for each piece of the text."""
        return prompts.entries(self.skeleton, self.filled, self.measured.count, self.constant)

    @cached_property
    def digest(self) -> str:
        """That of the text."""
        return digest_of(self.filled.text)

    @cached_property
    def ready(self) -> dict[str, msgspec.Raw]:
        """The members of a reply that are encoded once."""
        manifest = msgspec.Raw(msgspec.json.encode(self.manifest))
        return {"text": self.filled.encoded(), "manifest": manifest}

    def prepared(self) -> "Rendered":
        """This, with all that follows from it: for a text so long that this takes its time."""
        _ = self.digest, self.ready
        return self


def render(skeleton: Skeleton, count: IncrementalCount, fill: Callable[[Skeleton], Filled]) -> Rendered:
    """Put the values in and count."""
    filled = fill(skeleton)
    measured = count.measure(filled)
    return Rendered(skeleton, filled, measured.count(0, len(filled.text)), measured, count.constant)


def is_costly(skeleton: Skeleton, request: Request) -> bool:
    """True if filling, counting and encoding may take more than a few milliseconds."""
    longest = max((len(value) for _, value in request.variables), default=0)
    longest = max(longest, len(request.arguments or ""))
    places = len(skeleton.layout.slots) + 1
    if places * longest > QUICK_VALUE_CHARS and longest > QUICK_VALUE_CHARS // 16:
        return True
    chars = skeleton.layout.chars + places * (SLOT_CHARS + longest)
    return chars + ENTRY_CHARS * len(skeleton.drafts) > QUICK_CHARS


def check_size(text: str, tokens: int, config: Config) -> None:
    """Raise OverBudget or PromptTooLarge for a prompt beyond the configured bounds."""
    limit = config.tokens.max_context_tokens
    if tokens > limit:
        raise OverBudget(
            f"the prompt has {tokens} tokens, more than tokens.max_context_tokens ({limit});"
            " include less, give a `budget`, or raise it",
            tokens=tokens,
            limit=limit,
        )
    max_bytes = config.library.max_prompt_bytes
    if 4 * len(text) > max_bytes and len(text.encode()) > max_bytes:
        raise PromptTooLarge(
            f"the prompt exceeds {max_bytes} bytes (library.max_prompt_bytes)", limit=max_bytes
        )
