"""A daemon whose watcher is unreliable: `python -m tests.proofs.weak_watcher COMMAND…` runs the COMMAND.

Used as a wrapper of `python -m promptd serve …`, in whose place it becomes that daemon, over the real
notifier. PROOF_LIES=SEED: half of the events are reported as they come; of the others a third is lost, a
third reported twice, and a third reported after those that came later. PROOF_DEATH=PATH: whenever that file
exists the notifier is closed while the watcher uses it, and the file is removed.
"""

import os
import random
import sys
from pathlib import Path

from promptd.watch.inotify import Inotify

drain = Inotify.drain


class Liar:
    """Reports a random part of what really happened. The watcher's own heartbeat is left alone."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)
        self._late: set[str] = set()

    def drain(self, notifier: Inotify) -> set[str]:
        """As the real one, but for half of the events."""
        seen = drain(notifier)
        heartbeats = {path for path in seen if path.startswith("/proc/")}
        reported = self._late if self._chance.random() < 0.5 else set()
        self._late = self._late - reported
        for path in sorted(seen - heartbeats):
            reported = reported | self._reported(path)
        return reported | heartbeats

    def _reported(self, path: str) -> set[str]:
        fate = self._chance.choice(("tell", "tell", "tell", "lose", "twice", "late"))
        if fate in ("twice", "late"):
            self._late = self._late | {path}
        return {path} if fate in ("tell", "twice") else set()


class Mortal:
    """Closes the real notifier and then asks it, whenever a certain file exists."""

    def __init__(self, death: Path) -> None:
        self._death = death

    def drain(self, notifier: Inotify) -> set[str]:
        """What happened, or the error of a notifier that was closed."""
        if self._death.exists():
            self._death.unlink()
            notifier._notify.close()
        return drain(notifier)


def main() -> int:
    """Become the daemon that the rest of the command line asks for."""
    weak: Liar | Mortal
    if "PROOF_LIES" in os.environ:
        weak = Liar(os.environ["PROOF_LIES"])
    else:
        weak = Mortal(Path(os.environ["PROOF_DEATH"]))

    def drain_weakly(notifier: Inotify) -> set[str]:
        return weak.drain(notifier)

    Inotify.drain = drain_weakly  # type: ignore[method-assign]
    from promptd.__main__ import main as promptd

    sys.argv = sys.argv[sys.argv.index("promptd") :]
    return promptd()


if __name__ == "__main__":
    sys.exit(main())
