"""A churn of changes under a daemon that answers: are memory and descriptors flat, is the graph whole?

The tree has always about the same size: files are created, edited, saved atomically, renamed and deleted,
directories come and go. Memory is compared from a third of the way on, when the bounded caches are full.
"""

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.process import Daemon
from tests.proofs.usage import descriptors, resident_bytes, slope

DIRECTORIES, FILES = 20, 15
SAMPLES = 60
TEXTS = 10  # of each file: token counts are remembered for each distinct line, 64 MB of them at the most
WARM = 1 / 3  # of the changes; what is measured comes after


@dataclass(slots=True)
class Flatness:
    """What was measured: (changes, bytes) and descriptors along the way, and the graph at the end."""

    changes: int
    memory: list[tuple[float, float]] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    answers: int = 0
    wrong: int = 0
    nodes: int = 0
    files: int = 0
    seconds: float = 0.0

    @property
    def warm(self) -> list[tuple[float, float]]:
        """The measured part."""
        return [(done, used) for done, used in self.memory if done >= WARM * self.changes]

    @property
    def bytes_a_change(self) -> float:
        """The slope of memory over the measured part, by least squares."""
        return slope(self.warm)

    @property
    def grown_bytes(self) -> float:
        """The mean of the last third of the measured part less that of its first third."""
        used = [used for _, used in self.warm]
        third = max(1, len(used) // 3)
        return sum(used[-third:]) / third - sum(used[:third]) / third

    @property
    def grown_descriptors(self) -> int:
        """The fewest of the last third less the fewest of the first: what is open for a moment is no leak."""
        third = max(1, len(self.descriptors) // 3)
        return min(self.descriptors[-third:]) - min(self.descriptors[:third])

    def __str__(self) -> str:
        return (
            f"{self.changes} changes in {self.seconds:.0f} s, {self.answers} answers, {self.wrong} wrong;"
            f" memory {self.warm[0][1] / 1e6:.1f} MB at a third, {self.memory[-1][1] / 1e6:.1f} MB at the end"
            f" ({self.bytes_a_change:+.1f} bytes a change); descriptors {min(self.descriptors)} to"
            f" {max(self.descriptors)}; graph {self.nodes} nodes, {self.files} files"
        )


class Churn:
    """Changes files of a library; `change` does one, `prompt` names one file and says what it must show."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self._chance = random.Random(seed)
        self._number = 0
        self._texts: dict[str, str] = {}
        for number in range(DIRECTORIES):
            (root / f"d{number}").mkdir(parents=True)
        for _ in range(DIRECTORIES * FILES // 2):
            self.change()

    def change(self) -> None:
        """Create, edit, save, rename or delete one file."""
        self._number += 1
        id = f"d{self._chance.randrange(DIRECTORIES)}/f{self._chance.randrange(FILES)}.md"
        path = self.root / id
        kind = self._chance.random()
        if id in self._texts and kind < 0.25:
            path.unlink()
            del self._texts[id]
        elif id in self._texts and kind < 0.35:
            target = f"{id[:-3]}-renamed.md"
            path.replace(self.root / target)
            self._texts[target] = self._texts.pop(id)
        elif kind < 0.7:
            temporary = path.with_suffix(".tmp")
            temporary.write_text(self._text(id))
            temporary.replace(path)
        else:
            path.write_text(self._text(id))

    def _text(self, id: str) -> str:
        """A text of its own with one include, which may exist or not."""
        other = f"d{self._chance.randrange(DIRECTORIES)}/f{self._chance.randrange(FILES)}.md"
        self._texts[id] = f"Change {self._number % TEXTS} of {id}."
        return f"{self._texts[id]}\n<include mode='reference'>{other}</include>\n"

    def prompt(self) -> tuple[str, str]:
        """An id and the line that its prompt must begin with."""
        return self._chance.choice(list(self._texts.items()))


def run(daemon: Daemon, churn: Churn, changes: int) -> Flatness:
    """So many changes, one answer for every ten of them; measure all along."""
    found = Flatness(changes)
    began_s = time.monotonic()
    every = max(1, changes // SAMPLES)
    for done in range(1, changes + 1):
        churn.change()
        if done % 10 == 0:
            id, line = churn.prompt()
            found.answers += 1
            found.wrong += not daemon.text(id).startswith(line)
        if done % every == 0:
            found.memory.append((done, resident_bytes(daemon.process.pid)))
            found.descriptors.append(descriptors(daemon.process.pid))
    found.nodes = len(daemon.ask("graph")["nodes"])
    found.files = sum(path.is_file() for path in churn.root.rglob("*.md"))
    found.seconds = time.monotonic() - began_s
    return found
