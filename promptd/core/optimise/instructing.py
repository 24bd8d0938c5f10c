"""The words by which a sentence instructs or negates: what no pass may drop, and what near equals must share.

Regular expressions over one sentence or unit; nothing here knows pages or blocks.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

MAX_UNITS = 20_000  # remembered, since every pass and round asks about the same units; about 4 MB

# Words by which a sentence tells what has to be done or left (RFC 2119, and how people write). Words that
# are nouns or adjectives more often than orders ("critical path", "requirements") count in capitals or
# before a colon. "No" counts where it begins a unit: "No emojis."
_INSTRUCTING = re.compile(
    r"\b(?:must|shall|should|ought\s+to|never|always|only|solely|do(?:es)?\s+not|dont|\w+n['’]t"  # noqa: RUF001
    r"|cannot|can\s*not|may\s+not|will\s+not|not\s+to|required?|requires|mandatory|obligatory|compulsory"
    r"|ensur(?:e|es|ed|ing)|make\s+(?:sure|certain)|be\s+sure|avoid(?:s|ed|ing|ance)?|forbid(?:s|den)?|refuse"
    r"|prohibit(?:s|ed)?|banned|refrain|not\s+(?:be\s+)?(?:allowed|permitted)|disallow(?:s|ed)?|illegal"
    r"|needs?\s+to|ha(?:ve|s)\s+to|is\s+to\s+be|are\s+to\s+be|unless|except|without\s+(?:exception|asking)"
    r"|at\s+(?:least|most)|under\s+no|no\s+(?:more|less|fewer|later)\s+than|no\s+exceptions?|stop|strictly|exactly"
    r"|(?:important|critical|essential|warning|caution|requirements?)(?=\**:)"
    r"|(?-i:NOT?|IMPORTANT|CRITICAL|ESSENTIAL|WARNING|CAUTION|REQUIREMENTS?)"
    # German, French, Spanish, Portuguese, Italian, Dutch, Polish, where they are no English words
    r"|niemals|immer|nicht|kein\w*|muss|darf|jamais|toujours|doit|doivent|uniquement|interdit\w*|obligatoire"
    r"|nunca|siempre|deben?|debes|solamente|evit[ae]\w*|prohibid\w*|obligatori\w*|sempre|devem?|devono|somente"
    r"|proibid\w*|soltanto|vietat\w*|nooit|altijd|moet(?:en)?|niet|geen|alleen|nigdy|zawsze|musi|tylko)\b"
    r"|\A[\s>*_#.)\d-]*\bno\b",
    re.IGNORECASE,
)
# The same words with letters that are not ASCII, and in scripts that put no space between words.
_ELSEWHERE = re.compile(
    r"\b(?:müssen|dürfen|jamás|sólo|deberá\w*|não|évite[rz]?|никогда|всегда|должн\w*|нельзя|только|не)\b"
    r"|必须|必須|不要|不得|禁止|切勿|绝不|永远不|始终|总是|只能|务必|[请請]勿|必ず|決して|常に|てはいけ|てはなら"
    r"|ないでください|반드시|항상|절대|마세요|금지|يجب|ممنوع|हमेशा|कभी|मत\b",
    re.IGNORECASE,
)
_BEFORE_NO = " >*_#.)-0123456789"


@lru_cache(maxsize=MAX_UNITS)
def is_instructing(text: str) -> bool:
    """True if a unit tells what must or must not be done."""
    return _INSTRUCTING.search(text) is not None or any(True for _ in _elsewhere(text))


def instructing_words(text: str) -> set[str]:
    """The distinct instructing words of a text."""
    found = [*_INSTRUCTING.finditer(text), *_elsewhere(text)]
    return {" ".join(match[0].casefold().split()).lstrip(_BEFORE_NO) for match in found}


def _elsewhere(text: str) -> Iterator[re.Match[str]]:
    return iter(()) if text.isascii() else _ELSEWHERE.finditer(text)
