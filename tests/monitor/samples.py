"""Samples made by hand, and a fake daemon whose every figure can be set, so that no test needs a real one."""

from dataclasses import dataclass, field
from typing import Any

from promptd.monitor.sampler import ProcessSample, Sample
from promptd.support.stats import Histogram

EPOCH_S = 1_750_000_000.0


@dataclass
class FakeDaemon:
    """Counts upwards as the parts of a daemon do; `sample` reads it at the time it was moved to."""

    now_s: float = 0.0
    requests: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    served: list[int] = field(default_factory=lambda: [0, 0])  # hits, misses
    tokens: list[int] = field(default_factory=lambda: [0, 0, 0])  # replies, baseline, saved
    memory_bytes: int = 100_000_000
    cpu_s: float = 0.0
    cache: dict[str, Any] = field(default_factory=dict)
    latency_us: Histogram = field(default_factory=Histogram)
    load_us: Histogram = field(default_factory=Histogram)
    loads_at_once: Histogram = field(default_factory=Histogram)

    def serve(self, times: int = 1, *, ms: float = 1.0, from_disk: int = 0, error: str = "") -> None:
        """Answer requests."""
        self.requests += times
        self.latency_us.record(int(1000 * ms), times)
        self.served[0] += times - from_disk
        self.served[1] += from_disk
        if error:
            self.errors[error] = self.errors.get(error, 0) + times

    def load(self, times: int = 1, *, ms: float, at_once: int = 1) -> None:
        """Read components."""
        self.load_us.record(int(1000 * ms), times)
        self.loads_at_once.record(at_once, times)

    def save(self, replies: int, baseline: int, saved: int) -> None:
        """Give replies with a strategy."""
        for at, amount in enumerate((replies, baseline, saved)):
            self.tokens[at] += amount

    def sample(self) -> Sample:
        """Everything as of now."""
        hits, misses = self.served
        replies, baseline, saved = self.tokens
        sections: dict[str, Any] = {
            "requests": {"requests": self.requests, "errors": dict(self.errors)},
            "cache": {"served": {"hits": hits, "misses": misses}, **self.cache},
            "savings": {"savings": {"replies": replies, "tokens_baseline": baseline, "tokens_saved": saved}},
        }
        return Sample(
            taken_unix_s=EPOCH_S + self.now_s,
            uptime_s=self.now_s,
            sections=sections,
            process=ProcessSample(
                pid=42,
                rss_bytes=self.memory_bytes,
                uss_bytes=None,
                cpu_user_s=self.cpu_s,
                cpu_system_s=0.0,
                cpu_percent=0.0,
                open_descriptors=12,
                threads=3,
            ),
            histograms={
                "latency_us": self.latency_us.copy(),
                "load_us": self.load_us.copy(),
                "loads_at_once": self.loads_at_once.copy(),
            },
        )
