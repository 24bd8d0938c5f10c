"""Readers beside a writer that never rests: 100,000 reads, and none of them a part of a file."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from promptd.monitor.exports import METRICS_NAME
from promptd.monitor.history import read as read_history
from promptd.monitor.snapshot import FILE_NAME

READS = 100_000
VERSIONS = 20  # the writer did write meanwhile
WRITER = """
import asyncio, sys
from pathlib import Path
from promptd.config import Config
from promptd.monitor.exports import HistoryWriter, MetricsWriter
from promptd.monitor.history import History
from promptd.monitor.evaluator import HealthEvaluator
from promptd.monitor.sampler import Sampler
from promptd.monitor.snapshot import ProcessInfo, Snapshots
from promptd.support.locks import StateLock
from tests.monitor.samples import FakeDaemon

fake, directory = FakeDaemon(), Path(sys.argv[1])
sampler = Sampler({"log": lambda: {"padding": "x" * (fake.requests * 37 % 40_000)}})
exports = (HistoryWriter(History(directory, 100_000), 0.0), MetricsWriter(directory, "1.2.3"))
evaluate = HealthEvaluator(Config()).evaluate
snapshots = Snapshots(
    StateLock(directory), sampler, ProcessInfo("1.2.3", 1), evaluate=evaluate, exports=exports
)

async def write():
    while True:
        fake.serve(1)
        assert await snapshots.write(), snapshots.statistics()
        fake.requests == 1 and print("going", flush=True)

asyncio.run(write())
"""


@pytest.mark.slow
def test_100_000_reads_see_whole_files_only(tmp_path: Path) -> None:
    """Each version that is seen is valid JSON, or what Prometheus' parser takes; the history reads back."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    seen: dict[str, set[bytes]] = {FILE_NAME: set(), METRICS_NAME: set()}
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"going\n"
        for name, versions in seen.items():
            path = tmp_path / name
            reads = 0
            while reads < READS // len(seen) or len(versions) < VERSIONS:  # at least; the time limit stands
                versions.add(path.read_bytes())
                reads += 1
        assert writer.poll() is None
        writer.kill()
    for data in seen[FILE_NAME]:
        assert msgspec.json.decode(data)["schema_version"] == 2
        assert data.endswith(b"\n}\n")
    for data in seen[METRICS_NAME]:
        families = [family.name for family in text_string_to_metric_families(data.decode())]
        assert families[-1] == "promptd_alerts_raised"
    assert read_history(tmp_path)
