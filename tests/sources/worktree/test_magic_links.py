"""Magic links: an author without rights leads the daemon into a mount namespace of his own, as a real attack.

He binds a directory of secrets over the library where only he sees it, and puts a link through his own
process's root into the library. As text it leads inside; root follows it to a file that the author may not
read himself.
"""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from promptd import Engine
from promptd.core.library.resolve import NamingRules
from promptd.core.syntax.component import Place
from promptd.errors import PromptdError
from promptd.sources.worktree import beneath
from promptd.sources.worktree.files import Worktree
from promptd.sources.worktree.sweep import Sweep
from promptd.support import resolve

NOBODY = 65534
SECRET = "SECRET that its author may not read"
ATTACK = 'mount --rbind "$1" "$2" && echo ready && exec sleep 60'


@dataclass
class Attack:
    """A library, the process whose root has the secrets there, and a link to one of them."""

    library: Path
    pid: int
    secret: str

    def link(self, id: str, target: str) -> Path:
        """A link of the author's."""
        path = self.library / id
        path.symlink_to(target)
        os.lchown(path, NOBODY, NOBODY)
        return path


@pytest.fixture
def attack() -> Iterator[Attack]:
    """The attack, shown to work on whoever just opens the link; skipped where it cannot be made."""
    if os.geteuid() != 0:
        pytest.skip("to be another user takes root")
    with tempfile.TemporaryDirectory(prefix="promptd-") as made:
        place = Path(made).resolve()
        library, secrets = place / "library", place / "secrets"
        for directory in (library, secrets):
            directory.mkdir()
        for directory in (place, secrets):
            directory.chmod(0o755)
        os.chown(library, NOBODY, NOBODY)
        (library / "a.md").write_text("inside\n")
        (secrets / "secret.md").write_text(SECRET)
        (secrets / "secret.md").chmod(0o600)
        author = subprocess.Popen(
            ["unshare", "-Urm", "sh", "-c", ATTACK, "sh", str(secrets), str(library)],
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert author.stdout is not None
            assert author.stderr is not None
            if author.stdout.readline() != b"ready\n":
                pytest.skip(f"no namespace for an unprivileged user: {author.stderr.read()!r}")
            secret = f"/proc/{author.pid}/root{library}/secret.md"
            if not os.path.exists(secret) or Path(secret).read_text() != SECRET:
                pytest.skip("the attack does not work here")
            yield Attack(library, author.pid, secret)
        finally:
            author.kill()
            author.communicate()


@pytest.fixture(params=["openat2", "by steps"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With openat2, and as on a kernel without it."""
    if request.param == "by steps":
        monkeypatch.setattr(resolve, "HAS_OPENAT2", False)
        monkeypatch.setattr(beneath, "HAS_OPENAT2", False)


def tree_of(root: Path) -> Worktree:
    """The working tree of a root."""
    return Worktree([str(root)], NamingRules((".md",)))


def test_a_magic_link_leads_nowhere(attack: Attack) -> None:
    """As a file, a directory, a working directory, an open file, behind another link: never the secret."""
    magic = f"/proc/{attack.pid}"
    attack.link("file.md", attack.secret)
    attack.link("directory", f"{magic}/root{attack.library}")
    attack.link("cwd", f"{magic}/cwd")
    attack.link("self.md", "/proc/self/root" + str(attack.library / "a.md"))
    attack.link("chain.md", "directory/secret.md")
    attack.link("proc", "/proc")
    names = ("file.md", "directory/secret.md", "cwd/x.md", "self.md", "chain.md")
    tree = tree_of(attack.library)
    for id in (*names, f"proc/{attack.pid}/root{attack.library}/secret.md"):
        reading = tree.read(Place(0, id))
        assert reading.text is None
        assert reading.digest == ""
        assert "leads out" in str(reading.error)
        assert Sweep(tree).signature(Place(0, id)) == beneath.OUTSIDE
    assert {place.id: signature.size for place, signature in tree.scan().found.items()} == {
        "a.md": 7,
        "chain.md": 0,
        "file.md": 0,
        "self.md": 0,
    }
    with Engine.open(attack.library) as engine:
        assert SECRET.encode() not in engine.call("list") + engine.call("check")
        for id in names:
            with pytest.raises(PromptdError):
                engine.call("get", {"name": id})


def test_a_root_is_not_opened_through_one(attack: Attack) -> None:
    """A root that is a link by now, or has one above it: there is no such library."""
    top = attack.library.parent
    (top / "root").symlink_to(f"/proc/{attack.pid}/root{attack.library}")
    (top / "above").symlink_to(f"/proc/{attack.pid}/root{top}")
    for root in (top / "root", top / "above" / "library", Path(os.path.dirname(attack.secret))):
        tree = tree_of(root)
        assert tree.scan().found == {}
        assert "cannot be listed" in tree.scan().problems[0]
        assert tree.read(Place(0, "secret.md")).text is None


Act = Callable[[Worktree], object]
STEPS: dict[str, Act] = {
    "read a file": lambda tree: tree.read(Place(0, "x.md")).text,
    "read below a directory": lambda tree: tree.read(Place(0, "d/secret.md")).text,
    "read deep below": lambda tree: tree.read(Place(0, "deep/er/secret.md")).text,
    "scan": lambda tree: {signature.size for signature in tree.scan().found.values()},
    "look": lambda tree: {
        signature and signature.size
        for signature in tree.look([Place(0, "x.md"), Place(0, "d/secret.md")]).values()
    },
    "directories": lambda tree: "".join(tree.directories().values()),
}


@pytest.mark.parametrize("step", STEPS)
def test_swapped_in_a_loop_it_never_wins(attack: Attack, step: str) -> None:
    """File, directory and the directory above are swapped between what is inside and what is magic."""
    library = attack.library
    secret_size = len(SECRET)
    inside = library / "inside"
    (inside / "er").mkdir(parents=True)
    for directory in (inside, inside / "er"):
        (directory / "secret.md").write_text("inside")
    root = f"/proc/{attack.pid}/root"
    targets = {
        "x.md": (str(inside / "secret.md"), attack.secret),
        "d": (str(inside), f"{root}{library}"),
        "deep": ("inside", f"{root}{library.parent}"),
    }
    stop, swaps = threading.Event(), [0]

    def swap() -> None:
        new = library / ".new"
        while not stop.is_set():
            for name, both in targets.items():
                for target in both:
                    new.symlink_to(target)
                    new.replace(library / name)
                    swaps[0] += 1

    swapper = threading.Thread(target=swap)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    swapper.start()
    try:
        tree, seen = tree_of(library), set()
        tried = 0
        while swaps[0] < 300 and tried < 3_000:
            found = STEPS[step](tree)
            seen |= found if isinstance(found, set) else {found}
            tried += 1
    finally:
        stop.set()
        swapper.join()
        sys.setswitchinterval(before)
    assert swaps[0] > 20
    assert secret_size not in seen
    assert not any(isinstance(one, str) and ("SECRET" in one or "secrets" in one) for one in seen)
