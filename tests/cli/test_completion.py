"""Completion: real interactive shells are driven through a terminal, with names that a shell would obey."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.cli import shells as completion
from tests.cli import shells
from tests.cli.conftest import FakeDaemon, Run

# What is typed before the Tab, and the name that it is to become. Enter follows at once.
NAMES = {
    "my": "my prompt.md",
    "it": "it's.md",
    "q": 'q"r.md',
    "fi": "fix;touch pwned.md",
    "pl": "plan `touch pwned`.md",
    "do": "do$(touch pwned).md",
    "va": "va$HOME.md",
    "back": "back\\slash.md",
    "a:b": "a:b c.md",
    "eq=": "eq=b d.md",
    "wow": "wow!x !! .md",
    "x": "x&y|z<>(touch pwned).md",
    "sub/": "sub/dir name/p.md",
    "comma": "comma,x,.md",
    "st": "st*r?[b].md",
    "br": "br{a,b}.md",
    "ha": "ha #h ~ ^.md",
    "gr": "grüße é.md",
    "ti": "ti' \"`touch pwned`\" '.md",
}
OFFERED_NOWHERE = (
    "ne\nw`touch pwned`.md",
    "ta\tb.md",
    "es\x1b[2J.md",
    "-rf.md",
    "--config=x.md",
    "bi\u202ed.md",
)
# A word that is begun in quotes, or with escapes, and what it is to become.
BEGUN = [f"{quote}{word}" for word in ("my", "fi", "pl", "do", "it", "q", "wow", "back", "a:b", "va", "ti")
         for quote in ('"', "'")] + ["my\\ p", "ti\\'"]  # fmt: skip


@pytest.fixture
def names(daemon: FakeDaemon) -> None:
    """Make the daemon's library hold them."""
    ids = (*NAMES.values(), *OFFERED_NOWHERE)
    daemon.answers["list"] = {"components": [{"id": id} for id in ids], "total": len(ids)}


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.usefixtures("names")
def test_tab_and_enter_run_promptd_with_the_name_and_nothing_else(
    shell: str, daemon: FakeDaemon, tmp_path: Path
) -> None:
    """Every name becomes one argument, bare and in quotes that are open; nothing else is run."""
    if not shells.is_installed(shell):
        pytest.skip(f"{shell} is not installed (Debian: apt-get install {shell})")
    work = tmp_path / "work"
    work.mkdir()
    (work / "b.md").touch()  # what an unquoted `[b].md` would become
    person = shells.Shell(shell, work, daemon.socket)
    try:
        assert person.complete("promptd li") == ["list"]
        assert person.complete("promptd assemble --mod") == ["assemble", "--model"]
        for typed in (*NAMES, *BEGUN):
            name = NAMES[typed.lstrip("\"'").split("\\")[0]]
            assert person.complete(f"promptd assemble {typed}") == ["assemble", name], typed
        assert person.complete("promptd assemble my\\ prompt.md fi") == ["assemble", NAMES["my"], NAMES["fi"]]
        for typed in ("ne", "ta", "es", "bi"):
            assert person.complete(f"promptd assemble {typed}") == ["assemble", typed]
    finally:
        person.close()
    assert [path.name for path in work.iterdir()] == ["b.md"]


@pytest.mark.slow
@pytest.mark.usefixtures("names")
def test_several_names_with_a_beginning_in_common(daemon: FakeDaemon, tmp_path: Path) -> None:
    """Bash goes as far as they agree; whatever that is, Enter runs nothing but promptd."""
    ids = (
        "a`touch pwned`1.md",
        "a`touch pwned`2.md",
        "b'1.md",
        'b"2.md',
        "c$(touch pwned) 1.md",
        "c$(touch pwned)",
    )
    daemon.answers["list"] = {"components": [{"id": id} for id in ids], "total": len(ids)}
    work = tmp_path / "work"
    work.mkdir()
    person = shells.Shell("bash", work, daemon.socket)
    try:
        for quote in ("", '"', "'"):
            assert person.complete(f"promptd assemble {quote}a", f"{quote}") == ["assemble", "a`touch pwned`"]
            assert person.complete(f"promptd assemble {quote}c", f"{quote}") == [
                "assemble",
                "c$(touch pwned)",
            ]
    finally:
        person.close()
    assert list(work.iterdir()) == []


@pytest.mark.slow
@pytest.mark.usefixtures("names")
def test_the_function_of_bash_gives_one_word_for_a_name(run: Run) -> None:
    """As programs call it that complete without a terminal: with COMP_WORDS alone."""
    script = run("completion", "bash").out.decode()
    for word in ("my", "it", "q", "fi", "pl"):
        text = (
            f"promptd() {{ '{sys.executable}' -m promptd; }}\n{script}\n"
            f"COMP_WORDS=(promptd assemble {word}); COMP_CWORD=2; _promptd_completion promptd\n"
            'eval "set -- ${COMPREPLY[0]}"; printf "%s %s" $# "$1"'
        )
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
        assert done.stdout == f"1 {NAMES[word]}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str, run: Run) -> None:
    """The script calls promptd back through click's own protocol."""
    code, out, _ = run("completion", shell)
    assert code == 0
    assert b"_PROMPTD_COMPLETE" in out


def test_words_are_read_as_a_shell_reads_them() -> None:
    """Quotes and back-slashes; the last word may be open, or not begun."""
    words = completion.split("promptd  'a b'\\''c' \"d\\$e\\f\" g\\ h \"i j")
    assert [word.meant for word in words] == ["promptd", "a b'c", "d$e\\f", "g h", "i j"]
    assert (words[-1].typed, words[-1].quote) == ('"i j', '"')
    assert completion.split("promptd ")[-1] == ("", "", "")
    assert completion.split("promptd 'it\\'s", "'\\")[-1].meant == "it's"


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0\n")), st.sampled_from(["", '"', "'"]))
def test_what_is_quoted_is_read_back(text: str, quote: str) -> None:
    """By this module, and by Python's reader of POSIX words, which knows fewer escapes in double quotes."""
    written = f"x {quote}{completion.quoted(text, quote)}{quote}"
    assert completion.split(written)[-1].meant == text
    if quote != '"':
        assert shlex.split(written)[1:] == ([text] if text or quote else [])


@pytest.mark.parametrize("quote", ["", '"', "'"])
def test_what_is_quoted_bash_reads_back(quote: str) -> None:
    """Every character of the keyboard in one word."""
    text = "".join(map(chr, range(32, 127)))
    written = f"printf %s {quote}{completion.quoted(text, quote)}{quote}"
    assert subprocess.run(["bash", "-c", written], capture_output=True, text=True, check=True).stdout == text
