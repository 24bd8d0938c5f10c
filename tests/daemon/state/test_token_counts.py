"""Token counts that outlive the process: the same counts, never trusted further than their checksum."""

from array import array
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.tokens.segments import Segments
from promptd.daemon.state.token_counts import (
    FILE_NAME,
    KEY_NAME,
    SCHEMA_VERSION,
    SavedTokenCounts,
    TokenCountsFile,
    _checksum,
)

ENCODING = "o200k_base of tiktoken 0"
TEXT = "one two\nthree\nfour five six\nno end"


def words(texts: list[str]) -> list[int]:
    """Count words, as an encoder would tokens."""
    return [len(text.split()) for text in texts]


def refused(texts: list[str]) -> list[int]:
    """Fail if anything has to be encoded."""
    raise AssertionError(texts)


def counted(*texts: str) -> Segments:
    """Segments that have counted these texts."""
    segments = Segments(words)
    for text in texts:
        segments.count(text)
    return segments


def test_a_second_process_encodes_nothing(tmp_path: Path) -> None:
    """What was counted before is looked up by its content."""
    TokenCountsFile(tmp_path).save(counted(TEXT), ENCODING)
    later = Segments(refused)
    later.recall(TokenCountsFile(tmp_path).read(ENCODING))
    assert later.count(TEXT) == 8
    assert later.count("four five six\nno end") == 5
    seen = later.statistics()
    assert (seen.encoded, seen.recalled) == (0, 4)


@given(st.lists(st.text(st.sampled_from("ab \n/"), max_size=20), max_size=5))
def test_recalled_counts_are_the_counts(texts: list[str]) -> None:
    """Counted by one process or by two, every sum is the same; what no request needs is kept too."""
    first = counted(*texts)
    second = Segments(words)
    second.recall(first.export())
    assert second.export() == first.export()
    assert [second.count(text) for text in texts] == [first.count(text) for text in texts]
    assert second.export() == first.export()


def test_there_may_be_nothing(tmp_path: Path) -> None:
    """No file, or that of another encoding, is no counts."""
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}
    TokenCountsFile(tmp_path).save(counted(TEXT), ENCODING)
    assert TokenCountsFile(tmp_path).read("cl100k_base of tiktoken 0") == {}


@pytest.mark.parametrize("offset", range(0, 120, 7))
def test_a_damaged_file_means_counting_afresh(tmp_path: Path, offset: int) -> None:
    """One flipped byte anywhere, or an end cut off, and none of it is believed."""
    TokenCountsFile(tmp_path).save(counted(TEXT), ENCODING)
    file = tmp_path / FILE_NAME
    data = file.read_bytes()
    file.write_bytes(data[:offset] + bytes([data[offset] ^ 0x5A]) + data[offset + 1 :])
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}
    file.write_bytes(data[:offset])
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}
    file.write_bytes(data)
    assert TokenCountsFile(tmp_path).read(ENCODING) != {}


def test_it_is_rewritten_when_there_is_more(tmp_path: Path) -> None:
    """A tenth more is worth a write; the same again is not."""
    counts, segments = TokenCountsFile(tmp_path), counted(TEXT)
    counts.save(segments, ENCODING)
    before = (tmp_path / FILE_NAME).stat().st_mtime_ns, counts.saved
    counts.save(segments, ENCODING)
    assert ((tmp_path / FILE_NAME).stat().st_mtime_ns, counts.saved) == before
    segments.count("something\nquite\nnew\n")
    counts.save(segments, ENCODING)
    assert counts.saved > before[1]


def test_a_directory_that_cannot_be_written_costs_only_the_next_start(tmp_path: Path) -> None:
    """It is tried again the next time."""
    counts = TokenCountsFile(tmp_path / "missing")
    counts.save(counted(TEXT), ENCODING)
    assert counts.last_error
    (tmp_path / "missing").mkdir()
    counts.save(counted(TEXT), ENCODING)
    assert (counts.saved, counts.last_error) == (4, "")


def rewrite(directory: Path, digests: bytes, counts: bytes, key: bytes | None = None) -> None:
    """Put this into the file, with a checksum that is right."""
    key = (directory / KEY_NAME).read_bytes() if key is None else key
    checksum = _checksum(key, ENCODING, digests, counts)
    saved = SavedTokenCounts(SCHEMA_VERSION, ENCODING, digests, counts, checksum)
    (directory / FILE_NAME).write_bytes(msgspec.msgpack.encode(saved))


@pytest.mark.parametrize(
    ("digests", "counts"),
    [
        (b"x" * 16, b"\1\0\0"),
        (b"x" * 17, b"\1\0\0\0"),
        (b"x" * 32, b"\1\0\0\0"),
        (b"x" * 16, b"\1\0\0\0" * 2),
        (b"x" * 24, b"\1\0\0\0\0\0"),
        (b"", b"\1"),
    ],
)
def test_damage_under_a_checksum_that_is_right(tmp_path: Path, digests: bytes, counts: bytes) -> None:
    """An odd length, more digests than counts, or fewer: not believed, and nothing is raised."""
    TokenCountsFile(tmp_path).save(counted(TEXT), ENCODING)
    rewrite(tmp_path, digests, counts)
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}


def test_what_was_written_without_our_key_is_not_believed(tmp_path: Path) -> None:
    """The key is ours alone to read; without it, or with another, nobody's counts are ours."""
    TokenCountsFile(tmp_path).save(counted(TEXT), ENCODING)
    assert (tmp_path / KEY_NAME).stat().st_mode & 0o777 == 0o600
    known = TokenCountsFile(tmp_path).read(ENCODING)
    digests, wrong = b"".join(known), array("I", [9] * len(known)).tobytes()
    rewrite(tmp_path, digests, wrong, key=b"k" * 32)
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}
    rewrite(tmp_path, digests, wrong)
    assert set(TokenCountsFile(tmp_path).read(ENCODING).values()) == {9}
    (tmp_path / KEY_NAME).unlink()
    assert TokenCountsFile(tmp_path).read(ENCODING) == {}


def test_wrong_counts_are_found_and_put_right() -> None:
    """Whoever wrote them: held against the encoder as soon as there is one, and then no more are believed."""
    later = Segments(words)
    later.recall(dict.fromkeys(counted(TEXT, "more\nof it").export(), 9))
    assert later.count(TEXT) == 36
    assert not later.verify()
    assert later.count(TEXT) == 8
    assert later.count("more\nof it") == 3
    assert later.verify()


def test_what_is_recalled_rightly_is_verified_once() -> None:
    """Counts that were right stay, and what comes later is counted."""
    later = Segments(words)
    later.recall(counted(TEXT, "more\nof it").export())
    assert later.count(TEXT) == 8
    assert later.verify()
    assert later.count("more\nof it") == 3
    assert (later.statistics().recalled, later.statistics().encoded) == (4, 2)
