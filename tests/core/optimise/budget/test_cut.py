"""Cutting one component by unit: what must stay stays, lists have no gaps, and what went can be had back."""

import re
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st

from promptd.core.optimise.budget.cut import TextCutter, _CutChoice
from promptd.core.optimise.budget.own_text import OwnText
from promptd.core.optimise.budget.records import Variant
from promptd.core.optimise.budget.tree import grow, raw
from tests.core.builders import LAW
from tests.core.optimise.budget.bench import Bench, count

TEXT = """# Harbour

The harbour closes its gates at dusk, slowly. Boats wait beyond the second buoy.

## Steps

Do this:

1. Ring the great bell.
2. Raise the yellow flag.
3. Wait for the pilot.

| lamp | colour |
|---|---|
| north | green |
| south | red |

> Old sailors say so.
> Young ones laugh.

<!-- keep -->
Fog needs two horns.
<!-- /keep -->

Never leave a lamp alone. $ARGUMENTS is the ship.

```sh
ring --loud
```
"""


def cutter(text: str, *, is_first: bool = True) -> tuple[TextCutter, Bench]:
    """The cutter of a prompt's only component."""
    bench = Bench({"a.md": text, "b.md": "Included.\n"})
    node = next(node for node in grow(bench.skeleton).walk() if node.draft is not None)
    return TextCutter(OwnText(node), bench.tools, is_first=is_first), bench


def written(variant: Variant) -> str:
    """A variant's text, with nothing in the places of included components."""
    return "".join(raw(part) for chunk in variant.chunks for part in chunk)


def test_the_smallest_is_title_first_text_and_what_must_stay() -> None:
    """Of the first component; another may be cut to what its author marks to be kept."""
    smallest, _ = cutter(TEXT)[0].to(0)
    text = written(smallest)
    assert text.startswith("# Harbour\n\nThe harbour closes its gates at dusk, slowly.\n")
    assert "Fog needs two horns." in text
    assert "$ARGUMENTS is the ship." in text
    assert "Boats" not in text
    assert "pilot" not in text
    other, _ = cutter(TEXT, is_first=False)[0].to(0)
    assert "The harbour" not in written(other)
    assert "Fog needs two horns." in written(other)


@LAW
@given(st.integers(0, count(TEXT) + 5))
def test_any_size_is_a_text_one_can_read(size: int) -> None:
    """It fits; numbers have no gap, rows have their head, and everything else is in the units that went."""
    made, bench = cutter(TEXT)
    smallest = made.to(0)[0].tokens or 0
    variant, too_large = made.to(size)
    text = written(variant)
    assert count(text) <= max(size, count(written(made.to(0)[0])), smallest)
    numbers = [int(each) for each in re.findall(r"^(\d)\. ", text, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert ("1. " in text) <= ("Do this:" in text)
    assert ("green" in text or "red" in text) <= ("| lamp | colour |\n|---|---|" in text)
    assert ("laugh" in text) <= ("sailors" in text)
    lines = TEXT.split("\n")
    assert all(any(whole.startswith(line.rstrip()) for whole in lines) for line in text.split("\n"))
    gone = "".join(bench.files["a.md"][slice(*unit.span)] for unit in variant.units)
    assert sorted(re.findall(r"\w+", text + gone)) == sorted(re.findall(r"\w+", TEXT))
    assert (too_large is None) <= (text.strip() == TEXT.strip())


def test_more_room_keeps_more() -> None:
    """The share that is kept grows with the size, to all of it."""
    made, _ = cutter(TEXT)
    kept = [made.to(size)[0].kept for size in range(20, count(TEXT) + 1, 10)]
    assert kept == sorted(kept)
    assert made.to(count(TEXT))[0].kept == 1.0


def test_instructions_are_worth_more() -> None:
    """Of two sentences as long and as rare the one that instructs stays."""
    made, _ = cutter("# T\n\nOpening words.\n\nSailors mend nets often.\n\nSailors never mend ropes.\n")
    text = written(made.to(12)[0])
    assert "never mend" in text
    assert "nets often" not in text


def test_places_of_included_components_stay() -> None:
    """A chunk more than there are components below, whatever is cut around them."""
    made, _ = cutter(
        "# T\n\nOpening.\n\nGone with <include>b.md</include> in it.\n\n<include>b.md</include>\n"
    )
    variant, _ = made.to(0)
    assert len(variant.chunks) == 3
    assert written(variant).startswith("# T\n\nOpening.")
    assert "Gone" not in written(variant)


def test_a_text_of_nothing_is_cut_to_nothing() -> None:
    """Empty, blank, and titles alone."""
    assert written(cutter("\n\n")[0].to(0)[0]).strip() == ""
    assert "# A\n## B\n" in written(cutter("# A\n## B\n")[0].to(0)[0])


def test_a_long_list_of_steps_is_cut_in_linear_time() -> None:
    """Each step hangs on all before it. What is looked at is counted, not timed."""
    looked_at = []
    for steps in (60, 240):
        lines = "".join(f"{n}. Ring the bell of house {n * 7}.\n" for n in range(1, steps + 1))
        text = f"# All\n\nDo:\n\n{lines}"
        made, _ = cutter(text)
        with patch.object(_CutChoice, "value", autospec=True, side_effect=_CutChoice.value) as value:
            variant, _ = made.to(count(text) // 2)
        left = [int(found) for found in re.findall(r"^(\d+)\.", written(variant), re.MULTILINE)]
        assert left == list(range(1, len(left) + 1))
        assert 0.4 * steps < len(left) < 0.6 * steps
        looked_at.append(value.call_count)
    assert looked_at[1] < 6 * looked_at[0]
