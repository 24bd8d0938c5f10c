"""A tree, booted: systemd-nspawn as a child of ours that never outlives us.

The container has no network but its own loopback and no entry in the host's machine list. What it writes goes
into memory and is gone with it, but for two directories of the host: one for the results, and one for the
library, which is to lie on a real file system. It powers itself off when the probe is done; whatever happens
here, it is gone when `boot` returns.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import host

RESULTS, CONSOLE = "results", "console"  # files of the results directory
POLL_S = 0.2
STOP_S = 20  # SIGTERM makes nspawn ask its systemd for an orderly power-off


def command(root: Path, *options: str) -> list[str]:
    """A command line for systemd-nspawn on `root`, to be told to end when we die (even by SIGKILL)."""
    name = f"promptd-test-{os.getpid()}"
    nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine={name}"]
    isolated = ["--private-network", "--volatile=overlay", "-D", str(root)]
    return ["setpriv", "--pdeathsig", "TERM", *nspawn, *isolated, *options]


def require(root: Path) -> None:
    """Raise host.Unable if a container cannot be started at all (no mounts, no namespaces, no cgroups)."""
    host.run(command(root, "--pipe", "/bin/true"))


def boot(root: Path, results: Path, on_line: Callable[[str], None], limit_s: float) -> bool:
    """Boot the tree and hand over each line that the probe writes; False if it had to be stopped.

    `results` gets the probe's lines, the journal and the console.
    """
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir()
    with (
        tempfile.TemporaryDirectory(dir=results.parent) as library,
        _booted(root, results, library) as container,
    ):
        deadline_s = time.monotonic() + limit_s
        lines = _lines(results / RESULTS)
        while container.poll() is None and time.monotonic() < deadline_s:
            for line in lines():
                on_line(line)
            time.sleep(POLL_S)
        is_late = container.poll() is None
    for line in lines():
        on_line(line)
    return not is_late


@contextmanager
def _booted(root: Path, results: Path, library: str) -> Iterator[subprocess.Popen[bytes]]:
    Path(library).chmod(0o755)
    binds = [f"--bind={results}:/var/lib/promptd-probe", f"--bind={library}:/srv"]
    with (results / CONSOLE).open("wb") as console:
        container = subprocess.Popen(
            command(root, *binds, "--boot", "--console=pipe"),
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
        )
        try:
            yield container
        finally:
            _end(container)


def _end(container: subprocess.Popen[bytes]) -> None:
    container.terminate()
    try:
        container.wait(STOP_S)
    except subprocess.TimeoutExpired:
        container.kill()
        container.wait()


def _lines(path: Path) -> Callable[[], list[str]]:
    """A function that gives the whole lines written since it was last called."""
    read_bytes = 0

    def fresh() -> list[str]:
        nonlocal read_bytes
        if not path.is_file():
            return []
        data = path.read_bytes()[read_bytes:]
        whole = data[: data.rfind(b"\n") + 1]
        read_bytes += len(whole)
        return whole.decode().splitlines()

    return fresh
