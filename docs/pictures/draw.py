"""Draw the pictures of the README: `make pictures`. Two minutes, and chromium for the report.

A real daemon on a copy of the library that ships in the package, real requests of the mix that `bench`
uses at a rate that rises and falls, real edits; what `promptd top` and `promptd report` show of it. Nothing
in the pictures is made up, so they differ a little each time.
"""

import math
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI

from promptd.cli.bench.candidates import prepare
from promptd.cli.bench.load import closed_loop
from promptd.cli.child import ChildDaemon, child_daemon, temporary_directory
from promptd.cli.top.screen import frame
from promptd.cli.top.state import TopState
from promptd.client import Client
from promptd.engine.embedded import Engine

HERE = Path(__file__).parent
SECONDS = 130
COLUMNS, LINES = 80, 24
WIDTH, HEIGHT = 1280, 1250  # of the report; what is below is in the report itself
SETTINGS = {
    "PROMPTD_ALERTS_WARMUP": "5",
    "PROMPTD_ALERTS_RAISE_AFTER": "10",
    "PROMPTD_MONITOR_SAMPLE_INTERVAL": "1",
    "PROMPTD_MONITOR_SNAPSHOT_INTERVAL": "1",
    "PROMPTD_MONITOR_HISTORY_INTERVAL": "1",
    "PROMPTD_TOKENS_STRATEGY": "aggressive",
    "PROMPTD_TOKENS_MODEL": "a-model",
    "PROMPTD_TOKENS_MODELS": '{"a-model": {"input": 3.0}}',
}


def main() -> None:
    """Serve, ask, draw."""
    with temporary_directory("pictures") as directory:
        library = directory / "library"
        with as_file(files("promptd.cli.demo") / "library") as shipped:
            shutil.copytree(shipped, library)
        with child_daemon(directory, [str(library)], SETTINGS) as daemon:
            state = watched(daemon, library)
            draw_top(state)
            draw_report(directory)


def watched(daemon: ChildDaemon, library: Path) -> TopState:
    """Ask for SECONDS; what `top` saw meanwhile, once a second."""
    state = TopState()
    with Engine.open(library) as engine:
        lines = prepare(engine, ("commands/**", "agents/**"), seed=1).lines(label="pictures")
    with Client(str(daemon.socket)) as client:
        for second in range(SECONDS):
            began = time.monotonic()
            ask(daemon, lines, second)
            if second % 9 == 4:
                edit(library, second)
            state.take(client.health())
            time.sleep(max(began + 1 - time.monotonic(), 0))
    return state


def ask(daemon: ChildDaemon, lines: Iterator[bytes], second: int) -> None:
    """One second's requests: a wave, with some chance in it."""
    count = 60 + 45 * math.sin(second / 14) + random.Random(second).randrange(30)
    closed_loop(daemon.socket, 2, lines, count=int(count))


def edit(library: Path, second: int) -> None:
    """Change a component that many prompts include."""
    path = library / "components" / "reporting" / "evidence.md"
    text = re.sub(r"\nEdited .*", "", path.read_text().rstrip())
    path.write_text(f"{text}\nEdited in second {second}.\n")


def draw_top(state: TopState) -> None:
    """The screen as SVG, without the fonts that rich would have a browser fetch."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor"
    )
    for line in frame(state, COLUMNS, LINES):
        console.print(line)
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="promptd top", theme=DIMMED_MONOKAI, code_format=form, unique_id="top")
    (HERE / "top.svg").write_text("".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip()))


def draw_report(directory: Path) -> None:
    """The upper part of the page as a browser shows it."""
    page = directory / "report.html"
    command = [
        sys.executable,
        "-m",
        "promptd",
        "report",
        "--html",
        str(page),
        "--state",
        str(directory / "state"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium: the report's picture is left as it was")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={WIDTH},{HEIGHT}",
    ]
    picture = f"--screenshot={HERE / 'report.png'}"
    subprocess.run([chromium, *options, picture, page.as_uri()], check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main()
