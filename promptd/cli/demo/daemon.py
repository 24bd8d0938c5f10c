"""The demo's daemon: a child process on a temporary copy of the library that ships in the package."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from promptd.cli.child import ChildDaemon, child_daemon, temporary_directory

SNAPSHOT_EVERY_S = "0.5"  # the default of 10 s would make the demo wait


@dataclass(frozen=True, slots=True)
class DemoDaemon(ChildDaemon):
    """A running daemon with a library of its own."""

    @property
    def library(self) -> Path:
        """The copied library; the demo may edit it."""
        return self.directory / "library"


@contextmanager
def demo_daemon() -> Iterator[DemoDaemon]:
    """A daemon on a fresh copy of the demo library, ready to answer; stopped and removed at the end.

    Raises:
        Internal: it did not come up; the detail `log` has the end of its log.
    """
    with temporary_directory("demo") as directory:
        library = directory / "library"
        _copy_library(library)
        settings = {"PROMPTD_MONITOR_SNAPSHOT_INTERVAL": SNAPSHOT_EVERY_S}
        with child_daemon(directory, [str(library)], settings) as child:
            yield DemoDaemon(child.process, child.directory, child.ready_after_s)


def _copy_library(target: Path) -> None:
    with as_file(files("promptd.cli.demo") / "library") as library:
        shutil.copytree(library, target)
