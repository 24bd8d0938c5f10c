"""The daemon: every part is built here and handed to the others, and here is the order of its life.

Start: bind the socket (so that a second instance fails at once), watch, and listen: a request that comes
early reads what its prompt consists of. Meanwhile read the library, as far as the index of the last run
does not know it, and then say READY; a `ping` is answered from then on. The vocabulary and the hot set
follow in the background; a request that needs a count earlier loads the vocabulary at once. Stop: say
STOPPING, accept no more, finish the requests in progress, save what is known, write the last snapshot.
"""

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any

from promptd import config as configuration
from promptd.config import Config
from promptd.daemon.build import build_workspace
from promptd.daemon.control import histograms_of, limits_of, memory_max, services_of, sources_of
from promptd.daemon.maintenance import Maintenance
from promptd.daemon.memory import MemoryWatch
from promptd.daemon.monitoring import Monitoring
from promptd.daemon.parts import DaemonParts
from promptd.daemon.reload import Load, Reloader, log_problems
from promptd.daemon.status import RunState, StatusReporter
from promptd.daemon.systemd import Notifier, listen_fds, watchdog_interval_s
from promptd.daemon.tasks import BackgroundTasks, Timers, report_unforeseen
from promptd.daemon.warm import warm_up
from promptd.daemon.watchdog import watch_ourselves
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.errors import ConfigError
from promptd.protocol.jsonrpc import codec_factory
from promptd.server.binding import adopt, bind
from promptd.server.dispatch import Dispatcher
from promptd.server.listener import Listener
from promptd.server.local_peer import LocalPeer
from promptd.server.subscriptions import Subscriptions
from promptd.support import log
from promptd.support.locks import StateLock

# Of stop_s: seven tenths for requests in progress, one for answering the others with Busy and for last bytes,
# two for ending the loops and writing the last snapshot: 0.1 s, but 0.6 s on a busy machine.
ANSWERED, SENT = 0.7, 0.8
LAST_FLUSH_S = 0.25  # for sending Busy, however short stop_s is
# Amid a scan of 100,000 files a turn takes 3 ms with these thresholds, 5 with the usual ones.
GARBAGE = (1_000, 5, 1_000)

_log = log.get_logger("promptd.daemon")


class Daemon(DaemonParts):
    """One daemon and its life; `load` gives the configuration anew at a reload."""

    def __init__(self, config: Config, load: Load, environment: Mapping[str, str]) -> None:
        self.run = RunState(config, environment)
        self.tasks = BackgroundTasks()
        spawn = self.tasks.spawn
        self.lock = StateLock(Path(configuration.state_directory(config, environment)))
        self.current = Current(build_workspace(config))
        self.maintenance = Maintenance(self.current, self.lock, spawn)
        self.subscriptions = Subscriptions(self.current, spawn, report_unforeseen)
        rescan = self.maintenance.rescans.rescan
        self.dispatcher = Dispatcher(
            self.current,
            services_of(self, spawn),
            spawn,
            report_unforeseen,
            rescan,
            admin_uids=config.serve.admin_uids,
            request_time_s=config.serve.request_time,
        )
        self.monitoring = Monitoring(config, self.lock, spawn, sources_of(self), lambda: histograms_of(self))
        self.dispatcher.on_closed += [self.subscriptions.forget, self.monitoring.alert_feed.forget]
        self.status = StatusReporter(Notifier(environment), self.run, self.current)
        self.timers = Timers(spawn, self._loops)
        self.reloader = Reloader(self, load, spawn)
        self.listener: Listener | None = None

    def __repr__(self) -> str:
        return f"<Daemon {self.run!r} {self.current.workspace!r}>"

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and put it in force. Raises ConfigError and keeps the old one."""
        return await self.reloader.reload()

    def _loops(self) -> Iterator[Coroutine[Any, Any, None]]:
        """Everything that runs at an interval, by the configuration of the moment."""
        config = self.run.config
        yield self.maintenance.rescan_every(config.watch.rescan_interval)
        yield self.maintenance.save_every(config.monitor.snapshot_interval)
        yield from self.monitoring.loops()
        yield MemoryWatch(self.current, self.dispatcher, lambda: memory_max(self.run.config)).run()
        interval_s = watchdog_interval_s(self.run.environment)
        if interval_s is not None:
            peer = LocalPeer(self.dispatcher)
            yield watch_ourselves(peer, self.run.addresses[0], interval_s, self.status.notifier.watchdog)

    async def live(self) -> None:
        """From the bound socket to the last snapshot. Raises AlreadyRunning, ConfigError.

        Garbage is collected from READY on: until then nothing becomes garbage, and every collection would
        look at all there is.
        """
        self._handle_signals()
        listener = self.listener = self._listener()
        try:
            await self._unless_stopped(self._start(listener))
            await self.run.stopping.wait()
            self.status.stopping()
        finally:
            await self._finish_requests(listener)
            await self._end()
        if self.run.fatal is not None:
            raise self.run.fatal

    # -- start --------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self.reloader.on_hang_up)

    def _listener(self) -> Listener:
        config, environment = self.run.config, self.run.environment
        handed = listen_fds(environment)
        path = configuration.socket_path(config, environment)
        bindings = [adopt(socket) for socket in handed] or [bind(path, config.serve.socket_mode)]
        self.run.addresses = tuple(binding.path for binding in bindings)
        limits = limits_of(config)
        new_codec = codec_factory(limits.max_request_bytes, limits.max_json_depth)
        allowed, shares = (*config.serve.allow_uids, *config.serve.admin_uids), self.dispatcher.shares
        return Listener(bindings, self.dispatcher, new_codec, limits, allow_uids=allowed, shares=shares)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that a signal to stop cuts short."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self.run.stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _start(self, listener: Listener) -> None:
        self.status.starting()
        workspace = self.current.workspace
        await self._prepare(workspace)
        workspace.observers.append(self.subscriptions.changed)
        await listener.start()  # a request reads what it needs itself: it need not wait for all the rest
        index = workspace.loader.index
        await procedures.drive(workspace, procedures.reconcile(workspace))
        workspace.observers += [self.maintenance.changed, self.status.changed]
        self.maintenance.begin(index)
        self.timers.start()
        self.run.is_ready.set()
        gc.freeze()  # a full collection over what lives as long as we do stops the loop for 25 ms
        gc.set_threshold(*GARBAGE)
        gc.enable()
        self.status.ready()
        self.tasks.spawn(self._warm_up(workspace))
        self._log_ready(workspace)

    async def _prepare(self, workspace: Workspace) -> None:
        """Watch first, then read: what changes during the first scan is then in a batch."""
        directory = self.lock.directory
        try:
            await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:  # only use counts and the snapshot suffer, and say so themselves
            _log.warning("no state directory", path=directory, error=problem)
        await asyncio.to_thread(workspace.tokenizer.require)
        await self.maintenance.saved.restore()
        await self.maintenance.follower.watch(self.run.config.watch)

    async def _warm_up(self, workspace: Workspace) -> None:
        """After READY: what the first requests would otherwise wait for, one after the other."""
        try:
            await warm_up(workspace)
        except ConfigError as problem:  # a damaged vocabulary
            self.run.fatal = problem
            self.run.stopping.set()

    def _log_ready(self, workspace: Workspace) -> None:
        _log.info(
            "ready",
            components=len(workspace.library),
            roots=workspace.source.roots,
            socket=self.run.addresses[0],
            ms=round(1000 * self.run.uptime_s),
        )
        log_problems(workspace)

    # -- stop ---------------------------------------------------------------------------------

    def _stop(self, number: int) -> None:
        if self.run.stopping.is_set():
            os._exit(128 + number)  # asked twice: now, without waiting for anything
        _log.info("stopping", signal=signal.Signals(number).name)
        self.run.stopping.set()

    async def _finish_requests(self, listener: Listener) -> None:
        """Accept no more, finish the requests in progress, answer those that take too long with Busy."""
        self.timers.cancel()
        stop_s = self.run.config.serve.stop_timeout
        time_is_up = asyncio.get_running_loop().call_later(ANSWERED * stop_s, self.dispatcher.stop)
        try:
            await listener.stop(max(SENT * stop_s, LAST_FLUSH_S))
        finally:
            time_is_up.cancel()

    async def _end(self) -> None:
        """After the last answer: end every loop, save what is known, write the last snapshot."""
        await self.tasks.end()
        await self.maintenance.saved.save(is_last=True)
        await self.monitoring.snapshots.write(is_last=True)
        self.lock.release()
        await asyncio.to_thread(self.current.workspace.close)
        self.status.notifier.close()
        _log.info("stopped")
