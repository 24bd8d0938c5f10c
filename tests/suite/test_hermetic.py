"""hermetic.py: nothing of the caller reaches a test, here, in a child, and on a machine that is hostile."""

import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.suite.hermetic import FOREIGN, OURS, furnish, neutral, replace

# Whatever looks for a daemon, a home, a state or a configuration where those of a user are.
PART = (
    "tests/cli",
    "tests/client",
    "tests/config",
    "tests/daemon/test_lifecycle.py",
    "tests/suite/test_hermetic.py",
)


def test_what_is_foreign_is_left_out_and_all_else_kept(tmp_path: Path) -> None:
    """Settings of promptd and of the session go; a home and a runtime directory are given."""
    given = {
        "PATH": "/bin",
        "PROMPTD_CACHE_ENTRIES": "1",
        "XDG_DATA_HOME": "/d",
        "NOTIFY_SOCKET": "/n",
        "HOME": "/h",
    }
    assert neutral(given, tmp_path) == {
        "PATH": "/bin",
        "HOME": f"{tmp_path}/home",
        "XDG_RUNTIME_DIR": f"{tmp_path}/runtime",
    }


def test_no_server_listens_on_the_socket_that_is_found_first(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """It is a socket, so that discovery stops there, and connecting to it is refused."""
    place = tmp_path_factory.mktemp("h")
    furnish(place)
    found = place / "runtime" / "promptd" / "promptd.sock"
    assert found.is_socket()
    assert list((place / "home").iterdir()) == []


def test_an_environment_is_replaced_in_place() -> None:
    """A module that holds it sees the new one."""
    environment = {"a": "1", "b": "2"}
    replace(environment, {"b": "3", "c": "4"})
    assert environment == {"b": "3", "c": "4"}


def test_this_run_is_neutral_and_its_children_are() -> None:
    """No name is foreign but the runtime directory, and home is not where the caller's is."""
    shown = subprocess.run([sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"],
                           capture_output=True, text=True, check=True)  # fmt: skip
    for environment in (dict(os.environ), json.loads(shown.stdout)):
        foreign = {name for name in environment if name.startswith(FOREIGN)}
        assert foreign - OURS == {"XDG_RUNTIME_DIR"}
        assert environment["HOME"] != pwd.getpwuid(os.getuid()).pw_dir
        assert environment["HOME"] == str(Path(environment["XDG_RUNTIME_DIR"]).with_name("home"))


def namespace() -> list[str]:
    """The way into a mount namespace, as root or with users of its own; skips where neither is to be had."""
    refusals = []
    for flags in ("-mpf", "-Urmpf"):
        way = ["unshare", flags, "--mount-proc", "--kill-child"]  # with it ends whatever it has started
        try:
            tried = subprocess.run([*way, "true"], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no unshare here, to have a system socket of our own")
        if tried.returncode == 0:
            return way
        refusals.append(tried.stderr.strip())
    pytest.skip(f"a mount namespace, in which the system socket is ours, cannot be made here: {refusals}")


def story(*options: str) -> dict[str, Any]:
    """What happens to tests on a hostile machine."""
    done = subprocess.run(
        [*namespace(), sys.executable, "-m", "tests.suite.hostile", "--examples", "10", *options],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    outcome: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return outcome


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_promptd_on_the_system_socket_is_not_noticed() -> None:
    """Green beside it, in the environment of another user's session, without one connection or write."""
    outcome = story(*PART)
    assert outcome["code"] == 0, outcome["said"]
    assert (outcome["asked"], outcome["written"]) == (0, [])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_without_protection_it_is() -> None:
    """The machine is hostile indeed: the same tests fail there, and ask that daemon."""
    outcome = story("-p", "no:tests.suite.hermetic", "tests/cli/test_socket.py", "tests/cli/test_options.py")
    assert outcome["code"] == 1, outcome["said"]
    assert outcome["asked"] > 0
