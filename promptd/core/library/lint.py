"""What `check` says besides faults: names that nothing fills, files that are no components, near names.

Works on the library in memory; every remark has a file and, where there is one, a line.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from json import dumps

from promptd.core.library.library import Component, Library
from promptd.core.library.resolve import nearest
from promptd.core.syntax.component import MAX_TARGET_CHARS, Place, Placeholder
from promptd.protocol.records import Dangling, Problem

MAX_NAMED = 5
MAX_NAME_CHARS = 200  # longer ones are mistaken for nothing
MAX_COMPARED = 1_000_000  # names held against names in one check: half a second
FEWEST_FOR_ALIAS = 2
_ALIKE = 0.8  # `overviw` and `overview` have 0.93, `servity` and `severity` 0.8, `gone` and `lone` 0.75


def lints(library: Library, configured: Container[str], lookalikes: Iterable[Place]) -> Iterator[Problem]:
    """All remarks on a library. `configured`: names with a value in the configuration."""
    components = [component for id in library.ids() if (component := library.get(id)) is not None]
    yield from _undeclared(components, configured)
    yield from _hidden(library)
    for place in lookalikes:
        if place.id not in library:
            suffix = f".{place.id.rpartition('.')[2]}"
            message = f"not a component: the suffix {suffix} differs in case from {suffix.lower()}"
            yield Problem("suffix", place.id, 1, message)


def _hidden(library: Library) -> Iterator[Problem]:
    """Files that nobody gets because an earlier root has one of the same name; one remark for all."""
    ids = sorted({reading.place.id for reading in library.shadows if library.is_listed(reading.place.id)})
    if ids:
        named = ", ".join(ids[:MAX_NAMED]) + (" …" if len(ids) > MAX_NAMED else "")
        what = "file is" if len(ids) == 1 else "files are"
        message = f"{len(ids)} {what} hidden by one of the same name in an earlier root: {named}"
        yield Problem("hidden", "", 0, message)


def _undeclared(components: Sequence[Component], configured: Container[str]) -> Iterator[Problem]:
    """Names in braces that no file and no configuration declares; one remark for each component."""
    declared = {variable.name for component in components for variable in component.parsed.variables}
    for component in components:
        bare = [
            each
            for each in component.parsed.placeholders
            if each.name not in declared and each.name not in configured
        ]
        if bare:
            yield Problem("placeholder", component.id, bare[0].line, _staying(bare))


def _staying(bare: Sequence[Placeholder]) -> str:
    if len(bare) == 1:
        return f"`{bare[0].written}` is declared nowhere: it stays as written"
    named = [f"`{each.written}` (line {each.line})" for each in bare[:MAX_NAMED]]
    more = [f"{len(bare) - MAX_NAMED} more"] if len(bare) > MAX_NAMED else []
    listed = [*named, *more]
    return f"{', '.join(listed[:-1])} and {listed[-1]} are declared nowhere: they stay as written"


def with_near_names(dangling: Iterable[Dangling], ids: Sequence[str]) -> Iterator[Dangling]:
    """What dangles, with the existing name that each most resembles; of very many only the first ones."""
    known: dict[str, str] = {}
    left, every = MAX_COMPARED, frozenset(ids)
    for each in dangling:
        if each.target not in known:
            left -= len(ids)
            if ending := _existing_ending(each.target, every):
                known[each.target] = f"; did you mean {ending!r}?"
            else:
                known[each.target] = did_you_mean(each.target, ids, are_paths=True) if left >= 0 else ""
        yield Dangling(each.id, each.line, each.target, f"{each.reason}{known[each.target]}")


def missing_alias(dangling: Sequence[Dangling], ids: Iterable[str]) -> Iterator[Problem]:
    """The alias that would find most of what dangles: paths in a home directory that end as ids do."""
    every = frozenset(ids)
    prefixes: Counter[str] = Counter()
    for each in dangling:
        target = each.target.replace("$HOME/", "~/", 1) if each.target.startswith("$HOME/") else each.target
        if target.startswith("~/") and (ending := _existing_ending(target, every)):
            prefixes[target.removesuffix(f"/{ending}")] += 1
    for prefix, count in prefixes.most_common(1):
        if count >= FEWEST_FOR_ALIAS:
            share = f"{count} of {len(dangling)} dangling includes"
            message = (
                f"{share} begin with `{prefix}/` and exist in the library; "
                f'add under [library.aliases]: {dumps(prefix)} = ""'
            )
            yield Problem("alias", "", 0, message)


def _existing_ending(target: str, ids: Container[str]) -> str:
    """The longest ending of a path, without its first part, that is an id; or ""."""
    parts = target[:MAX_TARGET_CHARS].split("/")
    endings = ("/".join(parts[at:]) for at in range(1, len(parts)))
    return next((ending for ending in endings if ending in ids), "")


def did_you_mean(written: str, names: Sequence[str], *, are_paths: bool = False) -> str:
    """What to add to a sentence about a name that does not exist: the name that it most resembles, or "".

    Paths are alike if their last segments are, whatever their directories and suffixes.
    """
    part = _stem if are_paths else str
    for name in nearest(written, [name for name in names if len(name) <= MAX_NAME_CHARS], 1):
        one, other = part(written[:MAX_NAME_CHARS]).lower(), part(name).lower()
        if SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE:
            return f"; did you mean {name!r}?"
    return ""


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]
