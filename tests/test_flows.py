"""Flows, driven in this thread: what they decide between one look at the disk and the next."""

import pytest

from promptd import flows
from promptd.engine.request import request_of
from promptd.errors import UnknownComponent
from promptd.files import Sweep
from tests.conftest import Library
from tests.daemon.kept import keeper_of


def test_only_names_that_exist_are_offered_for_an_unknown_one(library: Library) -> None:
    """A neighbour that was deleted a moment ago is not among them, whoever has heard of it."""
    root = library({"review.md": "1", "revue.md": "2", "reviewer.md": "3"})
    keeper = keeper_of(root)
    (root / "revue.md").unlink()
    with pytest.raises(UnknownComponent) as refused:
        flows.run(keeper, flows.assemble(keeper, request_of(("revieu",)), Sweep(keeper.files)))
    assert refused.value.details["nearest"] == ["review.md", "reviewer.md"]
