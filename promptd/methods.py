"""The methods of the wire: parameters, meaning, and the flow that answers each.

One table serves the daemon, `--no-daemon` and the embedded engine, and `describe` (so the protocol page)
is generated from it. A method's parameters are a Struct: unknown or mistyped ones are refused before its
flow starts. Methods without a flow need a running daemon and are answered by it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from promptd import errors, flows
from promptd.engine import check as checking
from promptd.engine.library import Component
from promptd.engine.request import Prompt, Request, request_of
from promptd.engine.resolve import matches
from promptd.errors import InvalidParams, PromptdError, UnsupportedOption
from promptd.files import Sweep
from promptd.flows import Flow
from promptd.keeper import Keeper

PROTOCOL = 1
Name = Annotated[str, Meta(min_length=1, max_length=1024, description="an id, or one without its suffix")]
Scalars = Annotated[
    dict[str, str | int | float | bool],
    Meta(max_length=1000, description="values of variables; numbers and booleans become text"),
]


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class PromptParams(Params, frozen=True):
    """Which prompt: `name`, or `components` in order, with values."""

    name: Name | UnsetType = UNSET
    components: Annotated[list[Name], Meta(min_length=1, max_length=1000)] | UnsetType = UNSET
    variables: Scalars = {}
    arguments: Annotated[str, Meta(description="a Claude Code argument string")] | None = None

    def request(self) -> Request:
        """The request meant. Raises InvalidParams unless exactly one of name and components is given."""
        if isinstance(self.components, UnsetType):
            if isinstance(self.name, UnsetType):
                raise InvalidParams("give `name` (one component) or `components` (a list, in order)")
            return request_of((self.name,), self.variables, self.arguments)
        if not isinstance(self.name, UnsetType):
            raise InvalidParams("give either `name` or `components`, not both")
        return request_of(tuple(self.components), self.variables, self.arguments)


class AssembleParams(PromptParams, frozen=True):
    """A prompt, and how it is wanted."""

    strategy: str | None = None
    budget: int | None = None
    etag: (
        Annotated[str, Meta(description="of the answer you hold: unchanged is said in few bytes")] | None
    ) = None

    def request(self) -> Request:
        """The request meant. Raises UnsupportedOption for options this version does not have."""
        if self.strategy not in (None, "none"):
            raise UnsupportedOption(
                f"strategy {self.strategy!r} is not available: this version has `none` only",
                option="strategy",
            )
        if self.budget is not None:
            raise UnsupportedOption("`budget` is not available in this version", option="budget")
        return super().request()


class NameParams(Params, frozen=True):
    """One component."""

    name: Name


class TreeParams(NameParams, frozen=True):
    """One component, and how deep to look."""

    depth: Annotated[int, Meta(ge=1, le=64)] = 64


class ListParams(Params, frozen=True):
    """Which components: `**` crosses directories, `*` does not."""

    glob: Annotated[str, Meta(min_length=1, max_length=1024)] = "**"


class GraphParams(Params, frozen=True):
    """The whole graph, or what one component needs."""

    name: Name | None = None


class UnsubscribeParams(Params, frozen=True):
    """A subscription of this connection."""

    subscription: int


Answer = Callable[[Keeper, Any, Sweep], Flow[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes, what it answers, and which errors it may answer with."""

    name: str
    params: type[Params]
    summary: str
    result: str
    errors: tuple[type[PromptdError], ...] = ()
    answer: Answer | None = None


# -- answers ----------------------------------------------------------------------------------


def encode_prompt(keeper: Keeper, prompt: Prompt) -> bytes:
    """A prompt's result object, encoded; what depends on the moment is spliced in at its end."""
    if prompt.encoded is None:
        head = {
            "text": prompt.text,
            "tokens": prompt.tokens,
            "tokens_source": prompt.tokens,
            "encoding": prompt.encoding,
            "digest": prompt.digest,
            "etag": prompt.etag,
            "name": prompt.name,
            "metadata": prompt.metadata,
            "manifest": prompt.manifest,
            "warnings": prompt.warnings,
        }
        prompt.encoded = msgspec.json.encode(head)[:-1]
    return prompt.encoded + _tail(keeper, prompt)


def _tail(keeper: Keeper, prompt: Prompt) -> bytes:
    consistent = b"true" if prompt.is_consistent else b"false"
    return b',"clock":"%b","consistent":%b}' % (keeper.clock.encode(), consistent)


def encode_unchanged(keeper: Keeper, prompt: Prompt) -> bytes:
    """The short answer to one who already holds the prompt."""
    head = {"unchanged": True, "tokens": prompt.tokens, "digest": prompt.digest, "etag": prompt.etag}
    return msgspec.json.encode(head)[:-1] + _tail(keeper, prompt)


def _assemble(keeper: Keeper, params: AssembleParams, sweep: Sweep) -> Flow[msgspec.Raw]:
    prompt = yield from flows.assemble(keeper, params.request(), sweep)
    if params.etag is not None and params.etag == prompt.etag:
        return msgspec.Raw(encode_unchanged(keeper, prompt))
    return msgspec.Raw(encode_prompt(keeper, prompt))


def _get(keeper: Keeper, params: NameParams, sweep: Sweep) -> Flow[dict[str, Any]]:
    found = yield from flows.closure(keeper, params.name, sweep, with_text=True)
    component = found.plan.members[0]
    if component.error is not None:
        raise component.error
    body = found.text[component.parsed.body_start :]
    return {
        "id": component.id,
        "digest": component.digest,
        "text": found.text,
        "body": body,
        "metadata": component.parsed.metadata,
        "tokens": keeper.segments.count(body),
        "size_bytes": component.signature.size if component.signature else 0,
        "requires": list(keeper.library.graph.requires(component.id, hard_only=False)),
        "diagnostics": [
            {"kind": d.kind, "message": d.message, "line": d.line} for d in component.parsed.diagnostics
        ],
        "clock": keeper.clock,
    }


def _list(keeper: Keeper, params: ListParams, _sweep: Sweep) -> Flow[dict[str, Any]]:
    yield flows.Reconcile()
    ids = keeper.library.ids()
    chosen = [keeper.library.get(id) for id in ids if matches(id, (params.glob,))]
    return {
        "components": [_listed(keeper, component) for component in chosen if component is not None],
        "total": len(ids),
        "clock": keeper.clock,
    }


def _listed(keeper: Keeper, component: Component) -> dict[str, Any]:
    graph = keeper.library.graph
    row: dict[str, Any] = {
        "id": component.id,
        "description": component.description,
        "size_bytes": component.signature.size if component.signature else 0,
        "digest": component.digest,
        "requires": sum(1 for _ in graph.requires(component.id, hard_only=False)),
        "dependents": len(graph.dependents(component.id)),
    }
    return row if component.error is None else row | {"error": component.error.message}


def _dependencies(keeper: Keeper, params: TreeParams, sweep: Sweep) -> Flow[dict[str, Any]]:
    found = yield from flows.closure(keeper, params.name, sweep)
    id = found.plan.ids[0]
    ids = [member.id for member in found.plan.members]
    tree = checking.tree(keeper.library, id, depth=params.depth)
    return {"name": id, "ids": ids[1:], "tree": tree, "clock": keeper.clock}


def _dependents(keeper: Keeper, params: TreeParams, sweep: Sweep) -> Flow[dict[str, Any]]:
    yield flows.Reconcile()
    found = yield from flows.closure(keeper, params.name, sweep)
    id = found.plan.ids[0]
    ids = sorted(keeper.library.graph.affected((id,)) - {id})
    tree = checking.tree(keeper.library, id, reverse=True, depth=params.depth)
    return {"name": id, "ids": ids, "tree": tree, "clock": keeper.clock}


def _graph(keeper: Keeper, params: GraphParams, sweep: Sweep) -> Flow[dict[str, Any]]:
    if params.name is None:
        yield flows.Reconcile()
        ids = keeper.library.ids()
    else:
        found = yield from flows.closure(keeper, params.name, sweep)
        ids = [member.id for member in found.plan.members]
    components = [component for id in ids if (component := keeper.library.get(id)) is not None]
    return {
        "nodes": [_listed(keeper, component) for component in components],
        "edges": [edge for component in components for edge in _edges(component)],
        "clock": keeper.clock,
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


def _check(keeper: Keeper, _params: Params, _sweep: Sweep) -> Flow[dict[str, Any]]:
    yield flows.Reconcile()
    report = checking.check(keeper.library, keeper.config.library.prompts, keeper.problems)
    shown: dict[str, Any] = {"roots": keeper.files.roots, **msgspec.structs.asdict(report)}
    return shown | {"clock": keeper.clock}


def _reconcile(keeper: Keeper, _params: Params, _sweep: Sweep) -> Flow[dict[str, Any]]:
    found: flows.Reconciled = yield flows.Reconcile()
    return {"added": found.added, "changed": found.changed, "removed": found.removed, "clock": keeper.clock}


_NAME_ERRORS = (errors.UnknownComponent, errors.AmbiguousName, errors.OutsideRoot)
_FILE_ERRORS = (errors.EncodingError, errors.ComponentTooLarge, errors.UnreadableComponent, errors.ParseError)
_PROMPT_ERRORS = (
    *_NAME_ERRORS,
    *_FILE_ERRORS,
    errors.CycleError,
    errors.MissingInclude,
    errors.MissingVariable,
    errors.OverBudget,
    errors.UnsupportedOption,
    errors.PromptTooLarge,
)

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "assemble",
            AssembleParams,
            "Assemble a prompt: includes expanded, variables filled in, tokens counted exactly.",
            "text, tokens, tokens_source, encoding, digest, etag, name, metadata, manifest, warnings, clock,"
            " consistent; with a matching `etag` only unchanged, tokens, digest, etag, clock, consistent",
            _PROMPT_ERRORS,
            _assemble,
        ),
        Method(
            "get",
            NameParams,
            "One component as it is on disk.",
            "id, digest, text, body, metadata, tokens (of body), size_bytes, requires, diagnostics, clock",
            (*_NAME_ERRORS, *_FILE_ERRORS),
            _get,
        ),
        Method(
            "list",
            ListParams,
            "The components whose id fits a glob.",
            "components (id, description, size_bytes, digest, requires, dependents, error), total, clock",
            (),
            _list,
        ),
        Method(
            "dependencies",
            TreeParams,
            "What a component needs, directly and indirectly.",
            "name, ids, tree (id, line, kind, children; cycle or truncated where it ends), clock",
            _NAME_ERRORS,
            _dependencies,
        ),
        Method(
            "dependents",
            TreeParams,
            "What needs a component, directly and indirectly.",
            "name, ids, tree, clock",
            _NAME_ERRORS,
            _dependents,
        ),
        Method(
            "graph",
            GraphParams,
            "The dependency graph, whole or below one component.",
            "nodes, edges (source, target, line, kind: includes, reference or requires), clock",
            _NAME_ERRORS,
            _graph,
        ),
        Method(
            "check",
            Params,
            "What is wrong with the library: dangling references, cycles, unusable files, unused ones.",
            "roots, components, edges, directives, dangling, cycles, unused, errors, warnings, ok, clock",
            (),
            _check,
        ),
        Method(
            "subscribe",
            PromptParams,
            "Be told on this connection when the digest of a prompt changes.",
            "subscription, name, digest, clock; then notifications `changed`: subscription, name, digest,"
            " previous, clock, or error in place of digest",
            _PROMPT_ERRORS,
        ),
        Method(
            "unsubscribe",
            UnsubscribeParams,
            "End a subscription of this connection.",
            "subscription, active (false)",
            (errors.UnknownSubscription,),
        ),
        Method("statistics", Params, "Counts and times of everything in the daemon.", "one object a room"),
        Method("health", Params, "The health snapshot as of now.", "as health.json"),
        Method(
            "reload",
            Params,
            "Read the configuration again and wait until it is in force.",
            "reloaded, changed_keys, restart_keys, revision",
            (errors.ConfigError,),
        ),
        Method(
            "reconcile",
            Params,
            "Compare everything held with the disk now.",
            "added, changed, removed (counts of components), clock",
            (),
            _reconcile,
        ),
        Method("ping", Params, "Is anyone there.", "pong (true), pid, uptime_s"),
        Method(
            "version",
            Params,
            "Versions of the daemon and of this protocol.",
            "version, protocol, python, pid",
        ),
        Method("describe", Params, "This list, for programs.", "protocol, methods, errors, limits"),
    )
}


def decode_params(method: Method, raw: bytes) -> Params:
    """The parameters of a call, checked. Raises InvalidParams that names what is wrong and where."""
    try:
        return msgspec.json.decode(raw or b"{}", type=method.params)
    except msgspec.ValidationError as problem:
        known = ", ".join(method.params.__struct_fields__) or "none"
        sentence = str(problem).replace("`$.", "`").replace(" - at `$`", "")
        raise InvalidParams(
            f"{method.name}: {sentence}; its parameters: {known}", method=method.name
        ) from None
    except (msgspec.DecodeError, RecursionError) as problem:
        raise InvalidParams(
            f"{method.name}: the parameters cannot be read: {problem}", method=method.name
        ) from None


def describe(limits: dict[str, int | float]) -> dict[str, Any]:
    """What `describe` answers: methods with JSON Schemas, all errors with their codes, limits."""
    return {
        "protocol": PROTOCOL,
        "methods": [_described(method) for method in METHODS.values()],
        "errors": [
            {"type": f"promptd.{leaf.__name__}", "code": leaf.code, "summary": (leaf.__doc__ or "").strip()}
            for leaf in errors.leaves()
        ],
        "limits": limits,
    }


def _described(method: Method) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components([method.params])
    return {
        "name": method.name,
        "summary": method.summary,
        "params": components.get(method.params.__name__, schema),
        "result": method.result,
        "errors": [f"promptd.{leaf.__name__}" for leaf in method.errors],
    }
