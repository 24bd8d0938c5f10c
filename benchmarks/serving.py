"""Figures of a running daemon against its peers: every repetition asks each of them in turn.

The daemon runs as shipped: watcher on, freshness on, statistics on. What Redis and nginx serve is the very
reply line of the daemon.
"""

import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from itertools import repeat
from pathlib import Path

from benchmarks import libraries, peers, servers
from benchmarks.libraries import Served
from benchmarks.load import Load, Result, closed_loop, reply_of
from benchmarks.servers import Missing
from benchmarks.table import Row, ratios
from promptd.client import Client
from promptd.engine.tokenizer import Tokenizer

REPETITIONS = 5
SECONDS = 1.2
CALLS = 300  # of one client after another
VALUES = {"project": "MyProject", "task": "say what is slow, and why"}
REDIS_GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
FLOORS = ("echo", "stat", "proof")  # see floor.py
NGINX_GET = b"GET /prompt.json HTTP/1.1\r\nHost: x\r\n\r\n"

Target = tuple[str, bytes, int]  # socket, request, bytes of a reply (0: it ends with its line)
Runs = dict[tuple[str, int], list[Result]]  # (server, connections) -> repetitions


def against_peers(directory: str, load: Load, client: str) -> list[Row]:
    """Redis and nginx at 10 and 50 KB."""
    small = _runs(f"{directory}/small", 10_000, (1, 16, 64), load)
    large = _runs(f"{directory}/large", 50_000, (64,), load)
    ours = small["promptd", 16]
    return [
        _rate("10 KB, 64 connections", small, "redis", ("≥ 0.45", "≥ 0.8"), client),
        _p50("10 KB, 1 connection", small, ("≤ 2.5", "≤ 1.5"), client),
        _floors(small, client),
        _rate("50 KB, 64 connections", large, "redis", ("≥ 0.7", "≥ 1.0"), client),
        Row(
            "p99, 10 KB, 16 connections",
            f"{statistics.median(run.p99_us for run in ours) / 1000:.2f} ms",
            "≤ 2 ms",
            "≤ 1 ms",
            f"{client}; {_rates(small, 16)}",
        ),
        _rate("10 KB, 64 connections", small, "nginx", ("", ""), client),
        _rate("50 KB, 64 connections", large, "nginx", ("", ""), client),
    ]


def _runs(directory: str, size_bytes: int, connections: tuple[int, ...], load: Load) -> Runs:
    library = libraries.served(f"{directory}/library", size_bytes)
    ask = servers.request("assemble", name=library.name, variables=VALUES)
    with ExitStack() as stack:
        daemon = stack.enter_context(servers.promptd(library.directory, directory))
        line = reply_of(daemon.path, ask, lambda reply: reply.endswith(b"\n"))
        targets: dict[str, Target] = {"promptd": (daemon.path, ask, len(line))}
        with suppress(Missing):
            path = stack.enter_context(servers.redis(directory, line))
            targets["redis"] = (path, REDIS_GET, len(b"$%d\r\n%b\r\n" % (len(line), line)))
        with suppress(Missing):
            path = stack.enter_context(servers.nginx(directory, line))
            head = len(reply_of(path, NGINX_GET, lambda reply: reply.endswith(line))) - len(line)
            targets["nginx"] = (path, NGINX_GET, head + len(line))
        if 1 in connections:
            files = sorted(map(str, Path(library.directory).rglob("*.md")))
            for what in FLOORS:
                path = stack.enter_context(servers.floor(directory, line, what, files))
                targets[what] = (path, ask, len(line))
        return _interleaved(targets, connections, load)


def _interleaved(targets: dict[str, Target], connections: tuple[int, ...], load: Load) -> Runs:
    runs: Runs = defaultdict(list)
    for _ in range(REPETITIONS):
        for count in connections:
            for name, (path, ask, reply_bytes) in targets.items():
                if name in FLOORS and count > 1:
                    continue
                runs[name, count].append(load(path, count, SECONDS, ask, reply_bytes))
    return runs


def _rate(what: str, runs: Runs, peer: str, bounds: tuple[str, str], client: str) -> Row:
    connections = max(count for _, count in runs)
    figure = f"requests/s against {peer}, {what}"
    if not runs[peer, connections]:
        return Row.skipped(figure, f"{peer} is not installed")
    ratio = ratios(
        [run.rate for run in runs["promptd", connections]], [run.rate for run in runs[peer, connections]]
    )
    return Row(figure, f"{ratio:.2f}", *bounds, f"{client}; {_rates(runs, connections)}")


def _rates(runs: Runs, connections: int) -> str:
    medians = {
        name: statistics.median(run.rate for run in results)
        for (name, count), results in runs.items()
        if count == connections and results
    }
    return ", ".join(f"{name} {rate / 1000:.1f}k/s" for name, rate in medians.items())


def _p50(what: str, runs: Runs, bounds: tuple[str, str], client: str) -> Row:
    figure = f"p50 against redis, {what}"
    if not runs["redis", 1]:
        return Row.skipped(figure, "redis is not installed")
    ours, theirs = ([run.p50_us for run in runs[name, 1]] for name in ("promptd", "redis"))
    medians = f"{statistics.median(ours):.0f} µs against {statistics.median(theirs):.0f} µs"
    return Row(figure, f"{ratios(ours, theirs):.2f} x", *bounds, f"{client}; {medians}")


def _floors(runs: Runs, client: str) -> Row:
    """What a bare server on the same loop takes: for the reply alone, and with looks at the files."""
    names = ("redis", *FLOORS, "promptd")
    medians = {
        name: statistics.median(run.p50_us for run in runs[name, 1]) for name in names if runs[name, 1]
    }
    shown = ", ".join(f"{name} {p50_us:.0f}" for name, p50_us in medians.items())
    ours, bare = ([run.p50_us for run in runs[name, 1]] for name in ("promptd", "proof"))
    return Row(
        "p50 against a bare uvloop server that only asks the proof, 10 KB, 1 connection",
        f"{ratios(ours, bare):.2f} x",
        "",
        "",
        f"{client}; p50 in µs: {shown}; benchmarks/floor.py",
    )


# -- values that never come again ----------------------------------------------------------------


def new_values(directory: str) -> list[Row]:
    """New values on every request at 16 connections, against Jinja2 and a plain script in process."""
    library = libraries.served(f"{directory}/library", 10_000)
    source = random.Random(5)
    renders: dict[str, peers.Render] = {"plain script": peers.plain(library)}
    with suppress(Missing):
        renders["jinja2"] = peers.jinja(library, f"{directory}/templates")
    rates: dict[str, list[float]] = defaultdict(list)
    with servers.promptd(library.directory, directory) as daemon:
        for _ in range(REPETITIONS):
            result, replies = closed_loop(daemon.path, 16, SECONDS, _asks(library, source))
            rates["promptd"].append(result.rate)
            _check_counts(replies)
            for name, render in renders.items():
                rates[name].append(_calls(lambda render=render: render(_values(source))))
    return [
        _in_process("jinja2", rates, ("≥ 5 x", "≥ 20 x")),
        _in_process("plain script", rates, ("", "")),
    ]


def _in_process(peer: str, rates: dict[str, list[float]], bounds: tuple[str, str]) -> Row:
    figure = f"new values on every request, 10 KB, 16 connections, exact count, against {peer} in process"
    if peer not in rates:
        return Row.skipped(figure, f"{peer} is not installed (pip install '.[bench]')")
    ours, theirs = (statistics.median(rates[name]) for name in ("promptd", peer))
    shown = f"Python loop (own process: this one); {ours:.0f}/s against {theirs:.0f}/s"
    return Row(figure, f"{ratios(rates['promptd'], rates[peer]):.1f} x", *bounds, shown)


def _values(source: random.Random) -> dict[str, str]:
    words = source.choices(libraries.WORDS, k=9)
    return {"project": f"{words[0]}-{source.randrange(10**9)}", "task": " ".join(words[1:])}


def _asks(library: Served, source: random.Random) -> Iterator[bytes]:
    """Request lines with values that never come again; made beforehand, so as not to slow the client."""
    made = [servers.request("assemble", name=library.name, variables=_values(source)) for _ in range(20_000)]
    yield from made
    while True:
        yield servers.request("assemble", name=library.name, variables=_values(source))


def _check_counts(replies: list[bytes]) -> None:
    count = Tokenizer().count
    for line in replies:
        result = json.loads(line)["result"]
        if result["tokens"] != count(result["text"]):
            raise RuntimeError(f"{result['tokens']} tokens said, {count(result['text'])} counted")


def _calls(call: Callable[[], object]) -> float:
    """Calls a second in this thread."""
    started, made = time.perf_counter(), 0
    while (now := time.perf_counter()) - started < SECONDS:
        call()
        made += 1
    return made / (now - started)


# -- an MCP prompt server ------------------------------------------------------------------------


def against_mcp(directory: str) -> list[Row]:
    """p50 of a prompt as users get it, each through its own client; and of plain lines to both servers."""
    library = libraries.served(f"{directory}/library", 10_000)
    ask = servers.request("assemble", name=library.name, variables=VALUES)
    took: dict[str, list[float]] = defaultdict(list)
    with servers.promptd(library.directory, directory) as daemon:
        with Client(daemon.path) as client:
            text = client.assemble(library.name, VALUES).text
        try:
            with servers.mcp(directory, text) as server:
                if server.get(1) != text:
                    raise RuntimeError("the MCP server gave another text")
                for _ in range(REPETITIONS):
                    with Client(daemon.path) as client:
                        took["ours"] += _times_us(lambda: client.assemble(library.name, VALUES), CALLS)
                    took["theirs"] += asyncio.run(servers.mcp_times_us(directory, CALLS))
                    took["our lines"].append(closed_loop(daemon.path, 1, SECONDS / 2, repeat(ask))[0].p50_us)
                    took["their lines"] += _times_us(lambda: server.get_raw(2), CALLS)
        except Missing as problem:
            return [Row.skipped("p50 against an MCP prompt server", str(problem))]
    return [
        _against("", took["ours"], took["theirs"], ("≥ 15 x", "≥ 40 x"), "each with its own Python client"),
        _against(", plain lines", took["our lines"], took["their lines"], ("", ""), "a Python loop for both"),
    ]


def _against(what: str, ours: list[float], theirs: list[float], bounds: tuple[str, str], client: str) -> Row:
    mine, other = statistics.median(ours), statistics.median(theirs)
    figure = f"p50 against an MCP prompt server on the official SDK, 10 KB{what}"
    return Row(
        figure, f"{other / mine:.0f} x faster", *bounds, f"{client}; {mine:.0f} µs against {other:.0f} µs"
    )


def _times_us(call: Callable[[], object], times: int) -> list[float]:
    took: list[float] = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1e6)
    return took
