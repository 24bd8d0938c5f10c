"""A law: an engine that starts from an index equals one that starts from nothing, whatever came between.

The steps are those of tests/engine/test_attempt.py. The index is written by the engine that saw everything,
after every second step, so that what was kept is of one or of two steps ago.
"""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis.stateful import initialize, invariant, rule

from promptd import Engine
from promptd.daemon.state.index_file import IndexFile, Writing, indexed_roots_of
from tests.engine.test_attempt import (
    NAMES,
    REQUESTS,
    Library,
    names,
    roots,
)
from tests.freshness import answer, cold_one, whole
from tests.suite.examples import examples

pytestmark = pytest.mark.timeout(300)


def parts(engine: Engine) -> dict[Any, Any]:
    """Everything the library of an engine was made of."""
    return {
        reading.place: (reading.digest, reading.parsed, reading.signature, str(reading.error))
        for reading in engine.workspace.library.readings()
    }


class Restarted(Library):
    """The machine of freshness, with an engine that has ended and starts again."""

    looks_old = True
    steps = 0

    @property
    def file(self) -> IndexFile:
        """Where the index is."""
        return IndexFile(self.home)

    @initialize()
    def begin(self) -> None:
        """Every name is there from the start, so that most steps change something that was kept."""
        super().begin()
        for number, name in enumerate(NAMES):
            self.path(0, name).write_text(
                f"Text {number}.\n<include>{NAMES[number - 1]}</include>\n"[: 40 - number]
            )
        self.keep()

    @rule(root=roots, name=names)
    def save_in_the_same_size(self, root: int, name: str) -> None:
        """More of what is hardest to see."""
        self.rewrite_in_the_same_size(root, name)

    def keep(self) -> None:
        """Write down what is known now."""
        whole(self.warm)
        writing = Writing(indexed_roots_of(self.warm.workspace))
        writing.add(list(self.warm.workspace.library.readings()))
        assert self.file.write(writing)

    @invariant()
    def warm_equals_cold(self) -> None:
        """An engine that begins with the index says what one says that begins with nothing."""
        with cold_one(self.warm) as cold, cold_one(self.warm) as again:
            again.workspace.loader.index = self.file.read(indexed_roots_of(again.workspace))
            for request in REQUESTS[: self.steps % 3]:  # before it has looked at everything, and after
                assert answer(again, *request) == answer(cold, *request), request
            assert whole(again) == whole(cold)
            assert parts(again) == parts(cold)
            for request in REQUESTS:
                assert answer(again, *request) == answer(cold, *request), request
        self.steps += 1
        if self.steps % 2:
            self.keep()


class RestartedYoung(Restarted):
    """The same where no signature proves anything yet."""

    looks_old = False


run = settings(max_examples=examples(12), stateful_step_count=12, deadline=None)
TestOldFiles = Restarted.TestCase
TestOldFiles.settings = run
TestYoungFiles = RestartedYoung.TestCase
TestYoungFiles.settings = run
