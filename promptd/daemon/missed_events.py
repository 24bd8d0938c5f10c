"""Missed events: changes that a rescan or a request found and that no event of the watcher explained.

An event may still be on its way when its file is seen to differ, so a difference is a suspect first. A
batch that says to look at its path explains it; one that nothing has explained after `explained_s` is
counted. Pure: the clock is handed in.
"""

from collections.abc import Callable, Iterable

EXPLAINED_S = 2.0  # an event takes `watch.max_debounce` and a step, 0.5 s; four times that under load


class MissedEvents:
    """Counts differences that no event announced; `clock` gives seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], explained_s: float = EXPLAINED_S) -> None:
        self._clock = clock
        self.explained_s = explained_s
        self._suspects: dict[str, float] = {}  # id -> when it counts
        self._total = 0
        self._taken = 0

    def __repr__(self) -> str:
        return f"<MissedEvents {self._total}, {len(self._suspects)} suspects>"

    def suspect(self, ids: Iterable[str]) -> None:
        """These were found to differ from what was held."""
        self._settle()
        due_s = self._clock() + self.explained_s
        for id in ids:
            self._suspects.setdefault(id, due_s)

    def explain(self, covers: Callable[[str], bool]) -> None:
        """An event came: `covers` says of an id whether it is a reason to look at it."""
        self._settle()
        self._suspects = {id: due_s for id, due_s in self._suspects.items() if not covers(id)}

    @property
    def suspects(self) -> frozenset[str]:
        """The ids that wait for an explanation."""
        return frozenset(self._suspects)

    @property
    def total(self) -> int:
        """How many were missed until now."""
        self._settle()
        return self._total

    def take_new(self) -> int:
        """How many were missed since this was last called."""
        new = self.total - self._taken
        self._taken = self._total
        return new

    def _settle(self) -> None:
        now_s = self._clock()
        overdue = [id for id, due_s in self._suspects.items() if due_s <= now_s]
        for id in overdue:
            del self._suspects[id]
        self._total += len(overdue)
