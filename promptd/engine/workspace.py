"""A workspace: one library with its source and its caches, and the decisions of a request and of a change.

Two straight paths. A request: `attempt` answers from what is held if all evidence it rests on still holds
in this check, else says what must be read first. A change: `apply` takes readings into the library, drops
what they invalidate, and calls the observers. Both are plain functions: their driver (the daemon's
loop, the embedded engine) does the waiting in between. There is one writer and no lock: call everything
here from one thread.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from promptd.config import Config
from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.writer import Unfinished
from promptd.core.library.library import Component, Delta, Library
from promptd.core.library.plan import Plan, plan
from promptd.core.syntax.component import Place, Reading
from promptd.core.syntax.dialects import resolved
from promptd.core.tokens.segments import Segments
from promptd.engine import attempt as attempts
from promptd.engine.attempt import Attempt, Needs
from promptd.engine.cache import Cache, CacheStatistics
from promptd.engine.contents import Contents
from promptd.engine.hot_set import HotSet
from promptd.engine.prompts.builder import make
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.options import rules_of
from promptd.engine.prompts.rendered import is_costly
from promptd.engine.prompts.shared import (
    CompiledPrompt,
    OptimiserState,
    OptimiserStatistics,
    Texts,
    Words,
    Work,
    compile_prompt,
)
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.usage import Usage
from promptd.protocol.request import Request
from promptd.sources.base import Check, Listing, Source
from promptd.sources.loader import Loader, Workers

MAX_EXPANSIONS = 3  # beside the loop, of a library that never rests; then the next is made on it
LARGE_BYTES = 262_144  # of a prompt that is forgotten soon after it was last asked for

Observer = Callable[[Delta, tuple[Request, ...]], None]  # a change, and the prompts it made untrue


@dataclass(frozen=True, slots=True)
class Served:
    """Prompts that needed no file read (`hits`), held or made anew, and those that did (`misses`)."""

    hits: int
    misses: int


@dataclass(frozen=True, slots=True)
class CachesStatistics:
    """Statistics of the three caches, and of all of them together."""

    served: Served
    components: CacheStatistics
    prompts: CacheStatistics
    compiled_prompts: CacheStatistics


@dataclass(slots=True)
class Scanned:
    """What the last whole scan said besides files; `is_complete` once there was one."""

    is_complete: bool = False
    problems: tuple[str, ...] = ()
    lookalikes: tuple[Place, ...] = ()


class Workspace:
    """One library of one source, held in memory and kept equal to it."""

    def __init__(
        self, config: Config, source: Source, contents: Contents, *, instance: str, now_s: float
    ) -> None:
        self.config = config
        self.instance = instance
        self.source = source
        self.contents = contents
        workers = Workers(config.loading.min_workers, config.loading.max_workers)
        dialects = [
            resolved(root.dialects, f"roots[{number}].dialects") for number, root in enumerate(config.roots)
        ]
        self.loader = Loader(source, dialects, workers)
        self.library = Library(source.names, len(source.roots))
        self.optimiser = OptimiserState(config, contents.segments, contents.tokenizer.name, rules_of(config))
        cache = config.cache
        self.usage = Usage(HotSet(cache.hot_set, cache.hot_half_life, now_s), self.optimiser)
        self.prompts: Cache[Request, CachedPrompt] = Cache(
            cache.prompt_entries, cache.prompt_size, self.usage.take
        )
        self._compiled: Cache[tuple[str, ...], CompiledPrompt] = Cache(
            cache.prompt_entries, cache.prompt_size
        )
        self.observers: list[Observer] = []
        self.scanned = Scanned()

    def __repr__(self) -> str:
        return f"<Workspace of {self.source.name}: {self.library!r} {self.instance}>"

    def beside(self, source: Source) -> "Workspace":
        """A workspace of another source by the same configuration; what is keyed by digest is shared."""
        instance = f"{self.instance}@{source.name}".replace(":", "-")  # a clock has colons of its own
        made = Workspace(self.config, source, self.contents, instance=instance, now_s=0.0)
        made.loader.shared = self.contents.parses
        return made

    def share_parses(self) -> None:
        """Put what was parsed here at the disposal of workspaces beside this one."""
        self.loader.shared = parses = self.contents.parses
        for reading in self.library.readings():
            if reading.parsed is not None and reading.digest:
                parses.put(self.loader.dialects[reading.place.root], reading.digest, reading.parsed)

    @property
    def clock(self) -> str:
        """`c:<instance>:<revision>`: what the library looked like, in one word."""
        return f"c:{self.instance}:{self.library.revision}"

    @property
    def tokenizer(self) -> Tokenizer:
        """What counts tokens."""
        return self.contents.tokenizer

    @property
    def segments(self) -> Segments:
        """Token counts of what was counted before."""
        return self.contents.segments

    @property
    def texts(self) -> Cache[str, str]:
        """Texts of components, by digest."""
        return self.contents.texts

    @property
    def hot(self) -> HotSet:
        """Which components are used most."""
        return self.usage.hot

    # -- a request ----------------------------------------------------------------------------

    def current(self, request: Request, check: Check) -> CachedPrompt | None:
        """The cached prompt if all evidence it rests on holds in this check, else None; counts as a use."""
        cached = self.prompts.peek(request)
        if (
            cached is None
            or not check.holds(cached.prompt.evidence, self.library.revision)
            or (cached.prompt.idf_version >= 0 and not self.optimiser.is_current(cached.prompt))
        ):
            return None
        cached.uses += 1
        return self.prompts.get(request)

    def used_again(self, cached: CachedPrompt) -> None:
        """Count a further answer with a prompt that is current in the same check."""
        cached.uses += 1
        self.prompts.hit(1)

    def render(self, request: Request, check: Check) -> bytes | None:
        """The reply to a request with values that come for the first time; None: make it.

        The second time it is made in full and cached.
        """
        if not request.variables or request.arguments is not None or request.options is not None:
            return None
        compiled = self._compiled.peek(request.names)
        template = compiled and compiled.templates.get(tuple([name for name, _ in request.variables]))
        if not compiled or not template or request in self.prompts or self.usage.was_asked_once(request):
            return None
        if is_costly(compiled.skeleton, request) or not self.holds(compiled.evidence, check):
            return None
        self._compiled.get(request.names)
        limits = self.config.library.max_prompt_bytes // 4, self.config.tokens.max_context_tokens
        found = template.render(dict(request.variables), self.clock, *limits)
        if found is None:
            return None
        reply, tokens = found
        self.usage.rendered(request, compiled.ids, compiled.evidence, tokens)
        self.prompts.miss()
        self.optimiser.note_prefix(request, compiled.ids, template.prefix, template.stable_tokens, None)
        return reply

    def attempt(self, attempt: Attempt, check: Check) -> CachedPrompt | Needs | Work | Words | Texts:
        """Answer, or say what has to be done first. Raises the PromptdError that is the answer."""
        compiled = self._compile(attempt, check)
        return compiled if isinstance(compiled, Needs | Work) else self._finish(attempt, compiled)

    def _compile(self, attempt: Attempt, check: Check) -> CompiledPrompt | Needs | Work:
        names = attempt.request.names
        held = self._compiled.get(names)
        if held is not None and self.holds(held.evidence, check):
            return held
        found = plan(self.library, names)
        evidence = self.evidence(found)
        members = () if found.refusal is not None else found.members
        if needs := self.needs(evidence, members, attempt, check):
            return needs
        if found.refusal is not None:
            raise found.refusal
        return self._expand(attempt, found, evidence)

    def needs(
        self, evidence: Evidence, members: Iterable[Component], attempt: Attempt, check: Check
    ) -> Needs:
        """What must be done first: until the evidence holds, and until the members' texts are at hand."""
        if look := check.pending(evidence):
            return Needs(look=look)
        needs = attempts.needs(evidence, attempt, check)
        if not needs.places:
            needs = Needs(tuple(self.without_text(members, attempt))) or needs
        return needs

    def without_text(self, members: Iterable[Component], attempt: Attempt) -> Iterable[Place]:
        """The places of usable components whose text is at hand neither in the cache nor in the attempt."""
        for member in members:
            if member.digest not in self.texts and self.text_of(member, attempt) is None:
                yield member.place

    def text_of(self, member: Component, attempt: Attempt) -> str | None:
        """A component's text as of its digest; "" for one that cannot be used."""
        if member.error is not None:
            return ""
        reading = attempt.readings.get(member.id)
        if reading is not None and reading.digest == member.digest:
            return reading.text
        return self.texts.get(member.digest)

    def size_of(self, place: Place) -> int:
        """The size of a file when it was last seen, in bytes; 0 if it was not."""
        held = self.library.get(place.id)
        return 0 if held is None or held.signature is None else held.signature.size

    def _expand(self, attempt: Attempt, found: Plan, evidence: Evidence) -> CompiledPrompt | Work:
        """At once if that is quick, else beside the loop, as long as nothing changes meanwhile."""
        if attempt.expanded is not None and attempt.expanded[0] == self.library.revision:
            compiled = attempt.expanded[1]
            assert isinstance(compiled, CompiledPrompt)
            return compiled
        texts = {member.id: self.text_of(member, attempt) or "" for member in found.members}
        run = partial(compile_prompt, found, evidence, texts, self.optimiser)
        try:
            return self._keep_compiled(attempt, run(is_quick=attempt.expansions < MAX_EXPANSIONS))
        except Unfinished:
            revision = self.library.revision

        def keep(compiled: CompiledPrompt) -> None:
            attempt.expansions += 1
            if self.library.revision == revision:
                attempt.expanded = revision, self._keep_compiled(attempt, compiled)

        return Work(run, keep)

    def _keep_compiled(self, attempt: Attempt, compiled: CompiledPrompt) -> CompiledPrompt:
        self._compiled.put(attempt.request.names, compiled, compiled.size_bytes)
        return compiled

    def _finish(self, attempt: Attempt, compiled: CompiledPrompt) -> CachedPrompt | Work | Words | Texts:
        made = make(self.optimiser, attempt, compiled)
        if isinstance(made, CachedPrompt):
            self.prompts.miss()
            self.usage.made_cold += bool(attempt.reads)
            if attempt.is_consistent:
                self.prompts.put(attempt.request, made, made.prompt.size_bytes + attempt.request.size_bytes)
            else:
                self.usage.take(attempt.request, made)
        return made

    # -- evidence --------------------------------------------------------------------------------

    def evidence(self, found: Plan) -> Evidence:
        """The evidence that a plan rests on."""
        rivals = (
            self.library.get(id) for member in found.members for link in member.links for id in link.rivals
        )
        components = dict.fromkeys((*found.members, *filter(None, rivals), *found.witnesses))
        return self.source.evidence(tuple(components), found.absent)

    def holds(self, evidence: Evidence, check: Check) -> bool:
        """True if nothing in the evidence has changed since it was read."""
        return check.holds(evidence, self.library.revision)

    # -- a change -----------------------------------------------------------------------------

    def apply(self, readings: Iterable[Reading], *, preload: bool = False) -> Delta:
        """Take readings in, drop what they invalidate, call the observers if there was a change.

        `preload`: these texts are read ahead, not for a request.
        """
        readings = list(readings)
        held = (self.library.get(reading.place.id) for reading in readings)
        former = {component.id: component.digest for component in held if component is not None}
        delta = self.library.apply(readings)
        for id in (*delta.changed, *delta.removed):
            self.texts.discard(former.get(id, ""))
        self.optimiser.changed((*delta.added, *delta.changed), delta.removed)
        for reading in readings:
            self._keep_text(reading, preload=preload)
        if delta:
            dropped = self._forget(delta)
            for observer in self.observers:
                observer(delta, dropped)
        return delta

    def _keep_text(self, reading: Reading, *, preload: bool) -> None:
        component = self.library.get(reading.place.id)
        if component is None or reading.text is None or component.digest != reading.digest:
            return
        self.optimiser.learn(component.id, reading.text)
        if component.digest not in self.texts:
            size_bytes = len(reading.text.encode()) + 64
            self.texts.put(component.digest, reading.text, size_bytes, preload=preload)

    def _forget(self, delta: Delta) -> tuple[Request, ...]:
        """Drop the prompts that contain something affected; others are byte-stable and stay."""
        affected, held = delta.affected, self.prompts.items()
        dropped = [at for at, cached in held if cached.prompt.evidence.is_touched_by(affected)]
        for request in dropped:
            self.prompts.discard(request)
        for names, compiled in self._compiled.items():
            if compiled.evidence.is_touched_by(delta.affected):
                self._compiled.discard(names)
        self.hot.forget(delta.removed)
        return tuple(dropped)

    def forget_prompts(self) -> None:
        """Drop everything that was made, but nothing that was read: a count in it was wrong."""
        for request, _ in self.prompts.items():
            self.prompts.discard(request)
        for names, _ in self._compiled.items():
            self._compiled.discard(names)

    def note_listing(self, listing: Listing) -> None:
        """Remember what a scan saw besides files: problems to report, and that there was one."""
        self.scanned = Scanned(True, listing.problems, listing.lookalikes)
        self.loader.index = None  # from here on everything is held

    # -- the hot set --------------------------------------------------------------------------

    def fold_uses(self, now_s: float) -> None:
        """Count the uses of prompts since the last call towards their components."""
        self.usage.fold(self.prompts.items(), self.library, now_s)

    def pin_hot(self) -> list[Place]:
        """Pin the hot set; returns the places of those whose text is not in the cache."""
        hot = self._hottest()
        pinned = self.texts.pin(dict.fromkeys(component.digest for component in hot))
        return sorted(each.place for each in hot if each.digest in pinned and each.digest not in self.texts)

    def hot_texts(self) -> list[str]:
        """Bodies of the hot set, as far as they are in the cache."""
        held = ((each, self.texts.peek(each.digest)) for each in self._hottest())
        return [text[each.parsed.body_start :] for each, text in held if text]

    def _hottest(self) -> list[Component]:
        ids = self.hot.hottest(self._is_usable, self._seeds())
        return [component for id in ids if (component := self.library.get(id)) is not None]

    def _is_usable(self, id: str) -> bool:
        component = self.library.get(id)
        return component is not None and component.error is None

    def _seeds(self) -> Iterator[str]:
        """What is hot while nothing has been used: most required first, found only if it is asked for."""
        yield from filter(self._is_usable, self.library.graph.most_required(2 * self.hot.size))

    def statistics(self) -> CachesStatistics:
        """Statistics of the caches; library, loader and segments have their own."""
        prompts = self.prompts.statistics()
        served = Served(prompts.hits + prompts.misses - self.usage.made_cold, self.usage.made_cold)
        return CachesStatistics(served, self.texts.statistics(), prompts, self._compiled.statistics())

    def savings(self) -> OptimiserStatistics:
        """What strategies and budgets saved so far, uses of prompts that are held included."""
        for request, cached in self.prompts.items():
            self.usage.take(request, cached)
        return self.optimiser.statistics()

    def let_go(self) -> None:
        """Forget what is large and was not asked for since the last call."""
        for cache in (self.prompts, self._compiled):
            cache.let_go(LARGE_BYTES)

    def shed(self) -> None:
        """Forget all that can be made again, but for the hot set: memory is short."""
        for cache in (self.prompts, self._compiled, self.texts, self.optimiser.variants):
            cache.clear()
        self.segments.forget()

    def close(self) -> None:
        """End the loader's threads."""
        self.loader.close()
