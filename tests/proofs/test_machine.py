"""Incremental equals from scratch, by a real daemon: a few hundred steps of the law in machine.py.

`make soak` runs ten thousand and more.
"""

from pathlib import Path

import pytest

from tests.daemon.process import Daemon
from tests.proofs import daemons, machine
from tests.proofs.cold import Cold, Question, differences
from tests.proofs.daemons import ask_all
from tests.proofs.garden import IDS, LINKS, OPERATIONS, PLAIN, Garden, age
from tests.proofs.machine import Proof
from tests.suite.examples import examples


@pytest.mark.slow
@pytest.mark.parametrize("way", daemons.WAYS)
def test_after_any_operation_a_daemon_says_what_a_cold_start_says(place: Path, way: str) -> None:
    """Prompts, manifests, token counts, errors and the graph are equal after each of the steps."""
    garden = Garden(place / "library")
    daemon = daemons.start(way, place / "run", garden.root)
    try:
        proof = Proof(garden, daemon, pauses=1)
        machine.run(proof, examples=examples(6), steps=20, pause_every=40)
        assert proof.mismatches == 0
        assert not daemon.log("unforeseen error")
    finally:
        daemon.close()


@pytest.mark.slow
def test_each_operation_is_seen_on_files_that_have_aged(place: Path) -> None:
    """Where stamps prove something, answers come from memory; each operation, told by no event, is seen."""
    library = place / "library"
    library.mkdir()
    gardens = {kind: Garden(library / kind.replace(" ", "-")) for kind in OPERATIONS}
    for garden in gardens.values():
        for number in range(6):
            garden.place(number).write_text(f"@./two.md\n@../one.md\n{PLAIN}{number}\n")
    daemon = daemons.start("unwatched", place / "run", library)
    try:
        cold = Cold(library)
        age(list(gardens.values())[-1])
        for kind, garden in gardens.items():
            assert not wrong_of(daemon, cold, garden), kind
            OPERATIONS[kind](garden, 1, 2, "New.\n")
            assert not wrong_of(daemon, cold, garden), kind
    finally:
        daemon.close()


def wrong_of(daemon: Daemon, cold: Cold, garden: Garden) -> list[str]:
    """What the daemon says wrong of the prompts in a garden that is a part of its library."""
    names = [f"{garden.root.name}/{id}" for id in (*IDS[:9], *LINKS)]
    questions: list[Question] = [("assemble", {"name": name}) for name in names]
    return differences(questions, ask_all(daemon, questions), cold.answers(questions))
