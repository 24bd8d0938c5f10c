"""systemd as the supervisor: the watchdog, and what happens to a daemon that freezes or dies."""

import os
import signal
import time

import stage
from stage import expect

WATCHDOG_S = 2
GRACE_S = 5.0  # RestartSec, the start and a busy machine


def watchdog_is_fed() -> str:
    """A healthy daemon feeds the watchdog in time, again and again."""
    pid = _start_watched()
    intervals_s = [stage.await_watchdog(WATCHDOG_S) for _ in range(3)]
    expect(stage.main_pid() == pid and stage.show("NRestarts") == "0", "it was restarted")
    return f"at most {max(intervals_s):.1f} s between meals of WatchdogSec={WATCHDOG_S}"


def watchdog_restarts_a_frozen_daemon() -> str:
    """A stopped process is killed after WatchdogSec, another takes its place and answers."""
    pid = _start_watched()
    os.kill(pid, signal.SIGSTOP)
    took_s = _until_another_answers(pid)
    limit_s = WATCHDOG_S + GRACE_S
    expect(took_s < limit_s, f"it took {took_s:.1f} s, the limit is {limit_s:.0f} s")
    expect(stage.show("NRestarts") == "1", f"{stage.show('NRestarts')} restarts")
    said = stage.run("journalctl", "-u", stage.SERVICE, "-n", "30", "-o", "cat").stdout
    expect("Watchdog timeout" in said, "the journal does not speak of the watchdog")
    return f"answers again {took_s:.1f} s after SIGSTOP with WatchdogSec={WATCHDOG_S}"


def killed_daemon_comes_back() -> str:
    """After kill -9 the next one starts without help: no stale socket or lock is in its way."""
    stage.systemctl("start", stage.SERVICE)
    times_s = []
    for _ in range(3):
        pid = stage.main_pid()
        os.kill(pid, signal.SIGKILL)
        times_s.append(_until_another_answers(pid))
    expect(max(times_s) < GRACE_S, f"it took {max(times_s):.1f} s")
    return f"3 of 3, answering after {max(times_s):.1f} s at most"


def _start_watched() -> int:
    stage.drop_in("watchdog.conf", "[Service]", f"WatchdogSec={WATCHDOG_S}")
    stage.systemctl("start", stage.SERVICE)
    return stage.main_pid()


def _until_another_answers(pid: int) -> float:
    started_s = time.monotonic()
    stage.until(lambda: stage.main_pid() not in (0, pid), "a new process", 20)
    stage.until(stage.does_answer, "an answer", 20)
    return time.monotonic() - started_s
