"""The process of a daemon: its event loop, its exit codes, and errors before there is a log."""

import asyncio
import os
import sys
from collections.abc import Mapping

from promptd.config import Config
from promptd.daemon.lifecycle import Daemon
from promptd.daemon.reload import Load
from promptd.errors import AlreadyRunning, ConfigError, PromptdError
from promptd.support import escape, log

EX_OK, EX_ALREADY_RUNNING, EX_CONFIG = 0, 75, 78  # sysexits.h
SWITCH_INTERVAL_S = 0.001  # a parse in a thread may hold the loop up this long, not the default 5 ms


def run(load: Load, environment: Mapping[str, str] = os.environ) -> int:
    """Run a daemon until a signal stops it; returns the exit code (sysexits.h).

    `load` gives the configuration, now and at each reload; it raises ConfigError.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        config = load()
        log.configure(config.log.format, config.log.level)
        with asyncio.Runner(loop_factory=_new_loop) as runner:
            runner.run(_live(config, load, environment))
    except AlreadyRunning as error:
        return _refuse(error, EX_ALREADY_RUNNING)
    except ConfigError as error:
        return _refuse(error, EX_CONFIG)
    return EX_OK


async def _live(config: Config, load: Load, environment: Mapping[str, str]) -> None:
    await Daemon(config, load, environment).live()


def _new_loop() -> asyncio.AbstractEventLoop:
    """A loop of uvloop where there is one (CPython), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _refuse(error: PromptdError, code: int) -> int:
    print(f"promptd: error: {escape.one_line(error.message)}", file=sys.stderr)  # noqa: T201 - no log yet
    return code
