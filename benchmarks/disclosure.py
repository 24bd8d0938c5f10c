"""The strategy `progressive` on whole libraries: what is at entry, and whether all of the rest comes back.

Every prompt is asked for with the strategy, as a client would; every reference is fetched with `get`, by its
section or span and its digest, so that a text that is not exact is an error. A word is lost if it is neither
in the prompt nor in what was fetched; values of variables are left aside.
"""

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from promptd.core.assembly.prompt import Prompt
from promptd.core.optimise.words import words
from promptd.engine.embedded import Engine
from promptd.engine.tokenizer import Tokenizer
from promptd.errors import DigestMismatch
from promptd.protocol.records import Referenced

COLUMNS = (
    "library",
    "prompts",
    "saved: least, quartiles, most",
    "30 to 60 %",
    "tokens if all is fetched",
    "literals",
    "information",
    "instructions",
    "references",
    "ms p50 / p95",
    "not fetched exactly / with a lost word / wrong counts",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|"


@dataclass(slots=True)
class Disclosures:
    """What the strategy made of the prompts of one library."""

    saved: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)  # tokens if all is fetched, as a share of the source
    shares: list[tuple[float, float, float]] = field(default_factory=list)
    references: list[int] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    inexact: int = 0
    lost: int = 0
    wrong_counts: int = 0

    def row(self, name: str) -> str:
        """One row of the table."""
        quartiles = statistics.quantiles(self.saved, n=4) if len(self.saved) > 1 else self.saved
        spread = ", ".join(f"{each:.1%}" for each in (min(self.saved), *quartiles, max(self.saved)))
        slow = sorted(self.times_ms)
        cells = (
            name,
            len(self.saved),
            spread,
            f"{sum(0.3 <= each <= 0.6 for each in self.saved)}",
            f"{statistics.mean(self.whole):.1%}",
            *(
                f"{statistics.mean(column):.4f} ({min(column):.4f})"
                for column in zip(*self.shares, strict=True)
            ),
            f"{statistics.mean(self.references):.1f}",
            f"{statistics.median(slow):.0f} / {slow[int(0.95 * (len(slow) - 1))]:.0f}",
            f"{self.inexact} / {self.lost} / {self.wrong_counts}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def disclosures(engine: Engine, whole: Sequence[Prompt], tokenizer: Tokenizer) -> Disclosures:
    """Ask for every prompt again with the strategy."""
    found = Disclosures()
    for prompt in whole:
        values = dict(prompt.request.variables)
        began_s = time.process_time()
        entry = engine.assemble(prompt.name, values, strategy="progressive")
        found.times_ms.append(1000 * (time.process_time() - began_s))
        assert entry.fit is not None
        assert entry.fit.disclosure is not None
        disclosure, kept = entry.fit.disclosure, entry.fit.quality
        found.saved.append(1 - entry.tokens / prompt.tokens)
        found.whole.append(disclosure.tokens_all / prompt.tokens)
        found.shares.append((kept.literals, kept.information, kept.instructions))
        found.references.append(len(disclosure.references))
        found.wrong_counts += entry.tokens != tokenizer.count(entry.text)
        fetched = [_fetched(engine, each) for each in disclosure.references]
        found.inexact += any(text is None for text in fetched)
        said = set(words(" ".join((entry.text, *(text or "" for text in fetched), *values.values()))))
        found.lost += not said.issuperset(words(prompt.text))
    return found


def _fetched(engine: Engine, reference: Referenced) -> str | None:
    """The text of a reference; None if it is not the one that was referenced."""
    asked: dict[str, object] = {"name": reference.id, "digest": reference.digest}
    if reference.section:
        asked["section"] = reference.section
    try:
        found = json.loads(engine.call("get", asked))
    except DigestMismatch:
        found = json.loads(engine.call("get", {**asked, "span": reference.span}))
    return str(found["text"]) if found["tokens"] == reference.tokens else None
