"""A skeleton and values become a prompt's text. Values go in once and are never looked at again.

A variable is replaced only where its name is supplied, configured for the library or declared in front
matter; any other brace text stays as written. Precedence: supplied, configured, the inline default
`{{name|default}}`, the declared default, nothing (with a warning). Arguments follow Claude Code: 0-based,
shell quoting, absent index literal, absent named argument empty; without any arguments all stay as written.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from shlex import quote

import msgspec

from promptd.core.assembly.skeleton import Note, Rules, Skeleton
from promptd.core.assembly.slot_layout import SlotLayout
from promptd.core.syntax.arguments import split_words
from promptd.core.syntax.component import Variable
from promptd.core.syntax.slots import Slot
from promptd.errors import MissingVariable

MAX_NAMED_NEAR = 5
MAX_MISSING = 20  # named in one error; its data has all
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Filled:
    """The text, the code-point offsets at which the runs of its layout begin (and where the last ends)."""

    text: str
    starts: tuple[int, ...]
    layout: SlotLayout
    notes: tuple[Note, ...] = ()
    values: tuple[str, ...] = ()  # in the place of each slot, and what was put behind the last run

    def encoded(self) -> msgspec.Raw:
        """The text as JSON; only the values are encoded for it."""
        pieces = self.layout.encoded.copy()
        for (run, _), value in zip(self.layout.slots, self.values, strict=False):
            pieces[run] = _encode(value)[1:-1]
        pieces += [_encode(value)[1:-1] for value in self.values[len(self.layout.slots) :]]
        return msgspec.Raw(b'"%b"' % b"".join(pieces))

    def offset(self, part: int) -> int:
        """Where a part of the skeleton begins; of one more than there are, where the last one ends."""
        return self.starts[self.layout.run_of[part]] + self.layout.within[part]


def fill(skeleton: Skeleton, variables: Mapping[str, str], arguments: str | None, rules: Rules) -> Filled:
    """Fill a skeleton. Raises MissingVariable naming the declarations of required ones without value."""
    filler = _Filler({**rules.variables, **variables}, skeleton, arguments)
    filler.check_required(skeleton)
    layout = skeleton.layout
    values = [filler.text_of(slot) for _, slot in layout.slots]
    texts: list[str] = layout.runs.copy()  # type: ignore[assignment] # the slots among them are replaced below
    for (run, _), value in zip(layout.slots, values, strict=True):
        texts[run] = value
    starts = (0, *accumulate(map(len, texts)))
    if arguments and not filler.used_arguments:
        values.append(f"\n\nARGUMENTS: {arguments}")
        texts.append(values[-1])
    notes: tuple[Note, ...] = ()
    if filler.empty or not layout.names.issuperset(variables):
        notes = (*_empty(skeleton, filler.empty), *_unused(skeleton, variables))
    return Filled("".join(texts), starts, layout, notes, tuple(values))


class _Filler:
    def __init__(self, values: Mapping[str, str], skeleton: Skeleton, arguments: str | None) -> None:
        self.values = values
        self.declared = skeleton.variables
        self.arguments = arguments
        self.used_arguments = False
        self.empty: dict[str, None] = {}

    @cached_property
    def words(self) -> list[str]:
        return split_words(self.arguments or "")

    def check_required(self, skeleton: Skeleton) -> None:
        missing = [
            (id, variable)
            for name, (id, variable) in self.declared.items()
            if variable.required and variable.default is None and name not in self.values
        ]
        if missing:
            raise _missing(skeleton, missing)

    def text_of(self, slot: Slot) -> str:
        if slot.kind == "variable":
            return self.variable(slot)
        if self.arguments is None:
            return slot.raw
        return slot.raw[1:] if slot.kind == "escape" else self.argument(slot, self.arguments)

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

    def argument(self, slot: Slot, arguments: str) -> str:
        value = self.word(int(slot.name)) if slot.name else arguments
        if value is None:
            value = slot.default
        if value is None:
            return slot.raw
        self.used_arguments = True
        return value

    def word(self, index: int) -> str | None:
        return self.words[index] if 0 <= index < len(self.words) else None


def _missing(skeleton: Skeleton, missing: Sequence[tuple[str, Variable]]) -> MissingVariable:
    """One error for all required variables without a value, with the command that gives them one."""
    listed = []
    for id, variable in missing[:MAX_MISSING]:
        about = f" ({variable.description})" if variable.description else ""
        listed.append(f"{variable.name!r}{about} is required by {id}:{variable.line}")
    if len(missing) > MAX_MISSING:
        listed.append(f"and {len(missing) - MAX_MISSING} more")
    what = "variable has" if len(missing) == 1 else "variables have"
    names = dict.fromkeys(draft.id for draft in skeleton.drafts if not draft.chain)
    values = (f"--variable {quote(f'{variable.name}=VALUE')}" for _, variable in missing[:MAX_MISSING])
    typed = " ".join(("promptd assemble", *map(quote, names), *values))
    id, first = missing[0]
    return MissingVariable(
        f"{len(missing)} {what} no value: {', '.join(listed)}; type: {typed}",
        name=first.name,
        id=id,
        line=first.line,
        names=[variable.name for _, variable in missing],
        typed=typed,
    )


def _empty(skeleton: Skeleton, names: Mapping[str, None]) -> Iterator[Note]:
    for name in names:
        id, variable = skeleton.variables[name]
        message = f"variable {name!r} has no value or default; using an empty string"
        yield Note("empty-variable", message, id, variable.line, name)


def _unused(skeleton: Skeleton, variables: Mapping[str, str]) -> Iterator[Note]:
    known = skeleton.layout.names | skeleton.variables.keys()
    for name in sorted(variables.keys() - known):
        listed = ", ".join(sorted(known)[:MAX_NAMED_NEAR]) or "none"
        message = f"variable {name!r} is not used in this prompt; its variables: {listed}"
        yield Note("unused-variable", message, skeleton.drafts[0].id, 1, name)
