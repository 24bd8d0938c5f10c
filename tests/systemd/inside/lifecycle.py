"""Start, stop, and the starts that must not succeed."""

import contextlib
import json
import shutil
import subprocess
import threading
import time
from pathlib import Path

import stage
from stage import expect

LARGE = Path("/srv/large")
LARGE_FILES = 3_000  # a first scan long enough to be caught at it
STOP_LIMIT_S = 5.0


def active_means_ready() -> str:
    """`systemctl start` returns when the daemon answers, and no earlier answer was a wrong one."""
    _write_large_library()
    stage.configure(root=LARGE)
    early: list[tuple[float, int]] = []
    is_over = threading.Event()
    asking = threading.Thread(target=_ask_all_the_time, args=(is_over, early))
    asking.start()
    try:
        stage.systemctl("start", stage.SERVICE)
        started_s = time.monotonic()
        total = stage.ask("list")["total"]
        text = stage.prompt("commands/c0")
        answered_ms = 1000 * (time.monotonic() - started_s)
    finally:
        is_over.set()
        asking.join()
    expect(total == LARGE_FILES, f"the first answer after the start lists {total} of {LARGE_FILES}")
    expect(text.count("line of") == 2, f"the first prompt is {text!r}")
    wrong = {total for _, total in early if total != LARGE_FILES}
    expect(not wrong, f"before it was active the daemon listed {wrong} of {LARGE_FILES} components")
    return f"activating for {_activating_ms():.0f} ms, first two answers after start {answered_ms:.0f} ms"


def _write_large_library() -> None:
    shutil.rmtree(LARGE, ignore_errors=True)
    (LARGE / "commands").mkdir(parents=True)
    for number in range(LARGE_FILES):
        include = "" if number % 2 else f"<include>commands/c{number + 1}.md</include>\n"
        (LARGE / f"commands/c{number}.md").write_text(f"a line of {number}\n{include}")


def _ask_all_the_time(is_over: threading.Event, answers: list[tuple[float, int]]) -> None:
    while not is_over.wait(stage.POLL_S):
        with contextlib.suppress(OSError, EOFError):
            answers.append((time.monotonic(), stage.ask("list")["total"]))


def _activating_ms() -> float:
    since, until = (
        int(stage.show(name)) for name in ("InactiveExitTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    )
    return (until - since) / 1000


def stops_in_time() -> str:
    """Stop takes less than 5 s with clients connected, ends with exit 0 and a last snapshot that says so."""
    stage.systemctl("start", stage.SERVICE)
    with contextlib.ExitStack() as clients:
        for _ in range(20):
            clients.enter_context(stage.Client()).reply("ping")
        took_s = _stop()
        idle_ms = 1000 * took_s
    expect(took_s < STOP_LIMIT_S, f"stop took {took_s:.1f} s with 20 idle clients")
    _expect_clean_end()
    stage.systemctl("start", stage.SERVICE)
    with stage.Client(limit_s=1.0) as client:
        with contextlib.suppress(TimeoutError):  # the daemon stops reading from a client that does not read
            while True:
                client.send("describe")
        took_s = _stop()
    _expect_clean_end()
    expect(took_s < STOP_LIMIT_S, f"stop took {took_s:.1f} s with a client that does not read")
    return f"{idle_ms:.0f} ms with 20 idle clients, {1000 * took_s:.0f} ms with one that does not read"


def _stop() -> float:
    started_s = time.monotonic()
    stage.systemctl("stop", stage.SERVICE)
    return time.monotonic() - started_s


def _expect_clean_end() -> None:
    result = [stage.show(name) for name in ("Result", "ExecMainStatus", "ActiveState")]
    expect(result == ["success", "0", "inactive"], f"the service ended as {result}")
    snapshot = json.loads((stage.STATE / "health.json").read_bytes())
    expect(snapshot["status"] == "stopped", f"the last snapshot says {snapshot['status']!r}")
    age_s = time.time() - snapshot["time_unix_s"]
    expect(age_s < STOP_LIMIT_S, f"the last snapshot is {age_s:.1f} s old")
    expect(not Path(stage.SOCKET).exists(), "the socket is still there")


def second_instance_exits_75() -> str:
    """A second daemon on the same socket exits 75 and the first one goes on, however it got its socket."""
    stage.systemctl("start", stage.SERVICE)
    _expect_second_exits_75()
    stage.systemctl("stop", stage.SERVICE)
    stage.start_on_socket()
    stage.ask("ping")
    _expect_second_exits_75()
    return "beside a bound and beside an activated socket"


def _expect_second_exits_75() -> None:
    before = stage.ask("ping")["pid"]
    environment = {"STATE_DIRECTORY": "/run/second", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    command = [stage.PROMPTD, "serve", str(stage.LIBRARY), "--socket", stage.SOCKET]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment)
    expect(second.returncode == 75, f"the second exits {second.returncode}: {second.stderr[-300:]}")
    expect(stage.ask("ping")["pid"] == before == stage.main_pid(), "the first was disturbed")


def configuration_error_exits_78() -> str:
    """A wrong configuration fails the start with exit 78, says which key, and is not tried again."""
    stage.configure("[cache]", "entires = 3")
    expect(stage.run("systemctl", "start", stage.SERVICE).returncode, "the start succeeded")
    stage.until(lambda: stage.show("ActiveState") == "failed", "failed")
    status, restarts = stage.show("ExecMainStatus"), stage.show("NRestarts")
    expect((status, restarts) == ("78", "0"), f"exit {status}, {restarts} restarts")
    expect(stage.show("SubState") == "failed", f"it is {stage.show('SubState')}")
    said = stage.run("journalctl", f"_SYSTEMD_UNIT={stage.SERVICE}", "-o", "cat", "-n", "3").stdout
    expect("entires" in said, f"the journal does not name the key: {said!r}")
    return "exit 78, no restart, the journal names cache.entires"
