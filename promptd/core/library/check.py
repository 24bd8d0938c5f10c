"""The check of a library: dangling references, cycles, invalid files, unused components.

Works on the library in memory, without I/O. A reference dangles if its target, or the section it names,
should exist and does not; soft and optional ones are warnings at most. A component is unused if no prompt
includes it, where prompts are the components that match `library.prompts`, or all without dependents if none
match.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from promptd.core.library.graph import knots
from promptd.core.library.library import Component, Library, Link
from promptd.core.library.lint import did_you_mean, missing_alias, with_near_names
from promptd.core.library.plan import with_lines
from promptd.core.library.resolve import is_memory_file, matches
from promptd.core.syntax.component import PUNCTUATED, Place, Reading
from promptd.core.syntax.sections import Headings
from promptd.protocol.records import Dangling, EdgeKind, GraphEdge, Problem, TreeNode

KINDS: tuple[EdgeKind, ...] = ("includes", "reference", "requires")


class CheckReport(msgspec.Struct, frozen=True):
    """The result of a check; `ok` is False if anything dangles, lacks its section, is cyclic or invalid."""

    components: int
    edges: int
    directives: int
    dangling: tuple[Dangling, ...]
    missing_sections: tuple[Dangling, ...]
    cycles: tuple[tuple[str, ...], ...]
    unused: tuple[str, ...]
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    ok: bool


class RequiredSection(NamedTuple):
    """A directive that includes one section: where it is written, and the file that must have the section."""

    id: str
    line: int
    target: str
    section: str
    place: Place


def required_sections(library: Library) -> list[RequiredSection]:
    """Every directive that includes a section of an existing file, except optional ones."""
    return [
        RequiredSection(
            component.id, link.directive.line, link.directive.target, link.directive.section, target.place
        )
        for id in library.ids()
        if (component := library.get(id)) is not None
        for link in component.links
        if link.directive.section and not (link.directive.is_optional or link.is_reference)
        if (target := library.get(link.target or "")) is not None and target.error is None
    ]


def missing_sections(
    required: Iterable[RequiredSection], readings: Iterable[Reading]
) -> tuple[Dangling, ...]:
    """The required sections that their file, as it was read, does not have; unreadable files are skipped."""
    headings = {
        reading.place: Headings(reading.text, reading.parsed.body_start)
        for reading in readings
        if reading.text is not None and reading.parsed is not None
    }
    return tuple(
        Dangling(each.id, each.line, f"{each.target}#{each.section}", _no_section(each, headings[each.place]))
        for each in required
        if each.place in headings and headings[each.place].section(each.section) is None
    )


def _no_section(required: RequiredSection, headings: Headings) -> str:
    titles = [title for _, title in headings.titles]
    return f"has no section {required.section!r}{did_you_mean(required.section, titles)}"


def check(
    library: Library,
    prompts: Sequence[str],
    problems: Iterable[str] = (),
    lost: Iterable[Dangling] = (),
    usual: Sequence[str] = (),
    remarks: Iterable[Problem] = (),
) -> CheckReport:
    """Check every component of a library.

    `prompts`: globs of ids; `problems`: what a scan reported; `lost`: the `missing_sections`, for which texts
    had to be read. A glob that matches nothing is a warning, unless it is one of the `usual` ones. `remarks`:
    the `lints` and other warnings.
    """
    components = [component for id in library.ids() if (component := library.get(id)) is not None]
    links = [(component, link) for component in components for link in component.links if _is_written(link)]
    missing = (_dangling(component, link) for component, link in links if link.is_dangling)
    dangling = tuple(with_near_names(missing, library.ids()))
    sections = tuple(sorted(lost, key=lambda each: (each.id, each.line)))
    cycles = tuple(
        tuple(with_lines(library, chain)) for chain in library.graph.cycles() if library.is_listed(chain[0])
    )
    errors = tuple(
        Problem(component.error.type, component.id, 0, component.error.message)
        for component in components
        if component.error is not None
    )
    scanned = tuple(_scan_problems(problems))
    if not components:  # a missing root is an error, not an empty library
        errors, scanned = scanned, ()
    warnings = (
        *scanned,
        *missing_alias(dangling, library.ids()),
        *(problem for component in components for problem in _warnings(component)),
        *_import_cycles(components),
        *(_unmatched(library, prompts, usual) if components else ()),
        *remarks,
    )
    return CheckReport(
        components=len(components),
        edges=sum(len(component.edges) for component in components),
        directives=sum(not link.directive.is_soft for _, link in links),
        dangling=dangling,
        missing_sections=sections,
        cycles=cycles,
        unused=_unused(library, components, prompts),
        errors=errors,
        warnings=warnings,
        ok=not (dangling or sections or cycles or errors),
    )


def _is_written(link: Link) -> bool:
    return link.target is not None or not link.directive.is_tentative


def _dangling(component: Component, link: Link) -> Dangling:
    return Dangling(component.id, link.directive.line, link.directive.target, link.reason)


def _scan_problems(problems: Iterable[str]) -> Iterable[Problem]:
    return (Problem("scan", "", 0, problem) for problem in problems)


def _warnings(component: Component) -> Iterable[Problem]:
    for diagnostic in component.parsed.diagnostics:
        if diagnostic.kind == PUNCTUATED and not is_memory_file(component.id):
            continue
        yield Problem(diagnostic.kind, component.id, diagnostic.line, diagnostic.message)
    for link in component.links:
        if link.target is None and link.directive.is_soft and not link.directive.is_tentative:
            message = f"requires {link.directive.target!r}, which {link.reason}"
            yield Problem("requires", component.id, link.directive.line, message)


def _unmatched(library: Library, prompts: Sequence[str], usual: Sequence[str]) -> Iterable[Problem]:
    for glob in prompts:
        if glob not in usual and not library.ids((glob,)):
            yield Problem("prompts", "", 0, f"library.prompts: no component matches {glob!r}")


def _import_cycles(components: Sequence[Component]) -> Iterable[Problem]:
    """Imports that lead back to the file they are written in: skipped wherever that is being put in."""
    among = {
        component.id: [link.target for link in component.links if link.target is not None and link.is_hard]
        for component in components
    }
    ring = {id: members for members in knots(among) for id in members}
    for component in components:
        for link in component.links:
            if link.directive.is_import and link.is_hard and link.target in ring.get(component.id, ()):
                message = (
                    f"`@{link.directive.target}` leads back here: where {link.target} is loaded it stays text"
                )
                yield Problem("cycle", component.id, link.directive.line, message)


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
    known: dict[str, list[tuple[str, int, EdgeKind]]] = {}  # a component may be met thousands of times

    def node(
        at: str, way: tuple[str, ...], line: int | None = None, kind: EdgeKind | None = None
    ) -> TreeNode:
        if at in way:
            return TreeNode(line=line, kind=kind, id=at, cycle=True, children=())
        if at not in known:
            known[at] = list(_edges(library, at, reverse=reverse))
        edges = known[at]
        if edges and (left[0] < len(edges) or len(way) >= depth):
            return TreeNode(line=line, kind=kind, id=at, truncated=True, children=())
        left[0] -= len(edges)
        children = tuple(node(other, (*way, at), line, kind) for other, line, kind in edges)
        return TreeNode(line=line, kind=kind, id=at, children=children)

    return node(id, ())


def _edges(library: Library, id: str, *, reverse: bool) -> Iterable[tuple[str, int, EdgeKind]]:
    if not reverse:
        component = library.get(id)
        for link in component.links if component else ():
            if link.target is not None:
                yield link.target, link.directive.line, kind_of(link)
        return
    for source in library.dependents(id):
        component = library.get(source)
        for link in component.edges.get(id, ()) if component else ():
            yield source, link.directive.line, kind_of(link)


def edges(component: Component) -> Iterable[GraphEdge]:
    """One edge for each component that this one names: all lines, and the strongest kind."""
    for target, links in component.edges.items():
        kinds, lines = set(map(kind_of, links)), tuple(link.directive.line for link in links)
        kind = next(kind for kind in KINDS if kind in kinds)
        yield GraphEdge(component.id, target, lines[0], kind, lines if len(lines) > 1 else ())


def kind_of(link: Link) -> EdgeKind:
    """`includes`, `reference` or `requires`."""
    if link.directive.is_soft:
        return "requires"
    return "reference" if link.is_reference else "includes"
