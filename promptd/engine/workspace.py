"""The workspace: one library, its caches and its doors, and the decisions of a request and of a change.

Two straight paths. A request: `attempt` answers from what is held if every fact it rests on still holds
in this sweep, else says which places must be read first. A change: `apply` takes readings into the
library, forgets what they made untrue, and tells the observers. Both are plain functions: whoever drives
them (the daemon's loop, the embedded engine) does the waiting in between. There is one writer and no
lock: call everything here from one thread.

Freshness (DESIGN.md §4): an answer is given only when every fact it rests on has been checked after the
request arrived (`freshness`).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from promptd.config import Config
from promptd.core.assembly.assemble import Rules, expand
from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.prompt import Prompt
from promptd.core.library.library import Component, Delta, Library
from promptd.core.library.plan import Plan, plan
from promptd.core.library.resolve import NamingRules, Refused
from promptd.core.syntax.component import Place, Reading
from promptd.core.tokens.segments import Segments
from promptd.engine import attempt as freshness
from promptd.engine.attempt import Attempt, Needs
from promptd.engine.cache import Cache, CacheStatistics
from promptd.engine.hot_set import HotSet
from promptd.engine.prompts.builder import make
from promptd.engine.prompts.shared import (
    CompiledPrompt,
    OptimiserState,
    OptimiserStatistics,
    Words,
    Work,
)
from promptd.engine.tokenizer import Tokenizer
from promptd.protocol.request import Request
from promptd.sources.loader import Loader, Workers
from promptd.sources.worktree.files import Files, Sweep
from promptd.sources.worktree.walk import Listing

MAX_STRUCK = 4_096  # requests remembered for having been asked once

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
    skeletons: CacheStatistics


class Workspace:
    """Holds one library hot and true."""

    def __init__(self, config: Config, tokenizer: Tokenizer, *, instance: str, now_s: float) -> None:
        self.config = config
        self.instance = instance
        self.tokenizer = tokenizer
        names = NamingRules(config.library.suffixes, config.library.aliases, config.library.ignore)
        roots = [root.path for root in config.roots]
        self.files = Files(
            roots, names, max_bytes=config.library.max_component_bytes, max_files=config.library.max_files
        )
        workers = Workers(config.loading.min_workers, config.loading.max_workers)
        self.loader = Loader(self.files, [root.dialects for root in config.roots], workers)
        self.library = Library(names, len(roots))
        self.segments = Segments(tokenizer.count_many, is_additive=tokenizer.is_additive)
        self.rules = _rules(config)
        self.optimiser = OptimiserState(config, self.segments, tokenizer.name, self.rules)
        cache = config.cache
        self.texts: Cache[str, str] = Cache(cache.entries, cache.bytes)
        self.prompts: Cache[Request, Prompt] = Cache(cache.prompt_entries, cache.prompt_bytes, self._spend)
        self._outlines: Cache[tuple[str, ...], CompiledPrompt] = Cache(
            cache.prompt_entries, cache.prompt_bytes
        )
        self.hot = HotSet(cache.hot_set, cache.hot_half_life_s, now_s)
        self._made_cold = 0  # prompts for which a file had to be read
        self._struck: set[Request] = set()  # answered by a stamp: who asks again gets a prompt that is kept
        self._uses: Counter[Evidence] = Counter()  # of prompts, by what they rest on, until they are folded
        self.observers: list[Observer] = []
        self.problems: tuple[str, ...] = ()
        self.directories: tuple[str, ...] = tuple(self.files.roots)
        self.is_complete = False  # True once a whole scan has been applied

    def __repr__(self) -> str:
        return f"<Workspace {self.library!r} {self.instance}>"

    @property
    def clock(self) -> str:
        """`c:<instance>:<revision>`: what the library looked like, in one word."""
        return f"c:{self.instance}:{self.library.revision}"

    # -- a request ----------------------------------------------------------------------------

    def current(self, request: Request, sweep: Sweep) -> Prompt | None:
        """The cached prompt if every fact it rests on holds in this sweep, else None."""
        prompt = self.prompts.peek(request)
        if (
            prompt is None
            or not freshness.holds(prompt.facts, sweep, self.library.revision)
            or (prompt.idf_version >= 0 and not self.optimiser.is_current(prompt))
        ):
            return None
        prompt.uses += 1
        return self.prompts.get(request)

    def used_again(self, prompt: Prompt) -> None:
        """Count a further answer with a prompt that is current in the same sweep."""
        prompt.uses += 1
        self.prompts.hit(1)

    def strike(self, request: Request, sweep: Sweep) -> bytes | None:
        """The reply to a request with values that come for the first time, but for its end; None: make it.

        The second time it is made in full and cached.
        """
        if not request.variables or request.arguments is not None or request.options is not None:
            return None
        outline = self._outlines.peek(request.names)
        stamp = outline and outline.templates.get(tuple([name for name, _ in request.variables]))
        if not outline or not stamp or request in self._struck or request in self.prompts:
            return None
        if not self.holds(outline.facts, sweep):
            return None
        self._outlines.get(request.names)
        limits = self.config.library.max_prompt_bytes // 4, self.config.tokens.max_context_tokens
        found = stamp.strike(dict(request.variables), *limits)
        struck = None
        if found is not None:
            struck, tokens = found
            self.optimiser.count_rendered(request, outline.facts, tokens)
            if len(self._struck) >= MAX_STRUCK:
                self._struck.clear()
            self._struck.add(request)
            self.prompts.miss()
            self.optimiser.note_prefix(request, stamp.prefix, stamp.stable_tokens, None)
            self._uses[outline.facts] += 1
        return struck

    def attempt(self, attempt: Attempt, sweep: Sweep) -> Prompt | Needs | Work | Words:
        """Answer, or say what has to be done first. Raises the PromptdError that is the answer."""
        outline = self._outline(attempt, sweep)
        return outline if isinstance(outline, Needs) else self._finish(attempt, outline)

    def _outline(self, attempt: Attempt, sweep: Sweep) -> CompiledPrompt | Needs:
        names = attempt.request.names
        held = self._outlines.get(names)
        if held is not None and self.holds(held.facts, sweep):
            return held
        found = plan(self.library, names)
        facts = self.facts(found)
        members = () if found.refusal is not None else found.members
        if needs := self.needs(facts, members, attempt, sweep):
            return needs
        if found.refusal is not None:
            raise found.refusal
        return self._expand(attempt, found, facts)

    def needs(self, facts: Evidence, members: Iterable[Component], attempt: Attempt, sweep: Sweep) -> Needs:
        """What must be done first: until the facts hold, and until the members' texts are at hand."""
        needs = freshness.needs(facts, attempt, sweep)
        if not (needs.places or needs.paths):
            needs = Needs(tuple(self._without_text(members, attempt))) or needs
        attempt.will_read(needs.places)
        return needs

    def _without_text(self, members: Iterable[Component], attempt: Attempt) -> Iterable[Place]:
        """The places of usable components whose text is at hand neither in the cache nor in the attempt."""
        for member in members:
            if member.id not in self.texts and self.text_of(member, attempt) is None:
                yield member.place

    def text_of(self, member: Component, attempt: Attempt) -> str | None:
        """A component's text as of its digest; "" for one that cannot be used."""
        if member.error is not None:
            return ""
        reading = attempt.readings.get(member.id)
        if reading is not None and reading.digest == member.digest:
            return reading.text
        return self.texts.get(member.id)

    def is_filled(self, place: Place) -> bool:
        """True if the file was last seen with something in it."""
        held = self.library.get(place.id)
        return held is not None and held.signature is not None and held.signature.size > 0

    def _expand(self, attempt: Attempt, found: Plan, facts: Evidence) -> CompiledPrompt:
        names = attempt.request.names
        texts = {member.id: self.text_of(member, attempt) or "" for member in found.members}
        skeleton = expand(found, texts, self.rules, self.segments.count)
        metadata = found.members[0].parsed.metadata
        name = found.ids[0] if len(names) == 1 else ""
        outline = CompiledPrompt(skeleton, facts, name, metadata, found.members)
        size_bytes = sum(map(len, texts.values())) + 400 * len(skeleton.parts)
        self._outlines.put(names, outline, size_bytes)
        return outline

    def _finish(self, attempt: Attempt, outline: CompiledPrompt) -> Prompt | Work | Words:
        made = make(self.optimiser, attempt, outline)
        if isinstance(made, Prompt):
            self.prompts.miss()
            self._made_cold += bool(attempt.reads)
            if attempt.is_consistent:
                self.prompts.put(attempt.request, made, made.size_bytes)
            else:
                self._spend(attempt.request, made)
        return made

    # -- facts --------------------------------------------------------------------------------

    def facts(self, found: Plan) -> Evidence:
        """The facts a plan rests on, with the paths to check them by."""
        rivals = (
            self.library.get(id) for member in found.members for link in member.links for id in link.rivals
        )
        components = dict.fromkeys((*found.members, *(rival for rival in rivals if rival is not None)))
        path = self.files.path
        files = tuple((component, component.digest, path(component.place)) for component in components)
        absent = tuple((path(place), place) for place in found.absent)
        paths = (*(at for _, _, at in files), *(at for at, _ in absent))
        ids = frozenset((*(component.id for component in components), *(place.id for place in found.absent)))
        ways = self.files.ways(component.place for component in components if component.error is None)
        return Evidence(files, absent, paths, ids, ways)

    def holds(self, facts: Evidence, sweep: Sweep) -> bool:
        """True if nothing in the facts has changed on disk since it was read."""
        return freshness.holds(facts, sweep, self.library.revision)

    # -- a change -----------------------------------------------------------------------------

    def apply(self, readings: Iterable[Reading], *, preload: bool = False) -> Delta:
        """Take readings in, forget what they made untrue, tell the observers of a change.

        `preload`: nobody has asked for these texts yet.
        """
        readings = list(readings)
        delta = self.library.apply(readings)
        for id in (*delta.changed, *delta.removed):
            self.texts.discard(id)
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
        if component.id not in self.texts:
            size_bytes = len(reading.text.encode()) + 64
            self.texts.put(component.id, reading.text, size_bytes, preload=preload)

    def _forget(self, delta: Delta) -> tuple[Request, ...]:
        """Drop the prompts that contain something affected; others are byte-stable and stay."""
        dropped = [at for at, prompt in self.prompts.items() if prompt.facts.is_touched_by(delta.affected)]
        for request in dropped:
            self.prompts.discard(request)
        for names, outline in self._outlines.items():
            if outline.facts.is_touched_by(delta.affected):
                self._outlines.discard(names)
        self.hot.forget(delta.removed)
        return tuple(dropped)

    def places_of(self, names: Iterable[str]) -> list[Place]:
        """Every place a name may mean, for reading what is asked for before anything is known."""
        places: list[Place] = []
        for name in names:
            groups = self.library.names.candidates(name)
            if not isinstance(groups, Refused):
                places += [
                    Place(root, id) for group in groups for id in group for root in range(self.library.roots)
                ]
        return places

    def strays(self, listing: Listing, ids: Iterable[str]) -> list[Reading]:
        """Readings that forget those of the ids that a scan from scratch would not know.

        What no listing shows is known for two reasons: a directive leads there, or somebody asked for it by
        name. Without either it goes; so does what is unusable and was only asked for, for below a link that
        leads out or an unreadable directory nobody can say what there is. Where an earlier root hides it, it
        goes in any case: it is read again when it is needed.
        """
        ids = list(ids)
        held = (component for id in ids if (component := self.library.get(id)) is not None)
        hidden = (shadow for id in ids for shadow in self.library.shadows.of(id))
        places = [
            *(component.place for component in held if self._is_stray(component)),
            *(shadow.place for shadow in hidden if shadow.error is not None),
        ]
        return [Reading(place) for place in places if place not in listing.found]

    def _is_stray(self, component: Component) -> bool:
        if component.error is not None:
            return not self.library.graph.count_dependents(component.id)
        if self.library.is_listed(component.id):
            return False
        return not any(component.id in prompt.facts.ids for _, prompt in self.prompts.items())

    def note_listing(self, listing: Listing) -> None:
        """Remember what a scan saw besides files: directories to watch and problems to report."""
        self.directories = listing.directories
        self.problems = listing.problems
        self.is_complete = True
        self.loader.index = None  # from here on everything is held

    # -- the hot set --------------------------------------------------------------------------

    def fold_uses(self, now_s: float) -> None:
        """Count the uses of prompts since the last call towards their components."""
        for request, prompt in self.prompts.items():
            self._spend(request, prompt)
        uses: Counter[str] = Counter()
        for facts, times in self._uses.items():
            uses.update({component.id: times for component, _, _ in facts.files})
        for id, times in uses.items():
            if id in self.library:
                self.hot.use((id,), now_s, times)
        self._uses.clear()

    def _spend(self, _request: Request, prompt: Prompt) -> None:
        """Take a prompt's uses over, so that they outlive it."""
        if prompt.uses:
            self._uses[prompt.facts] += prompt.uses
            self.optimiser.spend(prompt)
            prompt.uses = 0

    def pin_hot(self) -> list[Place]:
        """Pin the hot set; returns the places of those that are not in the cache."""
        pinned = self.texts.pin(self.hot.hottest(self._is_usable, self._seeds()))
        return [
            component.place
            for id in sorted(pinned)
            if id not in self.texts and (component := self.library.get(id))
        ]

    def hot_texts(self) -> list[str]:
        """Bodies of the hot set, as far as they are in the cache."""
        held = ((self.library.get(id), self.texts.peek(id)) for id in sorted(self.texts.pins))
        return [text[component.parsed.body_start :] for component, text in held if component and text]

    def _is_usable(self, id: str) -> bool:
        component = self.library.get(id)
        return component is not None and component.error is None

    def _seeds(self) -> Iterator[str]:
        """What is hot while nothing has been used: most required first, found only if it is asked for."""
        yield from filter(self._is_usable, self.library.graph.most_required(2 * self.hot.size))

    def statistics(self) -> CachesStatistics:
        """Statistics of the caches; library, loader and segments have their own."""
        prompts = self.prompts.statistics()
        served = Served(prompts.hits + prompts.misses - self._made_cold, self._made_cold)
        return CachesStatistics(served, self.texts.statistics(), prompts, self._outlines.statistics())

    def savings(self) -> OptimiserStatistics:
        """What strategies and budgets saved so far, uses of prompts that are held included."""
        for request, prompt in self.prompts.items():
            self._spend(request, prompt)
        return self.optimiser.statistics()

    def close(self) -> None:
        """End the loader's threads."""
        self.loader.close()


def _rules(config: Config) -> Rules:
    library = config.library
    return Rules(
        missing=library.missing,
        shell=library.shell,
        once=library.once,
        max_depth=library.max_depth,
        max_import_hops=library.max_import_hops,
        max_chars=library.max_prompt_bytes,
        variables=dict(library.variables),
        arguments_base=tuple(root.arguments_base for root in config.roots),
    )
