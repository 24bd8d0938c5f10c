"""The workspace of the moment, for whoever outlives a reload of the configuration."""

from dataclasses import dataclass

from promptd.engine.workspace import Workspace


@dataclass
class Current:
    """Holds the workspace that requests are answered from; a reload assigns another one."""

    workspace: Workspace
