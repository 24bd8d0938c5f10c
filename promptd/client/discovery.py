"""Where the daemon is: the order in which its socket is looked for.

Nothing is connected here; a socket file may be there without a daemon behind it. pathlib would cost a command
a tenth of its start, so paths are text.
"""

import os
from collections.abc import Mapping

SYSTEM_SOCKET = "/run/promptd/promptd.sock"


def discover(explicit: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> str:
    """The path of the socket to talk to.

    That is `explicit`, else `$PROMPTD_SOCKET`, else the first that exists of
    `$XDG_RUNTIME_DIR/promptd/promptd.sock` and `/run/promptd/promptd.sock`, else the first of these.
    """
    given = os.fspath(explicit) if explicit else environment.get("PROMPTD_SOCKET", "")
    if given:
        return given
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    users = [f"{runtime}/promptd/promptd.sock"] if runtime.startswith("/") else []
    candidates = [*users, SYSTEM_SOCKET]
    return next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110 - see above
