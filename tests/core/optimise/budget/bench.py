"""A workbench for fitting: skeletons of a library in memory, with a counter of words in place of tokens."""

import re
from collections.abc import Mapping

from promptd.core.assembly.assemble import expand
from promptd.core.assembly.fill import Filled, fill
from promptd.core.assembly.skeleton import Rules, Skeleton
from promptd.core.optimise.budget.author_hints import AuthorHints, author_hints_of
from promptd.core.optimise.optimise import Tools
from promptd.core.optimise.strategies import STRATEGIES
from promptd.core.optimise.words import idf_of
from tests.core.builders import MemoryLibrary

_WORD = re.compile(r"\w+|[^\w\s]")


def count(text: str) -> int:
    """Words and marks: additive at white space, which is all that these tests need."""
    return len(_WORD.findall(text))


class Bench:
    """One prompt of a small library, ready to be fitted."""

    def __init__(self, files: Mapping[str, str], *names: str) -> None:
        library = MemoryLibrary(files)
        plan = library.plan(*(names or ("a.md",)))
        assert plan.refusal is None
        self.files = files
        self.rules = Rules()
        self.skeleton = expand(plan, {id: library.texts[id] for id in library.texts}, self.rules, count)
        self.cards: dict[str, AuthorHints] = {
            member.id: author_hints_of(
                member.id, member.description, member.parsed.metadata, tuple(STRATEGIES)
            )
            for member in plan.members
        }
        self.tools = Tools(count, idf_of(files.values()))

    def filled(self, skeleton: Skeleton, **values: str) -> Filled:
        """A skeleton with values."""
        return fill(skeleton, values, None, self.rules)

    def text(self, skeleton: Skeleton, **values: str) -> str:
        """The text of a skeleton with values."""
        return self.filled(skeleton, **values).text

    def had_back(self, skeleton: Skeleton) -> list[tuple[str, str]]:
        """(id, text) of everything that was taken out, as its file has it."""
        return [
            (draft.id, self.files[draft.id][slice(*unit.span)])
            for draft in skeleton.drafts
            for unit in draft.removed
        ]
