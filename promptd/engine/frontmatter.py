"""Front matter: the YAML block at the very start of a file, read tolerantly.

Real files hold not-quite-YAML (`argument-hint: [pr] [priority]`, `globs: **/*.ts`), so when the block
does not parse as a whole, each top-level key is parsed alone: what parses is kept, the rest becomes its
raw text and a diagnostic with its line. The YAML library does the parsing; bounds on size, depth and
node count keep alias bombs out. Nothing here raises: a bad block costs its own metadata only.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from promptd.engine.component import Diagnostic, Variable

MAX_FRONT_MATTER_CHARS = 65_536  # real ones stay under 4 KB; a block beyond this is treated as body
MAX_NODES = 10_000  # counts what aliases would expand to
MAX_DEPTH = 32

_BLOCK = re.compile(r"\ufeff?---[ \t]*\r?\n(?:(.*?)(?:\r?\n))??(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_KEY = re.compile(r"^([A-Za-z_][\w.-]*)[ \t]*:(?=[ \t]|\r?$)", re.MULTILINE)
_YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError)

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 10x faster where it is built in


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """The safe loader without dates: `2024-01-01` stays the string the author wrote."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}


class FrontMatter(NamedTuple):
    """Where the body starts, the metadata, and what was wrong with it."""

    body_start: int
    metadata: Mapping[str, Any]
    diagnostics: tuple[Diagnostic, ...]


class _TooMuch(ValueError):
    pass


def split(text: str) -> FrontMatter:
    """Read the front matter of a file's text. Without one the body is the text less a BOM."""
    body_start = 1 if text.startswith("\ufeff") else 0
    if not text.startswith("---", body_start):
        return FrontMatter(body_start, {}, ())
    match = _BLOCK.match(text[: MAX_FRONT_MATTER_CHARS + 64])
    if match is None:
        return FrontMatter(body_start, {}, ())
    block = match[1] or ""
    metadata, diagnostics = _parse(block)
    return FrontMatter(match.end(), metadata, tuple(diagnostics))


def _parse(block: str) -> tuple[dict[str, Any], list[Diagnostic]]:
    try:
        value = _load(block)
    except _YAML_ERRORS as problem:
        return _salvage(block, problem)
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        return {}, [Diagnostic("front-matter", "front matter is not a mapping of keys to values", 2)]
    return value, []


def _load(source: str) -> Any:
    return _plain(yaml.load(source, Loader=_Loader), _Budget(MAX_NODES), 0)


class _Budget:
    def __init__(self, nodes: int) -> None:
        self.nodes = nodes

    def spend(self) -> None:
        self.nodes -= 1
        if self.nodes < 0:
            raise _TooMuch(f"more than {MAX_NODES} values")


def _plain(value: Any, budget: _Budget, depth: int) -> Any:
    """The value as JSON-like data (string keys, no aliases), within the bounds on nodes and depth."""
    budget.spend()
    if depth > MAX_DEPTH:
        raise _TooMuch(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {str(key): _plain(item, budget, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, budget, depth + 1) for item in value]
    if isinstance(value, float) and value not in (value, float("inf"), float("-inf")):
        return str(value)
    if value is None or isinstance(value, (str, bool, float)):
        return value
    return value if isinstance(value, int) and abs(value) < 2**63 else str(value)


def _salvage(block: str, whole: Exception) -> tuple[dict[str, Any], list[Diagnostic]]:
    metadata: dict[str, Any] = {}
    diagnostics: list[Diagnostic] = []
    for key, line, source in _keys(block):
        try:
            value = _load(source)
            metadata[key] = value[key] if isinstance(value, dict) else None
        except _YAML_ERRORS as problem:
            metadata[key] = source.partition(":")[2].strip()
            diagnostics.append(
                Diagnostic("front-matter", f"`{key}` is not valid YAML ({_brief(problem)})", line)
            )
    if not diagnostics:
        diagnostics.append(Diagnostic("front-matter", f"not valid YAML ({_brief(whole)})", 2))
    return metadata, diagnostics


def _keys(block: str) -> Iterator[tuple[str, int, str]]:
    """Each top-level key with its 1-based line in the file and its own piece of the block."""
    matches = list(_KEY.finditer(block))
    for index, match in enumerate(matches):
        end = matches[index + 1].start() if index + 1 < len(matches) else len(block)
        yield match[1], block.count("\n", 0, match.start()) + 2, block[match.start() : end]


def _brief(problem: Exception) -> str:
    text = getattr(problem, "problem", None) or str(problem) or type(problem).__name__
    return " ".join(str(text).split())[:120]


# -- keys with a meaning ----------------------------------------------------------------------


def variables(text: str, front: FrontMatter) -> tuple[tuple[Variable, ...], tuple[Diagnostic, ...]]:
    """The `variables:` declared: a list of names, or a mapping of name to default or to a table."""
    declared = front.metadata.get("variables")
    if isinstance(declared, list):
        declared = {item: {} for item in declared if isinstance(item, str)}
    if declared is None:
        return (), ()
    if not isinstance(declared, dict):
        problem = Diagnostic(
            "front-matter", "`variables` is neither a list nor a mapping", _line(text, front, "")
        )
        return (), (problem,)
    return tuple(_variable(name, spec, _line(text, front, name)) for name, spec in declared.items()), ()


def _variable(name: str, spec: Any, line: int) -> Variable:
    if not isinstance(spec, dict):
        return Variable(name, None if spec is None else as_text(spec), line=line)
    default = spec.get("default")
    return Variable(
        name,
        None if default is None else as_text(default),
        required=spec.get("required") in (True, "true", "yes"),
        description=str(spec.get("description") or ""),
        line=line,
    )


def argument_names(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The `arguments:` names, written as a list or as one string of words."""
    names = metadata.get("arguments")
    if isinstance(names, str):
        names = names.split()
    if not isinstance(names, list):
        return ()
    plain = (item.get("name") if isinstance(item, dict) else item for item in names)
    return tuple(name for name in plain if isinstance(name, str) and name.isidentifier())


def as_text(value: Any) -> str:
    """A YAML or JSON scalar as the text that goes into a prompt: `true`, not `True`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _line(text: str, front: FrontMatter, name: str) -> int:
    """The line that declares `name` below `variables:`, or of the key itself."""
    head = text[: front.body_start]
    key = re.search(r"^variables[ \t]*:", head, re.MULTILINE)
    if key is None:
        return 1
    at = re.search(
        rf"(?:^[ \t]+(?:-[ \t]+)?|[{{,\[][ \t]*)[\"']?{re.escape(name)}\b", head[key.end() :], re.MULTILINE
    )
    position = key.end() + at.end() if name and at else key.start()
    return head.count("\n", 0, position) + 1
