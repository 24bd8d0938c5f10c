"""State of `top`: the last snapshots, the sort order, the filter, the row under the cursor.

Pure: snapshots and keys go in, the screen reads the rest. `press` returns what the loop has to do.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from promptd.cli.figures import dig

Order = Literal["requests", "tokens", "total", "cost", "name"]
ORDERS: tuple[Order, ...] = ("requests", "total", "tokens", "cost", "name")
TopAction = Literal["quit", "open"]
KEPT = 300  # points of a sparkline: more than any terminal is wide
PAGE = 10
_FIELDS: Mapping[Order, str] = {
    "requests": "requests",
    "tokens": "tokens",
    "total": "tokens_total",
    "cost": "cost_total",
}


@dataclass(slots=True)
class Sparkline:
    """The figures of the last snapshots, oldest first; None where there was no data."""

    latency_ms: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))
    hit_ratio: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))
    requests_per_s: deque[float | None] = field(default_factory=lambda: deque(maxlen=KEPT))


class TopState:
    """Everything that is shown, and how."""

    def __init__(self) -> None:
        self.health: dict[str, Any] = {}
        self.trouble = ""
        self.series = Sparkline()
        self.order: Order = "requests"
        self.filter = ""
        self.is_typing = False
        self.cursor = 0
        self.opened: dict[str, Any] | None = None  # the reply whose tree is shown
        self.scroll = 0
        self._before: tuple[float, int] | None = None

    def __repr__(self) -> str:
        return f"<TopState of top, by {self.order}, filter {self.filter!r}>"

    def take(self, health: dict[str, Any]) -> None:
        """A new snapshot."""
        self.health, self.trouble = health, ""
        window = dig(health, "windows", "1m") or {}
        latency = window.get("latency_ms") or {}
        self.series.latency_ms.append(latency.get("p95") if latency.get("count") else None)
        self.series.hit_ratio.append(dig(window, "hit_ratio", "served"))
        self.series.requests_per_s.append(self._rate(health))
        self.cursor = min(self.cursor, max(len(self.rows()) - 1, 0))

    def _rate(self, health: Mapping[str, Any]) -> float | None:
        """Requests a second since the snapshot before; None for the first, or after a restart."""
        now = (float(health.get("uptime_s", 0.0)), int(dig(health, "requests", "requests") or 0))
        before, self._before = self._before, now
        if before is None or now[0] <= before[0] or now[1] < before[1]:
            return None
        return (now[1] - before[1]) / (now[0] - before[0])

    def rows(self) -> list[dict[str, Any]]:
        """The prompts that fit the filter, in order; the busiest and the most expensive are known."""
        prompts = self.health.get("prompts") or {}
        found = {row["name"]: row for key in ("hottest", "most_expensive") for row in prompts.get(key, ())}
        kept = [row for name, row in sorted(found.items()) if self.filter.lower() in name.lower()]
        if self.order == "name":
            return kept
        member = _FIELDS[self.order]
        return sorted(kept, key=lambda row: -(row.get(member) or 0))

    def selected(self) -> dict[str, Any] | None:
        """The row under the cursor."""
        rows = self.rows()
        return rows[self.cursor] if self.cursor < len(rows) else None

    # -- keys -------------------------------------------------------------------------------------

    def press(self, key: str) -> TopAction | None:
        """Take a key; what the loop has to do for it, or None."""
        if self.is_typing:
            self._type(key)
            return None
        if self.opened is not None:
            return self._press_in_tree(key)
        match key:
            case "q":
                return "quit"
            case "enter":
                return "open" if self.selected() else None
            case "/" | "f":
                self.is_typing, self.filter = True, ""
            case "escape":
                self.filter = ""
            case "s":
                self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]
            case _:
                self.cursor = _moved(self.cursor, key, len(self.rows()))
        return None

    def _press_in_tree(self, key: str) -> TopAction | None:
        match key:
            case "q":
                return "quit"
            case "escape" | "enter" | "backspace" | "left":
                self.opened, self.scroll = None, 0
            case _:
                self.scroll = _moved(self.scroll, key, len((self.opened or {}).get("manifest", ())))
        return None

    def _type(self, key: str) -> None:
        if key in ("enter", "escape"):
            self.is_typing = False
            self.filter = "" if key == "escape" else self.filter
        elif key == "backspace":
            self.filter = self.filter[:-1]
        elif len(key) == 1 and key.isprintable():
            self.filter += key
        self.cursor = 0

    def open(self, reply: dict[str, Any]) -> None:
        """Show the token tree of an assembled prompt."""
        self.opened, self.scroll = reply, 0


def _moved(at: int, key: str, length: int) -> int:
    steps = {"up": -1, "k": -1, "down": 1, "j": 1, "pageup": -PAGE, "pagedown": PAGE}
    ends = {"home": -length, "g": -length, "end": length, "G": length}
    return min(max(at + steps.get(key, ends.get(key, 0)), 0), max(length - 1, 0))
