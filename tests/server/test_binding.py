"""Getting the socket: never stolen, never left in the way, never open to more people than asked."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from promptd.errors import AlreadyRunning, ConfigError
from promptd.server.binding import MAX_PATH_BYTES, adopt, bind


def connects(path: str) -> bool:
    """True if a process listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        return client.connect_ex(path) == 0


def left_by_the_dead(path: str) -> None:
    """A socket file without a listener."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(path)


def test_a_bound_socket_listens_and_goes(socket_path: str) -> None:
    """Bound, connectable, withdrawn; the lock file stays, free."""
    binding = bind(socket_path)
    assert connects(socket_path)
    binding.withdraw()
    binding.release()
    binding.release()
    assert not os.path.exists(socket_path)
    assert not binding.is_open
    bind(socket_path).socket.close()


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_permissions_are_as_asked(socket_path: str, mode: int, umask: int) -> None:
    """Whatever the umask, the socket file has exactly the mode, and the umask is not touched."""
    before = os.umask(umask)
    try:
        binding = bind(socket_path, mode)
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(socket_path).st_mode) == mode
    binding.withdraw()
    binding.release()


def test_its_directory_is_made_for_us_alone(tmp_path: Path) -> None:
    """An absent directory is created 0700; one that exists is left as it is."""
    binding = bind(str(tmp_path / "run" / "d.sock"))
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    binding.withdraw()
    binding.release()


def test_a_second_daemon_learns_who_is_there(socket_path: str) -> None:
    """AlreadyRunning names the holder; the first one is undisturbed."""
    first = bind(socket_path)
    with pytest.raises(AlreadyRunning, match=str(os.getpid())) as caught:
        bind(socket_path)
    assert caught.value.details["socket"] == socket_path
    assert connects(socket_path)
    first.withdraw()
    first.release()


def test_the_lock_outlives_the_socket_file(socket_path: str) -> None:
    """The socket of a live daemon was removed: its path is still not free."""
    first = bind(socket_path)
    os.unlink(socket_path)
    with pytest.raises(AlreadyRunning):
        bind(socket_path)
    first.withdraw()
    first.release()


def test_a_dead_daemons_socket_is_removed(socket_path: str) -> None:
    """What a killed daemon left behind does not block the next start."""
    left_by_the_dead(socket_path)
    Path(f"{socket_path}.lock").write_text("4711\n")
    binding = bind(socket_path)
    assert connects(socket_path)
    binding.withdraw()
    binding.release()


def test_kill_minus_nine(socket_path: str) -> None:
    """A daemon killed at once leaves a path that the next one can bind."""
    code = (
        f"from promptd.server.binding import bind; b = bind({socket_path!r}); print(b.path, flush=1); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as daemon:
        assert daemon.stdout is not None
        assert daemon.stdout.readline() == f"{socket_path}\n"
        with pytest.raises(AlreadyRunning, match=str(daemon.pid)):
            bind(socket_path)
        daemon.send_signal(signal.SIGKILL)
    binding = bind(socket_path)
    binding.withdraw()
    binding.release()


def test_a_foreign_listener_is_not_robbed(socket_path: str) -> None:
    """Another program listens there without our lock, its queue even full: AlreadyRunning."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as foreign:
        foreign.bind(socket_path)
        foreign.listen(0)
        for _ in range(2):
            with pytest.raises(AlreadyRunning):
                bind(socket_path)
    with pytest.raises(AlreadyRunning) if connects(socket_path) else pytest.raises(StopIteration):
        bind(socket_path).socket.close()
        raise StopIteration


def test_a_file_that_is_no_socket_is_kept(socket_path: str) -> None:
    """A regular file in the way is the operator's: ConfigError, and it is still there."""
    Path(socket_path).write_text("precious")
    with pytest.raises(ConfigError, match="not a socket"):
        bind(socket_path)
    assert Path(socket_path).read_text() == "precious"


def test_only_our_own_file_is_removed(socket_path: str) -> None:
    """If another socket took the path meanwhile, withdrawing leaves it."""
    binding = bind(socket_path)
    os.unlink(socket_path)
    left_by_the_dead(socket_path)
    binding.withdraw()
    binding.release()
    assert os.path.exists(socket_path)


def test_a_removed_lock_file_is_locked_anew(socket_path: str) -> None:
    """A lock file swept away (tmp cleaners) does not stop the next bind once the daemon is gone."""
    binding = bind(socket_path)
    os.unlink(f"{socket_path}.lock")
    binding.withdraw()
    binding.release()
    again = bind(socket_path)
    assert os.path.exists(f"{socket_path}.lock")
    again.withdraw()
    again.release()


@pytest.mark.parametrize("path", ["", "a\0b", "/tmp/" + "x" * MAX_PATH_BYTES])
def test_impossible_paths_are_the_operators(path: str) -> None:
    """A path that no socket can have is a ConfigError that says why."""
    with pytest.raises(ConfigError) as caught:
        bind(path)
    assert caught.value.details["key"] == "serve.socket"


def test_the_longest_path_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    """107 bytes fit, 108 do not; with the lock file beside it, whose name may be longer."""
    start = str(tmp_path_factory.mktemp("s")) + "/"
    path = start + "x" * (MAX_PATH_BYTES - len(start))
    binding = bind(path)
    binding.withdraw()
    binding.release()
    with pytest.raises(ConfigError, match="108 bytes"):
        bind(path + "x")


def test_an_invalid_place_is_the_operators(tmp_path: Path) -> None:
    """A file where the directory should be, a directory where the socket should be: ConfigError."""
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(ConfigError, match="cannot listen"):
        bind(str(tmp_path / "file" / "d.sock"))
    with pytest.raises(ConfigError):
        bind(str(tmp_path / "directory"))


def test_only_a_listening_unix_socket_is_adopted(socket_path: str) -> None:
    """Whatever else LISTEN_FDS may hold is refused."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as inet, pytest.raises(ConfigError):
        adopt(inet)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as idle:
        idle.bind(socket_path)
        with pytest.raises(ConfigError):
            adopt(idle)
        idle.listen()
        assert adopt(idle).path == socket_path
