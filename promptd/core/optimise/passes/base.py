"""What a pass is given besides the page. A pass is a pure function from a page and its context to edits.

What it may rest on is listed here, and nothing else is handed to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from promptd.core.optimise.quality import Inventory
from promptd.core.optimise.records import Aims
from promptd.core.optimise.words import Idf
from promptd.protocol.records import Span


@dataclass(frozen=True, slots=True)
class Context:
    """What passes are given besides the page."""

    count: Callable[[str], int]
    idf: Idf
    aims: Aims = field(default_factory=Aims)
    source: Inventory | None = None  # what the source prompt has; None: what the page at hand has
    tokens: int = 0
    entries: Sequence[Sequence[Span]] = ()  # per entry component, the stretches of the page that are its own
    components: Mapping[Span, str] = field(default_factory=dict)  # where each is in the page -> its id
    has_originals: bool = False  # repeats were removed, so that what they repeat may not be dropped
