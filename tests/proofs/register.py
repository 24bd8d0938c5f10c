"""The register check: what concurrent reads may return, decided from a history alone.

Files are registers. Each has one writer, who writes the versions 1, 2, 3, … and notes when each write began
and when it was complete; version 0 was there before. A read notes when its request was sent, when its reply
was there, and the version of each file that the reply shows. Then, for each file,

- *fresh*: the version is at least that of the last write that was complete when the request was sent;
- *real*: it is at most that of the last write that had begun when the reply was there.

A writer of a pair writes version k to its first file, then k to its second. So the pairs (k, k) and (k+1, k)
existed and no other did, and a reply that says it is consistent must show one that did:

- *unmixed*: the first file's version is the second's, or one more.

Times are of one monotonic clock, in nanoseconds. Pure: no files, no sockets, no clock. This is the check for
atomic registers with one writer (Lamport, "On interprocess communication", 1986) without its demand that
readers agree with one another, and with the pairs added.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Writes:
    """Of each version of one file, from 1 on, when its write began and when it was complete.

    `begin` before and `complete` after a write; one thread writes, others may read meanwhile.
    """

    began_ns: list[int] = field(default_factory=list)
    completed_ns: list[int] = field(default_factory=list)

    def begin(self, now_ns: int) -> int:
        """A write begins; returns its version."""
        self.began_ns.append(now_ns)
        return len(self.began_ns)

    def complete(self, now_ns: int) -> None:
        """The write that began last is complete."""
        self.completed_ns.append(now_ns)

    def oldest(self, sent_ns: int) -> int:
        """The last version that was complete before a request was sent."""
        return bisect_left(self.completed_ns, sent_ns)

    def newest(self, received_ns: int) -> int:
        """The last version that had begun when a reply was there."""
        return bisect_right(self.began_ns, received_ns)


@dataclass(frozen=True, slots=True)
class Read:
    """One request, the version of each file in its reply, and whether it says that all were so at once."""

    sent_ns: int
    received_ns: int
    versions: Mapping[str, int]
    is_consistent: bool = True


Pair = tuple[str, str]


def wrong_with(read: Read, writes: Mapping[str, Writes], pairs: Sequence[Pair] = ()) -> list[str]:
    """What a reply shows that it must not, one sentence each."""
    problems = [
        problem
        for file, version in read.versions.items()
        for problem in _misplaced(file, version, read, writes[file])
    ]
    if read.is_consistent:
        problems += _mixed(read.versions, pairs)
    return problems


def violations(reads: Iterable[Read], writes: Mapping[str, Writes], pairs: Sequence[Pair] = ()) -> list[str]:
    """What is wrong in a whole history."""
    return [problem for read in reads for problem in wrong_with(read, writes, pairs)]


def _misplaced(file: str, version: int, read: Read, writes: Writes) -> Iterable[str]:
    oldest, newest = writes.oldest(read.sent_ns), writes.newest(read.received_ns)
    if version < oldest:
        yield f"stale: {file} at {version}, but {oldest} was complete before the request was sent"
    if version > newest:
        yield f"unreal: {file} at {version}, but no more than {newest} had begun when the reply came"


def _mixed(versions: Mapping[str, int], pairs: Iterable[Pair]) -> Iterable[str]:
    for first, second in pairs:
        if first in versions and second in versions and not 0 <= versions[first] - versions[second] <= 1:
            yield (
                f"mixed: {first} at {versions[first]} with {second} at {versions[second]} never existed,"
                " and the reply says it is consistent"
            )
