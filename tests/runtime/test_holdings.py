"""What the account holds, set beside the ledgers of its grids: coin by currency, swap positions by symbol."""

from dataclasses import replace
from decimal import Decimal
from typing import cast

from engine.exchange.port import Balance, Exchange
from engine.model.grid import MarginMode
from engine.model.market import Market
from engine.model.swap import Position
from engine.runtime.clock import VirtualClock
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.grid_control import GridControl
from engine.runtime.holdings import ReconciledGrid, look_at_holdings
from engine.runtime.manager import SlotManager
from tests.builders import INSTANCE, SYMBOL, a_market, a_spec, some_books
from tests.core.shape_builders import a_swap
from tests.runtime.test_coordinator import Desk

D = Decimal
SWAP = "BTC/USDT:USDT"
POSITION = Position(
    symbol=SWAP,
    amount=D("-1.5"),
    entry_price=D(150),
    margin=D(15),
    liquidation_price=None,
    leverage=D(10),
    mode=MarginMode.CROSS,
)


class Account:
    """An exchange that holds 2 BTC, one of them in an order, and owes 1.5 BTC on a swap; counts what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch_balances(self) -> dict[str, Balance]:
        self.asked.append("balances")
        return {"BTC": Balance(free=D(1), locked=D(1))}

    async def fetch_positions(self) -> dict[str, Position]:
        self.asked.append("positions")
        return {SWAP: POSITION}


def a_grid(market: Market, name: str = "main") -> ReconciledGrid:
    books = some_books(a_spec(name=name, symbol=market.symbol), market)
    desk = Desk()
    coordinator = GridCoordinator(
        SlotManager(books, instance=INSTANCE),
        journal=desk,
        executor=desk,
        clock=VirtualClock(start_ms=0),
        watch=desk.bands.append,
    )
    return ReconciledGrid(coordinator=coordinator, control=cast("GridControl", None))


async def test_positions_are_asked_for_only_where_a_swap_is_traded() -> None:
    account = Account()
    await look_at_holdings(cast("Exchange", account), {SYMBOL: [a_grid(a_market())]})
    assert account.asked == ["balances"]
    await look_at_holdings(cast("Exchange", account), {SWAP: [a_grid(a_swap(symbol=SWAP))]})
    assert account.asked == ["balances", "balances", "positions"]


async def test_the_coin_of_a_spot_grid_and_the_position_of_a_swap_in_the_same_coin_are_kept_apart() -> None:
    spot, swap = a_grid(a_market()), a_grid(a_swap(symbol=SWAP), "swap")
    holdings = await look_at_holdings(cast("Exchange", Account()), {SYMBOL: [spot], SWAP: [swap]})
    assert {key: holdings.amount(key) for key in holdings.grids} == {"BTC": D(2), SWAP: D("-1.5")}
    assert (holdings.grids["BTC"], holdings.grids[SWAP]) == ([spot], [swap])


async def test_what_the_account_has_nothing_of_is_nothing() -> None:
    eth = a_market(symbol="ETH/USDT", base="ETH")
    other = a_swap(symbol="ETH/USDT:USDT", base="ETH")
    grids = {"ETH/USDT": [a_grid(eth)], "ETH/USDT:USDT": [a_grid(other, "swap")]}
    holdings = await look_at_holdings(cast("Exchange", Account()), grids)
    assert [holdings.amount(key) for key in holdings.grids] == [0, 0]


async def test_a_ledger_that_was_booked_on_since_is_seen_and_another_one_is_not() -> None:
    spot, swap = a_grid(a_market()), a_grid(a_swap(symbol=SWAP), "swap")
    holdings = await look_at_holdings(cast("Exchange", Account()), {SYMBOL: [spot], SWAP: [swap]})
    assert not holdings.has_moved("BTC")
    books = spot.coordinator.books
    books.ledger = replace(books.ledger, cash=D(-1))
    assert holdings.has_moved("BTC")
    assert not holdings.has_moved(SWAP)
