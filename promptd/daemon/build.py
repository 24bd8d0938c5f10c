"""Builds a workspace by a configuration: at the start, and beside the one in use at a reload.

The one place of the daemon that knows what a workspace is made of.
"""

import itertools
import os
import time

from promptd.config import Config
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace

_generations = itertools.count(1)


def build_workspace(config: Config, former: Workspace | None = None) -> Workspace:
    """An empty workspace; it takes over the vocabulary of a `former` one if the encoding is the same."""
    encoding = config.tokens.encoding
    is_same = former is not None and former.config.tokens.encoding == encoding
    tokenizer = former.tokenizer if former is not None and is_same else Tokenizer(encoding)
    instance = f"{os.getpid():x}-{time.time_ns():x}-{next(_generations)}"
    return open_worktree(config, tokenizer, instance=instance, now_s=time.time())
