"""What a process uses, read from outside: resident memory and open descriptors."""

import os
from collections.abc import Sequence

import psutil


def resident_bytes(pid: int) -> int:
    """Resident memory of a process."""
    return psutil.Process(pid).memory_info().rss


def descriptors(pid: int) -> int:
    """How many descriptors it has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: by how much the second figure grows for each unit of the first; 0 for less than two."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
