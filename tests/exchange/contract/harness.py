"""What the promises need of an implementation, and how a promise is written down."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Protocol

from engine.exchange.port import Exchange
from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.market import FeeCurrency, Market, SwapRules
from engine.model.money import ZERO
from engine.model.order import Leg, OrderRequest, Side
from tests.exchange.contract.recorder import Recorder

D = Decimal
START_PRICE = D(60_000)
"""Where every market stands at first."""
START_BALANCES = {"USDT": D(100_000), "BTC": D(2)}
AMOUNT = D("0.01")
MINUTE_MS = 60_000
SPOT = Market(
    symbol="BTC/USDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.01"),
    lot_size=D("0.00001"),
    amount_min=D("0.00001"),
    amount_max=D(9_000),
    notional_min=D(5),
    maker_fee_rate=D("0.001"),
    taker_fee_rate=D("0.001"),
)
SWAP = Market(
    symbol="BTC/USDT:USDT",
    base="BTC",
    quote="USDT",
    tick_size=D("0.1"),
    lot_size=D("0.001"),
    amount_min=D("0.001"),
    amount_max=D(1_000),
    notional_min=D(5),
    maker_fee_rate=D("0.0002"),
    taker_fee_rate=D("0.00055"),
    fee_currency=FeeCurrency.QUOTE,
    swap=SwapRules(contract_size=D("0.001"), leverage_max=D(100), maintenance_rate=D("0.005")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueOrder:
    """An open order as the exchange itself has it."""

    side: Side
    price: Decimal
    amount: Decimal
    filled: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is so on the exchange, whatever it says: free and locked by currency, open orders by client id."""

    balances: dict[str, tuple[Decimal, Decimal]]
    open_orders: dict[str, TrueOrder]

    def total(self, currency: str) -> Decimal:
        """Free and locked together."""
        free, locked = self.balances.get(currency, (ZERO, ZERO))
        return free + locked


class Harness(Protocol):
    """One running exchange: its market stands at ``START_PRICE``, its account has ``START_BALANCES`` and no order."""

    @property
    def exchange(self) -> Exchange:
        """The exchange under test."""

    @property
    def listener(self) -> Recorder:
        """What has been heard of it."""

    @property
    def market(self) -> Market:
        """What is true of its one market."""

    @property
    def symbol(self) -> str:
        """That market's."""

    def now_ms(self) -> int:
        """The exchange's clock."""

    async def market_trades_at(self, price: Decimal, *, amount: Decimal | None = None) -> None:
        """The market goes to a price; with ``amount`` no more than that of our orders is filled, part of one."""

    def truth(self) -> Truth:
        """What is so."""

    async def place_by_hand(self, side: Side, price: Decimal, amount: Decimal) -> str:
        """The account's owner places an order on the exchange's own site; its client order id."""

    async def restart(self) -> None:
        """Our side ends and starts again; ``exchange`` and ``listener`` are new."""

    async def stop(self) -> None:
        """The first half of a restart: nothing of ours runs, the market goes on."""

    async def start(self) -> None:
        """The other half."""

    async def stream_breaks(self) -> None:
        """The streams break, and stay broken."""

    async def stream_heals(self) -> None:
        """The streams can be opened again."""

    async def candle_is_told(self) -> None:
        """Whatever it takes for a watched candle of a minute to be told."""

    async def funding_is_due(self) -> None:
        """A funding of the swap is settled."""


class Need(Enum):
    """What an implementation must be able to do for a promise to be asked of it."""

    ANY = "any"
    PART = "part"
    """Fill an order in part."""
    SWAP = "swap"
    """Trade a linear perpetual."""
    SPOT = "spot"


Check = Callable[[Harness], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One sentence of the port, as code."""

    name: str
    check: Check
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class Implementation:
    """One exchange; ``keep`` runs a promise against a new one of it, on an event loop of its own."""

    name: str
    market: Market
    keep: Callable[[Promise], None]

    def can(self, need: Need) -> bool:
        """Whether it is asked to keep promises of this need."""
        match need:
            case Need.ANY | Need.PART:
                return True
            case Need.SWAP:
                return self.market.swap is not None
            case Need.SPOT:
                return self.market.swap is None


PROMISES: list[Promise] = []


def promise(need: Need = Need.ANY) -> Callable[[Check], Check]:
    """Put a check on the list, under its own name."""

    def written_down(check: Check) -> Check:
        PROMISES.append(Promise(name=check.__name__, check=check, need=need))
        return check

    return written_down


def own_id(number: int) -> str:
    """One of our client order ids."""
    return client_order_id_from_key(OrderKey(instance="con", grid=0, slot=number, leg=Leg.ENTRY, generation=0))


def order(
    harness: Harness,
    number: int,
    side: Side,
    price: Decimal | int,
    amount: Decimal = AMOUNT,
    *,
    post_only: bool = False,
    reduce_only: bool = False,
) -> OrderRequest:
    """A limit order on the harness's market."""
    return OrderRequest(
        client_order_id=own_id(number),
        symbol=harness.symbol,
        side=side,
        price=D(price),
        amount=amount,
        post_only=post_only,
        reduce_only=reduce_only,
    )
