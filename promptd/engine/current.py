"""The workspace in force: one holder that is handed to every part that needs it.

A reload builds another workspace beside the one in use and exchanges them with a single assignment,
`current.workspace = next`. So a part keeps the holder and reads `.workspace` each time it needs it; what it
has read stays valid for the work it has begun.
"""

from dataclasses import dataclass

from promptd.engine.workspace import Workspace


@dataclass
class Current:
    """Holds the workspace that answers now."""

    workspace: Workspace
