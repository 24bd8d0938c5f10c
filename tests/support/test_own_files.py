"""Files of our own where others may write: each attack is made, by another user, and leads nowhere."""

import os
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from promptd.daemon.state.index_file import IndexFile
from promptd.daemon.state.token_counts import TokenCountsFile
from promptd.daemon.state.use_counts import UseCountsFile
from promptd.errors import AlreadyRunning, ConfigError
from promptd.monitor.history import FILE_NAME, History, read
from promptd.server.binding import bind
from promptd.support.atomic import write_atomic
from promptd.support.locks import StateLock
from promptd.support.own_files import (
    Untrusted,
    is_private_group,
    open_own,
    own_directory,
    read_own,
    read_regular,
)

STRANGER = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="to be another user takes root")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of ours that others may enter; its path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="promptd-") as made:
        path = Path(made).resolve()
        path.chmod(0o755)
        yield path


def as_stranger(act: Callable[[], object]) -> None:
    """Do something as another user, in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(STRANGER, STRANGER, STRANGER)
            os.setresuid(STRANGER, STRANGER, STRANGER)
            act()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


Write = Callable[[Path], object]
WRITES: dict[str, Write] = {
    "lock": lambda directory: StateLock(directory).assert_held(),
    "atomic": lambda directory: write_atomic(directory / "health.json", b"{}"),
    "history": lambda directory: History(directory, 4096).append({"a": 1}),
    "own": lambda directory: read_own(directory / "file", 10),
}


@needs_root
@pytest.mark.parametrize("write", WRITES)
def test_a_directory_of_somebody_else_is_not_used(place: Path, write: str) -> None:
    """Whatever its mode, its owner may exchange each file in it."""
    os.chown(place, STRANGER, STRANGER)
    with pytest.raises(OSError, match=f"belongs to user {STRANGER}: use a directory of your own"):
        WRITES[write](place)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("mode", [0o777, 0o757])
@pytest.mark.parametrize("write", WRITES)
def test_a_directory_that_others_may_write_is_not_used(place: Path, write: str, mode: int) -> None:
    """The error says so, and how to close it."""
    place.chmod(mode)
    with pytest.raises(OSError, match=rf"may be written by others \(mode {mode:04o}\): .*`chmod go-w`"):
        WRITES[write](place)
    assert list(place.iterdir()) == []


@needs_root
def test_a_sticky_one_is_used_as_far_as_its_files_are_ours(place: Path) -> None:
    """Like /tmp: nobody may exchange our files; what a stranger put there first is refused."""
    place.chmod(0o1777)
    StateLock(place).assert_held()
    write_atomic(place / "health.json", b"{}")
    as_stranger((place / FILE_NAME).touch)
    with pytest.raises(Untrusted, match=f"belongs to user {STRANGER}"):
        History(place, 4096).append({"a": 1})


@needs_root
def test_a_group_of_others_may_not_write_and_one_of_our_own_may(place: Path) -> None:
    """A umask of 002, as many systems have it, makes directories of the group that is named as we are."""
    place.chmod(0o775)
    assert is_private_group(os.getegid())
    StateLock(place).assert_held()
    os.chown(place, 0, STRANGER)
    with pytest.raises(Untrusted, match="0775"):
        StateLock(place).assert_held()


def test_a_lock_that_is_a_hard_link_is_not_overwritten(place: Path) -> None:
    """It would put a process id into a file that somebody else chose."""
    precious = place / "precious"
    precious.write_text("precious")
    for directory, name in ((place / "state", "lock"), (place / "run", "s.lock")):
        directory.mkdir()
        os.link(precious, directory / name)
    with pytest.raises(Untrusted, match="hard link"):
        StateLock(place / "state").assert_held()
    with pytest.raises(ConfigError, match="hard link"):
        bind(str(place / "run" / "s"))
    assert precious.read_text() == "precious"


@pytest.mark.parametrize("kind", ["link", "dangling", "hard link"])
def test_history_is_not_written_through_a_link(place: Path, kind: str) -> None:
    """Neither to a file that is there, nor to one that it would make."""
    state, precious = place / "state", place / "precious"
    state.mkdir()
    if kind != "dangling":
        precious.write_text("precious")
    (os.link if kind == "hard link" else os.symlink)(precious, state / FILE_NAME)
    with pytest.raises(OSError):  # noqa: PT011 (ELOOP, or a sentence)
        History(state, 4096).append({"a": 1})
    assert not precious.exists() if kind == "dangling" else precious.read_text() == "precious"


@pytest.mark.timeout(20)
def test_a_fifo_holds_up_nobody(place: Path) -> None:
    """By each name that is read at the start, and that is written at the stop."""
    for name in ("index.bin", "counts.bin", "hot.json", FILE_NAME, "lock", "health.json"):
        os.mkfifo(place / name)
    assert len(IndexFile(place).read([])) == 0
    assert TokenCountsFile(place).read("any") == {}
    assert UseCountsFile(place).read() is None
    for write in ("lock", "history"):
        with pytest.raises(OSError):  # noqa: PT011 (ENXIO, or a sentence)
            WRITES[write](place)
    with pytest.raises(ValueError, match="regular"):
        read_regular(place / "health.json", 10)
    with pytest.raises(ValueError, match="regular"):
        read(place)
    os.mkfifo(place / "s.lock")
    with pytest.raises(ConfigError, match="not a regular file"):
        bind(str(place / "s"))


def test_a_directory_is_not_reached_through_a_magic_link(place: Path) -> None:
    """Another process's root is not where it seems to be."""
    with pytest.raises(OSError, match="symbolic links"), own_directory(f"/proc/self/root{place}"):
        pass


@needs_root
@pytest.mark.parametrize("mode", [0o777, 0o700])
def test_a_socket_is_not_bound_where_a_stranger_decides(place: Path, mode: int) -> None:
    """Refused before a lock or a socket is made."""
    place.chmod(mode)
    if mode == 0o700:
        os.chown(place, STRANGER, STRANGER)
    with pytest.raises(ConfigError, match=r"cannot listen on .*(others|belongs)"):
        bind(str(place / "s"))
    assert list(place.iterdir()) == []


@needs_root
def test_who_serves_there_already_is_named_first(place: Path) -> None:
    """The service's directory is not root's: a second daemon of root says that the first one runs."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "s"))
        listening.listen()
        os.chown(place, STRANGER, STRANGER)
        with pytest.raises(AlreadyRunning):
            bind(str(place / "s"))
    with pytest.raises(ConfigError, match="belongs"):
        bind(str(place / "s"))


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_a_socket_is_born_with_its_mode(place: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No chmod by path, which a swapped link could lead elsewhere; and no moment with another mode."""
    for name in ("chmod", "fchmod", "lchmod"):
        monkeypatch.setattr(os, name, None, raising=False)
    binding = bind(str(place / "s"), mode)
    try:
        assert stat.S_IMODE(os.lstat(place / "s").st_mode) == mode
    finally:
        binding.withdraw()
        binding.release()


def test_swapped_links_never_get_a_socket_or_a_chmod(place: Path) -> None:
    """Somebody puts links in the way of the socket as fast as he can: what they lead to keeps its mode."""
    run, precious = place / "run", place / "precious"
    run.mkdir()
    precious.write_text("precious")
    precious.chmod(0o640)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (place / "new").symlink_to(precious)
            (place / "new").replace(run / "s")

    swapper = threading.Thread(target=swap)
    swapper.start()
    try:
        for _ in range(100):
            try:
                binding = bind(str(run / "s"), 0o666)
            except ConfigError:
                continue
            binding.withdraw()
            binding.release()
    finally:
        stop.set()
        swapper.join()
    assert stat.S_IMODE(precious.stat().st_mode) == 0o640
    assert precious.read_text() == "precious"


def test_what_is_opened_is_what_was_checked(place: Path) -> None:
    """A file swapped for a link in a loop is ours, or refused."""
    precious = place / "precious"
    precious.write_text("precious")
    state = place / "state"
    state.mkdir()
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (place / "a").write_text("ours")
            (place / "a").replace(state / "f")
            (place / "b").symlink_to(precious)
            (place / "b").replace(state / "f")

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen = set()
    try:
        for _ in range(300):
            try:
                with own_directory(state) as directory:
                    opened = open_own(directory, "f", os.O_RDONLY)
            except OSError:
                continue
            seen.add(os.read(opened, 20))
            os.close(opened)
    finally:
        stop.set()
        swapper.join()
    assert seen <= {b"ours", b""}
