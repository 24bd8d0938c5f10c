"""Builds one prompt: a plain one at once, one that has to fit by its strategy or else by its budget.

What takes long is handed back as `Work` and asked for again when it is done; every decision here is made
anew then, from whatever is true by that time. The optimiser is imported by the first request that needs it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import msgspec

from promptd.core.assembly import prompt as prompts
from promptd.core.assembly.cache_prefix import stable_end
from promptd.core.assembly.fill import Filled, fill
from promptd.core.assembly.prompt import Fit, Prompt
from promptd.core.assembly.skeleton import Note, Skeleton
from promptd.core.optimise.records import Quality
from promptd.core.syntax.component import Place
from promptd.core.tokens.cost import estimate, savings
from promptd.core.tokens.incremental import IncrementalCount
from promptd.engine.attempt import Attempt
from promptd.engine.prompts import budget_notes
from promptd.engine.prompts.cached import CachedPrompt
from promptd.engine.prompts.options import EffectiveOptions
from promptd.engine.prompts.rendered import Rendered, check_size, is_costly, render
from promptd.engine.prompts.reply import digest_of, etag_of, seal_of
from promptd.engine.prompts.reply_template import ReplyTemplate
from promptd.engine.prompts.shared import (
    MAX_TEMPLATES,
    CompiledPrompt,
    OptimiserState,
    Texts,
    Words,
    Work,
)
from promptd.protocol.records import AllocationRow, Disclosure, ManifestEntry, PromptWarning, Shares

if TYPE_CHECKING:
    from promptd.core.optimise.budget.author_hints import AuthorHints
    from promptd.core.optimise.budget.records import Fitted
    from promptd.engine.prompts.budget_run import BudgetRun

JOINTS = 4  # tokens by which texts may differ where values meet them
CUT = "cut"  # the strongest whole prompt that a budget makes
_EVERYTHING = Shares(1.0, 1.0, 1.0, 1.0)


def make(
    optimiser: OptimiserState, attempt: Attempt, compiled: CompiledPrompt
) -> CachedPrompt | Work | Words | Texts:
    """The prompt, or what has to be done first.

    Raises InvalidParams for invalid options, OverBudget, PromptTooLarge, MissingVariable.
    """
    options = optimiser.choices.effective(attempt.request.options)
    needs_optimiser = not options.is_plain or _may_move(options, compiled)
    if needs_optimiser and not optimiser.is_imported:  # some forty modules: not on an event loop
        return Work(_import_optimiser, optimiser.take_imported)
    try:
        builder = _Builder(optimiser, attempt, compiled, options)
        return builder.plain() if options.is_plain else builder.fit()
    except _Costly as costly:
        return costly.work


def _import_optimiser() -> None:
    import promptd.core.optimise.budget.lexicon
    import promptd.core.optimise.budget.stable_first
    import promptd.engine.prompts.budget_run
    import promptd.engine.prompts.whole_prompt  # noqa: F401


def _may_move(options: EffectiveOptions, compiled: CompiledPrompt) -> bool:
    """True if the order is to be looked at."""
    wanted = options.options.stable_first
    return wanted is not False and bool(wanted or compiled.may_move)


class _Costly(Exception):
    """Something takes long: `work` is to be done first, beside the event loop."""

    def __init__(self, work: Work) -> None:
        self.work = work


class _Builder:
    def __init__(
        self,
        optimiser: OptimiserState,
        attempt: Attempt,
        compiled: CompiledPrompt,
        options: EffectiveOptions,
    ) -> None:
        self.optimiser, self.attempt, self.compiled = optimiser, attempt, compiled
        self.request, self.options = attempt.request, options
        self.may_move = _may_move(options, compiled)
        self.count = optimiser.segments.count
        self.known = {*optimiser.rules.variables, *(name for name, _ in self.request.variables)}
        self.base, self.has_moved = self.ordered()
        self.budget_notes: list[Note] = []

    def ordered(self) -> tuple[Skeleton, bool]:
        """The skeleton in the order that caches best, as far as that is allowed."""
        wanted = self.options.options.stable_first
        if not self.may_move:
            return self.compiled.skeleton, False
        key = (wanted, *sorted(self.known))
        if key not in self.compiled.ordered:
            self.compiled.ordered.clear()  # one is enough: requests differ in values, hardly in names
            self.compiled.fitted.clear()
            from promptd.core.optimise.budget.stable_first import stable_first

            found = stable_first(
                self.compiled.skeleton, self.author_hints(), self.known, is_asked=bool(wanted)
            )
            self.compiled.ordered[key] = found
        return self.compiled.ordered[key]

    def author_hints(self) -> "Mapping[str, AuthorHints]":
        return self.optimiser.author_hints(self.compiled)

    def fill(self, skeleton: Skeleton) -> Filled:
        return fill(skeleton, dict(self.request.variables), self.request.arguments, self.optimiser.rules)

    def render(self, skeleton: Skeleton) -> Rendered:
        """A skeleton with its values. Raises _Costly if that is to be done elsewhere first."""
        rendered = self.attempt.rendered.get(id(skeleton))
        if isinstance(rendered, Rendered):
            return rendered
        if not is_costly(skeleton, self.request):
            return render(skeleton, self.compiled.count_of(skeleton, self.optimiser.segments), self.fill)

        def run() -> Rendered:
            count = self.compiled.count_of(skeleton, self.optimiser.segments)
            return render(skeleton, count, self.fill).prepared()

        def keep(outcome: Rendered) -> None:
            self.attempt.rendered[id(skeleton)] = outcome  # which holds the skeleton, and so its identity

        raise _Costly(Work(run, keep))

    # -- decisions ----------------------------------------------------------------------------

    def plain(self) -> CachedPrompt:
        """Nothing is to be saved."""
        rendered = self.render(self.base)
        cached = self.prompt(rendered, rendered.tokens)
        if self.request.variables and self.request.arguments is None and self.request.options is None:
            self.keep_template(cached.prompt, rendered)
        return cached

    def keep_template(self, prompt: Prompt, rendered: Rendered) -> None:
        """Keep a template for the same request with other values."""
        templates, names = self.compiled.templates, tuple(name for name, _ in self.request.variables)
        if names in templates or not ReplyTemplate.can_be(prompt):
            return
        if len(templates) >= MAX_TEMPLATES:
            templates.clear()
        count = self.compiled.count_of(rendered.skeleton, self.optimiser.segments)
        templates[names] = ReplyTemplate(prompt, rendered.skeleton, rendered.filled, count)

    def fit(self) -> CachedPrompt | Work | Words | Texts:
        """Something is to be saved: by the strategy alone if that will do, else by the budget."""
        source = self.render(self.base)
        if self.options.strategy.is_none and self.fits(source):
            rows = self.untouched()
            return self.prompt(source, source.tokens, self.account(source, source, _EVERYTHING, rows))
        if not self.optimiser.is_ready:
            return Words()
        if not self.options.strategy.is_none:
            fitted = self.by_whole(source)
            if isinstance(fitted, Work | Texts):
                return fitted
            rendered = self.render(fitted.skeleton)
            if self.fits(rendered):
                if self.options.limit is not None and not self.fits(source):
                    note = budget_notes.unused(
                        rendered.tokens, self.options.limit, self.options.strategy.name
                    )
                    self.budget_notes = [*note]
                return self.prompt(rendered, source.tokens, self.strategic(source, rendered, fitted))
            return self.by_budget(source, rendered.tokens)
        return self.by_budget(source, source.tokens)

    def fits(self, rendered: Rendered) -> bool:
        limit = self.options.limit
        return limit is None or rendered.tokens <= limit.budget - limit.reserve

    def by_whole(self, source: Rendered) -> "Fitted | Work | Texts":
        """The whole prompt through its strategy; one that references does more of it for a budget."""
        from promptd.engine.prompts.whole_prompt import WholePrompt

        whole = WholePrompt(
            self.optimiser, self.compiled, self.options, self.known, (self.base, self.has_moved)
        )
        if not self.options.strategy.has_references:
            return whole.by_strategy()
        fitted, limit = whole.by_references(0, self.attempt.texts), self.options.limit
        if isinstance(fitted, Work | Texts) or limit is None or self.fits(self.render(fitted.skeleton)):
            return fitted
        over = source.tokens - (limit.budget - limit.reserve) + JOINTS
        return whole.by_references(over, self.attempt.texts)

    def by_budget(self, source: Rendered, tokens: int) -> CachedPrompt | Work:
        """A variant for each component. `tokens`: those of the whole by its strategy, which were too many."""
        from promptd.core.optimise.budget.allocate import impossible
        from promptd.engine.prompts.budget_run import BudgetRun

        limit = self.options.limit
        assert limit is not None
        made = self.attempt.made
        if not isinstance(made, BudgetRun) or not made.is_of(self.base, self.optimiser.version):
            made = BudgetRun(
                self.base, self.author_hints(), self.fill, limit, self.optimiser, self.held_whole()
            )
            return Work(made.run, self.keep_budget)
        if made.refusal is not None:
            self.optimiser.account.over_budget += 1
            # A strategy sees what components repeat of one another, so that the whole of it may be smaller.
            whole = min(tokens, made.candidates.smallest or tokens)
            raise min(made.refusal, impossible(whole, limit), key=lambda each: each.details["smallest"])
        self.budget_notes = [*budget_notes.of(made, self.base, self.compiled, self.request)]
        if made.whole is not None:
            rendered = self.render(made.whole.fitted.skeleton)
            fit = self.by_strategy_alone(source, rendered, made.quality)
            return self.prompt(rendered, source.tokens, fit, self.optimiser.version)
        found = made.found()
        count = IncrementalCount(found.skeleton.layout, self.optimiser.segments)
        measured = count.measure(found.filled)
        rendered = Rendered(found.skeleton, found.filled, found.tokens, measured, count.constant)
        fit = self.account(source, rendered, shares(made.quality), found.rows, found.gap)
        return self.prompt(rendered, source.tokens, fit, self.optimiser.version)

    def held_whole(self) -> "dict[str, Fitted]":
        """The whole prompts in this order by the present idf, by strategy."""
        version, fitted = self.optimiser.version, self.compiled.fitted
        return {
            name: held[1]
            for name in (*self.optimiser.choices.strategies, CUT)
            if (held := fitted.get((name, self.has_moved))) is not None and held[0] == version
        }

    def keep_budget(self, made: "BudgetRun") -> None:
        self.attempt.made = made
        for name, fitted in made.candidates.fresh.items():
            place = (name, self.has_moved)
            if self.compiled.fitted.get(place, (-1, None))[0] != made.version:
                for each in fitted.skipped:
                    self.optimiser.account.skipped(each)
            self.compiled.fitted[place] = made.version, fitted
        for key, variants in made.fresh.items():
            for name in variants.skipped:
                self.optimiser.account.skipped(name)
            self.optimiser.variants.put(key, variants, variants.size_bytes)

    # -- the account --------------------------------------------------------------------------

    def strategic(self, source: Rendered, rendered: Rendered, fitted: "Fitted") -> Fit:
        """The account of a prompt that its strategy alone makes fit."""
        fit = self.by_strategy_alone(source, rendered, fitted.quality)
        return replace(fit, disclosure=_disclosure(fitted, rendered.tokens, fit.quality))

    def by_strategy_alone(self, source: Rendered, rendered: Rendered, quality: Quality) -> Fit:
        """The account without what is referenced."""
        if self.options.limit is None:
            return self.account(source, rendered, shares(quality))
        rows = self.untouched()
        entries = rendered.manifest
        below = _own_tokens(entries)
        kept = shares(quality).information
        return self.account(
            source,
            rendered,
            shares(quality),
            tuple(
                msgspec.structs.replace(
                    row,
                    variant=entry.variant or row.variant,
                    tokens=own,
                    quality=kept,
                    why="reduced by strategy",
                )
                for row, entry, own in zip(rows, entries, below, strict=True)
            ),
        )

    def account(
        self,
        source: Rendered,
        rendered: Rendered,
        quality: Shares,
        rows: tuple[AllocationRow, ...] | None = None,
        gap: float = 0.0,
    ) -> Fit:
        """What was saved, against the same request with `none`."""
        options, most = self.options, self.optimiser.config.tokens.max_context_tokens
        saved = savings(source.tokens, rendered.tokens, most, options.model)
        budget, reserve = options.limit or (None, 0)
        return Fit(options.strategy.name, quality, saved, budget, reserve, rows, round(gap, 6))

    def untouched(self) -> tuple[AllocationRow, ...]:
        """The allocation of a prompt that fits unchanged."""
        from promptd.core.optimise.budget.allocate import untouched

        return untouched(self.base, self.author_hints(), self.fill, self.count)

    # -- the prompt ---------------------------------------------------------------------------

    def prompt(
        self, rendered: Rendered, tokens_source: int, fit: Fit | None = None, version: int = -1
    ) -> CachedPrompt:
        filled, model = rendered.filled, self.options.model
        check_size(filled.text, rendered.tokens, self.optimiser.config)
        notes = self.notes(rendered)
        manifest, digest, ready = rendered.manifest, rendered.digest, rendered.ready
        end = stable_end(rendered.skeleton, filled, self.known)
        encoding, stable_tokens = self.optimiser.encoding, rendered.measured.count(0, end)
        cost = estimate(rendered.tokens, encoding, model) if model else None
        seen = ready["manifest"], notes, fit, self.request.options, encoding, stable_tokens, cost
        prompt = Prompt(
            request=self.request,
            name=self.compiled.name,
            ids=self.compiled.ids,
            text=filled.text,
            tokens=rendered.tokens,
            encoding=encoding,
            digest=digest,
            etag=etag_of(seal_of(digest, *seen)),
            manifest=manifest,
            warnings=notes,
            metadata=self.compiled.metadata,
            evidence=self.compiled.evidence,
            tokens_source=tokens_source,
            stable_end=end,
            stable_prefix_tokens=stable_tokens,
            fit=fit,
            estimate=cost,
            idf_version=version if self.options.strategy.is_none else self.optimiser.version,
            is_consistent=self.attempt.is_consistent,
        )
        prefix = digest_of(prompt.text[: prompt.stable_end])
        self.optimiser.note_prefix(self.request, prompt.ids, prefix, prompt.stable_prefix_tokens, model)
        return CachedPrompt(prompt, ready)

    def notes(self, rendered: Rendered) -> tuple[PromptWarning, ...]:
        notes = [
            *rendered.skeleton.notes,
            *rendered.filled.notes,
            *self.budget_notes,
            *map(_unsteady, self.attempt.unsteady),
        ]
        if self.may_move or not self.options.is_plain:  # else the hints were not read for this request
            notes += [note for hints in self.author_hints().values() for note in hints.notes]
        if self.options.options.stable_first and not self.has_moved and len(self.request.names) == 1:
            message = (
                "nothing was moved: no component of this prompt allows it, or the prefix would not be longer"
            )
            notes.append(Note("stable-first", message, self.compiled.name, 0))
        return prompts.warnings(*notes)


def _disclosure(fitted: "Fitted", tokens: int, kept: Shares) -> Disclosure | None:
    if fitted.references is None:
        return None
    whole = tokens + fitted.tokens_fetched
    return Disclosure(tokens, whole, kept.literals, kept.instructions, fitted.references)


def shares(quality: Quality) -> Shares:
    """The four figures, rounded down so that none is flattered."""
    figures = (quality.literals, quality.information, quality.instructions, quality.structure)
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
    sentence = f"{place.id} changed each time it was read: this prompt contains one of its states"
    return Note("inconsistent", sentence, place.id, 0)
