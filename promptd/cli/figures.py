"""How `top`, `report` and `bench` write a share, a count, a cost or a size; "-" for None."""

from collections.abc import Mapping
from typing import Any

NOTHING = "-"


def dig(found: Any, *path: str) -> Any:
    """A value deep in a snapshot, None if something on the way is missing."""
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def percent(share: float | None) -> str:
    """`0.314` → `31.4 %`."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def number(value: float | None) -> str:
    """`1234.5` → `1,234`."""
    return NOTHING if value is None else f"{value:,.0f}"


def cost(value: float | None) -> str:
    """`1.5` → `1.50`, in the currency of the configured prices."""
    return NOTHING if value is None else f"{value:,.2f}"


def megabytes(size_bytes: float | None) -> str:
    """`123_000_000` → `123 MB`."""
    return NOTHING if size_bytes is None else f"{size_bytes / 1e6:,.0f} MB"
