"""What may be asked of the loopback venue: markets, prices, orders, executions, money, and the whole truth."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from tests.loopback.venue_ledger import Ledger
from tests.loopback.venue_register import Register
from tests.loopback.venue_tape import Tape
from tests.loopback.venue_truth import Truth, checksum_of, truth_of
from tests.loopback.venue_words import (
    FundingPaid,
    MarketStatus,
    PublicTrade,
    Refusal,
    RefusalReason,
    Side,
    VenueBalance,
    VenueFill,
    VenueMarket,
    VenueOrder,
    VenuePosition,
)


class VenueReads:
    """The books of one account. Nothing here changes anything."""

    now_ms: Callable[[], int]

    def __init__(self, markets: dict[str, VenueMarket], balances: dict[str, Decimal]) -> None:
        """Books in which nothing is written yet."""
        self.markets = markets
        self.tape = Tape(markets)
        self.candles = self.tape.candles
        self.register = Register()
        self.ledger = Ledger(balances)
        self.funding_paid: list[FundingPaid] = []

    def market(self, market_id: str) -> VenueMarket:
        """A market by its id. Raises ``Refusal``."""
        market = self.markets.get(market_id)
        if market is None or market.status is MarketStatus.DELISTED:
            raise Refusal(RefusalReason.UNKNOWN_MARKET, f"there is no market {market_id!r}")
        return market

    def last(self, market_id: str) -> Decimal | None:
        """Where the market traded last, None before the first print."""
        return self.tape.last.get(market_id)

    def best_bid(self, market_id: str) -> Decimal | None:
        """The highest price that a seller gets at once."""
        return self._best(market_id, Side.BUY)

    def best_ask(self, market_id: str) -> Decimal | None:
        """The lowest price that a buyer pays at once."""
        return self._best(market_id, Side.SELL)

    def public_trades(self, market_id: str) -> Sequence[PublicTrade]:
        """The newest prints, oldest first."""
        return list(self.tape.prints[market_id])

    def order(self, market_id: str, *, order_id: int | None = None, client_id: str | None = None) -> VenueOrder:
        """An order, open or not; of several with one client id the newest. Raises ``Refusal``."""
        return self.register.find(market_id, order_id=order_id, client_id=client_id)

    def open_orders(self, market_id: str | None = None) -> list[VenueOrder]:
        """Open orders, oldest first."""
        return self.register.open_orders(market_id)

    def orders(self, market_id: str | None = None) -> list[VenueOrder]:
        """All orders there ever were, oldest first."""
        return self.register.orders(market_id)

    def trades(
        self,
        market_id: str | None = None,
        *,
        since_ms: int | None = None,
        order_id: int | None = None,
        after_id: int | None = None,
    ) -> list[VenueFill]:
        """Own executions, oldest first; ``after_id`` is exclusive, ``since_ms`` inclusive."""
        return [
            fill
            for fill in self.register.fills
            if (market_id is None or fill.market == market_id)
            and (since_ms is None or fill.at_ms >= since_ms)
            and (order_id is None or fill.order_id == order_id)
            and (after_id is None or fill.trade_id > after_id)
        ]

    def balances(self) -> dict[str, VenueBalance]:
        """Free and locked by currency."""
        return self.ledger.balances()

    def positions(self) -> list[VenuePosition]:
        """The positions on linear markets that are not flat."""
        return [position for position in self.ledger.positions.values() if position.size]

    def position(self, market_id: str) -> VenuePosition:
        """The position on one linear market, flat or not."""
        return self.ledger.position(self.market(market_id))

    def funding(self, market_id: str | None = None, *, since_ms: int = 0) -> list[FundingPaid]:
        """Funding settlements, oldest first."""
        return [paid for paid in self.funding_paid if (market_id in (None, paid.market)) and paid.at_ms >= since_ms]

    def truth(self) -> Truth:
        """Everything, as plain JSON values; amounts are exact decimal text."""
        return truth_of(self)

    def checksum(self) -> str:
        """One word for the whole truth."""
        return checksum_of(self.truth())

    def _best(self, market_id: str, side: Side) -> Decimal | None:
        last = self.tape.last.get(market_id)
        if last is None:
            return None
        own = [order.price for order in self.open_orders(market_id) if order.side is side and order.price is not None]
        edge = last - self.markets[market_id].tick * side.sign
        return max([edge, *own]) if side is Side.BUY else min([edge, *own])
