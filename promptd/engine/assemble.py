"""A plan and its texts become a skeleton: parts of text in order, slots where values go, a manifest.

A skeleton depends on the components alone, so it is made once and filled for every set of variables
(`fill`). Everything left out, shortened or missing is an entry and a warning here, with file, line and
the chain that led to it. Bounds: `max_chars` of text and MAX_ENTRIES pieces, so that a library of
diamonds cannot expand without end.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from promptd.engine.component import Directive, Variable
from promptd.engine.library import Component, Link
from promptd.engine.plan import Plan
from promptd.engine.sections import section_span
from promptd.errors import MissingInclude, PromptTooLarge

MAX_ENTRIES = 50_000

Reason = Literal[
    "included", "deduplicated", "referenced", "missing", "optional", "too-deep", "error", "no-section"
]


@dataclass(frozen=True, slots=True)
class Rules:
    """How one library is assembled; the names are those of `[library]` in the configuration."""

    missing: Literal["warn", "error", "keep"] = "warn"
    shell: Literal["keep", "replace"] = "keep"
    once: bool = False
    max_depth: int = 64
    max_import_hops: int = 4
    max_chars: int = 16_777_216
    variables: Mapping[str, str] = field(default_factory=dict)
    arguments_base: tuple[int, ...] = (0,)  # per root: what `$N` calls the first argument


@dataclass(frozen=True, slots=True)
class Slot:
    r"""A place for a value: the written text stands if there is none.

    `kind` "variable": `name`, with an inline `default`; "argument": `name` is "" for all, an index in
    digits, or a declared name; "escape": `raw` is `\$1`, which loses its backslash when arguments are
    given.
    """

    kind: Literal["variable", "argument", "escape"]
    raw: str
    name: str = ""
    default: str | None = None


@dataclass(slots=True)
class Draft:
    """A manifest entry before its span is known: parts [first, last)."""

    id: str
    digest: str
    reason: Reason
    chain: tuple[str, ...]
    first: int
    last: int
    line: int | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A warning about one place in one component."""

    kind: str
    message: str
    id: str
    line: int
    target: str = ""
    chain: tuple[str, ...] = ()


@dataclass(slots=True)
class Skeleton:
    """Parts in order, what they came from, and what the components declare."""

    parts: list[str | Slot] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    variables: dict[str, tuple[str, Variable]] = field(default_factory=dict)  # name -> (declaring id, it)
    arguments: tuple[str, ...] = ()

    def __repr__(self) -> str:
        slots = sum(isinstance(part, Slot) for part in self.parts)
        return f"<Skeleton {len(self.parts)} parts, {slots} slots, {len(self.drafts)} entries>"


_BRACES = (
    r"\{\{[ \t]*(?P<double>[A-Za-z_][\w.-]*)[ \t]*(?:\|(?P<default>[^{}\n]*))?\}\}"
    r"|(?<!\{)\{(?P<single>[A-Za-z_][\w.-]*)\}(?!\})"
)
_ARGUMENTS = (
    r"|(?P<escape>\\)?\$(?:ARGUMENTS(?:\[(?P<index>\d{1,4})\]|(?!\w))"
    r"|(?P<short>\d{1,4})(?!\w)|(?P<name>[A-Za-z_]\w*))"
)
# At most 400 lines, so that many unclosed blocks cannot make the search quadratic.
_SHELL = r"|(?P<shell>!`[^`\n]*`|^[ \t]*```![^\n]*\n(?:[^\n]*\n){0,400}?[ \t]*```[ \t]*$)"
_SLOT = re.compile(_BRACES + _ARGUMENTS + _SHELL, re.MULTILINE)
_SLOT_HINT = re.compile(r"[{$]|!`|```!")
SHELL_DISABLED = "[shell command execution disabled by policy]"


def expand(plan: Plan, texts: Mapping[str, str], rules: Rules, count: Callable[[str], int] = len) -> Skeleton:
    """Expand a plan without refusal. `texts`: id -> text of every member; `count`: tokens of a text.

    Raises MissingInclude if `rules.missing` is "error", PromptTooLarge beyond the bounds.
    """
    expansion = _Expansion(plan, texts, rules, count)
    for index, id in enumerate(plan.ids):
        if index:
            expansion.end_line("\n")
        expansion.component(expansion.members[id], _Site())
    return expansion.skeleton


@dataclass(frozen=True, slots=True)
class _Site:
    """Where in the tree we are: the chain of `id:line` above, and how many at-imports are in it."""

    chain: tuple[str, ...] = ()
    hops: int = 0
    section: str | None = None
    line: int | None = None


class _Expansion:
    def __init__(
        self, plan: Plan, texts: Mapping[str, str], rules: Rules, count: Callable[[str], int]
    ) -> None:
        self.members = {member.id: member for member in plan.members}
        self.texts = texts
        self.rules = rules
        self.count = count
        self.skeleton = Skeleton()
        self.chars = 0
        self.seen: set[str] = set()
        root = self.members[plan.ids[0]]
        self.skeleton.arguments = root.parsed.arguments

    # -- text ---------------------------------------------------------------------------------

    def emit(self, part: str | Slot) -> None:
        if part:
            self.skeleton.parts.append(part)
            self.chars += len(part if isinstance(part, str) else part.raw)
            if self.chars > self.rules.max_chars:
                raise PromptTooLarge(
                    f"the prompt expands to more than {self.rules.max_chars} characters;"
                    " raise library.max_prompt_bytes or include less",
                    limit=self.rules.max_chars,
                )

    def literal(self, component: Component, start: int, end: int) -> None:
        """The component's own text between two directives, cut at its slots."""
        text = self.texts[component.id]
        if _SLOT_HINT.search(text, start, end) is None:
            self.emit(text[start:end])
            return
        position = start
        for match in _SLOT.finditer(text, start, end):
            slot = self.slot(match, component.root)
            if slot is not None:
                self.emit(text[position : match.start()])
                self.emit(slot)
                position = match.end()
        self.emit(text[position:end])

    def slot(self, match: re.Match[str], root: int) -> str | Slot | None:
        raw = match[0]
        if match["double"] or match["single"]:
            return Slot("variable", raw, match["double"] or match["single"], match["default"])
        if match["shell"]:
            return SHELL_DISABLED if self.rules.shell == "replace" else None
        if match["name"] and match["name"] not in self.skeleton.arguments:
            return None
        if match["escape"]:
            return Slot("escape", raw)
        index = match["index"]
        if match["short"]:
            base = self.rules.arguments_base[root] if root < len(self.rules.arguments_base) else 0
            index = str(int(match["short"]) - base)
        return Slot("argument", raw, match["name"] or index or "")

    def end_line(self, newline: str) -> None:
        """Close the last line if it is still open."""
        if newline and self.skeleton.parts:
            last = self.skeleton.parts[-1]
            if isinstance(last, Slot) or not last.endswith("\n"):
                self.emit(newline)

    def open_line(self, since: int) -> None:
        """Take the line ending off an included text that stands inside a line."""
        if len(self.skeleton.parts) > since:
            last = self.skeleton.parts[-1]
            if isinstance(last, str) and last.endswith("\n"):
                self.skeleton.parts[-1] = last.removesuffix("\n").removesuffix("\r")

    # -- components and directives ------------------------------------------------------------

    def component(self, component: Component, site: _Site) -> None:
        span = self.span(component, site)
        self.declare(component)
        draft = self.draft(component.id, component.digest, "included", site)
        self.seen.add(component.id)
        self.prepend(component, site)
        position, end = span
        for link in component.links:
            directive = link.directive
            if directive.is_prepended or directive.start < position or directive.end > end:
                continue
            self.literal(component, position, directive.start)
            position = directive.end
            self.directive(component, link, site)
        self.literal(component, position, end)
        draft.last = len(self.skeleton.parts)

    def span(self, component: Component, site: _Site) -> tuple[int, int]:
        text = self.texts[component.id]
        start = component.parsed.body_start
        found = section_span(text, start, site.section) if site.section else (start, len(text))
        return found or (0, 0)

    def prepend(self, component: Component, site: _Site) -> None:
        if site.section:
            return
        for link in component.links:
            if link.directive.is_prepended and not link.directive.is_soft:
                since = len(self.skeleton.parts)
                self.directive(component, link, site)
                if len(self.skeleton.parts) > since:
                    self.end_line("\n")

    def declare(self, component: Component) -> None:
        for variable in component.parsed.variables:
            self.skeleton.variables.setdefault(variable.name, (component.id, variable))

    def directive(self, component: Component, link: Link, site: _Site) -> None:
        directive = link.directive
        text = self.texts[component.id]
        written = text[directive.start : directive.end]
        if link.target is None:
            self.absent(component, link, site, written)
            return
        since = len(self.skeleton.parts)
        below = _Site(
            (*site.chain, f"{component.id}:{directive.line}"),
            site.hops + (directive.dialect == "at-import"),
            directive.section,
            directive.line,
        )
        self.target(component, link, below)
        if not directive.is_alone:
            if not directive.is_prepended:
                self.open_line(since)
        elif len(self.skeleton.parts) > since and written.endswith("\n"):
            self.end_line("\r\n" if written.endswith("\r\n") else "\n")

    def target(self, component: Component, link: Link, below: _Site) -> None:
        """The text of a directive whose target exists."""
        target = self.members[link.target or ""]
        reason = self.objection(target, link.directive, below)
        if reason is None:
            self.component(target, below)
        elif reason == "referenced":
            draft = self.draft(target.id, target.digest, "referenced", below)
            self.emit(self.reference(target))
            draft.last = len(self.skeleton.parts)
        else:
            self.draft(target.id, target.digest, reason, below, link.directive.target)
            if reason != "deduplicated":
                self.note(reason, self.sentence(reason, target, link), component, link, below)

    def objection(self, target: Component, directive: Directive, below: _Site) -> Reason | None:
        """Why a target's text is not put in, or None."""
        if target.error is not None:
            return "error"
        if directive.is_reference or target.parsed.metadata.get("mode") == "reference":
            return "referenced"
        if len(below.chain) > self.rules.max_depth or below.hops > self.rules.max_import_hops:
            return "too-deep"
        if target.id in self.seen and (self.rules.once or target.parsed.metadata.get("once") is True):
            return "deduplicated"
        if directive.section and not section_span(
            self.texts[target.id], target.parsed.body_start, directive.section
        ):
            return "no-section"
        return None

    def sentence(self, reason: Reason, target: Component, link: Link) -> str:
        if reason == "error":
            return f"{target.id} cannot be used: {target.error}"
        if reason == "no-section":
            return f"{target.id} has no section {link.directive.section!r}"
        hops, depth = self.rules.max_import_hops, self.rules.max_depth
        return f"{target.id} is left out: includes go deeper than {depth} levels or {hops} at-import hops"

    def reference(self, target: Component) -> str:
        body = self.texts[target.id][target.parsed.body_start :]
        about = f" — {target.description}" if target.description else ""
        return f"[{target.id}{about} ({self.count(body)} tokens); fetch with: promptd get {target.id}]"

    def absent(self, component: Component, link: Link, site: _Site, written: str) -> None:
        """The text of a directive whose target does not exist."""
        directive = link.directive
        if directive.is_tentative:
            self.emit(written)
            return
        chain = (*site.chain, f"{component.id}:{directive.line}")
        below = _Site(chain, line=directive.line)
        if directive.is_optional:
            self.draft(directive.target, "", "optional", below, directive.target)
            return
        sentence = f"{directive.target!r} {link.reason}"
        if self.rules.missing == "error":
            raise MissingInclude(
                f"{component.id}:{directive.line}: {sentence}",
                id=component.id,
                line=directive.line,
                target=directive.target,
                chain=list(chain),
            )
        draft = self.draft(directive.target, "", "missing", below, directive.target)
        if self.rules.missing == "keep":
            self.emit(written)
        draft.last = len(self.skeleton.parts)
        self.note("missing", sentence, component, link, below)

    def draft(self, id: str, digest: str, reason: Reason, site: _Site, target: str | None = None) -> Draft:
        at = len(self.skeleton.parts)
        draft = Draft(id, digest, reason, site.chain, at, at, site.line, target)
        self.skeleton.drafts.append(draft)
        if len(self.skeleton.drafts) > MAX_ENTRIES:
            raise PromptTooLarge(f"the prompt has more than {MAX_ENTRIES} pieces", limit=MAX_ENTRIES)
        return draft

    def note(self, kind: str, message: str, component: Component, link: Link, below: _Site) -> None:
        directive = link.directive
        note = Note(kind, message, component.id, directive.line, directive.target, below.chain)
        self.skeleton.notes.append(note)


def entries_of(drafts: Sequence[Draft]) -> int:
    """How many pieces of a prompt carry text."""
    return sum(draft.reason in ("included", "referenced") for draft in drafts)
