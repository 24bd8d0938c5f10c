"""Users who may not ask, and connect all the same: the others and the watchdog do not notice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from promptd import Client
from tests.conftest import Library
from tests.daemon.conftest import Start

NOBODY = 65534
FLOOD = """
import os, socket, sys, time
os.setuid(int(sys.argv[1]))
held, until = [], time.monotonic() + float(sys.argv[3])
while time.monotonic() < until:
    peer = socket.socket(socket.AF_UNIX)
    peer.setblocking(False)
    try:
        peer.connect(sys.argv[2])
        peer.send(b'{"jsonrpc":"2.0","id":1,"method":"list"}\\n')
    except OSError:
        pass
    held.append(peer)
    del held[:-200]
print("done")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can connect as another user")
def test_a_flood_of_those_who_may_not_ask(start: Start, directory: Path, library: Library) -> None:
    """Each is refused by name, none takes a place, and whoever may ask is served all the while."""
    daemon = start(library({"a.md": "text\n"}))
    daemon.ask("ping")
    directory.chmod(0o755)
    daemon.socket.chmod(0o666)
    command = [sys.executable, "-c", FLOOD, str(NOBODY), str(daemon.socket), "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as flood:
        served = 0
        while flood.poll() is None:
            assert daemon.text("a") == "text\n"
            with Client(str(daemon.socket)) as late:
                assert late.ping().pid == daemon.process.pid
            served += 1
        assert flood.stdout is not None
        assert flood.stdout.read() == b"done\n"
    assert served > 5
    refused = daemon.ask("statistics")["connections"]["refused"]
    assert refused["uid"] > 200
    assert set(refused) == {"uid"}
    assert daemon.process.poll() is None
