"""Evidence: what an answer rests on, so that somebody can say whether it still holds.

What it consists of is its source's business; the library asks only whether a change touched it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from promptd.core.library.library import Component
from promptd.core.syntax.component import Place


@dataclass(slots=True, eq=False)
class Evidence:
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
