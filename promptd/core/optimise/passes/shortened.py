"""The mark of a shortened text: `least_informative` adds it where it stopped before nothing was left to drop.

A text that has the mark is left alone from then on; as a comment it is kept at the beginning or end only.
"""

import re

from promptd.core.optimise.page import Anchor

SHORTENED = "<!-- shortened -->"
_MARK = re.compile(rf"\A{SHORTENED}|{SHORTENED}\s*\Z")


def is_mark(text: str, anchor: Anchor) -> bool:
    """True if a comment is the mark of a shortened text, and not a comment like it somewhere."""
    return text.startswith(SHORTENED, anchor.start) and (anchor.start == 0 or not text[anchor.end :].strip())


def is_shortened(text: str) -> bool:
    """True if the last line, or the first, says that units were dropped."""
    return _MARK.search(text) is not None
