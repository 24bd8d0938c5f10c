"""Runs every check in order and writes one line for each: `ok NAME: DETAIL` or `FAIL NAME: DETAIL`.

A check is a function that leaves the machine as it likes, since `clean` comes before each; it returns what it
measured in a few words, and raises if it did not find what its docstring expects. The first line is `booted`,
the last one `done`.
"""

import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import activation
import lifecycle
import reloads
import sandbox
import stage
import supervision
import units

CHECKS: tuple[Callable[[], str], ...] = (
    units.units_verify,
    units.service_is_hardened,
    lifecycle.active_means_ready,
    lifecycle.stops_in_time,
    lifecycle.second_instance_exits_75,
    lifecycle.configuration_error_exits_78,
    sandbox.sandbox_serves,
    sandbox.sandbox_confines,
    sandbox.private_libraries_can_be_shown,
    sandbox.other_users_need_permission,
    sandbox.journal_is_json,
    reloads.reload_waits,
    reloads.bad_configuration_is_refused,
    supervision.watchdog_is_fed,
    supervision.watchdog_restarts_a_frozen_daemon,
    supervision.killed_daemon_comes_back,
    activation.first_client_starts_the_service,
    activation.twenty_restarts_refuse_no_client,
    activation.activated_service_is_supervised,
    activation.socket_outlives_a_configuration_error,
    units.user_unit_serves,
)


def outcome(check: Callable[[], str]) -> str:
    """The line of one check."""
    name = check.__name__
    started_s = time.monotonic()
    try:
        stage.clean()
        detail = check()
    except stage.Failed as failure:
        return f"FAIL {name}: {_one_line(str(failure))}"
    except Exception as error:  # a check that breaks has found something too
        print(traceback.format_exc(), file=sys.stderr)
        return f"FAIL {name}: {_one_line(f'{type(error).__name__}: {error}')}"
    return f"ok {name}: {_one_line(detail)} ({time.monotonic() - started_s:.1f} s)"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def main(results: Path) -> None:
    """Run them all; what one finds does not keep the next from running."""
    with results.open("a", buffering=1) as lines:
        print("booted", file=lines)
        for check in CHECKS:
            print(outcome(check), file=lines)
        stage.clean()
        print("done", file=lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
