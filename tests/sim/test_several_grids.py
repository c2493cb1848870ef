"""Several grids in one engine: each has its own money, its own reports and its own commands."""

from collections import defaultdict
from decimal import Decimal
from random import Random

import anyio
import pytest

from engine.model.commands import Freeze, Pause
from engine.model.errors import SettingsInvalid
from engine.model.events import OrderIntended, OrderReported
from engine.model.grid import GridSpec, GridState, InitialPurchase
from engine.model.ids import key_from_client_order_id
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.model.slot import Entering
from engine.model.snapshot import Connection
from engine.runtime.engine import Engine
from tests.builders import a_market, a_spec
from tests.sim.engine_builders import (
    QUOTE_FEES,
    Bench,
    a_path,
    a_timed_path,
    assert_balanced,
    until_quiet,
)

D = Decimal
ETH = "ETH/USDT"
ETH_MARKET = a_market(symbol=ETH, base="ETH", fee_currency=FeeCurrency.QUOTE)
WIDE = a_spec(name="wide", window=4)
FINE = a_spec(name="fine", lower=D(140), upper=D(170), slots=15, size=D("0.4"), window=3)
OTHER = a_spec(name="other", symbol=ETH, lower=D(10), upper=D(20), size=D(3))
ALL = (WIDE, FINE, OTHER)
NEED = {"wide": D("1451.45"), "fine": D("924.924"), "other": D("435.435")}
"""Each slot's amount at its level and the fee of that, by hand."""


def a_walk(around: int, *, seed: int, rows: int = 400) -> list[Decimal]:
    dice, price = Random(seed), D(around)
    walk = [price]
    for _ in range(rows):
        price = max(price + D(dice.randrange(-around * 4, around * 4 + 1)) / 100, D(around) / 2)
        walk.append(price)
    return walk


def a_bench(*grids: GridSpec, quote: Decimal) -> Bench:
    return Bench(
        a_path(*a_walk(155, seed=1)),
        a_path(*a_walk(15, seed=2), symbol=ETH),
        grids=grids,
        markets=[QUOTE_FEES, ETH_MARKET],
        balances={"USDT": quote, "BTC": ZERO, "ETH": ZERO},
    )


def test_three_grids_on_two_symbols_share_an_account_and_none_touches_what_is_of_another() -> None:
    """With exactly the money they need together."""
    bench = a_bench(*ALL, quote=sum(NEED.values(), ZERO))
    bound: dict[str, Decimal] = defaultdict(lambda: D(10_000))

    async def watch_the_money(engine: Engine) -> None:
        while engine.connection is not Connection.ENDED:
            for name, grid in engine.coordinators.items():
                bound[name] = min(bound[name], grid.manager.free().quote)
                assert grid.manager.money_block is None
            await anyio.sleep(30)
        await until_quiet(engine)

    engine = bench.run(watch_the_money)
    assert min(bound.values()) >= 0
    for name, grid in engine.coordinators.items():
        ids = [fact.client_order_id for fact in bench.facts(OrderIntended, name)]
        ids += [fact.report.client_order_id for fact in bench.facts(OrderReported, name)]
        assert {key.grid for key in map(key_from_client_order_id, ids) if key} == {grid.books.number}
        assert grid.books.ledger.cycles > 5
    assert [grid.books.number for grid in engine.coordinators.values()] == [0, 1, 2]
    assert_balanced(bench, engine)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_grid_that_finds_too_little_money_beside_the_others_is_refused_with_need_and_found(place: int) -> None:
    """One cent is missing; it is the last grid in the order of the configuration that is told."""
    grids = [*ALL[place:], *ALL[:place]]
    last = grids[-1].name
    bench = a_bench(*grids, quote=sum(NEED.values(), ZERO) - D("0.01"))
    with pytest.raises(SettingsInvalid) as told:
        bench.run()
    found = NEED[last] - D("0.01")
    assert told.value.problems == (
        f"grid {last!r}: expected {NEED[last].normalize()} USDT on the account that no other grid needs, found {found}",
    )


def test_two_grids_cannot_both_take_over_the_same_base() -> None:
    holdings = a_spec(initial_purchase=InitialPurchase.HOLDINGS)
    grids = [holdings, a_spec(name="second", initial_purchase=InitialPurchase.HOLDINGS)]
    bench = Bench(a_path(*[155] * 5), grids=grids, balances={"USDT": D(99_999), "BTC": D(7)})
    with pytest.raises(SettingsInvalid, match=r"grid 'second': expected 4 BTC .* found 3$"):
        bench.run()


def test_a_grid_added_later_leaves_the_money_of_those_that_run_alone_wherever_it_stands_in_the_file() -> None:
    """The first grid has spent half of its money; what is left of it is still its own."""
    bench = Bench(a_path(155, 125, *[125] * 20), grids=[a_spec(name="old")], balances={"USDT": D(1_500), "BTC": D(0)})

    async def scene() -> Engine:
        async with bench.engine():
            await anyio.sleep(300)
        new = a_spec(name="new", lower=D(100), upper=D(110), slots=1)
        bench.settings = type(bench.settings)(
            engine=bench.settings.engine,
            exchange=bench.settings.exchange,
            simulation=bench.settings.simulation,
            grids=(new, *bench.settings.grids),
            file=None,
        )
        async with bench.engine() as engine:
            return engine

    with pytest.raises(SettingsInvalid, match=r"grid 'new': expected 100.1 USDT .* found 48.55$"):
        bench.run_scene(scene)


def test_a_second_grid_on_a_symbol_starts_at_the_newest_price_not_at_the_first() -> None:
    """The market falls while the first grid is being opened."""
    grids = [a_spec(name="first"), a_spec(name="second")]
    bench = Bench(a_timed_path((0, 155), (210, 145), (60_000, 145)), grids=grids)
    engine = bench.run()
    assert [grid.books.lattice.anchor for grid in engine.coordinators.values()] == [155, 155]
    assert [grid.mark for grid in engine.coordinators.values()] == [145, 145]
    resting = [
        [slot.index for slot in grid.books.slots if isinstance(slot.state, Entering)]
        for grid in engine.coordinators.values()
    ]
    assert resting == [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]]
    assert_balanced(bench, engine)


def test_a_command_reaches_its_grid_and_no_other() -> None:
    bench = a_bench(*ALL, quote=D(9_999))

    async def pause_one_and_freeze_another(engine: Engine) -> None:
        await anyio.sleep(30)
        await engine.command(Pause(grid="fine"), by="test")
        await engine.command(Freeze(grid="other", slot=2), by="test")
        await until_quiet(engine)

    engine = bench.run(pause_one_and_freeze_another)
    states = {name: grid.books.state for name, grid in engine.coordinators.items()}
    assert states == {"wide": GridState.RUNNING, "fine": GridState.PAUSED, "other": GridState.RUNNING}
    frozen = {
        name: [slot.index for slot in grid.books.slots if slot.freeze_reason is not None]
        for name, grid in engine.coordinators.items()
    }
    assert frozen == {"wide": [], "fine": [], "other": [2]}
    assert not any(isinstance(slot.state, Entering) for slot in engine.coordinators["fine"].books.slots)
    assert_balanced(bench, engine)


def test_nothing_is_ordered_before_every_grid_has_its_price() -> None:
    """The second market's first price comes ten minutes after the first one's."""
    late_ms = 600_000
    bench = Bench(
        a_timed_path((0, 155), (30_000, 145), (60_000, 156), (late_ms + 60_000, 155)),
        a_timed_path((late_ms // 4, 15), (late_ms + 60_000, 15), symbol=ETH),
        grids=(WIDE, OTHER),
        markets=[QUOTE_FEES, ETH_MARKET],
        balances={"USDT": D(5_000), "BTC": ZERO, "ETH": ZERO},
    )
    bench.run(until_quiet)
    intents = [record for record in bench.records() if isinstance(record.fact, OrderIntended)]
    assert intents
    assert min(record.at_ms for record in intents) >= late_ms // 4


def test_a_limit_purchase_that_the_price_runs_away_from_leaves_no_slot_without_its_entry() -> None:
    """Its entries move up to their own levels, and the grid has the money for that."""
    spec = a_spec(name="up", initial_purchase=InitialPurchase.LIMIT)
    bench = Bench(a_path(155, 165, 175, 185, 195, 195), grids=(spec,), balances={"USDT": D(2_000), "BTC": ZERO})
    engine = bench.run(until_quiet)
    books = engine.coordinators["up"].books
    assert [slot.state.order.price for slot in books.slots if isinstance(slot.state, Entering)] == [
        slot.lower for slot in books.slots
    ]
    assert engine.coordinators["up"].manager.money_block is None
