"""Maintenance of a real library by the real watcher, in this process, and requests to it."""

import asyncio
from pathlib import Path

from promptd.config.schema import WatchConfig
from promptd.daemon.maintenance import Maintenance, MaintenanceStatistics
from promptd.engine import procedures
from promptd.engine.current import Current
from promptd.engine.workspace import Workspace
from promptd.protocol.request import request_of
from promptd.support.locks import StateLock
from tests.server.peers import Tasks

FILES = {
    "commands/hello.md": "Hello.\n<include>components/tone.md</include>\n",
    "commands/other.md": "Something else.\n",
    "components/tone.md": "Be kind.\n",
}
HELLO = request_of(("commands/hello",))
WATCH = WatchConfig(poll_interval=5, debounce=20)
EXPLAINED_S = 0.3  # settling takes 25 ms here


class Maintained:
    """A workspace with its maintenance and its background tasks."""

    def __init__(self, root: Path, workspace: Workspace) -> None:
        self.root = root
        self.current = Current(workspace)
        self.tasks = Tasks()
        self.lock = StateLock(root.parent / "state")
        self.maintenance = Maintenance(self.current, self.lock, self.tasks.spawn, explained_s=EXPLAINED_S)
        workspace.observers.append(self.maintenance.changed)

    @property
    def workspace(self) -> Workspace:
        """The workspace of the moment."""
        return self.current.workspace

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.lock.directory

    async def watch(self, settings: WatchConfig = WATCH) -> None:
        """Watch, as a daemon that has read its library does."""
        await self.maintenance.follower.watch(settings)
        self.maintenance.begin()

    async def exchange(self, workspace: Workspace) -> None:
        """Put another workspace in place of the current one, as a reload does."""
        former, self.current.workspace = self.current.workspace, workspace
        await self.maintenance.take_over_from(former)

    async def write(self, id: str, text: str) -> None:
        """Write one file."""
        await asyncio.to_thread((self.root / id).write_text, text)

    async def ask(self, *names: str) -> str:
        """A client's request."""
        procedure = procedures.assemble(self.workspace, request_of(names), self.workspace.source.check())
        return (await procedures.drive(self.workspace, procedure)).text

    def warm_text(self) -> str | None:
        """What is held ready for a request for hello."""
        cached = self.workspace.prompts.peek(HELLO)
        return None if cached is None else cached.prompt.text

    @property
    def counts(self) -> MaintenanceStatistics:
        """What maintenance counts."""
        return self.maintenance.statistics()
