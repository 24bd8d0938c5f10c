"""What changed when: for each id the revision of its last change, newest last, and no more than fit.

It answers which ids changed since a revision. The memory is bounded: an id that has not changed for longest
is forgotten first, and for a revision before that the answer is the whole library (the recency index of
watchman, bounded).
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import takewhile

MOST = 16_384  # ids, of some 130 bytes each; after more changes than that the whole list is as cheap to send


class RecentChanges:
    """Ids by the revision of their last change."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._last: OrderedDict[str, int] = OrderedDict()
        self._complete_from = 0  # revisions before this one are no longer known in full

    def __repr__(self) -> str:
        return f"<RecentChanges of {len(self._last)} ids from revision {self._complete_from}>"

    def __len__(self) -> int:
        return len(self._last)

    def note(self, revision: int, ids: Iterable[str]) -> None:
        """Remember that these became different at a revision, which is never lower than one before."""
        for id in ids:
            self._last[id] = revision
            self._last.move_to_end(id)
        while len(self._last) > self.most:
            _, self._complete_from = self._last.popitem(last=False)

    def since(self, revision: int) -> Iterator[str] | None:
        """The ids that changed after a revision, latest first; None if some may have been forgotten."""
        if revision < self._complete_from:
            return None
        newer = takewhile(lambda one: one[1] > revision, reversed(self._last.items()))
        return (id for id, _ in newer)
