"""Rescans: compare the whole library with the disk, in a run that is shared by all who ask at the same time.

The timer, the watcher (where it can only say that something changed) and requests that need the whole
library ask for a rescan. Each workspace has its own: a request that began before a reload goes by the
library it began with.
"""

import time
from functools import partial

from promptd.daemon.single_flight import SingleFlight
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.support import log
from promptd.support.tasks import Spawn

_log = log.get_logger("promptd.daemon")


class Rescans:
    """Rescans of the current workspace, shared; of a former one, each on its own."""

    def __init__(self, current: Current, spawn: Spawn) -> None:
        self.done = 0
        self._current = current
        self._spawn = spawn
        self._shared_by = current.workspace
        self._shared = self._flight_of(current.workspace)

    def __repr__(self) -> str:
        return f"<Rescans {self.done} done>"

    async def rescan(self, workspace: Workspace) -> procedures.Reconciled:
        """Scan and apply what differs, in a run that begins after this call; returns what was found."""
        if workspace is not self._shared_by:
            if workspace is not self._current.workspace:
                return await self._flight_of(workspace).join()
            self._shared_by, self._shared = workspace, self._flight_of(workspace)  # the first since a reload
        return await self._shared.join()

    def _flight_of(self, workspace: Workspace) -> SingleFlight[procedures.Reconciled]:
        return SingleFlight(partial(self._run, workspace), self._spawn)

    async def _run(self, workspace: Workspace) -> procedures.Reconciled:
        started_s = time.monotonic()
        found = await procedures.drive(workspace, procedures.reconcile(workspace))
        self.done += 1
        if found:
            _log.info(
                "rescan",
                added=found.added,
                changed=found.changed,
                removed=found.removed,
                revision=found.revision,
                ms=round(1000 * (time.monotonic() - started_s), 1),
            )
        return found
