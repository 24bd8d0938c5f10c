"""What the tests of the token engine share: hostile and ordinary texts, a counter of tokens, tools."""

import re
from collections.abc import Sequence

from hypothesis import strategies as st

from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Optimised, Piece
from promptd.core.optimise.strategies import STRATEGIES
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import idf_of

_TOKEN = re.compile(r"\s?\w{1,6}|\s+|[^\w\s]")


def count(text: str) -> int:
    """Count tokens much as BPE does: words in bits of six letters, runs of white space, other characters."""
    return len(_TOKEN.findall(text))


LIBRARY = (
    "Validate the input before anything else. Always check types.",
    "Report progress after each step and summarise what was done.",
    "Handle errors with recovery options and clear messages.",
)
TOOLS = Tools(count, idf_of(LIBRARY))


def run(text: str, strategy: str, pieces: Sequence[Piece] = ()) -> Optimised:
    """Optimise with a shipped strategy and the tools of the tests."""
    return optimise(text, pieces, STRATEGIES[strategy], TOOLS)


FILLER = (  # says little, again and again, and never twice the same
    "The garden behind the old house needs water every summer.",
    "In summer an old gardener brings water.",
    "Behind that house there is a garden with a wall.",
    "Every wall of the house was old even when the gardener came.",
    "Water came over the wall, and the summer was wet.",
    "A gardener needs a garden, as a house needs people.",
    "People of the house sat in the garden when it was summer.",
    "When people came, the old wall was wet with water again.",
    "Even a wet summer brings people over to sit behind a wall.",
    "There is water for people, and there is a house for summer.",
)

# Lines of which prompts are made, with what breaks readers of Markdown: fences that never close, comments in
# code, tags out of order, hard breaks, tables, carriage returns, lists in elements, marks of our own.
LINES = (
    "# Heading",
    "## Another heading",
    "Validate the input before anything else.",
    "Validate the input, before anything else!  ",
    "You must never delete files. Reports are written at the end. It is basically very long.",
    "In order to begin, read the notes. Then write a summary of the notes that were read.",
    "- first point of the list",
    "- **Label**: what the label says",
    "  - nested point with `code` in it",
    "    - deeper point 42",
    "1. step one of three",
    "2. step two of three",
    "      indented by six",
    "<step>",
    "</step>",
    "  <step>",
    '    <note kind="x">',
    "    </note>",
    "<wrap>",
    "</wrap>",
    "<name>the name of it</name>",
    "```json",
    "```",
    '{"a": 1,  "b": [1, 2]}',
    "~~~",
    "<!-- a comment -->",
    "<!-- keep -->",
    "<!-- /keep -->",
    "<!--",
    "-->",
    "<pre>",
    "</pre>",
    "| a    | b  |",
    "|------|----|",
    "| one  | two |",
    "> quoted line",
    "---",
    "",
    "",
    "   ",
    "Choose:",
    "Don't:",
    "See https://example.org/a/b?c=1 and ./notes.md, {placeholder} and $ARGUMENTS.",
    "`a span that",
    "ends here`  and on",
    "trailing   ",
    "tab\tinside\t",
    "<!-- shortened -->",
    "<a><b>",
    "</b></a>",
)
ENDINGS = ("\n", "\n", "\n", "\r\n", "\n\n", "\n\n\n")

lines = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(ENDINGS)), max_size=30)
texts = lines.map(lambda pairs: "".join(line + ending for line, ending in pairs))
hostile = st.text(
    alphabet=st.one_of(
        st.sampled_from("<>/-`~*#| \n\r\t[]{}().:!\"'_=1a\u00a0\u2028é\U0001f600"), st.characters()
    ),
    max_size=120,
)
anything = st.one_of(texts, texts, hostile)
