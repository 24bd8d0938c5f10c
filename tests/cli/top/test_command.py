"""`top` in a real terminal of 80 by 24, and in a pipe. The daemon is a fake one on a real socket."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pyte
import pytest

from tests.cli.conftest import FakeDaemon, Run
from tests.cli.healths import health

PATIENCE_S = 30.0
COLUMNS, LINES = 80, 24


class Terminal:
    """A program in a terminal: what the screen shows, and keys to press."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self.screen)
        self._descriptor = descriptor

    @property
    def text(self) -> str:
        """The screen as it is now."""
        return "\n".join(self.screen.display)

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def until(self, condition: Callable[[], bool]) -> None:
        """Read what the program writes until a condition holds."""
        os.set_blocking(self._descriptor, False)
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, self.text
            with suppress(BlockingIOError, OSError):
                self._stream.feed(os.read(self._descriptor, 65_536))
                continue
            time.sleep(0.01)

    def shows(self, sign: str) -> None:
        """Wait until the screen shows something."""
        self.until(lambda: sign in self.text)


@contextmanager
def _terminal(daemon: FakeDaemon) -> Iterator[Terminal]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    command = [sys.executable, "-m", "promptd", "top", "--interval", "0.2", "--socket", str(daemon.socket)]
    environment = os.environ | {"TERM": "xterm-256color"}
    environment.pop("COLUMNS", None)
    environment.pop("LINES", None)
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as process:
        os.close(slave)
        try:
            yield Terminal(master, process)
        finally:
            process.kill()
            os.close(master)


@pytest.mark.slow
def test_a_person_at_a_terminal(daemon: FakeDaemon) -> None:
    """Look, sort, filter, open a prompt's token tree, go back, see news arrive, quit; all of it fits."""
    entry = {"id": "commands/rare.md", "tokens": 4000, "chain": [], "reason": "included"}
    part = {"id": "parts/a.md", "tokens": 1500, "chain": ["commands/rare.md:3"], "reason": "included"}
    reply = {"name": "commands/rare.md", "tokens": 4000, "manifest": [entry, part]}
    daemon.answers |= {"health": health(), "assemble": reply}
    with _terminal(daemon) as terminal:
        terminal.shows("grade A 97")
        terminal.shows("██")  # a second snapshot has come
        assert terminal.text.index("commands/often.md") < terminal.text.index("agents/dear.md")
        terminal.press("s")
        terminal.until(lambda: terminal.text.find("agents/dear.md") < terminal.text.find("commands/often.md"))
        terminal.press("/rar\r")
        terminal.until(lambda: "filter: rar" in terminal.text and "agents/dear.md" not in terminal.text)
        terminal.press("\r")
        terminal.shows("parts/a.md")
        assert "2,500" in terminal.text  # own tokens
        assert ("assemble", {"name": "commands/rare.md", "variables": {}}) in daemon.requests
        terminal.press("\x1b")
        terminal.shows("Enter token tree")
        daemon.answers["health"] = health(library={"components": 281, "edges": 915})
        terminal.shows("281 components")
        terminal.press("q")
        terminal.until(lambda: terminal.process.poll() is not None)
        assert terminal.process.returncode == 0


def test_in_a_pipe_it_is_one_plain_page(run: Run, daemon: FakeDaemon) -> None:
    """`--once`, and no terminal, print the page and end."""
    daemon.answers["health"] = health()
    for arguments in (["--once"], []):
        code, out, err = run("top", *arguments)
        text = out.decode()
        assert (code, err) == (0, "")
        assert "\x1b" not in text
        assert "commands/often.md" in text
        assert "q quit" not in text


def test_without_a_daemon_it_says_so(run: Run) -> None:
    """Exit 69."""
    code, out, err = run("top", "--once", "--socket", "/nowhere/s")
    assert (code, out) == (69, b"")
    assert "/nowhere/s" in err
