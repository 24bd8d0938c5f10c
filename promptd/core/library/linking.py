"""From a directive to its link: which of the ids it may mean exist, and the facts that this rests on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from promptd.core.library.member import Component, Link
from promptd.core.library.named import Named
from promptd.core.library.resolve import Group, NamingRules, Refused, relative
from promptd.core.syntax.component import Directive

Known = Mapping[str, Component]
_ABSENT = "does not exist"


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a name means: an id or a reason why not; `absent` ids were looked for in vain."""

    id: str | None
    absent: tuple[str, ...] = ()
    reason: str = ""
    matches: tuple[str, ...] = ()


def first(groups: Sequence[Group] | Refused, known: Known) -> Resolution:
    """What the first of the groups means of which anything is known."""
    if isinstance(groups, Refused):
        return Resolution(None, (), groups.reason)
    absent: list[str] = []
    for group in groups:
        present = tuple(id for id in group if id in known)
        absent += [id for id in group if id not in known]
        if len(present) == 1:
            return Resolution(present[0], tuple(absent))
        if present:
            return Resolution(None, tuple(absent), f"is ambiguous: {', '.join(present)}", present)
    return Resolution(None, tuple(absent), _ABSENT)


def named(groups: Sequence[Group] | Refused, known: Known, is_served: Callable[[str], bool]) -> Resolution:
    """What a name in a request means: a file without a component's suffix only if a directive names it.

    Of several that are all invalid it is the first: below a link that leads out every suffix seems to be
    there.
    """
    if isinstance(groups, Refused):
        return first(groups, known)
    found = first([group for group in groups if all(map(is_served, group))], known)
    if found.matches and all(known[id].error is not None for id in found.matches):
        return Resolution(found.matches[0], found.absent, matches=found.matches)
    return found


def link_of(directive: Directive, from_id: str, names: NamingRules, known: Known, named: Named) -> Link:
    """What a directive in the component `from_id` means. `named`: what the known ones call themselves."""
    source = known.get(from_id)
    found = first(names.candidates_of(directive, from_id, source.real_id if source else ""), known)
    if found.reason == _ABSENT:
        found = _with_hint(found, names.candidates_at_root(directive, from_id), from_id, known)
    if found.reason == _ABSENT and directive.is_soft and directive.is_tentative:
        id = named.id_of(directive.target)
        found = found if id is None or id == from_id else Resolution(id, found.absent)
    if found.reason == _ABSENT and any(mark in directive.target for mark in "*?["):
        found = replace(found, reason="does not exist; a directive names one file, patterns are not expanded")
    target = known.get(found.id) if found.id is not None else None
    is_reference = directive.is_reference or (target is not None and target.is_reference)
    return Link(directive, found.id, found.absent, found.reason, found.matches, is_reference)


def _with_hint(found: Resolution, groups: list[Group], from_id: str, known: Known) -> Resolution:
    """What was not found beside a memory file, with the word that is right if it is at the root.

    That it is there, or is not, is a fact that this rests on.
    """
    seen = first(groups, known)
    absent = tuple(dict.fromkeys((*found.absent, *seen.absent)))
    if seen.id is None:
        return Resolution(None, absent, found.reason, seen.matches)
    word = relative(seen.id, from_id).replace(" ", "\\ ")
    reason = f"does not exist beside the file; it exists at the root: write `@{word}`"
    return Resolution(None, absent, reason, (seen.id,))
