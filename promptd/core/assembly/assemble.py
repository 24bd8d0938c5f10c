"""A plan and its texts become a skeleton: parts of text in order, slots where values go, a manifest.

A skeleton depends on the components alone, so it is made once and filled for every set of variables
(`fill`). Everything left out, shortened or missing is an entry and a warning here, with file, line and
the chain that led to it. A component is a generator that writes its own text and yields what is to be
put in next, so depth costs no recursion. Bounds: `max_chars` of text and MAX_ENTRIES pieces, so that a
library of diamonds cannot expand without end.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from promptd.core.assembly.reference import Reference
from promptd.core.assembly.site import Site, sentence
from promptd.core.assembly.skeleton import Draft, Note, Origin, Rules, Skeleton
from promptd.core.assembly.writer import (
    QUICK_CHARS,
    Unfinished,
    Writer,
    ending,
    newline_of,
)
from promptd.core.library.library import Component, Link
from promptd.core.library.lint import did_you_mean
from promptd.core.library.plan import Plan
from promptd.core.syntax.component import PUNCTUATED
from promptd.core.syntax.cutter import Cutter
from promptd.core.syntax.markdown import Body
from promptd.core.syntax.sections import Headings
from promptd.core.syntax.slots import Slot
from promptd.core.syntax.tolerant_yaml import is_true
from promptd.errors import MissingInclude, PromptTooLarge
from promptd.protocol.records import Reason

QUICK_ENTRIES = 500
MAX_ENTRIES = 20_000  # twenty times the directives one file may hold
QUIET = frozenset(
    {"front-matter", "requires", PUNCTUATED}
)  # diagnostics that cost a prompt nothing: `check` shows them


def expand(
    plan: Plan,
    texts: Mapping[str, str],
    rules: Rules,
    count: Callable[[str], int] = len,
    *,
    is_quick: bool = False,
) -> Skeleton:
    """Expand a plan without refusal. `texts`: id -> text of every member; `count`: tokens of a text.

    Raises MissingInclude if `rules.missing` is "error", PromptTooLarge beyond the bounds; with `is_quick`
    Unfinished for what would take more than a few milliseconds.
    """
    if is_quick and sum(map(len, texts.values())) > QUICK_CHARS:
        raise Unfinished
    expansion = _Expansion(plan, texts, rules, count, is_quick=is_quick)
    for id in plan.ids:
        expansion.writer.end_line(0, "\n")
        expansion.run(expansion.members[id])
    expansion.settle()
    return expansion.skeleton


_Visits = Iterator[tuple[Component, Site]]


class _Expansion:
    def __init__(
        self,
        plan: Plan,
        texts: Mapping[str, str],
        rules: Rules,
        count: Callable[[str], int],
        *,
        is_quick: bool,
    ) -> None:
        self.members = {member.id: member for member in plan.members}
        self.texts = texts
        self.rules = rules
        self.count = count
        self.skeleton = Skeleton()
        self.writer = Writer(self.skeleton.parts, rules.max_chars, is_quick=is_quick)
        self._max_entries = QUICK_ENTRIES if is_quick else MAX_ENTRIES
        self.seen: set[tuple[str, str | None]] = set()  # components, and sections of them, put in so far
        self._open: set[str] = set()  # components that are being written
        self._block_end = -1  # the position behind the last text that followed a component
        self._known: set[str] = set()
        self._headings: dict[str, Headings] = {}
        self._bodies: dict[str, Body] = {}
        self._references: dict[str, str] = {}
        self._cutters: list[Cutter] = []

    def run(self, requested: Component) -> None:
        """Write one requested component with all it needs."""
        arguments = requested.parsed.arguments
        replaces_shell = self.rules.shell == "replace"
        self._cutters = [Cutter(arguments, base, replaces_shell) for base in self.rules.arguments_base]
        stack = [self.component(requested, Site())]
        while stack:
            visit = next(stack[-1], None)
            if visit is None:
                stack.pop()
            else:
                stack.append(self.component(*visit))

    def settle(self) -> None:
        """Make text of the variables in fences that no front matter of the prompt declares: they are code."""
        parts, declared = self.skeleton.parts, self.skeleton.variables
        for at, part in enumerate(parts):
            if isinstance(part, Slot) and part.is_in_fence:
                found = declared.get(part.name)
                if found is None or found[1].is_inline:
                    parts[at] = part.raw

    # -- components and directives ------------------------------------------------------------

    def component(self, component: Component, site: Site) -> _Visits:
        """Write a component's own text; yields what is to be written in between, and what follows it."""
        self.declare(component, site)
        draft = self.draft(component.id, component.digest, "included", site)
        self.seen.add((component.id, site.section))
        self._open.add(component.id)
        first = self.writer.position
        position, end = self.span(component, site.section) or (0, 0)
        if site.section is None:
            yield from self.prepended(component, site)
        later: list[tuple[Link, Site]] = []
        for link in component.links:
            directive = link.directive
            if not directive.is_prepended and position <= directive.start and directive.end <= end:
                self.literal(component, position, directive.start)
                position = directive.end
                yield from self.directive(component, link, site, later)
        self.literal(component, position, end)
        for link, below in later:
            yield from self.following(component, link, below, first)
        draft.last = self.writer.position
        self._open.discard(component.id)

    def literal(self, component: Component, start: int, end: int) -> None:
        """The component's own text between two directives, cut at its slots."""
        cutter = self._cutters[component.root if component.root < len(self._cutters) else 0]
        first = self.writer.position
        for part in cutter.cut(self.texts[component.id], start, end, self.body(component)):
            self.writer.write(part)
        self.skeleton.origins.append(Origin(first, self.writer.position, component.id, start, end))

    def body(self, component: Component) -> Body:
        """A component's text as it is scanned, which is done once and only if asked of."""
        if component.id not in self._bodies:
            self._bodies[component.id] = Body(self.texts[component.id], component.parsed.body_start)
        return self._bodies[component.id]

    def span(self, component: Component, section: str | None) -> tuple[int, int] | None:
        """What of a component's text is put in: the body, or one section of it, which may not exist."""
        text, start = self.texts[component.id], component.parsed.body_start
        if section is None:
            return start, len(text)
        if component.id not in self._headings:
            self._headings[component.id] = Headings(text, start)
        return self._headings[component.id].section(section)

    def declare(self, component: Component, site: Site) -> None:
        """Take note, once, of what a component declares and of what is wrong with it."""
        if component.id in self._known:
            return
        self._known.add(component.id)
        for variable in component.parsed.variables:
            held = self.skeleton.variables.setdefault(variable.name, (component.id, variable))[1]
            if held.is_inline and not variable.is_inline:  # front matter says more, wherever it stands
                self.skeleton.variables[variable.name] = component.id, variable
        self.skeleton.notes += [
            Note(problem.kind, problem.message, component.id, problem.line, "", site.chain)
            for problem in component.parsed.diagnostics
            if problem.kind not in QUIET
        ]

    def prepended(self, component: Component, site: Site) -> _Visits:
        """What the front matter includes, each on lines of its own."""
        for link in component.links:
            if link.directive.is_prepended and not link.directive.is_soft:
                since = self.writer.position
                yield from self.directive(component, link, site, [])
                self.writer.end_line(since, newline_of(self.texts[component.id]))

    def directive(
        self, component: Component, link: Link, site: Site, later: list[tuple[Link, Site]]
    ) -> _Visits:
        """What stands in place of a directive, and the line ending where it stood alone.

        What is to follow the component is added to `later`.
        """
        directive, since = link.directive, self.writer.position
        below = site.below(component, directive)
        if link.target is None:
            self.absent(component, link, below, "missing", f"{directive.target!r} {link.reason}")
            return
        if self.follows(component, link) and self.span(self.members[link.target], below.section):
            self.literal(component, directive.start, directive.end)
            later.append((link, below))
            return
        yield from self.target(component, link, below)
        if directive.is_alone:
            self.writer.end_line(since, ending(self.texts[component.id][directive.start : directive.end]))
        elif self._block_end == self.writer.position:
            self.writer.end_line(since, newline_of(self.texts[component.id]))
        elif not directive.is_prepended:
            self.writer.reopen_line(since)

    def follows(self, component: Component, link: Link) -> bool:
        """True for an import inside a line whose text follows the component, as a block of its own."""
        placement = self.rules.imports_of(component.root).placement
        is_inside = link.directive.is_import and not link.directive.is_alone
        return is_inside and placement == "after" and not link.is_reference

    def following(self, component: Component, link: Link, below: Site, first: int) -> _Visits:
        """What an import inside a line, which stays as written, puts behind the component, once."""
        target = self.members[link.target or ""]
        reason = self.objection(target, link, below, is_once=True)
        if reason is not None:
            self.left_out(reason, component, link, below)
            return
        if target.links or self.span(target, below.section) != (len(self.texts[target.id]),) * 2:
            self.writer.blank_line(first, newline_of(self.texts[component.id]))
        yield target, below
        self._block_end = self.writer.position

    def target(self, component: Component, link: Link, below: Site) -> _Visits:
        """What stands for a target that exists, in place of its directive."""
        target = self.members[link.target or ""]
        imports = self.rules.imports_of(component.root)
        is_once = link.directive.is_import and (imports.is_once or below.is_in_memory)
        reason = self.objection(target, link, below, is_once=is_once)
        if reason is None and link.directive.is_import and imports.placement == "marked":
            yield from self.marked(component, link, below)
        elif reason is None:
            yield target, below
        elif reason == "referenced":
            draft = self.draft(target.id, target.digest, "referenced", below)
            self.writer.write(self.reference(target))
            draft.last = self.writer.position
        elif reason == "no-section":
            titles = [title for _, title in self._headings[target.id].titles]
            near = did_you_mean(link.directive.section or "", titles)
            message = f"{sentence(reason, target, below, self.rules)}{near}"
            self.absent(component, link, below, reason, message)
        else:
            if link.directive.is_import and reason != "deduplicated":
                self.literal(component, link.directive.start, link.directive.end)
            self.left_out(reason, component, link, below)

    def marked(self, component: Component, link: Link, below: Site) -> _Visits:
        """The text between two comments that name it, as Gemini CLI has it."""
        written, newline = link.directive.target, newline_of(self.texts[component.id])
        self.writer.write(f"<!-- Imported from: {written} -->{newline}")
        since = self.writer.position
        yield self.members[link.target or ""], below
        self.writer.end_line(since, newline)
        self.writer.write(f"<!-- End of import from: {written} -->")

    def objection(self, target: Component, link: Link, below: Site, *, is_once: bool) -> Reason | None:
        """Why a target's text is not put in, or None."""
        if target.error is not None:
            return "error"
        if link.is_reference:
            return "referenced"
        if target.id in self._open:
            return "cycle"
        if len(below.chain) > self.rules.max_depth or below.hops > self.rules.imports_of(below.root).max_hops:
            return "too-deep"
        if self.span(target, below.section) is None:
            return "no-section"
        if is_once or self.rules.once or is_true(target.parsed.metadata.get("once")):
            return "deduplicated" if self.seen & {(target.id, None), (target.id, below.section)} else None
        return None

    def left_out(self, reason: Reason, component: Component, link: Link, below: Site) -> None:
        """Account for a target whose text is not put in here; what was put in before is no warning."""
        target = self.members[link.target or ""]
        self.draft(target.id, target.digest, reason, below, link.directive.target)
        if reason != "deduplicated":
            self.note(reason, sentence(reason, target, below, self.rules), component, link, below)

    def reference(self, target: Component) -> str:
        """The one line that stands for a component and says how to get it."""
        if target.id not in self._references:
            tokens = self.count(self.texts[target.id][target.parsed.body_start :])
            reference = Reference(target.id, target.description, tokens=tokens, digest=target.digest)
            self._references[target.id] = reference.line
        return self._references[target.id]

    def absent(self, component: Component, link: Link, below: Site, reason: Reason, message: str) -> None:
        """What stands for a target, or a section, that does not exist: of an import the word as written."""
        directive, missing = link.directive, self.rules.missing
        if directive.is_tentative and link.target is None:
            self.literal(component, directive.start, directive.end)
            return
        if missing == "error" and not directive.is_optional:
            raise MissingInclude(
                f"{component.id}:{directive.line}: {message}",
                id=component.id,
                line=directive.line,
                target=directive.target,
                chain=list(below.chain),
            )
        is_said = not directive.is_optional
        if directive.is_import and (is_said or self.follows(component, link)):
            self.literal(component, directive.start, directive.end)  # the file's own text, not a piece of it
        id = link.target if link.target and is_said else directive.target
        draft = self.draft(id, "", reason if is_said else "optional", below, directive.target)
        if is_said:
            if missing == "keep" and not directive.is_import:
                self.literal(component, directive.start, directive.end)
                draft.last = self.writer.position
            self.note(reason, message, component, link, below)

    # -- the record ---------------------------------------------------------------------------

    def draft(self, id: str, digest: str, reason: Reason, site: Site, target: str | None = None) -> Draft:
        """Add a manifest entry that begins here. Raises PromptTooLarge beyond the bound."""
        at = self.writer.position
        draft = Draft(id, digest, reason, site.chain, at, at, site.line, target)
        self.skeleton.drafts.append(draft)
        if len(self.skeleton.drafts) > self._max_entries:
            if self._max_entries < MAX_ENTRIES:
                raise Unfinished
            raise PromptTooLarge(f"the prompt has more than {MAX_ENTRIES} pieces", limit=MAX_ENTRIES)
        return draft

    def note(self, kind: str, message: str, component: Component, link: Link, below: Site) -> None:
        """Add a warning about a directive."""
        directive = link.directive
        note = Note(kind, message, component.id, directive.line, directive.target, below.chain)
        self.skeleton.notes.append(note)


__all__: Sequence[str] = ("Draft", "Note", "Rules", "Skeleton", "expand")
