"""The handlers of the methods about prompts and components: procedures that read what is stale, then reply.

A handler is registered for its method by `answers` and returns a reply of protocol.replies. A prompt's reply
is encoded once and kept with it; only the clock in it, which depends on the moment, is exchanged.
"""

from difflib import get_close_matches
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from promptd.core.assembly.prompt import Prompt
from promptd.core.library.library import Component
from promptd.core.library.resolve import Refused
from promptd.core.syntax.component import Place
from promptd.core.syntax.sections import Headings
from promptd.core.tokens.cost import DEFAULT_CACHE_MIN_TOKENS
from promptd.engine import (
    library_handlers,  # noqa: F401 - they register themselves
    procedures,
)
from promptd.engine.procedures import Procedure
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.reply import digest_of, mark, reply_of, unchanged_of
from promptd.engine.registry import HANDLERS, answers
from promptd.engine.workspace import Workspace
from promptd.errors import DigestMismatch, InvalidParams, UnknownSection
from promptd.protocol import replies
from promptd.protocol.methods import (
    AssembleParams,
    GetParams,
)
from promptd.protocol.records import FileDiagnostic
from promptd.protocol.replies import (
    GetReply,
)
from promptd.sources.base import Check

__all__ = ["HANDLERS", "encode_prompt"]

LARGE_CHARS = 65_536  # of a component: it is counted and encoded beside the event loop


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
def get(workspace: Workspace, params: GetParams, check: Check) -> Procedure[GetReply | msgspec.Raw]:
    """One component, text and all, or a part of it, as it is on disk now."""
    if params.section is not None and params.span is not None:
        raise InvalidParams("get: give either `section` or `span`, not both")
    name, section = yield from _named(workspace, params)
    found = yield from procedures.closure(workspace, name, check, with_text=True)
    component = found.plan.members[0]
    if component.error is not None:
        raise component.error
    if section is not None or params.span is not None:
        got = partial(_part, workspace, component, found.text, params, section, workspace.clock)
    else:
        _expect(params.digest, component.digest, component.id)
        needed = tuple(workspace.library.graph.requires(component.id, hard_only=False))
        got = partial(_whole, workspace, component, found.text, needed, workspace.clock)
    if len(found.text) <= LARGE_CHARS:
        return got()
    encoded: msgspec.Raw = yield procedures.Compute(lambda: msgspec.Raw(msgspec.json.encode(got())))
    return encoded


def _whole(
    workspace: Workspace, component: Component, text: str, dependencies: tuple[str, ...], clock: str
) -> GetReply:
    body = text[component.parsed.body_start :]
    return replies.partial(
        GetReply,
        id=component.id,
        digest=component.digest,
        text=text,
        body=body,
        metadata=component.parsed.metadata,
        tokens=workspace.segments.count(body),
        size_bytes=component.signature.size if component.signature else 0,
        dependencies=dependencies,
        diagnostics=tuple(FileDiagnostic(d.kind, d.message, d.line) for d in component.parsed.diagnostics),
        clock=clock,
    )


def _named(workspace: Workspace, params: GetParams) -> Procedure[tuple[str, str | None]]:
    """The component and the section that are meant: a component of exactly the name comes first."""
    name, mark, section = params.name.partition("#")
    if params.section is not None or params.span is not None or not (mark and name and section):
        return params.name, params.section
    library, groups = workspace.library, workspace.library.names.candidates(params.name)
    ids = (
        [] if isinstance(groups, Refused) else [id for each in groups for id in each if library.is_served(id)]
    )
    places = tuple(Place(root, id) for id in ids for root in range(library.roots))
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


def _part(
    workspace: Workspace, component: Component, text: str, params: GetParams, section: str | None, clock: str
) -> GetReply:
    """A section, or what a strategy or a budget took out of a prompt."""
    span = params.span or _section(component, text, section or "")
    return _stretch(workspace, component, text, span, section or "", params.digest, clock)


def _stretch(
    workspace: Workspace,
    component: Component,
    text: str,
    span: tuple[int, int],
    section: str,
    expected: str | None,
    clock: str,
) -> GetReply:
    """A stretch of a component's file."""
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
        clock=clock,
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
