"""What a process uses, read from outside: resident memory and open descriptors."""

import os
import time
from collections.abc import Sequence

import psutil


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return psutil.Process(pid).memory_info().rss


def descriptors(pid: int) -> int:
    """How many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def open_for_long(pid: int) -> int:
    """The fewest of twenty looks in a fifth of a second: what is open for a moment is not lost."""
    found = []
    for _ in range(20):
        found.append(descriptors(pid))
        time.sleep(0.01)
    return min(found)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: by how much the second figure grows for each unit of the first; 0 for less than two."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
