"""Budgets: whether prompts fit one, whether what they lost can be had back, and what the choice costs.

Every prompt is asked for with a share of its tokens as budget. A loss is unlisted if a word of the whole
prompt stands neither in the answer nor in a stretch that the manifest says was removed, fetched with `get`.
Values of variables are not the library's to lose: given ones and defaults are left aside.
"""

import json
import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from promptd.core.assembly.prompt import Prompt
from promptd.core.optimise.budget.knapsack import Choice, Item, solve
from promptd.core.optimise.words import words
from promptd.engine.embedded import Engine
from promptd.engine.tokenizer import Tokenizer
from promptd.errors import OverBudget

SHARE = 0.4
COMPONENTS = 100
ROUNDS = 100


@dataclass(slots=True)
class Fits:
    """What became of the prompts of one library under a budget of `SHARE` of their size."""

    asked: int = 0
    fit: int = 0
    wrong_counts: int = 0
    unlisted: int = 0
    references: int = 0
    too_small: int = 0  # refused; `smallest_wrong` of them although the budget the refusal names fails too
    smallest_wrong: int = 0

    def row(self, name: str) -> str:
        """One row of the table."""
        figures = (self.asked, self.fit, self.too_small, self.smallest_wrong)
        cells = (name, *figures, self.references, self.unlisted, self.wrong_counts)
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| library | prompts | fit | refused | of them with a wrong smallest budget | with references"
    " | with a loss that is not listed | wrong counts |\n|---|---|---|---|---|---|---|---|"
)


def fits(engine: Engine, whole: Sequence[Prompt], tokenizer: Tokenizer) -> Fits:
    """Ask for every prompt again with a budget."""
    found = Fits(len(whole))
    for prompt in whole:
        values = dict(prompt.request.variables)
        budget = int(prompt.tokens * SHARE)
        try:
            small = engine.assemble(prompt.name, values, budget=budget)
        except OverBudget as refusal:
            found.too_small += 1
            smallest = refusal.details["smallest"]
            found.smallest_wrong += engine.assemble(prompt.name, values, budget=smallest).tokens > smallest
            continue
        found.fit += small.tokens <= budget
        found.wrong_counts += small.tokens != tokenizer.count(small.text)
        found.references += any(entry.reason == "referenced" for entry in small.manifest)
        lost = set(words(prompt.text)) - set(words(small.text))
        given = set(words(json.dumps([values, prompt.metadata.get("variables")])))
        found.unlisted += bool(lost - given - _had_back(engine, small) - _lines_gone(prompt, small))
    return found


def _had_back(engine: Engine, prompt: Prompt) -> set[str]:
    """The words of everything that was taken out, as `get` gives it back."""
    found: set[str] = set()
    for entry in prompt.manifest:
        for unit in entry.removed:
            answer = json.loads(engine.call("get", {"name": entry.id, "span": unit.span}))
            found.update(words(answer["text"]))
    return found


def _lines_gone(whole: Prompt, small: Prompt) -> set[str]:
    """The words of lines that stood for a component already (a reference): its entry says they went."""
    pairs = zip(whole.manifest, small.manifest, strict=True)
    gone = [was for was, now in pairs if was.reason != "included" and now.reason == "dropped"]
    return {word for entry in gone for word in words(whole.text[slice(*entry.span)])}


def choosing_ms() -> tuple[float, float, float]:
    """CPU ms of one choice for `COMPONENTS` components, median and most, and the largest proven gap."""
    source = random.Random(1)
    times_ms, gaps = [], []
    for _ in range(ROUNDS):
        items = list(_items(source))
        most = sum(item.choices[0].tokens for item in items)
        began_s = time.process_time()
        solution = solve(items, int(most * SHARE))
        times_ms.append(1000 * (time.process_time() - began_s))
        gaps.append(solution.gap if solution is not None else 1.0)
    return statistics.median(times_ms), max(times_ms), max(gaps)


def _items(source: random.Random) -> Iterator[Item]:
    """A root that includes the others: as it is, by three strategies, as a reference, dropped."""
    for index in range(COMPONENTS):
        tokens, value = source.randrange(100, 3_000), source.randrange(1_000, 1_000_000)
        own = [
            Choice(tokens * kept // 100, value * worth // 100)
            for kept, worth in ((100, 100), (97, 100), (86, 99), (69, 95))
        ]
        if not index:
            yield Item(COMPONENTS, (*own, Choice(60, value // 3)))
        else:
            yield Item(1, (*own, Choice(40, value // 10, is_final=True), Choice(0, 0, is_final=True)))
