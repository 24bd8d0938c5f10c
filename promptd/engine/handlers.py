"""The handlers of the methods about the library: procedures that read what is stale, then reply.

A handler is registered for its method by `answers` and returns a reply of protocol.replies. A prompt's reply
is encoded once and kept with it; only the clock in it, which depends on the moment, is exchanged.
"""

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET

from promptd.config.schema import LibraryConfig
from promptd.core.assembly.prompt import Prompt
from promptd.core.library import check as checking
from promptd.core.library.library import Component
from promptd.core.library.lint import lints
from promptd.core.library.resolve import matches
from promptd.core.syntax.component import Place, Reading
from promptd.core.syntax.sections import Headings
from promptd.core.tokens.cost import DEFAULT_CACHE_MIN_TOKENS
from promptd.engine import procedures
from promptd.engine.procedures import Procedure
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.reply import digest_of, mark, reply_of, unchanged_of
from promptd.engine.workspace import Workspace
from promptd.errors import DigestMismatch, InvalidParams, UnknownSection
from promptd.protocol import replies
from promptd.protocol.methods import (
    AssembleParams,
    ChangesParams,
    GetParams,
    GraphParams,
    ListParams,
    Params,
    TreeParams,
)
from promptd.protocol.records import FileDiagnostic, ListedComponent, Problem
from promptd.protocol.replies import (
    ChangesReply,
    CheckReply,
    DependenciesReply,
    DependentsReply,
    GetReply,
    GraphReply,
    ListReply,
    RescanReply,
)
from promptd.sources.base import Check

LibraryHandler = Callable[[Workspace, Any, Check], Procedure[Any]]
HANDLERS: dict[str, LibraryHandler] = {}  # by method; what is not here only a running daemon can answer
_H = TypeVar("_H", bound=LibraryHandler)


def answers(method: str) -> Callable[[_H], _H]:
    """Make a function the handler of a method."""

    def register(handler: _H) -> _H:
        HANDLERS[method] = handler
        return handler

    return register


# -- prompts --------------------------------------------------------------------------------------


def encode_prompt(workspace: Workspace, cached: CachedPrompt) -> bytes:
    """A prompt's reply, encoded: once, and at each further revision with the clock of that."""
    if cached.reply is None or cached.revision != workspace.library.revision:
        clock = b'"%b"' % workspace.clock.encode()
        before, after = _around_clock(workspace, cached)
        cached.reply = before + clock + after
        cached.revision = workspace.library.revision
    return cached.reply


def _around_clock(workspace: Workspace, cached: CachedPrompt) -> tuple[bytes, bytes]:
    """The encoded reply before and after its clock, which begins at `clock_start`."""
    held, start = cached.reply, cached.clock_start
    if held is not None:
        return held[:start], held[held.index(b'"', start + 1) + 1 :]
    before, after = _encoded(workspace, cached)
    cached.clock_start = len(before)
    return before, after


def _encoded(workspace: Workspace, cached: CachedPrompt) -> tuple[bytes, bytes]:
    reply = reply_of(cached.prompt, mark(0), **_text(workspace, cached.prompt))
    ready = {key: piece for key, piece in (cached.ready or {}).items() if getattr(reply, key) is not UNSET}
    cached.ready = None
    encoded = msgspec.json.encode(msgspec.structs.replace(reply, **ready))
    before, _, after = encoded.split(b"\0")
    return before, after


def _text(workspace: Workspace, prompt: Prompt) -> dict[str, Any]:
    """The text, in the form that was asked for."""
    options = prompt.request.options
    if options is None or options.format is None:
        return {"text": prompt.text}
    from promptd.core.optimise.budget import providers

    if options.format == "openai":
        return {"messages": providers.openai(prompt.text)}
    model = workspace.optimiser.choices.effective(options).model
    least = model.cache_min_tokens / model.calibration if model else DEFAULT_CACHE_MIN_TOKENS
    edges = (entry.span[1] for entry in prompt.manifest)
    blocks = providers.anthropic(prompt.text, prompt.stable_end, edges, workspace.segments.count, least)
    return {"system": blocks}


@answers("assemble")
def assemble(
    workspace: Workspace, params: AssembleParams, check: Check
) -> Procedure[msgspec.Raw | replies.AssembleReply]:
    """The prompt, or in few bytes that it is the one whose etag was sent along."""
    is_use = params.count_use is not False
    is_plain = is_use and params.etag is None
    if is_plain and (rendered := workspace.render(params.request(), check)) is not None:
        return msgspec.Raw(rendered)
    cached = yield from procedures.cached_prompt(workspace, params.request(), check)
    cached.uses -= not is_use
    if params.etag is not None and params.etag == cached.prompt.etag:
        return unchanged_of(cached.prompt, workspace.clock)
    return msgspec.Raw(encode_prompt(workspace, cached))


# -- the library ----------------------------------------------------------------------------------


@answers("get")
def get(workspace: Workspace, params: GetParams, check: Check) -> Procedure[GetReply]:
    """One component, text and all, or a part of it, as it is on disk now."""
    if params.section is not None and params.span is not None:
        raise InvalidParams("get: give either `section` or `span`, not both")
    name, section = yield from _named(workspace, params)
    found = yield from procedures.closure(workspace, name, check, with_text=True)
    component = found.plan.members[0]
    if component.error is not None:
        raise component.error
    if section is not None or params.span is not None:
        span = params.span or _section(component, found.text, section or "")
        return _stretch(workspace, component, found.text, span, section or "", params.digest)
    _expect(params.digest, component.digest, component.id)
    body = found.text[component.parsed.body_start :]
    return replies.partial(
        GetReply,
        id=component.id,
        digest=component.digest,
        text=found.text,
        body=body,
        metadata=component.parsed.metadata,
        tokens=workspace.segments.count(body),
        size_bytes=component.signature.size if component.signature else 0,
        dependencies=tuple(workspace.library.graph.requires(component.id, hard_only=False)),
        diagnostics=tuple(FileDiagnostic(d.kind, d.message, d.line) for d in component.parsed.diagnostics),
        clock=workspace.clock,
    )


def _named(workspace: Workspace, params: GetParams) -> Procedure[tuple[str, str | None]]:
    """The component and the section that are meant: a component of exactly the name comes first."""
    name, mark, section = params.name.partition("#")
    if params.section is not None or params.span is not None or not (mark and name and section):
        return params.name, params.section
    places = tuple(workspace.places_of((params.name,)))
    found: list[Place] = (yield procedures.Exists(places)) if places else []
    return (params.name, None) if found else (name, section)


MAX_HELD_TITLES = 500  # against the name of a section that there is none of


def _section(component: Component, text: str, name: str) -> tuple[int, int]:
    headings = Headings(text, component.parsed.body_start)
    span = headings.section(name)
    if span is None:
        titles = {
            title.casefold(): title for _, title in headings.titles[:MAX_HELD_TITLES] if len(title) <= 200
        }
        near = [titles[each] for each in get_close_matches(name[:200].replace("-", " ").casefold(), titles)]
        meant = f"; did you mean {', '.join(map(repr, near))}?" if near else ""
        raise UnknownSection(
            f"{component.id} has no section {name!r}{meant}", id=component.id, section=name, nearest=near
        )
    return span


def _stretch(
    workspace: Workspace,
    component: Component,
    text: str,
    span: tuple[int, int],
    section: str,
    expected: str | None,
) -> GetReply:
    """A stretch of a component's file: a section, or what a strategy or a budget took out of a prompt."""
    start, end = span
    digest = digest_of(text[start:end])
    if not start <= end <= len(text):
        if expected is not None:  # the file has become shorter since
            _expect(expected, digest, f"{component.id} [{start}, {end})")
        raise InvalidParams(
            f"get: `span` must be [start, end) within the {len(text)} characters of {component.id}", span=span
        )
    stretch = text[start:end]
    _expect(expected, digest, f"{component.id}#{section}" if section else f"{component.id} [{start}, {end})")
    return replies.partial(
        GetReply,
        id=component.id,
        digest=component.digest,
        span=span,
        text=stretch,
        text_digest=digest,
        tokens=workspace.segments.count(stretch),
        diagnostics=(),
        clock=workspace.clock,
        **({"section": section} if section else {}),
    )


def _expect(expected: str | None, digest: str, what: str) -> None:
    """Raise DigestMismatch unless a text is the one that was asked for."""
    if expected is not None and not digest.startswith(expected.lower()):
        raise DigestMismatch(
            f"{what} has changed: its digest is {digest[: len(expected)]}, not {expected}; get it without"
            " a digest, or assemble the prompt again",
            expected=expected,
            digest=digest,
        )


@answers("list")
def components(workspace: Workspace, params: ListParams, _check: Check) -> Procedure[ListReply]:
    """`list`: what the whole library holds now."""
    yield procedures.Reconcile()
    ids = workspace.library.ids()
    chosen = (id for id in ids if matches(id, (params.glob,)))
    return ListReply(_listed(workspace, chosen), len(ids), workspace.clock)


@answers("changes")
def changes(workspace: Workspace, params: ChangesParams, _check: Check) -> Procedure[ChangesReply]:
    """`changes`: what is different in the list since a clock, or the whole list if that is not known."""
    yield procedures.Reconcile()
    library = workspace.library
    ids = library.ids()
    revision = params.since_revision(workspace.instance)
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
def dependencies(workspace: Workspace, params: TreeParams, check: Check) -> Procedure[DependenciesReply]:
    """What a component needs; found without reading the rest of the library."""
    found = yield from procedures.closure(workspace, params.name, check)
    id = found.plan.ids[0]
    ids = tuple(member.id for member in found.plan.members[1:])
    tree = checking.tree(workspace.library, id, depth=params.depth)
    return DependenciesReply(id, ids, tree, workspace.clock)


@answers("dependents")
def dependents(workspace: Workspace, params: TreeParams, check: Check) -> Procedure[DependentsReply]:
    """What needs a component: any file may, so the whole library is looked at."""
    yield procedures.Reconcile()
    found = yield from procedures.closure(workspace, params.name, check)
    id = found.plan.ids[0]
    library = workspace.library
    ids = tuple(sorted(filter(library.is_listed, library.graph.affected((id,)) - {id})))
    tree = checking.tree(workspace.library, id, reverse=True, depth=params.depth)
    return DependentsReply(id, ids, tree, workspace.clock)


@answers("graph")
def graph(workspace: Workspace, params: GraphParams, check: Check) -> Procedure[GraphReply]:
    """Nodes and edges, of the whole library or of what one component needs."""
    if params.name is None:
        yield procedures.Reconcile()
        ids = workspace.library.ids()
    else:
        found = yield from procedures.closure(workspace, params.name, check)
        ids = [member.id for member in found.plan.members]
    components = [component for id in ids if (component := workspace.library.get(id)) is not None]
    nodes = tuple(_row(workspace, component) for component in components)
    edges = tuple(edge for component in components for edge in checking.edges(component))
    return GraphReply(nodes, edges, workspace.clock)


@answers("check")
def check(workspace: Workspace, _params: Params, _check: Check) -> Procedure[CheckReply]:
    """The report on the whole library as it is now."""
    yield procedures.Reconcile()
    required = checking.required_sections(workspace.library)
    readings: list[Reading] = yield procedures.Read(tuple({each.place for each in required}))
    missing = yield procedures.Compute(partial(checking.missing_sections, required, readings))
    prompts, problems = workspace.config.library.prompts, workspace.scanned.problems
    usual = LibraryConfig().prompts
    report = checking.check(workspace.library, prompts, problems, missing, usual, _remarks(workspace))
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
