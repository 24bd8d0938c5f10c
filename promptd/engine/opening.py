"""Opening the working tree that a configuration names: the one place where a source and a workspace meet."""

from promptd.config import Config
from promptd.engine.contents import Contents
from promptd.engine.tokenizer import Tokenizer
from promptd.engine.workspace import Workspace
from promptd.sources.worktree.files import worktree_of


def open_worktree(config: Config, tokenizer: Tokenizer, *, instance: str, now_s: float) -> Workspace:
    """A workspace of the configured directories; nothing is read yet.

    Args:
        config: names the roots, and how they are read.
        tokenizer: counts tokens.
        instance: a name that no other workspace has; part of every clock.
        now_s: the time as of which use counts begin, in seconds since the epoch.
    """
    return Workspace(config, worktree_of(config), Contents(config, tokenizer), instance=instance, now_s=now_s)
