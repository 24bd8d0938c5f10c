"""The words by which a sentence instructs or negates: what no pass may drop, and what near equals must share.

Regular expressions over one sentence or unit; nothing here knows pages or blocks.
"""

import re

# Words by which a sentence tells what has to be done or left (RFC 2119, and how people write). Words that
# are nouns or adjectives more often than orders ("critical path", "requirements") count in capitals or
# before a colon.
_INSTRUCTING = re.compile(
    r"\b(?:must|shall|should|never|always|only|do(?:es)?\s+not|don['’]t|doesn['’]t|cannot|can\s*not|can['’]t"  # noqa: RUF001
    r"|may\s+not|won['’]t|shouldn['’]t|mustn['’]t|required?|requires|mandatory|obligatory"  # noqa: RUF001
    r"|ensur(?:e|es|ed|ing)|make\s+sure|be\s+sure|avoid(?:s|ed|ing|ance)?|forbid(?:s|den)?|refuse"
    r"|prohibit(?:s|ed)?|not\s+allowed|disallow(?:s|ed)?|needs?\s+to|ha(?:ve|s)\s+to|unless"
    r"|at\s+(?:least|most)|under\s+no|no\s+more\s+than|stop|strictly|exactly"
    r"|(?:important|critical|essential|warning|caution|requirements?)(?=\**:)"
    r"|(?-i:IMPORTANT|CRITICAL|ESSENTIAL|WARNING|CAUTION|REQUIREMENTS?))\b",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not?|never|none|without|unless|except|un\w+able|\w+n['’]t|cannot|neither|nor)\b",  # noqa: RUF001
    re.IGNORECASE,
)


def is_instructing(text: str) -> bool:
    """True if a unit tells what must or must not be done."""
    return _INSTRUCTING.search(text) is not None


def instructing_words(text: str) -> set[str]:
    """The distinct instructing words of a text."""
    return {" ".join(found.casefold().split()) for found in _INSTRUCTING.findall(text)}


def guard_words(text: str) -> tuple[str, ...]:
    """The instructing and negating words of a text in order: near-equal texts must agree in them."""
    found = [*_INSTRUCTING.finditer(text), *_NEGATION.finditer(text)]
    return tuple(
        match[0].casefold() for match in sorted(found, key=lambda match: (match.start(), match.end()))
    )
