"""`make profile`: where the hot path spends its time, as a table and as a call tree.

    python -m benchmarks.profiling [same|new]

`same` asks one prompt with the same values, `new` with values that never come again. cProfile slows small
functions more than large ones: take it for who calls whom and how often; the time is in `make bench`.
"""

import cProfile
import pstats
import sys
import tempfile
from itertools import count, islice, repeat

from benchmarks import libraries
from benchmarks.hot_path import HotPath

CONNECTIONS, TURNS, SHOWN = 16, 400, 25


def profile(what: str) -> None:
    """Print the functions that take most, and who calls them."""
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        path = HotPath(libraries.served(directory, 10_000), CONNECTIONS)
        same = path.ask(project="MyProject", task="say what is slow")
        path.warm(same)
        new = (path.ask(project=f"p{at}", task=f"task {at}") for at in count())
        source = repeat(same) if what == "same" else new
        lines = [list(islice(source, CONNECTIONS)) for _ in range(TURNS)]
        profiler = cProfile.Profile()
        profiler.enable()
        for each in lines:
            path.turn(each)
        profiler.disable()
    print(f"== {what} values: {CONNECTIONS * TURNS} requests in {TURNS} turns")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(SHOWN).print_callees(
        r"handler\.py.*(turn|_begin)"
    )


if __name__ == "__main__":
    for chosen in sys.argv[1:] or ["same", "new"]:
        profile(chosen)
