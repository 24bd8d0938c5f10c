"""Lists and lines survive: what `damage` finds in the result of any strategy is nothing.

First the checker itself: each kind of damage done by hand is found, and none in what a careful editor does.
Then the laws over generated Markdown, the shipped library and small cases of each kind.
"""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import promptd
from benchmarks.damage import damage
from promptd.core.optimise.strategies import STRATEGIES
from tests.core.optimise.texts import run
from tests.suite.examples import examples

NAMES = tuple(STRATEGIES)

LIST = (
    "# Steps\n\nDo the following:\n\n1. Load the file.\n2. Check the **first** line (the head).\n"
    "3. Write it.\n\nThen stop.\n"
)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        (LIST.replace(".\n2.", ". 2."), "runs together"),
        (LIST.replace("2. Check the **first** line (the head).", "2."), "an item is empty"),
        (LIST.replace("2. Check the **first** line (the head).\n", ""), "a gap in a numbered list"),
        (LIST.replace("first** line", "first line"), "** is left open"),
        (LIST.replace(" (the head)", " (the"), "() is left open"),
        ("# Steps\n\nDo the following:\n\nThen stop.\n", "leads to nothing"),
        (LIST.replace(".\n\nThen", ".\nThen"), "two blocks became one"),
        (LIST.replace("Load", "Read"), "is reworded"),
    ],
)
def test_damage_done_by_hand_is_found(result: str, found: str) -> None:
    """One kind a line."""
    assert any(found in each for each in damage(LIST, result))


def test_a_torn_table_is_found() -> None:
    """A row that goes, or a part of one."""
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"
    assert damage(table, table.replace("| 1 | 2 |\n", ""))
    assert damage(table, table.replace("| 4 |", "|"))
    assert damage(f"x\n\n{table}\ny\n", "x\n\ny\n") == []


@pytest.mark.parametrize(
    "result",
    [
        LIST,
        LIST.replace("**", ""),
        LIST.replace("\n\n1.", "\n1."),
        "# Steps\n\nThen stop.\n",
        LIST.replace("3. Write it.\n", ""),
        "# Steps\n",
        "",
    ],
)
def test_what_a_careful_editor_does_is_no_damage(result: str) -> None:
    """Marks off, blank lines out, a whole list with its lead-in, the last members, everything."""
    assert damage(LIST, result) == []


def demo() -> list[Path]:
    """The files of the shipped library."""
    return sorted((Path(promptd.__file__).parent / "cli" / "demo" / "library").rglob("*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_torn_in_the_shipped_library(name: str) -> None:
    """Each file by itself, and all of them as one prompt."""
    written = [path.read_text("utf-8") for path in demo()]
    assert written
    for text in [*written, "\n".join(written)]:
        assert damage(text, run(text, name).text) == []


WORDS = (
    "parser reads lines carefully",
    "writer stores reports daily",
    "cache holds recent answers",
    "index lists known names",
    "queue keeps waiting jobs",
    "graph links all parts",
    "clock gives current time",
    "score counts good marks",
)
PATTERNS = (
    "{}",
    "{}",
    "**Note. {}** Go on.",
    "Look ({} So it is.) and go on.",
    "*{}* It is so.",
    "**Label**: {}",
    'He said "{}" to all.',
)
said = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(
    lambda found: " ".join(f"The {each}." for each in found)
)
marked = st.builds(lambda pattern, text: pattern.format(text), st.sampled_from(PATTERNS), said)
members = st.lists(marked, min_size=1, max_size=5)


def listed(members: list[str], form: str) -> str:
    """A list: `form` is "-", "1.", "1)", or ">" if each other member is below the one before."""
    if form == ">":
        return "\n".join(f"{'  ' * (index % 2)}- {member}" for index, member in enumerate(members))
    marks = (form.replace("1", str(number)) for number in range(1, len(members) + 1))
    return "\n".join(f"{mark} {member}" for mark, member in zip(marks, members, strict=True))


def table(rows: list[str]) -> str:
    """A table with a row for each text."""
    return "\n".join(["| a | b |", "|---|---|", *(f"| {row} | x |" for row in rows)])


def element(name: str, inner: list[str], width: int) -> str:
    """Blocks in an element, indented."""
    lines = (f"{' ' * width}{line}" for each in inner for line in each.split("\n"))
    return "\n".join([f"<{name}>", *lines, f"</{name}>"])


lists = st.builds(listed, members, st.sampled_from(("-", "1.", "1)", ">")))
blocks = st.one_of(
    st.lists(marked, min_size=1, max_size=3).map("\n".join),
    lists,
    st.builds(lambda gap, each: f"The following holds:{gap}{each}", st.sampled_from(("\n", "\n\n")), lists),
    members.map(table),
    st.sampled_from(WORDS).map(lambda words: f"## The {words}"),
    st.just("<!-- why -->"),
    said.map(lambda text: f"> {text}"),
)
elements = st.builds(
    element,
    st.sampled_from(("rule", "note", "step")),
    st.lists(blocks, min_size=1, max_size=3),
    st.sampled_from((0, 2, 4)),
)
gaps = st.sampled_from(("\n", "\n\n", "\n\n"))
markdown = st.lists(st.tuples(st.one_of(blocks, blocks, elements), gaps), max_size=12).map(
    lambda parts: "".join(part + gap for part, gap in parts)
)


@pytest.mark.parametrize("name", ["conservative", "balanced", "aggressive"])
@settings(max_examples=examples(200), deadline=None)
@given(text=markdown)
def test_nothing_is_torn_in_any_markdown(name: str, text: str) -> None:
    """Lists with and without lead-ins, marks over several sentences, tables, elements."""
    assert damage(text, run(text, name).text) == []
