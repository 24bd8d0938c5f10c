"""promptd.socket: systemd holds the socket, and no client notices a restart."""

import collections
import threading
import time
from pathlib import Path

import stage
from stage import expect

RESTARTS = 20
CLIENTS = 4
START_LIMIT = 5
HESITATION_S = 0.002  # of every other client, between connect and request: a stop may fall into it
WATCHDOG_S = 2


def first_client_starts_the_service() -> str:
    """With promptd.socket alone running, the first connection starts promptd and is answered."""
    stage.start_on_socket()
    expect(stage.main_pid() == 0, "the service runs before anyone asked")
    started_s = time.monotonic()
    pid = stage.ask("ping")["pid"]
    took_ms = 1000 * (time.monotonic() - started_s)
    expect(pid == stage.main_pid(), f"process {pid} answered")
    expect(stage.ask("list")["total"] == stage.demo_files(), "not the whole library")
    stage.until(lambda: stage.show("ActiveState") == "active", "active")
    return f"the first ping was answered after {took_ms:.0f} ms"


class Load:
    """Clients that connect, ask, and count what happened to them; they retry nothing."""

    def __init__(self) -> None:
        self.served = 0
        self.slowest_s = 0.0
        self.failures: collections.Counter[str] = collections.Counter()
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        hesitations_s = [HESITATION_S * (number % 2) for number in range(CLIENTS)]
        self._threads = [threading.Thread(target=self._loop, args=(each,)) for each in hesitations_s]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def go_on(self) -> None:
        """Return when a few more clients were served; Failed if they are not."""
        goal = self.served + 2 * CLIENTS
        stage.until(lambda: self.served > goal, "clients are served")

    def _loop(self, hesitation_s: float) -> None:
        while not self._is_over.is_set():
            started_s = time.monotonic()
            problem = _connect_and_ask(hesitation_s)
            with self._lock:
                self.served += not problem
                self.slowest_s = max(self.slowest_s, time.monotonic() - started_s)
                if problem:
                    self.failures[problem] += 1


def _connect_and_ask(hesitation_s: float) -> str:
    """What went wrong, "" if nothing did."""
    step = "connect"
    try:
        with stage.Client(limit_s=20.0) as client:
            time.sleep(hesitation_s)
            step = "ask"
            reply = client.reply("ping")
    except (OSError, EOFError) as error:
        return f"{step}: {type(error).__name__} {error}"
    return "" if reply.get("result", {}).get("pong") else f"answer: {reply}"


def twenty_restarts_refuse_no_client() -> str:
    """Over 20 restarts under load every connection is accepted and answered, by 20 different processes."""
    stage.start_on_socket()
    pids = {stage.ask("ping")["pid"]}
    with Load() as load:
        for _ in range(RESTARTS):
            stage.systemctl("restart", stage.SERVICE)
            load.go_on()
            pids.add(stage.main_pid())
    expect(not load.failures, f"{load.failures.total()} failed, {load.served} served: {dict(load.failures)}")
    expect(len(pids) == RESTARTS + 1, f"{len(pids)} processes")
    return f"{load.served} connections, 0 failed, slowest {load.slowest_s:.1f} s over {RESTARTS} restarts"


def activated_service_is_supervised() -> str:
    """Behind promptd.socket the watchdog is fed and a reload works: the daemon may use the socket itself."""
    stage.drop_in("watchdog.conf", "[Service]", f"WatchdogSec={WATCHDOG_S}")
    stage.start_on_socket()
    pid = stage.ask("ping")["pid"]
    for _ in range(3):
        stage.await_watchdog(WATCHDOG_S)
    stage.systemctl("reload", stage.SERVICE)
    expect(stage.ask("ping")["pid"] == pid, "it was restarted")
    return f"fed three times within WatchdogSec={WATCHDOG_S}, reloaded"


def socket_outlives_a_configuration_error() -> str:
    """A wrong configuration does not loop for ever behind the socket; fixed, a start brings both back."""
    stage.configure("[cache]", "entires = 3")
    stage.drop_in("limit.conf", "[Unit]", f"StartLimitBurst={START_LIMIT}")  # the same end, sooner
    stage.start_on_socket()
    with stage.Client(limit_s=60.0) as client:
        try:
            reply = client.reply("ping")
        except (OSError, EOFError):
            reply = {}
    expect(not reply, f"it answered {reply}")
    stage.until(lambda: stage.show("ActiveState", stage.SOCKET_UNIT) == "failed", "the socket gives up", 60)
    expect(not Path(stage.SOCKET).exists(), "a dead socket is left behind")
    stage.configure()
    stage.systemctl("reset-failed", stage.SOCKET_UNIT, stage.SERVICE)
    stage.systemctl("start", stage.SOCKET_UNIT)
    expect(stage.does_answer(), "no answer")
    return f"gave up after {START_LIMIT} starts, came back when it was fixed"
