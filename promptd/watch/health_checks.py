"""What no event tells, looked for on rounds four times a second: cheap, and sure to notice in the end.

An ancestor of a root is renamed, something is mounted over it, a link further up is re-pointed: the root is
another directory then, and a stat of it shows that. Mounts below a root show in the kernel's mount table. A
notifier that has died says nothing ever after: every PULSE_S a file that all of them watch is touched, and
whoever has not heard within PATIENCE_S is deaf. Somebody else may know better, and say so with `distrust`.

Decides and remembers; the lookout does what follows.
"""

from collections.abc import Callable
from typing import Protocol

from promptd.watch.mounts import Mounts
from promptd.watch.scope import Scope
from promptd.watch.watch_set import WatchSet

ROUND_S = 0.25  # a stat for each root and a poll of the mount table: 10 µs
RETRY_S = 5.0  # after a limit: somebody may have raised it, or closed an editor
PULSE_S = 30.0
PATIENCE_S = 5.0  # an event takes under a millisecond; a machine that is busy for a while is no reason


class WatchLost(RuntimeError):
    """The watches are in place, and events do not come."""


class MountSource(Protocol):
    """What is used of MountTable."""

    def has_changed(self) -> bool:
        """True if the mounts may differ since the last time of asking."""

    def read(self) -> Mounts:
        """The mounts right now."""

    def close(self) -> None:
        """Let go."""


class Heartbeat(Protocol):
    """What is used of Pulse."""

    path: str

    def beat(self) -> None:
        """Make an event at `path`."""

    def close(self) -> None:
        """Let go."""


class HealthChecks:
    """Belongs to the lookout's thread, but for `distrust`. Times are seconds of `clock`."""

    def __init__(self, mounts: MountSource, pulse: Heartbeat, clock: Callable[[], float]) -> None:
        self._mounts = mounts
        self._pulse = pulse
        self._clock = clock
        self._distrusted = ""
        self._round_s = self._retry_s = self._pulse_s = self._patient_until_s = 0.0

    def __repr__(self) -> str:
        return f"<HealthChecks {self._distrusted or 'nothing amiss'}>"

    def begin(self) -> Mounts:
        """Start anew, with new watches; returns the mounts right now."""
        self._distrusted = ""
        now_s = self._clock()
        self._round_s, self._retry_s, self._pulse_s = now_s + ROUND_S, now_s + RETRY_S, now_s + PULSE_S
        self._mounts.has_changed()  # what happened until now is in what is read now
        return self._mounts.read()

    def distrust(self, reason: str) -> None:
        """Let the next round find the watches deaf. From any thread."""
        self._distrusted = reason

    def excuse(self) -> None:
        """Nobody could have heard anything lately: this process stood still."""
        self._patient_until_s = self._clock() + PATIENCE_S

    def are_due(self) -> bool:
        """True four times a second."""
        now_s = self._clock()
        if now_s < self._round_s:
            return False
        self._round_s = now_s + ROUND_S
        return True

    def is_retry_due(self) -> bool:
        """True every RETRY_S."""
        now_s = self._clock()
        if now_s < self._retry_s:
            return False
        self._retry_s = now_s + RETRY_S
        return True

    def mounts_beside(self, scope: Scope) -> Mounts | None:
        """The mounts, if those that matter to a scope have changed; else None."""
        if not self._mounts.has_changed():
            return None
        mounts = self._mounts.read()
        return None if scope.has_same(mounts) else mounts

    def mind(self, net: WatchSet) -> None:
        """Touch the pulse when it is time. Raises Deaf for a net that does not hear or is distrusted."""
        now_s = self._clock()
        if self._distrusted:
            raise WatchLost(self._distrusted)
        if net.is_deaf and now_s > self._patient_until_s:
            raise WatchLost("a notifier no longer hears the pulse")
        if now_s >= self._pulse_s:
            self._pulse_s = now_s + PULSE_S
            self.excuse()
            net.expect_pulse()
            self._pulse.beat()

    def close(self) -> None:
        """Let go of the mount table and the pulse."""
        self._mounts.close()
        self._pulse.close()
