"""The daemon: composition root and order of life.

Start: bind the socket (so that a second instance fails at once), watch, read the library, load the
vocabulary, warm the hot set, and only then listen and say READY. Stop: say STOPPING, accept no more,
finish what is under way, write the last snapshot. Everything is built here and handed to everyone else;
the wings do not know each other. `serve.*`, `state.*` and `log.format` take a restart to change, the rest
is taken over by a reload, which builds a new keeper beside the old one and exchanges them when it is warm.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from promptd import __version__, flows, log
from promptd import config as configuration
from promptd.config import Config
from promptd.errors import AlreadyRunning, ConfigError, PromptdError
from promptd.keeper import Keeper
from promptd.monitor.sampler import Sampler
from promptd.monitor.snapshot import About, Snapshots
from promptd.serve.binding import adopt, bind
from promptd.serve.handler import Handler
from promptd.serve.listener import Listener
from promptd.serve.subscriptions import Subscriptions
from promptd.services import limits_of, services_of, sources_of
from promptd.systemd import Notifier, listen_fds, watchdog_interval_s
from promptd.tokenizer import Tokenizer
from promptd.upkeep import Upkeep

EX_OK, EX_ALREADY_RUNNING, EX_CONFIG = 0, 75, 78  # sysexits.h
RESTART_SECTIONS = ("serve", "state")
SWITCH_INTERVAL_S = 0.001  # a parse in a thread may hold the loop up this long, not the default 5 ms

_log = log.get_logger("promptd.daemon")
Load = Callable[[], Config]


class Daemon:
    """One running daemon."""

    def __init__(self, load: Load, environment: Mapping[str, str]) -> None:
        self.config = config = load()
        self.config_error = ""
        self.started_s = time.monotonic()
        self.stopping = asyncio.Event()
        self.notifier = Notifier(environment)
        self._environment = environment
        self._load = load
        self._reloading = asyncio.Lock()
        self._hang_ups = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._generation = 0
        self.state = Path(configuration.state_directory(config, environment))
        self.keeper = self._keeper(config)
        self.subscriptions = Subscriptions(self.keeper, self.spawn)
        self.handler = Handler(self.keeper, services_of(self), self.spawn, self._unforeseen)
        self.handler.on_closed.append(self.subscriptions.forget)
        self.upkeep = Upkeep(self.keeper, self.state, self.spawn)
        self.listener: Listener | None = None
        self.addresses: tuple[str, ...] = ()
        about = About(version=__version__, pid=os.getpid())
        self.snapshots = Snapshots(
            self.state, Sampler(sources_of(self)), about, interval_s=config.monitor.snapshot_s
        )

    def __repr__(self) -> str:
        return f"<Daemon {self.keeper!r}>"

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

    def _keeper(self, config: Config) -> Keeper:
        self._generation += 1
        instance = f"{os.getpid():x}-{time.time_ns():x}-{self._generation}"
        return Keeper(config, Tokenizer(config.tokens.encoding), instance=instance, now_s=time.time())

    @property
    def uptime_s(self) -> float:
        """Seconds since the process began to start."""
        return round(time.monotonic() - self.started_s, 3)

    # -- life ---------------------------------------------------------------------------------

    async def live(self) -> None:
        """From the bound socket to the last snapshot. Raises AlreadyRunning, ConfigError."""
        listener = self.listener = self._listener()
        try:
            self._mind_signals()
            await self._prepare()
            await listener.start()
            self._start_upkeep()
            self._say_ready()
            self._log_ready()
            await self.stopping.wait()
            self.notifier.stopping("stopping: finishing requests under way")
        finally:
            await listener.stop(self.config.serve.stop_s)
            await self._wind_up()

    def _listener(self) -> Listener:
        serve = self.config.serve
        handed = listen_fds(self._environment)
        path = configuration.socket_path(self.config, self._environment)
        bindings = [adopt(socket) for socket in handed] or [bind(path, serve.socket_mode)]
        self.addresses = tuple(binding.path for binding in bindings)
        return Listener(bindings, self.handler, limits_of(self.config), allow_uids=serve.allow_uids)

    def _mind_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _stop(self, number: int) -> None:
        if self.stopping.is_set():
            os._exit(128 + number)  # asked twice: now, without ceremony
        _log.info("stopping", signal=signal.Signals(number).name)
        self.stopping.set()

    async def _prepare(self) -> None:
        """Watch first, then read: what changes during the first scan is then in a batch."""
        try:
            await asyncio.to_thread(self.state.mkdir, mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:  # only use counts and the snapshot suffer, and say so themselves
            _log.warning("no state directory", path=self.state, error=str(problem))
        self.upkeep.restore()
        await self.upkeep.watch(self.config.watch)
        await self._fill(self.keeper)
        self._observe(self.keeper)
        self.upkeep.begin()

    async def _fill(self, keeper: Keeper) -> None:
        """Read the whole library and warm what is hot, while the vocabulary loads beside it."""
        vocabulary = asyncio.create_task(asyncio.to_thread(keeper.tokenizer.load))
        await flows.drive(keeper, flows.reconcile(keeper))
        await flows.drive(keeper, flows.warm(keeper))
        await vocabulary

    def _observe(self, keeper: Keeper) -> None:
        keeper.observers += [self.upkeep.changed, self.subscriptions.changed]

    def _start_upkeep(self) -> None:
        self.spawn(self.upkeep.reconcile_every(self.config.watch.reconcile_s))
        self.spawn(self.snapshots.run())
        self.spawn(self.upkeep.keep_every(self.config.monitor.snapshot_s))
        interval_s = watchdog_interval_s(self._environment)
        if interval_s is not None:
            self.spawn(self._watchdog(interval_s))

    def _say_ready(self) -> None:
        self.notifier.ready(f"{self.config_error or 'serving'}: {len(self.keeper.library)} components")

    def _log_ready(self) -> None:
        _log.info(
            "ready",
            components=len(self.keeper.library),
            roots=self.keeper.files.roots,
            socket=self.addresses[0],
            ms=round(1000 * (time.monotonic() - self.started_s)),
        )

    async def _wind_up(self) -> None:
        """After the last answer: end every loop, keep the use counts, write the last snapshot."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.upkeep.keep()
        await self.snapshots.write(is_last=True)
        self.keeper.close()
        self.notifier.close()
        _log.info("stopped")

    # -- reload -------------------------------------------------------------------------------

    def _hang_up(self) -> None:
        """SIGHUP: reload; a storm of them is one reload under way and one to come."""
        if self._hang_ups < 2:
            self._hang_ups += 1
            self.spawn(self._reload_quietly())

    async def _reload_quietly(self) -> None:
        try:
            await self.reload()
        except ConfigError as error:
            _log.error("configuration not taken over", error=error.message)
        finally:
            self._hang_ups -= 1

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and take it over. Raises ConfigError and keeps the old one."""
        async with self._reloading:
            self.notifier.reloading()
            try:
                config = await asyncio.to_thread(self._load)
                changed = configuration.changed_keys(self.config, config)
                restart = [key for key in changed if key.partition(".")[0] in RESTART_SECTIONS]
                await self._take_over(config, set(changed) - set(restart))
                self.config_error = ""
            except ConfigError as error:
                self.config_error = f"configuration not taken over: {error.message}"
                raise
            finally:
                self._say_ready()
            _log.info("reloaded", changed=changed, restart=restart)
            return {
                "reloaded": True,
                "changed_keys": changed,
                "restart_keys": restart,
                "clock": self.keeper.clock,
            }

    async def _take_over(self, config: Config, changed: set[str]) -> None:
        if any(not key.startswith(("log.", "monitor.", "watch.")) for key in changed):
            keeper = self._keeper(config)
            keeper.hot.restore(self.keeper.hot.weights(time.time()), age_s=0.0)
            await self._fill(keeper)
            self._exchange(keeper)
        self.config = config
        log.configure(config.log.format, config.log.level)
        if any(key == "roots" or key.startswith(("watch.", "library.")) for key in changed):
            await self.upkeep.watch(self.config.watch)

    def _exchange(self, keeper: Keeper) -> None:
        old = self.keeper
        self._observe(keeper)
        self.keeper = self.handler.keeper = self.upkeep.keeper = self.subscriptions.keeper = keeper
        old.observers.clear()
        old.close()
        self.subscriptions.look_at_all()

    # -- watchdog -----------------------------------------------------------------------------

    async def _watchdog(self, interval_s: float) -> None:
        """Tell systemd that we live only if our own socket answers, through the same path as anyone's."""
        while True:
            try:
                async with asyncio.timeout(interval_s):
                    if await self._answers():
                        self.notifier.watchdog()
            except (OSError, TimeoutError) as problem:
                _log.error("the daemon's own socket does not answer", error=repr(problem))
            await asyncio.sleep(interval_s / 2)

    async def _answers(self) -> bool:
        """True if a request to our own socket gets a line back; a refusal for load is an answer too."""
        reader, writer = await asyncio.open_unix_connection(self.addresses[0])
        try:
            writer.write(b'{"jsonrpc":"2.0","id":0,"method":"ping"}\n')
            return (await reader.readline()).startswith(b"{")
        finally:
            writer.close()


def run(load: Load, environment: Mapping[str, str] = os.environ) -> int:
    """Run a daemon until it is told to stop; returns the exit code (sysexits.h).

    `load` gives the configuration, now and at each reload; it raises ConfigError.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        config = load()
        log.configure(config.log.format, config.log.level)
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_live(load, environment))
    except AlreadyRunning as error:
        return _refuse(error, EX_ALREADY_RUNNING)
    except ConfigError as error:
        return _refuse(error, EX_CONFIG)
    return EX_OK


async def _live(load: Load, environment: Mapping[str, str]) -> None:
    await Daemon(load, environment).live()


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where there is one (CPython), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _refuse(error: PromptdError, code: int) -> int:
    print(f"promptd: {error.message}", file=sys.stderr)  # noqa: T201 - before there is a log, or instead of one
    return code
