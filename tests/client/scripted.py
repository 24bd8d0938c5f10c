"""A daemon that plays a script: one function a connection, in the order they come.

It stands where no well-behaved listener can: it hangs up, cuts answers short, stays silent. What it answers
otherwise is what the real one would.
"""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, BinaryIO

Script = Callable[["Talk"], None]


class Talk:
    """One connection, from the daemon's side."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._lines: BinaryIO = connection.makefile("rb")

    def request(self) -> dict[str, Any]:
        """The next request; EOFError if the client hung up."""
        line = self._lines.readline()
        if not line:
            raise EOFError
        request: dict[str, Any] = json.loads(line)
        return request

    def send(self, **members: Any) -> None:
        """One line."""
        self.connection.sendall(json.dumps({"jsonrpc": "2.0", **members}).encode() + b"\n")

    def answer(self, result: Any) -> dict[str, Any]:
        """Answer the next request with a result, and give the request back."""
        request = self.request()
        self.send(id=request["id"], result=result)
        return request

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def echo(talk: Talk) -> None:
    """Answer every request with its own method and parameters."""
    while True:
        request = talk.request()
        talk.send(id=request["id"], result={"method": request["method"], "params": request["params"]})


class ScriptedDaemon:
    """Listens on `path`; the scripts are played one a connection, the last one again and again."""

    def __init__(self, path: str, *scripts: Script) -> None:
        self.path = path
        self.talks: list[Talk] = []
        self.accepted = 0
        self._is_gone = False
        self._scripts = list(scripts) or [echo]
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(path)
        self._listening.listen()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            script = self._scripts[min(self.accepted, len(self._scripts) - 1)]
            self.accepted += 1
            talk = Talk(connection)
            self.talks.append(talk)
            thread = threading.Thread(target=self._play, args=(script, talk), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _play(self, script: Script, talk: Talk) -> None:
        with contextlib.suppress(EOFError, OSError, ValueError):  # the client, or the test, ended it
            script(talk)
        talk.close()

    def stop_accepting(self) -> None:
        """As at the beginning of a stop: the socket file goes, so that another can listen at its path."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        if not self._is_gone:
            self._is_gone = True
            os.unlink(self.path)

    def close(self) -> None:
        """End everything."""
        self.stop_accepting()
        for talk in self.talks:
            with contextlib.suppress(OSError):
                talk.connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
