"""Line endings where one text meets another."""

import pytest

from promptd.core.assembly.writer import Writer, ending, newline_of
from promptd.core.syntax.slots import Slot
from promptd.errors import PromptTooLarge

SLOT = Slot("variable", "{a}", "a")


def after_end_line(*parts: str | Slot, since: int = 0) -> list[str | Slot]:
    """What is written once the line has been ended."""
    writer = Writer([*parts], 100)
    writer.end_line(since, "\n")
    return writer.parts


def test_an_open_line_is_ended_once() -> None:
    """A text without a final newline gets one; one that has one, in any form, does not."""
    assert after_end_line("a") == ["a", "\n"]
    assert after_end_line("a\n") == ["a\n"]
    assert after_end_line("a\r") == ["a\r"]
    assert after_end_line(SLOT) == [SLOT, "\n"]
    assert after_end_line() == []
    assert after_end_line("a", since=1) == ["a"]
    assert after_end_line("a\n", "") == ["a\n", ""]
    assert after_end_line("a", "") == ["a", "", "\n"]


@pytest.mark.parametrize(
    ("text", "left"), [("a\n", "a"), ("a\r\n", "a"), ("a\r", "a"), ("a", "a"), ("a\n\n", "a\n"), ("\n", "")]
)
def test_reopening_a_line_takes_one_ending_off(text: str, left: str) -> None:
    """Once, and only from what was written since."""
    writer = Writer(["x\n", text], 100)
    writer.reopen_line(1)
    assert writer.parts == ["x\n", left]
    writer.reopen_line(2)
    assert writer.parts == ["x\n", left]


def test_a_slot_has_no_line_ending_to_give_up() -> None:
    """Its value is not known here."""
    writer = Writer([SLOT], 100)
    writer.reopen_line(0)
    assert writer.parts == [SLOT]


def test_characters_are_bounded() -> None:
    """The bound holds to the character, slots counted as written; nothing empty is kept."""
    writer = Writer([], 5)
    writer.write("ab")
    writer.write("")
    writer.write(SLOT)
    assert (writer.position, repr(writer)) == (2, "<Writer of 2 parts, 5 of 5 characters>")
    with pytest.raises(PromptTooLarge, match="more than 5 characters") as raised:
        writer.write("c")
    assert raised.value.details == {"limit": 5}


def test_endings_and_newlines() -> None:
    """What a text ends with, and what it uses."""
    assert [ending(text) for text in ("a\n", "a\r\n", "a\r", "a", "")] == ["\n", "\r\n", "\r", "", ""]
    texts = ("a\nb\r\n", "a\r\nb\n", "a\rb", "a", "\n", "")
    assert [newline_of(text) for text in texts] == ["\n", "\r\n", "\r", "\n", "\n", "\n"]
