"""A tree, booted: systemd-nspawn as a child of ours that never outlives us.

The container has no network but its own loopback and no entry in the host's machine list. What it writes goes
into memory and is gone with it, but for the results and the library, which is to lie on a real file system:
those are in a directory of the host. It powers itself off when the probe is done; whatever happens
here, it is gone when `boot` returns.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import host

RESULTS, CONSOLE, LIBRARY = "results", "console", "library"  # names in the results directory
POLL_S = 0.2
BOOT_S = 90.0  # a few seconds as a rule; after this long without a line it will not come any more
STOP_S = 20  # SIGTERM makes nspawn ask its systemd for an orderly power-off


def command(root: Path, *options: str) -> list[str]:
    """A command line for systemd-nspawn on `root`, to be ended when we die (even by SIGKILL)."""
    name = f"promptd-test-{os.getpid()}"
    nspawn = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", f"--machine={name}"]
    isolated = ["--private-network", "--volatile=overlay", "-D", str(root)]
    return ["setpriv", "--pdeathsig", "TERM", *nspawn, *isolated, *options]


def require(root: Path) -> None:
    """Raise host.Unable if a container cannot be started at all (no mounts, no namespaces, no cgroups)."""
    host.run(command(root, "--pipe", "/bin/true"))


def boot(root: Path, results: Path, on_line: Callable[[str], None], limit_s: float) -> None:
    """Boot the tree and hand over each line that the probe writes, until it ends or is late and stopped.

    The directory `results` gets the probe's lines, the journal, the console and the libraries.
    """
    shutil.rmtree(results, ignore_errors=True)
    (results / LIBRARY).mkdir(parents=True)
    with _booted(root, results) as container:
        started_s = time.monotonic()
        late_s = BOOT_S
        lines = _lines(results / RESULTS)
        while container.poll() is None and time.monotonic() < started_s + late_s:
            for line in lines():
                on_line(line)
                late_s = limit_s
            time.sleep(POLL_S)
    for line in lines():
        on_line(line)


def last_words(results: Path) -> str:
    """How the console ends, on one line."""
    lines = (results / CONSOLE).read_text(errors="replace").splitlines()
    return " / ".join(line.strip() for line in lines[-5:])


@contextmanager
def _booted(root: Path, results: Path) -> Iterator[subprocess.Popen[bytes]]:
    binds = [f"--bind={results}:/var/lib/promptd-probe", f"--bind={results / LIBRARY}:/srv"]
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
