"""Applying what was read, without holding up requests: many readings, or many directives, some at a time."""

from collections.abc import Iterable

from promptd.core.syntax.component import Reading
from promptd.engine.procedures.effects import DeltaSum, Pause, Procedure
from promptd.engine.workspace import Workspace

READ_AT_ONCE = 100  # components that are applied in one go, which takes some 3 ms
LINK_AT_ONCE = 2_000  # directives whose components are applied in one go: some 10 µs each


def applied(
    workspace: Workspace, readings: Iterable[Reading], *, preload: bool = False
) -> Procedure[DeltaSum]:
    """Apply readings: as one revision, unless that would hold up requests; some at a time then."""
    found, portion, links = DeltaSum(), list[Reading](), 0
    for reading in readings:
        size = len(reading.parsed.directives) if reading.parsed is not None else 0
        if portion and (links + size > LINK_AT_ONCE or len(portion) == READ_AT_ONCE):
            found.take(workspace.apply(portion, preload=preload))
            yield Pause()
            portion, links = [], 0
        portion.append(reading)
        links += size
    found.take(workspace.apply(portion, preload=preload))
    return found
