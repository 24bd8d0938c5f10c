"""No strategy rewords a sentence: what stays of a text is said as its author said it.

`sentences.txt` holds sentences that rewording spoils, and the frames below put what people take for padding
where it is none. Both may only grow.
"""

from itertools import product
from pathlib import Path

import pytest

from promptd.core.optimise.strategies import STRATEGIES
from tests.core.optimise.texts import run

WRITTEN = (Path(__file__).parent / "sentences.txt").read_text("utf-8").splitlines()
SENTENCES = [line for line in WRITTEN if not line.startswith("# ")]

PADDING = (
    "in order to", "prior to", "due to the fact that", "as well as", "in addition to", "a number of",
    "the majority of", "be able to", "is able to", "different types of", "note that", "please", "very",
    "basically", "for example", "make use of", "utilize", "whether or not", "all of the", "in fact",
)  # fmt: skip
FRAMES = (
    "They {} run the tests after lunch.",
    "The {} column is the last of the table.",
    "It is not {} what was asked for.",
    "Pick {} three of the nine.",
    "Was it {} that the build broke?",
    "It is more {} than before.",
    "{} Survive",
    'The sign said "{}" and no more.',
    "{}, the report is late.",
    "Say {} where it fits, and leave it out elsewhere.",
)
FRAMED = [frame.format(phrase) for frame, phrase in product(FRAMES, PADDING)]
GROUND = "You must keep what follows exactly as it is.\n\n"


@pytest.mark.parametrize("name", STRATEGIES)
def test_no_strategy_rewords_a_sentence(name: str) -> None:
    """Each of them stands in the result as it was written, or not at all."""
    written = [*SENTENCES, *FRAMED]
    text = GROUND + "\n\n".join(written) + "\n"
    left = [line for line in run(text, name).text.splitlines() if line and line != "<!-- shortened -->"]
    assert [line for line in left if line not in {GROUND.strip(), *written}] == []
    assert GROUND.strip() in left


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_alone_stays_as_it_is(sentence: str) -> None:
    """With nothing around it that could vouch for it."""
    assert run(f"{sentence}\n", "balanced").text == f"{sentence}\n"
