"""What takes several steps, written once: generators that yield effects.

A procedure decides and yields effects (read these places, scan the roots); a driver does them, in this
thread (`run`, the embedded engine) or off the event loop (`drive`, the daemon), and sends the outcome
back in. So the daemon, commands that run in process and the embedded engine make the very same decisions.
"""

from promptd.engine.procedures.answer import (
    Closure,
    assemble,
    cached_prompt,
    closure,
    satisfy,
)
from promptd.engine.procedures.effects import (
    READ_AT_ONCE,
    Compute,
    Effect,
    Exists,
    Look,
    Pause,
    Procedure,
    Read,
    Reconcile,
    Reconciled,
    Reserve,
    Scan,
)
from promptd.engine.procedures.run import Effort, drive, perform, run
from promptd.engine.procedures.sync import (
    count_hot,
    differences,
    follow,
    read,
    reconcile,
    warm,
)

__all__ = [
    "READ_AT_ONCE",
    "Closure",
    "Compute",
    "Effect",
    "Effort",
    "Exists",
    "Look",
    "Pause",
    "Procedure",
    "Read",
    "Reconcile",
    "Reconciled",
    "Reserve",
    "Scan",
    "assemble",
    "cached_prompt",
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
