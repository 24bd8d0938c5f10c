"""The prompts of a library that can be requested, each assembled once to find its required variables."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from promptd.cli.bench.mix import Mix, MixRequest
from promptd.core.library.resolve import matches
from promptd.engine.embedded import Engine
from promptd.errors import MissingVariable, PromptdError
from promptd.sources.loader import Progress

MAX_PROMPTS = 300  # requested at most: each is assembled once, which takes up to 50 ms
MAX_VARIABLES = 100  # required variables of one prompt


def prepare(engine: Engine, globs: Sequence[str], seed: int, progress: Progress | None = None) -> Mix:
    """Find out what can be requested: each prompt is assembled once, in this process.

    Prompts are the ids that match `globs` (`library.prompts`); in a library without any, the components
    without dependents; failing that, all. A prompt that cannot be assembled is in `invalid`, never raised.
    """
    listed = msgspec.json.decode(engine.call("list"))["components"]
    source = random.Random(seed)
    found = _shuffled(_prompts(listed, globs), source)
    chosen = found[:MAX_PROMPTS]
    asks: list[MixRequest] = []
    invalid: list[str] = []
    for number, name in enumerate(chosen, 1):
        ask = _tried(engine, name)
        if ask is None:
            invalid.append(name)
        else:
            asks.append(ask)
        if progress is not None:
            progress(number, len(chosen))
    components = _shuffled([each["id"] for each in listed if not each.get("error")], source)
    return Mix(tuple(asks), tuple(components), tuple(invalid), len(found) - len(chosen), seed)


def _prompts(listed: Sequence[dict[str, Any]], globs: Sequence[str]) -> list[str]:
    named = [each["id"] for each in listed if matches(each["id"], tuple(globs))]
    on_top = [each["id"] for each in listed if not each["dependents"]]
    return named or on_top or [each["id"] for each in listed]


def _shuffled(names: list[str], source: random.Random) -> list[str]:
    return source.sample(names, len(names))


def _tried(engine: Engine, name: str) -> MixRequest | None:
    """The prompt with a value for each required variable, or None if it cannot be assembled."""
    variables: dict[str, str] = {}
    for _ in range(MAX_VARIABLES):
        try:
            engine.assemble(name, variables, strategy="none")
        except MissingVariable as missing:
            variables[str(missing.details["name"])] = "a value"
        except PromptdError:
            return None
        else:
            return MixRequest(name, variables)
    return None
