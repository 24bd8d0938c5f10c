"""The use counts on disk: what is written is read back, and whatever else is there is no harm."""

import io
import json
from pathlib import Path

import pytest

from promptd.daemon.state.use_counts import UseCountsFile


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """Weights and the time they are of."""
    UseCountsFile(tmp_path).write({"a.md": 1.5}, 1000.0)
    saved = UseCountsFile(tmp_path).read()
    assert saved is not None
    assert (saved.weights, saved.saved_unix_s) == ({"a.md": 1.5}, 1000.0)


def test_nothing_to_read_is_nothing_to_say(tmp_path: Path, said: io.StringIO) -> None:
    """The first start."""
    assert UseCountsFile(tmp_path).read() is None
    assert said.getvalue() == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"schema_version": 1, "saved_unix_s": 1, "weights": {"a": "much"}}',
        b'{"schema_version": 1, "saved_unix_s": 1, "weights": {"a": 1e999}}',
    ],
    ids=["empty", "cut", "no text", "deep", "type", "number"],
)
def test_what_is_damaged_means_starting_afresh(tmp_path: Path, said: io.StringIO, content: bytes) -> None:
    """One warning with the path, no exception."""
    (tmp_path / "hot.json").write_bytes(content)
    assert UseCountsFile(tmp_path).read() is None
    (line,) = map(json.loads, said.getvalue().splitlines())
    assert line["level"] == "warning"
    assert str(tmp_path) in line["path"]


def test_another_version_of_the_file_is_left_alone(tmp_path: Path) -> None:
    """A later promptd may have written it."""
    (tmp_path / "hot.json").write_text('{"schema_version": 2, "saved_unix_s": 1, "weights": {}}')
    assert UseCountsFile(tmp_path).read() is None


def test_a_failure_to_write_is_said_when_it_begins_and_when_it_ends(
    tmp_path: Path, said: io.StringIO
) -> None:
    """In between it stands in `last_error`."""
    directory = tmp_path / "state"
    uses = UseCountsFile(directory)
    for _ in range(3):
        uses.write({"a.md": 1.0}, 1.0)
    assert "No such file" in uses.last_error
    directory.mkdir()
    for _ in range(3):
        uses.write({"a.md": 1.0}, 1.0)
    assert uses.last_error == ""
    events = [json.loads(line)["event"] for line in said.getvalue().splitlines()]
    assert events == ["use counts not saved", "use counts saved again"]
