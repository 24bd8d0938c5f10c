"""Interactive shells in a terminal, and a `promptd` that keeps what it was called with."""

import fcntl
import os
import pty
import select
import shutil
import subprocess
import sys
import termios
import time
from pathlib import Path

PATIENCE_S = 30.0
PROMPT = "READY> "
START = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "--no-config", "-i"),
}
# A prompt that is known, no paste mode and no colours; then the completion script.
SET_UP = {
    "bash": "bind 'set enable-bracketed-paste off'; PS1='{prompt}'; source {script}",
    "zsh": "PS1='{prompt}'; unsetopt zle_bracketed_paste prompt_sp 2>/dev/null; unset zle_bracketed_paste;"
    " autoload -Uz compinit; compinit -u -D; source {script}",
    "fish": "function fish_prompt; echo -n '{prompt}'; end; source {script}",
}


def is_installed(shell: str) -> bool:
    """True if the shell is on this machine."""
    return shutil.which(shell) is not None


class Shell:
    """One interactive shell in a directory of its own."""

    def __init__(self, shell: str, directory: Path, socket: Path) -> None:
        self.directory = directory
        self._record = directory.parent / "calls"
        script = directory.parent / f"completion.{shell}"
        bin_ = directory.parent / "bin"
        bin_.mkdir()
        _install(bin_ / "promptd", self._record)
        done = subprocess.run(
            [sys.executable, "-m", "promptd", "completion", shell], capture_output=True, check=True
        )
        script.write_bytes(done.stdout)
        environment = {
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "HOME": str(directory.parent),
            "TERM": "dumb" if shell != "fish" else "xterm",
            "PROMPTD_SOCKET": str(socket),
            "LANG": "C.UTF-8",
            "COLUMNS": "400",
        }
        master, slave = pty.openpty()
        self._descriptor = master
        self._process = subprocess.Popen(
            START[shell],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=directory,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(slave)
        self.seen = ""
        time.sleep(0.5)
        self.type(SET_UP[shell].format(prompt=PROMPT, script=script) + "\r")
        self.type("echo begin''ning\r")
        self.until("beginning")
        self.until(PROMPT)

    def type(self, keys: str) -> None:
        """Press keys."""
        os.write(self._descriptor, keys.encode())

    def until(self, sign: str) -> None:
        """Read what the shell writes until a sign comes; what follows it is kept for the next time."""
        deadline = time.monotonic() + PATIENCE_S
        while sign not in self.seen:
            assert time.monotonic() < deadline, f"no {sign!r} in {self.seen!r}"
            self._read(0.05)
        self.seen = self.seen.partition(sign)[2]

    def complete(self, line: str, after: str = "") -> list[str] | None:
        """Type a line, press Tab and Enter: the arguments promptd was run with, None if it was not run.

        `after` is typed between the two: the quote that a completion with several candidates leaves open.
        """
        self._record.unlink(missing_ok=True)
        self.type(f"{line}\t{after}\r")
        self.type("echo do''ne\r")
        self.until("done")
        if not self._record.exists():
            return None
        return self._record.read_bytes().decode().split("\0")[:-1]

    def close(self) -> None:
        """End the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._descriptor)

    def _read(self, seconds: float) -> None:
        if select.select([self._descriptor], [], [], seconds)[0]:
            self.seen += os.read(self._descriptor, 65_536).decode(errors="replace")


def _install(path: Path, record: Path) -> None:
    path.write_text(
        "#!/bin/sh\n"
        f'if [ -n "$_PROMPTD_COMPLETE" ]; then exec "{sys.executable}" -m promptd "$@"; fi\n'
        f"printf '%s\\0' \"$@\" > '{record}'\n"
    )
    path.chmod(0o755)
