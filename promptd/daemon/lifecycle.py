"""The daemon: composition root and order of life.

Start: bind the socket (so that a second instance fails at once), watch, and listen: a prompt that is asked
for reads what it consists of. Meanwhile read the library, as far as the index of the last run does not know
it, and then say READY; a `ping` is answered from then on. The vocabulary and the hot set follow in the
background; who needs a count earlier loads the vocabulary at once. Stop: say STOPPING, accept no more,
finish what is under way, write the last snapshot. Everything is built here and handed to everyone else; the
wings do not know each other. `serve.*` and `state.*` take a restart to change, the rest is taken over by a
reload, which builds a new workspace beside the old one and exchanges them when it is warm.
"""

import asyncio
import contextlib
import gc
import os
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from promptd import __version__
from promptd import config as configuration
from promptd.config import Config
from promptd.core.library.graph import strongly_connected
from promptd.core.library.library import Delta
from promptd.daemon.control import (
    MAX_PROBLEMS,
    histograms_of,
    limits_of,
    services_of,
    sources_of,
)
from promptd.daemon.maintenance import Upkeep
from promptd.daemon.single_flight import SingleFlight
from promptd.daemon.systemd import Notifier, listen_fds, watchdog_interval_s
from promptd.daemon.watchdog import watch_ourselves
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace
from promptd.errors import ConfigError
from promptd.monitor.exports import HistoryWriter, MetricsWriter
from promptd.monitor.history import History
from promptd.monitor.lag import LoopLag
from promptd.monitor.observatory import Observatory
from promptd.monitor.sampler import Sampler
from promptd.monitor.sinks import CommandSink, log_event
from promptd.monitor.snapshot import About, Snapshots
from promptd.protocol.jsonrpc import codec_factory
from promptd.protocol.request import Request
from promptd.server.alert_feed import AlertFeed
from promptd.server.binding import adopt, bind
from promptd.server.dispatch import Dispatcher
from promptd.server.listener import Listener
from promptd.server.local_peer import LocalPeer
from promptd.server.subscriptions import Subscriptions
from promptd.support import log
from promptd.support.locks import StateLock

RESTART_SECTIONS = ("serve", "state")
OUTSIDE_KEEPER = ("alerts.", "log.", "monitor.", "targets.", "watch.")  # what a workspace is not made of
INTERVALS = ("monitor.", "watch.reconcile_s")
# Of stop_s: seven tenths for requests in flight, one for sending Busy to those whose time is up and for last
# bytes, two for ending the loops and writing the last snapshot: 0.1 s, but 0.6 s on a busy machine.
HEARD, SEEN_OUT = 0.7, 0.8
# Amid a scan of 100,000 files a turn takes 3 ms with these thresholds, 5 with the usual ones.
GARBAGE = (1_000, 5, 1_000)
LAST_WORDS_S = 0.25  # for sending Busy, however short stop_s is

_log = log.get_logger("promptd.daemon")
Load = Callable[[], Config]


class Daemon:
    """One running daemon; `load` gives the configuration anew at a reload."""

    def __init__(self, config: Config, load: Load, environment: Mapping[str, str]) -> None:
        self.config = config
        self.config_error = ""
        self.stopping = asyncio.Event()
        self.notifier = Notifier(environment)
        self._started_s = time.monotonic()
        self.is_ready = asyncio.Event()
        self._environment = environment
        self._load = load
        self._reloads = SingleFlight(self._reload, self.spawn)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.Task[None]] = []
        self._generation = 0
        self._problem: ConfigError | None = None  # what shows after READY that we cannot live with
        self.state = Path(configuration.state_directory(config, environment))
        self.claim = StateLock(self.state)
        self.workspace = self._keeper(config, Tokenizer(config.tokens.encoding))
        self.upkeep = Upkeep(self.workspace, self.state, self.spawn, claim=self.claim)
        self.current = Current(self.workspace)
        self.subscriptions = Subscriptions(self.current, self.spawn, self._unforeseen)
        self.handler = Dispatcher(
            self.current, services_of(self), self.spawn, self._unforeseen, self.upkeep.reconcile
        )
        self.listener: Listener | None = None
        self.addresses: tuple[str, ...] = ()
        about = About(version=__version__, pid=os.getpid())
        self.lag = LoopLag()
        self.observatory = Observatory(config)
        sampler = Sampler(sources_of(self), histograms=lambda: histograms_of(self))
        self.alert_feed = AlertFeed()
        self.alert_command = CommandSink(self._alert_command, self.spawn)
        self.observatory.tell(log_event, self.alert_feed.tell, self.alert_command)
        monitor = config.monitor
        self.handler.on_closed += [self.subscriptions.forget, self.alert_feed.forget]
        self.history = HistoryWriter(History(self.state, monitor.history_bytes), monitor.history_s)
        beside = (self.history, MetricsWriter(self.state, __version__))
        self.snapshots = Snapshots(self.claim, sampler, about, look=self.observatory.look, beside=beside)

    def __repr__(self) -> str:
        return f"<Daemon {self.workspace!r}>"

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something beside the rest; kept so that stopping can wait for it or cancel it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._unforeseen(problem, "")

    def _unforeseen(self, problem: BaseException, method: str) -> None:
        _log.error("unforeseen error", method=method, exc_info=problem)

    def _keeper(self, config: Config, tokenizer: Tokenizer) -> Workspace:
        self._generation += 1
        instance = f"{os.getpid():x}-{time.time_ns():x}-{self._generation}"
        return Workspace(config, tokenizer, instance=instance, now_s=time.time())

    def _alert_command(self) -> tuple[Sequence[str], float]:
        return self.config.alerts.command, self.config.alerts.command_timeout_s

    @property
    def uptime_s(self) -> float:
        """Seconds since the daemon began to start."""
        return round(time.monotonic() - self._started_s, 3)

    # -- start --------------------------------------------------------------------------------

    async def live(self) -> None:
        """From the bound socket to the last snapshot. Raises AlreadyRunning, ConfigError.

        Garbage is collected from READY on: until then nothing becomes garbage, and every collection would
        look at all there is.
        """
        self._mind_signals()
        listener = self.listener = self._listener()
        try:
            await self._unless_stopped(self._start(listener))
            await self.stopping.wait()
            self.notifier.stopping("stopping: finishing requests under way")
        finally:
            await self._see_out(listener)
            await self._wind_up()
        if self._problem is not None:
            raise self._problem

    def _mind_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _listener(self) -> Listener:
        serve = self.config.serve
        handed = listen_fds(self._environment)
        path = configuration.socket_path(self.config, self._environment)
        bindings = [adopt(socket) for socket in handed] or [bind(path, serve.socket_mode)]
        self.addresses = tuple(binding.path for binding in bindings)
        limits = limits_of(self.config)
        new_codec = codec_factory(limits.max_request_bytes, limits.max_json_depth)
        return Listener(bindings, self.handler, new_codec, limits, allow_uids=serve.allow_uids)

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that a signal to stop cuts short."""
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(self.stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _start(self, listener: Listener) -> None:
        self.notifier.status("starting: reading the library")
        await self._prepare()
        self.workspace.observers.append(self.subscriptions.changed)
        await listener.start()  # a prompt reads what it needs itself: it need not wait for all the rest
        index = self.workspace.loader.index
        await procedures.drive(self.workspace, procedures.reconcile(self.workspace))
        self.workspace.observers += [self.upkeep.changed, self._say_how_many]
        self.upkeep.begin(index)
        self._set_timers()
        self.is_ready.set()
        gc.freeze()  # a full collection over what lives as long as we do stops the loop for 25 ms
        gc.set_threshold(*GARBAGE)
        gc.enable()
        self._say_ready()
        self.spawn(self._get_warm(self.workspace))
        _log.info(
            "ready",
            components=len(self.workspace.library),
            roots=self.workspace.files.roots,
            socket=self.addresses[0],
            ms=round(1000 * self.uptime_s),
        )
        self._log_problems()

    def _log_problems(self) -> None:
        for problem in self.workspace.problems[:MAX_PROBLEMS]:  # a root that is not there, above all
            _log.warning("library", problem=problem)

    async def _prepare(self) -> None:
        """Watch first, then read: what changes during the first scan is then in a batch."""
        try:
            await asyncio.to_thread(self.state.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:  # only use counts and the snapshot suffer, and say so themselves
            _log.warning("no state directory", path=self.state, error=problem)
        await asyncio.to_thread(self.workspace.tokenizer.require)
        await self.upkeep.restore()
        await self.upkeep.watch(self.config.watch)

    async def _get_warm(self, workspace: Workspace) -> None:
        """After READY: what the first requests would otherwise wait for, one after the other."""
        try:
            await self._warm(workspace)
        except ConfigError as problem:  # a damaged vocabulary
            self._problem = problem
            self.stopping.set()

    async def _warm(self, workspace: Workspace) -> None:
        """Load the vocabulary, read and count what is hot."""
        await asyncio.to_thread(workspace.tokenizer.load)
        await asyncio.to_thread(strongly_connected, {})
        await procedures.drive(workspace, procedures.warm(workspace))
        await procedures.drive(workspace, procedures.count_hot(workspace))

    def _observe(self, workspace: Workspace) -> None:
        workspace.observers += [self.upkeep.changed, self.subscriptions.changed, self._say_how_many]

    def _set_timers(self) -> None:
        """Start everything that runs at an interval, with the intervals as they are configured now."""
        for timer in self._timers:
            timer.cancel()
        self.snapshots.interval_s = self.config.monitor.snapshot_s
        self.history.interval_s = self.config.monitor.history_s
        self.history.history.max_bytes = self.config.monitor.history_bytes
        loops: list[Coroutine[Any, Any, None]] = [
            self.upkeep.reconcile_every(self.config.watch.reconcile_s),
            self.upkeep.keep_every(self.config.monitor.snapshot_s),
            self.snapshots.run(),
            self.snapshots.observe_every(self.config.monitor.sample_s),
            self.lag.run(),
        ]
        interval_s = watchdog_interval_s(self._environment)
        if interval_s is not None:
            peer = LocalPeer(self.handler)
            loops.append(watch_ourselves(peer, self.addresses[0], interval_s, self.notifier.watchdog))
        self._timers = [self.spawn(loop) for loop in loops]

    def _say_ready(self) -> None:
        if not self.stopping.is_set():  # nothing may follow STOPPING
            self.notifier.ready(self._status())

    def _say_how_many(self, delta: Delta, _dropped: tuple[Request, ...]) -> None:
        if (delta.added or delta.removed) and self.is_ready.is_set() and not self.stopping.is_set():
            self.notifier.status(self._status())

    def _status(self) -> str:
        return f"{self.config_error or 'serving'}: {len(self.workspace.library)} components"

    # -- stop ---------------------------------------------------------------------------------

    def _stop(self, number: int) -> None:
        if self.stopping.is_set():
            os._exit(128 + number)  # asked twice: now, without ceremony
        _log.info("stopping", signal=signal.Signals(number).name)
        self.stopping.set()

    async def _see_out(self, listener: Listener) -> None:
        """Accept no more and finish what is under way; what is not by then is answered with Busy."""
        for timer in self._timers:
            timer.cancel()
        stop_s = self.config.serve.stop_s
        time_is_up = asyncio.get_running_loop().call_later(HEARD * stop_s, self.handler.stop)
        try:
            await listener.stop(max(SEEN_OUT * stop_s, LAST_WORDS_S))
        finally:
            time_is_up.cancel()

    async def _wind_up(self) -> None:
        """After the last answer: end every loop, keep the use counts, write the last snapshot."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.upkeep.keep(is_last=True)
        await self.snapshots.write(is_last=True)
        self.claim.release()
        await asyncio.to_thread(self.workspace.close)
        self.notifier.close()
        _log.info("stopped")

    # -- reload -------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        """SIGHUP: reload; of a storm of them one is under way and one to come."""
        if not self.stopping.is_set():
            self.spawn(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        with contextlib.suppress(ConfigError):  # it is in the log, in STATUS and in health
            await self.reload()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and take it over. Raises ConfigError and keeps the old one."""
        return await self._reloads.join()

    async def _reload(self) -> dict[str, Any]:
        await self.is_ready.wait()
        self.notifier.reloading()
        try:
            return await self._renew()
        except ConfigError as error:
            self.config_error = f"configuration not taken over: {error.message}"
            _log.error("configuration not taken over", error=error.message)
            raise
        finally:
            self._say_ready()

    async def _renew(self) -> dict[str, Any]:
        config = await asyncio.to_thread(self._load)
        changed = configuration.changed_keys(self.config, config)
        restart = [key for key in changed if key.partition(".")[0] in RESTART_SECTIONS]
        kept = {section: getattr(self.config, section) for section in RESTART_SECTIONS}
        await self._take_over(structs.replace(config, **kept), set(changed) - set(restart))
        self.config_error = ""
        _log.info("reloaded", changed=changed, restart=restart)
        self._log_problems()
        return {
            "reloaded": True,
            "changed_keys": changed,
            "restart_keys": restart,
            "revision": self.workspace.library.revision,
            "clock": self.workspace.clock,
        }

    async def _take_over(self, config: Config, changed: set[str]) -> None:
        if any(not key.startswith(OUTSIDE_KEEPER) for key in changed):
            await self._exchange(await self._filled(config))
        self.config = config
        self.observatory.configure(config)
        log.configure(config.log.format, config.log.level)
        if any(key == "roots" or key.startswith(("watch.", "library.")) for key in changed):
            await self.upkeep.watch(config.watch)
        if any(key.startswith(INTERVALS) for key in changed):
            self._set_timers()

    async def _filled(self, config: Config) -> Workspace:
        """A workspace by another configuration, as warm as the one we have."""
        is_same = config.tokens.encoding == self.config.tokens.encoding
        tokenizer = self.workspace.tokenizer if is_same else Tokenizer(config.tokens.encoding)
        workspace = self._keeper(config, tokenizer)
        now_s = time.time()
        self.workspace.fold_uses(now_s)
        workspace.hot.restore(self.workspace.hot.weights(now_s), age_s=0.0)
        workspace.optimiser.popular = self.workspace.optimiser.popular
        await self.upkeep.lend(workspace)
        try:
            await asyncio.to_thread(workspace.tokenizer.require)
            await procedures.drive(workspace, procedures.reconcile(workspace))
            await self._warm(workspace)
        except BaseException:
            workspace.close()
            raise
        return workspace

    async def _exchange(self, workspace: Workspace) -> None:
        """From now on answer from another workspace.

        The old one is not closed: calls under way still read with it. It goes when the last of them ends.
        """
        self.workspace.observers.clear()
        self._observe(workspace)
        self.workspace = self.current.workspace = workspace
        await self.upkeep.take_over(workspace)
        self.subscriptions.assemble_all()
