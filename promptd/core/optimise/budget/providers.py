"""The formats that providers take a prompt in: Anthropic's system blocks with cache marks, OpenAI's messages.

The texts of all blocks put together are the prompt, byte for byte. At most four blocks carry
`cache_control`, as Anthropic allows: the end of the stable prefix, and up to three ends of pieces before it,
spread evenly, so that a change late in the prefix leaves the beginning cached. A mark before the model's
smallest cacheable size would do nothing, so none is set there.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

MAX_MARKS = 4  # Anthropic, "Prompt caching": up to four cache breakpoints
_MARK = {"type": "ephemeral"}


def anthropic(
    text: str, stable_end: int, edges: Iterable[int], count: Callable[[str], int], least_tokens: float
) -> list[dict[str, Any]]:
    """The `system` blocks. `edges` are ends of pieces, `least_tokens` the smallest size that is cached."""
    marks = _marks(text, stable_end, edges, count, least_tokens)
    blocks: list[dict[str, Any]] = []
    for start, end in pairwise((0, *marks, len(text))):
        block = {"type": "text", "text": text[start:end]}
        if not text[start:end].strip() and blocks:
            blocks[-1]["text"] += text[start:end]
        elif text[start:end]:
            blocks.append(block | {"cache_control": dict(_MARK)} if end in marks else block)
    return blocks


def openai(text: str) -> list[dict[str, str]]:
    """The `messages`. OpenAI caches equal beginnings by itself."""
    return [{"role": "system", "content": text}]


def _marks(
    text: str, stable_end: int, edges: Iterable[int], count: Callable[[str], int], least_tokens: float
) -> list[int]:
    first = len(text) - len(text.lstrip())  # a block of white space alone is refused
    ends = sorted({edge for edge in (*edges, stable_end) if first < edge <= stable_end})
    sizes = list(_running(text, ends, count))
    big = [(end, size) for end, size in zip(ends, sizes, strict=True) if size >= least_tokens]
    return [end for end in _spread(big) if count(text[:end]) >= least_tokens]


def _running(text: str, ends: Sequence[int], count: Callable[[str], int]) -> Iterator[int]:
    """Tokens up to each end, added up piece by piece."""
    size = 0
    for start, end in pairwise((0, *ends)):
        size += count(text[start:end])
        yield size


def _spread(ends: Sequence[tuple[int, int]]) -> list[int]:
    """The last end, and of those before it the ones nearest to a quarter, half and three quarters."""
    if not ends:
        return []
    whole = ends[-1][1]
    wanted = (whole * number / MAX_MARKS for number in range(1, MAX_MARKS + 1))
    return sorted({min(ends, key=lambda end: (abs(end[1] - size), end[0]))[0] for size in wanted})
