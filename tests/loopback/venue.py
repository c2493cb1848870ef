"""The truth of the loopback exchange: one account, several markets, exact books. Synchronous, no I/O, no clock.

Everything that a protocol tells, and everything that a test compares an engine with, comes from here. A market
trades where ``print_trade`` says; resting orders that it goes through are filled as maker at their own price.
Own orders never trade with each other: the resting one expires, as real exchanges do it.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal

from engine.model.money import floor_to_step
from tests.loopback.venue_filters import check
from tests.loopback.venue_reads import VenueReads
from tests.loopback.venue_words import (
    ZERO,
    BalanceTold,
    DuplicateRule,
    FundingPaid,
    MarketKind,
    MarketStatus,
    NewOrder,
    OrderStatus,
    OrderTold,
    PositionTold,
    PostOnlyRule,
    PriceTold,
    PublicTrade,
    Refusal,
    RefusalReason,
    Side,
    TimeInForce,
    VenueBalance,
    VenueEvent,
    VenueFill,
    VenueMarket,
    VenueOptions,
    VenueOrder,
    VenuePosition,
)

__all__ = [
    "BalanceTold",
    "DuplicateRule",
    "FundingPaid",
    "MarketKind",
    "MarketStatus",
    "NewOrder",
    "OrderStatus",
    "OrderTold",
    "PositionTold",
    "PostOnlyRule",
    "PriceTold",
    "PublicTrade",
    "Refusal",
    "RefusalReason",
    "Side",
    "TimeInForce",
    "Venue",
    "VenueBalance",
    "VenueEvent",
    "VenueFill",
    "VenueMarket",
    "VenueOptions",
    "VenueOrder",
    "VenuePosition",
]

PRINT_LOTS = 100
"""Size of a print whose amount was not said."""
SPLIT_SHARE = Decimal("0.4")


class Venue(VenueReads):
    """One exchange with one account.

    Invariant: ``listeners`` hear every change, in the order in which it happened, before the call that made it
    returns. They must not call back.
    """

    def __init__(
        self,
        markets: Iterable[VenueMarket],
        balances: dict[str, Decimal],
        now_ms: Callable[[], int],
        *,
        options: VenueOptions | None = None,
        seed: int = 0,
    ) -> None:
        """A venue that has not traded yet."""
        super().__init__({market.id: market for market in markets}, balances)
        self.options = options or VenueOptions()
        self.now_ms = now_ms
        self.listeners: list[Callable[[VenueEvent], None]] = []
        self._dice = random.Random(seed)

    # --- what may be done ------------------------------------------------------------------------------

    def place(self, new: NewOrder) -> VenueOrder:
        """Accept an order, and trade it if it crosses. Raises ``Refusal``."""
        market = self.market(new.market)
        check(new, market, last=self.last(market.id), open_count=len(self.open_orders(market.id)))
        self.register.check_client_id(new.client_id, self.options.duplicates)
        self._check_reduce_only(new, market)
        crosses = self._crosses(new)
        if crosses and new.post_only and self.options.post_only is PostOnlyRule.REFUSED:
            raise Refusal(RefusalReason.POST_ONLY, "order would immediately match and take")
        order = self._accepted(new)
        self.ledger.bind(market, order, self._bind_price(new))
        self.register.keep(order)
        self._tell_order(order, None)
        self._tell_balances(market)
        if crosses:
            self._take(market, order)
        order = self.register.by_id(order.order_id)
        if order.is_open and (new.price is None or new.time_in_force is not TimeInForce.GTC):
            return self._close(order, OrderStatus.EXPIRED, "nothing to trade with")
        return order

    def cancel(self, market_id: str, *, order_id: int | None = None, client_id: str | None = None) -> VenueOrder:
        """Cancel an open order. Raises ``Refusal``: unknown, or not open any more."""
        order = self.register.find(market_id, order_id=order_id, client_id=client_id, open_first=True)
        if not order.is_open:
            raise Refusal(RefusalReason.ORDER_CLOSED, f"order {order.order_id} is {order.status}")
        return self._close(order, OrderStatus.CANCELED, "cancelled by the user")

    def cancel_all(self, market_id: str | None = None, *, reason: str = "cancelled by the user") -> list[VenueOrder]:
        """Cancel every open order, of one market or of all."""
        return [self._close(order, OrderStatus.CANCELED, reason) for order in self.open_orders(market_id)]

    def print_trade(self, market_id: str, price: Decimal, amount: Decimal | None = None) -> None:
        """The market trades at ``price``: it goes through the own orders on the way, and prints there.

        With ``amount`` no more than that trades: where own orders use it up, the market stops there.
        """
        market = self.market(market_id)
        if price <= 0 or price % market.tick:
            raise ValueError(f"a print of {market_id} must be a positive multiple of {market.tick}, was {price}")
        budget = amount
        while (order := self._next_hit(market_id, price)) is not None:
            assert order.price is not None
            size = order.remaining if budget is None else min(order.remaining, budget)
            if size == 0:
                return
            budget = None if budget is None else budget - size
            if not self._fill_resting(market, order, size, is_touch=order.price == price):
                break
        if budget is None or budget > 0:
            taker = Side.BUY if price >= self.tape.last.get(market_id, price) else Side.SELL
            self._print(market, price, budget or market.lot * PRINT_LOTS, taker, self.tape.next_id())

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Money comes from, or with a negative amount goes, elsewhere; listeners are told."""
        self.ledger.deposit(currency, amount)
        self._tell(BalanceTold(at_ms=self.now_ms(), balances={currency: self.ledger.balance(currency)}))

    def settle_funding(self, market_id: str, rate: Decimal, price: Decimal | None = None) -> FundingPaid:
        """Funding of a linear market at the mark price, its last print unless given."""
        market = self.market(market_id)
        mark = price or self.tape.last[market_id]
        size = self.ledger.position(market).size
        amount = self.ledger.pay_funding(market, rate, mark)
        paid = FundingPaid(
            payment_id=self.tape.next_id(),
            market=market_id,
            rate=rate,
            size=size,
            price=mark,
            amount=amount,
            at_ms=self.now_ms(),
        )
        self.funding_paid.append(paid)
        self._tell_balances(market)
        return paid

    def set_leverage(self, market_id: str, leverage: Decimal) -> None:
        """Leverage of a linear market. Raises ``Refusal`` when it is out of bounds or the same as before."""
        market = self.market(market_id)
        if not 1 <= leverage <= market.leverage_max:
            raise Refusal(RefusalReason.LEVERAGE, f"leverage must be 1 to {market.leverage_max}, was {leverage}")
        if self.ledger.position(market).leverage == leverage:
            raise Refusal(RefusalReason.LEVERAGE_SAME, "leverage not modified")
        self.ledger.set_leverage(market, leverage)

    def change_market(self, market: VenueMarket) -> None:
        """New filters, fees or status; a market that is delisted loses its open orders."""
        self.markets[market.id] = market
        if market.status is MarketStatus.DELISTED:
            self.cancel_all(market.id, reason="delisted")

    # --- in between ------------------------------------------------------------------------------------

    def _crosses(self, new: NewOrder) -> bool:
        opposite = self._best(new.market, new.side.other)
        if opposite is None:
            return False
        return new.price is None or (new.price - opposite) * new.side.sign >= 0

    def _check_reduce_only(self, new: NewOrder, market: VenueMarket) -> None:
        if not new.reduce_only:
            return
        size = self.ledger.position(market).size
        if market.kind is MarketKind.SPOT or size * new.side.sign >= 0 or new.amount > abs(size):
            raise Refusal(RefusalReason.REDUCE_ONLY, f"a position of {size} cannot be reduced by it")

    def _accepted(self, new: NewOrder) -> VenueOrder:
        now = self.now_ms()
        return VenueOrder(
            order_id=self.register.next_id(),
            client_id=new.client_id,
            market=new.market,
            side=new.side,
            price=new.price,
            amount=new.amount,
            post_only=new.post_only,
            reduce_only=new.reduce_only,
            time_in_force=new.time_in_force,
            status=OrderStatus.NEW,
            created_ms=now,
            updated_ms=now,
        )

    def _bind_price(self, new: NewOrder) -> Decimal:
        price = new.price or self._best(new.market, new.side.other)
        if price is None:
            raise Refusal(RefusalReason.MARKET_CLOSED, "the market has no price yet")
        return price

    def _take(self, market: VenueMarket, order: VenueOrder) -> None:
        if order.post_only:
            self._close(order, OrderStatus.CANCELED, "post-only would take liquidity")
            return
        for own in self.open_orders(market.id):
            if own.side is order.side.other and own.price is not None and _meets(order, own.price):
                self._close(own, OrderStatus.EXPIRED, "self-trade prevention")
        price = self.tape.last[market.id] + market.tick * order.side.sign
        if _meets(order, price):
            self._execute(market, order, price, order.amount, is_maker=False)

    def _next_hit(self, market_id: str, price: Decimal) -> VenueOrder | None:
        hit = [
            order
            for order in self.open_orders(market_id)
            if order.price is not None and (order.price - price) * order.side.sign >= 0
        ]
        return max(hit, key=lambda order: (abs((order.price or price) - price), -order.order_id), default=None)

    def _fill_resting(self, market: VenueMarket, order: VenueOrder, size: Decimal, *, is_touch: bool) -> bool:
        """Fill it, in pieces if the dice say so. Returns whether the market goes on through it."""
        assert order.price is not None
        part = floor_to_step(size * SPLIT_SHARE, market.lot)
        if part > 0 and self._dice.random() < self.options.partial_fill_chance:
            self._execute(market, order, order.price, part, is_maker=True)
            if is_touch:
                return False
            order, size = self.register.by_id(order.order_id), size - part
        self._execute(market, order, order.price or ZERO, size, is_maker=True)
        return True

    def _execute(
        self, market: VenueMarket, order: VenueOrder, price: Decimal, size: Decimal, *, is_maker: bool
    ) -> None:
        now = self.now_ms()
        rate = market.maker_fee if is_maker else market.taker_fee
        fee, currency, realized = self.ledger.fill(market, order, price, size, rate, now)
        fill = VenueFill(
            trade_id=self.tape.next_id(),
            order_id=order.order_id,
            client_id=order.client_id,
            market=market.id,
            side=order.side,
            price=price,
            amount=size,
            fee=fee,
            fee_currency=currency,
            is_maker=is_maker,
            at_ms=now,
            realized=realized,
        )
        filled = order.filled + size
        after = replace(
            order,
            status=OrderStatus.FILLED if filled == order.amount else OrderStatus.PARTIALLY_FILLED,
            filled=filled,
            quote_filled=order.quote_filled + market.value(price, size),
            fills=(*order.fills, fill),
            updated_ms=now,
        )
        self._book(market, after, fill, taker=order.side.other if is_maker else order.side)

    def _book(self, market: VenueMarket, after: VenueOrder, fill: VenueFill, *, taker: Side) -> None:
        if not after.is_open:
            self.ledger.release(after.order_id)
        self.register.keep(after, fill)
        self._print(market, fill.price, fill.amount, taker, fill.trade_id)
        self._tell_order(after, fill)
        self._tell_balances(market, fill.fee_currency)
        if market.kind is MarketKind.LINEAR:
            self._tell(PositionTold(position=self.ledger.position(market)))

    def _close(self, order: VenueOrder, status: OrderStatus, reason: str) -> VenueOrder:
        after = replace(order, status=status, reason=reason, updated_ms=self.now_ms())
        self.ledger.release(order.order_id)
        self.register.keep(after)
        self._tell_order(after, None)
        self._tell_balances(self.markets[order.market])
        return after

    def _print(self, market: VenueMarket, price: Decimal, amount: Decimal, taker: Side, trade_id: int) -> None:
        trade = self.tape.add(market.id, price, amount, taker, self.now_ms(), trade_id=trade_id)
        self._tell(PriceTold(trade=trade))

    def _tell(self, event: VenueEvent) -> None:
        for listener in self.listeners:
            listener(event)

    def _tell_order(self, order: VenueOrder, fill: VenueFill | None) -> None:
        self._tell(OrderTold(order=order, fill=fill))

    def _tell_balances(self, market: VenueMarket, *more: str) -> None:
        held = {market.quote, *more} | ({market.base} if market.kind is MarketKind.SPOT else set())
        changed = {currency: self.ledger.balance(currency) for currency in sorted(held)}
        self._tell(BalanceTold(at_ms=self.now_ms(), balances=changed))


def _meets(order: VenueOrder, price: Decimal) -> bool:
    return order.price is None or (order.price - price) * order.side.sign >= 0
