"""A plan and its texts become a skeleton: parts of text in order, slots where values go, a manifest.

A skeleton depends on the components alone, so it is made once and filled for every set of variables
(`fill`). Everything left out, shortened or missing is an entry and a warning here, with file, line and
the chain that led to it. A component is a generator that writes its own text and yields what is to be
put in next, so depth costs no recursion. Bounds: `max_chars` of text and MAX_ENTRIES pieces, so that a
library of diamonds cannot expand without end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from promptd.core.assembly.reference import Reference
from promptd.core.assembly.skeleton import Draft, Note, Origin, Rules, Skeleton
from promptd.core.assembly.writer import (
    Writer,
    ending,
    newline_of,
)
from promptd.core.library.library import Component, Link
from promptd.core.library.plan import Plan
from promptd.core.syntax.sections import Headings
from promptd.core.syntax.slots import Cutter
from promptd.core.syntax.tolerant_yaml import is_true
from promptd.errors import MissingInclude, PromptTooLarge
from promptd.protocol.records import Reason

MAX_ENTRIES = 20_000  # twice the directives one file may hold
QUIET = frozenset({"front-matter", "requires"})  # diagnostics that cost a prompt nothing: `check` shows them


def expand(plan: Plan, texts: Mapping[str, str], rules: Rules, count: Callable[[str], int] = len) -> Skeleton:
    """Expand a plan without refusal. `texts`: id -> text of every member; `count`: tokens of a text.

    Raises MissingInclude if `rules.missing` is "error", PromptTooLarge beyond the bounds.
    """
    expansion = _Expansion(plan, texts, rules, count)
    for id in plan.ids:
        expansion.writer.end_line(0, "\n")
        expansion.run(expansion.members[id])
    return expansion.skeleton


@dataclass(frozen=True, slots=True)
class _Site:
    """Where in the tree we are: the chain of `id:line` above, and how many at-imports are in it."""

    chain: tuple[str, ...] = ()
    hops: int = 0
    section: str | None = None
    line: int | None = None


_Visits = Iterator[tuple[Component, _Site]]


class _Expansion:
    def __init__(
        self, plan: Plan, texts: Mapping[str, str], rules: Rules, count: Callable[[str], int]
    ) -> None:
        self.members = {member.id: member for member in plan.members}
        self.texts = texts
        self.rules = rules
        self.count = count
        self.skeleton = Skeleton()
        self.writer = Writer(self.skeleton.parts, rules.max_chars)
        self.seen: set[tuple[str, str | None]] = set()  # components, and sections of them, put in so far
        self._known: set[str] = set()
        self._headings: dict[str, Headings] = {}
        self._cutters: list[Cutter] = []

    def run(self, requested: Component) -> None:
        """Write one requested component with all it needs."""
        arguments = requested.parsed.arguments
        replaces_shell = self.rules.shell == "replace"
        self._cutters = [Cutter(arguments, base, replaces_shell) for base in self.rules.arguments_base]
        stack = [self.component(requested, _Site())]
        while stack:
            visit = next(stack[-1], None)
            if visit is None:
                stack.pop()
            else:
                stack.append(self.component(*visit))

    # -- components and directives ------------------------------------------------------------

    def component(self, component: Component, site: _Site) -> _Visits:
        """Write a component's own text; yields what is to be written in between."""
        self.declare(component, site)
        draft = self.draft(component.id, component.digest, "included", site)
        self.seen.add((component.id, site.section))
        position, end = self.span(component, site.section) or (0, 0)
        if site.section is None:
            yield from self.prepended(component, site)
        for link in component.links:
            directive = link.directive
            if not directive.is_prepended and position <= directive.start and directive.end <= end:
                self.literal(component, position, directive.start)
                position = directive.end
                yield from self.directive(component, link, site)
        self.literal(component, position, end)
        draft.last = self.writer.position

    def literal(self, component: Component, start: int, end: int) -> None:
        """The component's own text between two directives, cut at its slots."""
        cutter = self._cutters[component.root if component.root < len(self._cutters) else 0]
        first = self.writer.position
        for part in cutter.cut(self.texts[component.id], start, end):
            self.writer.write(part)
        self.skeleton.origins.append(Origin(first, self.writer.position, component.id, start, end))

    def span(self, component: Component, section: str | None) -> tuple[int, int] | None:
        """What of a component's text is put in: the body, or one section of it, which may not exist."""
        text, start = self.texts[component.id], component.parsed.body_start
        if section is None:
            return start, len(text)
        if component.id not in self._headings:
            self._headings[component.id] = Headings(text, start)
        return self._headings[component.id].section(section)

    def declare(self, component: Component, site: _Site) -> None:
        """Take note, once, of what a component declares and of what is wrong with it."""
        if component.id in self._known:
            return
        self._known.add(component.id)
        for variable in component.parsed.variables:
            self.skeleton.variables.setdefault(variable.name, (component.id, variable))
        self.skeleton.notes += [
            Note(problem.kind, problem.message, component.id, problem.line, "", site.chain)
            for problem in component.parsed.diagnostics
            if problem.kind not in QUIET
        ]

    def prepended(self, component: Component, site: _Site) -> _Visits:
        """What the front matter includes, each on lines of its own."""
        for link in component.links:
            if link.directive.is_prepended and not link.directive.is_soft:
                since = self.writer.position
                yield from self.directive(component, link, site)
                self.writer.end_line(since, newline_of(self.texts[component.id]))

    def directive(self, component: Component, link: Link, site: _Site) -> _Visits:
        """What stands in place of a directive, and the line ending where it stood alone."""
        directive, since = link.directive, self.writer.position
        below = _Site(
            (*site.chain, f"{component.id}:{directive.line}"),
            site.hops + (directive.dialect == "at-import"),
            directive.section,
            directive.line,
        )
        if link.target is None:
            self.absent(component, link, below, "missing", f"{directive.target!r} {link.reason}")
            return
        yield from self.target(component, link, below)
        if directive.is_alone:
            self.writer.end_line(since, ending(self.texts[component.id][directive.start : directive.end]))
        elif not directive.is_prepended:
            self.writer.reopen_line(since)

    def target(self, component: Component, link: Link, below: _Site) -> _Visits:
        """What stands for a target that exists."""
        target = self.members[link.target or ""]
        reason = self.objection(target, link, below)
        if reason is None:
            yield target, below
        elif reason == "referenced":
            draft = self.draft(target.id, target.digest, "referenced", below)
            self.writer.write(self.reference(target))
            draft.last = self.writer.position
        elif reason == "no-section":
            message = f"{target.id} has no section {link.directive.section!r}"
            self.absent(component, link, below, reason, message)
        else:
            self.draft(target.id, target.digest, reason, below, link.directive.target)
            if reason != "deduplicated":
                self.note(reason, self.sentence(reason, target, below), component, link, below)

    def objection(self, target: Component, link: Link, below: _Site) -> Reason | None:
        """Why a target's text is not put in, or None."""
        if target.error is not None:
            return "error"
        if link.is_reference:
            return "referenced"
        if len(below.chain) > self.rules.max_depth or below.hops > self.rules.max_import_hops:
            return "too-deep"
        if self.span(target, below.section) is None:
            return "no-section"
        if self.rules.once or is_true(target.parsed.metadata.get("once")):
            return "deduplicated" if self.seen & {(target.id, None), (target.id, below.section)} else None
        return None

    def sentence(self, reason: Reason, target: Component, below: _Site) -> str:
        """Why a target is left out."""
        if reason == "error":
            return f"{target.id} is left out: {target.error}"
        if below.hops > self.rules.max_import_hops:
            return f"{target.id} is left out: more than {self.rules.max_import_hops} at-import hops"
        return f"{target.id} is left out: includes go deeper than {self.rules.max_depth} levels"

    def reference(self, target: Component) -> str:
        """The one line that stands for a component and says how to get it."""
        body = self.texts[target.id][target.parsed.body_start :]
        return Reference(target.id, target.description, tokens=self.count(body), digest=target.digest).line

    def absent(self, component: Component, link: Link, below: _Site, reason: Reason, message: str) -> None:
        """What stands for a target, or a section, that does not exist."""
        directive = link.directive
        if directive.is_tentative and link.target is None:
            self.literal(component, directive.start, directive.end)
            return
        if directive.is_optional:
            self.draft(directive.target, "", "optional", below, directive.target)
            return
        if self.rules.missing == "error":
            raise MissingInclude(
                f"{component.id}:{directive.line}: {message}",
                id=component.id,
                line=directive.line,
                target=directive.target,
                chain=list(below.chain),
            )
        draft = self.draft(link.target or directive.target, "", reason, below, directive.target)
        if self.rules.missing == "keep":
            self.literal(component, directive.start, directive.end)
        draft.last = self.writer.position
        self.note(reason, message, component, link, below)

    # -- the record ---------------------------------------------------------------------------

    def draft(self, id: str, digest: str, reason: Reason, site: _Site, target: str | None = None) -> Draft:
        """Add a manifest entry that begins here. Raises PromptTooLarge beyond the bound."""
        at = self.writer.position
        draft = Draft(id, digest, reason, site.chain, at, at, site.line, target)
        self.skeleton.drafts.append(draft)
        if len(self.skeleton.drafts) > MAX_ENTRIES:
            raise PromptTooLarge(f"the prompt has more than {MAX_ENTRIES} pieces", limit=MAX_ENTRIES)
        return draft

    def note(self, kind: str, message: str, component: Component, link: Link, below: _Site) -> None:
        """Add a warning about a directive."""
        directive = link.directive
        note = Note(kind, message, component.id, directive.line, directive.target, below.chain)
        self.skeleton.notes.append(note)


__all__: Sequence[str] = ("Draft", "Note", "Rules", "Skeleton", "expand")
