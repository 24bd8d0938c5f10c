"""A workspace in this process, on a library the test writes, with a vocabulary that loads in no time."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from promptd import config
from promptd.engine import procedures
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace


class WordTokenizer:
    """Counts words; the real one stands in tests/daemon's child processes."""

    name = identity = "words"
    is_additive = False

    def load(self) -> None:
        """There is nothing to load."""

    def expect(self, texts: Sequence[str]) -> None:
        """Nothing to prepare."""

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]


def workspace_of(root: Path, *, is_filled: bool = True, **overrides: Any) -> Workspace:
    """A workspace of the library at `root`; overrides are keys with `__` for the dot."""
    dotted = {key.replace("__", "."): value for key, value in overrides.items()}
    settings = config.load(None, {}, {"roots": [str(root)], **dotted})
    workspace = open_worktree(settings, cast(Tokenizer, WordTokenizer()), instance="test", now_s=time.time())
    if is_filled:
        procedures.run(workspace, procedures.reconcile(workspace))
    return workspace
