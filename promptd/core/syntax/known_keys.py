"""The keys of front matter with a meaning, here or to an assistant, and what a mistyped one was meant to be.

Those of assistants are known so that nobody is told they are mistakes, and so that a value in plain text that
runs over several lines ends where the next of them begins.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

JOINED = frozenset({"includes", "components", "requires", "variables"})  # written twice, both are meant
HINTS = (
    "optimise",
    "optimize",
    "priority",
    "min_tokens",
    "stable_first",
    "keep",
)  # for strategies and budgets
PROSE = frozenset({"description", "when_to_use"})
# Read as they are written by the assistants that define them, whatever YAML makes of it.
TEXT = PROSE | {"argument-hint", "globs", "applyTo", "paths", "allowed-tools", "tools"}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OURS = JOINED | frozenset(HINTS) | _words("name description arguments argument-hint mode tags once")
_OF_ASSISTANTS = TEXT | _words(
    """agent agents alwaysApply author background category color compatibility component config context
    created date disable-model-invocation disallowed-tools disallowedTools effort exclude excludeAgent
    excludes handoffs hooks id infer initialPrompt input isolation license maxTurns max_tokens mcp-
    servers mcpServers memory metadata model models output parameters permissionMode required skills
    status target temperature title type updated user-invocable version"""
)
KNOWN = _OURS | _OF_ASSISTANTS

TABLE = _words("name default required description")  # of a variable
SCHEMA = _words(  # what other tools write into a variable's table
    """choices const enum example examples format help hint items label max maximum min minimum optional
    options pattern placeholder prompt properties title type value values"""
)

_LEAST_CHARS = 6  # shorter keys resemble too many words
_ALIKE = 0.8  # `requird` and `requires`; `excludes` and `includes` have 0.75


@lru_cache(maxsize=4096)
def meant(key: str) -> str | None:
    """The key of promptd that an unknown one resembles, of any length where only the case differs."""
    if key in KNOWN:
        return None
    return key.lower() if key.lower() in _OURS else _nearest(key, _OURS)


@lru_cache(maxsize=1024)
def meant_in_table(key: str) -> str | None:
    """The key of a variable's table that an unknown one resembles."""
    return None if key in TABLE | SCHEMA else _nearest(key, TABLE)


def is_table(spec: Mapping[str, Any]) -> bool:
    """True if a mapping says something about a variable, False if it is the variable's value."""
    return not spec or any(key in TABLE | SCHEMA or meant_in_table(key) for key in islice(spec, 50))


def _nearest(key: str, keys: Iterable[str]) -> str | None:
    candidates = sorted(each for each in keys if len(each) >= _LEAST_CHARS)
    return next(iter(get_close_matches(key[:40].lower(), candidates, 1, _ALIKE)), None)
