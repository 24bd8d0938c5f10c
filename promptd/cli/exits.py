"""Exit codes: they follow sysexits.h and tell you what to fix: the command, the library or the daemon.

64 is the command line, 65 the library, 69 and 75 the daemon (start it, or try again), 78 the configuration;
signals follow the shell's convention. `docs/cli.md` holds the table for users.
"""

from enum import IntEnum

from promptd import errors


class Exit(IntEnum):
    """Every code the command line can end with."""

    OK = 0
    FINDINGS = 1  # `check`, `tokens --check` or `bench` found problems
    USAGE = 64  # the command line or a parameter is invalid
    DATA = 65  # the library cannot answer: unknown component, cycle, over budget
    UNAVAILABLE = 69  # no daemon answers on the socket
    SOFTWARE = 70  # a bug in promptd
    CANNOT_CREATE = 73  # a file or directory could not be written
    TRY_LATER = 75  # another daemon uses the socket, or the daemon is at a limit
    NO_PERMISSION = 77  # the daemon's user has not given us the right to administer
    CONFIG = 78  # the configuration is invalid; the message names the key
    INTERRUPTED = 130  # Ctrl-C: 128 + SIGINT
    PIPE_CLOSED = 141  # the reader of stdout closed the pipe: 128 + SIGPIPE


# First match wins, so leaves stand before the branches they grow on.
_BY_ERROR: tuple[tuple[type[errors.PromptdError], Exit], ...] = (
    (errors.ConfigError, Exit.CONFIG),
    (errors.AlreadyRunning, Exit.TRY_LATER),
    (errors.Busy, Exit.TRY_LATER),
    (errors.Unavailable, Exit.UNAVAILABLE),
    (errors.ComponentError, Exit.DATA),
    (errors.PermissionDenied, Exit.NO_PERMISSION),
    (errors.UnknownComponent, Exit.DATA),
    (errors.UnknownSection, Exit.DATA),
    (errors.DigestMismatch, Exit.DATA),
    (errors.AmbiguousName, Exit.DATA),
    (errors.OverBudget, Exit.DATA),
    (errors.PromptTooLarge, Exit.DATA),
    (errors.RequestError, Exit.USAGE),
)


def exit_code(error: errors.PromptdError) -> Exit:
    """The code a process ends with when `error` is the reason."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.SOFTWARE)
