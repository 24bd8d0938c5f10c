"""`make chaos`: honest clients on 32 connections while everything goes wrong, and one table of what they saw.

Three phases: before (writers only), during (every fault of fault_actions.py at once, kills among them), after
(writers only, by the daemon that was started last). The clients know what was written, so a wrong answer is
one that is too old, from the future, a mixed pair said to be consistent, or of a branch that is not checked
out. Exits 1 if there was any, if an error was ours (`internal`), or if the daemon lost descriptors.
"""

import argparse
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.proofs import fault_actions
from tests.proofs.fault_actions import FAULTS, FaultContext, Toggle
from tests.proofs.load import Load, pairs_check
from tests.proofs.usage import open_for_long, slope
from tests.proofs.writers import VersionedPairs, Writers

CONNECTIONS = 32
PAIRS = 6
GIT_FILES = 5_000
WRITE_PAUSE_S = 0.1  # of each of the writers: 120 files a second
BEFORE, DURING = 0.2, 0.65  # shares of the time; the rest is after


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the table shows."""

    seconds: float
    served: int
    inconsistent: int
    wrong: list[str]
    errors: dict[str, int]
    latencies_us: dict[str, list[int]]
    done: dict[str, int]
    memory: list[tuple[float, float]]
    peak_bytes: float
    descriptors_before: int
    descriptors_after: int
    unforeseen: int

    @property
    def is_right(self) -> bool:
        """True if nothing was wrong that must not be."""
        ours = self.errors.get("promptd.Internal", 0) + self.errors.get("no answer in 30 s", 0)
        is_flat = self.descriptors_after <= self.descriptors_before + 4
        return not (self.wrong or ours or self.unforeseen) and is_flat and all(self.latencies_us.values())


def names_for(toggle: Toggle) -> Iterator[str]:
    """What the clients ask for: pairs, everything at once, and files of the repository."""
    for number in itertools.count():
        yield f"pairs/{number % PAIRS}"
        yield "git/" + toggle.name(number * 7919 % toggle.files)
        if number % 8 == 0:
            yield "all"


def check_for(
    versioned: VersionedPairs, toggle: Toggle
) -> Callable[[str, dict[str, Any], int, int], list[str]]:
    """How an answer is judged."""

    def check(name: str, result: dict[str, Any], sent_ns: int, received_ns: int) -> list[str]:
        if name.startswith("git/"):
            return toggle.wrong_with(name, result["text"], sent_ns, received_ns)
        return pairs_check(versioned, name, result, sent_ns, received_ns)

    return check


def run(place: Path, seconds: float, files: int, kill_every_s: float, faults: Sequence[str]) -> Outcome:
    """The whole of it in a directory whose path is short, for so many seconds after the start."""
    versioned = VersionedPairs(place / "library", PAIRS)
    (versioned.root / "large.md").write_text("A line of a large prompt.\n" * 20_000)
    toggle = Toggle(versioned.root / "git", files)
    context = FaultContext(place, versioned, toggle, kill_every_s=kill_every_s)
    context.begin()
    try:
        context.daemon.ask("ping")
        return _play(context, seconds, faults)
    finally:
        context.daemon.close()


def _play(context: FaultContext, seconds: float, faults: Sequence[str]) -> Outcome:
    names, check = names_for(context.toggle), check_for(context.versioned, context.toggle)
    load = Load(context.daemon.socket, CONNECTIONS, names, check)
    sampling = threading.Thread(target=fault_actions.sample, args=(context,))
    began_s = time.monotonic()
    with Writers(context.versioned, range(PAIRS), pause_s=WRITE_PAUSE_S):
        load.phase = "before"
        load.start()
        sampling.start()
        try:
            _wait(BEFORE * seconds)
            before = open_for_long(context.daemon.process.pid)
            load.phase = "during"
            _go_wrong(context, DURING * seconds, faults)
            context.daemon.ask("ping")
            load.phase = "after"
            _wait((1 - BEFORE - DURING) * seconds)
            after = open_for_long(context.daemon.process.pid)
        finally:
            context.is_left.set()
            load.stop()
            sampling.join()
    context.daemon.snapshot()  # whole, or this raises
    return _outcome(context, load, time.monotonic() - began_s, (before, after))


def _outcome(context: FaultContext, load: Load, seconds: float, open_descriptors: tuple[int, int]) -> Outcome:
    last = context.memory.get(context.daemon.process.pid, [])
    return Outcome(
        seconds=seconds,
        served=load.served,
        inconsistent=load.inconsistent,
        wrong=load.wrong,
        errors=dict(load.errors),
        latencies_us=load.latencies_us,
        done=dict(context.done),
        memory=last[len(last) // 3 :],
        peak_bytes=max((used for points in context.memory.values() for _, used in points), default=0.0),
        descriptors_before=open_descriptors[0],
        descriptors_after=open_descriptors[1],
        unforeseen=len(context.daemon.log("unforeseen error")),
    )


def _wait(seconds: float) -> None:
    threading.Event().wait(seconds)


def _go_wrong(context: FaultContext, seconds: float, faults: Sequence[str]) -> None:
    """Every fault at once, each in its thread."""
    threads = [threading.Thread(target=FAULTS[fault], args=(context,)) for fault in faults]
    for thread in threads:
        thread.start()
    _wait(seconds)
    context.is_over.set()
    for thread in threads:
        thread.join()


def table(outcome: Outcome) -> str:
    """One line for each figure."""
    lines = [
        ("requests served", f"{outcome.served} in {outcome.seconds:.0f} s, {CONNECTIONS} connections"),
        ("wrong answers", f"{len(outcome.wrong)}"),
        ("not called consistent", f"{outcome.inconsistent}"),
        ("errors by kind", _counts(outcome.errors)),
        ("done meanwhile", _counts(outcome.done)),
        *((f"latency {phase}", _percentiles(times)) for phase, times in outcome.latencies_us.items()),
        ("memory", _memory(outcome)),
        ("descriptors", f"{outcome.descriptors_before} before, {outcome.descriptors_after} after"),
        ("unforeseen errors logged", f"{outcome.unforeseen}"),
    ]
    rows = [f"  {name:26} {value}" for name, value in lines]
    return "\n".join([*rows, *(f"  wrong: {problem}" for problem in outcome.wrong[:10])])


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) or "none"


def _percentiles(times_us: list[int]) -> str:
    ordered = sorted(times_us)
    p50, p99 = (ordered[int(share * (len(ordered) - 1))] / 1000 for share in (0.5, 0.99))
    return (
        f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {ordered[-1] / 1000:.0f} ms ({len(ordered)} requests)"
    )


def _memory(outcome: Outcome) -> str:
    points = outcome.memory
    if not points:
        return "not measured"
    lasted_s = points[-1][0] - points[0][0]
    return (
        f"{slope(points) * 60 / 1e6:+.1f} MB a minute over the last {lasted_s:.0f} s of the last daemon,"
        f" {points[-1][1] / 1e6:.0f} MB at the end; peak of all {outcome.peak_bytes / 1e6:.0f} MB"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and print the table; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="from the first request to the last")
    parser.add_argument("--files", type=int, default=GIT_FILES, help="in the repository that toggles")
    parser.add_argument(
        "--kill-every", type=float, default=fault_actions.KILL_EVERY_S, help="seconds between two kills"
    )
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS), help="only these")
    chosen = parser.parse_args(arguments)
    if not fault_actions.has_git():
        print("promptd chaos: git is not installed")
        return 1
    system = os.uname()
    print(
        f"promptd chaos: {system.sysname} {system.release}, {os.cpu_count()} cores,"
        f" {chosen.files} files in git"
    )
    with TemporaryDirectory(prefix="promptd-") as short:
        outcome = run(Path(short), chosen.seconds, chosen.files, chosen.kill_every, chosen.faults)
    print(table(outcome))
    print("  " + ("all as it should be" if outcome.is_right else "WRONG"))
    return 0 if outcome.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
