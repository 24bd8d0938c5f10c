"""Incremental equals from scratch, by a real daemon: a few hundred steps of the law in machine.py.

`make soak` runs ten thousand and more.
"""

from pathlib import Path

import pytest

from tests.daemon.process import Daemon
from tests.proofs import daemons, machine
from tests.proofs.cold import Cold, Question, differences
from tests.proofs.daemons import ask_all
from tests.proofs.machine import Proof
from tests.proofs.random_library import (
    IDS,
    LINKS,
    OPERATIONS,
    PLAIN,
    RandomLibrary,
    age,
)
from tests.suite.examples import examples


@pytest.mark.slow
@pytest.mark.parametrize("way", daemons.WAYS)
def test_after_any_operation_a_daemon_says_what_a_cold_start_says(place: Path, way: str) -> None:
    """Prompts, manifests, token counts, errors and the graph are equal after each of the steps."""
    library = RandomLibrary(place / "library")
    daemon = daemons.start(way, place / "run", library.root)
    try:
        proof = Proof(library, daemon, pauses=1)
        machine.run(proof, examples=examples(6), steps=20, pause_every=40)
        assert proof.mismatches == 0
        assert not daemon.log("unforeseen error")
    finally:
        daemon.close()


@pytest.mark.slow
def test_each_operation_is_seen_on_files_that_have_aged(place: Path) -> None:
    """There replies come from the cache, and each operation is seen although no event reports it."""
    root = place / "library"
    root.mkdir()
    libraries = {kind: RandomLibrary(root / kind.replace(" ", "-")) for kind in OPERATIONS}
    for library in libraries.values():
        for number in range(6):
            library.place(number).write_text(f"@./two.md\n@../one.md\n{PLAIN}{number}\n")
    daemon = daemons.start("unwatched", place / "run", root)
    try:
        cold = Cold(root)
        age(list(libraries.values())[-1])
        for kind, library in libraries.items():
            assert not wrong_of(daemon, cold, library), kind
            OPERATIONS[kind](library, 1, 2, "New.\n")
            assert not wrong_of(daemon, cold, library), kind
    finally:
        daemon.close()


def wrong_of(daemon: Daemon, cold: Cold, library: RandomLibrary) -> list[str]:
    """What the daemon says wrong of the prompts of one directory of its library."""
    names = [f"{library.root.name}/{id}" for id in (*IDS[:9], *LINKS)]
    questions: list[Question] = [("assemble", {"name": name}) for name in names]
    return differences(questions, ask_all(daemon, questions), cold.answers(questions))
