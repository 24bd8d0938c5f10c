"""Instructions of the hot path, a request: a figure that a noisy machine cannot change.

    python -m benchmarks.instructions

Runs the hot path twice under callgrind, with few and with many turns; the difference is what the turns cost,
free of start-up. User-space instructions only: a stat call counts as its entry, the kernel's sockets are no
part of it. Tokens are words here, for loading a real vocabulary under valgrind takes a minute: encoding is
not in the figure of new values. Addresses vary a little from run to run, so figures repeat to about 1 %.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count, islice, repeat

from benchmarks import libraries
from benchmarks.hot_path import HotPath
from promptd.tokenizer import Tokenizer

FEW, MANY = 20, 120
_COLLECTED = re.compile(r"Collected : (\d+)")


class _Words(Tokenizer):
    """Counts words."""

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]


def turns(what: str, connections: int, times: int) -> None:
    """What runs under valgrind."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = HotPath(libraries.served(directory, 10_000), connections, _Words())
        same = path.ask(project="MyProject", task="say what is slow")
        path.warm(same)
        new = (path.ask(project=f"p{at}", task=f"task {at}") for at in count())
        source = repeat(same) if what == "same" else new
        lines = [list(islice(source, connections)) for _ in range(MANY)]  # the same preparation for both
        for each in lines[:times]:
            path.turn(each)


def instructions(what: str, connections: int) -> float:
    """Instructions a request, start-up taken off."""
    few, many = (_collected(what, connections, times) for times in (FEW, MANY))
    return (many - few) / (MANY - FEW) / connections


def _collected(what: str, connections: int, times: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable]
    command += ["-m", "benchmarks.instructions", what, str(connections), str(times)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONMALLOC": "malloc"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = _COLLECTED.search(done.stderr)
    if found is None:
        raise RuntimeError(f"valgrind said {done.stderr[-500:]!r}")
    return int(found[1])


def main() -> None:
    """Print the table, or run what is counted."""
    if len(sys.argv) == 4:
        turns(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: no instruction counts")
        return
    print("| hot path, 12 components of 10 KB | instructions a request |\n|---|---|")
    for what, connections in (("same", 1), ("same", 64), ("new", 16)):
        counted = instructions(what, connections)
        print(f"| {what} values, {connections} a turn | {counted:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
