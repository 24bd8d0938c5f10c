"""Durations and sizes: every spelling, what is refused, and that whatever is written reads back equal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.config import units


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("25ms", "milliseconds", 25),
        ("10s", "milliseconds", 10_000),
        ("0.5ms", "milliseconds", 0.5),
        ("25ms", "seconds", 0.025),
        ("10s", "seconds", 10),
        ("1.5s", "seconds", 1.5),
        ("5m", "seconds", 300),
        ("1h", "seconds", 3_600),
        ("1d", "seconds", 86_400),
        ("0s", "seconds", 0),
        (" 10 s ", "seconds", 10),
        ("7B", "bytes", 7),
        ("512KB", "bytes", 512_000),
        ("512KiB", "bytes", 524_288),
        ("150MB", "bytes", 150_000_000),
        ("1MiB", "bytes", 1_048_576),
        ("1.5GB", "bytes", 1_500_000_000),
        ("2GiB", "bytes", 2_147_483_648),
        ("1TB", "bytes", 10**12),
        ("1TiB", "bytes", 1 << 40),
        ("150mb", "bytes", 150_000_000),
        ("1mib", "bytes", 1_048_576),
    ],
)
def test_text_becomes_a_number_in_the_unit_of_the_key(text: str, unit: str, expected: float) -> None:
    """KB, MB, … are powers of 1000, KiB, MiB, … powers of 1024; the case matters for durations only."""
    found = units.number(text, unit)
    assert found == expected
    assert isinstance(found, type(expected))


@pytest.mark.parametrize("unit", list(units.QUANTITIES))
@pytest.mark.parametrize(
    "text",
    [
        "",
        "25",
        "ms",
        "-1s",
        "1e3s",
        "1_000s",
        ".5s",
        "1.s",
        "1h30m",
        "10 bananas",
        "10S",
        "1M",
        "٣s",
        "nan s",
    ],
)
def test_anything_else_is_refused(text: str, unit: str) -> None:
    """A number alone is not text with a unit; M could be a minute, a megabyte or a mebibyte."""
    assert units.number(text, unit) is None


def test_units_of_another_quantity_are_refused() -> None:
    """A duration is not a size."""
    assert units.number("10s", "bytes") is None
    assert units.number("10MB", "seconds") is None


def test_thousands_of_digits_are_refused() -> None:
    """The interpreter's bound on digits is not the reader's problem."""
    for text in (f"{'9' * 5_000}s", f"0.{'1' * 5_000}s", f"{'9' * 400}.5s"):
        assert units.number(text, "seconds") is None


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (25, "milliseconds", "25ms"),
        (0.5, "milliseconds", "0.5ms"),
        (60_000, "milliseconds", "1m"),
        (0, "milliseconds", "0ms"),
        (0.0, "seconds", "0s"),
        (0.025, "seconds", "25ms"),
        (2.5, "seconds", "2500ms"),
        (90.0, "seconds", "90s"),
        (86_400.0, "seconds", "1d"),
        (0, "bytes", "0B"),
        (1_023, "bytes", "1023B"),
        (4_096, "bytes", "4KiB"),
        (64_000_000, "bytes", "64MB"),
        (1 << 50, "bytes", "1PiB"),
    ],
)
def test_a_number_is_written_as_people_write_it(value: float, unit: str, expected: str) -> None:
    """Short, and whole wherever there is a unit in which it is."""
    assert units.spell(value, unit) == expected


@given(st.integers(0, 1 << 62))
def test_a_size_reads_back_equal(size: int) -> None:
    """Byte for byte."""
    assert units.number(units.spell(size, "bytes"), "bytes") == size


@given(st.integers(0, 10**12))
def test_whole_milliseconds_read_back_equal(milliseconds: int) -> None:
    """And stay whole."""
    found = units.number(units.spell(milliseconds, "milliseconds"), "milliseconds")
    assert found == milliseconds
    assert isinstance(found, int)


@given(st.floats(0, 1e15), st.sampled_from(["seconds", "milliseconds"]))
def test_any_duration_reads_back_equal(duration: float, unit: str) -> None:
    """To the last bit, however small."""
    assert units.number(units.spell(duration, unit), unit) == duration


@given(st.text(max_size=30), st.sampled_from(list(units.QUANTITIES)))
def test_no_text_upsets_the_parser(text: str, unit: str) -> None:
    """A number that is not negative, or None."""
    found = units.number(text, unit)
    assert found is None or found >= 0
