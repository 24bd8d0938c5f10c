"""A daemon whose watcher is unreliable: `python -m tests.proofs.weak_watcher COMMAND…` runs the COMMAND.

Used as a wrapper of `python -m promptd serve …`, in whose place it becomes that daemon, over the real
notifier. PROOF_LIES=SEED: half of the events are told as they come; of the others a third is lost, a third
told twice, and a third told after those that came later. PROOF_DEATH=PATH: whenever a file stands there the
notifier is closed under the watcher's hands, and the file is removed.
"""

import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from promptd.watch.lookout import Stop
from promptd.watch.watcher import Inotify, Watcher

Events = set[tuple[int, str]]
LISTENED_MS = 100  # a notifier that is to die must look up now and then


class WeakNotifier:
    """The real notifier behind one that lies and dies as the environment says."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._real = Inotify(paths)
        self._chance = random.Random(os.environ.get("PROOF_LIES"))
        self._is_lying = "PROOF_LIES" in os.environ
        self._death = Path(os.environ.get("PROOF_DEATH", "/nonexistent"))
        self._late: list[tuple[int, str]] = []

    def watch(self, debounce_ms: int, step_ms: int, timeout_ms: int, stop_event: Stop | None) -> Events | str:
        """As the real one, but for half of the events."""
        while True:
            seen = self._real.watch(debounce_ms, step_ms, timeout_ms or LISTENED_MS, stop_event)
            if self._death.exists():
                self._death.unlink()
                self._real.close()
                seen = self._real.watch(debounce_ms, step_ms, timeout_ms, stop_event)
            told = self._told(seen)
            if told != "timeout" or timeout_ms:
                return told

    def _told(self, seen: Events | str) -> Events | str:
        if not self._is_lying:
            return seen
        late, self._late = self._late, []
        told = set(late) if self._chance.random() < 0.5 else set()
        self._late += [] if told else late
        for event in sorted(seen) if isinstance(seen, set) else ():
            self._tell(event, told)
        return told or ("timeout" if isinstance(seen, set) else seen)

    def _tell(self, event: tuple[int, str], told: Events) -> None:
        """Half of the events are told as they are; of the others some are lost, some twice, some late."""
        fate = self._chance.choice(("tell", "tell", "tell", "lose", "twice", "late"))
        if fate in ("tell", "twice"):
            told.add(event)
        if fate in ("twice", "late"):
            self._late.append(event)

    def close(self) -> None:
        """Free the watches."""
        self._real.close()


def main() -> int:
    """Become the daemon that the rest of the command line asks for."""
    defaults = Watcher.__init__.__kwdefaults__
    assert defaults["make_notifier"] is Inotify
    defaults["make_notifier"] = WeakNotifier
    from promptd.__main__ import main as promptd

    sys.argv = sys.argv[sys.argv.index("promptd") :]
    return promptd()


if __name__ == "__main__":
    sys.exit(main())
