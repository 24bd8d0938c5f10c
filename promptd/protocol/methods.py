"""The methods of the wire: what each takes, means and answers, in one table.

The table serves the daemon, `--no-daemon` and the embedded engine, and `describe` (so the protocol page) is
generated from it. Who answers a method is not said here: engine.handlers what concerns the library,
daemon.control what only a running daemon can say.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from promptd import errors
from promptd.errors import InvalidParams, PromptdError
from promptd.protocol.params import (
    AlertsParams,
    AssembleParams,
    ChangesParams,
    GetParams,
    GraphParams,
    ListParams,
    Params,
    PromptParams,
    TreeParams,
    UnsubscribeParams,
)

__all__ = [
    "METHODS",
    "PROTOCOL",
    "AlertsParams",
    "AssembleParams",
    "Method",
    "Params",
    "PromptParams",
    "UnsubscribeParams",
    "decode_params",
    "describe",
]

PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class Method:
    """One method: what it takes, what it answers, and which errors it may answer with."""

    name: str
    params: type[Params]
    summary: str
    result: str
    errors: tuple[type[PromptdError], ...] = ()


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
            "Assemble a prompt: includes expanded, variables filled in, tokens counted exactly; by a strategy"
            " or within a budget if asked.",
            "text (or system, or messages, by `format`), tokens, tokens_source (of strategy none), encoding,"
            " stable_prefix_tokens, digest, etag, name, metadata, manifest (with what was removed from each"
            " entry), warnings, clock, consistent; with a strategy or a budget also strategy, quality (four"
            " shares kept), savings, budget, reserve, allocation, allocation_gap; with a model estimate; with"
            " a matching `etag` only unchanged, tokens, digest, etag, clock, consistent",
            _PROMPT_ERRORS,
        ),
        Method(
            "get",
            GetParams,
            "One component as it is on disk, or a stretch of it.",
            "id, digest, text, body, metadata, tokens (of body), size_bytes, requires, diagnostics, clock;"
            " with `span` only id, digest, span, text, tokens (of text), diagnostics, clock",
            (*_NAME_ERRORS, *_FILE_ERRORS, errors.PromptTooLarge),
        ),
        Method(
            "list",
            ListParams,
            "The components whose id fits a glob.",
            "components (id, description, size_bytes, digest, requires, dependents, error), total, clock",
            (),
        ),
        Method(
            "changes",
            ChangesParams,
            "What became different in the list since a clock. With `fresh_instance` true the clock is of"
            " another instance (a restart, a reload) or too old, and this is the whole list: forget yours.",
            "fresh_instance, components (as in list: added or different), removed (ids that are no longer"
            " listed), total, clock",
            (),
        ),
        Method(
            "dependencies",
            TreeParams,
            "What a component needs, directly and indirectly.",
            "name, ids, tree (id, line, kind, children; cycle or truncated where it ends), clock",
            _NAME_ERRORS,
        ),
        Method(
            "dependents",
            TreeParams,
            "What needs a component, directly and indirectly.",
            "name, ids, tree, clock",
            _NAME_ERRORS,
        ),
        Method(
            "graph",
            GraphParams,
            "The dependency graph, whole or below one component.",
            "nodes, edges (source, target, line, kind: includes, reference or requires), clock",
            _NAME_ERRORS,
        ),
        Method(
            "check",
            Params,
            "What is wrong with the library: dangling references, cycles, unusable files, unused ones.",
            "roots, components, edges, directives, dangling, cycles, unused, errors, warnings, ok, clock",
            (),
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
            "metrics",
            Params,
            "Everything that is measured, in Prometheus' text format.",
            "content_type, text",
        ),
        Method(
            "configuration",
            Params,
            "The configuration in force, whole and as TOML.",
            "toml",
        ),
        Method(
            "alerts",
            AlertsParams,
            "What is wrong now and what was, and be told of it on this connection.",
            "active (id, rule, severity, first_seen_unix_s, last_seen_unix_s, value, threshold, unit,"
            " sentence), history, raised_total, cleared_total, subscribed; then notifications `alert`: event"
            " (raised, escalated, eased, cleared), time_unix_s, id, rule, severity, value, threshold, unit,"
            " sentence",
        ),
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
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
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
