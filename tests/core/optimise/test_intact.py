"""What is left around a removal: withdrawn where it tears a list, cut where it would join two lines."""

import pytest

from promptd.core.optimise.blocks import read
from promptd.core.optimise.edits import Edit, Trace
from promptd.core.optimise.intact import intact


def without(text: str, *parts: str) -> str:
    """A text after the removal of parts of it, as far as it is allowed."""
    edits = [Edit(at, at + len(part), "", "drop") for part in parts for at in [text.index(part)]]
    return Trace.of(text).apply(intact(read(text), sorted(edits))).text


def test_a_member_of_a_numbered_list_goes_only_with_all_others() -> None:
    """No number is missing, and none is changed."""
    text = "1. one\n2. two\n3. three\n\nend\n"
    assert without(text, "2. two\n") == text
    assert without(text, "1. one\n2. two\n3. three\n") == "\nend\n"
    assert without(text, "1. one\n", "2. two\n", "3. three\n") == "\nend\n"


def test_numbers_that_begin_again_are_another_list() -> None:
    """The second of two lists may go."""
    text = "1. one\n2. two\n1. three\n2. four\n"
    assert without(text, "1. three\n2. four\n") == "1. one\n2. two\n"


@pytest.mark.parametrize(
    ("text", "led"),
    [
        ("Do this:\n- a\n- b\n\nend\n", "- a\n- b\n"),
        ("Do this:\n\n| a |\n|---|\n\nend\n", "| a |\n|---|\n"),
        ("A long lead-in that\ngoes on here:\n\n- a\n\nend\n", "- a\n"),
        ("- Do this:\n  - a\n  - b\n- end\n", "  - a\n  - b\n"),
        ("Do it. Like this:\n\nThe one block.\n\nend\n", "The one block.\n"),
    ],
)
def test_a_lead_in_keeps_what_it_leads_to(text: str, led: str) -> None:
    """A list, a table or one block, after it or below it."""
    assert without(text, led) == text


def test_a_lead_in_does_not_go_before_what_it_leads_to() -> None:
    """Together they go."""
    text = "Do this:\n- a\n- b\n\nend\n"
    assert without(text, "Do this:\n") == text
    assert without(text, "Do this:\n- a\n- b\n") == "\nend\n"
    assert without(text, "- b\n") == "Do this:\n- a\n\nend\n"


@pytest.mark.parametrize(
    ("text", "part", "left"),
    [
        ("- A. B.\n- C.\n", "B.\n", "- A. \n- C.\n"),
        ("- A. B.\r\n- C.\r\n", "B.\r\n", "- A. \r\n- C.\r\n"),
        ("a\n- b\nc:\n", "- b\n", "a\n\nc:\n"),
        ("<x>\na\n- b\nc\n</x>\n", "- b\n", "<x>\na\n\nc\n</x>\n"),
        ("a\n> b\n---\n", "> b\n", "a\n\n---\n"),
        ("| a |\n|---|\nb\n| c |\n|---|\n", "b\n", "| a |\n|---|\n\n| c |\n|---|\n"),
        ("a\n\nb\n\nc\n", "b\n", "a\n\n\nc\n"),
        ("- a\n- b\n- c\n", "- b\n", "- a\n- c\n"),
        ("One here.\nTwo here.\nThree here.\n", "Two here.\n", "One here.\nThree here.\n"),
        ("<x>\n  A.\n  - B\n  C.\n  D.\n</x>\n", "  - B\n  C.\n  ", "<x>\n  A.\n\n  D.\n</x>\n"),
        ("1. One\n   two.\n2. Three\n", "two.\n", "1. One\n2. Three\n"),
        ("<x>\n    One. Two.\n    Three.\n</x>\n", "    One. ", "<x>\n    Two.\n    Three.\n</x>\n"),
    ],
)
def test_lines_and_blocks_stay_apart(text: str, part: str, left: str) -> None:
    """A line ending stays where it is all that parts two; an indentation stays with its line."""
    assert without(text, part) == left


def test_white_space_edits_are_left_alone() -> None:
    """Only removals can tear."""
    edits = [Edit(0, 2)]
    assert intact(read("  1. a\n"), edits) == edits
