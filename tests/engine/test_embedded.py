"""The engine in process, and the freshness contract: after every operation on a real directory the warm
engine says what a cold one says. No watcher, no sleep: freshness is decided by what the disk says now.
"""

import json
import mmap
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from promptd import Engine
from promptd import config as configuration
from promptd.core.syntax.component import Reading
from promptd.errors import (
    ConfigError,
    CycleError,
    InvalidParams,
    MethodNotFound,
    MissingInclude,
    OutsideRoot,
    OverBudget,
    PromptdError,
    PromptTooLarge,
    UnknownComponent,
    UnsupportedOption,
)
from promptd.sources.worktree import files as module
from promptd.sources.worktree.sweep import SLOW_STAT_S
from tests.conftest import Library
from tests.freshness import (
    age,
    answer,
    assert_fresh,
    cold_one,
    make_files_look_old,
    ticks,
    whole,
)

__all__ = ["age"]  # a fixture

PROMPT = "# P\n<include>part</include>\n<include>gone.md</include>\n@d/deep.md and {name}\n"
FILES = {
    "p.md": PROMPT,
    "part.md": "---\ndescription: a part\n---\npart one\n",
    "d/deep.md": "deep\n<include>d/deeper</include>\n",
    "d/deeper.md": "deeper\n",
    "other.md": "other\n",
}
REQUESTS = (("p",), ("p.md", "other"), ("part",), ("d/deep",), ("other",), ("gone",), ("d/deeper.md",))


# -- each operation -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Operation:
    """One thing a person or a program does to a library, and what it needs beforehand."""

    name: str
    do: Callable[[Path], object]
    before: Callable[[Path], object] = bool


def same_size(root: Path) -> None:
    """Rewrite a file with other bytes of the same number."""
    (root / "part.md").write_text((root / "part.md").read_text().replace("one", "two"))


def restored_mtime(root: Path) -> None:
    """Rewrite a file and give it back its time of modification, as `rsync -t` and `touch -r` do."""
    path = root / "part.md"
    before = path.stat()
    same_size(root)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def append(root: Path) -> None:
    """Add a line at the end."""
    with (root / "part.md").open("a") as file:
        file.write("more\n")


def atomic_save(root: Path) -> None:
    """Write beside and rename over, as editors do."""
    (root / ".part.md.tmp").write_text("saved\n")
    (root / ".part.md.tmp").replace(root / "part.md")


def in_place(root: Path) -> None:
    """Write into the middle of a file."""
    with (root / "part.md").open("r+") as file:
        file.seek(30)
        file.write("X")


def mapped(root: Path) -> None:
    """Write through a mapping, which no watcher sees."""
    with (root / "part.md").open("r+b") as file, mmap.mmap(file.fileno(), 0) as pages:
        pages[30:33] = b"map"


def hard_link(root: Path) -> None:
    """Write through another name of the same file, outside the library."""
    with (root.parent / "other-name.md").open("a") as file:
        file.write("through a hard link\n")


def link_to(target: str) -> Callable[[Path], None]:
    """Return an operation that lets a symlink lead elsewhere."""

    def swap(root: Path) -> None:
        (root / "new").symlink_to(target)
        (root / "new").replace(root / "part.md")

    return swap


def replace_root(root: Path) -> None:
    """Put another directory in the place of the root."""
    root.rename(root.with_name("old"))
    shutil.copytree(root.with_name("old"), root)
    (root / "part.md").write_text("of the new root\n")


def swap_names(root: Path) -> None:
    """Let two files change places; both keep inode, size and times."""
    (root / "part.md").rename(root / "x")
    (root / "other.md").rename(root / "part.md")
    (root / "x").rename(root / "other.md")


def move_in(root: Path) -> None:
    """Move a whole directory into the library, with what a directive waits for."""
    (root.parent / "coming" / "sub").mkdir(parents=True)
    (root.parent / "coming" / "gone.md").write_text("found\n")
    (root.parent / "coming" / "sub" / "new.md").write_text("new\n")
    (root.parent / "coming").rename(root / "came")
    (root / "gone.md").symlink_to("came/gone.md")


OPERATIONS = [
    Operation("create what was missing", lambda root: (root / "gone.md").write_text("found\n")),
    Operation(
        "create a rival that makes a name ambiguous", lambda root: (root / "part.txt").write_text("rival")
    ),
    Operation(
        "remove one of two rivals",
        lambda root: (root / "part.txt").unlink(),
        lambda root: (root / "part.txt").write_text("rival\n"),
    ),
    Operation("create a rival without suffix", lambda root: (root / "part").write_text("bare\n")),
    Operation("edit", lambda root: (root / "part.md").write_text("edited\n")),
    Operation(
        "edit what is included indirectly", lambda root: (root / "d" / "deeper.md").write_text("edited\n")
    ),
    Operation("append", append),
    Operation("truncate", lambda root: os.truncate(root / "part.md", 10)),
    Operation("write in place", in_place),
    Operation("atomic save", atomic_save),
    Operation("same-size rewrite", same_size),
    Operation("restored time of modification", restored_mtime),
    Operation("touch", lambda root: os.utime(root / "part.md")),
    Operation("delete", lambda root: (root / "part.md").unlink()),
    Operation("rename", lambda root: (root / "part.md").rename(root / "gone.md")),
    Operation("rename over", lambda root: (root / "other.md").replace(root / "part.md")),
    Operation("swap two names", swap_names),
    Operation(
        "a directory in place of a file",
        lambda root: ((root / "part.md").unlink(), (root / "part.md").mkdir()),
    ),
    Operation("move a directory out", lambda root: (root / "d").rename(root.parent / "moved")),
    Operation("move a directory in", move_in),
    Operation("delete a directory", lambda root: shutil.rmtree(root / "d")),
    Operation("replace the root", replace_root),
    Operation("remove the root", lambda root: root.rename(root.parent / "old")),
    Operation(
        "chmod 000 (root reads it all the same; the change of permission is seen)",
        lambda root: (root / "part.md").chmod(0),
    ),
    Operation("symlink swapped inwards", link_to("other.md"), link_to("d/deeper.md")),
    Operation("symlink swapped outwards", link_to("/etc/hostname"), link_to("other.md")),
    Operation("symlink swapped back in", link_to("other.md"), link_to("/etc/hostname")),
    Operation("symlink to itself", link_to("part.md"), link_to("other.md")),
    Operation(
        "write to the target of a symlink",
        lambda root: (root / "other.md").write_text("edited\n"),
        link_to("other.md"),
    ),
    Operation(
        "a directory symlink led elsewhere",
        lambda root: ((root / "new").symlink_to("e"), (root / "new").replace(root / "d")),
        lambda root: (
            (root / "d").rename(root / "f"),
            (root / "d").symlink_to("f"),
            shutil.copytree(root / "f", root / "e"),
        ),
    ),
    Operation(
        "hard-link write", hard_link, lambda root: os.link(root / "part.md", root.parent / "other-name.md")
    ),
    Operation("write through a mapping", mapped),
    Operation("make it bad text", lambda root: (root / "part.md").write_bytes(b"\xff\xfe")),
    Operation(
        "repair bad text",
        lambda root: (root / "part.md").write_text("good again\n"),
        lambda root: (root / "part.md").write_bytes(b"\xff\xfe"),
    ),
    Operation("make it a FIFO", lambda root: ((root / "part.md").unlink(), os.mkfifo(root / "part.md"))),
    Operation(
        "close a cycle", lambda root: (root / "d" / "deeper.md").write_text("<include>p.md</include>\n")
    ),
    Operation(
        "open a cycle",
        lambda root: (root / "d" / "deeper.md").write_text("none\n"),
        lambda root: (root / "d" / "deeper.md").write_text("<include>d/deep.md</include>\n"),
    ),
    Operation("rename the case", lambda root: (root / "part.md").rename(root / "Part.md")),
]


@pytest.fixture(autouse=True)
def _no_torn_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every emptied file here is meant to be empty, so no read waits for it to be filled again."""
    monkeypatch.setattr(module, "TORN_WAIT_S", 0.0)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
@pytest.mark.usefixtures("age")
@pytest.mark.parametrize("has_scanned", [False, True], ids=["asked", "scanned"])
def test_after_an_operation_warm_equals_cold(
    operation: Operation, has_scanned: bool, library: Library
) -> None:
    """Text, manifest, warnings, tokens and errors are those of an engine that has seen nothing before."""
    root = library(FILES)
    clock = ticks(root.parent / "marker")
    operation.before(root)
    next(clock)
    with Engine.open(root) as warm:
        if has_scanned:
            warm.call("rescan")
        assert_fresh(warm, REQUESTS)
        next(clock)
        operation.do(root)
        assert_fresh(warm, REQUESTS)
        with cold_one(warm) as cold:
            assert whole(warm) == whole(cold)
        assert_fresh(warm, REQUESTS)


SHADOWING = [
    Operation("an earlier root gets the same id", lambda root: (root / "part.md").write_text("first\n")),
    Operation(
        "an earlier root gets a rival for a name", lambda root: (root / "part.txt").write_text("rival\n")
    ),
    Operation(
        "the earlier root's file goes",
        lambda root: (root / "other.md").unlink(),
        lambda root: (root / "other.md").write_text("first\n"),
    ),
    Operation(
        "the hidden file changes", lambda root: (root.parent / "second" / "other.md").write_text("hidden\n")
    ),
    Operation(
        "a hidden file changes and comes forward",
        lambda root: (
            (root.parent / "second" / "d" / "deep.md").write_text("new\n"),
            (root / "d" / "deep.md").unlink(),
        ),
        lambda root: ((root / "d").mkdir(), (root / "d" / "deep.md").write_text("first\n")),
    ),
    Operation("the first root goes", lambda root: root.rename(root.parent / "old")),
    Operation(
        "what was missing appears in the second",
        lambda root: (root.parent / "second" / "gone.md").write_text("x"),
    ),
]


@pytest.mark.parametrize("operation", SHADOWING, ids=lambda operation: operation.name)
@pytest.mark.usefixtures("age")
def test_shadowing_between_roots_is_fresh(operation: Operation, library: Library) -> None:
    """The first root that holds an id wins, as of now."""
    second = library(FILES).rename(library({}).with_name("second"))
    root = library({"first.md": "only here\n"})
    operation.before(root)
    clock = ticks(root.parent / "marker")
    next(clock)
    with Engine.open([root, second]) as warm:
        warm.call("rescan")
        assert_fresh(warm, REQUESTS)
        next(clock)
        operation.do(root)
        assert_fresh(warm, REQUESTS)
        with cold_one(warm) as cold:
            assert whole(warm) == whole(cold)


def test_a_same_tick_rewrite_is_seen(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Racily clean: bytes changed, and not one number of the signature did; the bytes are read again."""
    root = library({"a.md": "one"})
    with Engine.open(root) as engine:
        assert engine.assemble("a").text == "one"
        frozen = module.signature_from(os.stat(root / "a.md"))
        (root / "a.md").write_text("two")
        with monkeypatch.context() as patch:
            patch.setattr(module, "signature_from", lambda _found: frozen)
            assert engine.assemble("a").text == "two"


def test_an_aged_file_is_not_read_again(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """The opposite: what a signature proves costs a stat."""
    make_files_look_old(monkeypatch)
    root = library(FILES)
    with Engine.open(root) as engine:
        first = engine.assemble("p")
        monkeypatch.setattr(os, "open", None)
        assert engine.assemble("p") is first


def test_a_young_file_ages(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read again once its times are old enough, it is proved by its signature from then on."""
    root = library({"a.md": "one"})
    with Engine.open(root) as engine:
        first = engine.assemble("a")
        make_files_look_old(monkeypatch)
        assert engine.assemble("a") is first
        monkeypatch.setattr(os, "open", None)
        assert engine.assemble("a") is first


def test_a_touched_file_keeps_its_prompts(library: Library) -> None:
    """Backdating: an unchanged digest leaves the revision and the cached prompt as they are."""
    root = library(FILES)
    with Engine.open(root) as engine:
        first, clock = engine.assemble("p"), engine.workspace.clock
        os.utime(root / "part.md", ns=(1, 1))
        again = engine.assemble("p")
        assert again is first
        assert engine.workspace.clock == clock


def test_an_edit_leaves_other_prompts_alone(library: Library) -> None:
    """What does not contain the changed component stays cached."""
    root = library(FILES)
    with Engine.open(root) as engine:
        other, prompt = engine.assemble("other"), engine.assemble("p")
        (root / "part.md").write_text("edited")
        assert engine.assemble("p") is not prompt
        assert engine.assemble("other") is other


class Restless(module.Worktree):
    """A working tree in which one file changes between any two looks."""

    def read(self, place: Any, *, was_filled: bool = False) -> Reading:
        """Read, and let it be written again before it can be checked."""
        seen = super().read(place, was_filled=was_filled)
        if place.id == "part.md":
            Path(self.path(place)).write_text(seen.text + "x" if seen.text else "x")
        return seen


def test_a_file_that_changes_on_every_read_is_answered_as_inconsistent(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three reads at most, then an answer that says so, with a warning; no other request is given it."""
    root = library(FILES)
    monkeypatch.setattr("promptd.sources.worktree.files.Worktree", Restless)
    with Engine.open(root) as engine:
        prompt = engine.assemble("p")
        assert not prompt.is_consistent
        (warning,) = (one for one in prompt.warnings if one.kind == "inconsistent")
        assert warning.id == "part.md"
        assert len(engine.workspace.prompts) == 0
        assert engine.workspace.loader.statistics().reads == len(FILES) + 2 - 1
        monkeypatch.delattr(Restless, "read")
        steady = engine.assemble("p")
        assert steady.is_consistent
        assert steady.text.startswith("# P\npart one\nxxx")


LARGE = "many words\n" * 100_000 + "end"


def test_components_larger_than_the_cache_still_assemble(library: Library) -> None:
    """A prompt comes together though none of its texts can be kept."""
    root = library({"p.md": "<include>a.md</include>\n<include>b.md</include>\n", "a.md": LARGE, "b.md": "b"})
    config = configuration.load(
        None,
        {},
        {
            "roots": [str(root)],
            "library.max_component_bytes": 4_000_000,
            "cache.size": 1_048_576,
            "tokens.max_context_tokens": 1_000_000,
        },
    )
    with Engine(config) as engine:
        for _ in range(2):
            assert engine.assemble("p").text == LARGE + "\nb\n"
        (root / "b.md").write_text("changed")
        assert engine.assemble("p").text == LARGE + "\nchanged\n"
        assert engine.workspace.statistics().components.entries == 2


def test_fewer_cache_entries_than_a_prompt_has_components(library: Library) -> None:
    """The smallest cache costs reads, never correctness."""
    root = library({f"{n}.md": f"{n} <include>{n + 1}.md</include>" for n in range(20)} | {"20.md": "end"})
    with Engine.open(root, cache_entries=1) as small, Engine.open(root) as large:
        assert answer(small, "0") == answer(large, "0")
        assert answer(small, "3", "7") == answer(large, "3", "7")


def test_a_slow_file_system_is_swept_away_from_the_hot_path(library: Library) -> None:
    """Where a stat takes long the sweep becomes a command of the procedure; the answers are the same."""
    root = library(FILES)
    with Engine.open(root) as warm:
        warm.assemble("p")
        warm.workspace.source.stat_s = 3.0
        assert_fresh(warm, REQUESTS)
        (root / "part.md").write_text("edited\n")
        warm.workspace.source.stat_s = 3.0
        assert_fresh(warm, REQUESTS)
        for _ in range(300):
            warm.assemble("p")
        assert warm.workspace.source.stat_s < SLOW_STAT_S


def test_what_a_white_space_bomb_costs(library: Library, capfd: pytest.CaptureFixture[str]) -> None:
    """A file the tokenizer cannot take is an error of the prompts that contain it, and of no other."""
    root = library(
        {"bomb.md": " " * 1_000_000 + "x", "user.md": "<include>bomb.md</include>", "a.md": "fine"}
    )
    with Engine.open(root) as engine:
        for name in ("bomb", "user"):
            with pytest.raises(PromptTooLarge):
                engine.assemble(name)
        with pytest.raises(PromptTooLarge):
            engine.call("get", {"name": "bomb"})
        assert engine.assemble("a").text == "fine"
        engine.call("check")
    capfd.readouterr()  # what Rust had to say about it


# -- the engine -----------------------------------------------------------------------------------


def test_open_and_assemble(library: Library) -> None:
    """The few lines of the README."""
    root = library(FILES)
    with Engine.open(root, cache_entries=10, max_workers=2, max_context_tokens=1_000) as engine:
        prompt = engine.assemble("p", variables={"name": "you", "unused": 1}, arguments=None)
        assert prompt.text.startswith("# P\npart one\n")
        assert "and you" in prompt.text
        assert {warning.kind for warning in prompt.warnings} == {"missing", "unused-variable"}
        assert engine.workspace.texts.max_entries == 10
        assert engine.workspace.loader.workers.maximum == 2
        assert "<Engine <Library" in repr(engine)


def test_several_names_are_put_together_in_order(library: Library) -> None:
    """A sequence of names is one prompt."""
    with Engine.open(library({"a.md": "A\n", "b.md": "B"})) as engine:
        assert engine.assemble(["b", "a"]).text == "B\nA\n"


def test_the_same_values_are_the_same_prompt(library: Library) -> None:
    """However they are typed: what counts is the text that goes in."""
    with Engine.open(library({"a.md": "{n} {b}"})) as engine:
        first = engine.assemble("a", {"n": 1, "b": True})
        assert first.text == "1 true"
        assert engine.assemble("a", {"b": "true", "n": "1"}) is first
        assert engine.assemble("a", {"b": "false", "n": "1"}) is not first


def test_a_root_that_does_not_exist_is_the_operators_mistake(tmp_path: Path) -> None:
    """Said on opening."""
    with pytest.raises(ConfigError, match="not a directory"):
        Engine.open(tmp_path / "none")
    with pytest.raises(ConfigError, match="no library"):
        Engine.open()
    with pytest.raises(ConfigError, match="cache"):
        Engine.open(tmp_path, cache_entries=-1)


def test_arguments_of_open_are_laid_over_a_configuration(library: Library, tmp_path: Path) -> None:
    """What is given to `open` wins, what is not stays as configured."""
    config = configuration.load(None, {}, {"roots": [str(tmp_path)], "cache.entries": 7, "cache.hot_set": 3})
    with Engine.open(library({"a.md": "a"}), config=config, cache_entries=9) as engine:
        assert engine.workspace.config.cache.entries == 9
        assert engine.workspace.config.cache.hot_set == 3
        assert engine.assemble("a").text == "a"


def test_errors_are_leaves_of_the_tree(library: Library) -> None:
    """Each with one cause."""
    root = library(
        {"a.md": "<include>b.md</include>", "b.md": "<include>a.md</include>", "c.md": "word " * 50}
    )
    with Engine.open(root, max_context_tokens=10) as engine:
        with pytest.raises(CycleError, match=r"a\.md:1 → b\.md:1 → a\.md"):
            engine.assemble("a")
        with pytest.raises(OverBudget):
            engine.assemble("c")
        with pytest.raises(UnknownComponent, match="did you mean"):
            engine.assemble("cc.md")
        for name in ("../a", "/etc/passwd", "%2e%2e/a", "a\0b", "\\\\host\\a", "x/../../a", "~/a"):
            with pytest.raises((OutsideRoot, UnknownComponent)):
                engine.assemble(name)


def test_missing_error_mode_is_fresh_too(library: Library) -> None:
    """An error that rests on an absence is gone as soon as the file is there."""
    root = library({"p.md": "<include>gone.md</include>"})
    config = configuration.load(None, {}, {"roots": [str(root)], "library.missing": "error"})
    with Engine(config) as engine:
        with pytest.raises(MissingInclude):
            engine.assemble("p")
        (root / "gone.md").write_text("found")
        assert engine.assemble("p").text == "found"


@pytest.mark.parametrize(
    "variables", [{"a": "\ud800"}, {"\udfff": "x"}, {"a": 10**6_000}, {"a": None}, {"a": ["x"]}, {"a": b"x"}]
)
def test_values_no_prompt_can_hold_are_refused(library: Library, variables: Mapping[str, Any]) -> None:
    """Half of a surrogate pair, endless numbers, lists: InvalidParams, not a traceback from within."""
    with Engine.open(library({"a.md": "{a}"})) as engine:
        with pytest.raises(InvalidParams):
            engine.assemble("a", variables)
        with pytest.raises(InvalidParams):
            engine.assemble("a", arguments="\ud800")
        with pytest.raises(InvalidParams):
            engine.assemble([])


@pytest.mark.parametrize(
    "params", [{"name": "\ud800"}, {"name": {1, object()}}, {"name": "a", "variables": {"a": None}}]
)
def test_calls_with_what_is_no_json_are_refused(library: Library, params: Mapping[str, Any]) -> None:
    """A program's mistake in calling is named as such."""
    with Engine.open(library({"a.md": "{a}"})) as engine, pytest.raises(InvalidParams):
        engine.call("assemble", params)


def test_call_knows_the_methods(library: Library) -> None:
    """Unknown ones are said to be, and those that need a daemon say that."""
    with Engine.open(library({"a.md": "a"})) as engine:
        with pytest.raises(MethodNotFound, match="there are: assemble"):
            engine.call("assemblee")
        with pytest.raises(UnsupportedOption, match="promptd serve"):
            engine.call("health")


def test_progress_is_reported_while_much_is_read(library: Library) -> None:
    """Opening a large library can show how far it is."""
    seen: list[tuple[int, int]] = []
    root = library({f"{n}.md": "x" for n in range(40)})
    with Engine.open(root, progress=lambda done, total: seen.append((done, total))) as engine:
        engine.call("check")
    assert seen[-1] == (40, 40)


# -- what is no component ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["id_rsa", "notes.raw", "d/key.pem"])
@pytest.mark.parametrize("method", ["assemble", "get", "dependencies", "dependents", "graph"])
def test_a_file_that_is_no_component_is_not_served_by_name(library: Library, name: str, method: str) -> None:
    """Whatever lies in a root: suffixes decide, or a directive that names it; and as long as it does."""
    root = library({"a.md": "a\n", "id_rsa": "SECRET", "notes.raw": "SECRET", "d/key.pem": "SECRET"})
    with Engine.open(root) as engine:
        for has_scanned in (False, True):
            with pytest.raises(UnknownComponent):
                engine.call(method, {"name": name})
            if not has_scanned:
                engine.call("list")
        (root / "a.md").write_text(f"<include>{name}</include>\n")
        assert engine.call(method, {"name": name})
        assert engine.assemble("a").text == "SECRET\n"
        (root / "a.md").write_text("no more\n")
        with pytest.raises(UnknownComponent):
            engine.call(method, {"name": name})
    with Engine.open(root) as cold, pytest.raises(UnknownComponent):
        cold.call(method, {"name": name})


def test_a_named_file_is_served_to_who_starts_from_nothing(library: Library) -> None:
    """Without a scan nobody knows which directives there are: then all of them are looked at."""
    root = library({"a.md": "<include>notes.raw</include>", "notes.raw": "notes\n"})
    with Engine.open(root) as engine:
        assert engine.assemble("notes.raw").text == "notes\n"


def test_a_dot_file_is_not_served_at_all(library: Library) -> None:
    """Not by name, not by a directive, and not with a component's suffix."""
    root = library({"a.md": "<include>.env</include>@.env", ".env": "SECRET", ".x.md": "SECRET", "b.md": "b"})
    with Engine.open(root) as engine:
        assert "SECRET" not in engine.assemble("a").text
        for name in (".env", ".x.md", ".x"):
            with pytest.raises(PromptdError, match="dot file"):
                engine.call("get", {"name": name})
        assert [row["id"] for row in json.loads(engine.call("list"))["components"]] == ["a.md", "b.md"]


def test_a_closed_engine_says_so(library: Library) -> None:
    """As a closed file does; closing twice is nothing."""
    engine = Engine.open(library({"a.md": "x\n"}))
    engine.close()
    engine.close()
    for ask in (lambda: engine.assemble("a"), lambda: engine.call("list")):
        with pytest.raises(ValueError, match=r"^this Engine is closed$"):
            ask()
