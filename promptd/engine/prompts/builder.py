"""One prompt in the making: a plain one at once, one that has to fit by its strategy or else by its budget.

What takes long is handed back as `Work` and asked for again when it is done; every decision here is made
anew then, from whatever is true by that time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import msgspec

from promptd.config import Config
from promptd.core.assembly import prompt as prompts
from promptd.core.assembly.fill import Filled, fill
from promptd.core.assembly.prompt import Fit, Prompt
from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.core.optimise.budget.allocate import impossible, untouched
from promptd.core.optimise.budget.author_hints import AuthorHints
from promptd.core.optimise.budget.cache_prefix import stable_end, stable_first
from promptd.core.optimise.budget.cost import estimate, savings
from promptd.core.optimise.budget.whole_prompt import Fitted, apply_strategy
from promptd.core.optimise.quality import Quality
from promptd.core.syntax.component import Place
from promptd.core.tokens.incremental import IncrementalCount, Measured
from promptd.engine.attempt import Attempt
from promptd.engine.prompts.budget_run import BudgetRun
from promptd.engine.prompts.reply import digest_of, etag_of, seal_of
from promptd.engine.prompts.reply_template import ReplyTemplate
from promptd.engine.prompts.shared import (
    MAX_TEMPLATES,
    CompiledPrompt,
    OptimiserState,
    Words,
    Work,
)
from promptd.errors import OverBudget, PromptTooLarge
from promptd.protocol.records import AllocationRow, ManifestEntry, PromptWarning, Shares

_WHOLE = Shares(1.0, 1.0, 1.0, 1.0)


def make(optimiser: OptimiserState, attempt: Attempt, outline: CompiledPrompt) -> Prompt | Work | Words:
    """The prompt, or what has to be done first.

    Raises InvalidParams for options that cannot be, OverBudget, PromptTooLarge, MissingVariable.
    """
    maker = _Builder(optimiser, attempt, outline)
    return maker.plain() if maker.wish.is_plain else maker.fit()


@dataclass(frozen=True, slots=True)
class _Rendered:
    """One way to make the text: the skeleton, with values, counted."""

    skeleton: Skeleton
    filled: Filled
    tokens: int
    measured: Measured
    constant: dict[int, int]

    def entries(self) -> tuple[ManifestEntry, ...]:
        return prompts.entries(self.skeleton, self.filled, self.measured.count, self.constant)


class _Builder:
    def __init__(self, optimiser: OptimiserState, attempt: Attempt, outline: CompiledPrompt) -> None:
        self.optimiser, self.attempt, self.outline = optimiser, attempt, outline
        self.request = attempt.request
        self.wish = optimiser.choices.wish(self.request.options)
        self.count = optimiser.segments.count
        self.known = {*optimiser.rules.variables, *(name for name, _ in self.request.variables)}
        self.base, self.has_moved = self.ordered()

    @property
    def may_move(self) -> bool:
        """True if the order is to be looked at."""
        wanted = self.wish.options.stable_first
        return wanted is not False and bool(wanted or self.outline.may_move)

    def ordered(self) -> tuple[Skeleton, bool]:
        """The skeleton in the order that caches best, as far as that is allowed."""
        wanted = self.wish.options.stable_first
        if not self.may_move:
            return self.outline.skeleton, False
        key = (wanted, *sorted(self.known))
        if key not in self.outline.ordered:
            self.outline.ordered.clear()  # one is enough: requests differ in values, hardly in names
            self.outline.fitted.clear()
            found = stable_first(self.outline.skeleton, self.cards(), self.known, is_asked=bool(wanted))
            self.outline.ordered[key] = found
        return self.outline.ordered[key]

    def cards(self) -> Mapping[str, AuthorHints]:
        return self.optimiser.cards(self.outline)

    def fill(self, skeleton: Skeleton) -> Filled:
        return fill(skeleton, dict(self.request.variables), self.request.arguments, self.optimiser.rules)

    def draw(self, skeleton: Skeleton) -> _Rendered:
        filled = self.fill(skeleton)
        tally = self.outline.tally(skeleton, self.optimiser.segments)
        measured = tally.measure(filled)
        return _Rendered(skeleton, filled, measured.count(0, len(filled.text)), measured, tally.constant)

    # -- decisions ----------------------------------------------------------------------------

    def plain(self) -> Prompt:
        """Nothing is to be saved."""
        drawn = self.draw(self.base)
        prompt = self.prompt(drawn, drawn.tokens)
        if self.request.variables and self.request.arguments is None and self.request.options is None:
            self.cut_template(prompt, drawn)
        return prompt

    def cut_template(self, prompt: Prompt, drawn: _Rendered) -> None:
        """Have a template for the same request with other values."""
        templates, names = self.outline.templates, tuple(name for name, _ in self.request.variables)
        if names in templates or not ReplyTemplate.can_be(prompt):
            return
        if len(templates) >= MAX_TEMPLATES:
            templates.clear()
        tally = self.outline.tally(drawn.skeleton, self.optimiser.segments)
        templates[names] = ReplyTemplate(prompt, drawn.skeleton, drawn.filled, tally)

    def fit(self) -> Prompt | Work | Words:
        """Something is to be saved: by the strategy alone if that will do, else by the budget."""
        source = self.draw(self.base)
        if not self.wish.strategy.passes and self.fits(source):
            rows = untouched(self.base, self.cards(), self.fill, self.count)
            return self.prompt(source, source.tokens, self.account(source, source, _WHOLE, rows))
        if not self.optimiser.is_ready:
            return Words()
        if self.wish.strategy.passes:
            fitted = self.by_strategy()
            if isinstance(fitted, Work):
                return fitted
            drawn = self.draw(fitted.skeleton)
            if self.fits(drawn):
                return self.prompt(drawn, source.tokens, self.strategic(source, drawn, fitted.quality))
            return self.by_budget(source, drawn.tokens)
        return self.by_budget(source, source.tokens)

    def fits(self, drawn: _Rendered) -> bool:
        room = self.wish.room
        return room is None or drawn.tokens <= room.budget - room.reserve

    def by_strategy(self) -> Fitted | Work:
        """The whole prompt through its strategy; made once for all values."""
        key, version = (self.wish.strategy.name, self.has_moved), self.optimiser.version
        held = self.outline.fitted.get(key)
        if held is not None and held[0] == version:
            return held[1]
        fitted, account = self.outline.fitted, self.optimiser.account

        def keep(outcome: Fitted) -> None:
            fitted[key] = version, outcome
            for name in outcome.skipped:
                account.skipped(name)

        tools = self.optimiser.tools()
        return Work(partial(apply_strategy, self.base, self.wish.strategy, tools, self.cards()), keep)

    def by_budget(self, source: _Rendered, tokens: int) -> Prompt | Work:
        """A variant for each component. `tokens`: those of the whole by its strategy, which were too many."""
        room = self.wish.room
        assert room is not None
        made = self.attempt.made
        if not isinstance(made, BudgetRun) or not made.is_of(self.base, self.optimiser.version):
            made = BudgetRun(self.base, self.cards(), self.fill, room, self.optimiser)
            return Work(made.run, self.keep_budget)
        if made.refusal is not None:
            self.optimiser.account.over_budget += 1
            # A strategy sees what components repeat of one another, so that the whole of it may be smaller.
            raise min(made.refusal, impossible(tokens, room), key=lambda each: each.details["smallest"])
        found = made.found()
        tally = IncrementalCount(found.skeleton.layout, self.optimiser.segments)
        measured = tally.measure(found.filled)
        drawn = _Rendered(found.skeleton, found.filled, found.tokens, measured, tally.constant)
        fit = self.account(source, drawn, shares(made.quality), found.rows, found.gap)
        return self.prompt(drawn, source.tokens, fit, self.optimiser.version)

    def keep_budget(self, made: BudgetRun) -> None:
        self.attempt.made = made
        for key, variants in made.fresh.items():
            for name in variants.skipped:
                self.optimiser.account.skipped(name)
            self.optimiser.variants.put(key, variants, variants.size_bytes)

    # -- the account --------------------------------------------------------------------------

    def strategic(self, source: _Rendered, drawn: _Rendered, quality: Quality) -> Fit:
        """The account of a prompt that its strategy alone makes fit."""
        if self.wish.room is None:
            return self.account(source, drawn, shares(quality))
        rows = untouched(self.base, self.cards(), self.fill, self.count)
        entries = drawn.entries()
        below = _own_tokens(entries)
        kept = shares(quality).information
        return self.account(
            source,
            drawn,
            shares(quality),
            tuple(
                msgspec.structs.replace(
                    row,
                    variant=entry.variant or row.variant,
                    tokens=own,
                    quality=kept,
                    why="the strategy's doing",
                )
                for row, entry, own in zip(rows, entries, below, strict=True)
            ),
        )

    def account(
        self,
        source: _Rendered,
        drawn: _Rendered,
        quality: Shares,
        rows: tuple[AllocationRow, ...] | None = None,
        gap: float = 0.0,
    ) -> Fit:
        """What was saved, against the same request with `none`."""
        wish, room = self.wish, self.wish.room
        limit = self.optimiser.config.tokens.max_context_tokens
        saved = savings(source.tokens, drawn.tokens, limit, wish.model)
        budget, reserve = room or (None, 0)
        return Fit(wish.strategy.name, quality, saved, budget, reserve, rows, round(gap, 6))

    # -- the prompt ---------------------------------------------------------------------------

    def prompt(
        self, drawn: _Rendered, tokens_source: int, fit: Fit | None = None, version: int = -1
    ) -> Prompt:
        filled, model = drawn.filled, self.wish.model
        check_size(filled.text, drawn.tokens, self.optimiser.config)
        notes = self.notes(drawn)
        manifest = drawn.entries()
        digest = digest_of(filled.text)
        pieces = {"text": filled.encoded(), "manifest": msgspec.Raw(msgspec.json.encode(manifest))}
        end = stable_end(drawn.skeleton, filled, self.known)
        prompt = Prompt(
            request=self.request,
            name=self.outline.name,
            text=filled.text,
            tokens=drawn.tokens,
            encoding=self.optimiser.encoding,
            digest=digest,
            etag=etag_of(seal_of(digest, pieces["manifest"], notes, fit, self.request.options)),
            manifest=manifest,
            warnings=notes,
            metadata=self.outline.metadata,
            evidence=self.outline.evidence,
            tokens_source=tokens_source,
            stable_end=end,
            stable_prefix_tokens=drawn.measured.count(0, end),
            fit=fit,
            estimate=estimate(drawn.tokens, self.optimiser.encoding, model) if model else None,
            worth_version=self.optimiser.version if self.wish.strategy.passes else version,
            is_consistent=self.attempt.is_consistent,
            pieces=pieces,
            uses=1,
        )
        prefix = digest_of(prompt.text[: prompt.stable_end])
        self.optimiser.note_prefix(self.request, prefix, prompt.stable_prefix_tokens, model)
        return prompt

    def notes(self, drawn: _Rendered) -> tuple[PromptWarning, ...]:
        notes = [*drawn.skeleton.notes, *drawn.filled.notes, *map(_unsteady, self.attempt.unsteady)]
        if self.may_move or not self.wish.is_plain:  # else nobody read the cards for this request
            notes += [note for card in self.cards().values() for note in card.notes]
        if self.wish.options.stable_first and not self.has_moved and len(self.request.names) == 1:
            message = "nothing was moved: no component of this prompt allows it, or nothing would be gained"
            notes.append(Note("stable-first", message, self.outline.name, 0))
        return prompts.warnings(*notes)


def check_size(text: str, tokens: int, config: Config) -> None:
    """Raise OverBudget or PromptTooLarge for a prompt beyond the configured bounds."""
    limit = config.tokens.max_context_tokens
    if tokens > limit:
        raise OverBudget(
            f"the prompt has {tokens} tokens, more than tokens.max_context_tokens ({limit});"
            " include less, give a `budget`, or raise it",
            tokens=tokens,
            limit=limit,
        )
    max_bytes = config.library.max_prompt_bytes
    if 4 * len(text) > max_bytes and len(text.encode()) > max_bytes:
        raise PromptTooLarge(
            f"the prompt exceeds {max_bytes} bytes (library.max_prompt_bytes)", limit=max_bytes
        )


def shares(quality: Quality) -> Shares:
    """The four figures, rounded down so that none is flattered."""
    figures = (quality.anchors, quality.information, quality.instructions, quality.structure)
    return Shares(*(int(figure.ratio * 10_000) / 10_000 for figure in figures))


def _own_tokens(entries: tuple[ManifestEntry, ...]) -> list[int]:
    """Tokens of each entry without those of the entries right below it."""
    own = [entry.tokens for entry in entries]
    above: list[int] = []
    for index, entry in enumerate(entries):
        del above[len(entry.chain) :]
        if above:
            own[above[-1]] -= entry.tokens
        above.append(index)
    return [max(tokens, 0) for tokens in own]


def _unsteady(place: Place) -> Note:
    sentence = f"{place.id} changed each time it was read: this prompt holds one of its states"
    return Note("inconsistent", sentence, place.id, 0)
