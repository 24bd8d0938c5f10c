"""Daemons to be held against the truth: real processes, with a watcher, without, and with one that lies.

One daemon lives through many examples of a law, which is harder than one for each.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.daemon.process import Daemon
from tests.proofs.cold import Question, said

REPOSITORY = Path(__file__).parents[2]
WAYS = ("watched", "unwatched", "lied to")


def start(way: str, place: Path, library: Path, **environment: str) -> Daemon:
    """A daemon of one of the WAYS for the library; its socket and state are in `place`."""
    place.mkdir(exist_ok=True)
    if way == "unwatched":
        return Daemon(place, library, environment={"PROMPTD_WATCH_ENABLED": "false", **environment})
    if way == "lied to":
        return weak(place, library, PROOF_LIES="1", **environment)
    return Daemon(place, library, environment=environment)


def weak(place: Path, library: Path, **environment: str) -> Daemon:
    """A daemon whose watcher is as unreliable as the environment says (weak_watcher.py)."""
    place.mkdir(exist_ok=True)
    paths = [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
    return Daemon(
        place,
        library,
        environment={"PYTHONPATH": os.pathsep.join(paths), **environment},
        wrapper=(sys.executable, "-m", "tests.proofs.weak_watcher"),
    )


def ask_all(daemon: Daemon, questions: Sequence[Question]) -> list[Any]:
    """The answers to questions that are all sent before the first answer is read, in their order."""
    peer = daemon.peer
    identities = [peer.say(method, **params) for method, params in questions]
    received: dict[int, Any] = {}
    while len(received) < len(identities):
        reply = peer.receive()
        received[reply["id"]] = said(reply)
    return [received[identity] for identity in identities]
