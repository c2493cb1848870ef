# ruff: noqa: N802 -- an invariant is named as it is written
"""Order transitions: rank only rises, filled only grows, and the order of arrival does not matter."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.orders import apply_report
from engine.model.errors import InvariantBroken
from engine.model.order import Fill, Order, OrderReport, OrderStatus
from tests.builders import a_fill, a_report, an_order

D = Decimal
UNKNOWN, OPEN, PARTIAL = OrderStatus.UNKNOWN, OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED
FILLED, CANCELED = OrderStatus.FILLED, OrderStatus.CANCELED
REJECTED, EXPIRED = OrderStatus.REJECTED, OrderStatus.EXPIRED
FOUR, SIX = a_fill("1", amount="0.4", at_ms=1), a_fill("2", amount="0.6", at_ms=2)


def after(order: Order, reports: Sequence[OrderReport]) -> Order:
    """An order after reports, in the order in which they arrive."""
    for report in reports:
        change = apply_report(order, report)
        order = order if change is None else change.order
    return order


@pytest.mark.parametrize(
    "now, told, then",
    [
        (OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.SENT),
        (OrderStatus.INTENT, UNKNOWN, UNKNOWN),
        (OrderStatus.SENT, OPEN, OPEN),
        (UNKNOWN, OPEN, OPEN),
        (UNKNOWN, REJECTED, REJECTED),
        (OPEN, UNKNOWN, OPEN),
        (OPEN, OrderStatus.SENT, OPEN),
        (OPEN, EXPIRED, EXPIRED),
        (PARTIAL, OPEN, PARTIAL),
        (PARTIAL, CANCELED, CANCELED),
        (FILLED, OPEN, FILLED),
        (FILLED, CANCELED, FILLED),
        (CANCELED, OPEN, CANCELED),
        (REJECTED, UNKNOWN, REJECTED),
    ],
)
def test_the_rank_of_a_status_only_rises(now: OrderStatus, told: OrderStatus, then: OrderStatus) -> None:
    order = an_order()
    assert after(an_order(status=now), [a_report(order, told)]).status is then


def test_a_report_that_says_nothing_new_is_no_change() -> None:
    order = an_order()
    reports = [a_report(order, OPEN), a_report(order, PARTIAL, FOUR), a_report(order, FILLED, SIX, filled=1)]
    done = after(order, reports)
    assert done.status is FILLED
    assert done.filled == done.reported_filled == 1
    assert [apply_report(done, report) for report in reports] == [None, None, None]


def test_a_fill_that_a_report_speaks_of_but_does_not_carry_is_missing_until_it_comes() -> None:
    """The stream lost the first execution; asking for the order brings it."""
    order = an_order()
    lacking = after(order, [a_report(order, FILLED, SIX, filled=1)])
    assert (lacking.filled, lacking.reported_filled, lacking.is_settled) == (D("0.6"), D(1), False)
    change = apply_report(lacking, a_report(order, FILLED, FOUR, SIX))
    assert change is not None
    assert change.new_fills == (FOUR,)
    assert change.order.is_settled
    assert change.order.fills == (FOUR, SIX)


def test_the_reason_belongs_to_the_status_it_came_with() -> None:
    """What was unknown for a while is not open for that reason; a late word on it changes nothing."""
    order = an_order()
    unknown, opened = a_report(order, UNKNOWN, reason="no answer"), a_report(order, OPEN)
    assert after(order, [unknown]).reason == "no answer"
    assert after(order, [unknown, opened]).reason == ""
    assert apply_report(after(order, [opened]), unknown) is None


def test_more_filled_than_ordered_breaks_an_invariant() -> None:
    order = an_order()
    with pytest.raises(InvariantBroken, match=r"expected at most 1 filled, found 1\.01"):
        after(order, [a_report(order, PARTIAL, FOUR), a_report(order, FILLED, a_fill("2", amount="0.61"))])


def test_a_claim_of_more_filled_than_ordered_breaks_an_invariant_before_its_fills_come() -> None:
    order = an_order()
    with pytest.raises(InvariantBroken, match=r"expected at most 1 filled, found 1\.2"):
        apply_report(order, a_report(order, PARTIAL, filled="1.2"))


@pytest.mark.parametrize("changes", [{"price": 151}, {"amount": "0.5"}])
def test_a_trade_told_in_two_ways_breaks_an_invariant(changes: dict[str, str | int]) -> None:
    order = an_order()
    told = after(order, [a_report(order, PARTIAL, FOUR)])
    other = a_fill("1", **{"amount": "0.4", **changes})  # type: ignore[arg-type]
    with pytest.raises(InvariantBroken, match=r"trade 1 of order .* was told in two ways"):
        apply_report(told, a_report(order, PARTIAL, other))


def test_a_trade_told_twice_in_one_report_counts_once() -> None:
    order = an_order()
    assert after(order, [a_report(order, PARTIAL, FOUR, FOUR, filled="0.4")]).filled == D("0.4")


@st.composite
def stories(draw: st.DrawFn) -> list[OrderReport]:
    """All that an exchange ever says of one order: by its stream one by one, and whenever it is asked."""
    order = an_order()
    said = [a_report(order, OPEN)]
    if draw(st.booleans()):
        said.append(a_report(order, UNKNOWN, reason="no answer came"))
    parts = draw(st.lists(st.integers(1, 40), max_size=5))
    fills: list[Fill] = []
    filled = D(0)
    for number, part in enumerate(parts):
        fills.append(a_fill(str(number), price=150 - part, amount=D(part) / 250, at_ms=number))
        filled += fills[-1].amount
        said.append(a_report(order, PARTIAL, fills[-1], filled=filled))
        if draw(st.booleans()):
            said.append(a_report(order, PARTIAL, *fills))
    ending = draw(st.sampled_from([FILLED, CANCELED, EXPIRED] if parts else [CANCELED, EXPIRED, REJECTED]))
    if ending is FILLED:
        fills.append(a_fill("last", amount=1 - filled, at_ms=99))
        said.append(a_report(order, FILLED, fills[-1], filled=1))
    else:
        said.append(a_report(order, ending, filled=filled, reason="why it ended"))
    if draw(st.booleans()):
        said.append(a_report(order, ending, *fills, reason="" if ending is FILLED else "why it ended"))
    return said


@given(stories(), st.randoms(use_true_random=False))
def test_I5_any_order_of_arrival_with_repetitions_ends_in_the_same_order(
    story: list[OrderReport], random: Random
) -> None:
    expected = after(an_order(), story)
    shuffled = [*story, *random.choices(story, k=3)]
    random.shuffle(shuffled)
    assert after(an_order(), shuffled) == expected
    assert expected.is_settled
    assert expected.filled == sum(fill.amount for fill in expected.fills)


@given(stories(), st.randoms(use_true_random=False))
def test_every_fill_is_news_exactly_once_and_filled_never_falls(story: list[OrderReport], random: Random) -> None:
    random.shuffle(story)
    order = an_order()
    news: list[Fill] = []
    for report in story:
        change = apply_report(order, report)
        if change is not None:
            assert change.order.filled >= order.filled
            assert change.order.reported_filled >= order.reported_filled
            news += change.new_fills
            order = change.order
    assert sorted(fill.trade_id for fill in news) == sorted(fill.trade_id for fill in order.fills)
    assert len({fill.trade_id for fill in news}) == len(news)
