"""Readers beside the writers: threads that ask a daemon for versioned prompts and keep what they show."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.daemon.process import Peer
from tests.proofs.register import Read
from tests.proofs.writers import VersionedPairs, Writers

WRITE_PAUSE_S = 0.004


def observe(
    socket: Path,
    versioned: VersionedPairs,
    *,
    readers: int,
    seconds: float,
    is_enough: Callable[[list[Read]], bool] = bool,
) -> list[Read]:
    """What readers see of a daemon while every pair of the versioned is being written.

    For so many seconds, and then until it is enough: a machine may be busy with something else.
    """
    reads: list[Read] = []
    until_ns = time.monotonic_ns() + int(seconds * 1e9)
    names = ["all", *(f"pairs/{number}" for number in range(len(versioned.pairs)))]

    def read(number: int) -> None:
        with Peer(socket) as peer:
            while (sent_ns := time.monotonic_ns()) < until_ns or not is_enough(reads):
                number += 1
                result = peer.ask("assemble", name=names[number % len(names)])
                reads.append(versioned.read_of(result, sent_ns, time.monotonic_ns()))

    threads = [threading.Thread(target=read, args=(number,)) for number in range(readers)]
    with Writers(versioned, range(len(versioned.pairs)), pause_s=WRITE_PAUSE_S):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return reads
