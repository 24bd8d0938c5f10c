"""`make bench`: every figure, in under ten minutes, as one table in docs/performance.md.

    python -m benchmarks.bench [--keep] [PART ...]        parts: peers values mcp small
    many change loading sweeping

Without parts it measures all of them and rewrites the table between the marks in docs/performance.md. With
parts it only prints, and with `--keep` puts their rows in the place of the same rows of that table.
Everything is generated in a temporary directory. Ratios come from one run, each the median of interleaved
repetitions: machines differ, and the same machine differs from minute to minute.
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks import scaling, serving, starting, sweeping
from benchmarks.table import Row, render

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
_PACKAGES = ("uvloop", "msgspec", "tiktoken", "watchfiles", "jinja2", "mcp")

Part = Callable[[str], list[Row]]


_PARTS: dict[str, Part] = {
    "peers": serving.against_peers,
    "values": serving.new_values,
    "mcp": serving.against_mcp,
    "small": starting.small,
    "many": starting.many,
    "change": lambda _: scaling.one_change(),
    "loading": scaling.loading,
    "sweeping": sweeping.reconciling,
}


def main(chosen: list[str]) -> None:
    """Measure the parts, print their table, and keep it if it is whole."""
    started = time.monotonic()
    rows: list[Row] = []
    is_kept = not chosen or "--keep" in chosen
    chosen = [name for name in chosen if name != "--keep"]
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        for name, part in _PARTS.items():
            if not chosen or name in chosen:
                print(f"… {name}", file=sys.stderr, flush=True)
                os.makedirs(f"{directory}/{name}")
                rows += part(f"{directory}/{name}")
    what = f" of {', '.join(chosen)}" if chosen else ""
    said = f"{_machine()}, {time.monotonic() - started:.0f} s{what}: `make bench`"
    print(f"{render(rows)}\n\n{said}")
    if is_kept:
        _keep(render(rows), said, is_whole=not chosen)


def _keep(table: str, said: str, *, is_whole: bool) -> None:
    """Put the table, or its rows in the place of the same ones, into the page, with what was measured on."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    held, _, after = rest.partition(END)
    if not is_whole:
        new = {line.split("|")[1]: line for line in table.splitlines()[2:]}
        old = held.strip().splitlines()
        rows = [new.pop(line.split("|")[1], line) for line in old if line.startswith("|")]
        notes = [line for line in old if line and not line.startswith("|") and what_of(line) != what_of(said)]
        table, said = "\n".join([*rows, *new.values()]), "\n\n".join([*notes, said])
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n\n{said}\n{END}{after}", encoding="utf-8")


def what_of(said: str) -> str:
    """The parts that a line about the machine speaks of."""
    return said.rpartition(" s of ")[2] if " s of " in said else ""


def _machine() -> str:
    packages = ", ".join(f"{name} {_version(name)}" for name in _PACKAGES)
    peers = ", ".join(filter(None, (_said("redis-server", "--version"), _said("nginx", "-v"))))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    system = f"{os.cpu_count()} cores ({_processor()}; load {load} at the end), Linux {platform.release()}"
    return f"{system}, Python {platform.python_version()}, {packages}, {peers}, {time.strftime('%Y-%m-%d')}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _said(*command: str) -> str:
    """What a program says of its version, in a few words."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return f"{command[0]} missing"
    said = (done.stdout or done.stderr).strip().removeprefix("nginx version: ")
    return " ".join(word for word in said.split()[:3] if word != "server")


if __name__ == "__main__":
    main(sys.argv[1:])
