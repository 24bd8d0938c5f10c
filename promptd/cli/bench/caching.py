"""Caching: a daemon that has just started gets the request mix; how much of it came out of its memory?

Two ratios from different sides: of the prompts, those for which no file had to be read (the figure that the
daemon's own target is about, `hit_ratio.served`); and of the components that all replies consist of, those
that were in the cache. The look-ups in each cache stand beside them, since one ratio is easily flattered.
"""

from pathlib import Path
from typing import Any

import msgspec

from promptd.cli.bench.load import closed_loop
from promptd.cli.bench.mix import ZIPF_EXPONENT, Mix
from promptd.client import Client
from promptd.sources.loader import Progress

REQUESTS = 2_000
KINDS = ("served", "components", "prompts", "compiled_prompts")


class Lookups(msgspec.Struct, frozen=True, kw_only=True):
    """Look-ups in one cache during the mix."""

    hits: int
    misses: int
    hit_ratio: float | None


class Caching(msgspec.Struct, frozen=True, kw_only=True):
    """What the mix used, and what of it was in memory.

    `hit_ratio`: prompts that needed no file read over prompts; `component_hit_ratio`: 1 - `component_misses`
    / `component_uses`.
    """

    requests: int
    errors: int
    zipf_exponent: float
    hit_ratio: float | None
    component_hit_ratio: float | None
    component_uses: int
    component_misses: int
    cache_entries: int
    components: int
    by_kind: dict[str, Lookups]


class _Entry(msgspec.Struct):
    id: str
    reason: str


class _Result(msgspec.Struct):
    manifest: list[_Entry] | None = None


class _Reply(msgspec.Struct):
    result: _Result | None = None


_decode = msgspec.json.Decoder(_Reply).decode


def measure(
    socket: Path, mix: Mix, *, requests: int | None = None, progress: Progress | None = None
) -> Caching:
    """Send the first `requests` (by default REQUESTS) of the mix, one after the other."""
    requests = requests or REQUESTS
    uses = done = 0

    def count(reply: bytes) -> None:
        nonlocal uses, done
        uses += _uses(reply)
        done += 1
        if progress is not None and not done % 50:
            progress(done, requests)

    with Client(str(socket)) as client:
        before = client.statistics()
        timings = closed_loop(socket, 1, mix.lines(label="caching"), count=requests, on_reply=count)
        after = client.statistics()
    by_kind = {kind: _difference(before["cache"][kind], after["cache"][kind]) for kind in KINDS}
    misses = by_kind["components"].misses
    return Caching(
        requests=len(timings.took_ms),
        errors=timings.errors,
        zipf_exponent=ZIPF_EXPONENT,
        hit_ratio=by_kind["served"].hit_ratio,
        component_hit_ratio=1 - misses / uses if uses else None,
        component_uses=uses,
        component_misses=misses,
        cache_entries=after["cache"]["components"]["max_entries"],
        components=len(mix.components),
        by_kind=by_kind,
    )


def _uses(reply: bytes) -> int:
    """Distinct components whose text went into a reply."""
    result = _decode(reply).result
    if result is None:
        return 0
    if result.manifest is None:
        return 1  # `get`
    return len({entry.id for entry in result.manifest if entry.reason == "included"})


def _difference(before: dict[str, Any], after: dict[str, Any]) -> Lookups:
    hits, misses = (after[name] - before[name] for name in ("hits", "misses"))
    return Lookups(hits=hits, misses=misses, hit_ratio=hits / (hits + misses) if hits + misses else None)
