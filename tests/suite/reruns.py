"""What was run again is said at the end: each test that failed first, and why.

A pytest plugin, loaded by tests/conftest.py, beside pytest-rerunfailures, which runs a failed test again
where it is asked to (`--reruns`, in the gate) and says no more than how often. A rerun is not a success like
others: it is a race in promptd, or a test that a busy machine can fail, and should be looked at.
"""

from collections.abc import Iterable

import pytest

TITLE = "rerun: failed first"


def reason(report: pytest.TestReport) -> str:
    """Where and why it failed, on one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return report.longreprtext.strip().partition("\n")[0] or "no reason was given"
    return f"{crash.path}:{crash.lineno}: {crash.message.partition(chr(10))[0]}"


def lines(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Two lines for each failure that was followed by another attempt."""
    return [
        line for report in reports for line in (f"{report.nodeid} ({report.when})", f"    {reason(report)}")
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them, above the one line of figures."""
    reports = terminalreporter.stats.get("rerun", [])
    if reports:
        terminalreporter.section(TITLE, yellow=True)
        for line in lines(reports):
            terminalreporter.line(line)
