"""Swaps under the whole engine: funding and liquidations equal tables worked out by hand, and so does the account.

Every grid has the default ten slots of 1 BTC from 100 to 200; fees are 0.1 % of every fill, in quote. A long grid
that starts at 155 and falls to 145 has bought slot 5 at 150; a short one that starts at 145 and rises to 155 has
sold slot 4 at 150.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.core.books import GridBooks
from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Resume
from engine.model.errors import SettingsInvalid
from engine.model.events import FundingBooked, GridStateChanged, PositionLiquidated
from engine.model.grid import Direction, GridSpec, GridState, MarginMode
from engine.model.order import OrderRequest, Side
from engine.model.reconcile import DiscrepancyKind, Resolution
from engine.model.slot import EMPTY, Exiting
from engine.model.snapshot import EngineEvent, EventLevel
from engine.runtime.engine import Engine
from tests.builders import Number, a_lot, a_spec
from tests.core.shape_builders import a_swap
from tests.sim.engine_builders import Bench, a_timed_path, assert_settled, until_quiet
from tests.sim.reconcile_builders import books_of, corrections, question_views
from tests.sim.shape_truths import ShapeExchange, assert_account, assert_history
from tests.sim.shapes_draw import SWAP_SYMBOL

D = Decimal
MINUTE, HOUR = 60_000, 3_600_000
LONG, SHORT = Direction.LONG, Direction.SHORT
SWAP = a_swap(symbol=SWAP_SYMBOL)


def a_grid(direction: Direction = LONG, **changes: object) -> GridSpec:
    return a_spec(symbol=SWAP_SYMBOL, direction=direction, **changes)


def a_bench(
    *trades: tuple[int, Number], grid: GridSpec, reconcile_seconds: float = 0.0, faults: FaultPlan | None = None
) -> Bench:
    """A grid on a market that trades at these times and prices; the account has 100 000 USDT."""
    return Bench(
        a_timed_path(*trades, symbol=SWAP_SYMBOL),
        grids=[grid],
        markets=[SWAP],
        balances={"BTC": D(0), "USDT": D(100_000)},
        options=SimulatedOptions(faults=faults or FaultPlan()),
        reconcile_seconds=reconcile_seconds,
        exchange_type=ShapeExchange,
    )


def assert_sound(bench: Bench, engine: Engine) -> GridBooks:
    """The books and the account to the last unit, and the journal decision by decision."""
    books = books_of(engine)
    assert_account(bench, books)
    assert_history(bench)
    assert books.profit(D("123.4")).residual == 0
    assert sorted(books.slot_of_order) == sorted(bench.exchange.open_ids(SWAP_SYMBOL))
    return books


def lives(bench: Bench, *seconds: float) -> Engine:
    """An engine lives and is dead in turn for so long; the last one lives until the prices end."""

    async def scene() -> Engine:
        for alive, dead in zip(seconds[::2], seconds[1::2], strict=True):
            async with bench.engine():
                await anyio.sleep(alive)
            await anyio.sleep(dead)
        async with bench.engine() as engine:
            await until_quiet(engine)
        return engine

    return bench.run_scene(scene)


# Funding

A_DAY = ((5 * HOUR, 148), (12 * HOUR, 152), (20 * HOUR, 147), (25 * HOUR, 146))
"""Funding is due after 8, 16 and 24 hours, at the marks 148, 152 and 147."""
LONG_DAY = ((0, 155), (MINUTE, 145), *A_DAY)
SHORT_DAY = ((0, 145), (MINUTE, 155), *A_DAY)
LONG_PAYS = [("28800000", "-0.0148"), ("57600000", "-0.0152"), ("86400000", "-0.0147")]
SHORT_RECEIVES = [("28800000", "0.0148"), ("57600000", "0.0152"), ("86400000", "0.0147")]
"""1 BTC * mark * 0.0001; -0.0447 and 0.0447 together."""
TABLE = [
    # direction, prices, payments, wallet: 100 000 - 0.15 of fees -+ 0.0447, total at 146: -+4 - 0.15 -+ 0.0447
    (LONG, LONG_DAY, LONG_PAYS, "99999.8053", "-4.1947"),
    (SHORT, SHORT_DAY, SHORT_RECEIVES, "99999.8947", "3.8947"),
]


def booked(bench: Bench) -> list[tuple[str, str]]:
    """Every payment that was booked: its id and its amount."""
    return [(fact.payment.funding_id, f"{fact.payment.amount.normalize()}") for fact in bench.facts(FundingBooked)]


@pytest.mark.parametrize("reconcile_seconds", [0.0, 3600.0], ids=["told by the stream", "and by every comparison"])
@pytest.mark.parametrize("direction, prices, payments, wallet, total", TABLE, ids=["long", "short"])
def test_funding_of_a_day_equals_the_table_and_is_booked_once_however_often_it_is_told(
    direction: Direction,
    prices: Sequence[tuple[int, Number]],
    payments: list[tuple[str, str]],
    wallet: str,
    total: str,
    reconcile_seconds: float,
) -> None:
    bench = a_bench(*prices, grid=a_grid(direction), reconcile_seconds=reconcile_seconds)
    engine = bench.run()
    profit = assert_sound(bench, engine).profit(D(146))
    assert booked(bench) == payments
    assert bench.balance("USDT") == D(wallet)
    assert (profit.total, profit.grid, profit.fees) == (D(total), D(0), D("0.15"))
    assert profit.funding == sum((D(amount) for _, amount in payments), D(0))


@pytest.mark.parametrize("direction, prices, payments, wallet, total", TABLE, ids=["long", "short"])
def test_funding_while_the_engine_is_dead_is_booked_at_the_next_start(
    direction: Direction,
    prices: Sequence[tuple[int, Number]],
    payments: list[tuple[str, str]],
    wallet: str,
    total: str,
) -> None:
    """It dies after 6 hours and starts again after 17; a third life has nothing left to book."""
    bench = a_bench(*prices, grid=a_grid(direction))
    engine = lives(bench, 6 * 3600, 11 * 3600, 4 * 3600, 3600)
    assert booked(bench) == payments
    assert bench.balance("USDT") == D(wallet)
    assert assert_sound(bench, engine).profit(D(146)).total == D(total)


# Liquidation

LONG_LOSS = (
    (0, 155),
    (MINUTE, 145),
    (2 * MINUTE, 139),
    (3 * MINUTE, "131.5"),
    (4 * MINUTE, "131.1"),
    (9 * MINUTE, 160),
)
"""Both slots buy, at 150 and 140, for 290, with a margin of 29: lost at (290 - 29) / (2 * 0.995) = 131.155...
2 * 131.1 - 290 - 0.15 - 0.14 of fees - 0.2622 of the liquidation = -28.3522."""
SHORT_LOSS = (
    (0, 145),
    (MINUTE, 155),
    (2 * MINUTE, 161),
    (3 * MINUTE, "169.6"),
    (4 * MINUTE, "169.7"),
    (9 * MINUTE, 140),
)
"""Both slots sell, at 150 and 160, for 310, with a margin of 31: lost at (310 + 31) / (2 * 1.005) = 169.651...
310 - 2 * 169.7 - 0.15 - 0.16 of fees - 0.3394 of the liquidation = -30.0494."""
LOSSES = [(LONG, LONG_LOSS, "131.1", "-28.3522"), (SHORT, SHORT_LOSS, "169.7", "-30.0494")]


def a_small_grid(direction: Direction) -> GridSpec:
    """Two slots between 140 and 160 with a leverage of 10: lost only beyond their range, else it would be refused."""
    terms = {"leverage": D(10), "margin": MarginMode.ISOLATED}
    return a_grid(direction, lower=D(140), upper=D(160), slots=2, **terms)


def assert_liquidated(bench: Bench, engine: Engine, *, price: str, total: str) -> None:
    """Nothing is left but the loss, once, and the grid says why it halts."""
    books = assert_sound(bench, engine)
    reason = f"the exchange liquidated 2 BTC of the position at {price} USDT"
    assert (books.state, books.state_reason) == (GridState.HALTED, reason)
    assert [fact.liquidation.price for fact in bench.facts(PositionLiquidated)] == [D(price)]
    assert [fact.by for fact in bench.facts(GridStateChanged) if fact.state is GridState.HALTED] == ["exchange"]
    assert [slot.state for slot in books.slots] == [EMPTY] * 2
    assert bench.exchange.open_ids(SWAP_SYMBOL) == []
    assert bench.exchange.matching.positions() == {}
    profit = books.profit(D(1))
    assert profit.grid == profit.total == D(total)
    assert profit.floating == profit.residual == books.ledger.base == 0
    assert bench.balance("USDT") == 100_000 + D(total)
    assert books.questions == {}


LATE = FaultPlan(seed=2, report_delayed_chance=D(1), delay_ms_max=15_000)
"""Reports of orders come late, each by its own time; what is told of positions does not."""


@pytest.mark.parametrize("faults", [FaultPlan(), LATE], ids=["in order", "told before the cancellations"])
@pytest.mark.parametrize("direction, prices, price, total", LOSSES, ids=["long", "short"])
def test_a_liquidation_closes_every_lot_at_its_price_and_halts_the_grid(
    direction: Direction, prices: Sequence[tuple[int, Number]], price: str, total: str, faults: FaultPlan
) -> None:
    bench = a_bench(*prices, grid=a_small_grid(direction), faults=faults)
    assert_liquidated(bench, bench.run(), price=price, total=total)


@pytest.mark.parametrize("direction, prices, price, total", LOSSES, ids=["long", "short"])
def test_a_liquidation_while_the_engine_is_dead_is_booked_at_the_next_start(
    direction: Direction, prices: Sequence[tuple[int, Number]], price: str, total: str
) -> None:
    """It dies between the second fill and the loss."""
    bench = a_bench(*prices, grid=a_small_grid(direction))
    engine = lives(bench, 150, 120, 60, 30)
    assert_liquidated(bench, engine, price=price, total=total)


def test_a_grid_that_goes_on_after_a_liquidation_says_so_in_a_warning() -> None:
    bench = a_bench(*LONG_LOSS, grid=a_small_grid(LONG))

    told: list[EngineEvent] = []

    async def scene() -> Engine:
        async with bench.engine() as engine:
            await until_quiet(engine)
            assert books_of(engine).state is GridState.HALTED
            await engine.command(Resume(grid="main"), by="ann")
            told.extend(engine.story.after(-1, 1000))
        return engine

    bench.run_scene(scene)
    warned = [event.text for event in told if event.level is EventLevel.WARNING]
    assert warned[-1] == (
        "running: resumed though the exchange liquidated 2 BTC of the position at 131.1 USDT (by ann)"
    )


# Reconciliation

STILL = ((0, 155), *((minute * MINUTE, 145) for minute in range(1, 20)))
RISEN = ((0, 145), *((minute * MINUTE, 155) for minute in range(1, 20)))


def by_hand(name: str, side: Side, amount: str) -> OrderRequest:
    """An order that takes at once, placed on the exchange's own site."""
    price = D(100) if side is Side.SELL else D(200)
    return OrderRequest(
        client_order_id=name, symbol=SWAP_SYMBOL, side=side, price=price, amount=D(amount), post_only=False
    )


@pytest.mark.parametrize(
    "direction, position, change",
    [(LONG, "0.6", "0.4"), (LONG, "-0.4", "1.4"), (SHORT, "-1.4", "0.4")],
    ids=["a long is made smaller", "a long is turned around", "a short is made greater"],
)
def test_a_position_sold_by_hand_is_asked_about_and_the_question_ends_when_that_is_undone(
    direction: Direction, position: str, change: str
) -> None:
    """The grid holds one lot of 1 BTC meanwhile, which it goes on offering, and opens nothing."""
    held, exit_side = (1, Side.SELL) if direction is LONG else (-1, Side.BUY)
    bench = a_bench(*(STILL if direction is LONG else RISEN), grid=a_grid(direction), reconcile_seconds=30.0)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(80)
        bench.exchange.place_by_hand(by_hand("hand1", Side.SELL, change))
        await anyio.sleep(80)
        (view,) = question_views(engine)
        assert view.kind is DiscrepancyKind.HOLDING_SHORT
        assert view.detail == (
            f"the account's position is {position}, the lots of its grid are {held}: "
            f"it is {change} smaller than expected"
        )
        assert [choice.resolution for choice in view.choices] == [Resolution.QUERY, Resolution.HALT]
        assert books_of(engine).state is GridState.EXITS_ONLY
        assert [order.side for order in bench.exchange.matching.open_orders(SWAP_SYMBOL)] == [exit_side]
        bench.exchange.place_by_hand(by_hand("hand2", Side.BUY, change))
        await anyio.sleep(80)
        assert books_of(engine).questions == {}
        assert books_of(engine).state is GridState.RUNNING
        await until_quiet(engine)

    engine = bench.run(scene)
    assert corrections(bench) == [(DiscrepancyKind.HOLDING_SHORT, Resolution.QUERY, "reconciler")]
    assert bench.exchange.matching.positions()[SWAP_SYMBOL].amount == books_of(engine).ledger.base == held
    assert_settled(engine)
    assert_history(bench)


def test_fills_while_the_engine_is_dead_are_adopted_and_closed_afterwards() -> None:
    """Slots 5 and 4 buy at 150 and 140 in the dead time; then the price rises past both exits, 160 and 150."""
    prices = ((0, 155), (MINUTE, 139), (5 * MINUTE, 139), (6 * MINUTE, 165), (7 * MINUTE, 165))
    bench = a_bench(*prices, grid=a_grid(leverage=D(3)))
    engine = lives(bench, 30, 120)
    books = assert_sound(bench, engine)
    assert [slot.cycles for slot in books.slots] == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    # 2 * 10, less 0.15 + 0.16 and 0.14 + 0.15 of fees
    assert bench.balance("USDT") == D("100019.4")
    assert books.profit(D(165)).total == D("19.4")
    assert_settled(engine)


@pytest.mark.parametrize("direction", [LONG, SHORT])
def test_a_restart_in_the_middle_of_a_position_goes_on_with_the_same_lots(direction: Direction) -> None:
    bench = a_bench(*(STILL if direction is LONG else RISEN), grid=a_grid(direction))
    engine = lives(bench, 100, 0, 100, 60)
    books = assert_sound(bench, engine)
    index, sign = (5, 1) if direction is LONG else (4, -1)
    state = books.slots[index].state
    assert isinstance(state, Exiting)
    assert state.lot == a_lot(sign, D(150) * sign + D("0.15"))
    assert bench.exchange.open_order(state.order.client_order_id).reduce_only
    assert books.questions == {}
    assert_settled(engine)


@pytest.mark.parametrize("seed", range(12))
def test_exits_of_a_neutral_grid_are_reduce_only_exactly_where_the_net_position_allows_it(seed: int) -> None:
    """Orders fill in parts, so that one slot still owes base while the other holds some: the position is the net."""
    prices: tuple[Number, ...] = (149, 161, 139, "139.5", 151, 151, 151)
    bench = Bench(
        a_timed_path(*((minute * MINUTE, price) for minute, price in enumerate(prices)), symbol=SWAP_SYMBOL),
        grids=[a_grid(Direction.NEUTRAL, lower=D(140), upper=D(160), slots=2)],
        markets=[SWAP],
        balances={"BTC": D(0), "USDT": D(100_000)},
        options=SimulatedOptions(matching=MatchingOptions(seed=seed, partial_fill_chance=D("0.5"))),
        exchange_type=ShapeExchange,
    )
    engine = bench.run()
    assert [slot.entry_side for slot in assert_sound(bench, engine).slots] == [Side.BUY, Side.SELL]
    assert_settled(engine)


# What cannot be

ONE_OWNER = "a swap has one position, and it belongs to one grid"


def test_a_second_grid_on_one_swap_is_refused() -> None:
    bench = a_bench(*STILL, grid=a_grid())
    bench.settings = replace(bench.settings, grids=(a_grid(), replace(a_grid(), name="other")))
    with pytest.raises(SettingsInvalid) as caught:
        bench.run()
    assert list(caught.value.problems) == [
        f"grid {name!r}: expected one grid on {SWAP_SYMBOL}, found {other!r} as well: {ONE_OWNER}"
        for name, other in (("main", "other"), ("other", "main"))
    ]
    assert bench.records() == []


def test_leverage_above_that_of_the_market_is_refused_before_anything_is_placed() -> None:
    bench = a_bench(*STILL, grid=a_grid(leverage=D(51)))
    with pytest.raises(SettingsInvalid) as caught:
        bench.run()
    assert list(caught.value.problems) == [f"grid 'main': leverage: expected at most 50 on {SWAP_SYMBOL}, found 51"]
    assert bench.records() == []
    assert bench.exchange.placed == {}
