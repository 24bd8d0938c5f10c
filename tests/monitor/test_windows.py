"""windows.py and measures.py: what is said of a window is what happened in it, in bounded memory."""

import pytest

from promptd.monitor.measures import Measures
from promptd.monitor.windows import SPANS_S, Ring, Slice
from tests.monitor.samples import FakeDaemon


def minutes(fake: FakeDaemon, measures: Measures, count: float, each_5s: int = 0, **how: float) -> None:
    """Live for some minutes, looked at every 5 s."""
    for _ in range(int(count * 12)):
        fake.now_s += 5
        fake.serve(each_5s, **how)  # type: ignore[arg-type]
        measures.take(fake.sample())


def test_each_window_holds_its_span_and_no_more() -> None:
    """Ten slow minutes, then one fast one: the short window knows only the fast one."""
    fake, measures = FakeDaemon(), Measures()
    minutes(fake, measures, 10, each_5s=10, ms=80)
    minutes(fake, measures, 1.1, each_5s=10, ms=2)
    short, middle = (measures.window(name, fake.now_s) for name in ("1m", "10m"))
    assert short.latency_ms.maximum == pytest.approx(2, rel=0.04)
    assert short.latency_ms.count == pytest.approx(120, abs=10)
    assert short.requests_per_s == pytest.approx(2)
    assert middle.latency_ms.p50 == pytest.approx(80, rel=0.04)
    assert middle.requests == pytest.approx(1200, abs=130)


def test_a_quiet_window_forgets() -> None:
    """Nothing for two hours: no window shows anything but the time it covers."""
    fake, measures = FakeDaemon(), Measures()
    minutes(fake, measures, 5, each_5s=10)
    minutes(fake, measures, 120)
    for name, (span_s, slice_s) in SPANS_S.items():
        window = measures.window(name, fake.now_s)
        assert (window.requests, window.latency_ms.count, window.hit_ratio.served) == (0, 0, None)
        assert span_s <= window.covered_s <= span_s + slice_s


def test_memory_is_bounded_over_a_week() -> None:
    """Slices are counted, not samples: a week of them leaves as many as an hour does."""
    ring, rings = Ring(3600, 300), []
    for at in range(0, 7 * 86_400, 60):
        ring.add(Slice(at, at + 60, {"requests": 1}))
        rings.append(len(ring))
    assert max(rings) <= 2 * 3600 / 300 + 2
    assert 3600 / 60 <= ring.read(7 * 86_400).sums["requests"] <= 3900 / 60


def test_figures_of_a_window() -> None:
    """Ratios, errors by whose fault they are, CPU and peaks."""
    fake, measures = FakeDaemon(), Measures()
    fake.serve(90, ms=3)
    fake.serve(6, from_disk=6, ms=9)
    fake.serve(3, error="promptd.UnknownComponent")
    fake.serve(1, error="promptd.ParseError")
    fake.load(4, ms=2)
    fake.save(2, 1000, 450)
    fake.now_s, fake.cpu_s, fake.memory_bytes = 10.0, 0.5, 150_000_000
    measures.take(fake.sample())
    fake.now_s, fake.memory_bytes = 15.0, 120_000_000
    measures.take(fake.sample())
    window = measures.window("1m", fake.now_s)
    assert (window.requests, window.errors, window.error_ratio) == (100, 1, 0.01)
    assert window.errors_by_type == {"promptd.ParseError": 1, "promptd.UnknownComponent": 3}
    assert window.hit_ratio.served == 0.94
    assert window.hit_ratio.prompts is None
    assert window.reduction == 0.45
    assert window.replies_with_strategy == 2
    assert window.cpu_percent == pytest.approx(100 * 0.5 / 15, abs=0.01)
    assert window.memory_bytes_max == 150_000_000
    assert window.load_ms.count == 4


def test_parallel_loads_are_those_of_the_window() -> None:
    """Not the most there ever were."""
    fake, measures = FakeDaemon(), Measures()
    fake.load(3, ms=1, at_once=7)
    minutes(fake, measures, 2)
    fake.load(3, ms=1, at_once=2)
    minutes(fake, measures, 0.5)
    assert measures.window("1m", fake.now_s).parallel_loads_max == 2
    assert measures.window("1h", fake.now_s).parallel_loads_max == 7


def test_an_exchanged_part_counts_anew() -> None:
    """A reload puts new counters in: what they hold came since, and nothing is negative."""
    fake, measures = FakeDaemon(), Measures()
    minutes(fake, measures, 0.5, each_5s=10)
    fake.served = [3, 1]
    minutes(fake, measures, 0.5)
    assert measures.window("1m", fake.now_s).lookups == 60 + 4


def test_a_sample_that_comes_late_is_dropped() -> None:
    """Two readers at once may finish in the other order: nothing is counted twice."""
    fake, measures = FakeDaemon(), Measures()
    fake.now_s = 5
    fake.serve(10)
    late = fake.sample()
    fake.now_s = 6
    fake.serve(5)
    measures.take(fake.sample())
    measures.take(late)
    assert measures.window("1m", 6).requests == 15


def test_what_happened_while_warming_up_is_not_judged() -> None:
    """It is shown, but a verdict does not see it."""
    fake, measures = FakeDaemon(), Measures()
    minutes(fake, measures, 2, each_5s=10, ms=500)
    assert measures.judged("10m", fake.now_s).requests == 0
    measures.begin_to_judge(fake.now_s)
    minutes(fake, measures, 1, each_5s=1, ms=5)
    assert measures.judged("10m", fake.now_s).latency_ms.maximum < 6
    assert measures.window("10m", fake.now_s).latency_ms.maximum > 400
