"""Instructions of the hot path, a request: a figure that a noisy machine cannot change.

    python -m benchmarks.instructions [--keep]

Each figure is held against the one in instructions.json, and the program ends with 1 if one of them grew by
more than 5 %; `--keep` writes that file anew, which belongs into the commit that changes the figures.

Runs the hot path twice under callgrind, with few and with many turns; the difference is what the turns cost,
free of start-up. User-space instructions only: a stat call counts as its entry, the kernel's sockets are no
part of it. Tokens are words here, for loading a real vocabulary under valgrind takes a minute: encoding is
not in the figure of new values. Addresses vary a little from run to run, so figures repeat to about 1 %.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count, islice, repeat
from pathlib import Path

from benchmarks import libraries
from benchmarks.hot_path import HotPath
from promptd.engine.tokenizer import Tokenizer

REFERENCE = Path(__file__).with_name("instructions.json")
TOLERATED = 1.05  # on one machine figures repeat to 1 %; another interpreter or libc may need `--keep` first
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


def main() -> int:
    """Print the table, or run what is counted."""
    if len(sys.argv) == 4:
        turns(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed: no instruction counts")
        return 0
    reference: dict[str, int] = json.loads(REFERENCE.read_text(encoding="utf-8"))
    print("| hot path, 12 components of 10 KB | instructions a request | kept | change |\n|---|---|---|---|")
    found: dict[str, int] = {}
    for what, connections in (("same", 1), ("same", 64), ("new", 16)):
        name = f"{what} values, {connections} a turn"
        found[name] = round(instructions(what, connections))
        kept = reference.get(name, found[name])
        print(f"| {name} | {found[name]:,} | {kept:,} | {found[name] / kept - 1:+.1%} |", flush=True)
    if "--keep" in sys.argv:
        REFERENCE.write_text(f"{json.dumps(found, indent=2)}\n", encoding="utf-8")
        return 0
    grown = [name for name, count in found.items() if count > reference.get(name, count) * TOLERATED]
    if grown:
        print(f"more instructions than kept: {', '.join(grown)}", file=sys.stderr)
    return 1 if grown else 0


if __name__ == "__main__":
    sys.exit(main())
