"""Containment of paths, by name alone: absolute POSIX paths as text; no file is accessed."""

from collections.abc import Collection


def parent(path: str) -> str:
    """The directory that contains a path; the parent of "/" is "/"."""
    return path.rpartition("/")[0] or "/"


def is_within(path: str, directory: str) -> bool:
    """True if `path` is `directory` or below it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def is_within_any(path: str, directories: Collection[str]) -> bool:
    """True if `path` or one of its ancestors is in `directories`; the cost is proportional to its depth."""
    while directories and path not in directories:
        above = parent(path)
        if above == path:
            return False
        path = above
    return bool(directories)
