"""The figures: each by itself, and the law that none of them flatters.

Delete, swap or negate any unit of a text that says it once, and at least one figure is below 1; what changes
nothing for a reader leaves all of them at 1. The units are found here by lines and full stops alone, not by
the reading that the figures use.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings

import promptd
from promptd.core.optimise.quality import compare, inventory
from promptd.core.optimise.records import Quality
from promptd.core.optimise.words import idf_of
from tests.core.optimise.texts import LIBRARY, anything, run
from tests.corpora import MISSING, has_corpora, root_of, sample
from tests.suite.examples import examples

DEMO = Path(promptd.__file__).parent / "cli" / "demo" / "library"
IDF = idf_of(LIBRARY)
FIGURES = ("literals", "information", "instructions", "structure")


def quality(before: str, after: str) -> Quality:
    """The figures of one text against another."""
    return compare(inventory(before), inventory(after), IDF)


def below_1(found: Quality) -> set[str]:
    """The figures that say that something is lost."""
    return {name for name in FIGURES if getattr(found, name).ratio < 1}


RICH = """\
# Title

First, read the notes. Then write a summary! The summary is short.

- [ ] Ask the team
- [x] Tell the client
- use `x` and 42

1. Open the valve
2. Close the tap
   - slowly

<rules kind="a">
You must never stop.
<rule>Only one</rule>
</rules>

## Table

| a | b |
|---|---|
| load < 5 | ✅ |
| load > 5 | ❌ |

```
make all
make test
```

> quoted ก่า

    indented code

When it fails:

- try again

---

End
"""


@pytest.mark.parametrize(
    ("old", "new", "lower"),
    [
        ("Then write a summary! ", "", {"information"}),
        (
            "First, read the notes. Then write a summary!",
            "Then write a summary! First, read the notes.",
            {"structure"},
        ),
        ("You must never stop.\n", "", {"instructions", "literals", "information", "structure"}),
        ("You must never stop.", "You must stop.", {"instructions", "literals", "information"}),
        ("[ ] Ask", "[x] Ask", {"information"}),
        (
            "- [ ] Ask the team\n- [x] Tell the client\n",
            "- [x] Tell the client\n- [ ] Ask the team\n",
            {"structure"},
        ),
        ("1. Open the valve\n2. Close the tap\n", "1. Close the tap\n2. Open the valve\n", {"structure"}),
        ("2. Close", "3. Close", {"structure"}),
        ("   - slowly", "- slowly", {"structure"}),
        ("## Table", "# Table", {"structure"}),
        ("## Table\n", "", {"structure", "information"}),
        ('kind="a"', 'kind="b"', {"information"}),
        ("<rule>Only one</rule>\n", "", {"structure", "information", "literals", "instructions"}),
        ("</rules>\n", "", {"structure"}),
        ("| load < 5 | ✅ |\n", "", {"structure", "information"}),
        ("| load < 5 | ✅ |\n| load > 5 | ❌ |", "| load > 5 | ❌ |\n| load < 5 | ✅ |", {"structure"}),
        ("| load < 5 | ✅ |\n| load > 5 | ❌ |", "| load < 5 | ❌ |\n| load > 5 | ✅ |", {"information"}),
        ("make all\nmake test", "make test\nmake all", {"literals"}),
        ("make all\n", "", {"literals"}),
        ("ก่า", "ก้า", {"information"}),
        ("indented code", "indented node", {"information"}),
        ("When it fails", "When it runs", {"information"}),
        ("use `x` and 42", "use `x` and 43", {"literals"}),
        ("---\n\nEnd", "End", {"structure"}),
    ],
)
def test_each_loss_shows_in_its_figure(old: str, new: str, lower: set[str]) -> None:
    """Whatever a reader would miss, in the figure that is about it."""
    assert old in RICH
    assert below_1(quality(RICH, RICH.replace(old, new))) >= lower


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (RICH, RICH),
        (RICH, RICH.replace("\n\n", "\n\n\n").replace("First, read", "First,   read")),
        (RICH, RICH.replace("# Title", "# Title\n<!-- a comment -->")),
        ("- **Label**: said here\n", "- Label: said here\n"),
        ('```json\n{"a": [1, 2]}\n```\n', '```json\n{"a":[1,2]}\n```\n'),
        ("<t>\n    - one\n    - two\n</t>\n", "<t>\n- one\n- two\n</t>\n"),
        ("<t>\n<u>\nword\n</u>\n</t>\n", "<t><u>\nword\n</u></t>\n"),
        ("", ""),
    ],
)
def test_what_a_reader_does_not_read_lowers_nothing(before: str, after: str) -> None:
    """White space, comments, bold marks, the layout of JSON and tags."""
    assert below_1(quality(before, after)) == set()


def test_a_repeat_that_goes_is_structure_only() -> None:
    """Said once under one name is enough, but for the shape; under two names it has to be said twice."""
    rule = "# Rules\n\nYou must use `x`.\n\n"
    assert below_1(quality(rule + rule, rule)) == {"structure"}
    one, other = "# Linux\n\nYou must use `x`.\n\n", "# macOS\n\nYou must use `x`.\n\n"
    assert below_1(quality(one + other, one + "# macOS\n")) == {"information", "instructions", "structure"}


def test_more_than_was_asked_is_no_loss() -> None:
    """A text of which everything is there twice has lost nothing."""
    assert below_1(quality(RICH, RICH + "\n" + RICH)) == set()


# -- the law --------------------------------------------------------------------------------------

_STOP = re.compile(r"(?<=[a-z][.!?]) (?=[A-Z])")
_MARKER = re.compile(r"\A\s*(?:[-*+]|\d+[.)])\s+(?=\S)")
_WORD = re.compile(r"(?<=[a-z]) (?=[a-z])")


def _lines(text: str) -> list[tuple[int, int]]:
    """The spans of lines that say something: no blank ones, none in or around comments."""
    comments = [match.span() for match in re.finditer(r"<!--.*?(-->|\Z)", text, re.DOTALL)]
    spans = [match.span() for match in re.finditer(r"[^\n]+\n", text) if match[0].strip()]
    return [(a, b) for a, b in spans if not any(start < b and a < end for start, end in comments)]


def changes(text: str) -> Iterator[tuple[str, str]]:
    """Every deletion, swap and negation of a line or sentence that the text has once, with what it is."""
    lines = [(a, b) for a, b in _lines(text) if text.count(_MARKER.sub("", text[a:b]).strip()) == 1]
    for a, b in lines:
        yield f"without {text[a:b]!r}", text[:a] + text[b:]
        if match := _WORD.search(text, a, b):
            yield f"not {text[a:b]!r}", f"{text[: match.start()]} not {text[match.end() :]}"
        sentences = [a, *(match.end() for match in _STOP.finditer(text, a, b)), b - 1]
        for start, end in pairwise(sentences) if len(sentences) > 2 else ():
            if text.count(text[start:end].strip()) == 1:
                yield f"without sentence {text[start:end]!r}", text[:start] + text[end:]
    for (a, b), (c, d) in pairwise(lines):
        yield f"swapped {text[a:b]!r}", text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def unseen(text: str, every: int = 1) -> list[str]:
    """The changes that no figure shows."""
    source = inventory(text)
    found = ((what, changed) for number, (what, changed) in enumerate(changes(text)) if number % every == 0)
    return [what for what, changed in found if not below_1(compare(source, inventory(changed), IDF))]


def test_any_change_of_a_rich_text_is_seen() -> None:
    """Every kind of unit there is."""
    assert len(list(changes(RICH))) > 60
    assert unseen(RICH) == []


@pytest.mark.parametrize("path", sorted(DEMO.rglob("*.md")), ids=lambda path: path.stem)
def test_any_change_of_the_demo_library_is_seen(path: Path) -> None:
    """Every line and sentence of every component."""
    assert unseen(path.read_text("utf-8")) == []


@pytest.mark.slow
@pytest.mark.timeout(900)  # whole libraries
@pytest.mark.skipif(not has_corpora(), reason=MISSING)
@pytest.mark.parametrize("name", ["swm-factory", "gsd"])
def test_any_change_of_a_real_library_is_seen(name: str) -> None:
    """Some changes of some components."""
    for number, path in enumerate(sample(sorted(root_of(name).rglob("*.md")))):
        text = path.read_text("utf-8")
        assert unseen(text, every=max(len(text) // 400, 1) + number % 7) == [], path


@settings(max_examples=examples(100), deadline=None)
@given(text=anything)
def test_a_text_has_all_that_it_has(text: str) -> None:
    """All figures of a text against itself are 1, and those of any result are from 0 to 1."""
    assert below_1(quality(text, text)) == set()
    found = quality(text, run(text, "aggressive").text)
    assert all(0 <= getattr(found, name).ratio <= 1 for name in FIGURES)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"a": 1}', '{"a": "1"}'),
        ('{"a": 1, "a": 2}', '{"a": 2}'),
        ('{"a": 1.0}', '{"a": 1.00}'),
        ('{"a": "b c"}', '{"a": "bc"}'),
    ],
)
def test_json_in_a_fence_is_compared_as_it_is_written(before: str, after: str) -> None:
    """But for white space between its tokens: a number is no string, and a doubled key is two."""
    assert below_1(quality(f"```json\n{before}\n```\n", f"```json\n{after}\n```\n"))
    assert below_1(quality(f"```json\n{before}\n```\n", f"```js\n{before}\n```\n"))
