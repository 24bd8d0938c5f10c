"""The engine without the daemon, for programs that want it in process.

The same library, caches and decisions as the daemon's; here the calling thread does the reading. Answers
are as fresh as the daemon's, since freshness never rests on a watcher. Not thread-safe: one engine is
used by one thread at a time.
"""

import os
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
from msgspec import structs

from promptd import config as configuration
from promptd.config import Config
from promptd.core.assembly.prompt import Prompt
from promptd.engine import procedures
from promptd.engine.handlers import HANDLERS
from promptd.engine.opening import open_worktree
from promptd.engine.tokenizer import shared as shared_tokenizer
from promptd.errors import (
    ConfigError,
    InvalidParams,
    MethodNotFound,
    UnsupportedOption,
)
from promptd.protocol import methods
from promptd.protocol.request import Options, request_of
from promptd.sources.loader import Progress
from promptd.sources.worktree.files import library_path

Roots = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class Engine:
    """A library opened in this process.

    >>> with Engine.open("prompts") as engine:
    ...     prompt = engine.assemble("commands/review", variables={"language": "Python"})
    ...     print(prompt.tokens, prompt.text)
    """

    def __init__(self, config: Config, *, progress: Progress | None = None) -> None:
        self.workspace = open_worktree(
            config, shared_tokenizer(config.tokens.encoding), instance=_instance(), now_s=time.time()
        )
        self._progress = progress
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Engine {self.workspace.library!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @classmethod
    def open(
        cls,
        root: Roots | None = None,
        *,
        config: Config | None = None,
        cache_entries: int | None = None,
        max_workers: int | None = None,
        max_context_tokens: int | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Open a library directory (or several, searched in order). Nothing is read until it is asked for.

        Args:
            root: directory or directories; None takes those of `config`.
            config: as `promptd.config.load` gives; the other arguments override it.
            cache_entries: how many component texts to keep.
            max_workers: most threads that read at once.
            max_context_tokens: a prompt with more tokens is refused with OverBudget.
            progress: called with (done, total) while many files are read.

        Raises:
            ConfigError: a directory does not exist, or a value is out of bounds.
        """
        overrides: dict[str, Any] = {
            "cache.entries": cache_entries,
            "loading.max_workers": max_workers,
            "tokens.max_context_tokens": max_context_tokens,
            "roots": None if root is None else [library_path(os.fspath(path)) for path in _several(root)],
        }
        given = {key: value for key, value in overrides.items() if value is not None}
        checked = configuration.load(None, {}, given)
        return cls(_with_roots(_laid_over(config, checked, given) if config else checked), progress=progress)

    def assemble(
        self,
        name: str | Sequence[str],
        variables: Mapping[str, str | int | float | bool] | None = None,
        arguments: str | None = None,
        **options: Any,
    ) -> Prompt:
        """Assemble one component, or several in order; `options` are the fields of `request.Options`.

        Returns the engine's own Prompt, with all that is known of it; a client gets the AssembleReply that is
        made from it, as `call` does. Raises the PromptdError leaf that says why not.
        """
        self._refuse_if_closed()
        names = (name,) if isinstance(name, str) else tuple(name)
        request = request_of(names, variables, arguments, Options(**options))
        procedure = procedures.assemble(self.workspace, request, self.workspace.source.check())
        return procedures.run(self.workspace, procedure, self._progress)

    def call(self, method: str, params: Mapping[str, Any] | None = None) -> bytes:
        """Answer a wire method: its result as JSON, to be decoded as its type in `protocol.replies`.

        The same bytes as a daemon's answer (Client.call). Raises PromptdError, also for bad parameters.
        """
        self._refuse_if_closed()
        found = methods.METHODS.get(method)
        if found is None:
            raise MethodNotFound(
                f"no method {method!r}; there are: {', '.join(methods.METHODS)}", method=method
            )
        handler = HANDLERS.get(method)
        if handler is None:
            raise UnsupportedOption(f"{method!r} needs a running daemon: start one with `promptd serve DIR`")
        checked = methods.decode_params(found, _encoded(method, params))
        procedure = handler(self.workspace, checked, self.workspace.source.check())
        return msgspec.json.encode(procedures.run(self.workspace, procedure, self._progress))

    def close(self) -> None:
        """End the threads. Whoever uses the engine afterwards gets a ValueError, as of a closed file."""
        self._is_closed = True
        self.workspace.close()

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise ValueError("this Engine is closed")


def _instance() -> str:
    """A name that no other engine has: a clock of one process says nothing in the next."""
    return f"embedded-{secrets.token_hex(6)}"


def _encoded(method: str, params: Mapping[str, Any] | None) -> bytes:
    try:
        return msgspec.json.encode(dict(params or {}))
    except (TypeError, ValueError, msgspec.EncodeError) as problem:
        raise InvalidParams(f"{method}: the parameters are not JSON: {problem}", method=method) from None


def _laid_over(config: Config, checked: Config, given: Mapping[str, Any]) -> Config:
    """The configuration with the given keys, taken from one in which their values have been checked."""
    for key in given:
        section, _, name = key.partition(".")
        value = getattr(checked, section)
        if name:
            value = structs.replace(getattr(config, section), **{name: getattr(value, name)})
        config = structs.replace(config, **{section: value})
    return config


def _with_roots(config: Config) -> Config:
    if not config.roots:
        raise ConfigError("no library: name a directory, or set [[roots]] in the configuration", key="roots")
    for root in config.roots:
        if not Path(root.path).is_dir():
            raise ConfigError(f"the root {root.path} is not a directory", key="roots")
    return config


def _several(root: Roots) -> Sequence[str | os.PathLike[str]]:
    return [root] if isinstance(root, (str, os.PathLike, Path)) else root
