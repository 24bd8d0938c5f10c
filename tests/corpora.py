"""Two real libraries, `swm-factory` and `gsd`, for tests that compare with figures counted independently.

They are not part of this repository: $PROMPTD_CORPORA names the directory that holds them. Tests that need
them are skipped without it.
"""

import os
from pathlib import Path

DIRECTORY = Path(os.environ.get("PROMPTD_CORPORA") or "/nonexistent")
MISSING = "set PROMPTD_CORPORA to the directory that holds swm-factory/ and gsd/"


def has_corpora() -> bool:
    """True if the libraries are there."""
    return DIRECTORY.is_dir()


def root_of(name: str) -> Path:
    """The root directory of one of the libraries."""
    return DIRECTORY / name / "library"
