"""From written targets to candidates: naming, aliases, refusals, globs, nearest names."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.library.resolve import (
    MAX_TARGET_CHARS,
    NamingRules,
    Refused,
    join,
    matches,
    nearest,
)
from promptd.core.syntax.component import Base, Directive
from tests.core.builders import LAW, MemoryLibrary

NAMES = NamingRules(
    (".md", ".txt"), {"~/.claude/gsd": "gsd", "~/.claude": "", "@lib": "lib/x"}, (".git", "*.tmp")
)


def candidates(target: str, base: Base = "root", from_id: str = "d/e.md") -> object:
    """What a directive in d/e.md may mean."""
    return NAMES.candidates_of(Directive("include", target, 0, 1, 1, base=base), from_id)


def test_a_suffix_may_be_omitted() -> None:
    """The same with each suffix, of equal rank; last the written name if a directive has to name it."""
    assert NAMES.candidates("a") == [("a.md", "a.txt"), ("a",)]
    assert NAMES.candidates("a.md") == [("a.md",)]
    assert NAMES.candidates("a.py") == [("a.py.md", "a.py.txt"), ("a.py",)]
    assert NamingRules(("",)).candidates("a") == [("a",), ()]


def test_a_directive_is_resolved_from_where_its_dialect_says() -> None:
    """The root, the including file's directory, or one after the other."""
    assert candidates("a.md") == [("a.md",)]
    assert candidates("a.md", "file") == [("d/a.md",)]
    assert candidates("a.md", "root-then-file") == [("a.md",), ("d/a.md",)]
    assert candidates("a.md", "root-then-file", "e.md") == [("a.md",)]
    assert candidates("../a.md", "file") == [("a.md",)]
    assert candidates("../a.md", "root-then-file") == [("a.md",)]
    assert candidates("./x/../a.md", "file") == [("d/a.md",)]


@pytest.mark.parametrize("home", ["~", "$HOME"])
def test_aliases_map_a_written_prefix(home: str) -> None:
    """The longest prefix first, whole segments only, `$HOME` and `~` alike, whatever the base."""
    assert candidates(f"{home}/.claude/gsd/a.md", "file") == [("gsd/a.md",)]
    assert candidates(f"{home}/.claude/gsdx/a.md") == [("gsdx/a.md",)]
    assert candidates(f"{home}/.claude/a.md") == [("a.md",)]
    assert candidates("@lib/a.md") == [("lib/x/a.md",)]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/etc/passwd", "absolute"),
        ("//host/share", "absolute"),
        ("\\\\host\\share", "backslash"),
        ("a\\b.md", "backslash"),
        ("../a.md", "out of the library"),
        ("a/../../b.md", "out of the library"),
        ("%2e%2e/a.md", "percent"),
        ("a/%2E%2e/b.md", "percent"),
        ("%252e%252e/a.md", "percent"),
        ("%2fetc/passwd", "percent"),
        ("a%00.md", "percent"),
        ("a\0.md", "NUL"),
        ("~/a.md", "home"),
        ("$HOME/a.md", "home"),
        ("~root/a.md", "home"),
        ("~/.claude/gsd/../../../etc", "out of the library"),
        ("a\ud800.md", "surrogate"),
        ("x" * (MAX_TARGET_CHARS + 1), "longer"),
        (".", "names no file"),
        ("a/..", "names no file"),
        (".git/config.md", "ignored"),
        ("a/b.tmp", "ignored"),
    ],
)
def test_what_could_leave_the_library_is_refused_by_name(target: str, reason: str) -> None:
    """Before anything is looked up, with a reason that the author can act on."""
    found = candidates(target)
    assert isinstance(found, Refused)
    assert reason in found.reason


@pytest.mark.parametrize(
    "target", ["a%20b.md", "100%.md", "a%2fb.md", "é/😀.md", "a b.md", "..a/b.md", "C:/x.md"]
)
def test_odd_names_are_names(target: str) -> None:
    """A percent sign, dots inside a segment and any script name a file like others."""
    assert candidates(target) == [(target,)]


def test_a_refused_directive_dangles_with_its_reason() -> None:
    """Nothing vanishes silently: the place is named, the reason is a sentence."""
    prompt = MemoryLibrary({"a.md": "x\n<include>../b.md</include>\n@/etc/passwd\ny\n"}).assemble("a.md")
    assert prompt.text == "x\n@/etc/passwd\ny\n"
    assert [(warning.line, warning.target) for warning in prompt.warnings] == [
        (2, "../b.md"),
        (3, "/etc/passwd"),
    ]
    assert "out of the library" in prompt.warnings[0].message
    assert "absolute path" in prompt.warnings[1].message


def test_two_files_of_one_name_are_an_ambiguity() -> None:
    """Without its suffix a name must fit one file; the directive dangles and says which it fits."""
    library = MemoryLibrary({"a.md": "<include>b</include>\n", "b.md": "1", "b.txt": "2"})
    prompt = library.assemble("a.md")
    assert prompt.text == ""
    assert "ambiguous: b.md, b.txt" in prompt.warnings[0].message


@LAW
@given(st.text(alphabet="a./%2eE5~\\\0$", max_size=20), st.sampled_from(["", "d", "d/e"]))
def test_no_joined_id_ever_leaves_the_roots(target: str, directory: str) -> None:
    """For any target: refused, or an id without `..`, empty or absolute parts."""
    id = join(directory, target)
    if isinstance(id, str):
        assert not {"", ".", ".."} & set(id.split("/"))


def test_what_is_discovered_and_what_is_ignored() -> None:
    """By suffix; by any part of the id, literally or as a pattern."""
    assert [NAMES.is_discovered(name) for name in ("a.md", ".md", "md", "a.MD", "a.b.txt")] == [
        True, False, False, False, True,
    ]  # fmt: skip
    assert NamingRules(("", ".md")).is_discovered("README")
    assert [NAMES.is_ignored(id) for id in ("a/.git/b", "x.tmp/a", "a.git/b.md", "git")] == [
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("id", "glob", "fits"),
    [
        ("a.md", "**", True),
        ("d/a.md", "*", False),
        ("d/a.md", "*/*", True),
        ("d/a.md", "d/**", True),
        ("d/e/a.md", "d/**", True),
        ("d/e/a.md", "**/a.md", True),
        ("a.md", "**/a.md", True),
        ("d/e/f/a.md", "d/**/f/*.md", True),
        ("d/f/a.md", "d/**/f/*.md", True),
        ("d/a.md", "d/**/f/*.md", False),
        ("da.md", "d/**", False),
        ("d/a.md", "d/?.md", True),
        ("d/a.md", "D/a.md", False),
        ("d/a.md", "", False),
    ],
)
def test_globs(id: str, glob: str, fits: bool) -> None:
    """`**` crosses directories, none too; `*` and `?` stay within a name."""
    assert matches(id, [glob]) is fits


def test_a_hostile_glob_takes_no_time() -> None:
    """All ways are followed at once, so that stars cannot multiply."""
    started = time.process_time()
    deep = "a/" * 60 + "b"
    assert not matches(deep, ["**/a/" * 200 + "c", "*a" * 500, "**/" * 300 + "c"])
    assert matches(deep, ["**/" * 300 + "b"])
    assert time.process_time() - started < 1.0


def test_the_nearest_names() -> None:
    """Best first, by the whole path or the last segment; nothing where nothing is like it."""
    ids = ["commands/review-code.md", "commands/release.md", "agents/reviewer.md", "x.md"]
    assert nearest("commands/reveiw-code", ids)[0] == "commands/review-code.md"
    assert nearest("zzzz", ids) == []
    assert nearest("review", []) == []


@pytest.mark.parametrize("name", [".env", ".env.md", "a/.hidden.md", ".ssh/.key", "x/..md"])
def test_a_dot_file_is_never_a_component(name: str) -> None:
    """Neither by name nor by a directive; a directory may begin with a dot."""
    assert NAMES.candidates(name) == Refused("is a dot file, which is never a component")
    assert candidates(name) == Refused("is a dot file, which is never a component")
    assert not NAMES.is_discovered(name.rpartition("/")[2])
    assert NAMES.candidates(".claude/a.md") == [(".claude/a.md",)]
