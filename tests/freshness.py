"""What the tests of freshness share: a warm engine held against a cold one, and a clock that ages files.

Cold means: an engine that was opened after the operation and has seen nothing before. Whatever it answers
is right by definition, so the warm one must answer the very same.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from promptd import Engine
from promptd.errors import PromptdError, UnknownComponent
from promptd.sources.worktree import files as worktree_files

LATER_NS = 10_000_000_000


def answer(engine: Engine, *names: str, **more: Any) -> Any:
    """Return everything an engine says to a request, comparable: the prompt, or the error."""
    try:
        prompt = engine.assemble(names, **more)
    except UnknownComponent:
        return "unknown"  # which names are near is a hint and not part of the contract
    except PromptdError as error:
        return type(error).__name__, error.message
    assert prompt.tokens == engine.workspace.tokenizer.count(prompt.text)
    return {
        "text": prompt.text,
        "tokens": prompt.tokens,
        "digest": prompt.digest,
        "etag": prompt.etag,
        "manifest": prompt.manifest,
        "warnings": prompt.warnings,
        "metadata": prompt.metadata,
        "consistent": prompt.is_consistent,
    }


def whole(engine: Engine) -> dict[str, Any]:
    """Return what an engine says of the whole library, less the clock."""
    said = {method: msgspec.json.decode(engine.call(method)) for method in ("list", "graph", "check")}
    return {
        method: {key: value for key, value in one.items() if key != "clock"} for method, one in said.items()
    }


def assert_hold_the_same(warm: Engine, cold: Engine) -> None:
    """Compare the places that two engines hold, and signatures where both prove something.

    A young file proves nothing yet to who read it two seconds ago.
    """
    one, other = (dict(engine.workspace.library.held()) for engine in (warm, cold))
    assert one.keys() == other.keys()
    proved = {place for place in one if one[place] is not None and other[place] is not None}
    assert {place: one[place] for place in proved} == {place: other[place] for place in proved}


def cold_one(warm: Engine) -> Engine:
    """Return an engine for the same library that has seen nothing of it."""
    return Engine(warm.workspace.config)


def assert_fresh(warm: Engine, requests: Sequence[tuple[str, ...]]) -> None:
    """Ask a warm and a cold engine the same, twice; they must agree."""
    with cold_one(warm) as cold:
        for names in requests:
            assert answer(warm, *names) == answer(cold, *names), names
            assert answer(warm, *names) == answer(cold, *names), names


@pytest.fixture(params=["young", "aged"])
def age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test with files that were just written, and with files that a signature must prove."""
    if request.param == "aged":
        make_files_look_old(monkeypatch)
    return str(request.param)


def make_files_look_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock of the working tree ahead, so that no file is racily clean when it is read."""
    real = worktree_files.time.time_ns
    monkeypatch.setattr(worktree_files.time, "time_ns", lambda: real() + LATER_NS)


def ticks(marker: Path) -> Iterator[None]:
    """Each step lets the clock of the file system move on, so that no two operations share a time."""
    last = 0
    while True:
        while True:
            marker.write_text("tick")
            now = marker.stat().st_ctime_ns
            if now > last:
                break
        last = now
        yield
