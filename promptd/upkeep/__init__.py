"""Upkeep: what the daemon does between requests, so that the next request finds everything hot.

None of it is needed for a right answer (freshness is checked on every request); all of it makes answers
fast or keeps them so over a restart. loops.py holds the loops, rounds.py work that is shared, missed.py the
changes that no event explained, uses.py the use counts on disk, watchdog.py the proof of life.
"""

from promptd.upkeep.loops import Upkeep, UpkeepStatistics

__all__ = ["Upkeep", "UpkeepStatistics"]
