"""What is true: the answers of a library that was opened a moment ago and has nothing in memory.

The same logic as `--no-daemon`. Only the vocabulary, which no file of a library can change, is loaded once
for all. `differences` holds a daemon's answers against it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from promptd.engine.embedded import Engine
from promptd.engine.tokenizer import shared
from promptd.errors import PromptdError

Question = tuple[str, dict[str, Any]]
MOMENTARY = ("clock",)  # the members of a result that say who answered, not what is true


class Cold:
    """Opens the library at `root` anew for every series of questions."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shared("o200k_base").load()  # the tokenizer of every engine in this process

    def __repr__(self) -> str:
        return f"<Cold {self.root}>"

    def answers(self, questions: Sequence[Question]) -> list[Any]:
        """Each answer by an engine that knew nothing when the first question came."""
        with Engine.open(self.root) as engine:
            return [_answer(engine, *question) for question in questions]


def _answer(engine: Engine, method: str, params: dict[str, Any]) -> Any:
    try:
        return lasting(msgspec.json.decode(engine.call(method, params)))
    except PromptdError as error:
        return failure(error.type, error.message)


def failure(kind: str, message: str) -> dict[str, Any]:
    """An error as it is compared: without the names that it offers instead of an unknown one.

    Those all exist when they are offered (tests/engine/test_procedures.py), but they may lack a
    new one.
    """
    is_offer = kind == "promptd.UnknownComponent"
    return {"error": kind, "message": message.partition(";")[0] if is_offer else message}


def lasting(result: Any) -> Any:
    """A result without what is of the moment."""
    return {key: value for key, value in result.items() if key not in MOMENTARY}


def said(reply: dict[str, Any]) -> Any:
    """A daemon's reply in the same shape."""
    if "error" in reply:
        return failure(reply["error"]["data"]["type"], reply["error"]["message"])
    return lasting(reply["result"])


def differences(questions: Sequence[Question], answers: Sequence[Any], true: Sequence[Any]) -> list[str]:
    """One line for each answer that is not what it should be; none if all are right."""
    return [
        f"{method} {params}: {_first_difference(received, right)}"
        for (method, params), received, right in zip(questions, answers, true, strict=True)
        if received != right
    ]


def _first_difference(received: Any, right: Any) -> str:
    names = [name for name in {**received, **right} if received.get(name) != right.get(name)]
    return "; ".join(f"{name} is {received.get(name)!r}, should be {right.get(name)!r}" for name in names)
