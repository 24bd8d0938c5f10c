"""Checks, four times a second, for changes that make no event: cheap, and certain to find them in the end.

If an ancestor of a root is renamed, mounted over, or a link above it is re-pointed, the root is another
directory, and a stat of it shows that. Mounts below a root show in the kernel's mount table. A notifier that
has failed reports nothing: every HEARTBEAT_S a file that all notifiers watch is touched, and one that has not
reported it within GRACE_S counts as lost. Other code that finds a missed event reports it with `distrust`.

This module decides and remembers; the watch thread acts.
"""

from collections.abc import Callable
from typing import Protocol

from promptd.watch.mounts import Mounts
from promptd.watch.scope import Scope
from promptd.watch.watch_set import WatchSet

CHECK_INTERVAL_S = 0.25  # a stat for each root and a poll of the mount table: 10 µs
RETRY_S = 5.0  # after a limit: it may have been raised, or another program closed
HEARTBEAT_S = 30.0
GRACE_S = 5.0  # an event takes under a millisecond; a machine that is busy for a while is no failure


class WatchLost(RuntimeError):
    """The watches are in place, but events do not arrive."""


class MountSource(Protocol):
    """The interface of MountTable that is used here."""

    def has_changed(self) -> bool:
        """True if the mounts may have changed since the last call."""

    def read(self) -> Mounts:
        """The current mounts."""

    def close(self) -> None:
        """Release it."""


class Heartbeat(Protocol):
    """The interface of HeartbeatFile that is used here."""

    path: str

    def beat(self) -> None:
        """Make an event at `path`."""

    def close(self) -> None:
        """Release it."""


class HealthChecks:
    """Used by the watch thread only, except `distrust`. Times are seconds of `clock`."""

    def __init__(self, mounts: MountSource, heartbeat: Heartbeat, clock: Callable[[], float]) -> None:
        self._mounts = mounts
        self._heartbeat = heartbeat
        self._clock = clock
        self._distrusted = ""
        self._check_s = self._retry_s = self._heartbeat_s = self._grace_until_s = 0.0

    def __repr__(self) -> str:
        return f"<HealthChecks {self._distrusted or 'ok'}>"

    def start(self) -> Mounts:
        """Start again, with new watches; returns the current mounts."""
        self._distrusted = ""
        now_s = self._clock()
        self._check_s, self._retry_s = now_s + CHECK_INTERVAL_S, now_s + RETRY_S
        self._heartbeat_s = now_s + HEARTBEAT_S
        self._mounts.has_changed()  # what happened until now is in what is read now
        return self._mounts.read()

    def distrust(self, reason: str) -> None:
        """Make the next check fail with this reason. From any thread."""
        self._distrusted = reason

    def extend_grace(self) -> None:
        """Allow a late heartbeat: this process was not running for a while."""
        self._grace_until_s = self._clock() + GRACE_S

    def are_due(self) -> bool:
        """True four times a second."""
        now_s = self._clock()
        if now_s < self._check_s:
            return False
        self._check_s = now_s + CHECK_INTERVAL_S
        return True

    def is_retry_due(self) -> bool:
        """True every RETRY_S."""
        now_s = self._clock()
        if now_s < self._retry_s:
            return False
        self._retry_s = now_s + RETRY_S
        return True

    def changed_mounts(self, scope: Scope) -> Mounts | None:
        """The mounts, if those that concern a scope have changed; else None."""
        if not self._mounts.has_changed():
            return None
        mounts = self._mounts.read()
        return None if scope.has_same_mounts(mounts) else mounts

    def check(self, watch_set: WatchSet) -> None:
        """Touch the heartbeat file when it is time. Raises WatchLost for a missed heartbeat or event."""
        now_s = self._clock()
        if self._distrusted:
            raise WatchLost(self._distrusted)
        if watch_set.is_silent and now_s > self._grace_until_s:
            raise WatchLost("a notifier missed the heartbeat")
        if now_s >= self._heartbeat_s:
            self._heartbeat_s = now_s + HEARTBEAT_S
            self.extend_grace()
            watch_set.expect_heartbeat()
            self._heartbeat.beat()

    def close(self) -> None:
        """Release the mount table and the heartbeat."""
        self._mounts.close()
        self._heartbeat.close()
