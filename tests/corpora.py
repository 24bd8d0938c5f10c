"""Two real libraries, `swm-factory` and `gsd`, for tests that compare with figures counted independently.

They are not part of this repository: $PROMPTD_CORPORA names the directory that holds them. Tests that need
them are skipped without it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")

EVERY = max(1, int(os.environ.get("PROMPTD_CORPORA_EVERY") or 24))
DIRECTORY = Path(os.environ.get("PROMPTD_CORPORA") or "/nonexistent")
MISSING = "set PROMPTD_CORPORA to the directory that holds swm-factory/ and gsd/"


def has_corpora() -> bool:
    """True if the libraries are there."""
    return DIRECTORY.is_dir()


def root_of(name: str) -> Path:
    """The root directory of one of the libraries."""
    return DIRECTORY / name / "library"


def sample(items: Iterable[Item]) -> list[Item]:
    """Every 24th of the items, which takes seconds where all of them take a quarter of an hour.

    $PROMPTD_CORPORA_EVERY=1 takes all of them.
    """
    return list(items)[::EVERY]
