"""What outlives one request: compiled prompts, variants of components, words of the library, sums of savings.

The optimiser itself is imported when a strategy or a budget is first asked for. What it knows of the library,
in how many components each word occurs, is learnt then and follows every change that is applied. One
workspace has one optimiser, called from its thread; only `Work` runs in others, on frozen data.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from promptd.config import Config
from promptd.core.assembly.evidence import Evidence
from promptd.core.assembly.prompt import Prompt
from promptd.core.assembly.skeleton import Rules, Skeleton
from promptd.core.library.library import Component
from promptd.core.tokens.cost import Account, Model, SavingsStatistics
from promptd.core.tokens.incremental import IncrementalCount
from promptd.core.tokens.segments import Segments
from promptd.engine.cache import Cache, CacheStatistics
from promptd.engine.popular import Popular, PopularPrompts, PopularStatistics
from promptd.engine.prompts.options import OptionCatalogue
from promptd.engine.prompts.reply_template import ReplyTemplate
from promptd.protocol.request import PLAIN, Request

if TYPE_CHECKING:
    from promptd.core.optimise.budget.author_hints import AuthorHints
    from promptd.core.optimise.budget.lexicon import Lexicon
    from promptd.core.optimise.budget.records import Fitted, Variants
    from promptd.core.optimise.tools import Tools

MAX_VARIANTS = 20_000
MAX_TEMPLATES = 8  # of one compiled prompt: requests differ in values, hardly in names
MAX_FITTED = 16  # of one compiled prompt
MAX_COUNTS = 8  # of one compiled prompt: each strategy and order has a skeleton of its own


@dataclass(slots=True)
class CompiledPrompt:
    """A skeleton with the evidence it rests on, and what strategies and orders made of it so far."""

    skeleton: Skeleton
    evidence: Evidence
    name: str
    metadata: Mapping[str, object]
    members: tuple[Component, ...]
    lines: Mapping[str, int] = field(default_factory=dict)  # id -> the line in which its body begins
    author_hints: "dict[str, AuthorHints]" = field(default_factory=dict)
    ordered: dict[object, tuple[Skeleton, bool]] = field(default_factory=dict)
    fitted: "dict[object, tuple[int, Fitted]]" = field(default_factory=dict)
    counts: dict[int, tuple[Skeleton, IncrementalCount]] = field(default_factory=dict)
    templates: dict[tuple[str, ...], ReplyTemplate] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[str, ...]:
        """Of the components that were asked for, however their names were spelled."""
        return tuple(draft.id for draft in self.skeleton.drafts if not draft.chain)

    @property
    def may_move(self) -> bool:
        """True if an author says something about the order."""
        return any("stable_first" in member.parsed.metadata for member in self.members)

    def count_of(self, skeleton: Skeleton, segments: Segments) -> IncrementalCount:
        """The count of one of this prompt's skeletons, made once."""
        held = self.counts.get(id(skeleton))
        if held is None:
            if len(self.counts) >= MAX_COUNTS:
                self.counts.clear()
            held = self.counts[id(skeleton)] = skeleton, IncrementalCount(skeleton.layout, segments)
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
class Texts:
    """The texts of these components must be at hand (`Attempt.texts`)."""

    members: tuple[Component, ...]


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
        self.is_imported = False  # the code of strategies and budgets
        self._lexicon: Lexicon | None = None
        self.account = Account()
        self.popular = PopularPrompts()
        self.variants: Cache[object, Variants] = Cache(MAX_VARIANTS, config.cache.prompt_size)

    def __repr__(self) -> str:
        return f"<OptimiserState {self._lexicon!r}, {len(self.variants)} variants>"

    @property
    def lexicon(self) -> "Lexicon":
        """The words of the library; made when they are first needed."""
        if self._lexicon is None:
            from promptd.core.optimise.budget.lexicon import Lexicon

            self._lexicon = Lexicon()
        return self._lexicon

    @property
    def is_ready(self) -> bool:
        """True if the library's words are known."""
        return self._lexicon is not None and self._lexicon.is_active and not self._lexicon.unknown()

    def is_current(self, prompt: Prompt) -> bool:
        """True unless an inverse document frequency changed since a prompt was made to fit."""
        return prompt.idf_version < 0 or (self.is_ready and prompt.idf_version == self.version)

    @property
    def version(self) -> int:
        """That of the inverse document frequencies, brought up to date."""
        before = self.lexicon.version
        self.lexicon.idf()
        if self.lexicon.version != before:
            for key, _ in self.variants.items():
                self.variants.discard(key)
        return self.lexicon.version

    def changed(self, affected: Iterable[str], gone: Iterable[str]) -> None:
        """Components are others now, or gone."""
        if self._lexicon is not None:
            for id in affected:
                self._lexicon.expect(id)
            for id in gone:
                self._lexicon.forget(id)

    def take_imported(self, _outcome: None) -> None:
        """The code of strategies and budgets was imported, in whichever thread."""
        self.is_imported = True

    def learn(self, id: str, text: str) -> None:
        """The text of a component, if its words are needed."""
        if self._lexicon is not None:
            self._lexicon.learn(id, text)

    def tools(self) -> "Tools":
        """What strategies are lent, as of now."""
        from promptd.core.optimise.tools import Tools

        return Tools(self.segments.count, self.lexicon.idf(), strategies=self.choices.strategies)

    def author_hints(self, compiled: CompiledPrompt) -> "Mapping[str, AuthorHints]":
        """What the authors of a prompt's components say about shortening them."""
        from promptd.core.optimise.budget.author_hints import author_hints_of

        if not compiled.author_hints:
            names = tuple(self.choices.strategies)
            compiled.author_hints = {
                member.id: author_hints_of(
                    member.id, member.description, member.parsed.metadata, names, member.parsed.key_lines
                )
                for member in compiled.members
            }
        return compiled.author_hints

    def note_prefix(
        self, request: Request, ids: tuple[str, ...], digest: str, tokens: int, model: Model | None
    ) -> None:
        """Whether the stable prefix is what it was for the last request like this but for values."""
        options = request.options or PLAIN
        key = (ids, options.strategy, options.budget, options.stable_first)
        self.account.prefix(key, digest, tokens, model)

    def spend(self, prompt: Prompt, uses: int) -> None:
        """Add up what some uses of a prompt cost and saved; they are counted nowhere else afterwards."""
        if prompt.fit is not None:
            self.account.add(prompt.fit.strategy, prompt.fit.savings, uses)
        self.popular.use(
            Popular(
                ", ".join(prompt.ids),
                tuple(component.id for component in prompt.evidence.components),
                uses,
                prompt.tokens,
                cost_total=prompt.estimate.cost if prompt.estimate else None,
                strategy=prompt.fit.strategy if prompt.fit else "none",
            )
        )

    def count_rendered(self, ids: tuple[str, ...], evidence: Evidence, tokens: int) -> None:
        """Count a reply that a template rendered for these ids: no prompt is kept of it."""
        components = tuple(component.id for component in evidence.components)
        self.popular.use(Popular(", ".join(ids), components, 1, tokens))

    def statistics(self) -> OptimiserStatistics:
        """A frozen record of the counts; uses of prompts that are held are folded in by the workspace."""
        popular = self.popular.statistics()
        return OptimiserStatistics(
            self.account.statistics(),
            self.variants.statistics(),
            len(self._lexicon) if self._lexicon is not None else 0,
            popular,
            popular.tokens_served,
        )
