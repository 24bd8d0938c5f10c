"""promptd under a real systemd: build a Debian tree, boot it, check from inside, say what was found.

`make systemd-test`, or `python tests/systemd/run.py [SUITE]` (bookworm with systemd 252, or a newer one).
Prints one line a check and exits 1 if one failed; where the machine cannot do it, prints `skipped:` with the
reason and exits 0. The trees are kept in .cache/systemd, or $PROMPTD_SYSTEMD_CACHE.
"""

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

import host
import machine
from tree import REPOSITORY, Tree

LIMIT_S = 240.0  # of the checks together; they take about one minute
DEFAULT_CACHE = REPOSITORY / ".cache/systemd"


class Report:
    """Counts the probe's lines while printing them."""

    def __init__(self) -> None:
        self.passed = self.failed = 0
        self.has_booted = self.is_done = False

    def __call__(self, line: str) -> None:
        """Take one line: `booted`, then `ok NAME: DETAIL` or `FAIL NAME: DETAIL`, at last `done`."""
        self.has_booted |= line == "booted"
        self.is_done |= line == "done"
        self.passed += line.startswith("ok ")
        self.failed += line.startswith("FAIL ")
        if line not in ("booted", "done"):
            print(line, flush=True)

    @property
    def has_passed(self) -> bool:
        """True if every check ran and none failed."""
        return self.is_done and self.passed > 0 and not self.failed


def main(arguments: list[str]) -> int:
    """Build, boot, report; the exit code."""
    suite = arguments[0] if arguments else "bookworm"
    started_s = time.monotonic()
    cache = Path(os.environ.get("PROMPTD_SYSTEMD_CACHE") or DEFAULT_CACHE).resolve()
    root, results = cache / suite, cache / f"{suite}-results"
    try:
        _prepare(cache, Tree(root, suite))
    except host.Unable as reason:
        print(f"skipped: {reason}")
        return 0
    print(f"booting {suite} ({time.monotonic() - started_s:.0f} s to prepare)", flush=True)
    report = Report()
    machine.boot(root, results, report, LIMIT_S)
    if not report.has_booted:
        print(f"skipped: systemd does not boot in a container here: {machine.last_words(results)}")
        return 0
    if not report.is_done:
        print(f"FAIL the checks did not finish: {machine.last_words(results)}")
    took_s = time.monotonic() - started_s
    counts = f"{report.passed} passed, {report.failed} failed"
    print(f"systemd-test: {counts} in {took_s:.0f} s; journal in {results}")
    return 0 if report.has_passed else 1


def _prepare(cache: Path, tree: Tree) -> None:
    host.require()
    cache.mkdir(parents=True, exist_ok=True)
    _lock(cache)
    tree.build()
    machine.require(tree.root)


def _lock(cache: Path) -> None:
    """One run at a time; held until the process ends."""
    descriptor = os.open(cache / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise host.Unable(f"another run uses {cache}") from None


if __name__ == "__main__":
    os.umask(0o022)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the container is ended too
    sys.exit(main(sys.argv[1:]))
