"""All workspaces of one process: the working tree's for good, and the last used pinned ones.

A pinned workspace holds an immutable source (a revision): nothing in it ever changes, so it is never
watched, rescanned or validated. What is keyed by digest is shared, so that an unchanged file is neither
parsed nor counted again at another revision.
"""

from collections import OrderedDict
from collections.abc import Callable

from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.sources.base import Source

MAX_PINNED = 8  # revisions that people compare at a time; each costs its parsed components


class Workspaces:
    """The current workspace and up to `most` pinned ones, least recently used first out."""

    def __init__(self, current: Current, most: int = MAX_PINNED) -> None:
        self.current = current
        self._most = most
        self._pinned: OrderedDict[str, Workspace] = OrderedDict()
        self._beside: Workspace | None = None  # the current workspace that the pinned ones were made from

    def __repr__(self) -> str:
        return f"<Workspaces {self.current.workspace!r}, {len(self._pinned)} pinned>"

    def __len__(self) -> int:
        return 1 + len(self._pinned)

    def pinned(self, name: str, open_source: Callable[[], Source]) -> Workspace:
        """The workspace of an immutable source, opened if it is not held.

        Args:
            name: the source's name, which says all of its content ("git:1f3c…").
            open_source: makes the source; called only if there is no workspace of this name.

        Raises:
            ValueError: the source is not immutable, so that it cannot be pinned.
        """
        self._follow_reload()
        held = self._pinned.get(name)
        if held is None:
            held = self._pinned[name] = self._opened(open_source())
            while len(self._pinned) > self._most:
                self._pinned.popitem(last=False)[1].close()
        self._pinned.move_to_end(name)
        return held

    def _opened(self, source: Source) -> Workspace:
        if not source.is_immutable:
            raise ValueError(f"{source.name} may change: only an immutable source can be pinned")
        return self.current.workspace.beside(source)

    def _follow_reload(self) -> None:
        """Let go of what was made by a configuration that is no longer in force."""
        if self._beside is not self.current.workspace:
            self.close()
            self._beside = self.current.workspace
            self._beside.share_parses()

    def names(self) -> list[str]:
        """The names of the pinned sources, least recently used first."""
        return list(self._pinned)

    def close(self) -> None:
        """Let the pinned ones go."""
        while self._pinned:
            self._pinned.popitem()[1].close()
