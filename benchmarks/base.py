"""`make bench BASE=<commit>`: the serving figures of this tree beside those of a commit, from one run.

    python -m benchmarks.base COMMIT

The commit is exported below .cache/base/ and set up there by its own .ci/setup, once. Both daemons run at the
same time on one library, and the repetitions alternate between them. It only prints. Both are asked with
today's request, so it works as far back as `assemble` has not changed.
"""

import contextlib
import io
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import libraries, load_client, servers, serving
from benchmarks.load_client import LoadClient, Result
from benchmarks.servers import THIS_TREE, Missing, Tree
from benchmarks.table import ratios, unless_client_bound

CACHE = Path(THIS_TREE.directory) / ".cache" / "base"
READY_MARK = ".base-is-set-up"
SIZES = ((10_000, (1, 16, 64)), (50_000, (64,)))
SHOWN = {1: "p50_us", 16: "p99_us", 64: "rate"}  # what is asked at so many connections
NAMES = {"p50_us": "p50, µs", "p99_us": "p99, µs", "rate": "requests/s"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both trees, by repetition."""

    figure: str
    field: str
    ours: Sequence[Result]
    base: Sequence[Result]

    def row(self) -> str:
        """Medians, the median of the ratios, and the client's cores."""
        ours, base = ([float(getattr(run, self.field)) for run in runs] for runs in (self.ours, self.base))
        ratio = unless_client_bound(f"{ratios(ours, base):.2f}", serving.cores(self.ours, self.base))
        used = " and ".join(f"{serving.median(runs, 'client_cores'):.2f}" for runs in (self.ours, self.base))
        cells = (f"{statistics.median(ours):.0f}", f"{statistics.median(base):.0f}", f"**{ratio}**", used)
        return f"| {NAMES[self.field]}, {self.figure} | {' | '.join(cells)} |"


def built(commit: str) -> Tree:
    """The tree of a commit with an environment of its own below CACHE, made if it is not there yet."""
    digest = _git("rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}").decode().strip()
    directory = CACHE / digest
    if not (directory / READY_MARK).exists():
        shutil.rmtree(directory, ignore_errors=True)
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", digest))) as archive:
            archive.extractall(directory, filter="data")
        subprocess.run(["bash", ".ci/setup", sys.executable, ".venv"], cwd=directory, check=True)
        (directory / READY_MARK).touch()
    return Tree(str(directory), str(directory / ".venv" / "bin" / "python"))


def _git(*command: str) -> bytes:
    done = subprocess.run(["git", *command], cwd=THIS_TREE.directory, capture_output=True, check=False)
    if done.returncode:
        raise Missing(f"git {' '.join(command)}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


def compared(trees: dict[str, Tree], client: LoadClient, directory: str) -> list[Compared]:
    """The serving figures of `promptd` and `base`: the same values again and again, then new ones."""
    rows = []
    for size_bytes, connections in SIZES:
        place = f"{directory}/{size_bytes}"
        with contextlib.ExitStack() as stack:
            library = libraries.served(f"{place}/library", size_bytes)
            paths = {}
            for name, tree in trees.items():
                Path(place, name).mkdir()
                daemon = servers.promptd(library.directory, f"{place}/{name}", tree=tree)
                paths[name] = stack.enter_context(daemon).path
            targets = {name: serving.assembling(library, path)[0] for name, path in paths.items()}
            runs = serving.interleaved(targets, connections, client)
            rows += [_row(runs, size_bytes, count) for count in connections]
            if size_bytes == SIZES[0][0]:
                rows.append(_new_values(library, paths, client))
    return rows


def _row(runs: serving.Runs, size_bytes: int, count: int) -> Compared:
    figure = f"{size_bytes // 1000} KB, {count} connection{'s' if count > 1 else ''}"
    return Compared(figure, SHOWN[count], runs["promptd", count], runs["base", count])


def _new_values(library: libraries.Served, paths: dict[str, str], client: LoadClient) -> Compared:
    source = random.Random(5)
    runs: dict[str, list[Result]] = {name: [] for name in paths}
    for _ in range(serving.REPETITIONS):
        for name, path in paths.items():
            runs[name].append(serving.with_new_values(library, path, source, client))
    return Compared("10 KB, 16 connections, new values", "rate", runs["promptd"], runs["base"])


def main(commit: str) -> int:
    """Print the table; 1 with a line on standard error if something for it is missing."""
    try:
        client, tree = load_client.compiled(), built(commit)
    except Missing as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        rows = compared({"promptd": THIS_TREE, "base": tree}, client, directory)
    print(f"| figure | this tree | {commit} | this tree / {commit} | client's cores |\n|---|---|---|---|---|")
    print("\n".join(row.row() for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
