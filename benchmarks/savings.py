"""What each strategy saves over libraries that nobody tuned for, as a distribution, and what it harms.

    python -m benchmarks.savings DIR [DIR …] [--prompts N] [--alias FROM=TO]...

Each DIR is a library: any directory of Markdown, for example a clone of a public repository. Of each library
up to N components with at least MIN_TOKENS tokens are assembled, evenly spread over their ids; N of 5 or so
is a quick look. A row is a library: the mean saving of each strategy over its prompts, and what must be zero:
prompts that lost a literal or an instruction, or in which something is torn (`damage`), and wrong counts.
Below the rows stand the quartiles: over libraries, over prompts of one file, and over those with includes.
"""

import argparse
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.damage import damage
from promptd import config
from promptd.core.assembly.prompt import Prompt
from promptd.engine.embedded import Engine
from promptd.engine.tokenizer import Tokenizer
from promptd.errors import MissingVariable, PromptdError

MIN_TOKENS = 200
STRATEGIES = ("conservative", "balanced", "aggressive", "progressive")
REWRITING = ("balanced", "aggressive")  # whose result is held against the source unit by unit
TOKENIZER = Tokenizer("o200k_base")


FAULTS = ("literals", "instructions", "damage", "counts")


@dataclass(slots=True)
class Library:
    """What was measured on one library; savings are shares of the tokens of `none`, by strategy."""

    name: str
    tokens: int = 0
    whole: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))  # of one file
    including: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: Counter[str] = field(default_factory=Counter)

    def savings(self, strategy: str) -> list[float]:
        """Those of all prompts."""
        return self.whole[strategy] + self.including[strategy]

    def row(self) -> str:
        """One row of the table."""
        prompts = len(self.savings(STRATEGIES[0]))
        size = [str(prompts), str(len(self.including[STRATEGIES[0]])), f"{self.tokens // prompts:,}"]
        means = [f"{statistics.mean(self.savings(name)):.1%}" for name in STRATEGIES]
        faults = " / ".join(str(self.faults[name]) for name in FAULTS)
        return f"| {' | '.join([self.name, *size, *means, faults])} |"


def assembled(engine: Engine, name: str, strategy: str = "") -> Prompt:
    """A prompt; required variables get their own names as values."""
    values: dict[str, str] = {}
    options = {"strategy": strategy} if strategy else {}
    while True:
        try:
            return engine.assemble(name, values, **options)
        except MissingVariable as error:
            values |= {name: name for name in error.details.get("names", [error.details["name"]])}


def prompts(engine: Engine, most: int) -> list[Prompt]:
    """Up to `most` prompts of a library that are worth measuring, evenly spread over the ids."""
    found: list[Prompt] = []
    for each in json.loads(engine.call("list"))["components"]:
        try:
            prompt = assembled(engine, each["id"])
        except PromptdError:
            continue
        if prompt.tokens >= MIN_TOKENS:
            found.append(prompt)
    found.sort(key=lambda prompt: prompt.name)
    return found[:: max(1, len(found) // most)][:most]


def measure(directory: Path, most: int, aliases: Mapping[str, str]) -> Library:
    """Assemble the prompts of one library by each strategy."""
    name = directory.name if directory.name != "library" else directory.parent.name
    library = Library(name)
    overrides = {"roots": [str(directory)], "library.aliases": aliases, "library.missing": "keep"}
    with Engine(config.load(None, {}, overrides)) as engine:
        for prompt in prompts(engine, most):
            library.tokens += prompt.tokens
            for strategy in STRATEGIES:
                judge(library, prompt, assembled(engine, prompt.name, strategy), strategy)
    return library


def judge(library: Library, source: Prompt, result: Prompt, strategy: str) -> None:
    """Count what a strategy saved of one prompt, and what it harmed."""
    is_one_file = sum(entry.reason == "included" for entry in source.manifest) == 1
    savings = library.whole if is_one_file else library.including
    savings[strategy].append(1 - result.tokens / source.tokens)
    library.faults["counts"] += result.tokens != TOKENIZER.count(result.text)
    if strategy in REWRITING and result.fit is not None:
        library.faults["literals"] += result.fit.quality.literals < 1
        library.faults["instructions"] += result.fit.quality.instructions < 1
        library.faults["damage"] += bool(damage(source.text, result.text))


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The three quartiles, inclusive; of one value three times that."""
    if len(values) < 2:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def tables(libraries: Sequence[Library]) -> Iterator[str]:
    """The rows, and the quartiles over libraries and over prompts with and without includes."""
    faults = " / ".join(FAULTS)
    heads = ["library", "prompts", "with includes", "tokens a prompt", *STRATEGIES]
    yield f"| {' | '.join([*heads, f'lost or wrong: {faults}'])} |"
    yield "|---" * (len(heads) + 1) + "|"
    yield from (library.row() for library in libraries)
    for what, values in (
        ("mean of a library", lambda name: [statistics.mean(each.savings(name)) for each in libraries]),
        ("prompts of one file", lambda name: [one for each in libraries for one in each.whole[name]]),
        ("prompts with includes", lambda name: [one for each in libraries for one in each.including[name]]),
    ):
        if values(STRATEGIES[0]):
            yield f"\n| {what} ({len(values(STRATEGIES[0]))}) | first quartile | median | third quartile |"
            yield "|---|---|---|---|"
            for name in STRATEGIES:
                yield f"| {name} | {' | '.join(f'{value:.1%}' for value in quartiles(values(name)))} |"


def main() -> None:
    """Read the arguments and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("directories", type=Path, nargs="+", help="libraries: directories of Markdown")
    parser.add_argument("--prompts", type=int, default=40, help="at most so many prompts of each (40)")
    parser.add_argument("--alias", action="append", default=[], help="FROM=TO of library.aliases")
    arguments = parser.parse_args()
    aliases = dict(each.split("=", 1) for each in arguments.alias)
    libraries = []
    for directory in arguments.directories:
        print(f"{directory} …", file=sys.stderr, flush=True)
        library = measure(directory, arguments.prompts, aliases)
        if library.tokens:
            libraries.append(library)
    print("\n".join(tables(libraries)))


if __name__ == "__main__":
    main()
