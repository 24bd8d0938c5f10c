"""Nothing is torn in real libraries, if $PROMPTD_CORPORA has them: a sample of their prompts."""

from functools import cache

import pytest

from benchmarks.damage import damage
from promptd.core.optimise.optimise import optimise
from promptd.core.optimise.records import Piece
from promptd.core.optimise.strategies import STRATEGIES
from promptd.core.optimise.tools import Tools
from promptd.core.optimise.words import idf_of
from tests.core.builders import MemoryLibrary
from tests.core.optimise.texts import count
from tests.corpora import DIRECTORY, MISSING, has_corpora, root_of, sample

pytestmark = [
    pytest.mark.skipif(not has_corpora(), reason=MISSING),
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

NAMES = sorted(path.name for path in DIRECTORY.iterdir() if path.is_dir()) if has_corpora() else []


@cache
def prompts(name: str) -> tuple[dict[str, tuple[str, list[Piece]]], Tools]:
    """Files of a corpus assembled, with their pieces."""
    root = root_of(name) if root_of(name).is_dir() else DIRECTORY / name
    files = {
        path.relative_to(root).as_posix(): path.read_bytes().decode() for path in sorted(root.rglob("*.md"))
    }
    library = MemoryLibrary(
        files, aliases={"~/.claude/get-shit-done": "get-shit-done"} if name == "gsd" else None
    )
    found = {id: library.assemble(id) for id in sample(files)}
    written = {
        id: (
            each.text,
            [Piece(entry.id, entry.span, is_entry=not entry.chain) for entry in each.manifest],
        )
        for id, each in found.items()
    }
    return written, Tools(count, idf_of(files.values()))


@pytest.mark.parametrize("strategy", ["conservative", "balanced", "aggressive"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_torn_and_every_literal_and_instruction_is_kept(name: str, strategy: str) -> None:
    """Each prompt by itself, so that a failure names it."""
    written, tools = prompts(name)
    for id, (text, pieces) in written.items():
        result = optimise(text, pieces, STRATEGIES[strategy], tools)
        assert (id, damage(text, result.text)) == (id, [])
        assert (id, result.quality.literals.ratio) == (id, 1)
        assert (id, result.quality.instructions.ratio) == (id, 1)
