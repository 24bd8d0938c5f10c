"""What one connection has received and nobody has begun: its calls, and frames that are refused."""

from collections import deque

from promptd.protocol.calls import Call, Event


class Backlog(deque[Event]):
    """A queue to which calls of the present turn can be given back: `put_back` makes them the next again."""

    __slots__ = ("_deferred",)

    def __init__(self) -> None:
        super().__init__()
        self._deferred: list[Call] = []

    def defer(self, call: Call) -> None:
        """Take a call back; those of one turn come in their order."""
        self._deferred.append(call)

    def put_back(self) -> bool:
        """Put what was taken back before all others; False if there is nothing."""
        if not self._deferred:
            return False
        self.extendleft(reversed(self._deferred))
        self._deferred.clear()
        return True
