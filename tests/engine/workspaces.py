"""Workspaces for tests: a configuration of defaults, and contents with the real tokenizer."""

from typing import Any

from promptd import config as configuration
from promptd.config import Config
from promptd.engine import tokenizer
from promptd.engine.contents import Contents
from promptd.engine.workspace import Workspace
from promptd.sources.base import Source


def settings_of(**keys: Any) -> Config:
    """Return a configuration with one root that is never read; `section__key=value`."""
    given = {name.replace("__", "."): value for name, value in keys.items()}
    return configuration.load(None, {}, {"roots": ["/nowhere"], **given})


def contents_of(config: Config | None = None) -> Contents:
    """Return contents of which nothing is known yet."""
    config = config or settings_of()
    return Contents(config, tokenizer.shared(config.tokens.encoding))


def opened(source: Source, **keys: Any) -> Workspace:
    """Return a workspace of a source, of which nothing was read yet."""
    config = settings_of(**keys)
    return Workspace(config, source, contents_of(config), instance="test", now_s=0.0)
