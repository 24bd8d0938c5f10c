"""Taking back what a strategy did: all of it gives the source, a part of it only adds to what was kept."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.budget.undo import Undo
from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Aims
from promptd.core.optimise.strategies import STRATEGIES, Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import idf_of
from tests.core.builders import LAW
from tests.core.optimise.budget.bench import count

CUT = Strategy("cut", STRATEGIES["aggressive"].passes, Aims(reduction=1.0, information=0.0))
RUNGS = st.sampled_from((STRATEGIES["conservative"], STRATEGIES["balanced"], STRATEGIES["aggressive"], CUT))
SENTENCES = (
    "The harbour closes its gates at dusk, slowly.",
    "Never leave a lamp alone in the tower!",
    "Boats wait beyond the second buoy.",
    "See `tide.md` for 12 tables.",
)
LINES = st.sampled_from(
    (
        "# Harbour\n",
        "## Lamps\n",
        *(f"{text}\n" for text in SENTENCES),
        *(f"- {text}\n" for text in SENTENCES),
        *(f"  - {text}\n" for text in SENTENCES[:2]),
        f"{' '.join(SENTENCES)}\n",
        "**Lamps**: trimmed and filled daily.\n",
        "1. Ring the bell.\n2. Raise the flag.\n3. Wait for the pilot.\n",
        "Do this:\n- Look up.\n- Look down.\n",
        "<rules>\n    <item>Watch the wind.</item>\n    Rest at noon.   \n</rules>\n",
        "<rules>\n    Watch the wind well today.\n\n\n    - Rest at noon.\n</rules>\n",
        '```json\n{ "a" :  1 }\n```\n',
        "| a  | b |\n|---|---|\n| 1  | 2 |\n",
        "<!-- why -->\n",
        "\n",
        "\n\n\n",
        "   \n",
    )
)
TEXTS = st.lists(LINES, max_size=14).map("".join)


def undo_of(text: str, strategy: Strategy, counter: Callable[[str], int] = count) -> Undo:
    """What can be taken back of a text by a strategy."""
    tools = Tools(counter, idf_of([text, *SENTENCES]))
    return Undo(text, [], optimise(text, [], strategy, tools), tools)


@LAW
@given(TEXTS, RUNGS)
def test_all_taken_back_is_the_source(text: str, strategy: Strategy) -> None:
    """Nothing is lost on the way, whatever a strategy did."""
    undo = undo_of(text, strategy)
    everything, too_large = undo.within(10**9)
    assert undo.without(everything).text == text
    assert undo.without(everything).removed == ()
    assert too_large is None
    assert undo.without(()).text == undo.result.text


@LAW
@given(TEXTS, RUNGS, st.integers(0, 60))
def test_a_part_taken_back_only_adds(text: str, strategy: Strategy, spare: int) -> None:
    """Every word that the strategy left is still there, in order, and what is removed is told as it is."""
    undo = undo_of(text, strategy)
    undone, _ = undo.within(spare)
    result = undo.without(undone)
    rest = iter(result.text.split())
    kept = undo.result.text.replace("<!-- shortened -->", "").split()
    if "><" not in undo.result.text:  # tags that were put on one line are several words again
        assert all(word.strip("*:") in {each.strip("*:") for each in result.text.split()} for word in kept)
    assert set(rest) <= set(text.split()) | set(undo.result.text.split())
    for removed in result.removed:
        assert removed.tokens == count(text[slice(*removed.at)])
    mark = count("<!-- shortened -->\n")  # it may go
    assert result.tokens == count(result.text) >= undo.result.tokens - mark


def test_what_comes_back_brings_its_heading() -> None:
    """A heading that went with all below it is there again before any of that is."""
    boats, gulls = "Boats wait beyond the second buoy.\n\n", "Gulls sleep on warm tiles.\n\n"
    text = f"# Harbour\n\nNever sleep.\n\n## Lamps\n\n{boats}{SENTENCES[0]}\n\n## Bells\n\n{gulls}"
    undo = undo_of(text, CUT)
    assert "## Lamps" not in undo.result.text
    for spare in range(3, 40):
        result = undo.without(undo.within(spare)[0]).text
        assert ("dusk" in result) <= ("## Lamps" in result)


def test_what_comes_back_is_as_little_indented_as_its_neighbours() -> None:
    """A line that went after its element lost its indentation comes back without it, and with its marks."""
    text = (
        "<watch>\n    Never leave the tower.\n\n    The **lamps** are filled at dusk daily.\n\n"
        "    Always ring the bell.\n</watch>\n"
    )
    undo = undo_of(text, CUT, len)
    assert "dusk" not in undo.result.text
    texts = [undo.without(undo.within(spare)[0]).text for spare in range(0, len(text), 3)]
    assert any("\nThe **lamps** are filled at dusk daily.\n" in each for each in texts)
    assert all(each.count("**") % 2 == 0 for each in texts)
    assert texts[-1] == text
