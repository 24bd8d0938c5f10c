"""A procedure of its own: the words of every component, which only strategies need."""

from collections.abc import Mapping
from functools import partial

from promptd.core.syntax.component import Reading
from promptd.engine.procedures.effects import (
    Compute,
    Procedure,
    Read,
    Reconcile,
    applied,
)
from promptd.engine.workspace import Workspace

LEARN_AT_ONCE = 200  # components whose words are learnt in one go: some 50 ms in a thread


def learn(workspace: Workspace) -> Procedure[None]:
    """Learn the words of every component, so that strategies know what each is worth."""
    lexicon = workspace.optimiser.lexicon
    if not lexicon.is_active:
        if not workspace.scanned.is_complete:
            yield Reconcile()
        lexicon.begin(workspace.library.ids())
    while ids := lexicon.unknown()[:LEARN_AT_ONCE]:
        components = (workspace.library.get(id) for id in ids)
        places = tuple(component.place for component in components if component is not None)
        readings: list[Reading] = yield Read(places)
        texts = {reading.place.id: reading.text or "" for reading in readings}
        found = yield Compute(partial(_words_of, texts))
        for id in ids:
            lexicon.learn_words(id, found.get(id, ()))
        news = [reading for reading in readings if _differs(workspace, reading)]
        yield from applied(partial(workspace.apply, preload=True), news)


def _words_of(texts: Mapping[str, str]) -> dict[str, frozenset[str]]:
    from promptd.core.optimise.budget.lexicon import distinct

    return {id: distinct(text) for id, text in texts.items()}


def _differs(workspace: Workspace, reading: Reading) -> bool:
    held = workspace.library.get(reading.place.id)
    return held is None or held.digest != reading.digest
