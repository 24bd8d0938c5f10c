"""Machine instructions that pieces of work take, counted by callgrind: the same on a busy machine.

Valgrind is told to write down its counts whenever `getppid` is called, which nothing else does here, so that
one process counts many pieces of work. Run as a program it is what is counted: each pattern against all of its
attacks, at each size.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.core.growth.attacks import attacks, patterns, uses

SIZES = (500, 4_000)
_TOTAL = re.compile(r"^totals: (\d+)$", re.MULTILINE)


def counted(directory: Path, names: Sequence[str]) -> list[list[int]]:
    """For each name of a pattern, the instructions at each of the sizes."""
    out = directory / "callgrind"
    command = ["valgrind", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={out}"]
    command += [sys.executable, "-m", "tests.core.growth.instructions", *names]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(command, env=environment, capture_output=True, check=True)
    totals = [_total(out.with_name(f"{out.name}.{number}")) for number in range(1, 2 + 2 * len(names) * len(SIZES))]
    work = totals[1::2]  # the others are what lies between two pieces of work
    return [work[at : at + len(SIZES)] for at in range(0, len(work), len(SIZES))]


def _total(path: Path) -> int:
    found = _TOTAL.search(path.read_text(encoding="utf-8"))
    assert found is not None, path
    return int(found[1])


def work_of(name: str, size: int) -> Callable[[], None]:
    """All attacks of a size on one pattern, made ready; calling it matches them."""
    pattern = patterns()[name]
    used = uses().get(name.rpartition(".")[2], set())
    texts = [attack.text(size) for attack in attacks(pattern)]
    subjects = texts if isinstance(pattern.pattern, str) else [text.encode() for text in texts]

    def work() -> None:
        for subject in subjects:
            pattern.match(subject)
            if "search" in used:
                for _ in pattern.finditer(subject):
                    pass
            if "fullmatch" in used:
                pattern.fullmatch(subject)

    return work


def main(names: Sequence[str]) -> None:
    """What runs under valgrind: a mark before and after each piece of work."""
    for name in names:
        for size in SIZES:
            work = work_of(name, size)
            os.getppid()
            work()
            os.getppid()
    os.getppid()


if __name__ == "__main__":
    main(sys.argv[1:])
