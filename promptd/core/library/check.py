"""What is wrong with a library: dangling references, cycles, unusable files, what nobody uses.

A pure look at the state. A reference dangles if its target, or the section it names of it, should exist and
does not; soft edges and optional ones are warnings at most. Unused is what no prompt reaches, where prompts
are the components asked for by name (`library.prompts`, or everything without dependents if none of those
exist).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from promptd.core.library.library import Component, Library, Link
from promptd.core.library.plan import with_lines
from promptd.core.library.resolve import matches
from promptd.core.syntax.component import Place, Reading
from promptd.core.syntax.sections import Headings
from promptd.protocol.records import Dangling, EdgeKind, Problem, TreeNode


class CheckReport(msgspec.Struct, frozen=True):
    """The outcome of a check; `ok` is False when there is something to mend."""

    components: int
    edges: int
    directives: int
    dangling: tuple[Dangling, ...]
    cycles: tuple[tuple[str, ...], ...]
    unused: tuple[str, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    ok: bool


class SectionWish(NamedTuple):
    """A directive that wants one section: where it is written, and the place that should have the section."""

    id: str
    line: int
    target: str
    section: str
    place: Place


def section_wishes(library: Library) -> list[SectionWish]:
    """Every directive that wants a section of a file which exists, optional ones left out."""
    return [
        SectionWish(
            component.id, link.directive.line, link.directive.target, link.directive.section, target.place
        )
        for id in library.ids()
        if (component := library.get(id)) is not None
        for link in component.links
        if link.directive.section and not (link.directive.is_optional or link.is_reference)
        if (target := library.get(link.target or "")) is not None and target.error is None
    ]


def lost_sections(wishes: Iterable[SectionWish], readings: Iterable[Reading]) -> tuple[Dangling, ...]:
    """The wishes whose file, as it was read, has no such section; unreadable files are passed over."""
    outlines = {
        reading.place: Headings(reading.text, reading.parsed.body_start)
        for reading in readings
        if reading.text is not None and reading.parsed is not None
    }
    return tuple(
        Dangling(wish.id, wish.line, f"{wish.target}#{wish.section}", f"has no section {wish.section!r}")
        for wish in wishes
        if wish.place in outlines and outlines[wish.place].section(wish.section) is None
    )


def check(
    library: Library,
    prompts: Sequence[str],
    problems: Iterable[str] = (),
    lost: Iterable[Dangling] = (),
) -> CheckReport:
    """Check everything held.

    `prompts`: globs of what is asked for; `problems`: what a scan reported; `lost`: the `lost_sections`, for
    which texts had to be read.
    """
    components = [component for id in library.ids() if (component := library.get(id)) is not None]
    links = [(component, link) for component in components for link in component.links if _is_written(link)]
    missing = (_dangling(component, link) for component, link in links if link.is_dangling)
    dangling = tuple(sorted((*missing, *lost), key=lambda each: (each.id, each.line)))
    cycles = tuple(
        tuple(with_lines(library, chain)) for chain in library.graph.cycles() if library.is_listed(chain[0])
    )
    errors = tuple(
        Problem(component.error.type, component.id, 0, component.error.message)
        for component in components
        if component.error is not None
    )
    scanned = tuple(_scan_problems(problems))
    if not components:  # a root that is not there is no clean library
        errors, scanned = scanned, ()
    warnings = (
        *scanned,
        *(problem for component in components for problem in _warnings(component)),
    )
    return CheckReport(
        components=len(components),
        edges=len({(component.id, link.target) for component, link in links if link.is_hard}),
        directives=sum(not link.directive.is_soft for _, link in links),
        dangling=dangling,
        cycles=cycles,
        unused=_unused(library, components, prompts),
        errors=errors,
        warnings=warnings,
        ok=not (dangling or cycles or errors),
    )


def _is_written(link: Link) -> bool:
    return link.target is not None or not link.directive.is_tentative


def _dangling(component: Component, link: Link) -> Dangling:
    return Dangling(component.id, link.directive.line, link.directive.target, link.reason)


def _scan_problems(problems: Iterable[str]) -> Iterable[Problem]:
    return (Problem("scan", "", 0, problem) for problem in problems)


def _warnings(component: Component) -> Iterable[Problem]:
    for diagnostic in component.parsed.diagnostics:
        yield Problem(diagnostic.kind, component.id, diagnostic.line, diagnostic.message)
    for link in component.links:
        if link.target is None and link.directive.is_soft:
            message = f"requires {link.directive.target!r}, which {link.reason}"
            yield Problem("requires", component.id, link.directive.line, message)


def _unused(library: Library, components: Sequence[Component], prompts: Sequence[str]) -> tuple[str, ...]:
    ids = [component.id for component in components]
    entries = [id for id in ids if matches(id, prompts)] or [
        id for id in ids if not library.graph.dependents(id)
    ]
    reached = set(entries)
    stack = list(entries)
    while stack:
        for target in library.graph.requires(stack.pop(), hard_only=False):
            if target not in reached:
                reached.add(target)
                stack.append(target)
    return tuple(id for id in ids if id not in reached)


def tree(
    library: Library, id: str, *, reverse: bool = False, depth: int = 64, limit: int = 5_000
) -> TreeNode:
    """The include tree below (or above) a component.

    At most `limit` nodes; a node that is on the way to itself is marked `cycle` and not opened, one cut
    off by a bound is marked `truncated`.
    """
    left = [limit - 1]

    def node(
        at: str, way: tuple[str, ...], line: int | None = None, kind: EdgeKind | None = None
    ) -> TreeNode:
        if at in way:
            return TreeNode(line=line, kind=kind, id=at, cycle=True, children=())
        edges = list(_edges(library, at, reverse=reverse))
        if edges and (left[0] < len(edges) or len(way) >= depth):
            return TreeNode(line=line, kind=kind, id=at, truncated=True, children=())
        left[0] -= len(edges)
        children = tuple(node(other, (*way, at), line, kind) for other, line, kind in edges)
        return TreeNode(line=line, kind=kind, id=at, children=children)

    return node(id, ())


def _edges(library: Library, id: str, *, reverse: bool) -> Iterable[tuple[str, int, EdgeKind]]:
    sources = library.graph.dependents(id) if reverse else [id]
    for source in sources:
        component = library.get(source)
        for link in component.links if component else ():
            if link.target is not None and (not reverse or link.target == id):
                yield source if reverse else link.target, link.directive.line, kind_of(link)


def kind_of(link: Link) -> EdgeKind:
    """`includes`, `reference` or `requires`."""
    if link.directive.is_soft:
        return "requires"
    return "reference" if link.is_reference else "includes"
