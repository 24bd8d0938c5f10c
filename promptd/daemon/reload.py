"""Reload: read the configuration again, build the next workspace beside the one in use, and exchange them.

`serve.*` and `state.*` need a restart; everything else is in force when the call returns. A workspace is
built only if the configuration of one has changed, and it answers once it is as warm as the one in use.
Concurrent reloads share runs. A configuration that is wrong changes nothing: it is in the log, in health
and in the status line.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import structs

from promptd import config as configuration
from promptd.config import Config
from promptd.daemon.build import build_workspace
from promptd.daemon.parts import DaemonParts
from promptd.daemon.single_flight import SingleFlight
from promptd.daemon.status import MAX_PROBLEMS
from promptd.daemon.warm import warm_up
from promptd.engine import procedures
from promptd.engine.workspace import Workspace
from promptd.errors import ConfigError
from promptd.support import log
from promptd.support.tasks import Spawn

RESTART_SECTIONS = ("serve", "state")
OUTSIDE_WORKSPACE = ("alerts.", "log.", "monitor.", "targets.", "watch.")  # what a workspace is not made of
INTERVALS = ("monitor.", "watch.rescan_interval")
WATCHED = ("roots", "library.", "watch.")

_log = log.get_logger("promptd.daemon")
Load = Callable[[], Config]


class Reloader:
    """Reloads one daemon; `load` gives the configuration as it is now."""

    def __init__(self, parts: DaemonParts, load: Load, spawn: Spawn) -> None:
        self._parts = parts
        self._load = load
        self._spawn = spawn
        self._runs = SingleFlight(self._run, spawn)

    def __repr__(self) -> str:
        return f"<Reloader {self._runs!r}>"

    def on_hang_up(self) -> None:
        """SIGHUP: reload; of very many signals one run is under way and one to come."""
        if not self._parts.run.stopping.is_set():
            self._spawn(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # it is in the log, in the status line and in health
            await self.reload()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and put it in force. Raises ConfigError and keeps the old one."""
        return await self._runs.join()

    async def _run(self) -> dict[str, Any]:
        run, status = self._parts.run, self._parts.status
        await run.is_ready.wait()
        status.reloading()
        try:
            return await self._renew()
        except ConfigError as error:
            run.config_error = f"configuration not applied: {error.message}"
            _log.error("configuration not applied", error=error.message)
            raise
        finally:
            status.ready()

    async def _renew(self) -> dict[str, Any]:
        run = self._parts.run
        config = await asyncio.to_thread(self._load)
        changed = configuration.changed_keys(run.config, config)
        restart = [key for key in changed if key.partition(".")[0] in RESTART_SECTIONS]
        unchanged = {section: getattr(run.config, section) for section in RESTART_SECTIONS}
        await self._put_in_force(structs.replace(config, **unchanged), set(changed) - set(restart))
        run.config_error = ""
        _log.info("reloaded", changed=changed, restart=restart)
        workspace = self._parts.current.workspace
        log_problems(workspace)
        return {
            "reloaded": True,
            "changed_keys": changed,
            "restart_keys": restart,
            "revision": workspace.library.revision,
            "clock": workspace.clock,
        }

    async def _put_in_force(self, config: Config, changed: Iterable[str]) -> None:
        parts = self._parts
        if any(not key.startswith(OUTSIDE_WORKSPACE) for key in changed):
            await self._exchange(await self._next_workspace(config))
        parts.run.config = config
        parts.monitoring.configure(config)
        log.configure(config.log.format, config.log.level)
        if any(key.startswith(WATCHED) for key in changed):
            await parts.maintenance.follower.watch(config.watch)
        if any(key.startswith(INTERVALS) for key in changed):
            parts.timers.start()

    async def _next_workspace(self, config: Config) -> Workspace:
        """A workspace by another configuration, as warm as the current one. Raises ConfigError."""
        former = self._parts.current.workspace
        workspace = build_workspace(config, former)
        now_s = time.time()
        former.fold_uses(now_s)
        workspace.hot.restore(former.hot.weights(now_s), age_s=0.0)
        workspace.optimiser.popular = former.optimiser.popular
        await self._parts.maintenance.saved.lend_index(workspace)
        try:
            await asyncio.to_thread(workspace.tokenizer.require)
            await procedures.drive(workspace, procedures.reconcile(workspace))
            await warm_up(workspace)
        except BaseException:
            workspace.close()
            raise
        return workspace

    async def _exchange(self, workspace: Workspace) -> None:
        """Answer from another workspace from now on.

        The former one is not closed: requests in progress still read with it. It goes when the last one ends.
        """
        parts = self._parts
        former = parts.current.workspace
        workspace.observers, former.observers = former.observers, []
        parts.current.workspace = workspace
        await parts.maintenance.take_over_from(former)
        parts.subscriptions.assemble_all()


def log_problems(workspace: Workspace) -> None:
    """Say what a scan could not read: a root that does not exist, above all."""
    for problem in workspace.scanned.problems[:MAX_PROBLEMS]:
        _log.warning("library", problem=problem)
