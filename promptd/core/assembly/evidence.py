"""Evidence: what an answer rests on, so that its source can say whether it still holds.

The library asks two things of it: which components it names, and whether a change touched them. Everything
else is for the source that gave it (`basis`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from promptd.core.library.member import Component
from promptd.core.syntax.component import Place


@dataclass(slots=True, eq=False)
class Evidence:
    """The components that were found and the places that were empty. Compared by identity.

    `ids` are those of both; `basis` is what the source that made it checks it by, None where nothing can
    change.
    """

    components: tuple[Component, ...]
    ids: frozenset[str]
    basis: Any = None

    def is_touched_by(self, affected: frozenset[str]) -> bool:
        """True if a change that affected these ids may have made the answer another one."""
        return not self.ids.isdisjoint(affected)


def ids_of(components: Sequence[Component], absent: Sequence[Place]) -> frozenset[str]:
    """The ids that an answer rests on."""
    return frozenset((*(component.id for component in components), *(place.id for place in absent)))
