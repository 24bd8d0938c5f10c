"""YAML as people write it in front matter: what parses is kept, the rest is kept raw and diagnosed.

Real files hold not-quite-YAML (`argument-hint: [pr] [priority]`, `globs: **/*.ts`), so when a block does
not parse as a whole each top-level key is parsed alone. Scalars stay what the author wrote: no dates, no
`yes` for true, no sexagesimal, and a number only where it prints as it was written (`1.10` is text).
Bounds on depth and on the number of values keep bombs out. Nothing here raises.
"""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from promptd.core.syntax.component import Diagnostic

MAX_NODES = 10_000  # counts what aliases would expand to
MAX_DEPTH = 32
FIRST_LINE = 2  # of a block below its `---`

# Every level of nesting takes one of these characters: with fewer, the C parser's recursion is harmless.
_NESTING = "[{-?:"
_HARMLESS_NESTING = 200
_KEY = re.compile(r"^([A-Za-z_][\w.-]*)[ \t]*:(?=[ \t]|\r?$)", re.MULTILINE)
_YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError)
_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:bool")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 10x faster where it is built in


IDENTITY = f"PyYAML {yaml.__version__} {_Base.__name__}"  # what two processes must share to parse alike


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """The safe loader, less what surprises authors and less merge keys, which multiply."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """A mapping with keys as they are written, `<<` and `1` among them."""
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping")
        return {key.value: self.construct_object(value, deep=deep) for key, value in node.value}

    def as_written(self, node: Any) -> Any:
        """A number if it prints as it was written, else its text."""
        convert = int if node.tag.endswith(":int") else float
        try:
            number = convert(node.value)
        except ValueError:
            return node.value
        return number if str(number) == node.value and abs(number) < 2**63 else node.value


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TAGS]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.as_written)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.as_written)


class _TooMuch(ValueError):
    pass


def read(block: str) -> tuple[dict[str, Any], list[Diagnostic]]:
    """The keys of a block and what was wrong with it; lines count from the `---` above it as line 1."""
    try:
        value = _load(block)
    except _YAML_ERRORS as problem:
        return _salvage(block, problem)
    if value is None:
        return {}, []
    if not isinstance(value, dict):
        message = "front matter is not a mapping of keys to values: it is left out"
        return {}, [Diagnostic("front-matter-lost", message, FIRST_LINE)]
    return value, []


def _load(source: str) -> Any:
    _check_depth(source)
    return _plain(yaml.load(source, Loader=_Loader), [MAX_NODES], 0)


def _check_depth(source: str) -> None:
    """Refuse deep nesting before the C parser recurses into it: it would take the process with it."""
    if sum(map(source.count, _NESTING)) <= _HARMLESS_NESTING:
        return
    depth = 0
    for event in yaml.parse(source, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep")


def _plain(value: Any, left: list[int], depth: int) -> Any:
    """The value as JSON-like data (string keys, no aliases), within the bounds on nodes and depth."""
    left[0] -= 1
    if left[0] < 0:
        raise _TooMuch(f"more than {MAX_NODES} values")
    if depth > MAX_DEPTH:
        raise _TooMuch(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        return {key: _plain(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item, left, depth + 1) for item in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


def _salvage(block: str, whole: Exception) -> tuple[dict[str, Any], list[Diagnostic]]:
    kept: dict[str, Any] = {}
    diagnostics: list[Diagnostic] = []
    for key, line, source in _keys(block):
        try:
            value = _load(source)
            kept[key] = value[key] if isinstance(value, dict) else None
        except (*_YAML_ERRORS, KeyError) as problem:
            kept[key] = source.partition(":")[2].strip()
            message = f"`{key}` is not valid YAML ({_brief(problem)}): kept as text"
            diagnostics.append(Diagnostic("front-matter", message, line))
    if not kept:
        message = f"front matter is not valid YAML ({_brief(whole)}): it is left out"
        diagnostics.append(Diagnostic("front-matter-lost", message, FIRST_LINE))
    elif not diagnostics:
        message = f"front matter is not valid YAML ({_brief(whole)}): its keys are read one by one"
        diagnostics.append(Diagnostic("front-matter", message, FIRST_LINE))
    return kept, diagnostics


def _keys(block: str) -> Iterator[tuple[str, int, str]]:
    """Each top-level key with its 1-based line in the file and its own piece of the block."""
    matches = list(_KEY.finditer(block))
    line, counted = FIRST_LINE, 0
    for index, match in enumerate(matches):
        end = matches[index + 1].start() if index + 1 < len(matches) else len(block)
        line += block.count("\n", counted, match.start())
        counted = match.start()
        yield match[1], line, block[match.start() : end]


def _brief(problem: Exception) -> str:
    text = getattr(problem, "problem", None) or str(problem) or type(problem).__name__
    return " ".join(str(text).split())[:120]


def is_true(value: Any) -> bool:
    """True for what people write when they mean yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "yes", "on"))
