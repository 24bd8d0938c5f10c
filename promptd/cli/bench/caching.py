"""Caching: the cache hit ratio of a daemon that has just started, over the request mix.

Two ratios: the prompts for which no file had to be read (the figure of the daemon's own target,
`hit_ratio.served`), and the components of all replies that were in the cache. Hits and misses of each cache
are reported too, since a single ratio is easily flattered.
"""

from pathlib import Path
from typing import Any

import msgspec

from promptd.cli.bench.load import closed_loop
from promptd.cli.bench.mix import ZIPF_EXPONENT, Mix
from promptd.cli.bench.results import Caching, Lookups
from promptd.client import Client
from promptd.sources.loader import Progress

REQUESTS = 2_000
CACHES = ("served", "components", "prompts", "compiled_prompts")


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
    used = done = 0

    def count(reply: bytes) -> None:
        nonlocal used, done
        used += _components_in(reply)
        done += 1
        if progress is not None and not done % 50:
            progress(done, requests)

    with Client(str(socket)) as client:
        before = client.statistics()
        timings = closed_loop(socket, 1, mix.lines(label="caching"), count=requests, on_reply=count)
        after = client.statistics()
    by_kind = {kind: _difference(before["cache"][kind], after["cache"][kind]) for kind in CACHES}
    misses = by_kind["components"].misses
    return Caching(
        requests=len(timings.took_ms),
        errors=timings.errors,
        zipf_exponent=ZIPF_EXPONENT,
        hit_ratio=by_kind["served"].hit_ratio,
        component_hit_ratio=1 - misses / used if used else None,
        component_requests=used,
        component_misses=misses,
        cache_entries=after["cache"]["components"]["max_entries"],
        components=len(mix.components),
        by_kind=by_kind,
    )


def _components_in(reply: bytes) -> int:
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
