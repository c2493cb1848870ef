"""Several grids on one account: what they own together is never more than there is, whatever is opened or edited."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from random import Random

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.model.commands import EditGrid, GridChange, Stop
from engine.model.errors import CommandRefused, SettingsInvalid
from engine.model.grid import Disposal, GridSpec, InitialPurchase, ProfitUse
from engine.model.market import FeeCurrency
from engine.model.money import ZERO
from engine.runtime.balance_watch import owned_by
from engine.runtime.engine import Engine
from tests.builders import a_market, a_spec
from tests.sim.engine_builders import QUOTE_FEES, Bench, SlowJournal, a_path, assert_balanced

D = Decimal
ETH, CROSS = "ETH/USDT", "ETH/BTC"
MARKETS = (
    QUOTE_FEES,
    a_market(symbol=ETH, base="ETH", fee_currency=FeeCurrency.QUOTE),
    a_market(symbol=CROSS, base="ETH", quote="BTC", notional_min=D("0.0001"), fee_currency=FeeCurrency.QUOTE),
)
"""BTC is what one of them trades and what another one pays with."""
BALANCES = {"USDT": D(5_000), "BTC": D(40), "ETH": D(30)}


def assert_enough(bench: Bench, engine: Engine) -> None:
    """Everything that is owned is there, and nothing is bound that is not owned."""
    owned = owned_by(grid.books for grid in engine.coordinators.values())
    for currency, amount in owned.items():
        assert amount <= bench.balance(currency), f"grids own {amount} {currency}"
    for grid in engine.coordinators.values():
        free = grid.manager.free()
        assert min(free.quote, free.base) >= 0


def some_grids(dice: Random) -> list[GridSpec]:
    symbols = [dice.choice((QUOTE_FEES.symbol, ETH, CROSS)) for _ in range(dice.randint(2, 3))]
    return [
        a_spec(
            name=f"grid{number}",
            symbol=symbol,
            slots=dice.randint(2, 5),
            size=D(dice.randint(1, 40)) / 10,
            initial_purchase=dice.choice((InitialPurchase.NONE, InitialPurchase.LIMIT, InitialPurchase.HOLDINGS)),
            profit_use=dice.choice(list(ProfitUse)),
        )
        for number, symbol in enumerate(symbols)
    ]


def a_bench(dice: Random, grids: list[GridSpec], balances: Mapping[str, Decimal] = BALANCES) -> Bench:
    symbols = sorted({spec.symbol for spec in grids})
    markets = [market for market in MARKETS if market.symbol in symbols]
    paths = [a_path(*(dice.randint(101, 199) for _ in range(12)), symbol=symbol) for symbol in symbols]
    return Bench(*paths, grids=grids, markets=markets, balances=balances, journal=SlowJournal(commit_seconds=0.05))


@settings(max_examples=12)
@given(seed=st.integers(0, 2**32))
def test_what_grids_own_never_adds_up_to_more_than_the_account_has_at_opening_and_after_every_edit(seed: int) -> None:
    dice = Random(seed)
    grids = some_grids(dice)
    bench = a_bench(dice, grids)

    async def edit(engine: Engine, name: str, change: GridChange) -> None:
        try:
            await engine.command(EditGrid(grid=name, change=change), by="test")
        except CommandRefused:
            return

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        assert_enough(bench, engine)
        for _ in range(4):
            async with anyio.create_task_group() as edits:
                for spec in grids:
                    change = GridChange(size=D(dice.randint(1, 90)) / 10, slots=dice.randint(2, 6))
                    edits.start_soon(edit, engine, spec.name, change)
            await engine.wait_quiet()
            assert_enough(bench, engine)
            await anyio.sleep(60 * dice.randint(1, 3))
            await engine.wait_quiet()
            assert_enough(bench, engine)

    # An account that is too small for them is refused; that is another way of never owning too much.
    with suppress(SettingsInvalid):
        bench.run(script)


def test_two_edits_at_once_do_not_take_the_same_free_money() -> None:
    """Either of them fits what nobody owns, both do not: while the one is written, the other is refused."""
    grids = [a_spec(name=name, slots=2, size=D(1)) for name in ("one", "two")]
    bench = Bench(
        a_path(*[205] * 10),
        grids=grids,
        markets=[QUOTE_FEES],
        balances={"USDT": D(850), "BTC": ZERO},
        journal=SlowJournal(commit_seconds=2.0),
    )
    outcomes: list[str] = []

    async def grow(engine: Engine, name: str) -> None:
        try:
            await engine.command(EditGrid(grid=name, change=GridChange(size=D(2))), by="test")
            outcomes.append("done")
        except CommandRefused as refused:
            outcomes.append(str(refused))

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        async with anyio.create_task_group() as edits:
            for spec in grids:
                edits.start_soon(grow, engine, spec.name)
        await engine.wait_quiet()
        assert_enough(bench, engine)

    engine = bench.run(script)
    assert sorted(outcome == "done" for outcome in outcomes) == [False, True]
    assert_balanced(bench, engine)


def test_a_coin_that_one_grid_holds_is_not_free_money_of_another_that_pays_with_it() -> None:
    holder = a_spec(name="holder", slots=2, size=D(1), initial_purchase=InitialPurchase.HOLDINGS)
    payer = a_spec(name="payer", symbol=CROSS, lower=D(10), upper=D(20), slots=2, size=D("0.3"))
    bench = Bench(
        a_path(*[99] * 10),
        a_path(*[21] * 10, symbol=CROSS),
        grids=[holder, payer],
        markets=[MARKETS[0], MARKETS[2]],
        balances={"USDT": D(1_000), "BTC": D(10), "ETH": ZERO},
    )

    async def script(engine: Engine) -> None:
        await engine.wait_quiet()
        assert_enough(bench, engine)
        with pytest.raises(CommandRefused):
            await engine.command(EditGrid(grid="payer", change=GridChange(size=D("0.35"))), by="test")

    bench.run(script)


def test_the_lots_of_a_grid_that_was_taken_out_of_the_configuration_are_not_opened_with_by_another() -> None:
    old = a_spec(name="old", slots=2, size=D(1), initial_purchase=InitialPurchase.HOLDINGS)
    bench = Bench(a_path(*[99] * 10), grids=[old], markets=[QUOTE_FEES], balances={"USDT": D(1_000), "BTC": D(2)})

    async def stop(engine: Engine) -> None:
        await engine.wait_quiet()
        await engine.command(Stop(grid="old", disposal=Disposal.CANCEL), by="test")
        await engine.wait_quiet()

    bench.run(stop)
    new = a_spec(name="new", slots=2, size=D(1), initial_purchase=InitialPurchase.HOLDINGS)
    bench.settings = replace(bench.settings, grids=(new,))
    with pytest.raises(SettingsInvalid, match="expected 2 BTC on the account that no other grid needs, found 0"):
        bench.run()
