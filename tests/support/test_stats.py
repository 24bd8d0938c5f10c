"""Counting: laws of merging, and percentiles held against the sorted list."""

import dataclasses
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptd.support.stats import (
    MAX_RELATIVE_ERROR,
    MAX_VALUE,
    Counters,
    Distribution,
    Histogram,
)

values = st.lists(st.integers(0, 10**9) | st.integers(0, MAX_VALUE), max_size=60)


def histogram_of(recorded: list[int]) -> Histogram:
    """Return a histogram that saw these values."""
    histogram = Histogram()
    for value in recorded:
        histogram.record(value)
    return histogram


def exact(recorded: list[int], percent: float) -> int:
    """Return the nearest-rank percentile of the whole list."""
    return sorted(recorded)[max(1, math.ceil(len(recorded) * percent / 100)) - 1]


@given(values.filter(bool), st.sampled_from([0, 1, 25, 50, 90, 99, 99.9, 100]))
@example([31, 32, 33, 63, 64, 65], 50)
def test_a_percentile_is_near_the_exact_one(recorded: list[int], percent: float) -> None:
    """Whatever is recorded, the answer is within the promised relative error."""
    truth = exact(recorded, percent)
    assert abs(histogram_of(recorded).percentile(percent) - truth) <= truth * MAX_RELATIVE_ERROR


@given(values)
def test_count_total_and_extremes_are_exact(recorded: list[int]) -> None:
    """Only percentiles are approximate, and they never leave what was seen."""
    record = histogram_of(recorded).statistics()
    assert (record.count, record.total) == (len(recorded), sum(recorded))
    assert (record.minimum, record.maximum) == (min(recorded, default=0), max(recorded, default=0))
    assert record.minimum <= record.p50 <= record.p90 <= record.p99 <= record.p999 <= record.maximum
    assert record.mean == (sum(recorded) / len(recorded) if recorded else 0.0)


@given(values, values)
def test_merging_equals_recording_everything_in_one(first: list[int], second: list[int]) -> None:
    """Windows can be summed without loss, empty ones included."""
    merged = histogram_of(first)
    merged.merge(histogram_of(second))
    assert merged.statistics() == histogram_of(first + second).statistics()


@given(st.integers(0, 31))
def test_small_values_are_exact(value: int) -> None:
    """A count of attempts or a depth is not rounded."""
    assert histogram_of([value] * 3).percentile(50) == value


def test_the_record_agrees_with_the_question() -> None:
    """One pass for all percentiles gives the same as one pass for each."""
    histogram = histogram_of([7, 70, 700, 7000, 70_000])
    record = histogram.statistics()
    assert [record.p50, record.p90, record.p99, record.p999] == [
        histogram.percentile(percent) for percent in (50, 90, 99, 99.9)
    ]


def test_memory_is_bounded_whatever_is_recorded() -> None:
    """Every power of two and its neighbours up to far beyond the limit: fewer than 944 buckets."""
    histogram = Histogram()
    for exponent in range(200):
        for offset in range(64):
            histogram.record((1 << exponent) + offset * (1 << max(exponent - 6, 0)))
    assert len(histogram._counts) <= 944
    assert histogram.statistics().maximum == MAX_VALUE


def test_nothing_and_nonsense_are_harmless() -> None:
    """An empty histogram answers 0; a clock that stepped back counts as 0."""
    empty = Histogram()
    assert empty.percentile(99) == 0
    assert empty.statistics() == Distribution(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert histogram_of([-5]).statistics() == Distribution(1, 0, 0, 0, 0, 0, 0, 0, 0)
    assert len(histogram_of([1, 2])) == 2
    assert "p99 2" in repr(histogram_of([1, 2]))


def test_counters_add_and_merge() -> None:
    """An unknown name is 0, merging adds, and the record no longer moves."""
    first, second = Counters(), Counters()
    first.add("assemble")
    first.add("bytes", 10)
    second.add("assemble", 2)
    first.merge(second)
    record = first.statistics()
    first.add("assemble")
    assert dict(record) == {"assemble": 3, "bytes": 10}
    assert (first["assemble"], first["never"]) == (4, 0)
    assert list(first.statistics()) == ["assemble", "bytes"]
    assert "'bytes': 10" in repr(first)


def test_records_are_frozen() -> None:
    """What was handed out cannot be changed by who got it."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Histogram().statistics().count = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Counters().statistics()["x"] = 1  # type: ignore[index]


@given(values, values)
def test_what_came_since_a_copy_is_what_was_recorded_since(first: list[int], second: list[int]) -> None:
    """Windows are differences of a histogram that only grows: exact counts, the same percentiles' error."""
    histogram = histogram_of(first)
    before = histogram.copy()
    for value in second:
        histogram.record(value)
    since, alone = histogram.since(before), histogram_of(second)
    assert (len(since), since.total) == (len(alone), alone.total)
    assert abs(since.percentile(95) - alone.percentile(95)) <= alone.percentile(95) * 2 * MAX_RELATIVE_ERROR
    assert before.statistics() == histogram_of(first).statistics()


@given(values, values)
def test_slices_of_a_window_merge_to_the_window(first: list[int], second: list[int]) -> None:
    """Two differences merged say the same as one over both."""
    histogram = Histogram()
    copies = [histogram.copy()]
    for part in (first, second):
        for value in part:
            histogram.record(value)
        copies.append(histogram.copy())
    merged = copies[1].since(copies[0])
    merged.merge(copies[2].since(copies[1]))
    whole = copies[2].since(copies[0])
    assert (len(merged), merged.total) == (len(whole), whole.total)
    assert merged.counts_up_to([10, 10**5, MAX_VALUE]) == whole.counts_up_to([10, 10**5, MAX_VALUE])


def test_a_histogram_that_began_anew_counts_whole() -> None:
    """A reload exchanges the part that counts: nothing negative comes of it."""
    before = histogram_of([5, 5, 5, 900])
    assert histogram_of([7, 8]).since(before).statistics().count == 2
    assert histogram_of([7, 8, 9, 10, 11]).since(before).statistics().total == 45


def test_counts_up_to_bounds() -> None:
    """What a Prometheus histogram wants: cumulative counts."""
    assert histogram_of([1, 10, 100, 1000]).counts_up_to([0, 1, 99, 2000]) == [0, 1, 2, 4]
