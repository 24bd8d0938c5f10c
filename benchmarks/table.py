"""Rows of the table, and the statistics they are made of."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

CLIENT_BOUND = "client-bound"
CLIENT_CORES = 0.9  # more of a core than this, and the client may well have been the slower of the two


@dataclass(frozen=True, slots=True)
class Row:
    """One figure: what it is, what was measured, what it must and should be, and how it was made."""

    figure: str
    value: str
    must: str
    aim: str
    how: str

    @staticmethod
    def skipped(figure: str, why: str) -> "Row":
        """A figure that could not be made here."""
        return Row(figure, "skipped", "", "", why)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of interleaved repetitions: what both suffered at the same time cancels."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def unless_client_bound(value: str, client_cores: Iterable[float]) -> str:
    """The ratio, or CLIENT_BOUND if in any run behind it the client used more than CLIENT_CORES of a core.

    The client has one thread. One that is busy all the time cannot ask faster, so the figure would compare
    a server with the client: a peer that could do more looks slower than it is.
    """
    return CLIENT_BOUND if max(client_cores, default=0.0) > CLIENT_CORES else value


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that `percent` % of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def render(rows: Sequence[Row]) -> str:
    """The table in Markdown."""
    lines = ["| figure | measured | required | target | how |", "|---|---|---|---|---|"]
    lines += [f"| {row.figure} | **{row.value}** | {row.must} | {row.aim} | {row.how} |" for row in rows]
    return "\n".join(lines)
