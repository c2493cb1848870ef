"""What an operator asks for, on the whole engine: pause, resume, freeze, thaw and the three ways to stop."""

from decimal import Decimal
from functools import partial

import anyio
import pytest

from engine.core.lattice import SLIPPAGE_MAX
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import (
    Command,
    EditGrid,
    Freeze,
    GridChange,
    LiftBlock,
    Panic,
    Pause,
    Resume,
    SetSpeed,
    Stop,
    Thaw,
)
from engine.model.errors import CommandRefused
from engine.model.events import OrderReported
from engine.model.grid import Disposal, GridState, InitialPurchase
from engine.model.market import Market
from engine.model.order import Side
from engine.model.risk import BreakerKind
from engine.model.slot import Empty, Entering, Exiting, Holding, lot_of
from engine.model.snapshot import EngineState
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, Number, a_market, a_spec
from tests.sim.engine_builders import QUOTE_FEES, Bench, SlowJournal, a_path, assert_balanced, until_quiet

D = Decimal
MINUTE = 60


async def minute(number: float) -> None:
    """Wait until a minute of market time, half a minute after the price of that minute."""
    await anyio.sleep_until(number * MINUTE + 30)


def resting(bench: Bench) -> list[tuple[Side, Decimal]]:
    """Side and price of every order on the exchange, lowest first."""
    orders = bench.exchange.matching.open_orders(SYMBOL)
    return sorted(((order.side, order.price) for order in orders), key=lambda order: order[1])


def buys(*prices: Number) -> list[tuple[Side, Decimal]]:
    return [(Side.BUY, D(price)) for price in prices]


def sells(*prices: Number) -> list[tuple[Side, Decimal]]:
    return [(Side.SELL, D(price)) for price in prices]


async def send(engine: Engine, command: Command) -> str:
    return (await engine.command(command, by="test")).message


def test_a_pause_cancels_the_entries_and_leaves_the_exits_which_go_on_to_fill() -> None:
    bench = Bench(a_path(155, 145, 145, 165, 145, 145))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
        assert await send(engine, Pause(grid="main")) == "main: paused, resting entries are being cancelled"
        await minute(2)
        assert (books.state, resting(bench)) == (GridState.PAUSED, sells(160))
        await minute(3)
        assert (books.ledger.cycles, resting(bench)) == (1, [])
        with pytest.raises(CommandRefused, match="cannot pause grid 'main': it is paused"):
            await send(engine, Pause(grid="main"))
        assert await send(engine, Resume(grid="main")) == "main: running"
        await minute(3.2)
        assert resting(bench) == buys(100, 110, 120, 130, 140, 150, 160)
        with pytest.raises(CommandRefused, match="cannot resume grid 'main': it is running"):
            await send(engine, Resume(grid="main"))
        await until_quiet(engine)

    assert_balanced(bench, bench.run(scene))


def test_a_frozen_slot_books_its_fill_and_does_nothing_else_until_it_is_thawed() -> None:
    bench = Bench(a_path(155, 145, 145, 145, 145))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(0)
        assert await send(engine, Freeze(grid="main", slot=5)) == "main: slot 5 is frozen"
        with pytest.raises(CommandRefused, match="slot 5 is already frozen: frozen by wish"):
            await send(engine, Freeze(grid="main", slot=5))
        await minute(1)
        assert books.slots[5].state == Holding(lot=lot_of(books.slots[5]))
        assert (lot_of(books.slots[5]).quantity, resting(bench)) == (D(1), buys(100, 110, 120, 130, 140))
        assert await send(engine, Thaw(grid="main", slot=5)) == "main: slot 5 trades again"
        await minute(2)
        assert resting(bench) == [*buys(100, 110, 120, 130, 140), *sells(160)]
        with pytest.raises(CommandRefused, match="slot 5 is not frozen"):
            await send(engine, Thaw(grid="main", slot=5))
        await until_quiet(engine)

    assert_balanced(bench, bench.run(scene))


@pytest.mark.parametrize(
    ("disposal", "left", "state_of_slot_5"),
    [
        (Disposal.LEAVE, [*buys(100, 110, 120, 130, 140), *sells(160)], Exiting),
        (Disposal.CANCEL, [], Holding),
        (Disposal.FLATTEN, [], Empty),
    ],
)
def test_stopping_disposes_of_orders_and_inventory_as_asked_and_resuming_puts_them_back(
    disposal: Disposal, left: list[tuple[Side, Decimal]], state_of_slot_5: type
) -> None:
    bench = Bench(a_path(155, 145, 145, 145, 145, 145))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        await send(engine, Stop(grid="main", disposal=disposal))
        await minute(2)
        assert (books.state, books.disposal, resting(bench)) == (GridState.STOPPED, disposal, left)
        assert isinstance(books.slots[5].state, state_of_slot_5)
        assert books.ledger.base == (0 if disposal is Disposal.FLATTEN else 1)
        with pytest.raises(CommandRefused, match="cannot stop grid 'main': it is stopped"):
            await send(engine, Stop(grid="main"))
        await send(engine, Resume(grid="main"))
        await until_quiet(engine)
        exits = [] if disposal is Disposal.FLATTEN else sells(160)
        assert (books.state, resting(bench)) == (GridState.RUNNING, [*buys(100, 110, 120, 130, 140), *exits])

    assert_balanced(bench, bench.run(scene))


@pytest.mark.parametrize("partial_fill_chance", [D(0), D("0.7")])
@pytest.mark.parametrize("market", [QUOTE_FEES, a_market(lot_size=D("0.001"))], ids=["quote", "received"])
def test_flattening_in_a_falling_market_sells_everything_within_the_slippage_but_for_dust(
    market: Market, partial_fill_chance: Decimal
) -> None:
    """Five slots are full, some of them in part, and the price falls 0.3 % a second while they are sold."""
    fall = [(D("109.5") * (1 - D("0.003")) ** second).quantize(D("0.01")) for second in range(120)]
    bench = Bench(
        a_path(155, *[149, 139, 129, 119] * 3, *fall, step_ms=1_000),
        markets=[market],
        options=SimulatedOptions(matching=MatchingOptions(partial_fill_chance=partial_fill_chance, seed=3)),
    )

    async def scene(engine: Engine) -> None:
        await anyio.sleep(13.2)
        books = engine.coordinators["main"].books
        assert books.ledger.base > 4
        await send(engine, Stop(grid="main", disposal=Disposal.FLATTEN))
        await until_quiet(engine)
        assert books.state is GridState.STOPPED

    engine = bench.run(scene)
    books = engine.coordinators["main"].books
    assert all(isinstance(slot.state, Empty) for slot in books.slots)
    assert books.ledger.base == books.ledger.dust.quantity == bench.balance("BTC")
    assert bench.balance("BTC") < market.lot_size
    prices = {index * 1_000: price for index, price in enumerate([*[D(0)] * 13, *fall])}
    sales = [fill for fact in bench.facts(OrderReported) if fact.report.side is Side.SELL for fill in fact.report.fills]
    for sale in sales:
        seen = prices[(sale.at_ms - 25) // 1_000 * 1_000]
        assert sale.price >= (seen * (1 - SLIPPAGE_MAX)).quantize(market.tick_size)
    assert_balanced(bench, engine)


def test_an_initial_purchase_above_the_price_is_cancelled_by_a_pause_and_placed_again_on_resuming() -> None:
    bench = Bench(a_path(*[155] * 6), grids=[a_spec(initial_purchase=InitialPurchase.LIMIT)])

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(0)
        assert resting(bench) == buys(100, 110, 120, 130, 140, 150, 155, 155, 155, 155)
        await send(engine, Pause(grid="main"))
        await minute(1)
        assert resting(bench) == []
        assert not any(isinstance(slot.state, Entering) for slot in books.slots)
        await send(engine, Resume(grid="main"))
        await until_quiet(engine)
        assert len(resting(bench)) == 10

    assert_balanced(bench, bench.run(scene))


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (Pause(grid="mian"), "expected the name of a grid (main), found 'mian'"),
        (Freeze(grid="main", slot=10), "expected a slot from 0 to 9, found 10"),
        (Thaw(grid="main", slot=-1), "expected a slot from 0 to 9, found -1"),
        (SetSpeed(speed=-2), "expected a speed of at least 0, found -2"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused_with_what_was_expected(command: Command, problem: str) -> None:
    bench = Bench(a_path(155, 155))

    async def scene(engine: Engine) -> None:
        with pytest.raises(CommandRefused) as told:
            await send(engine, command)
        assert str(told.value) == problem

    bench.run(scene)


@pytest.mark.parametrize("on_exit", [Disposal.CANCEL, Disposal.FLATTEN])
def test_leaving_disposes_of_every_grid_as_configured_before_the_engine_has_closed(on_exit: Disposal) -> None:
    bench = Bench(a_path(155, 145, *[145] * 5), on_exit=on_exit)

    async def scene(engine: Engine) -> None:
        await minute(1)

    engine = bench.run(scene)
    books = engine.coordinators["main"].books
    assert (books.state, resting(bench)) == (GridState.STOPPED, [])
    assert bench.balance("BTC") == (0 if on_exit is Disposal.FLATTEN else 1)
    assert_balanced(bench, engine)


def test_what_still_waits_to_be_sent_when_a_grid_is_paused_is_not_sent() -> None:
    """Ninety entries and a rate budget of 45 in ten seconds: half of them wait when the pause comes."""
    spec = a_spec(name="main", lower=D(100), upper=D(190), slots=90, size=D("0.1"), window=90)
    bench = Bench(a_path(189, 189, 189, 189, 189), grids=(spec,))

    async def scene(engine: Engine) -> None:
        await anyio.sleep(2)
        before = len(bench.exchange.placed)
        assert 0 < before < 90
        await send(engine, Pause(grid="main"))
        await minute(2)
        assert len(bench.exchange.placed) == before
        assert resting(bench) == []

    assert_balanced(bench, bench.run(scene))


def test_commands_wait_until_every_part_has_reported_in() -> None:
    bench = Bench(a_path(155, 155, 155))

    async def scene(engine: Engine) -> None:
        await minute(1)

    engine = bench.run(scene)
    engine.state = EngineState.STARTING

    async def early() -> None:
        with pytest.raises(CommandRefused, match="the engine is starting"):
            await engine.command(Pause(grid="main"), by="test")

    anyio.run(early)


def test_an_order_that_waits_for_its_turn_is_not_sent_on_the_strength_of_a_state_that_is_not_yet_durable() -> None:
    """I10: a resume is in force at once, and its record is still on its way to the disk."""
    journal = SlowJournal(commit_seconds=5)
    bench = Bench(a_path(*[155] * 10), journal=journal)
    wanted: list[bool] = []

    async def resume(engine: Engine) -> None:
        await anyio.sleep(60)
        grid = engine.coordinators["main"]
        ((request, _), *_) = grid.manager.live_requests()
        await engine.command(Pause(grid="main"), by="ann")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(engine.command, Resume(grid="main"), by="ann"))
            await anyio.sleep(2)
            wanted.append(grid.books.state is GridState.RUNNING and engine._grids.is_wanted(request))
        wanted.append(engine._grids.is_wanted(request))

    bench.run(resume)
    assert wanted == [False, True]


@pytest.mark.parametrize(
    "stop, rest", [(False, ""), (True, ", but the grid stays stopped until it is resumed")], ids=["running", "stopped"]
)
def test_lifting_a_block_says_whether_the_grid_opens_again(rest: str, *, stop: bool) -> None:
    bench = Bench(a_path(155, 145, 145, 145, 145, 145))

    async def scene(engine: Engine) -> None:
        await minute(1)
        await send(engine, Panic(grid="main"))
        if stop:
            await send(engine, Stop(grid="main", disposal=Disposal.CANCEL))
        await minute(3)
        lifted = await send(engine, LiftBlock(grid="main", kind=BreakerKind.PANIC_KEY))
        assert lifted == f"main: panic key is lifted{rest}"

    bench.run(scene)


def test_a_stopped_grid_says_in_the_preview_of_an_edit_that_it_must_be_resumed_first() -> None:
    bench = Bench(a_path(155, 145, 145, 145, 145, 145))

    async def scene(engine: Engine) -> None:
        await minute(1)
        await send(engine, Stop(grid="main", disposal=Disposal.CANCEL))
        await minute(3)
        said = "the grid is stopped (stopped as asked): resume it first"
        change = GridChange(size=D(2))
        assert engine.preview("main", change).problems == (said,)
        with pytest.raises(CommandRefused, match="resume it first"):
            await send(engine, EditGrid(grid="main", change=change))

    bench.run(scene)


def test_a_change_of_nothing_is_refused_by_the_engine() -> None:
    bench = Bench(a_path(155, 145, 145))

    async def scene(engine: Engine) -> None:
        await minute(1)
        with pytest.raises(CommandRefused, match="nothing would change"):
            await send(engine, EditGrid(grid="main", change=GridChange()))

    bench.run(scene)


def test_the_preview_of_an_edit_under_a_panic_says_that_its_purchases_wait() -> None:
    """At 145 nothing has been bought yet of slots 5 to 9, which the edit would buy at the price."""
    spec = a_spec(initial_purchase=InitialPurchase.LIMIT)
    bench = Bench(a_path(201, 201, 145, 145, 145), grids=[spec])

    async def scene(engine: Engine) -> None:
        await minute(1)
        await send(engine, Panic(grid="main"))
        await minute(3)
        preview = engine.preview("main", GridChange(size=D("0.5")))
        assert preview.waits_for == "panic key: pressed by test"
        assert preview.after.warnings[-1].startswith(f"nothing is bought now: {preview.waits_for}; when that ends, ")

    bench.run(scene)
