"""What each method answers: procedures that make the evidence true, and the result objects made from them.

A prompt's result is encoded once and kept with it; only what depends on the moment is put on its end.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from promptd.core.assembly.prompt import Prompt
from promptd.core.library import check as checking
from promptd.core.library.library import Component
from promptd.core.library.resolve import matches
from promptd.core.optimise.budget import providers as forms
from promptd.core.optimise.budget.cost import DEFAULT_CACHE_MIN_TOKENS
from promptd.core.syntax.component import Reading
from promptd.engine import procedures
from promptd.engine.procedures import Procedure
from promptd.engine.workspace import Workspace
from promptd.errors import InvalidParams
from promptd.protocol.params import (
    AssembleParams,
    ChangesParams,
    GetParams,
    GraphParams,
    ListParams,
    Params,
    TreeParams,
)
from promptd.sources.base import Check

Handler = Callable[[Workspace, Any, Check], Procedure[Any]]
HANDLERS: dict[str, Handler] = {}  # by method; what is not here only a running daemon can answer
_T = TypeVar("_T", bound=Handler)


def answers(method: str) -> Callable[[_T], _T]:
    """Make a function the handler of a method."""

    def register(handler: _T) -> _T:
        HANDLERS[method] = handler
        return handler

    return register


def encode_prompt(workspace: Workspace, prompt: Prompt) -> bytes:
    """A prompt's result object, encoded; what depends on the moment is put on its end at each revision."""
    if prompt.encoded is None:
        head = _text(workspace, prompt) | {
            "tokens": prompt.tokens,
            "tokens_source": prompt.tokens_source,
            "encoding": prompt.encoding,
            "stable_prefix_tokens": prompt.stable_prefix_tokens,
            **_fit(prompt),
            "digest": prompt.digest,
            "etag": prompt.etag,
            "name": prompt.name,
            "metadata": prompt.metadata,
            "manifest": prompt.manifest,
            "warnings": prompt.warnings,
        }
        head |= {key: piece for key, piece in (prompt.pieces or {}).items() if key in head}
        prompt.pieces = None
        prompt.encoded = msgspec.json.encode(head)[:-1]
        prompt.encoded_bytes = len(prompt.encoded)
    if prompt.encoded_at != workspace.library.revision:
        prompt.encoded = prompt.encoded[: prompt.encoded_bytes] + _tail(
            workspace, is_consistent=prompt.is_consistent
        )
        prompt.encoded_at = workspace.library.revision
    return prompt.encoded


def _text(workspace: Workspace, prompt: Prompt) -> dict[str, Any]:
    """The text, in the form that was asked for."""
    options = prompt.request.options
    if options is None or options.format is None:
        return {"text": prompt.text}
    if options.format == "openai":
        return {"messages": forms.openai(prompt.text)}
    model = workspace.optimiser.choices.wish(options).model
    least = model.cache_min_tokens / model.calibration if model else DEFAULT_CACHE_MIN_TOKENS
    edges = (entry.span[1] for entry in prompt.manifest)
    blocks = forms.anthropic(prompt.text, prompt.stable_end, edges, workspace.segments.count, least)
    return {"system": blocks}


def _fit(prompt: Prompt) -> dict[str, Any]:
    """What was done to save tokens and what came of it; nothing of a plain prompt."""
    found: dict[str, Any] = {}
    if (fit := prompt.fit) is not None:
        found = {"strategy": fit.strategy, "quality": fit.quality, "savings": fit.savings}
        if fit.budget is not None:
            found |= {"budget": fit.budget, "reserve": fit.reserve}
            found |= {"allocation": fit.allocation, "allocation_gap": fit.gap}
    return found if prompt.estimate is None else found | {"estimate": prompt.estimate}


def _tail(workspace: Workspace, *, is_consistent: bool) -> bytes:
    consistent = b"true" if is_consistent else b"false"
    return b',"clock":"%b","consistent":%b}' % (workspace.clock.encode(), consistent)


def encode_unchanged(workspace: Workspace, prompt: Prompt) -> bytes:
    """The short answer to one who already holds the prompt."""
    head = {"unchanged": True, "tokens": prompt.tokens, "digest": prompt.digest, "etag": prompt.etag}
    return msgspec.json.encode(head)[:-1] + _tail(workspace, is_consistent=prompt.is_consistent)


@answers("assemble")
def assemble(workspace: Workspace, params: AssembleParams, check: Check) -> Procedure[msgspec.Raw]:
    """The prompt, or in few bytes that it is the one whose etag was sent along."""
    if params.etag is None and (rendered := workspace.render(params.request(), check)) is not None:
        return msgspec.Raw(rendered + _tail(workspace, is_consistent=True))
    prompt = yield from procedures.assemble(workspace, params.request(), check)
    if params.etag is not None and params.etag == prompt.etag:
        return msgspec.Raw(encode_unchanged(workspace, prompt))
    return msgspec.Raw(encode_prompt(workspace, prompt))


@answers("get")
def get(workspace: Workspace, params: GetParams, check: Check) -> Procedure[dict[str, Any]]:
    """One component, text and all, as it is on disk now."""
    found = yield from procedures.closure(workspace, params.name, check, with_text=True)
    component = found.plan.members[0]
    if component.error is not None:
        raise component.error
    if params.span is not None:
        return _stretch(workspace, component, found.text, params.span)
    body = found.text[component.parsed.body_start :]
    return {
        "id": component.id,
        "digest": component.digest,
        "text": found.text,
        "body": body,
        "metadata": component.parsed.metadata,
        "tokens": workspace.segments.count(body),
        "size_bytes": component.signature.size if component.signature else 0,
        "requires": list(workspace.library.graph.requires(component.id, hard_only=False)),
        "diagnostics": [
            {"kind": d.kind, "message": d.message, "line": d.line} for d in component.parsed.diagnostics
        ],
        "clock": workspace.clock,
    }


def _stretch(workspace: Workspace, component: Component, text: str, span: tuple[int, int]) -> dict[str, Any]:
    """A stretch of a component's file: what a strategy or a budget took out of a prompt."""
    start, end = span
    if not start <= end <= len(text):
        raise InvalidParams(
            f"get: `span` must be [start, end) within the {len(text)} characters of {component.id}", span=span
        )
    stretch = text[start:end]
    found = {"id": component.id, "digest": component.digest, "span": span, "text": stretch}
    return found | {"tokens": workspace.segments.count(stretch), "diagnostics": [], "clock": workspace.clock}


@answers("list")
def components(workspace: Workspace, params: ListParams, _check: Check) -> Procedure[dict[str, Any]]:
    """`list`: what the whole library holds now."""
    yield procedures.Reconcile()
    ids = workspace.library.ids()
    chosen = [workspace.library.get(id) for id in ids if matches(id, (params.glob,))]
    return {
        "components": [_listed(workspace, component) for component in chosen if component is not None],
        "total": len(ids),
        "clock": workspace.clock,
    }


@answers("changes")
def changes(workspace: Workspace, params: ChangesParams, _check: Check) -> Procedure[dict[str, Any]]:
    """`changes`: what is different in the list since a clock, or the whole list if that cannot be told."""
    yield procedures.Reconcile()
    library = workspace.library
    ids = library.ids()
    revision = params.since_revision(workspace.instance)
    known = None if revision is None or revision > library.revision else library.history.since(revision)
    touched = ids if known is None else sorted(known)
    listed = [id for id in touched if library.is_listed(id)]
    chosen = [library.get(id) for id in listed]
    return {
        "fresh_instance": known is None,
        "components": [_listed(workspace, component) for component in chosen if component is not None],
        "removed": sorted(set(touched).difference(listed)),
        "total": len(ids),
        "clock": workspace.clock,
    }


def _listed(workspace: Workspace, component: Component) -> dict[str, Any]:
    graph = workspace.library.graph
    row: dict[str, Any] = {
        "id": component.id,
        "description": component.description,
        "size_bytes": component.signature.size if component.signature else 0,
        "digest": component.digest,
        "requires": sum(1 for _ in graph.requires(component.id, hard_only=False)),
        "dependents": graph.count_dependents(component.id),
    }
    return row if component.error is None else row | {"error": component.error.message}


@answers("dependencies")
def dependencies(workspace: Workspace, params: TreeParams, check: Check) -> Procedure[dict[str, Any]]:
    """What a component needs; found without reading the rest of the library."""
    found = yield from procedures.closure(workspace, params.name, check)
    id = found.plan.ids[0]
    ids = [member.id for member in found.plan.members]
    tree = checking.tree(workspace.library, id, depth=params.depth)
    return {"name": id, "ids": ids[1:], "tree": tree, "clock": workspace.clock}


@answers("dependents")
def dependents(workspace: Workspace, params: TreeParams, check: Check) -> Procedure[dict[str, Any]]:
    """What needs a component: any file may, so the whole library is looked at."""
    yield procedures.Reconcile()
    found = yield from procedures.closure(workspace, params.name, check)
    id = found.plan.ids[0]
    ids = sorted(workspace.library.graph.affected((id,)) - {id})
    tree = checking.tree(workspace.library, id, reverse=True, depth=params.depth)
    return {"name": id, "ids": ids, "tree": tree, "clock": workspace.clock}


@answers("graph")
def graph(workspace: Workspace, params: GraphParams, check: Check) -> Procedure[dict[str, Any]]:
    """Nodes and edges, of the whole library or of what one component needs."""
    if params.name is None:
        yield procedures.Reconcile()
        ids = workspace.library.ids()
    else:
        found = yield from procedures.closure(workspace, params.name, check)
        ids = [member.id for member in found.plan.members]
    components = [component for id in ids if (component := workspace.library.get(id)) is not None]
    return {
        "nodes": [_listed(workspace, component) for component in components],
        "edges": [edge for component in components for edge in _edges(component)],
        "clock": workspace.clock,
    }


def _edges(component: Component) -> list[dict[str, Any]]:
    return [
        {
            "source": component.id,
            "target": link.target,
            "line": link.directive.line,
            "kind": checking.kind_of(link),
        }
        for link in component.links
        if link.target is not None
    ]


@answers("check")
def check(workspace: Workspace, _params: Params, _check: Check) -> Procedure[dict[str, Any]]:
    """The report on the whole library as it is now."""
    yield procedures.Reconcile()
    wishes = checking.section_wishes(workspace.library)
    readings: list[Reading] = yield procedures.Read(tuple({wish.place for wish in wishes}))
    lost = yield procedures.Compute(partial(checking.lost_sections, wishes, readings))
    report = checking.check(
        workspace.library, workspace.config.library.prompts, workspace.scanned.problems, lost
    )
    shown: dict[str, Any] = {"roots": workspace.source.roots, **msgspec.structs.asdict(report)}
    return shown | {"clock": workspace.clock}


@answers("reconcile")
def reconcile(workspace: Workspace, _params: Params, _check: Check) -> Procedure[dict[str, Any]]:
    """What was found to differ from what was held."""
    found: procedures.Reconciled = yield procedures.Reconcile()
    return {
        "added": found.added,
        "changed": found.changed,
        "removed": found.removed,
        "clock": workspace.clock,
    }
