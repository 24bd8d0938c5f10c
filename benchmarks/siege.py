"""An innocent client beside the worst requests, files and neighbours that we know: how long must it wait?

    python -m benchmarks.siege [NAME …] [--mixture SECONDS] [--keep]

Each row is a library, and an attack on the daemon that serves it. A process of its own pings that daemon
every 5 ms from before the attack until after it; the row says how long its longest and its 99.9th-percentile
ping took, the daemon's peak memory, what the attacker was told, and how much more memory than before the
daemon holds ten seconds later. `--mixture` then lets random attacks run side by side. `--keep` writes the
table to docs/reliability.md. Waits include what a busy machine adds, which the row "nobody attacks" shows.
"""

import argparse
import contextlib
import json
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.attacks import ATTACKS, Attack
from benchmarks.servers import promptd, request

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BEGIN, END = "<!-- siege: begin -->", "<!-- siege: end -->"
PING_S = 0.005
PATIENCE_S = 30.0  # of an attacker that waits for its answer, and of the innocent
AFTER_S = 10.0
SETTLE_S = 30.0
MIB = 1_048_576


# -- the innocent ---------------------------------------------------------------------------------


def ping(path: str) -> None:
    """Ping every 5 ms until stdin closes; then print how long each ping took, in ms, as JSON."""
    is_over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    line, took_ms = request("ping"), []
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(PATIENCE_S)
        peer.connect(path)
        print("ready", flush=True)
        while not is_over.is_set():
            began_s = time.monotonic()
            peer.sendall(line)
            try:
                while not peer.recv(65_536).endswith(b"\n"):
                    pass
            except TimeoutError:
                took_ms.append(1000 * PATIENCE_S)
                break
            elapsed_s = time.monotonic() - began_s
            took_ms.append(1000 * elapsed_s)
            time.sleep(max(0.0, PING_S - elapsed_s))
    print(json.dumps(took_ms))


@contextlib.contextmanager
def innocent(path: str) -> Iterator[list[float]]:
    """Another process pings; how long each ping took is in the list afterwards."""
    took_ms: list[float] = []
    command = [sys.executable, "-m", "benchmarks.siege", "--ping", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield took_ms
        finally:
            process.stdin.close()
            took_ms += json.loads(process.stdout.readline() or "[]")


# -- a row ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Row:
    """What one attack did to the innocent and to the daemon; waits in ms, memory in MiB."""

    name: str
    waits_ms: list[float]
    peak_mib: float
    left_mib: float
    answers: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        """A row of the table."""
        waits = sorted(self.waits_ms) or [float("nan")]
        rank = min(len(waits) - 1, int(0.999 * len(waits)))
        told = ", ".join(f"{what}: {count}" for what, count in self.answers.most_common(3)) or "nothing"
        cells = [self.name, f"{waits[rank]:,.0f}", f"{waits[-1]:,.0f}", f"{self.peak_mib:,.0f}"]
        return f"| {' | '.join([*cells, f'{self.left_mib:+,.0f}', told])} |"


HEAD = (
    "| attack | innocent p99.9, ms | innocent longest, ms | peak memory, MiB | left after 10 s, MiB"
    " | answers |\n"
    "|---|---|---|---|---|---|"
)


class Memory:
    """The peak resident memory of a process and its children, in bytes, looked at 50 times a second."""

    def __init__(self, pid: int) -> None:
        self.process = psutil.Process(pid)
        self.peak = 0
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self) -> "Memory":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        self.thread.join()

    def now(self) -> int:
        """Of this moment."""
        total = 0
        with contextlib.suppress(psutil.Error):
            for each in (self.process, *self.process.children(recursive=True)):
                total += each.memory_info().rss
        return total

    def run(self) -> None:
        """Look until it is over."""
        while not self.is_over.wait(0.02):
            self.peak = max(self.peak, self.now())


def settle(process: psutil.Process) -> None:
    """Wait until a daemon has done what it does after it is READY: load the vocabulary, count what is hot."""
    deadline_s = time.monotonic() + SETTLE_S
    before_s = -1.0
    while time.monotonic() < deadline_s:
        used_s = sum(process.cpu_times()[:2])
        if used_s - before_s < 0.02:
            break
        before_s = used_s
        time.sleep(0.5)


def besiege(attacks: Sequence[Attack], name: str, run: Callable[[str, Counter[str]], None]) -> Row:
    """Serve the attacks' libraries below one root, and let `run` attack while the innocent pings."""
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "library"
        (library / "ordinary").mkdir(parents=True)
        (library / "ordinary" / "main.md").write_text("# An ordinary prompt\n\nNothing here.\n")
        for attack in attacks:
            attack.build(library)
        with promptd(str(library), directory) as daemon, Memory(daemon.process.pid) as memory:
            settle(memory.process)
            before, answers = memory.now(), Counter[str]()
            with innocent(daemon.path) as waits_ms:
                time.sleep(0.5)
                run(daemon.path, answers)
                time.sleep(1)
            deadline_s = time.monotonic() + AFTER_S
            while (left := memory.now() - before) > 20 * MIB and time.monotonic() < deadline_s:
                time.sleep(0.2)
        return Row(name, waits_ms, memory.peak / MIB, left / MIB, answers)


def quiet(_path: str, _answers: Counter[str]) -> None:
    """Nobody attacks: what the machine itself adds."""
    time.sleep(3)


def mixture(seconds: float) -> Callable[[str, Counter[str]], None]:
    """Random attacks, three side by side, for so long."""

    def run(path: str, answers: Counter[str]) -> None:
        deadline_s = time.monotonic() + seconds

        def one(seed: int) -> None:
            source = random.Random(seed)
            while time.monotonic() < deadline_s:
                with contextlib.suppress(OSError):
                    source.choice(ATTACKS).run(path, answers)

        threads = [threading.Thread(target=one, args=(seed,)) for seed in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return run


def rows(names: Sequence[str], mixture_s: float) -> Iterator[Row]:
    """The attacks whose names hold one of the words, all without one."""
    chosen = [each for each in ATTACKS if not names or any(word in each.name for word in names)]
    yield besiege([], "nobody attacks", quiet)
    for attack in chosen:
        yield besiege([attack], attack.name, attack.run)
    if mixture_s:
        yield besiege(ATTACKS, f"a random mixture of all, {mixture_s:g} s", mixture(mixture_s))


def keep(lines: Sequence[str]) -> None:
    """Put the table between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text("\n".join((f"{before}{BEGIN}", *lines, f"{END}{rest.partition(END)[2]}")), "utf-8")


def main() -> None:
    """Read the arguments, print the table while it grows; keep it if that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="only attacks whose names hold one of these")
    parser.add_argument("--mixture", type=float, default=0.0, metavar="SECONDS", help="all of them at random")
    parser.add_argument("--keep", action="store_true", help="write the table to docs/reliability.md")
    parser.add_argument("--ping", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ping:
        ping(arguments.ping)
        return
    lines = [HEAD]
    print(HEAD, flush=True)
    for row in rows(arguments.names, arguments.mixture):
        lines.append(row.line())
        print(lines[-1], flush=True)
    if arguments.keep:
        keep(lines)


if __name__ == "__main__":
    main()
