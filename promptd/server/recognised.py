"""Recognised requests: raw parameters whose meaning is known, so that they need not be decoded again."""

from collections.abc import Callable

from promptd.protocol.request import Request

MAX_RECOGNISED = 4_096
MAX_RECOGNISED_BYTES = 2_048  # longer ones carry values that will not come again
MAX_RECOGNISED_BYTES_IN_ALL = 2_000_000


class Recognised(dict[bytes, Request]):
    """A dict, so that looking one up costs nothing more; entries come by `note` alone, which bounds it."""

    def __init__(self) -> None:
        super().__init__()
        self._size_bytes = 0  # of keys, since it was last emptied

    def note(self, params: bytes, request: Callable[[], Request]) -> None:
        """Remember what parameters mean, unless they are long."""
        if len(params) > MAX_RECOGNISED_BYTES:
            return
        self._size_bytes += len(params)
        if len(self) >= MAX_RECOGNISED or self._size_bytes > MAX_RECOGNISED_BYTES_IN_ALL:
            self.clear()
            self._size_bytes = len(params)
        self[params] = request()
