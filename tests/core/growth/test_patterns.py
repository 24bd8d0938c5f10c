"""Every regular expression takes linear time for whatever it is held against.

What a regular expression does can only be timed: by the processor time of this process, at sizes far enough
apart that a machine under load cannot make linear look quadratic.
"""

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.core.growth.attacks import Attack, attacks, patterns, uses

SIZES = (2_000, 16_000)
MOST = 24  # times as long: linear is 8, quadratic 64
SHORT_S = 0.02  # what takes no longer is not looked at: the clock of a process may tick every 4 ms
AT_ONCE = 16  # attacks: a bad one must not drown among others
# Linear by how they are used: name -> why.
BOUNDED = {
    "promptd.core.syntax.dialects.at_import._INSTALLS": "searched for in 80 characters",
    "promptd.core.optimise.comments._COMMENT": "searched for up to the last closing mark only",
}


def seconds(pattern: re.Pattern[Any], used: set[str], some: Sequence[Attack], size: int) -> float:
    """Processor time of holding a pattern against attacks of a size, as promptd does."""
    texts: list[Any] = [attack.text(size) for attack in some]
    if not isinstance(pattern.pattern, str):
        texts = [text.encode() for text in texts]
    started_s = time.process_time()
    for text in texts:
        pattern.match(text)
        if "search" in used:
            for _ in pattern.finditer(text):
                pass
        if "fullmatch" in used:
            pattern.fullmatch(text)
    return time.process_time() - started_s


def bad(pattern: re.Pattern[Any], used: set[str]) -> Iterator[str]:
    """The attacks that a pattern does not stand."""
    every = attacks(pattern)
    for at in range(0, len(every), AT_ONCE):
        some = every[at : at + AT_ONCE]
        small = max(seconds(pattern, used, some, SIZES[0]), SHORT_S / MOST * 4)
        if seconds(pattern, used, some, SIZES[1]) > max(SHORT_S, MOST * small):
            yield repr(some)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_pattern_is_linear() -> None:
    """Whatever it is attacked with."""
    found = {
        name: list(bad(pattern, uses().get(name.rpartition(".")[2], set())))
        for name, pattern in patterns().items()
        if name not in BOUNDED
    }
    assert len(found) > 100
    assert not {name: some for name, some in found.items() if some}


@pytest.mark.slow
def test_an_attack_finds_what_is_not_linear() -> None:
    """A pattern that looks at a run of blanks from each of them."""
    assert list(bad(re.compile(r"[ \t]+x"), {"search"}))
