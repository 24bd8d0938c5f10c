"""`make soak`: the laws of this directory at length, and a report. `--steps`, `--changes` say how long.

The state machine runs in three processes at once, one for each way of watching; then the register check, a
flood, and the churn. Each prints what it did as soon as it is done. Exits 1 if anything was wrong.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.proofs import (
    churn,
    daemons,
    flood,
    machine,
)
from tests.proofs.machine import Proof
from tests.proofs.observers import observe
from tests.proofs.random_library import RandomLibrary
from tests.proofs.register import violations
from tests.proofs.writers import VersionedPairs

STEPS_AN_EXAMPLE = 50
PAUSES = 30  # two seconds each
MAX_GROWN_BYTES = 16_000_000  # over 67,000 measured changes: 240 bytes a change


@dataclass(frozen=True, slots=True)
class Walked:
    """What one state machine did; `problem` is "" if it found nothing wrong."""

    way: str
    steps: Counter[str]
    pauses: int
    answers: int
    mismatches: int
    seconds: float
    problem: str


def walk(way: str, steps: int) -> Walked:
    """The state machine, that many steps and more, against a daemon of one way."""
    began_s = time.monotonic()
    with TemporaryDirectory(prefix="promptd-") as short:
        place = Path(short)
        library = RandomLibrary(place / "library")
        daemon = daemons.start(way, place / "run", library.root)
        problem = ""
        try:
            proof = Proof(library, daemon, pauses=PAUSES)
            while not problem and proof.steps.total() < steps:
                problem = _examples(proof, steps - proof.steps.total())
            problem = problem or "".join(map(str, daemon.log("unforeseen error")[:1]))
        finally:
            daemon.close()
    seconds = time.monotonic() - began_s
    return Walked(way, proof.steps, proof.pauses, proof.answers, proof.mismatches, seconds, problem)


def _examples(proof: Proof, steps: int) -> str:
    try:
        machine.run(
            proof,
            examples=max(1, steps // STEPS_AN_EXAMPLE),
            steps=STEPS_AN_EXAMPLE,
            pause_every=100,
            is_random=True,
        )
    except AssertionError as wrong:
        return str(wrong)
    return ""


def soak_machine(steps: int) -> bool:
    """All three ways at once, a third of the steps each."""
    with ProcessPoolExecutor(len(daemons.WAYS)) as pool:
        walked = list(pool.map(walk, daemons.WAYS, [-(-steps // 3)] * 3))
    print("state machine: after each step every answer of a daemon equals a cold start's")
    print(f"  {'operation':30}", *(f"{each.way:>10}" for each in walked))
    for kind in sorted(set().union(*(each.steps for each in walked))):
        print(f"  {kind:30}", *(f"{each.steps[kind]:>10}" for each in walked))
    rows = {
        "steps": [each.steps.total() for each in walked],
        "pauses for files to age": [each.pauses for each in walked],
        "answers compared": [each.answers for each in walked],
        "mismatches": [each.mismatches for each in walked],
        "seconds": [round(each.seconds) for each in walked],
    }
    for name, figures in rows.items():
        print(f"  {name:30}", *(f"{figure:>10}" for figure in figures))
    print(f"  in all {sum(rows['steps'])} steps, {sum(rows['mismatches'])} mismatches")
    for each in walked:
        if each.problem:
            print(f"  {each.way}: {each.problem}")
    return not any(each.problem or each.mismatches for each in walked)


def soak_register(seconds: float) -> bool:
    """Readers among writers, a third of the time each way."""
    print("register: no read is stale, unreal, or a mixed pair said to be consistent")
    found: list[str] = []
    for way in daemons.WAYS:
        with TemporaryDirectory(prefix="promptd-") as short:
            versioned = VersionedPairs(Path(short) / "library", 4)
            daemon = daemons.start(way, Path(short) / "run", versioned.root)
            try:
                daemon.ask("ping")
                reads = observe(daemon.socket, versioned, readers=6, seconds=seconds / 3)
            finally:
                daemon.close()
        wrong = violations(reads, versioned.writes, versioned.pairs)
        found += wrong
        writes = sum(len(each.completed_ns) for each in versioned.writes.values())
        loose = sum(not read.is_consistent for read in reads)
        print(
            f"  {way:10} 4 writers, 6 readers: {writes} writes, {len(reads)} reads ({loose} not called"
            f" consistent), {len(wrong)} violations"
        )
    print(*(f"  {problem}" for problem in found[:10]), sep="\n", end="")
    return not found


def soak_flood() -> bool:
    """One good client among many bad ones."""
    with TemporaryDirectory(prefix="promptd-") as short:
        daemon = flood.start(Path(short))
        try:
            with daemon.connect() as good:
                result = flood.run(daemon, good)
        finally:
            daemon.close()
    print(f"flood: {result}")
    return result.descriptors_during <= flood.DESCRIPTORS


def soak_churn(changes: int) -> bool:
    """Memory, descriptors and the graph over so many changes."""
    with TemporaryDirectory(prefix="promptd-") as short:
        changing = churn.Churn(Path(short) / "library", seed=2)
        daemon = daemons.start("watched", Path(short) / "run", changing.root)
        try:
            daemon.ask("ping")
            found = churn.run(daemon, changing, changes)
        finally:
            daemon.close()
    print(f"churn: {found}")
    return not found.wrong and found.nodes == found.files and found.grown_bytes < MAX_GROWN_BYTES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all of it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.soak", description=__doc__)
    parser.add_argument("--steps", type=int, default=10_200, help="of the state machine, in all")
    parser.add_argument("--changes", type=int, default=100_000, help="of the churn")
    parser.add_argument("--register-s", type=float, default=30.0, help="seconds of the register check")
    chosen = parser.parse_args(arguments)
    system = os.uname()
    began_s = time.monotonic()
    print(
        f"promptd soak: {system.sysname} {system.release}, {os.cpu_count()} cores, Python "
        f"{sys.version.split()[0]}"
    )
    is_right = soak_machine(chosen.steps)
    is_right &= soak_register(chosen.register_s)
    is_right &= soak_flood()
    is_right &= soak_churn(chosen.changes)
    print(f"{'all as it should be' if is_right else 'WRONG'}, {time.monotonic() - began_s:.0f} s")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
