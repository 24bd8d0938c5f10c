"""Cutting a text at the places where values go."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.slots import SHELL_DISABLED, Cutter, Slot
from tests.core.builders import LAW

CUTTER = Cutter(arguments=("issue", "branch"))


def cut(text: str, cutter: Cutter = CUTTER) -> list[str | Slot]:
    """The parts of a whole text."""
    return list(cutter.cut(text, 0, len(text)))


def slots(text: str, cutter: Cutter = CUTTER) -> list[Slot]:
    """The slots of a text."""
    return [part for part in cut(text, cutter) if isinstance(part, Slot)]


@pytest.mark.parametrize(
    ("text", "name", "default"),
    [
        ("{name}", "name", None),
        ("{{name}}", "name", None),
        ("{{ name }}", "name", None),
        ("{{name|x y}}", "name", "x y"),
        ("{{ name | x y }}", "name", "x y"),
        ("{{name|}}", "name", ""),
        ("{a-b.c_1}", "a-b.c_1", None),
        ("{été}", "été", None),
    ],
)
def test_variables(text: str, name: str, default: str | None) -> None:
    """One or two braces; with two, a default behind a bar."""
    assert slots(f"a {text} b") == [Slot("variable", text, name, default)]


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}', "{ name }", "{{a b}}", "{{1a}}", "{}", "{{}}", "{a|b}", "{{a}", "{a}}", "{{{ a }}}",
     "{a\n}", "{{#if a}}", "{{> a}}",
     "{{component: a}}", "${a b}", "{{a|b{c}}}"],
)  # fmt: skip
def test_other_braces_stay(text: str) -> None:
    """JSON, templates of others and half-open braces are text."""
    assert slots(text) == []
    assert "".join(str(part) for part in cut(text)) == text


@pytest.mark.parametrize(
    ("text", "name", "default"),
    [
        ("$ARGUMENTS", "", None),
        ("$ARGUMENTS[0]", "0", None),
        ("$ARGUMENTS[12]", "12", None),
        ("$0", "0", None),
        ("$12", "12", None),
        ("$issue", "0", ""),
        ("$branch", "1", ""),
    ],
)
def test_arguments(text: str, name: str, default: str | None) -> None:
    """All of them, one by index, or one by a declared name, which if absent becomes empty."""
    assert slots(f"x {text}, y") == [Slot("argument", text, name, default)]


@pytest.mark.parametrize(
    "text", ["$other", "$issues", "$1st", "$ARGUMENTS_X", "$", "$$", "$-1", "$٣", "US$", "$ 1"]
)
def test_other_dollars_stay(text: str) -> None:
    """Shell variables, prices in words and undeclared names are text."""
    assert slots(text) == []


@pytest.mark.parametrize("text", ["\\$1", "\\$ARGUMENTS", "\\$issue", "\\$ARGUMENTS[1]"])
def test_an_escaped_argument_is_kept_for_its_backslash(text: str) -> None:
    """It is no argument, but it loses the backslash where arguments are given."""
    assert slots(text) == [Slot("escape", text)]
    assert slots("\\$other \\{a") == []


def test_codex_counts_from_one() -> None:
    """`$1` is index 0 there and `$0` nothing; `$ARGUMENTS[N]` is Claude Code's and 0-based anywhere."""
    codex = Cutter(base=1)
    assert [slot.name for slot in slots("$1 $2 $0 $ARGUMENTS[1]", codex)] == ["0", "1", "-1", "1"]


@pytest.mark.parametrize(
    "shell",
    ["!`git diff $1 {a}`", "```!\ngit diff $1\n{a}\n```", "  ```!bash\n$1\n  ```", "```!\r\n$1\r\n```",
     "```!\n```",
     "```!\n" + "$1\n" * 1000 + "```"],
)  # fmt: skip
def test_shell_forms_stay_as_written_or_are_replaced(shell: str) -> None:
    """Never run and never filled: text in, the same text out, or the notice in its place."""
    assert cut(f"{shell}\r\n") == [f"{shell}\r\n"]
    replaced = cut(f"{shell}\r\n", Cutter(replaces_shell=True))
    assert "".join(str(part) for part in replaced) == f"{SHELL_DISABLED}\r\n"


def test_an_unclosed_shell_block_is_text() -> None:
    """Nothing would run it; the slots below it are filled."""
    text = "```!\nx $1\n"
    assert [slot.raw for slot in slots(text)] == ["$1"]
    assert SHELL_DISABLED not in cut(text, Cutter(replaces_shell=True))


def test_only_the_asked_for_part_is_cut() -> None:
    """Offsets are of the whole text; what is outside is not looked at."""
    text = "{a} b {c} d {e}"
    assert list(CUTTER.cut(text, 4, 11)) == ["b ", Slot("variable", "{c}", "c"), " d"]
    assert list(CUTTER.cut(text, 4, 4)) == []


PIECES = st.sampled_from(
    ["{", "}", "{{", "}}", "a", "|", "$", "1", "ARGUMENTS", "[0]", "issue", "\\", "!`", "`", "```!\n",
     "```\n", " ",
     "\n", "\r\n", "😀", "x"]
)  # fmt: skip


@LAW
@given(st.lists(PIECES, max_size=30).map("".join))
def test_the_parts_make_up_the_text(text: str) -> None:
    """Written texts in order are the text, byte for byte, and none of them is empty."""
    written = [part if isinstance(part, str) else part.raw for part in cut(text)]
    assert "".join(written) == text
    assert all(written)


SIZE = 1_000_000


@pytest.mark.parametrize(
    "text",
    ["```!\n" * (SIZE // 5), "{{" * (SIZE // 2), "{{a|" * (SIZE // 4), "{" * SIZE, "{{" + "a" * SIZE,
     "$" * SIZE,
     "{{a" + " " * SIZE, "{{ " * (SIZE // 3), "!`" * (SIZE // 2), "!`x\n" * (SIZE // 4),
     "\\$" * (SIZE // 2), "{a}" * (SIZE // 3),
     "$" + "a" * SIZE, "{{a " * (SIZE // 4), " " * SIZE + "```!", "```!\n```x\n" * (SIZE // 10)],
    ids=lambda text: repr(text[:8]),
)  # fmt: skip
@pytest.mark.parametrize("replaces_shell", [False, True])
def test_a_megabyte_is_cut_in_linear_time(text: str, replaces_shell: bool) -> None:
    """Six seconds of processor time at most; what is quadratic takes minutes."""
    started = time.process_time()
    for _ in Cutter(("issue",), replaces_shell=replaces_shell).cut(text + "{x}", 0, len(text) + 3):
        pass
    assert time.process_time() - started < 6.0
