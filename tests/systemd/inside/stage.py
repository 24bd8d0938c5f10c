"""What the checks share: systemctl, the wire, the configuration, and a clean stage before each of them.

Runs inside the booted tree, as root, with the system's Python and nothing but the standard library. The
client here is a plain socket, so that no cleverness of promptd's own client hides what a client sees.
"""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

SERVICE, SOCKET_UNIT = "promptd.service", "promptd.socket"
PROMPTD = "/opt/promptd/bin/promptd"
SOCKET = "/run/promptd/promptd.sock"
STATE = Path("/var/lib/promptd")
LIBRARY = Path("/srv/prompts")
CONFIG = Path("/etc/promptd/config.toml")
SHIPPED_DROP_INS = Path("/usr/share/promptd/drop-ins")
DROP_INS = Path("/etc/systemd/system/promptd.service.d")
DEMO = next(Path("/opt/promptd/lib").glob("python3*/site-packages/promptd/cli/demo/library"))

POLL_S = 0.02
PATIENCE_S = 15.0


class Failed(Exception):
    """A check did not find what it expects."""


def expect(condition: object, message: str) -> None:
    """Raise Failed with `message` unless the condition holds."""
    if not condition:
        raise Failed(message)


def until(question: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """The first true answer to `question`; Failed if there is none in time."""
    deadline_s = time.monotonic() + patience_s
    while not (answer := question()):
        expect(time.monotonic() < deadline_s, f"not within {patience_s:.0f} s: {what}")
        time.sleep(POLL_S)
    return answer


# -- systemd ------------------------------------------------------------------------------------


def run(*command: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    """A command with what it said and its exit code, which may be anything."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)


def systemctl(*arguments: str) -> None:
    """A systemctl call that must succeed."""
    done = run("systemctl", *arguments)
    if done.returncode:
        status = run("systemctl", "status", "--no-pager", "-n", "5", SERVICE).stdout.splitlines()
        said = " / ".join([done.stderr.strip(), *status[-5:]])
        raise Failed(f"systemctl {' '.join(arguments)} exits {done.returncode}: {said}")


def show(name: str, unit: str = SERVICE) -> str:
    """One property of a unit."""
    return run("systemctl", "show", "-P", name, unit).stdout.strip()


def main_pid() -> int:
    """Process id of the running daemon, 0 if there is none."""
    return int(show("MainPID"))


def await_watchdog(limit_s: float) -> float:
    """Wait until the service feeds the watchdog once more; how long that took in s. Failed over the limit."""
    started_s = time.monotonic()
    before = show("WatchdogTimestampMonotonic")
    until(lambda: show("WatchdogTimestampMonotonic") != before, "the watchdog is fed", limit_s)
    return time.monotonic() - started_s


def drop_in(name: str, *lines: str) -> None:
    """Add a drop-in to promptd.service: one of the shipped ones, or the given lines."""
    DROP_INS.mkdir(exist_ok=True)
    text = "\n".join(lines) + "\n" if lines else (SHIPPED_DROP_INS / name).read_text()
    (DROP_INS / name).write_text(text)
    systemctl("daemon-reload")


def clean() -> None:
    """The state of a fresh installation: nothing runs, the demo library, a plain configuration."""
    run("systemctl", "stop", SOCKET_UNIT, SERVICE)
    run("systemctl", "reset-failed", SOCKET_UNIT, SERVICE)
    shutil.rmtree(DROP_INS, ignore_errors=True)
    systemctl("daemon-reload")
    shutil.rmtree(LIBRARY, ignore_errors=True)
    shutil.copytree(DEMO, LIBRARY)
    configure()


def configure(*lines: str, root: Path = LIBRARY) -> None:
    """Write the configuration: one root, then the given lines."""
    CONFIG.parent.mkdir(exist_ok=True)
    CONFIG.write_text("\n".join([f'[[roots]]\npath = "{root}"', *lines]) + "\n")


def demo_files() -> int:
    """How many components the demo library has."""
    return len(list(DEMO.rglob("*.md")))


def start_on_socket() -> None:
    """promptd.socket holds the socket, with the drop-in that goes with it."""
    drop_in("socket-activation.conf")
    systemctl("start", SOCKET_UNIT)


# -- the wire -----------------------------------------------------------------------------------


class Client:
    """One connection; nothing is retried."""

    def __init__(self, limit_s: float = 10.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(limit_s)
        try:
            self._socket.connect(SOCKET)
        except OSError:
            self._socket.close()
            raise
        self._lines = self._socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()
        self._socket.close()

    def send(self, method: str, **params: object) -> None:
        """Send a request and read nothing."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self._socket.sendall(json.dumps(request).encode() + b"\n")

    def reply(self, method: str, **params: object) -> dict[str, Any]:
        """The whole reply to a request; EOFError if the connection ends without one."""
        self.send(method, **params)
        line = self._lines.readline()
        if not line.endswith(b"\n"):
            raise EOFError(f"the connection ended after {line!r}")
        reply: dict[str, Any] = json.loads(line)
        return reply


def ask(method: str, **params: object) -> dict[str, Any]:
    """The result of one request on a connection of its own; Failed if it is an error."""
    with Client() as client:
        reply = client.reply(method, **params)
    expect("result" in reply, f"{method} was answered with {reply.get('error')}")
    result: dict[str, Any] = reply["result"]
    return result


def does_answer() -> bool:
    """True if a ping is answered now."""
    try:
        return bool(ask("ping")["pong"])
    except OSError:
        return False


def prompt(name: str, **params: object) -> str:
    """The text of an assembled prompt."""
    text: str = ask("assemble", name=name, **params)["text"]
    return text
