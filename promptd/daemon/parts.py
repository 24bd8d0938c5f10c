"""The parts of a daemon, as those see them that ask all of them: control.py and reload.py.

Only names and types: lifecycle.py builds the parts.
"""

from typing import Any, Protocol

from promptd.daemon.maintenance import Maintenance
from promptd.daemon.monitoring import Monitoring
from promptd.daemon.status import RunState, StatusReporter
from promptd.daemon.tasks import Timers
from promptd.engine.current import Current
from promptd.server.dispatch import Dispatcher
from promptd.server.listener import Listener
from promptd.server.subscriptions import Subscriptions


class DaemonParts(Protocol):
    """What a daemon consists of; there is no listener before it serves."""

    run: RunState
    current: Current
    maintenance: Maintenance
    monitoring: Monitoring
    dispatcher: Dispatcher
    subscriptions: Subscriptions
    listener: Listener | None
    status: StatusReporter
    timers: Timers

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again and put it in force. Raises ConfigError and keeps the old one."""
