"""What changed when: for each id its last changes, newest last, and no more than fit.

It answers which ids are different from what they were at a revision. The memory is bounded: an id that has
not changed for longest is forgotten first, and for a revision before that the answer is the whole library
(the recency index of watchman, bounded). Of each id the last few changes are kept, with what it was before
them, so that what was changed back, or came and went again, is no difference.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import takewhile
from typing import Any

MOST = 16_384  # ids, of some 300 bytes each; after more changes than that the whole list is as cheap to send
MOST_EACH = 4  # changes of one id; for a revision before them it counts as different

State = Any  # what a list shows of an id, comparable; None if it shows nothing


class RecentChanges:
    """Ids by the revision of their last change."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._changes: OrderedDict[str, list[tuple[int, State]]] = OrderedDict()
        self._complete_from = 0  # revisions before this one are no longer known in full

    def __repr__(self) -> str:
        return f"<RecentChanges of {len(self._changes)} ids from revision {self._complete_from}>"

    def __len__(self) -> int:
        return len(self._changes)

    def note(self, revision: int, before: Mapping[str, State]) -> None:
        """Remember that these became different at a revision, and what they were before it."""
        for id, state in before.items():
            changes = self._changes.setdefault(id, [])
            changes.append((revision, state))
            del changes[:-MOST_EACH]
            self._changes.move_to_end(id)
        while len(self._changes) > self.most:
            _, changes = self._changes.popitem(last=False)
            self._complete_from = changes[-1][0]

    def since(self, revision: int, now: Callable[[str], State]) -> Iterator[str] | None:
        """The ids that are not what they were at a revision, latest first; None if some may be forgotten.

        `now` gives the state of an id as it is.
        """
        if revision < self._complete_from:
            return None
        newer = takewhile(lambda one: one[1][-1][0] > revision, reversed(self._changes.items()))
        return (id for id, changes in newer if _is_other(changes, revision, now(id)))


def _is_other(changes: list[tuple[int, State]], revision: int, now: State) -> bool:
    first = next(index for index, (at, _) in enumerate(changes) if at > revision)
    is_known = first > 0 or len(changes) < MOST_EACH
    return not is_known or changes[first][1] != now
