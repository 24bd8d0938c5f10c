"""What takes several steps, written once: generators that yield what must be done in the world.

A flow decides and yields commands (read these places, scan the roots); a driver does them, in this
thread (`run`, the embedded engine) or off the event loop (`drive`, the daemon), and sends the outcome
back in. So the daemon, `--no-daemon` and the embedded engine run the very same decisions.
"""

from promptd.flows.asking import Closure, assemble, closure, satisfy
from promptd.flows.commands import (
    Command,
    Compute,
    Exists,
    Flow,
    Look,
    Pause,
    Read,
    Reconcile,
    Reconciled,
    Scan,
)
from promptd.flows.drivers import drive, perform, run
from promptd.flows.keeping import READ_AT_ONCE, count_hot, differences, follow, read, reconcile, warm

__all__ = [
    "READ_AT_ONCE",
    "Closure",
    "Command",
    "Compute",
    "Exists",
    "Flow",
    "Look",
    "Pause",
    "Read",
    "Reconcile",
    "Reconciled",
    "Scan",
    "assemble",
    "closure",
    "count_hot",
    "differences",
    "drive",
    "follow",
    "perform",
    "read",
    "reconcile",
    "run",
    "satisfy",
    "warm",
]
