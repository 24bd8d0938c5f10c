"""The check of a library: dangling references, cycles, invalid files, unused components.

Works on the library in memory, without I/O. A reference dangles if its target, or the section it names,
should exist and does not; soft and optional ones are warnings at most. A component is unused if no prompt
includes it, where prompts are the components that match `library.prompts`, or all without dependents if none
match.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from promptd.core.library.library import Component, Library, Link
from promptd.core.library.lint import did_you_mean, with_near_names
from promptd.core.library.plan import with_lines
from promptd.core.library.resolve import matches
from promptd.core.syntax.component import Place, Reading
from promptd.core.syntax.sections import Headings
from promptd.protocol.records import Dangling, EdgeKind, Problem, TreeNode


class CheckReport(msgspec.Struct, frozen=True):
    """The result of a check; `ok` is False if there are dangling references, cycles or errors."""

    components: int
    edges: int
    directives: int
    dangling: tuple[Dangling, ...]
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
    remarks: Iterable[Problem] = (),
) -> CheckReport:
    """Check every component of a library.

    `prompts`: globs of ids; `problems`: what a scan reported; `lost`: the `missing_sections`, for which texts
    had to be read; `remarks`: the `lints` and other warnings.
    """
    components = [component for id in library.ids() if (component := library.get(id)) is not None]
    links = [(component, link) for component in components for link in component.links if _is_written(link)]
    missing = with_near_names(
        (_dangling(component, link) for component, link in links if link.is_dangling), library.ids()
    )
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
    if not components:  # a missing root is an error, not an empty library
        errors, scanned = scanned, ()
    warnings = (
        *scanned,
        *(problem for component in components for problem in _warnings(component)),
        *remarks,
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
        if link.target is None and link.directive.is_soft and not link.directive.is_tentative:
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
