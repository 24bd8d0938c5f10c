"""Whether budgets keep their laws on any library, and what they keep of its prompts.

    python -m benchmarks.budget_laws DIR [--alias FROM=TO]... [--every N] [--prefix PREFIX] [--notes]

Every prompt is asked for with 30, 50, 70 and 90 % of its tokens as budget and held against each strategy of
its own. The laws: it fits; its count is exact; where a strategy's own result fits the budget, the budget's
has at least its literals, information and instructions; and it uses at least 95 % of the budget or a warning
says what stands in the way.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench_tokens import TOKENIZER, assembled
from promptd import config
from promptd.core.assembly.prompt import Prompt
from promptd.engine.embedded import Engine
from promptd.errors import OverBudget, PromptdError

SHARES = (0.3, 0.5, 0.7, 0.9)
FIGURES = ("literals", "information", "instructions", "structure")
HELD = FIGURES[:3]  # those that a budget must keep where a strategy does
USED = 0.95
UNUSED = "unused-budget"
HEAD = (
    "| budget | prompts | refused | used: median, worst | below 95 %: noted, not noted | over, wrong counts"
    f" | below a strategy | {' | '.join(FIGURES)} | CPU s: median, most |\n|{'---|' * (8 + len(FIGURES))}"
)


@dataclass(slots=True)
class Tally:
    """What became of all prompts at one share."""

    share: float
    refused: int = 0
    used: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_noted: list[str] = field(default_factory=list)
    over: int = 0
    wrong_counts: int = 0
    below: list[str] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in FIGURES})
    seconds: list[float] = field(default_factory=list)

    def take(self, prompt: Prompt, budget: int, whole: Prompt, rivals: Sequence[Prompt]) -> None:
        """Hold one result against the laws."""
        self.over += prompt.tokens > budget
        self.wrong_counts += prompt.tokens != TOKENIZER.count(prompt.text)
        used = prompt.tokens / budget
        self.used.append(used)
        if used < USED and whole.tokens > budget:
            said = [warning for warning in prompt.warnings if warning.kind == UNUSED]
            self.notes += [f"{prompt.name}: {each.id}:{each.line}: {each.message}" for each in said]
            if not said:
                self.not_noted.append(f"{prompt.name} ({used:.1%})")
        for figure in FIGURES:
            self.figures[figure].append(_figure(prompt, figure))
        for rival in rivals:
            lost = [name for name in HELD if _figure(prompt, name) < _figure(rival, name)]
            if rival.tokens <= budget and lost and rival.fit is not None:
                self.below.append(f"{prompt.name}: {', '.join(lost)} of {rival.fit.strategy}")

    def row(self) -> str:
        """One row of the table: median and worst."""
        if not self.used:
            return f"| {self.share:.0%} | 0 | {self.refused} |"
        cells = [
            f"{self.share:.0%}",
            f"{len(self.used)}",
            f"{self.refused}",
            f"{statistics.median(self.used):.1%}, {min(self.used):.1%}",
            f"{len(self.notes)}, {len(self.not_noted)}",
            f"{self.over}, {self.wrong_counts}",
            f"{len(self.below)}",
            *(f"{statistics.median(each):.3f}, {min(each):.3f}" for each in self.figures.values()),
            f"{statistics.median(self.seconds):.2f}, {max(self.seconds):.2f}",
        ]
        return f"| {' | '.join(cells)} |"


def _figure(prompt: Prompt, name: str) -> float:
    return 1.0 if prompt.fit is None else float(getattr(prompt.fit.quality, name))


def wholes(engine: Engine, prefix: str, every: int) -> Iterator[Prompt]:
    """The prompts of a library that can be assembled and have any text, every Nth of them."""
    listed = json.loads(engine.call("list"))["components"]
    names = [each["id"] for each in listed if each["id"].startswith(prefix)]
    for name in names[::every]:
        try:
            prompt = assembled(engine, name)
        except PromptdError:
            continue
        if prompt.tokens:
            yield prompt


def measure(engine: Engine, found: Sequence[Prompt]) -> list[Tally]:
    """Ask for every prompt at every share."""
    tallies = [Tally(share) for share in SHARES]
    for whole in found:
        values = dict(whole.request.variables)
        for tally in tallies:
            budget = max(int(whole.tokens * tally.share), 1)
            began_s = time.process_time()
            try:
                prompt = engine.assemble(whole.name, values, budget=budget)
            except OverBudget:
                tally.refused += 1
                continue
            tally.seconds.append(time.process_time() - began_s)
            rivals = [engine.assemble(whole.name, values, strategy=name) for name in _strategies(engine)]
            tally.take(prompt, budget, whole, rivals)
    return tallies


def _strategies(engine: Engine) -> list[str]:
    choices = engine.workspace.optimiser.choices.strategies
    return [name for name, strategy in choices.items() if strategy.passes]


def main() -> None:
    """Read the arguments and print the table, and every prompt that breaks a law."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directory", type=Path, help="root of a library")
    parser.add_argument("--alias", action="append", default=[], help="FROM=TO of library.aliases")
    parser.add_argument("--every", type=int, default=1, help="every Nth prompt only")
    parser.add_argument("--prefix", default="", help="prompts whose ids begin so")
    parser.add_argument("--notes", action="store_true", help="print what is said of unused budgets, too")
    arguments = parser.parse_args()
    aliases = dict(each.split("=", 1) for each in arguments.alias)
    overrides = {
        "roots": [str(arguments.directory.resolve())],
        "library.aliases": aliases,
        "library.missing": "keep",
    }
    with Engine(config.load(None, {}, overrides)) as engine:
        found = list(wholes(engine, arguments.prefix, arguments.every))
        print(f"{arguments.directory}: {len(found)} prompts\n\n{HEAD}")
        tallies = measure(engine, found)
    for tally in tallies:
        print(tally.row())
    for tally in tallies:
        for line in (*tally.not_noted, *tally.below, *(tally.notes if arguments.notes else ())):
            print(f"- {tally.share:.0%}: {line}")


if __name__ == "__main__":
    main()
