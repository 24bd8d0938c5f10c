"""The validation suite: does promptd keep its promises of speed on this library, on this machine, today?

Four stages, each a file: `loading` (against a plain loader, in this process), `reduction` (what strategies
save and keep, in this process), `caching` and `latency` (real requests to a daemon of its own over a real
socket). `mix` has the requests, `load` the client, `judging` the targets and the grade, `suite` the order.
Every figure is measured in the run that prints it; what could not be measured is None and is not judged.
Nothing of the user's own daemon is touched, and nothing is printed here.
"""

from promptd.cli.bench.judging import BenchCheck, BenchVerdict
from promptd.cli.bench.suite import Suite, open_suite

__all__ = ["BenchCheck", "BenchVerdict", "Suite", "open_suite"]
