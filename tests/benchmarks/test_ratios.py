"""When a ratio is shown and when it is refused, and how a good reply is recognised."""

from dataclasses import replace

import pytest

from benchmarks.base import Compared
from benchmarks.load_client import Result
from benchmarks.servers import success_start
from benchmarks.table import unless_client_bound

RUN = Result(rate=1000.0, p50_us=90.0, p99_us=200.0, p99_9_us=300.0, max_us=400.0, client_cores=0.5)


@pytest.mark.parametrize(
    ("client_cores", "shown"),
    [
        ([], "0.53"),
        ([0.2, 0.9], "0.53"),
        ([0.901], "client-bound"),
        ([0.2, 0.2, 1.0, 0.2, 0.2], "client-bound"),
    ],
)
def test_a_ratio_is_refused_above_nine_tenths_of_a_core(client_cores: list[float], shown: str) -> None:
    """One run in which the client used more than 0.9 of a core is enough; 0.9 itself is not more."""
    assert unless_client_bound("0.53", client_cores) == shown


def test_a_row_shows_both_and_their_ratio() -> None:
    """Medians of this tree and of the base, the median of the ratios, and what the client used."""
    row = Compared("10 KB", "rate", [RUN, replace(RUN, rate=3000.0), RUN], [replace(RUN, rate=2000.0)] * 3)
    assert row.row() == "| requests/s, 10 KB | 1000 | 2000 | **0.50** | 0.50 and 0.50 |"


def test_a_client_that_was_the_limit_for_the_base_refuses_the_ratio() -> None:
    """The figures stay in the row, the ratio does not."""
    row = Compared("10 KB", "p50_us", [RUN], [replace(RUN, client_cores=0.97)])
    assert row.row() == "| p50, µs, 10 KB | 90 | 90 | **client-bound** | 0.50 and 0.97 |"


def test_a_good_reply_begins_up_to_its_result() -> None:
    """What comes before the result is the same in each reply to the same id."""
    reply = b'{"jsonrpc":"2.0","id":1,"result":{"text":"\\"result\\":"}}\n'
    assert success_start(reply) == b'{"jsonrpc":"2.0","id":1,"result":'


def test_an_error_is_no_measure_of_good_replies() -> None:
    """A server that answers with an error is not measured at all."""
    with pytest.raises(RuntimeError, match="not a result"):
        success_start(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"\\"result\\":"}}\n')
