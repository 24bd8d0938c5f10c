"""mounts.py: the kernel's mount table, and which changes each file system reports."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.watch.mounts import Mounts, MountTable

TABLE = r"""
22 1 253:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
24 22 0:21 / /proc rw,nosuid - proc proc rw
35 22 0:44 / /home/ann/prompts rw master:3 propagate_from:2 shared:9 - nfs4 server:/export rw,vers=4.2
36 35 0:45 / /home/ann/prompts/own rw - tmpfs tmpfs rw
40 22 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw,lowerdir=/a - /b
41 22 0:51 / /mnt/with\040blank\134and\011tab rw - fuse.sshfs ann@host:/ rw
42 22 0:52 / /mnt/twice rw - cifs //server/share rw
43 42 0:53 / /mnt/twice rw - xfs /dev/vdb rw
half a line
""".lstrip()


@pytest.mark.parametrize(
    ("path", "kind", "coverage"),
    [
        ("/", "ext4", "all"),
        ("/home/ann", "ext4", "all"),
        ("/home/ann/prompts2", "ext4", "all"),
        ("/home/ann/prompts", "nfs4", "none"),
        ("/home/ann/prompts/a/b", "nfs4", "none"),
        ("/home/ann/prompts/own/x", "tmpfs", "all"),
        ("/var/lib/docker/overlay2/x/merged/lib", "overlay", "local only"),
        ("/mnt/with blank\\and\ttab/lib", "fuse.sshfs", "none"),
        ("/mnt/twice/lib", "xfs", "all"),
    ],
)
def test_a_path_is_on_the_innermost_and_topmost_mount(path: str, kind: str, coverage: str) -> None:
    """The longest mount point above decides, of two at one point the later one; escapes are undone."""
    mounts = Mounts.parse(TABLE)
    assert (mounts.type_at(path), mounts.event_coverage(path)) == (kind, coverage)


@pytest.mark.parametrize(
    ("kind", "coverage"),
    [
        *(
            (kind, "none")
            for kind in ("nfs", "nfs4", "cifs", "smb3", "9p", "fuse", "fuse.glusterfs", "virtiofs")
        ),
        *((kind, "local only") for kind in ("overlay", "aufs")),
        *((kind, "all") for kind in ("ext4", "xfs", "btrfs", "zfs", "tmpfs", "fuseblk", "f2fs", "")),
    ],
)
def test_what_each_kind_reports(kind: str, coverage: str) -> None:
    """Remote and user-space ones report none, layered ones what goes through them, local ones all."""
    assert Mounts({"/": kind}).event_coverage("/lib") == coverage


def test_near_is_what_matters_for_some_paths() -> None:
    """The mount that holds a path and those below it; others may come and go unnoticed."""
    mounts = Mounts.parse(TABLE)
    assert mounts.near(["/home/ann"]).types == {
        "/home/ann": "ext4",
        "/home/ann/prompts": "nfs4",
        "/home/ann/prompts/own": "tmpfs",
    }
    assert not mounts.near(["/home/ann"]).reports_everything
    assert mounts.near(["/home/ann/prompts/own"]).reports_everything


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    """Lines that are not understood are left out; nothing raises."""
    assert Mounts.parse(text).event_coverage("/lib") in ("all", "local only", "none")


def test_this_machine_knows_its_root() -> None:
    """The real table has an entry for `/`, and nothing changes by reading it."""
    table = MountTable()
    assert table.read().type_at("/proc") == "proc"
    assert table.read().type_at("/")
    table.close()
    assert (table.read().types, table.has_changed()) == ({}, False)
    assert repr(table) == "<MountTable closed>"


def test_no_table_is_an_empty_one(tmp_path: Path) -> None:
    """Without /proc nothing is known, nothing changes, and a path is on no mount."""
    table = MountTable(str(tmp_path / "none"))
    assert not table.has_changed()
    assert table.read().type_at("/") == ""
    table.close()


MOUNTING = """
import ctypes, os, sys
from promptd.watch.mounts import MountTable
libc = ctypes.CDLL(None, use_errno=True)
table, point = MountTable(), os.fsencode(sys.argv[1])
print(table.has_changed())
assert libc.mount(b"none", point, b"tmpfs", 0, None) == 0
print(table.has_changed(), table.has_changed(), table.read().type_at(sys.argv[1]))
assert libc.umount2(point, 2) == 0
print(table.has_changed(), table.has_changed(), table.read().type_at(sys.argv[1]) == "tmpfs")
"""


def test_a_mount_is_noticed_without_reading(tmp_path: Path) -> None:
    """In a mount namespace of its own: each mount and unmount is said once."""
    command = ["unshare", "-Urm"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("a mount namespace cannot be made here")
    done = subprocess.run(
        [*command, sys.executable, "-c", MOUNTING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.stdout.splitlines() == ["False", "True False tmpfs", "True False False"]
