"""What an exchange can do is read from what the library says, except for what it says wrongly."""

import pytest

from engine.exchange.foreign.habits.features import features_of, missing_of

EVERYTHING = dict.fromkeys(
    ("fetchBalance", "createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades"), True
)


def test_what_is_not_there_is_told_with_what_is_done_instead() -> None:
    told = {feature.name: feature for feature in features_of({"watchTrades": True}, has_countdown=False)}
    assert told["trades as they happen"].is_there
    assert not told["its clock"].is_there
    assert told["its clock"].instead == "this machine's clock is trusted"


@pytest.mark.parametrize(
    ("says", "counts", "expected"), [(True, True, True), (True, False, False), (None, True, False)]
)
def test_a_dead_mans_switch_is_there_only_where_it_counts_down(says: bool, counts: bool, expected: bool) -> None:
    features = features_of({"cancelAllOrdersAfter": says}, has_countdown=counts)
    [switch] = [feature for feature in features if feature.name == "dead man's switch"]
    assert switch.is_there is expected


def test_nothing_is_missing_where_everything_needed_is_there_or_emulated() -> None:
    assert missing_of({**EVERYTHING, "fetchOrder": "emulated"}) == ()


def test_what_no_grid_can_do_without_is_named() -> None:
    assert missing_of({**EVERYTHING, "fetchMyTrades": False, "fetchOrder": None}) == (
        "asking for one order",
        "the list of the account's executions",
    )
