"""What outlives one request: skeletons with what strategies made of them, variants, words, sums of savings.

What strategies know of the library, in how many components each word stands, is learnt when it is first
needed and follows every change that is applied. One workspace has one optimiser, called from its thread; only
`Work` runs in others, on frozen things.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from promptd.config import Config
from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.skeleton import Rules, Skeleton
from promptd.core.library.library import Component
from promptd.core.optimise.budget.author_hints import AuthorHints, author_hints_of
from promptd.core.optimise.budget.cost import Account, Model, SavingsStatistics
from promptd.core.optimise.budget.lexicon import Lexicon
from promptd.core.optimise.budget.variants import Variants
from promptd.core.optimise.budget.whole_prompt import Fitted
from promptd.core.optimise.optimise import Tools
from promptd.core.tokens.incremental import IncrementalCount
from promptd.core.tokens.segments import Segments
from promptd.engine.cache import Cache, CacheStatistics
from promptd.engine.popular import Popular, PopularPrompts, PopularStatistics
from promptd.engine.prompts.options import OptionCatalogue
from promptd.engine.prompts.reply_template import ReplyTemplate
from promptd.protocol.request import PLAIN, Request

MAX_VARIANTS = 20_000
MAX_TEMPLATES = 8  # of one outline: requests differ in values, hardly in names
MAX_TALLIES = 8  # of one outline: each strategy and order has a skeleton of its own


@dataclass(slots=True)
class CompiledPrompt:
    """A skeleton with the evidence it rests on, and what strategies and orders made of it so far."""

    skeleton: Skeleton
    evidence: Evidence
    name: str
    metadata: Mapping[str, object]
    members: tuple[Component, ...]
    cards: dict[str, AuthorHints] = field(default_factory=dict)
    ordered: dict[object, tuple[Skeleton, bool]] = field(default_factory=dict)
    fitted: dict[object, tuple[int, Fitted]] = field(default_factory=dict)
    tallies: dict[int, tuple[Skeleton, IncrementalCount]] = field(default_factory=dict)
    templates: dict[tuple[str, ...], ReplyTemplate] = field(default_factory=dict)
    may_move: bool = False

    def __post_init__(self) -> None:
        self.may_move = any("stable_first" in member.parsed.metadata for member in self.members)

    def tally(self, skeleton: Skeleton, segments: Segments) -> IncrementalCount:
        """The tally of one of this outline's skeletons, made once."""
        held = self.tallies.get(id(skeleton))
        if held is None:
            if len(self.tallies) >= MAX_TALLIES:
                self.tallies.clear()
            held = self.tallies[id(skeleton)] = skeleton, IncrementalCount(skeleton.layout, segments)
        return held[1]


@dataclass(frozen=True, slots=True)
class Work:
    """Something to compute in any thread; `keep` takes its outcome, back in the workspace's."""

    run: Callable[[], Any]
    keep: Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the library's components must be learnt first."""


@dataclass(frozen=True, slots=True)
class OptimiserStatistics:
    """What was saved, and how many variants of components and words of the library are kept for it."""

    savings: SavingsStatistics
    variants: CacheStatistics
    words: int
    prompts: PopularStatistics
    tokens_served: int


class OptimiserState:
    """Everything that strategies and budgets of one library share."""

    def __init__(self, config: Config, segments: Segments, encoding: str, rules: Rules) -> None:
        self.config = config
        self.choices = OptionCatalogue(config)
        self.segments = segments
        self.encoding = encoding
        self.rules = rules
        self.lexicon = Lexicon()
        self.account = Account()
        self.popular = PopularPrompts()
        self.variants: Cache[object, Variants] = Cache(MAX_VARIANTS, config.cache.prompt_size)

    def __repr__(self) -> str:
        return f"<OptimiserState {self.lexicon!r}, {len(self.variants)} variants>"

    @property
    def is_ready(self) -> bool:
        """True if the library's words are known."""
        return self.lexicon.is_active and not self.lexicon.unknown()

    def is_current(self, prompt: Prompt) -> bool:
        """True unless words have another worth since a prompt was made to fit."""
        return prompt.worth_version < 0 or (self.is_ready and prompt.worth_version == self.version)

    @property
    def version(self) -> int:
        """Of the words' worth, brought up to date."""
        before = self.lexicon.version
        self.lexicon.idf()
        if self.lexicon.version != before:
            for key, _ in self.variants.items():
                self.variants.discard(key)
        return self.lexicon.version

    def changed(self, affected: Iterable[str], gone: Iterable[str]) -> None:
        """Components are others now, or gone."""
        for id in affected:
            self.lexicon.expect(id)
        for id in gone:
            self.lexicon.forget(id)

    def tools(self) -> Tools:
        """What strategies are lent, as of now."""
        return Tools(self.segments.count, self.lexicon.idf(), strategies=self.choices.strategies)

    def cards(self, outline: CompiledPrompt) -> Mapping[str, AuthorHints]:
        """What the authors of a prompt's components say about shortening them."""
        if not outline.cards:
            names = tuple(self.choices.strategies)
            outline.cards = {
                member.id: author_hints_of(member.id, member.description, member.parsed.metadata, names)
                for member in outline.members
            }
        return outline.cards

    def note_prefix(self, request: Request, digest: str, tokens: int, model: Model | None) -> None:
        """Whether the stable prefix is what it was for the last request like this but for values."""
        options = request.options or PLAIN
        key = (request.names, options.strategy, options.budget, options.stable_first)
        self.account.prefix(key, digest, tokens, model)

    def spend(self, prompt: Prompt) -> None:
        """Add up what a prompt's uses cost and saved; they are counted nowhere else afterwards."""
        if not prompt.uses:
            return
        if prompt.fit is not None:
            self.account.add(prompt.fit.strategy, prompt.fit.savings, prompt.uses)
        self.popular.use(
            Popular(
                ", ".join(prompt.request.names),
                tuple(component.id for component in prompt.evidence.components),
                prompt.uses,
                prompt.tokens,
                cost_total=prompt.estimate.cost if prompt.estimate else None,
                strategy=prompt.fit.strategy if prompt.fit else "none",
            )
        )

    def rendered(self, request: Request, evidence: Evidence, tokens: int) -> None:
        """Count a reply of which no prompt is kept."""
        ids = tuple(component.id for component in evidence.components)
        self.popular.use(Popular(", ".join(request.names), ids, 1, tokens))

    def statistics(self) -> OptimiserStatistics:
        """A frozen record of the counts; uses of prompts that are held are folded in by the workspace."""
        popular = self.popular.statistics()
        return OptimiserStatistics(
            self.account.statistics(),
            self.variants.statistics(),
            len(self.lexicon),
            popular,
            popular.tokens_served,
        )
