"""The shadow ledger: what a regime prevented, to the last unit."""

from collections.abc import Iterable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.shadow import (
    ShadowLedger,
    book,
    end_at,
    enter_in_earnest,
    quiet_band,
    shadow_view,
    suppress,
    tick,
)
from engine.model.actions import QuietBand
from engine.model.events import ShadowChanged
from engine.model.order import Side
from engine.model.regime import SuppressedEntry

D = Decimal
FREE = ShadowLedger(fee_rate=D(0))
WITH_FEE = ShadowLedger(fee_rate=D("0.001"))


def a_long(slot: int = 0, price: int = 100, exit_price: int = 110) -> SuppressedEntry:
    """Two base bought at ``price`` and sold at ``exit_price``."""
    return SuppressedEntry(slot=slot, side=Side.BUY, price=D(price), exit_price=D(exit_price), amount=D(2))


def a_short(slot: int = 0) -> SuppressedEntry:
    """Two base sold at 100 and bought back at 90."""
    return SuppressedEntry(slot=slot, side=Side.SELL, price=D(100), exit_price=D(90), amount=D(2))


def after_prices(ledger: ShadowLedger, prices: Iterable[int | str]) -> ShadowLedger:
    """The ledger after the market traded at each of them."""
    for price in prices:
        ledger = tick(ledger, D(price))
    return ledger


def test_an_entry_fills_when_the_market_trades_through_its_price_and_not_at_it() -> None:
    """By the same rule as in the simulated exchange."""
    resting = suppress(FREE, [a_long()])
    touched, through = tick(resting, D(100)), tick(resting, D("99.99"))
    assert touched is resting
    assert (list(through.waiting), list(through.held)) == ([], [0])


def test_a_fall_that_was_not_bought_is_a_loss_avoided() -> None:
    """Two base bought at 100 and worth 80 each, and the fee of 0.2 that was not paid."""
    told = shadow_view(after_prices(suppress(WITH_FEE, [a_long()]), [99, 80]), D(80))
    assert (told.waiting, told.lots) == (0, 1)
    assert (told.losses_avoided, told.profit_missed, told.net_worth) == (D("40.2"), D(0), D("40.2"))


def test_a_rise_from_a_lot_that_was_not_bought_is_a_negative_loss_avoided() -> None:
    """Not yet a cycle: it has not reached its exit."""
    told = shadow_view(tick(suppress(FREE, [a_long()]), D(99)), D(105))
    assert (told.losses_avoided, told.cycles_missed, told.net_worth) == (D(-10), 0, D(-10))


def test_a_whole_cycle_that_was_not_made_is_profit_missed() -> None:
    """Twenty gross, 0.2 and 0.22 of fees; at the exit price itself it has not left."""
    held = after_prices(suppress(WITH_FEE, [a_long()]), [99, 110])
    assert list(held.held) == [0]
    told = shadow_view(tick(held, D(111)), D(50))
    assert (told.lots, told.cycles_missed) == (0, 1)
    assert (told.losses_avoided, told.profit_missed, told.net_worth) == (D(0), D("19.58"), D("-19.58"))


def test_a_short_is_the_mirror_image() -> None:
    """Sold at 100: a rise is avoided, a fall to 90 missed."""
    held = after_prices(suppress(WITH_FEE, [a_short()]), [100, 101])
    assert shadow_view(held, D(120)).losses_avoided == D("40.2")
    told = shadow_view(after_prices(held, [90, 89]), D(89))
    assert (told.cycles_missed, told.profit_missed) == (1, D("19.62"))


def test_a_slot_whose_cycle_is_over_can_be_suppressed_again() -> None:
    """Three cycles, each named by a decision of its own."""
    ledger = FREE
    for _ in range(3):
        ledger = after_prices(suppress(ledger, [a_long()]), [99, 111])
    assert (ledger.cycles_missed, ledger.profit_missed) == (3, D(60))


def test_a_slot_that_holds_a_virtual_lot_gets_no_second_one() -> None:
    """The ladder wants it at every decision, for it holds nothing in earnest."""
    held = tick(suppress(FREE, [a_long()]), D(99))
    again = after_prices(suppress(held, [a_long()]), [98, 99])
    assert (dict(again.waiting), dict(again.held)) == ({}, {0: a_long()})


def test_an_entry_that_is_not_wanted_any_more_does_not_fill() -> None:
    """The window moved on, or the regime let it through."""
    ledger = suppress(suppress(FREE, [a_long(0), a_long(1, 90, 100)]), [a_long(1, 90, 100)])
    assert list(tick(ledger, D(80)).held) == [1]


def test_a_slot_entered_in_earnest_settles_its_lot_at_that_price() -> None:
    """Bought at 80 instead of at 100: from now on both worlds hold the same, one paid 40 and 0.04 more."""
    held = after_prices(suppress(WITH_FEE, [a_long()]), [99, 80])
    ended = enter_in_earnest(held, 0, D(80))
    assert (ended.held, ended.cycles_missed) == ({}, 0)
    for mark in (10, 80, 500):
        assert shadow_view(ended, D(mark)).losses_avoided == D("40.04")


def test_a_short_entered_in_earnest_settles_by_what_it_got_more() -> None:
    """Sold at 120 instead of at 100; its fee is higher by 0.04."""
    held = after_prices(suppress(WITH_FEE, [a_short()]), [101, 120])
    assert enter_in_earnest(held, 0, D(120)).settled == D("39.96")


def test_a_waiting_order_whose_slot_is_entered_in_earnest_is_gone() -> None:
    """As is one that nobody knows."""
    ledger = enter_in_earnest(enter_in_earnest(suppress(FREE, [a_long()]), 0, D(100)), 7, D(100))
    assert (dict(ledger.waiting), ledger.settled) == ({}, D(0))


def test_a_grid_that_stops_ends_its_virtual_lots_at_that_price_and_nothing_is_missed_after_it() -> None:
    """Bought at 100 with a fee of 0.2 and worth 80; the exit at 110 is nobody's any more."""
    held = after_prices(suppress(WITH_FEE, [a_long()]), [99, 80])
    change = end_at(held, D(80))
    assert change is not None
    assert change == ShadowChanged(filled=(), left=(), ended=(0,), ended_at=D(80))
    ended = after_prices(book(held, change), [120])
    assert (dict(ended.held), ended.cycles_missed, ended.settled) == ({}, 0, D("40.2"))
    assert end_at(ended, D(120)) is None


def test_the_ledger_is_bounded_and_says_what_did_not_fit() -> None:
    """Two slots have room; the third comes in when one of them is free again."""
    small = ShadowLedger(fee_rate=D(0), slots_max=2)
    entries = [a_long(0, 100), a_long(1, 95), a_long(2, 90)]
    full = tick(suppress(small, entries), D(99))
    assert (list(full.waiting), list(full.held), full.left_out) == ([1], [0], 1)
    full = suppress(full, entries)
    assert (list(full.waiting), shadow_view(full, D(99)).left_out) == ([1], 1)
    free = suppress(tick(full, D(111)), entries[1:])
    assert (list(free.waiting), list(free.held)) == ([1, 2], [])


def test_nothing_happens_inside_the_quiet_band() -> None:
    """Between the nearest order to buy and the nearest one to sell, be it an entry or an exit."""
    assert quiet_band(FREE) == QuietBand(D(0), D("Infinity"))
    longs = suppress(FREE, [a_long(0, 100, 110), a_long(1, 90, 100)])
    assert quiet_band(longs) == QuietBand(D(100), D("Infinity"))
    assert quiet_band(tick(longs, D(99))) == QuietBand(D(90), D(110))
    assert quiet_band(tick(suppress(FREE, [a_short()]), D(101))) == QuietBand(D(90), D("Infinity"))


PRICES = st.lists(st.integers(60, 140), min_size=1, max_size=40)


@given(prices=PRICES)
def test_a_ledger_that_skips_the_quiet_prices_is_the_same(prices: list[int]) -> None:
    """So a backtest that skips them measures the same."""
    wanted = [a_long(slot, 70 + 10 * slot, 80 + 10 * slot) for slot in range(6)]
    every = skipping = suppress(FREE, wanted)
    for price in map(D, prices):
        every = tick(every, price)
        band = quiet_band(skipping)
        if not band.low < price < band.high:
            skipping = tick(skipping, price)
        assert skipping == every


@given(prices=PRICES)
def test_the_worth_of_the_filter_is_what_the_same_orders_would_have_made(prices: list[int]) -> None:
    """Cash and base of a world without a filter, counted on their own, order by order."""
    wanted = [a_long(slot, 70 + 10 * slot, 80 + 10 * slot) for slot in range(6)]
    ledger, cash, base, owned = WITH_FEE, D(0), D(0), set[int]()
    for price in map(D, prices):
        ledger = tick(suppress(ledger, wanted), price)
        for entry in wanted:
            if entry.slot not in owned and price < entry.price:
                owned.add(entry.slot)
                cash, base = cash - 2 * entry.price * D("1.001"), base + 2
            elif entry.slot in owned and price > entry.exit_price:
                owned.remove(entry.slot)
                cash, base = cash + 2 * entry.exit_price * D("0.999"), base - 2
    mark = D(prices[-1])
    assert shadow_view(ledger, mark).net_worth == -(cash + base * mark)
    assert not set(ledger.waiting) & set(ledger.held)


def test_an_old_ledger_is_not_changed_by_what_follows() -> None:
    """Every step gives a new one; its mappings refuse to be written."""
    resting = suppress(FREE, [a_long()])
    tick(resting, D(50))
    assert (list(resting.waiting), dict(resting.held)) == ([0], {})
    with pytest.raises(TypeError):
        resting.waiting[1] = a_long(1)  # type: ignore[index]
