"""Figures of a running daemon against its peers: every repetition asks each of them in turn.

The daemon runs as shipped: watcher on, freshness on, statistics on. What Redis and nginx serve is the very
reply line of the daemon. Beside each figure stands how much of a core the client used; where that was nearly
all of one, the ratio is refused.
"""

import asyncio
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import libraries, load_client, peers, servers
from benchmarks.libraries import Served
from benchmarks.load_client import LoadClient, Result, Target
from benchmarks.servers import Missing
from benchmarks.table import Row, ratios, unless_client_bound
from promptd.client import Client
from promptd.engine.tokenizer import Tokenizer

REPETITIONS = 5
SECONDS = 1.2
CALLS = 300  # of one client after another
NEW_VALUES = 60_000  # requests made for one repetition: more than are answered in it
VALUES = {"project": "MyProject", "task": "say what is slow, and why"}
REDIS_GET = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
FLOORS = ("echo", "stat", "proof")  # see floor.py
NGINX_GET = b"GET /prompt.json HTTP/1.1\r\nHost: x\r\n\r\n"

REDIS_SMALL = "requests/s against redis, 10 KB, 64 connections"
REDIS_ALONE = "p50 against redis, 10 KB, 1 connection"
FLOOR_ALONE = "p50 against a bare uvloop server that only checks the evidence, 10 KB, 1 connection"
REDIS_LARGE = "requests/s against redis, 50 KB, 64 connections"
P99 = "p99, 10 KB, 16 connections"
NGINX_SMALL = "requests/s against nginx, 10 KB, 64 connections"
NGINX_LARGE = "requests/s against nginx, 50 KB, 64 connections"
AGAINST_PEERS = (REDIS_SMALL, REDIS_ALONE, FLOOR_ALONE, REDIS_LARGE, P99, NGINX_SMALL, NGINX_LARGE)

Runs = dict[tuple[str, int], list[Result]]  # (server, connections) -> repetitions


def against_peers(directory: str) -> list[Row]:
    """Redis and nginx at 10 and 50 KB."""
    try:
        client = load_client.compiled()
    except Missing as problem:
        return [Row.skipped(figure, str(problem)) for figure in AGAINST_PEERS]
    small = _runs(f"{directory}/small", 10_000, (1, 16, 64), client)
    large = _runs(f"{directory}/large", 50_000, (64,), client)
    return [
        _rate(REDIS_SMALL, small, "redis", ("≥ 0.45", "≥ 0.8")),
        _p50(REDIS_ALONE, small, ("≤ 2.5", "≤ 1.5")),
        _floors(FLOOR_ALONE, small),
        _rate(REDIS_LARGE, large, "redis", ("≥ 0.7", "≥ 1.0")),
        _p99(P99, small, ("≤ 2 ms", "≤ 1 ms")),
        _rate(NGINX_SMALL, small, "nginx", ("", "")),
        _rate(NGINX_LARGE, large, "nginx", ("", "")),
    ]


def _runs(directory: str, size_bytes: int, connections: tuple[int, ...], client: LoadClient) -> Runs:
    library = libraries.served(f"{directory}/library", size_bytes)
    with ExitStack() as stack:
        daemon = stack.enter_context(servers.promptd(library.directory, directory))
        target, line = assembling(library, daemon.path)
        targets = {"promptd": target}
        with suppress(Missing):
            targets["redis"] = _redis(stack.enter_context(servers.redis(directory, line)), line)
        with suppress(Missing):
            targets["nginx"] = _nginx(stack.enter_context(servers.nginx(directory, line)), line)
        if 1 in connections:
            files = sorted(map(str, Path(library.directory).rglob("*.md")))
            for what in FLOORS:
                path = stack.enter_context(servers.floor(directory, line, what, files))
                targets[what] = Target(path, target.requests, target.starts)
        return interleaved(targets, connections, client)


def assembling(library: Served, path: str) -> tuple[Target, bytes]:
    """A daemon that is asked for the library's prompt, always with the same values; and its reply."""
    ask = servers.request("assemble", name=library.name, variables=VALUES)
    with servers.lines(path) as asked:
        line = asked(ask)
    return Target(path, [ask], servers.success_start(line)), line


def _redis(path: str, line: bytes) -> Target:
    length = b"$%d\r\n" % len(line)
    return Target(path, [REDIS_GET], length, len(length) + len(line) + len(b"\r\n"))


def _nginx(path: str, line: bytes) -> Target:
    reply = servers.reply_of(path, NGINX_GET, lambda reply: reply.endswith(line))
    return Target(path, [NGINX_GET], b"HTTP/1.1 200 OK\r\n", len(reply))


def interleaved(targets: Mapping[str, Target], connections: Iterable[int], client: LoadClient) -> Runs:
    """Every repetition loads each target at each number of connections; the floors at one connection only."""
    runs: Runs = defaultdict(list)
    for _ in range(REPETITIONS):
        for count in connections:
            for name, target in targets.items():
                if name in FLOORS and count > 1:
                    continue
                runs[name, count].append(client.run(target, count, SECONDS))
    return runs


def _rate(figure: str, runs: Runs, peer: str, bounds: tuple[str, str]) -> Row:
    connections = max(count for _, count in runs)
    ours, theirs = runs["promptd", connections], runs[peer, connections]
    if not theirs:
        return Row.skipped(figure, f"{peer} is not installed")
    ratio = f"{ratios([run.rate for run in ours], [run.rate for run in theirs]):.2f}"
    return Row(figure, unless_client_bound(ratio, cores(ours, theirs)), *bounds, _rates(runs, connections))


def cores(*runs: Iterable[Result]) -> list[float]:
    """What the client used of a core in each of them."""
    return [run.client_cores for results in runs for run in results]


def _rates(runs: Runs, connections: int) -> str:
    shown = (
        f"{name} {median(results, 'rate') / 1000:.1f}k/s ({median(results, 'client_cores'):.2f})"
        for (name, count), results in runs.items()
        if count == connections and results
    )
    return f"{', '.join(shown)}; in brackets the client's cores"


def median(runs: Iterable[Result], name: str) -> float:
    """The median of one field of the results."""
    return float(statistics.median(getattr(run, name) for run in runs))


def _p50(figure: str, runs: Runs, bounds: tuple[str, str]) -> Row:
    if not runs["redis", 1]:
        return Row.skipped(figure, "redis is not installed")
    return _p50_against("redis", figure, runs, bounds)


def _floors(figure: str, runs: Runs) -> Row:
    """What a bare server on the same loop takes: for the reply alone, and with looks at the files."""
    return _p50_against("proof", figure, runs, ("", ""), "; benchmarks/floor.py")


def _p50_against(peer: str, figure: str, runs: Runs, bounds: tuple[str, str], more: str = "") -> Row:
    ours, theirs = runs["promptd", 1], runs[peer, 1]
    ratio = f"{ratios([run.p50_us for run in ours], [run.p50_us for run in theirs]):.2f} x"
    shown = ", ".join(
        f"{name} {median(runs[name, 1], 'p50_us'):.0f} ({median(runs[name, 1], 'client_cores'):.2f})"
        for name in ("redis", *FLOORS, "promptd")
        if runs[name, 1]
    )
    how = f"p50 in µs: {shown}; in brackets the client's cores{more}"
    return Row(figure, unless_client_bound(ratio, cores(ours, theirs)), *bounds, how)


def _p99(figure: str, runs: Runs, bounds: tuple[str, str]) -> Row:
    p99_us = median(runs["promptd", 16], "p99_us")
    return Row(figure, f"{p99_us / 1000:.2f} ms", *bounds, _rates(runs, 16))


# -- values that never come again ----------------------------------------------------------------


def new_values(directory: str) -> list[Row]:
    """New values on every request at 16 connections, against Jinja2 and a plain script in process."""
    bounds = {"jinja2": ("≥ 5 x", "≥ 20 x"), "plain script": ("", "")}
    try:
        client = load_client.compiled()
    except Missing as problem:
        return [Row.skipped(_new_values_against(peer), str(problem)) for peer in bounds]
    library = libraries.served(f"{directory}/library", 10_000)
    source = random.Random(5)
    renders: dict[str, peers.Render] = {"plain script": peers.plain(library)}
    with suppress(Missing):
        renders["jinja2"] = peers.jinja(library, f"{directory}/templates")
    ours: list[Result] = []
    theirs: dict[str, list[float]] = defaultdict(list)
    with servers.promptd(library.directory, directory) as daemon:
        for _ in range(REPETITIONS):
            ours.append(with_new_values(library, daemon.path, source, client))
            for name, render in renders.items():
                theirs[name].append(_renders(render, source))
    return [_in_process(peer, ours, theirs[peer], shown) for peer, shown in bounds.items()]


def with_new_values(library: Served, path: str, source: random.Random, client: LoadClient) -> Result:
    """One run at 16 connections in which no request comes twice; then 16 replies' counts are checked."""
    requests = [_ask(library, source) for _ in range(NEW_VALUES)]
    with servers.lines(path) as asked:
        starts = servers.success_start(asked(_ask(library, source)))
    result = client.run(Target(path, requests, starts), 16, SECONDS, is_once=True)
    _check_counts(servers.replies_at_once(path, [_ask(library, source) for _ in range(16)]))
    return result


def _new_values_against(peer: str) -> str:
    return f"new values on every request, 10 KB, 16 connections, exact count, against {peer} in process"


def _in_process(peer: str, ours: list[Result], theirs: list[float], bounds: tuple[str, str]) -> Row:
    figure = _new_values_against(peer)
    if not theirs:
        return Row.skipped(figure, f"{peer} is not installed (pip install '.[bench]')")
    rates = [run.rate for run in ours]
    shown = f"{statistics.median(rates):.0f}/s against {statistics.median(theirs):.0f}/s"
    value = unless_client_bound(f"{ratios(rates, theirs):.1f} x", cores(ours))
    return Row(figure, value, *bounds, f"{shown}; the client's cores: {median(ours, 'client_cores'):.2f}")


def _values(source: random.Random) -> dict[str, str]:
    words = source.choices(libraries.WORDS, k=9)
    return {"project": f"{words[0]}-{source.randrange(10**9)}", "task": " ".join(words[1:])}


def _ask(library: Served, source: random.Random) -> bytes:
    """A request line with values that never come again."""
    return servers.request("assemble", name=library.name, variables=_values(source))


def _check_counts(replies: Iterable[bytes]) -> None:
    count = Tokenizer().count
    for line in replies:
        result = json.loads(line)["result"]
        if result["tokens"] != count(result["text"]):
            raise RuntimeError(f"{result['tokens']} tokens said, {count(result['text'])} counted")


def _renders(render: peers.Render, source: random.Random) -> float:
    """Prompts a second in this thread."""
    started, made = time.perf_counter(), 0
    while (now := time.perf_counter()) - started < SECONDS:
        render(_values(source))
        made += 1
    return made / (now - started)


# -- an MCP prompt server ------------------------------------------------------------------------


@dataclass(slots=True)
class _Serial:
    """Calls one after another: microseconds of each, and what their client used of a core in each round."""

    took_us: list[float]
    client_cores: list[float]

    def time(self, times: Callable[[], list[float]]) -> None:
        """A round of calls made in this process, whose time is the client's."""
        started, used = time.perf_counter(), time.process_time()
        self.took_us += times()
        self.client_cores.append((time.process_time() - used) / (time.perf_counter() - started))


def against_mcp(directory: str) -> list[Row]:
    """p50 of a prompt as users get it, each through its own client; and of plain lines to both servers."""
    library = libraries.served(f"{directory}/library", 10_000)
    ask = servers.request("assemble", name=library.name, variables=VALUES)
    took = {name: _Serial([], []) for name in ("ours", "theirs", "our lines", "their lines")}
    with servers.promptd(library.directory, directory) as daemon:
        with Client(daemon.path) as client:
            text = client.assemble(library.name, VALUES).text
        try:
            with servers.mcp(directory, text) as server, servers.lines(daemon.path) as asked:
                if server.get(1) != text:
                    raise RuntimeError("the MCP server gave another text")
                for _ in range(REPETITIONS):
                    with Client(daemon.path) as client:
                        took["ours"].time(_times_us(lambda: client.assemble(library.name, VALUES)))
                    took["theirs"].time(lambda: asyncio.run(servers.mcp_times_us(directory, CALLS)))
                    took["our lines"].time(_times_us(lambda: asked(ask)))
                    took["their lines"].time(_times_us(lambda: server.get_raw(2)))
        except Missing as problem:
            return [Row.skipped("p50 against an MCP prompt server", str(problem))]
    return [
        _against("", took["ours"], took["theirs"], ("≥ 15 x", "≥ 40 x"), "each with its own Python client"),
        _against(", plain lines", took["our lines"], took["their lines"], ("", ""), "a Python loop for both"),
    ]


def _against(what: str, ours: _Serial, theirs: _Serial, bounds: tuple[str, str], client: str) -> Row:
    mine, other = statistics.median(ours.took_us), statistics.median(theirs.took_us)
    figure = f"p50 against an MCP prompt server on the official SDK, 10 KB{what}"
    value = unless_client_bound(f"{other / mine:.0f} x faster", [*ours.client_cores, *theirs.client_cores])
    used = " and ".join(f"{statistics.median(serial.client_cores):.2f}" for serial in (ours, theirs))
    return Row(figure, value, *bounds, f"{client}; {mine:.0f} µs against {other:.0f} µs; its cores: {used}")


def _times_us(call: Callable[[], object]) -> Callable[[], list[float]]:
    def times() -> list[float]:
        took: list[float] = []
        for _ in range(CALLS):
            started = time.perf_counter()
            call()
            took.append((time.perf_counter() - started) * 1e6)
        return took

    return times
