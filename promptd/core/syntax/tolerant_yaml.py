"""YAML as people write it in front matter: what parses is kept, the rest is kept raw and diagnosed.

Real files hold not-quite-YAML (`argument-hint: [pr] [priority]`, `globs: **/*.ts`, a description that runs
over lines with colons in them), so when a block does not parse as a whole its keys are read one by one.
Scalars stay what the author wrote: no dates, no `yes` for true, no sexagesimal, and a number only where it
prints as it was written (`1.10` is text). A key that is written twice is said, on any level; lists of
includes and the like are joined. Bounds on depth and on the number of values keep bombs out. Nothing here
raises.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from promptd.core.syntax.component import Diagnostic
from promptd.core.syntax.doubled_keys import WrittenKey, declared_twice, doubled, joined
from promptd.core.syntax.known_keys import JOINED, KNOWN, PROSE, TEXT

MAX_NODES = 10_000  # counts what aliases would expand to
MAX_CHARS = 262_144  # likewise: one long text may have many aliases
MAX_DEPTH = 32
FIRST_LINE = 2  # of a block below its `---`

# Every level of nesting takes one of these characters: with fewer, the C parser's recursion is harmless.
_NESTING = "[{-?:"
_HARMLESS_NESTING = 200
_KEY = re.compile(
    r"""^(?:"(?P<double>[^"\n]{1,200})"|'(?P<single>[^'\n]{1,200})'|(?P<plain>[^\W\d][\w.-]*))"""
    r"[ \t]*:(?=[ \t]|\r?$)",
    re.MULTILINE,
)
_PLAIN_TEXT = re.compile(r"[ \t]*[^\s\"'\[\]{}|>&*!%@`#,?:-]")
_YAML_ERRORS = (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError)
_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:merge", "tag:yaml.org,2002:bool")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is 10x faster where it is built in


IDENTITY = f"PyYAML {yaml.__version__} {_Base.__name__}"  # what two processes must share to parse alike


class _Loader(_Base):  # type: ignore[misc]  # the base is chosen at run time
    """The safe loader, less what surprises authors and less merge keys, which multiply."""

    def __init__(self, source: str, first_line: int) -> None:
        super().__init__(source)
        self.first_line = first_line
        self.doubled: list[Diagnostic] = []

    def line_of(self, node: Any) -> int:
        """The line of the file that a node begins on."""
        return int(node.start_mark.line) + self.first_line

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """A mapping with keys as they are written, `<<` and `1` among them."""
        items = [WrittenKey(self.key_of(key), self.line_of(key), value) for key, value in node.value]
        self.doubled += doubled(items, ())
        return {key: self.construct_object(value, deep=deep) for key, _, value in items}

    def key_of(self, node: Any) -> str:
        """A key as it is written. Raises ConstructorError where it is no scalar."""
        if not isinstance(node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key is a list or a mapping")
        return str(node.value)

    def as_written(self, node: Any) -> Any:
        """A number if it prints as it was written, else its text."""
        convert = int if node.tag.endswith(":int") else float
        try:
            number = convert(node.value)
        except ValueError:
            return node.value
        return number if str(number) == node.value and abs(number) < 2**63 else node.value

    def as_text(self, node: Any) -> Any:
        """What is tagged as a date or as bytes, as the text that it is in the file."""
        return self.construct_scalar(node)

    def as_list(self, node: Any) -> Any:
        """A set as the list of its members, in their order."""
        return list(self.construct_mapping(node, deep=True))


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _TAGS]
    for first, resolvers in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("tTfF"))
for _tags, _constructor in (
    (("int", "float"), _Loader.as_written),
    (("binary", "timestamp"), _Loader.as_text),
    (("set",), _Loader.as_list),
):
    for _tag in _tags:
        _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _constructor)


class _TooMuch(ValueError):
    pass


class _NoMapping(ValueError):
    pass


def read(block: str) -> tuple[dict[str, Any], list[Diagnostic]]:
    """The keys of a block and what was wrong with it; lines count from the `---` above it as line 1."""
    try:
        items, diagnostics = _load(block, FIRST_LINE)
    except _NoMapping:
        message = "front matter is not a mapping of keys to values: it is left out"
        return {}, [Diagnostic("front-matter-lost", message, FIRST_LINE)]
    except _YAML_ERRORS as problem:
        items, diagnostics = _salvage(block, problem)
    return joined(items), [*diagnostics, *doubled(items, JOINED), *declared_twice(items)]


def _load(source: str, first_line: int) -> tuple[list[WrittenKey], list[Diagnostic]]:
    """The keys of a block that is YAML, and those written twice below them. Raises what YAML raises."""
    _check_depth(source)
    loader = _Loader(source, first_line)
    try:
        root = loader.get_single_node()
        if root is None or root.tag == "tag:yaml.org,2002:null":
            return [], []
        if not isinstance(root, yaml.MappingNode):
            raise _NoMapping
        left = _Left()
        items = [
            WrittenKey(
                loader.key_of(key),
                loader.line_of(key),
                _plain(loader.construct_object(value, deep=True), left, 1),
            )
            for key, value in root.value
        ]
        return items, loader.doubled
    finally:
        loader.dispose()


def _check_depth(source: str) -> None:
    """Refuse deep nesting before the C parser recurses into it: it would take the process with it."""
    if sum(map(source.count, _NESTING)) <= _HARMLESS_NESTING:
        return
    depth = 0
    for event in yaml.parse(source, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise _TooMuch(f"nested more than {MAX_DEPTH} deep")


class _Left:
    """What aliases may still expand to."""

    nodes, chars = MAX_NODES, MAX_CHARS

    def take(self, value: Any) -> None:
        """Count a value in. Raises _TooMuch."""
        self.nodes -= 1
        self.chars -= len(value) if isinstance(value, str) else 0
        if self.nodes < 0:
            raise _TooMuch(f"more than {MAX_NODES} values")
        if self.chars < 0:
            raise _TooMuch(f"aliases of more than {MAX_CHARS} characters")


def _plain(value: Any, left: _Left, depth: int) -> Any:
    """The value as JSON-like data (string keys, no aliases), within the bounds on size and depth."""
    left.take(value)
    if depth > MAX_DEPTH:
        raise _TooMuch(f"nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key in value:
            left.chars -= len(key)
        return {key: _plain(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, left, depth + 1) for item in value]
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)


# -- what is not YAML -------------------------------------------------------------------------


def _salvage(block: str, whole: Exception) -> tuple[list[WrittenKey], list[Diagnostic]]:
    """What there is in a block that does not parse: cut at known keys, and where need be at every key."""
    items: list[WrittenKey] = []
    diagnostics: list[Diagnostic] = []
    is_explained = False
    for piece in _pieces(block, FIRST_LINE, is_known_only=True):
        found, problems, was_bad = _read_piece(piece)
        items += found
        diagnostics += problems
        is_explained = is_explained or was_bad
    if not items:
        message = f"front matter is not valid YAML ({_brief(whole)}): it is left out"
        diagnostics.append(Diagnostic("front-matter-lost", message, FIRST_LINE))
    elif not is_explained:
        message = f"front matter is not valid YAML ({_brief(whole)}): its keys are read one by one"
        diagnostics.append(Diagnostic("front-matter", message, FIRST_LINE))
    return items, diagnostics


class _Piece(NamedTuple):
    key: str
    line: int
    source: str
    value: str  # the source behind the colon


def _pieces(block: str, line: int, *, is_known_only: bool) -> Iterator[_Piece]:
    """A block cut where a key begins a line: a known one, or any."""
    matches = [
        match
        for index, match in enumerate(_KEY.finditer(block))
        if not index or not is_known_only or _key(match) in KNOWN
    ]
    counted = 0
    for index, match in enumerate(matches):
        end = matches[index + 1].start() if index + 1 < len(matches) else len(block)
        line += block.count("\n", counted, match.start())
        counted = match.start()
        yield _Piece(_key(match), line, block[match.start() : end], block[match.end() : end])


def _key(match: re.Match[str]) -> str:
    return match["double"] or match["single"] or match["plain"]


def _read_piece(piece: _Piece) -> tuple[list[WrittenKey], list[Diagnostic], bool]:
    """What one piece holds, what is to be said of it, and whether any of it is not YAML."""
    try:
        return *_load(piece.source, piece.line), False
    except _YAML_ERRORS:
        pass
    smaller = list(_pieces(piece.source, piece.line, is_known_only=False))
    if _runs_on(smaller[0]):
        smaller = [piece]
    items: list[WrittenKey] = []
    diagnostics: list[Diagnostic] = []
    for each in smaller:
        found, problems = _read_key(each)
        items += found
        diagnostics += problems
    return items, diagnostics, True


def _runs_on(piece: _Piece) -> bool:
    """True for plain text that ends at the next known key only, whatever colons are in it."""
    if piece.key not in KNOWN or not _PLAIN_TEXT.match(piece.value):
        return False
    return piece.key in PROSE or not _is_yaml(piece)


def _is_yaml(piece: _Piece) -> bool:
    try:
        _load(piece.source, piece.line)
    except _YAML_ERRORS:
        return False
    return True


def _read_key(piece: _Piece) -> tuple[list[WrittenKey], list[Diagnostic]]:
    """One key, its value kept as text if it does not parse; where values are text that is no fault."""
    try:
        return _load(piece.source, piece.line)
    except _YAML_ERRORS as problem:
        kept = [WrittenKey(piece.key, piece.line, piece.value.strip())]
        if piece.key in TEXT and not piece.value.lstrip().startswith(("'", '"', "|", ">")):
            return kept, []
        message = f"`{piece.key}` is not valid YAML ({_brief(problem)}): kept as text"
        return kept, [Diagnostic("front-matter", message, piece.line)]


def _brief(problem: Exception) -> str:
    text = getattr(problem, "problem", None) or str(problem) or type(problem).__name__
    return " ".join(str(text).split())[:120]


def is_true(value: Any) -> bool:
    """True for what people write when they mean yes."""
    return value is True or (isinstance(value, str) and value.strip().lower() in ("true", "yes", "on"))
