"""The plan of one request: which components it needs, and all evidence that its answer rests on.

A plan is made from links alone, no text is touched. Its evidence is of two kinds: the components it
contains (their signatures must still hold) and the places that were looked at in vain (they must still
be empty). A refusal (unknown name, cycle) is part of the plan, not raised: it too is an answer that is
only as fresh as its evidence.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from promptd.core.library.library import Component, Library, Resolution
from promptd.core.syntax.component import Place
from promptd.errors import (
    AmbiguousName,
    CycleError,
    OutsideRoot,
    PromptdError,
    PromptTooLarge,
    UnknownComponent,
)

MAX_LINKS = 20_000  # directives of all that a prompt contains: what twenty files may hold


@dataclass(frozen=True, slots=True)
class Plan:
    """`ids` are the requested components in order, `members` all needed ones in order of first use.

    `absent` are places that must be empty for the plan to be right. `witnesses` are what it rests on besides:
    what leads to a component that is one only because of that, and what a name would mean as well if it were
    valid. `refusal` is set when there is no prompt to be had.
    """

    ids: tuple[str, ...]
    members: tuple[Component, ...]
    absent: tuple[Place, ...]
    witnesses: tuple[Component, ...]
    refusal: PromptdError | None = None


def plan(library: Library, names: Sequence[str]) -> Plan:
    """Plan a prompt of the named components, in order. Never raises: see `Plan.refusal`."""
    found = [library.resolve(name) for name in names]
    absent = [id for resolution in found for id in resolution.absent]
    for name, resolution in zip(names, found, strict=True):
        if resolution.id is None:
            refusal = _no_such(name, resolution)
            standing = tuple(_standing(library, found))
            return Plan((), standing, tuple(_places(library, absent, standing)), (), refusal)
    ids = tuple(resolution.id for resolution in found if resolution.id is not None)
    members, expanded = _closure(library, ids)
    absent += [id for member in members for link in member.links for id in link.absent]
    unlike = (id for id in ids if not library.names.is_component(id))
    witnesses = [each for id in unlike if (each := library.witness(id)) is not None]
    rivals = [each for one in found for id in one.matches if (each := library.get(id)) is not None]
    places = tuple(_places(library, absent, (*members, *rivals)))
    is_too_large = sum(len(member.links) for member in members) > MAX_LINKS
    refused = _too_large() if is_too_large else _refusal(library, ids, expanded)
    return Plan(ids, tuple(members), places, (*witnesses, *rivals), refused)


def _standing(library: Library, found: Iterable[Resolution]) -> Iterable[Component]:
    """What a refusal rests on besides what is absent: rivals, and what the other names were found to be."""
    ids = dict.fromkeys(id for resolution in found for id in (*resolution.matches, resolution.id) if id)
    return (component for id in ids if (component := library.get(id)) is not None)


def _no_such(name: str, resolution: Resolution) -> PromptdError:
    if resolution.matches:
        listed = ", ".join(resolution.matches)
        return AmbiguousName(f"{name!r} fits several components: {listed}; write the suffix", name=name)
    if resolution.absent:
        return UnknownComponent(f"no component named {name!r}", name=name)
    return OutsideRoot(f"{name!r} {resolution.reason}; names are ids below a root, never paths", name=name)


def _closure(library: Library, ids: Iterable[str]) -> tuple[list[Component], list[str]]:
    """All members in order of first use, and the ids of those whose text is put in.

    The target of a reference is a member (its description and size are shown), what it needs is not. It
    ends where their directives exceed MAX_LINKS: what is beyond need not be read to refuse the prompt.
    """
    members: dict[str, Component] = {}
    expanded: dict[str, None] = {}
    links = 0
    stack = [(id, True) for id in reversed(list(ids))]
    while stack:
        id, is_expanded = stack.pop()
        component = members.get(id) or library.get(id)
        if component is None:
            continue
        links += len(component.links) if id not in members else 0
        members[id] = component
        if links > MAX_LINKS:
            break
        if is_expanded and id not in expanded:
            expanded[id] = None
            for link in reversed(component.links):
                if link.target is not None and not link.directive.is_soft:
                    stack.append((link.target, link.is_hard))
    return list(members.values()), list(expanded)


def _too_large() -> PromptdError:
    return PromptTooLarge(
        f"the prompt's components hold more than {MAX_LINKS} directives: ask for it in parts", limit=MAX_LINKS
    )


def _places(library: Library, absent: Iterable[str], members: Iterable[Component]) -> Iterable[Place]:
    places = dict.fromkeys(Place(root, id) for id in absent for root in range(library.roots))
    if library.roots > 1:  # a file of the same id in an earlier root would take a member's place
        places |= dict.fromkeys(Place(root, member.id) for member in members for root in range(member.root))
    return places


def _refusal(library: Library, ids: Iterable[str], expanded: Iterable[str]) -> PromptdError | None:
    for id in ids:
        component = library.get(id)
        if component is not None and component.error is not None:
            return component.error
    for id in expanded:
        chain = library.graph.cycle_through(id)
        if chain:
            return cycle_error(library, chain)
    return None


def cycle_error(library: Library, chain: Sequence[str]) -> CycleError:
    """The error for a chain of ids that ends where it began: `a.md:3 → b.md:7 → a.md`."""
    lines = with_lines(library, chain)
    return CycleError(f"components include each other: {' → '.join(lines)}", chain=lines)


def with_lines(library: Library, chain: Sequence[str]) -> list[str]:
    """Each id of a chain with the line of the directive that leads to the next."""
    shown = []
    for source, target in pairwise(chain):
        component = library.get(source)
        links = component.links if component else ()
        line = next((link.directive.line for link in links if link.target == target and link.is_strict), 0)
        shown.append(f"{source}:{line}")
    return [*shown, chain[-1]]
