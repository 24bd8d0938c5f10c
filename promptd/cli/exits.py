"""Exit codes: sysexits.h where it has a word for it, the shell's own convention for signals.

What a script wants to tell apart is whose turn it is: 64 the caller's, 65 the library author's,
69 and 75 try again or start the daemon, 78 the operator's. `docs/cli.md` holds the table for people.
"""

from enum import IntEnum

from promptd import errors


class Exit(IntEnum):
    """Every code the command line can end with."""

    OK = 0
    FINDINGS = 1  # `check` found something to mend
    USAGE = 64  # the command line or a parameter is wrong
    DATA = 65  # the library has no answer: unknown component, cycle, over budget
    UNAVAILABLE = 69  # no daemon answers on the socket
    SOFTWARE = 70  # a defect in promptd
    CANNOT_CREATE = 73  # a file or directory could not be written
    TRY_LATER = 75  # another daemon holds the socket, or the daemon is at a limit
    CONFIG = 78  # the configuration is wrong; the message names the key
    INTERRUPTED = 130  # Ctrl-C: 128 + SIGINT
    PIPE_CLOSED = 141  # the reader of our output went away: 128 + SIGPIPE


# First match wins, so leaves stand before the branches they grow on.
_BY_ERROR: tuple[tuple[type[errors.PromptdError], Exit], ...] = (
    (errors.ConfigError, Exit.CONFIG),
    (errors.AlreadyRunning, Exit.TRY_LATER),
    (errors.Busy, Exit.TRY_LATER),
    (errors.Unavailable, Exit.UNAVAILABLE),
    (errors.ComponentError, Exit.DATA),
    (errors.UnknownComponent, Exit.DATA),
    (errors.AmbiguousName, Exit.DATA),
    (errors.OverBudget, Exit.DATA),
    (errors.PromptTooLarge, Exit.DATA),
    (errors.RequestError, Exit.USAGE),
)


def exit_code(error: errors.PromptdError) -> Exit:
    """The code a process ends with when `error` is the reason."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.SOFTWARE)
