"""Chaos in brief, and the checks of the load clients. `make chaos` runs it at length."""

from pathlib import Path

import pytest

from tests.proofs import chaos, fault_actions
from tests.proofs.fault_actions import Toggle
from tests.proofs.load import pairs_check
from tests.proofs.writers import VersionedPairs, content

SECONDS, FILES, KILL_EVERY_S = 12.0, 300, 3.0


def test_answers_that_cannot_be_are_refused(place: Path) -> None:
    """What shows nothing, an old version, or a mixed pair."""
    versioned = VersionedPairs(place, 1)
    versioned.write(0, in_place=False)
    now_ns = versioned.writes["p0/second"].completed_ns[-1] + 1

    def shown(first: int, second: int) -> list[str]:
        text = (content("p0/first", first) + content("p0/second", second)).decode()
        return pairs_check(versioned, "pairs/0", {"text": text, "consistent": True}, now_ns, now_ns + 1)

    assert shown(1, 1) == []
    assert len(shown(0, 1)) == 2
    assert len(shown(1, 0)) == 1
    assert len(pairs_check(versioned, "pairs/0", {"text": "", "consistent": True}, now_ns, now_ns + 1)) == 1


@pytest.mark.skipif(not fault_actions.has_git(), reason="takes git")
def test_a_file_of_the_wrong_branch_is_refused(place: Path) -> None:
    """After a checkout only the new branch will do; during one either."""
    toggle = Toggle(place / "git", 3)
    toggle.checkout()
    began_ns, completed_ns, branch = toggle.toggles[-1]
    assert (toggle.directory / toggle.name(1)).read_text().startswith(f"This is {branch},")
    done_ns = int(completed_ns)
    for text, sent_ns, is_right in (
        ("This is main, file 1.\n", done_ns + 1, True),
        ("This is other, file 1.\n", done_ns + 1, False),
        ("This is other, file 1.\n", began_ns + 1, True),
        ("This is neither.\n", began_ns + 1, False),
    ):
        assert (not toggle.wrong_with("x", text, sent_ns, done_ns + 2)) is is_right


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.skipif(not fault_actions.has_git(), reason="takes git")
def test_chaos_in_brief(place: Path) -> None:
    """Every fault at once: no wrong answer, nothing unforeseen, no descriptor lost, and service after it."""
    outcome = chaos.run(place, SECONDS, FILES, KILL_EVERY_S, list(fault_actions.FAULTS))
    assert outcome.is_right, chaos.table(outcome)
    assert all(outcome.done[name] for name in ("checkouts", "daemons killed", "watchers killed")), (
        outcome.done
    )
    assert outcome.errors.keys() <= {
        "hung up", "hung up in a reply", "promptd.Busy", "promptd.UnknownComponent",
    }, outcome.errors  # fmt: skip
