"""A prompt in the cache, with what others keep of it: how often it was asked for, and its encoded reply.

The prompt itself is a plain record that never changes. `engine.usage` counts with `uses`, `engine.handlers`
keeps the encoded bytes here, so that both go when the prompt leaves the cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from promptd.core.assembly.prompt import Prompt


@dataclass(slots=True, eq=False)
class CachedPrompt:
    """One prompt; `uses` counts since last taken over by `engine.usage`.

    `ready` are members of the reply that are JSON already, until the reply was encoded whole. `reply` is that
    of the library's revision `revision`; its clock begins at `clock_start`.
    """

    prompt: Prompt
    ready: Mapping[str, msgspec.Raw] | None = None
    uses: int = 1
    reply: bytes | None = None
    clock_start: int = 0
    revision: int = -1

    def __repr__(self) -> str:
        return f"<CachedPrompt {self.prompt!r}, {self.uses} uses>"
