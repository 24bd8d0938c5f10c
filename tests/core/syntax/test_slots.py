"""Cutting a text at the places where values go."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptd.core.syntax.component import Placeholder, Variable
from promptd.core.syntax.cutter import SHELL_DISABLED, Cutter, placeholders
from promptd.core.syntax.markdown import Body
from promptd.core.syntax.slots import Slot
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
     "{{component: a}}", "${a b}", "{{a|b{c}}}", "${a}", "${{a}}", "$${a}", "\\${a}", "${{ a }}", "${{a|b}}"],
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


@pytest.mark.parametrize("form", ["$1", "$0", "$ARGUMENTS", "$ARGUMENTS[1]", "$issue"])
@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("slashes", [0, 2, 3, 4, 7])
def test_only_a_single_back_slash_escapes(form: str, base: int, slashes: int) -> None:
    """Two or more stay, all of them, and the placeholder behind them is one."""
    cutter = Cutter(("issue",), base)
    text = f"x {chr(92) * slashes}{form}"
    literal, slot = cut(text, cutter)
    assert (literal, [slot]) == (text.removesuffix(form), slots(form, cutter))


def test_a_variable_in_a_fence_is_marked() -> None:
    """Of both characters, closed or not, in lists and quotes; code spans are prose."""
    text = "{a} `{b}`\n```\n{c}\n```\n> ~~~\n> {{d}}\n\n- ```\n  {e}\n\n{f}\n~~~\n{g}"
    assert "".join(slot.name for slot in slots(text) if slot.is_in_fence) == "cdeg"
    assert "".join(slot.name for slot in slots(text) if not slot.is_in_fence) == "abf"


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


@pytest.mark.parametrize("before", ["", "- ", "> ", "a ", "\t", "a\n", "a\r\n", "\u00a0", "\ufeff"])
def test_a_shell_form_begins_a_line_or_follows_white_space(before: str) -> None:
    """As upstream says; nothing in it is filled."""
    text = f"{before}!`x {{a}}` {{b}}"
    assert [slot.name for slot in slots(text)] == ["b"]
    assert cut(text, Cutter(replaces_shell=True))[-3:-1] in (
        [SHELL_DISABLED, " "],
        [f"{before}", SHELL_DISABLED],
    )


@pytest.mark.parametrize("before", ["KEY=", "(", "**", "\\", "Wow", ".", "é", "`", "!", '"', "😀"])
def test_a_mark_behind_anything_else_is_text(before: str) -> None:
    """The code span behind it is one like any other: kept, and its variables filled."""
    text = f"{before}!`x {{a}}` {{b}}"
    assert [slot.name for slot in slots(text)] == ["a", "b"]
    assert "".join(str(part) for part in cut(text, Cutter(replaces_shell=True)) if isinstance(part, str)) == (
        f"{before}!`x ` "
    )


def test_a_back_tick_that_closes_opens_no_shell_form() -> None:
    """What stands between two code spans is prose, though the first one ends in ` !`."""
    text = "Say `hello !` to {a} and `bye !` {b}"
    assert [slot.name for slot in slots(text)] == ["a", "b"]
    assert SHELL_DISABLED not in cut(text, Cutter(replaces_shell=True))


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


def test_what_the_prose_of_a_body_declares_and_leaves_open() -> None:
    """An inline default declares its name, with its line; each name counts once, code and comments do not."""
    text = (
        "---\na: {no}\n---\n{{x|1}} {{y}}\n{{x|2}} {{y}} {z} `{{a|b}}` {{f | g(h)}}\n"
        "```\n{{c|d}} {e}\n```\n<!-- {g} -->"
    )
    declared, bare = placeholders(Body(text, text.index("{{x")))
    assert declared == (Variable("x", "1", line=4, is_inline=True),)
    assert bare == (Placeholder("{{y}}", "y", 4), Placeholder("{z}", "z", 5))


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
     "\\" * SIZE + "$0", "!` " * (SIZE // 3), "` !`" * (SIZE // 8), "```\n{a}\n" * (SIZE // 32),
     "`{a}" * (SIZE // 16),
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


@pytest.mark.parametrize(
    ("text", "names"),
    [(r"\frac{a}{b} \text{if} \sqrt[n]{x}", []), ("x_{i} $x^{n}$ 2^{k}", []),
     ("{first}{last}", ["first", "last"]), ("report_{date}.md", ["date"]),
     (r"one\n{two}", ["two"]), ("see {topic}", ["topic"])],
)  # fmt: skip
def test_braces_of_a_formula_are_no_placeholders(text: str, names: list[str]) -> None:
    """TeX has them behind a command, a `^` or the `_` of a letter."""
    assert [each.name for each in placeholders(Body(text))[1]] == names
