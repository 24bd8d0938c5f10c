"""Memory and descriptors stay flat over a churn; `make soak` does it with 100,000 changes."""

from pathlib import Path

import pytest

from tests.proofs import churn, daemons

CHANGES = 6_000
GROWTH_BYTES = 8_000_000  # an allocator's ups and downs; a leak of 2 KB a change would be 8 MB


@pytest.mark.slow
@pytest.mark.parametrize("way", ["watched", "unwatched"])
def test_memory_and_descriptors_are_flat_and_the_graph_is_the_tree(place: Path, way: str) -> None:
    """After thousands of changes: no growth, no descriptor more, a node for each file and none besides."""
    changing = churn.Churn(place / "library", seed=1)
    daemon = daemons.start(way, place / "run", changing.root)
    try:
        daemon.ask("ping")
        found = churn.run(daemon, changing, CHANGES)
        assert found.wrong == 0
        assert found.nodes == found.files
        assert found.grown_bytes < GROWTH_BYTES, str(found)
        assert found.grown_descriptors <= 3, str(found)
    finally:
        daemon.close()
