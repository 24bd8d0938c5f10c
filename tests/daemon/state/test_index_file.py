"""The index on disk: what it proves is what was read, and a file that is not whole proves nothing."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from promptd.core.library.parse_cache import ParseCache
from promptd.core.syntax.component import Place, Reading
from promptd.daemon.state import index_file as module
from promptd.daemon.state.index_file import (
    FILE_NAME,
    IndexFile,
    Writing,
    indexed_roots_of,
)
from promptd.engine import procedures
from promptd.engine.workspace import Workspace
from tests.conftest import Library
from tests.daemon.workspaces import workspace_of
from tests.freshness import make_files_look_old

FILES = {
    "commands/hello.md": "---\ndescription: Hi\nnumber: 1.5\n---\nHello. @../components/tone.md\n",
    "commands/lost.md": "Lost.\n<include>nowhere.md</include>\n<!-- never closed\n",
    "components/tone.md": "Be kind.\n",
}


@pytest.fixture(autouse=True)
def _old_files(monkeypatch: pytest.MonkeyPatch) -> None:
    make_files_look_old(monkeypatch)


def kept(workspace: Workspace, state: Path) -> IndexFile:
    """Write down the index of a workspace."""
    file, writing = IndexFile(state), Writing(indexed_roots_of(workspace))
    writing.add(list(workspace.library.readings()))
    assert file.write(writing)
    return file


def recalled(root: Path, file: IndexFile, **overrides: Any) -> tuple[Workspace, ParseCache, list[Place]]:
    """A workspace filled with the help of an index, that index, and the places that were looked at anyway."""
    workspace = workspace_of(root, is_filled=False, **overrides)
    index = workspace.loader.index = file.read(indexed_roots_of(workspace))
    looked: list[Place] = []
    look = workspace.loader._text

    def noted(place: Place, was_filled: bool) -> Any:
        looked.append(place)
        return look(place, was_filled)

    workspace.loader._text = noted  # type: ignore[method-assign]
    procedures.run(workspace, procedures.reconcile(workspace))
    return workspace, index, looked


def held(workspace: Workspace) -> dict[Place, Reading]:
    """Everything a library was made of, by whichever read."""
    return {reading.place: replace(reading, order=0) for reading in workspace.library.readings()}


def test_a_restart_reads_nothing_that_did_not_change(library: Library, tmp_path: Path) -> None:
    """Not one file is opened, and the library is the same to the last field; nothing is to be written."""
    before = workspace_of(library(FILES))
    after, index, looked = recalled(before.source.roots[0], kept(before, tmp_path))  # type: ignore[arg-type]
    assert (looked, index.recalled, len(index)) == ([], 3, 3)
    assert held(after) == held(before)
    assert after.library.statistics().edges == before.library.statistics().edges == 1
    assert index.is_all_of(after.library)
    assert after.loader.index is None, "memory of an index is given back"
    assert "3 recalled" in repr(index)


def edit(root: Path) -> None:
    """Other bytes of the same size under the same time of modification."""
    path = root / "components/tone.md"
    before = path.stat()
    path.write_text("Be cold.\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def link(root: Path) -> None:
    """A symlink: where it leads may change without a trace in what it leads to."""
    (root / "linked").mkdir()
    (root / "components/tone.md").rename(root / "linked/tone.raw")
    (root / "components/tone.md").symlink_to(root / "linked/tone.raw")


def touch(root: Path) -> None:
    """Other times, the same bytes."""
    os.utime(root / "components/tone.md", ns=(1, 1))


def add(root: Path) -> None:
    """A file that was never read."""
    (root / "components/new.md").write_text("New.\n")


def test_only_what_changed_is_read_again(library: Library, tmp_path: Path) -> None:
    """Whatever happened while no daemon ran, by the signature it is one file that is read."""
    root = library(FILES)
    for change, read in (
        (edit, "tone"),
        (touch, "tone"),
        (add, "new"),
        (link, "tone"),
        (lambda _: None, "tone"),
    ):
        file = kept(workspace_of(root), tmp_path)
        change(root)
        after, index, looked = recalled(root, file)
        assert [place.id for place in looked] == [f"components/{read}.md"], change
        assert held(after).keys() == held(workspace_of(root)).keys()
        assert not index.is_all_of(after.library)
        assert {r.place: r.digest for r in held(after).values()} == {
            r.place: r.digest for r in held(workspace_of(root)).values()
        }


def test_what_goes_is_gone(library: Library, tmp_path: Path) -> None:
    """A file that was deleted meanwhile is not recalled."""
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    (root / "components/tone.md").unlink()
    after, _, looked = recalled(root, file)
    assert "components/tone.md" not in after.library
    assert looked == []


def test_racily_clean_files_are_read_but_not_parsed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read within two seconds of its last change proves nothing; the same bytes, the same parse."""
    monkeypatch.undo()
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    monkeypatch.setattr("promptd.sources.loader.parse", lambda *_: pytest.fail("parsed again"))
    _, index, looked = recalled(root, file)
    assert (len(looked), index.recalled) == (3, 0)


def test_after_another_boot_files_are_read_but_not_parsed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that lost power may have kept a file's times and lost its bytes."""
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    monkeypatch.setattr(module, "boot_identity", lambda: "another")
    monkeypatch.setattr("promptd.sources.loader.parse", lambda *_: pytest.fail("parsed again"))
    _, index, looked = recalled(root, file)
    assert (len(looked), index.recalled) == (3, 0)


def test_an_unknown_boot_proves_nothing(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the boot is unknown, it may always be another one."""
    monkeypatch.setattr(module, "BOOT", tmp_path / "missing")
    module.boot_identity.cache_clear()
    root = library(FILES)
    assert recalled(root, kept(workspace_of(root), tmp_path))[1].recalled == 0
    module.boot_identity.cache_clear()


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(module, "parser_identity", lambda: "another"),
        lambda patch: patch.setattr(module, "SCHEMA_VERSION", 2),
    ],
)
def test_another_version_is_read_as_nothing(
    change: Callable[[pytest.MonkeyPatch], None],
    library: Library,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another format or another parser: everything is read and parsed."""
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    change(monkeypatch)
    index = file.read(indexed_roots_of(workspace_of(root)))
    assert len(index) == 0
    assert index.parsed(0, held(workspace_of(root))[Place(0, "components/tone.md")].digest) is None


def test_other_dialects_or_a_smaller_limit_are_respected(library: Library, tmp_path: Path) -> None:
    """What the configuration makes of a file is not recalled from under another configuration."""
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    after, index, _ = recalled(root, file, roots=[{"path": str(root), "dialects": ["component"]}])
    assert (len(index), after.library.statistics().edges) == (0, 0)
    after, index, _ = recalled(root, file, library__max_component_bytes=50)
    assert index.recalled == 1
    assert [str(error.type) for reading in held(after).values() if (error := reading.error)] == [
        "promptd.ComponentTooLarge"
    ] * 2


def test_a_library_that_moved_is_read_but_not_parsed(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places are of a root; content is the same everywhere."""
    root = library(FILES)
    file = kept(workspace_of(root), tmp_path)
    root.rename(root.with_name("moved"))
    monkeypatch.setattr("promptd.sources.loader.parse", lambda *_: pytest.fail("parsed again"))
    assert recalled(root.with_name("moved"), file)[1].recalled == 0


def test_what_cannot_be_kept_is_left_out(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a surrogate pair, a parse beyond the bound, files that failed: they are read, the rest is kept."""
    monkeypatch.setattr(module, "MAX_ENTRY_BYTES", 400)
    odd = {
        "half.md": '---\nkey: "\\ud800"\n---\n',
        "large.md": f"---\nkey: {'x' * 500}\n---\n",
        "bad.md": b"\xff\xfe",
    }
    root = library({**FILES, **odd})
    before = workspace_of(root)
    after, index, looked = recalled(root, kept(before, tmp_path))
    assert {place.id for place in looked} >= {"large.md", "bad.md"}
    assert index.recalled == 6 - len(looked)
    assert {at: (r.digest, r.parsed, str(r.error)) for at, r in held(after).items()} == {
        at: (r.digest, r.parsed, str(r.error)) for at, r in held(before).items()
    }


def test_an_index_is_bounded(library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound nothing more is kept, and what is too large is not even opened."""
    root = library(FILES)
    workspace = workspace_of(root)
    monkeypatch.setattr(module, "MAX_ENTRIES", 2)
    writing = Writing(indexed_roots_of(workspace))
    for reading in workspace.library.readings():
        writing.add([reading])
    assert writing.entries == 2
    monkeypatch.undo()
    file = kept(workspace, tmp_path)
    assert len(file.read(indexed_roots_of(workspace))) == 3
    file.max_bytes = 10
    assert len(file.read(indexed_roots_of(workspace))) == 0


def test_a_link_is_followed_anew(library: Library, tmp_path: Path) -> None:
    """The very same file, signature and all, may lie outside of the library by now."""
    root = library({"inner/secret.raw": "Text.\n"})
    (root / "a.md").symlink_to(root / "inner/secret.raw")
    file = kept(workspace_of(root), tmp_path)
    (root / "a.md").unlink()
    (root / "inner").rename(tmp_path / "outer")
    (root / "a.md").symlink_to(tmp_path / "outer/secret.raw")
    after, _, _ = recalled(root, file)
    assert str(held(after)[Place(0, "a.md")].error).startswith(
        "a.md leads out of the library through a symlink (a.md -> "
    )


# -- damage -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, bytes, IndexFile]:
    """A workspace, the index of it as bytes, and a file to put other bytes into."""
    root = tmp_path_factory.mktemp("library")
    (root / "a.md").write_text("---\nk: v\n---\n<include>b.md</include>\n")
    (root / "b.md").write_text("B.\n")
    workspace = workspace_of(root)
    file = kept(workspace, tmp_path_factory.mktemp("state"))
    return workspace, file.path.read_bytes(), file


def read(written: tuple[Workspace, bytes, IndexFile], data: bytes) -> int:
    """How many entries are read of these bytes."""
    workspace, _, file = written
    file.path.write_bytes(data)
    return len(file.read(indexed_roots_of(workspace)))


def test_there_may_be_nothing(tmp_path: Path, library: Library) -> None:
    """The first start has no index, and needs none."""
    assert len(IndexFile(tmp_path).read(indexed_roots_of(workspace_of(library(FILES))))) == 0


def test_every_cut_is_found(written: tuple[Workspace, bytes, IndexFile]) -> None:
    """However much of the file is missing, none of it is believed."""
    _, data, _ = written
    assert read(written, data) > 0
    assert not any(read(written, data[:length]) for length in range(len(data)))


def test_every_flipped_bit_is_found(written: tuple[Workspace, bytes, IndexFile]) -> None:
    """One bit, anywhere."""
    _, data, _ = written
    for at in range(len(data)):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        assert read(written, bytes(flipped)) == 0


def sealed(data: bytes) -> bytes:
    """Bytes under a seal that is right, whatever they say."""
    return blake2b(data, digest_size=32).digest() + data


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff\xff\xff\xff\0\0\0\0")
def test_no_bytes_do_any_harm(written: tuple[Workspace, bytes, IndexFile], data: bytes) -> None:
    """Neither arbitrary ones nor arbitrary ones under a right seal: at worst everything is read again."""
    assert read(written, data) == read(written, sealed(data)) == 0


@given(data=st.data())
def test_no_mutation_under_a_right_seal_does_any_harm(
    written: tuple[Workspace, bytes, IndexFile], data: st.DataObject
) -> None:
    """As if a program had written it: frames that lie about their length, their root, their types."""
    body = bytearray(written[1][32:])
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read(written, sealed(bytes(body)))  # whatever it says now, it does not raise


def test_a_failure_to_write_keeps_what_was_there(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk costs the next start some time; it is said, and forgotten once it works again."""
    workspace = workspace_of(library(FILES))
    file = kept(workspace, tmp_path)
    before = file.path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("promptd.support.state_file.write_atomic", full)
        assert not file.write(Writing(indexed_roots_of(workspace)))
    assert file.last_error.endswith("No space left on device")
    assert file.path.read_bytes() == before
    assert kept(workspace, tmp_path).last_error == ""
    assert "index.bin" in repr(file)


WRITER = """
import sys
from pathlib import Path
from promptd.core.syntax.component import Parsed, Place, Reading, FileSignature
from promptd.daemon.state.index_file import IndexFile, IndexedRoot, Writing
file = IndexFile(Path(sys.argv[1]))
while True:
    writing = Writing([IndexedRoot("/library", ("include",))])
    for at in range(20):
        signed = [(Place(0, f"{at}-{n}.md"), FileSignature(1, n, 1, 1, 1)) for n in range(200)]
        writing.add([Reading(place, signature, 10**18, "d", None, Parsed()) for place, signature in signed])
    file.write(writing)
    print(flush=True)
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that writes indexes of 4,000 entries, one after another."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_a_writer_killed_at_any_instant_leaves_a_whole_index(
    writer: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """What is there afterwards is one that was written, all of it."""
    assert writer.stdout is not None
    writer.stdout.readline()  # one is whole; now it is at the next
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    index = IndexFile(tmp_path).read([module.IndexedRoot("/library", ("include",))])
    assert len(index) == 4_000
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
