"""Counting a cached prompt with new values, against encoding it whole: `python -m benchmarks.counting`.

One prompt of about 100 KB whose text holds a variable in ten places. Each round takes values never seen
before; filling them in is not timed, since it has to be done either way. Medians of 300 rounds, one way
after the other in the same run.
"""

import statistics
import time
from collections.abc import Callable, Iterator

from promptd.core.assembly.fill import Filled, fill
from promptd.core.assembly.skeleton import Rules, Skeleton
from promptd.core.syntax.slots import Slot
from promptd.core.tokens.incremental import IncrementalCount
from promptd.core.tokens.segments import Segments
from promptd.engine.tokenizer import Tokenizer

ROUNDS = 300
PLACES = 10
SIZE_BYTES = 100_000


def skeleton() -> Skeleton:
    """A prompt of prose, lists and code with a variable in ten places."""
    parts: list[str | Slot] = []
    for place in range(PLACES):
        lines = [
            f"- Step {place}.{number}: read `src/module_{number}.py`, say what is odd, never guess.\n"
            for number in range(SIZE_BYTES // PLACES // 68)
        ]
        parts += ["".join(lines), f"Place {place} of the project ", Slot("variable", "{name}", "name"), ".\n"]
    return Skeleton(parts)


def timed_us(count: Callable[[Filled], int], filled: Filled) -> tuple[float, int]:
    """Microseconds of CPU of one call, and what it returned."""
    started_s = time.thread_time()  # CPU: only the longer of the two would wait for a busy machine
    tokens = count(filled)
    return (time.thread_time() - started_s) * 1e6, tokens


def by_whole(tokenizer: Tokenizer) -> Callable[[Filled], int]:
    """Encode it whole."""
    return lambda filled: tokenizer.count(filled.text)


def by_parts(tokenizer: Tokenizer, prompt: Skeleton) -> Callable[[Filled], int]:
    """Count what the values touch."""
    tally = IncrementalCount(prompt.layout, Segments(tokenizer.count_many))
    return lambda filled: tally.measure(filled).count(0, len(filled.text))


def median_us(count: Callable[[Filled], int], texts: list[Filled]) -> tuple[float, list[int]]:
    """The median of counting each of these once, and the counts."""
    timed = [timed_us(count, filled) for filled in texts]
    return statistics.median(us for us, _ in timed), [tokens for _, tokens in timed]


def lines() -> Iterator[str]:
    """What was measured, one line for each encoding."""
    prompt = skeleton()
    texts = [fill(prompt, {"name": f"Harbour {number} é"}, None, Rules()) for number in range(ROUNDS)]
    size_bytes = len(texts[-1].text.encode())
    for encoding in ("o200k_base", "cl100k_base"):
        tokenizer = Tokenizer(encoding)
        whole_us, expected = median_us(by_whole(tokenizer), texts)
        parts_us, counted = median_us(by_parts(tokenizer, prompt), texts)
        wrong = sum(one != other for one, other in zip(expected, counted, strict=True))
        yield (
            f"{encoding:12} {size_bytes:,} bytes: whole {whole_us:,.0f} µs, by parts {parts_us:,.1f} µs"
            f" = {parts_us / whole_us:.2%}; wrong counts {wrong} of {ROUNDS}"
        )


def main() -> None:
    """Print them."""
    for line in lines():
        print(line)


if __name__ == "__main__":
    main()
