"""From a written target to the ids it may mean, in order. Knows no files: candidates only.

Names are ids, never paths: what is absolute, leaves the roots, hides dots behind `%2e`, or carries a NUL
or a backslash is refused by name before anything is looked up.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote

from promptd.core.syntax.component import MAX_TARGET_CHARS, Directive

MAX_KNOWN_GROUPS = 32_768  # targets remembered: during a first scan each is resolved some three times; 15 MB
MAX_KNOWN_CHARS = 256  # a longer target is worked out each time: a stranger's names shall not fill the memory
COMPARED_AT_ONCE = 2_000  # names, of some 1 KB at most: a few ms
MAX_KNOWN_PARTS = 8_192  # names of directories and files that were held against the patterns of `ignore`
MEMORY_FILES = frozenset(
    {
        "CLAUDE.md",
        "CLAUDE.local.md",
        "AGENTS.md",
        "AGENTS.local.md",
        "AGENTS.override.md",
        "GEMINI.md",
        "QWEN.md",
    }
)


class Refused(NamedTuple):
    """A target that may never be looked up, and why."""

    reason: str


Group = tuple[str, ...]  # ids of equal rank: one of them may exist, two are an ambiguity


class NamingRules:
    """The naming rules of one library: suffixes that may be omitted, aliases, ignored names."""

    def __init__(
        self, suffixes: Sequence[str], aliases: Mapping[str, str] | None = None, ignore: Sequence[str] = ()
    ) -> None:
        self.suffixes = tuple(suffixes)
        self._omittable = tuple(suffix for suffix in suffixes if suffix)
        prefixes = {_home(prefix).rstrip("/"): place for prefix, place in (aliases or {}).items()}
        self._aliases = sorted(prefixes.items(), key=lambda item: (-len(item[0]), item[0]))
        self._ignored = frozenset(name for name in ignore if not _is_pattern(name))
        patterns = "|".join(translate(name) for name in ignore if _is_pattern(name))
        self._matches_ignored = re.compile(patterns or "(?!)").match  # one search: every link asks it
        self._known_groups = lru_cache(maxsize=MAX_KNOWN_GROUPS)(self._find_groups)
        self._known_meanings = lru_cache(maxsize=MAX_KNOWN_GROUPS)(self._seen_from)
        self.is_ignored_part = lru_cache(maxsize=MAX_KNOWN_PARTS)(self._is_ignored_part)

    def is_discovered(self, filename: str) -> bool:
        """True if a file of this name is a component without being asked for; a dot file never is one."""
        if filename.startswith("."):
            return False
        stem, dot, suffix = filename.rpartition(".")
        return (f".{suffix}" if dot and stem else "") in self.suffixes

    def _is_ignored_part(self, part: str) -> bool:
        """True if one path part hides what is below it (`library.ignore`)."""
        return part in self._ignored or self._matches_ignored(part) is not None

    def is_ignored(self, id: str) -> bool:
        """True if any part of an id is ignored."""
        return any(self.is_ignored_part(part) for part in id.split("/"))

    def candidates(self, written: str) -> list[Group] | Refused:
        """Candidates for a name in a request: below the roots, suffix optional.

        What has no component's suffix comes last: it is one only if a directive leads to it.
        """
        groups = self._groups(written, "")
        if isinstance(groups, Refused) or self.is_component(groups[0][0]):
            return groups
        return [*groups[1:], groups[0]]

    def unlike(self, written: str) -> Group:
        """The id among the candidates for a name that is a component only if a directive leads to it."""
        groups = self._groups(written, "")
        return () if isinstance(groups, Refused) or self.is_component(groups[0][0]) else groups[0]

    def is_component(self, id: str) -> bool:
        """True if the suffix of an id makes it a component, whether or not a directive leads there."""
        return self.is_discovered(id.rpartition("/")[2])

    def candidates_of(self, directive: Directive, from_id: str, real_id: str = "") -> list[Group] | Refused:
        """Candidates for a directive in the component `from_id`, aliases applied.

        `real_id` is where that file really is, if it is a symlink: an import is looked up there first. One
        that is tentative stands for the file of exactly its name.
        """
        is_exact = directive.is_import and directive.is_tentative
        target = _home(directive.target)
        aliased = self._alias(target)
        if aliased is not None:
            return self._groups(aliased, "", is_exact)
        if target.startswith("~"):
            return Refused("leads to a home directory and no alias maps it into the library")
        meant = self._known_meanings if len(target) <= MAX_KNOWN_CHARS else self._seen_from
        return meant(target, _starts(directive, from_id, real_id), is_exact)

    def candidates_at_root(self, directive: Directive, from_id: str) -> list[Group]:
        """What an import in a memory file would mean from the root, where its author may have seen it from.

        Only what a listing shows; nothing for any other directive.
        """
        if not directive.is_import or directive.is_tentative or not is_memory_file(from_id):
            return []
        target = _home(directive.target)
        found = [] if target.startswith("~") or self._alias(target) is not None else self._groups(target, "")
        return (
            [] if isinstance(found, Refused) else [group for group in map(self._discovered, found) if group]
        )

    def _discovered(self, group: Group) -> Group:
        return tuple(id for id in group if self.is_discovered(id.rpartition("/")[2]))

    def _seen_from(self, target: str, starts: tuple[str, ...], is_exact: bool) -> list[Group] | Refused:
        groups: list[Group] = []
        refused: Refused | None = None
        for start in starts:
            found = self._groups(target, start, is_exact)
            if isinstance(found, Refused):
                refused = refused or found
            else:
                groups += [group for group in found if group not in groups]
        return groups or refused or Refused("is empty")

    def _groups(self, target: str, directory: str, is_exact: bool = False) -> list[Group] | Refused:
        find = self._known_groups if len(target) <= MAX_KNOWN_CHARS else self._find_groups
        return find(target, directory, is_exact)

    def _find_groups(self, target: str, directory: str, is_exact: bool) -> list[Group] | Refused:
        id = join(directory, target)
        if isinstance(id, Refused):
            return id
        if self.is_ignored(id):
            return Refused("is ignored by library.ignore")
        if id.rpartition("/")[2].startswith("."):
            return Refused("is a dot file, which is never a component")
        if is_exact or id.endswith(self._omittable):
            return [(id,)]
        return [(id,), tuple(id + suffix for suffix in self._omittable)]

    def _alias(self, target: str) -> str | None:
        for prefix, place in self._aliases:
            if target == prefix or target.startswith(prefix + "/"):
                return (place.rstrip("/") + target[len(prefix) :]).lstrip("/")
        return None


def is_memory_file(id: str) -> bool:
    """True for a file that an assistant loads by itself (CLAUDE.md): its imports are looked up beside it."""
    return id.rpartition("/")[2] in MEMORY_FILES


def _starts(directive: Directive, from_id: str, real_id: str) -> tuple[str, ...]:
    """The directories that a directive is looked up from, in their order; "" is the root."""
    beside = from_id.rpartition("/")[0]
    match directive.base:
        case "root":
            return ("",)
        case "file":
            return (beside,)
        case "root-then-file":
            starts = ("", beside)
        case "file-then-root":
            real = (real_id.rpartition("/")[0],) if real_id else ()
            starts = (*real, beside, *(() if is_memory_file(from_id) else ("",)))
    return tuple(dict.fromkeys(starts))


def relative(id: str, from_id: str) -> str:
    """How a file is written in another one: `../docs/x.md`."""
    target, directory = id.split("/"), from_id.split("/")[:-1]
    shared = 0
    while shared < min(len(target) - 1, len(directory)) and target[shared] == directory[shared]:
        shared += 1
    return "/".join([".."] * (len(directory) - shared) + target[shared:])


def join(directory: str, target: str) -> str | Refused:
    """The id a target means seen from a directory id ("" is the root), or why it is refused."""
    reason = _refusal(target)
    if reason:
        return Refused(reason)
    parts = directory.split("/") if directory else []
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return Refused("leads out of the library")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) if parts else Refused("names no file")


def _refusal(target: str) -> str | None:
    if len(target) > MAX_TARGET_CHARS:
        return f"is longer than {MAX_TARGET_CHARS} characters"
    if "\0" in target:
        return "contains a NUL"
    if "\\" in target:
        return "contains a backslash"
    if target.startswith("/"):
        return "is an absolute path"
    if "%" in target and _hides_path(target):
        return "hides dots or slashes behind percent signs"
    try:
        target.encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate"
    return None


def _hides_path(target: str) -> bool:
    decoded = unquote(unquote(target))
    return decoded != target and (".." in decoded.split("/") or decoded.startswith("/") or "\0" in decoded)


def _home(target: str) -> str:
    return "~" + target[len("$HOME") :] if target == "$HOME" or target.startswith("$HOME/") else target


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def matches(id: str, globs: Iterable[str]) -> bool:
    """True if an id fits one of the globs; `**` crosses directories, `*` does not."""
    return any(_glob_matches(id.split("/"), _parts_of(glob)) for glob in globs)


@lru_cache(maxsize=256)
def _parts_of(glob: str) -> tuple[str, ...]:
    """The parts of a glob; several `**` in a row are one."""
    parts = glob.split("/")
    return tuple(part for at, part in enumerate(parts) if part != "**" or parts[at - 1 : at] != ["**"])


def _glob_matches(parts: Sequence[str], globs: Sequence[str]) -> bool:
    """Match from left to right; what does not fit moves the part that the last `**` ends at on by one."""
    if len(globs) - globs.count("**") > len(parts):
        return False
    at = glob = 0
    again_at, again_glob = 0, -1
    while at < len(parts):
        if glob < len(globs) and globs[glob] == "**":
            again_at, again_glob = at, glob
            glob += 1
        elif glob < len(globs) and fnmatchcase(parts[at], globs[glob]):
            at, glob = at + 1, glob + 1
        elif again_glob >= 0:
            again_at += 1
            at, glob = again_at, again_glob + 1
        else:
            return False
    return all(each == "**" for each in globs[glob:])


def nearest(name: str, ids: Iterable[str], limit: int = 3) -> list[str]:
    """The existing ids a mistyped name is most like, best first: whole paths, then last segments."""
    from rapidfuzz import fuzz  # here: a name that exists does not wait for it

    name = name[:MAX_TARGET_CHARS]
    known = list(ids)
    stems = [_stem(id) for id in known]
    found = {known[at] for at in (*_alike(name, known, limit, 50), *_alike(_stem(name), stems, limit, 75))}
    scored = [(-max(fuzz.ratio(name, id), 0.97 * fuzz.ratio(_stem(name), _stem(id))), id) for id in found]
    return [id for _, id in sorted(scored)[:limit]]


def _alike(name: str, known: Sequence[str], limit: int, at_least: float) -> list[int]:
    """Which of many names are most alike. In portions: each call holds the interpreter while it compares."""
    from rapidfuzz import fuzz, process

    found: list[tuple[float, int]] = []
    for first in range(0, len(known), COMPARED_AT_ONCE):
        some = known[first : first + COMPARED_AT_ONCE]
        best = process.extract(name, some, scorer=fuzz.ratio, limit=4 * limit, score_cutoff=at_least)
        found += [(-score, first + at) for _, score, at in best]
    return [at for _, at in sorted(found)[: 4 * limit]]


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
