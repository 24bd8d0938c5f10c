"""What a pass is: a pure function from a page and its context to edits.

What it may rest on is listed here, and nothing else is handed to it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from promptd.core.optimise.blocks import Page
from promptd.core.optimise.data import Phrases
from promptd.core.optimise.edits import Edit
from promptd.core.optimise.words import Idf


@dataclass(frozen=True, slots=True)
class Aims:
    """What lossy passes aim at. Shares of 1: `reduction` of tokens, `information` that must be kept.

    `similarity` is the least Indel ratio at which two units are nearly equal, `min_words` the fewest words
    a block or an item must have to be worth removing as a repeat.
    """

    reduction: float = 0.45
    information: float = 0.95
    similarity: float = 0.92
    min_words: int = 4


@dataclass(frozen=True, slots=True)
class Context:
    """What passes are given besides the page."""

    count: Callable[[str], int]
    idf: Idf
    phrases: Phrases
    aims: Aims = field(default_factory=Aims)
    words: frozenset[str] = frozenset()  # the distinct words of the source prompt
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Pass:
    """A named pass. `is_lossless` ones are held to the CommonMark tree, `edits_code` may edit inside code."""

    name: str
    run: Callable[[Page, Context], Iterable[Edit]]
    summary: str
    is_lossless: bool = False
    edits_code: bool = False
    needs_fresh: bool = False  # looks at the text as a whole, so that no edit may be pending
