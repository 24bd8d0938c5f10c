"""Strategies by name and from configuration."""

import pytest

from promptd.core.optimise.records import Aims
from promptd.core.optimise.strategies import (
    PASSES,
    STRATEGIES,
    configured,
    named,
    pass_functions,
)
from promptd.errors import ConfigError, InvalidParams


def test_an_unknown_strategy_is_the_clients_error_and_lists_the_names() -> None:
    """Which there are is part of the message."""
    with pytest.raises(InvalidParams, match="none, conservative, balanced, aggressive"):
        named("agressive")


def test_an_unknown_pass_is_the_operators_error_and_names_the_nearest() -> None:
    """With the key it stands in."""
    with pytest.raises(
        ConfigError, match=r"tokens.strategies.mine: no pass 'repeat'; did you mean 'repeats'"
    ):
        configured({"mine": ["repeat"]})


def test_a_renamed_pass_names_its_new_name() -> None:
    """For a configuration of an earlier version the error says what to write."""
    with pytest.raises(ConfigError, match="no pass 'least'; did you mean 'least_informative'"):
        configured({"mine": ["least"]})


def test_a_removed_pass_says_what_to_do() -> None:
    """A configuration that lists it is told why it has gone, not that it is spelled wrong."""
    with pytest.raises(ConfigError, match=r"strategies.mine: pass 'phrases' was removed: .* take it out"):
        configured({"mine": ["comments", "phrases"]})


def test_every_pass_has_its_code() -> None:
    """The table that a configuration is checked against, and the functions that are imported later, agree."""
    assert pass_functions().keys() == PASSES.keys()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_aims_out_of_bounds_are_refused(share: float) -> None:
    """A share is from 0 to 1, and a NaN is none."""
    with pytest.raises(ConfigError, match=r"tokens\.reduction"):
        configured({}, Aims(reduction=share))


def test_configured_strategies_lie_over_the_shipped_ones() -> None:
    """One's own list of passes, with the aims of the configuration."""
    table = configured({"mine": ["comments", "repeats"]}, Aims(information=0.99))
    assert table["mine"].passes == ("comments", "repeats")
    assert {strategy.aims.information for strategy in table.values()} == {0.99}
    assert STRATEGIES["conservative"].is_lossless
    assert not table["mine"].is_lossless
