"""Opening the working tree that a configuration names: the one place where a source and a workspace meet.

And what can be said of a configuration without opening anything, beyond the types and bounds of its schema.
"""

from promptd.config import Config
from promptd.core.syntax.dialects import resolved
from promptd.engine.contents import Contents
from promptd.engine.prompts.options import OptionCatalogue
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


def check_config(config: Config) -> None:
    """Raise ConfigError for a dialect or strategy that does not exist; reads no file."""
    for number, root in enumerate(config.roots):
        resolved(root.dialects, f"roots[{number}].dialects")
    OptionCatalogue(config)
