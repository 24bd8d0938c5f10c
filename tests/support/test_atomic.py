"""atomic.py: a reader sees the old file or the new one, whatever happens to the writer."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from promptd.support import atomic


def names(directory: Path) -> list[str]:
    """Names in a directory, sorted."""
    return sorted(entry.name for entry in directory.iterdir())


def test_first_write_creates_the_file(tmp_path: Path) -> None:
    """A target that did not exist holds exactly the data, and nothing else is left beside it."""
    atomic.write_atomic(tmp_path / "health.json", b"one")
    assert (tmp_path / "health.json").read_bytes() == b"one"
    assert names(tmp_path) == ["health.json"]


def test_mode_is_asked_for_and_the_umask_applies(tmp_path: Path) -> None:
    """`mode` reaches the file, less the umask."""
    old = os.umask(0o027)
    try:
        atomic.write_atomic(tmp_path / "a", b"", mode=0o666)
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_replacing_keeps_an_open_reader_on_the_old_version(tmp_path: Path) -> None:
    """A reader that opened the old file reads it to its end; the name leads to the new one."""
    target = tmp_path / "health.json"
    atomic.write_atomic(target, b"old")
    with target.open("rb") as reader:
        atomic.write_atomic(target, b"new")
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "write"])
def test_a_full_disk_keeps_the_last_good_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """ENOSPC at any step before the rename: old content stays, no temporary file, the error is raised."""
    target = tmp_path / "health.json"
    atomic.write_atomic(target, b"good")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(atomic, "_write_synced", full)
    with pytest.raises(OSError, match="No space"):
        atomic.write_atomic(target, b"bad")
    assert target.read_bytes() == b"good"
    assert names(tmp_path) == ["health.json"]


def test_a_real_write_error_keeps_the_last_good_file(tmp_path: Path) -> None:
    """The same with the kernel refusing (file size limit), not a fake."""
    target = tmp_path / "health.json"
    atomic.write_atomic(target, b"good")
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            atomic.write_atomic(target, b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, old_handler)
    assert caught.value.errno == errno.EFBIG
    assert target.read_bytes() == b"good"
    assert names(tmp_path) == ["health.json"]


def test_a_directory_that_cannot_be_synced_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Syncing the directory is best effort: the file is in place all the same."""
    real = os.fsync

    def files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    atomic.write_atomic(tmp_path / "a", b"data")
    assert (tmp_path / "a").read_bytes() == b"data"


def test_a_missing_directory_is_an_error(tmp_path: Path) -> None:
    """The directory is the caller's to make; its absence is an error."""
    with pytest.raises(FileNotFoundError):
        atomic.write_atomic(tmp_path / "nowhere" / "a", b"")


@pytest.mark.slow
def test_readers_never_see_part_of_a_file(tmp_path: Path) -> None:
    """Under a stream of rewrites of different lengths every read is one whole version."""
    target = tmp_path / "health.json"
    versions = [bytes([65 + number]) * (1 + number * 3_000) for number in range(8)]
    atomic.write_atomic(target, versions[0])
    done = threading.Event()

    def rewrite() -> None:
        for number in range(200):
            atomic.write_atomic(target, versions[number % len(versions)])
        done.set()

    writer = threading.Thread(target=rewrite)
    writer.start()
    seen: set[bytes] = set()
    while not done.is_set():
        seen.add(target.read_bytes())
    writer.join()
    assert seen <= set(versions)


def test_killed_writer_leaves_no_half_file(tmp_path: Path) -> None:
    """A writer killed while writing: the target is a whole version, and the leftover is cleared later."""
    target = tmp_path / "health.json"
    script = (
        "import pathlib, sys; from promptd.support.atomic import write_atomic\n"
        "for n in range(10**9):\n"
        "    write_atomic(pathlib.Path(sys.argv[1]), b'%d' % (n % 10) * 200_000)\n"
        "    n == 0 and print('going', flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(target)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"going\n"
        writer.kill()
    data = target.read_bytes()
    assert len(data) == 200_000
    assert len(set(data)) == 1
    atomic.discard_leftovers(target, now_unix_s=time.time() + 2 * atomic.STALE_S)
    assert names(tmp_path) == ["health.json"]


def test_only_stale_leftovers_of_this_target_go(tmp_path: Path) -> None:
    """A fresh temporary file may have a living writer, and other files are no leftovers."""
    for name in (".health.json.1-0.tmp", ".health.json.2-0.tmp", ".other.1-0.tmp", "health.json"):
        (tmp_path / name).write_bytes(b"")
    os.utime(tmp_path / ".health.json.1-0.tmp", (1_000, 1_000))
    os.utime(tmp_path / ".other.1-0.tmp", (1_000, 1_000))
    assert atomic.discard_leftovers(tmp_path / "health.json") == 1
    assert names(tmp_path) == [".health.json.2-0.tmp", ".other.1-0.tmp", "health.json"]
