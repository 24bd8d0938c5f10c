"""What an entry component says of itself outlasts all that an included one says."""

import pytest

from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Aims, Piece
from promptd.core.optimise.strategies import Strategy
from tests.core.optimise.texts import TOOLS

HARD = Strategy("hard", ("least_informative",), Aims(reduction=1, information=0))
FILLER = ("Lines are read and words are counted. ", "Words are counted and lines are read. ") * 3
INCLUDED = "## Lines\n\n" + "\n\n".join(FILLER) + "\n\n"

SALIENT = [
    "# Lines and words",
    "Words and lines are what this is about. Lines are counted.",
    "<purpose>\nLines are counted here.\nWords are read here.\n</purpose>",
    "<description>Words are counted here.</description>",
    "## Words\n\nWords come first here.",
]
REST = "\n\nLines are counted again. Words are read again.\n\n- Lines are read.\n- Words are read.\n\n"


def left_of(entry: str, *, before: str = "", after: str = INCLUDED) -> str:
    """A prompt with one included component before and one after the entry's own text, shortened."""
    text = before + entry + after
    start, end = len(before), len(before) + len(entry)
    pieces = [
        Piece("entry", (0, len(text)), is_entry=True),
        Piece("one", (0, start)),
        Piece("two", (end, len(text))),
    ]
    return optimise(text, pieces, HARD, TOOLS).text


@pytest.mark.parametrize("before", ["", INCLUDED])
def test_what_is_salient_stays(before: str) -> None:
    """Title, first paragraph, purpose, description, and the sentence below a heading: every word of them."""
    entry = "\n\n".join(SALIENT) + REST
    left = left_of(entry, before=before)
    for each in SALIENT:
        assert each in left
    assert left.count("are counted. ") < 12


def test_the_same_in_an_included_component_may_go() -> None:
    """Only the entry's own are kept: an included component's first paragraph is a paragraph."""
    left = left_of(
        "# About\n\nWhat it is about.\n\n", after=INCLUDED + "The kettle sings at noon.\n\nWords.\n\n"
    )
    assert "What it is about." in left
    assert "The kettle sings at noon." not in left


def test_without_an_entry_nothing_is_salient() -> None:
    """Pieces say which component was asked for; a text of none has no title of its own."""
    text = "# Lines\n\nThe kettle sings at noon.\n\n# More\n\n" + "\n\n".join(FILLER) + "\n\n`code`\n"
    assert "# Lines" not in optimise(text, [], HARD, TOOLS).text


def test_a_slot_in_the_text_does_not_part_it() -> None:
    """A placeholder is a piece without an id, and no component of its own."""
    text = "# About {x}\n\nLines are read by {x} here.\n\n" + INCLUDED
    at = text.index("{x}")
    pieces = [Piece("entry", (0, len(text)), is_entry=True), Piece("", (at, at + 3), "never")]
    pieces.append(Piece("two", (len(text) - len(INCLUDED), len(text))))
    assert "Lines are read by {x} here." in optimise(text, pieces, HARD, TOOLS).text
