"""What monitoring costs a request: `python -m benchmarks.monitoring`.

A request carries nothing of it but the counters that are kept anyway, so its whole cost is the sampling. One
process, CPU time of this thread only: the hot path answers requests, 16 connections a turn, and the evaluator
takes samples of the same process; the two are interleaved, and the ratio is that of their CPU times. At
`monitor.sample_interval` and `monitor.snapshot_interval` that CPU is shared by all requests of the interval.
The counting itself is measured against the same turn without it.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import libraries
from benchmarks.hot_path import HotPath
from promptd.config import Config
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.exports import HistoryWriter, MetricsWriter
from promptd.monitor.history import History
from promptd.monitor.sampler import Sampler
from promptd.monitor.snapshot import ProcessInfo, Snapshots
from promptd.support.locks import StateLock
from promptd.support.stats import Histogram

CONNECTIONS = 16
TURNS = 200
ROUNDS = 30
HOUR_S = 3_900.0


def cpu_us(work: Callable[[], object]) -> float:
    """CPU time of this process for one call: threads that it hands work to included."""
    started = time.process_time()
    work()
    return 1e6 * (time.process_time() - started)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = HotPath(libraries.served(directory, 10_000), CONNECTIONS)
        line = path.ask(project="MyProject", task="say what is slow")
        path.warm(line)
        measure(path, [line] * CONNECTIONS, Path(directory))


def measure(path: HotPath, lines: list[bytes], directory: Path) -> None:
    """Interleave requests, samples and snapshots; each figure is a median."""
    config, handler, workspace = Config(), path.handler, path.workspace
    sources = {
        "requests": handler.statistics,
        "cache": workspace.statistics,
        "loader": workspace.loader.statistics,
        "savings": workspace.savings,
        "library": workspace.library.statistics,
    }
    now_s = 0.0

    def histograms() -> dict[str, Histogram]:
        return {**handler.histograms(), **workspace.loader.histograms()}

    sampler = Sampler(sources, clock=lambda: now_s, histograms=histograms)
    exports = (HistoryWriter(History(directory, 4_000_000), 0.0), MetricsWriter(directory, "bench"))
    evaluator = HealthEvaluator(config)
    snapshots = Snapshots(
        StateLock(directory), sampler, ProcessInfo("bench", 1), evaluate=evaluator.evaluate, exports=exports
    )
    requests_us, samples_us, writes_us = [], [], []

    async def observe() -> None:
        nonlocal now_s
        now_s += config.monitor.sample_interval
        evaluator.evaluate(await sampler.sample())

    with asyncio.Runner() as runner:
        runner.run(snapshots.write())  # prometheus-client is imported once
        for _ in range(int(HOUR_S / config.monitor.sample_interval)):  # every window is as full as it gets
            path.turn(lines)
            runner.run(observe())
        for _ in range(ROUNDS):
            requests_us.append(cpu_us(lambda: [path.turn(lines) for _ in range(TURNS)]) / TURNS / CONNECTIONS)
            samples_us.append(cpu_us(lambda: runner.run(observe())))
            writes_us.append(cpu_us(lambda: runner.run(snapshots.write())))
    report(config, *map(statistics.median, (requests_us, samples_us, writes_us)), account_us(path))


def account_us(path: HotPath) -> float:
    """CPU time of counting one request in the handler's histogram and counter, without anything else."""
    histogram, times = path.handler.histograms()["latency_us"].copy(), 100_000

    def record() -> None:
        for _ in range(times):
            histogram.record(37)

    return cpu_us(record) / times


def report(config: Config, request_us: float, sample_us: float, write_us: float, count_us: float) -> None:
    """The table, and the share at a load that keeps a tenth of a core busy."""
    monitor = config.monitor
    a_second_us = sample_us / monitor.sample_interval + write_us / monitor.snapshot_interval
    busy = 1e5 / request_us  # requests a second that take a tenth of a core
    print("| monitoring | CPU |\n|---|---|")
    print(f"| one request from memory, {CONNECTIONS} a turn | {request_us:.1f} µs |")
    print(f"| one sample, judged | {sample_us / 1000:.2f} ms each {monitor.sample_interval:g} s |")
    print(
        f"| one snapshot with metrics and history | {write_us / 1000:.2f} ms each"
        f" {monitor.snapshot_interval:g} s |"
    )
    print(f"| all of it, of one core | {a_second_us / 1e4:.3f} % |")
    print(f"| of a request's CPU at {busy:,.0f} requests/s | {100 * a_second_us / 1e5:.2f} % |")
    share = 100 * count_us / CONNECTIONS / request_us
    print(f"| recording a turn's latency | {count_us:.2f} µs, {share:.2f} % of each request in it |")


if __name__ == "__main__":
    main()
