"""Asking a file system that may never answer: in a thread of its own, and not for longer than a deadline.

A hung NFS or FUSE server blocks the thread that asks, for as long as it hangs, and nothing can call that
thread back. So it is left behind, and until it returns nothing more is asked there: each later question fails
at once, so that a mount costs one thread for each question that was under way, and no more.
"""

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import TypeVar

DEADLINE_S = (
    2.0  # a network file system answers in milliseconds; one that is being restarted may need seconds
)
Told = TypeVar("Told")


class HangGuard:
    """Questions to file systems, each of which a key names. Safe in threads."""

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self.deadline_s = deadline_s
        self._unanswered: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<HangGuard, {self._unanswered.total()} questions unanswered>"

    def ask(self, key: Hashable, question: Callable[[], Told]) -> Told:
        """The answer, or what the question raises. Raises TimeoutError: there is none yet."""
        with self._lock:
            if self._unanswered[key]:
                raise TimeoutError
        answer: list[Told] = []
        raised: list[BaseException] = []
        is_over, is_late = threading.Event(), False

        def think() -> None:
            try:
                answer.append(question())
            except BaseException as problem:
                raised.append(problem)
            with self._lock:
                is_over.set()
                self._unanswered[key] -= is_late

        # Not one of a pool: the end of the process would wait for it.
        threading.Thread(target=think, name="promptd-ask", daemon=True).start()
        is_over.wait(self.deadline_s)
        with self._lock:
            is_late = not is_over.is_set()
            self._unanswered[key] += is_late
        if is_late:
            raise TimeoutError
        if raised:
            raise raised[0]
        return answer[0]
