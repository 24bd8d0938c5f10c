"""The law: after any operation on its files a daemon says what a cold start would say.

A Hypothesis state machine over a real directory, and a real daemon process that is asked over its socket
right after each operation: every prompt there can be, then the whole graph. `machine_for` makes it for one
daemon; `tests/proofs/test_machine.py` runs hundreds of steps, `tests/proofs/soak.py` ten thousand.
"""

from collections import Counter

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.daemon.process import Daemon
from tests.proofs.cold import Cold, Question, differences
from tests.proofs.daemons import ask_all
from tests.proofs.random_library import (
    IDS,
    LINKS,
    OPERATIONS,
    PIECES,
    RandomLibrary,
    age,
    operate,
)

NAMES = (*IDS, *LINKS, "moved/one", "c/moved/two.md", "two", "d/three")
PROMPTS: list[Question] = [
    *(("assemble", {"name": name}) for name in NAMES),
    ("assemble", {"components": ["one.md", "a/two.md"], "variables": {"who": "Ada"}}),
    ("get", {"name": "a/b/two.md"}),
    ("dependencies", {"name": "a/one.md"}),
]
WHOLE: list[Question] = [("graph", {}), ("list", {}), ("dependents", {"name": "one.md"})]
QUESTIONS = PROMPTS + WHOLE
TEXTS = st.lists(st.sampled_from(PIECES), max_size=4).map("".join)
NUMBERS = st.integers(0, 59)


class Proof:
    """A library, a daemon on it, the expected answers, and the steps that were made.

    `pauses` is how often the files may be left to age, two seconds each.
    """

    def __init__(self, library: RandomLibrary, daemon: Daemon, *, pauses: int) -> None:
        self.library = library
        self.daemon = daemon
        self.cold = Cold(library.root)
        self.steps: Counter[str] = Counter()
        self.pauses = 0
        self.answers = 0
        self.mismatches = 0
        self._pauses_left = pauses

    def step(self, kind: str, first: int, second: int, text: str) -> list[str]:
        """Do one operation and ask everything; returns what was answered wrong."""
        operate(self.library, kind, first, second, text)
        self.steps[kind] += 1
        return self.look()

    def pause(self) -> list[str]:
        """Let everything age, if that may still be done, and ask everything."""
        if self._pauses_left > 0:
            self._pauses_left -= 1
            self.pauses += 1
            age(self.library)
        return self.look()

    def look(self) -> list[str]:
        """Ask the daemon everything, then a cold engine; returns the differences."""
        replies = ask_all(self.daemon, PROMPTS) + ask_all(self.daemon, WHOLE)
        found = differences(QUESTIONS, replies, self.cold.answers(QUESTIONS))
        self.answers += len(replies)
        self.mismatches += len(found)
        return found


def machine_for(proof: Proof, *, pause_every: int) -> type[RuleBasedStateMachine]:
    """The state machine that drives this proof; one step in `pause_every` lets the files age instead."""

    class FilesChange(RuleBasedStateMachine):
        """Operations in any order; the library is empty at the start of each example."""

        def __init__(self) -> None:
            super().__init__()
            proof.library.clear()

        @rule(
            kind=st.sampled_from(sorted(OPERATIONS)),
            first=NUMBERS,
            second=NUMBERS,
            text=TEXTS,
            chance=st.integers(1, pause_every),
        )
        def operate(self, kind: str, first: int, second: int, text: str, chance: int) -> None:
            wrong = proof.pause() if chance == pause_every else []
            wrong += proof.step(kind, first, second, text)
            assert not wrong, "\n".join(wrong)

    return FilesChange


def run(proof: Proof, *, examples: int, steps: int, pause_every: int, is_random: bool = False) -> None:
    """Examples of so many steps each. Raises AssertionError with a short way to what is wrong."""
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        derandomize=not is_random,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine_for(proof, pause_every=pause_every), settings=chosen)
