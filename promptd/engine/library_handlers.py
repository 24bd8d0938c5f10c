"""The handlers of the methods that look at much of the library: lists, graphs, the check.

What they reply is made and encoded beside the event loop, and again if the library changed meanwhile.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import islice

import msgspec

from promptd.config.schema import LibraryConfig
from promptd.core.library import check as checking
from promptd.core.library.library import Component
from promptd.core.library.lint import lints
from promptd.core.library.resolve import matches
from promptd.core.syntax.component import Reading
from promptd.engine import procedures
from promptd.engine.procedures import Procedure
from promptd.engine.registry import answers
from promptd.engine.workspace import Workspace
from promptd.protocol.methods import (
    ChangesParams,
    GraphParams,
    ListParams,
    Params,
    TreeParams,
)
from promptd.protocol.records import Dangling, ListedComponent, Problem
from promptd.protocol.replies import (
    ChangesReply,
    CheckReply,
    DependenciesReply,
    DependentsReply,
    GraphReply,
    ListReply,
    RescanReply,
)
from promptd.sources.base import Check

MAX_ATTEMPTS = 3  # of a reply that is made while nothing changes


@answers("list")
def components(workspace: Workspace, params: ListParams, _check: Check) -> Procedure[ListReply | msgspec.Raw]:
    """`list`: what the whole library holds now."""
    yield procedures.Reconcile()
    return (yield from _beside(workspace, partial(_list, workspace, params.glob)))


def _list(workspace: Workspace, glob: str) -> ListReply:
    ids = workspace.library.ids()
    chosen = ids if glob == "**" else (id for id in ids if matches(id, (glob,)))
    return ListReply(_listed(workspace, chosen), len(ids), workspace.clock)


@answers("changes")
def changes(
    workspace: Workspace, params: ChangesParams, _check: Check
) -> Procedure[ChangesReply | msgspec.Raw]:
    """`changes`: what is different in the list since a clock, or the whole list if that is not known."""
    yield procedures.Reconcile()
    revision = params.since_revision(workspace.instance)
    return (yield from _beside(workspace, partial(_changes, workspace, revision)))


def _changes(workspace: Workspace, revision: int | None) -> ChangesReply:
    library = workspace.library
    ids = library.ids()
    known = None if revision is None or revision > library.revision else library.changed_since(revision)
    touched = ids if known is None else sorted(known)
    listed = [id for id in touched if library.is_listed(id)]
    return ChangesReply(
        full_resync=known is None,
        components=_listed(workspace, listed),
        removed=tuple(sorted(set(touched).difference(listed))),
        total=len(ids),
        clock=workspace.clock,
    )


def _beside(workspace: Workspace, make: Callable[[], msgspec.Struct]) -> Procedure[msgspec.Raw]:
    """A reply about much of the library: made and encoded beside the event loop, while nothing changes.

    What was made while something did is made again; at last, if it must be, on the loop.
    """
    for _ in range(MAX_ATTEMPTS):
        before = workspace.library.revision
        made: msgspec.Raw | None = yield procedures.Compute(partial(_encoded_unless_changed, make))
        if made is not None and workspace.library.revision == before:
            return made
    return msgspec.Raw(msgspec.json.encode(make()))


def _encoded_unless_changed(make: Callable[[], msgspec.Struct]) -> msgspec.Raw | None:
    try:
        return msgspec.Raw(msgspec.json.encode(make()))
    except RuntimeError:  # a dictionary of the library has just got another size
        return None


def _listed(workspace: Workspace, ids: Iterable[str]) -> tuple[ListedComponent, ...]:
    components = (workspace.library.get(id) for id in ids)
    return tuple(_row(workspace, component) for component in components if component is not None)


def _row(workspace: Workspace, component: Component) -> ListedComponent:
    library = workspace.library
    return ListedComponent(
        id=component.id,
        description=component.description,
        size_bytes=component.signature.size if component.signature else 0,
        digest=component.digest,
        dependencies=len(component.edges),
        dependents=library.count_dependents(component.id),
        error="" if component.error is None else component.error.message,
    )


@answers("dependencies")
def dependencies(
    workspace: Workspace, params: TreeParams, check: Check
) -> Procedure[DependenciesReply | msgspec.Raw]:
    """What a component needs; found without reading the rest of the library."""
    found = yield from procedures.closure(workspace, params.name, check)
    ids = tuple(member.id for member in found.plan.members)
    return (yield from _beside(workspace, partial(_dependencies, workspace, ids, params.depth)))


def _dependencies(workspace: Workspace, ids: tuple[str, ...], depth: int) -> DependenciesReply:
    tree = checking.tree(workspace.library, ids[0], depth=depth)
    return DependenciesReply(ids[0], ids[1:], tree, workspace.clock)


@answers("dependents")
def dependents(
    workspace: Workspace, params: TreeParams, check: Check
) -> Procedure[DependentsReply | msgspec.Raw]:
    """What needs a component: any file may, so the whole library is looked at."""
    yield procedures.Reconcile()
    found = yield from procedures.closure(workspace, params.name, check)
    return (yield from _beside(workspace, partial(_dependents, workspace, found.plan.ids[0], params.depth)))


def _dependents(workspace: Workspace, id: str, depth: int) -> DependentsReply:
    library = workspace.library
    ids = tuple(sorted(filter(library.is_listed, library.graph.affected((id,)) - {id})))
    tree = checking.tree(library, id, reverse=True, depth=depth)
    return DependentsReply(id, ids, tree, workspace.clock)


@answers("graph")
def graph(workspace: Workspace, params: GraphParams, check: Check) -> Procedure[GraphReply | msgspec.Raw]:
    """Nodes and edges, of the whole library or of what one component needs."""
    ids: list[str] | None = None
    if params.name is None:
        yield procedures.Reconcile()
    else:
        found = yield from procedures.closure(workspace, params.name, check)
        ids = [member.id for member in found.plan.members]
    return (yield from _beside(workspace, partial(_graph, workspace, ids, params.limit)))


def _graph(workspace: Workspace, ids: list[str] | None, limit: int) -> GraphReply:
    ids = workspace.library.ids() if ids is None else ids
    components = [component for id in ids[:limit] if (component := workspace.library.get(id)) is not None]
    nodes = tuple(_row(workspace, component) for component in components)
    found = (edge for component in components for edge in checking.edges(component))
    edges = tuple(islice(found, limit))
    is_truncated = len(ids) > limit or next(found, None) is not None
    return GraphReply(nodes, edges, workspace.clock, is_truncated)


@answers("check")
def check(workspace: Workspace, _params: Params, _check: Check) -> Procedure[CheckReply | msgspec.Raw]:
    """The report on the whole library as it is now."""
    yield procedures.Reconcile()
    required = checking.required_sections(workspace.library)
    readings: list[Reading] = yield procedures.Read(tuple({each.place for each in required}))
    missing = yield procedures.Compute(partial(checking.missing_sections, required, readings))
    return (yield from _beside(workspace, partial(_report, workspace, missing)))


def _report(workspace: Workspace, missing: tuple[Dangling, ...]) -> CheckReply:
    prompts, problems = workspace.config.library.prompts, workspace.scanned.problems
    usual, remarks = LibraryConfig().prompts, _remarks(workspace)
    report = checking.check(workspace.library, prompts, problems, missing, usual, remarks)
    roots = workspace.source.roots
    return CheckReply(roots=roots, clock=workspace.clock, **msgspec.structs.asdict(report))


def _remarks(workspace: Workspace) -> Iterator[Problem]:
    """What a check says of names, of files that are no components, and of hints that cannot be followed."""
    from promptd.core.optimise.budget.author_hints import author_hints_of

    configured = workspace.config.library.variables
    yield from lints(workspace.library, configured, workspace.scanned.lookalikes)
    strategies = tuple(workspace.optimiser.choices.strategies)
    for id in workspace.library.ids():
        component = workspace.library.get(id)
        if component is not None and component.parsed.key_lines:
            parsed = component.parsed
            for note in author_hints_of(id, "", parsed.metadata, strategies, parsed.key_lines).notes:
                yield Problem(note.kind, id, note.line, note.message)


@answers("rescan")
def rescan(workspace: Workspace, _params: Params, _check: Check) -> Procedure[RescanReply]:
    """What was found to differ from what was held."""
    found: procedures.Reconciled = yield procedures.Reconcile()
    return RescanReply(found.added, found.changed, found.removed, workspace.clock)
