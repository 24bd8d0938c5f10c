"""What goes as a repeat and what stays: a repeat is a named container said twice, never a leaf."""

import pytest

from promptd.core.optimise.records import Piece
from tests.core.optimise.texts import run

SAID = "Report progress after each step of the work."
LONG = "\n\n".join(
    f"Rule {word}: report {word} progress to the {word} desk before noon." for word in "abcdefgh"
)


def repeats_removed(text: str, strategy: str = "balanced", pieces: tuple[Piece, ...] = ()) -> int:
    """How many repeats went."""
    return sum(unit.kind == "repeat" for unit in run(text, strategy, pieces).removed)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"# A\n{SAID}\n# A\n{SAID}\n", f"# A\n{SAID}\n"),
        (
            f"<t>\n{SAID}\n</t>\n\n<b>\nx\n</b>\n\n<t>\n{SAID}\n</t>\n",
            f"<t>\n{SAID}\n</t>\n\n<b>\nx\n</b>\n\n",
        ),
        (f"# A\n\n{SAID}\n\n# B\n\nx\n\n# A\n\n  {SAID}  \n", f"# A\n\n{SAID}\n\n# B\n\nx\n\n"),
        (
            f"# A\n- one\n- two\n\n{SAID}\n# B\nx\n# A\n- one\n- two\n\n{SAID}\n",
            f"# A\n- one\n- two\n\n{SAID}\n# B\nx\n",
        ),
    ],
)
def test_the_same_name_with_the_same_text_goes(before: str, after: str) -> None:
    """A component included twice: the first stays, in all its lines."""
    assert run(before, "balanced").text == after


def test_it_goes_beside_itself_or_as_a_component() -> None:
    """Under two headings a small section stays twice, unless one component says both."""
    part = f"## Rules\n\n{SAID}\n"
    text = f"# A\n\n{part}\n# B\n\n{part}\n# C\n\nDone.\n"
    first, last = text.find(part), text.rfind(part)
    pieces = (Piece("rules.md", (first, first + len(part))), Piece("rules.md", (last, last + len(part))))
    others = (pieces[0], Piece("other.md", pieces[1].span))
    assert repeats_removed(text) == repeats_removed(text, pieces=others) == 0
    assert repeats_removed(text, pieces=pieces) == 1


STAY = {
    "numbered": "1. Run the whole test suite.\n2. Rename the parser.\n3. Run the whole test suite.\n",
    "bulleted": "Steps:\n- Run the whole test suite.\n- Rename the parser.\n- Run the whole test suite.\n",
    "paragraphs": "Run the whole test suite.\n\nRename the parser.\n\nRun the whole test suite.\n",
    "headings": f"## Linux\n\n{SAID}\n\n## macOS\n\n{SAID}\n",
    "sections in sections": f"# Linux\n\n## Get\n\n{SAID}\n\n# macOS\n\n## Get\n\n{SAID}\n",
    "elements": f"<frontend>\n{SAID}\n</frontend>\n<backend>\n{SAID}\n</backend>\n",
    "attributes": f'<os name="a">\n{SAID}\n</os>\n<os name="b">\n{SAID}\n</os>\n',
    "pauses": f"# Plan\n\n## Squat\n\nTen.\n\n## Rest\n\n{SAID}\n\n## Lunge\n\nTen.\n\n## Rest\n\n{SAID}\n",
    "pause elements": f"<a>\nx\n</a>\n<wait>\n{SAID}\n</wait>\n<b>\ny\n</b>\n<wait>\n{SAID}\n</wait>\n",
    "turns with headings": f"# User\n\n{SAID}\n\n# Assistant\n\nYes.\n\n# User\n\n{SAID}\n",
    "lead-ins": f"When the build passes:\n\n- {SAID}\n\nWhen the build is red:\n\n- {SAID}\n",
    "elements after lead-ins": f"On Linux:\n\n<do>\n{SAID}\n</do>\n\nOn macOS:\n\n<do>\n{SAID}\n</do>\n",
    "items": f"- Linux\n  - {SAID}\n- macOS\n  - {SAID}\n",
    "half a list": f"# A\n- {SAID}\n- one\n# B\n- {SAID}\n- two\n",
    "records": f"<task>\n<in>\n{SAID}\n</in>\nOne.\n</task>\n<task>\n<in>\n{SAID}\n</in>\nTwo.\n</task>\n",
    "steps": f"<step>\n{SAID}\n</step>\n<step>\nRename it.\n</step>\n<step>\n{SAID}\n</step>\n",
    "procedure": f"# Procedure\n\n## Test\n\n{SAID}\n\n## Ship\n\nNow.\n\n## Test\n\n{SAID}\n",
    "transcript": "User: Sure of it?\n\nAssistant: Yes, I am.\n\nUser: Again?\n\nAssistant: Yes, I am.\n",
    "turns": f"<turn>\n{SAID}\n</turn>\n<turn>\n{SAID}\n</turn>\n",
    "examples": f"<example>\n<note>\n{SAID}\n</note>\n<note>\n{SAID}\n</note>\n</example>\n",
    "example heading": f"# Example\n\n## Echo\n\n{SAID}\n\n## Echo\n\n{SAID}\n",
    "two examples": "<example>\n<say>\nhi\n</say>\n</example>\n<example>\n<say>\nbye\n</say>\n</example>\n",
    "chorus": '"Row, row, row your boat"\n\nVerse.\n\n"Row, row, row your boat"\n',
    "quotations": "> Row, row, row your boat\n\nVerse.\n\n> Row, row, row your boat\n",
    "code": "First:\n\n```\nmake clean all now\n```\n\nThen:\n\n```\nmake clean all now\n```\n",
    "case": "# A\n\nAsk the US team for help.\n\n# A\n\nAsk the us team for help.\n",
    "symbols": "# A\n\nStop when a < b holds.\n\n# A\n\nStop when a > b holds.\n",
    "punctuation": "# A\n\nSeparate the fields with ;\n\n# A\n\nSeparate the fields with ,\n",
    "check boxes": "# A\n- [ ] Tell the team of it\n\n# A\n- [x] Tell the team of it\n",
    "nesting": "# A\n- one of two\n  - two of two\n\n# A\n- one of two\n- two of two\n",
    "order": "# A\nOne of them.\n\nTwo of them.\n\n# A\nTwo of them.\n\nOne of them.\n",
    "numbers": "# A\n1. one of two\n2. two of two\n\n# A\n2. one of two\n3. two of two\n",
    "lines": "# A\nkey of a:\n  part of b\n\n# A\nkey of a:\npart of b\n",
}  # fmt: skip


@pytest.mark.parametrize("strategy", ["balanced", "aggressive"])
@pytest.mark.parametrize("kind", STAY)
def test_what_stands_elsewhere_for_a_reason_stays(kind: str, strategy: str) -> None:
    """Steps, turns, refrains, what another name is over, and whatever differs in one character."""
    assert repeats_removed(STAY[kind], strategy) == 0
    result = run(STAY[kind], strategy).text.replace("><", ">\n<").split("\n")
    assert [line.split() for line in result if line.strip()] == [
        line.split() for line in STAY[kind].split("\n") if line.strip()
    ]


def test_a_large_repeat_elsewhere_becomes_a_reference() -> None:
    """It keeps its name and its place, and says where the same is; the original is not touched."""
    part = f"## Rules of the desk\n\n{LONG}\n"
    text = f"# A\n\n{part}\n# B\n\n{part}"
    result = run(text, "balanced")
    assert (
        result.text
        == f"# A\n\n{part}\n# B\n\n## Rules of the desk\n(Same text as above: Rules of the desk)\n"
    )
    (unit,) = result.removed
    assert text[slice(*unit.at)].strip() == LONG == text[slice(*(unit.duplicate_of or (0, 0)))].strip()
    quality = result.quality
    assert quality.literals.ratio == quality.information.ratio == quality.instructions.ratio == 1
    assert quality.structure.ratio < 1


def test_no_reference_without_a_name_that_only_this_text_has() -> None:
    """Another section of the same name: the line would not say which."""
    part = f"## Rules\n\n{LONG}\n"
    text = f"# A\n\n{part}\n# B\n\n{part}\n# C\n\n## Rules\n\nOthers.\n"
    assert run(text, "balanced").text == text


def test_what_vouches_for_a_repeat_is_in_the_result() -> None:
    """`aggressive` drops nothing of the first occurrence once the second has gone, in one run or in two."""
    part = f"# Rules\n\n{LONG}\n\nThe desk is at the desk of the desk.\n"
    text = f"{part}\n# Else\n\nThe noon is the noon. Progress is what progress is.\n\n{part}"
    result = run(text, "aggressive")
    assert [unit.kind for unit in result.removed].count("repeat") == 1
    assert part.strip() in result.text
    assert run(result.text, "aggressive").text == result.text
