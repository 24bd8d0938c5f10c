"""A skeleton and values become a prompt's text. Values go in once and are never looked at again.

A variable is replaced only where its name is supplied, configured for the library or declared in front
matter; any other brace text stays as written. Precedence: supplied, configured, the inline default
`{{name|default}}`, the declared default, nothing (with a warning). Arguments follow Claude Code: 0-based,
shell quoting, absent index literal, absent named argument empty.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from promptd.engine.assemble import Note, Rules, Skeleton, Slot
from promptd.errors import MissingVariable

MAX_NAMED_NEAR = 5


@dataclass(frozen=True, slots=True)
class Filled:
    """The text, the code-point offset at which each part begins (one more than parts), and warnings."""

    text: str
    offsets: tuple[int, ...]
    notes: tuple[Note, ...]


def fill(skeleton: Skeleton, variables: Mapping[str, str], arguments: str | None, rules: Rules) -> Filled:
    """Fill a skeleton. Raises MissingVariable naming the declaration of a required one without value."""
    values = _values(skeleton, variables, rules)
    filler = _Filler(values, skeleton, arguments)
    parts = [part if isinstance(part, str) else filler.text_of(part) for part in skeleton.parts]
    offsets = (0, *accumulate(len(part) for part in parts))
    if arguments and not filler.used_arguments:
        parts.append(f"\n\nARGUMENTS: {arguments}")
    notes = (*_empty(skeleton, filler.empty), *_unused(skeleton, variables))
    return Filled("".join(parts), offsets, notes)


def _values(skeleton: Skeleton, variables: Mapping[str, str], rules: Rules) -> Mapping[str, str]:
    values = {**rules.variables, **variables}
    for name, (id, variable) in skeleton.variables.items():
        if variable.required and variable.default is None and name not in values:
            about = f" ({variable.description})" if variable.description else ""
            raise MissingVariable(
                f"variable {name!r}{about} is required by {id}:{variable.line} and has no value",
                name=name,
                id=id,
                line=variable.line,
            )
    return values


class _Filler:
    def __init__(self, values: Mapping[str, str], skeleton: Skeleton, arguments: str | None) -> None:
        self.values = values
        self.declared = skeleton.variables
        self.arguments = arguments
        self.words = _words(arguments)
        self.names = skeleton.arguments
        self.used_arguments = False
        self.empty: dict[str, None] = {}

    def text_of(self, slot: Slot) -> str:
        if slot.kind == "variable":
            return self.variable(slot)
        if self.arguments is None:
            return slot.raw
        if slot.kind == "escape":
            return slot.raw[1:]
        return self.argument(slot)

    def variable(self, slot: Slot) -> str:
        value = self.values.get(slot.name)
        if value is not None:
            return value
        declared = self.declared.get(slot.name)
        if declared is None:
            return slot.raw
        default = slot.default if slot.default is not None else declared[1].default
        if default is None:
            self.empty[slot.name] = None
        return default or ""

    def argument(self, slot: Slot) -> str:
        if not slot.name:
            value: str | None = self.arguments
        elif slot.name.lstrip("-").isdigit():
            value = _at(self.words, int(slot.name))
        else:
            value = _at(self.words, self.names.index(slot.name)) or ""
        if value is None:
            return slot.raw
        self.used_arguments = True
        return value


def _words(arguments: str | None) -> list[str]:
    """Split as a shell would; free text with a lone quote ("don't") is split at white space instead."""
    try:
        return shlex.split(arguments or "")
    except ValueError:
        return (arguments or "").split()


def _at(words: Sequence[str], index: int) -> str | None:
    return words[index] if 0 <= index < len(words) else None


def _empty(skeleton: Skeleton, names: Mapping[str, None]) -> Iterator[Note]:
    for name in names:
        id, variable = skeleton.variables[name]
        message = f"variable {name!r} is declared and has neither value nor default: replaced by nothing"
        yield Note("empty-variable", message, id, variable.line, name)


def _unused(skeleton: Skeleton, variables: Mapping[str, str]) -> Iterator[Note]:
    known = {part.name for part in skeleton.parts if isinstance(part, Slot) and part.kind == "variable"}
    known |= skeleton.variables.keys()
    for name in sorted(variables.keys() - known):
        listed = ", ".join(sorted(known)[:MAX_NAMED_NEAR]) or "none"
        message = f"variable {name!r} is used nowhere in this prompt; its variables: {listed}"
        yield Note("unused-variable", message, skeleton.drafts[0].id, 1, name)
