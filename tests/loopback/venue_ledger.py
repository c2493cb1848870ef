"""The money of the venue's one account: totals, what orders bind, positions and their margin. Exact Decimals."""

from dataclasses import replace
from decimal import Decimal

from engine.model.money import floor_quotient, floor_to_step
from tests.loopback.venue_words import (
    ZERO,
    MarketKind,
    Refusal,
    RefusalReason,
    Side,
    VenueBalance,
    VenueMarket,
    VenueOrder,
    VenuePosition,
)

FEE_QUANTUM = Decimal("0.00000001")


class Ledger:
    """Balances and positions; spot and linear markets draw on the same currencies.

    Invariant: no total and nothing bound is ever below zero on spot; free is total minus what is bound.
    """

    def __init__(self, balances: dict[str, Decimal]) -> None:
        """An account that holds these totals."""
        self.totals: dict[str, Decimal] = dict(balances)
        self.positions: dict[str, VenuePosition] = {}
        self._bound: dict[int, tuple[str, Decimal]] = {}
        self._margins: dict[str, tuple[str, Decimal]] = {}
        self._fee_coin: tuple[str, Decimal] | None = None

    def pay_fees_in(self, currency: str | None, units_per_quote: Decimal = ZERO) -> None:
        """From now on fees are taken in a third currency, as long as it lasts; None ends it."""
        self._fee_coin = None if currency is None else (currency, units_per_quote)

    def balances(self) -> dict[str, VenueBalance]:
        """Free and locked of every currency that was ever held."""
        return {currency: self.balance(currency) for currency in sorted(self.totals)}

    def balance(self, currency: str) -> VenueBalance:
        """Free and locked of one currency."""
        bound = sum((amount for held, amount in self._bound.values() if held == currency), ZERO)
        bound += sum((amount for held, amount in self._margins.values() if held == currency), ZERO)
        return VenueBalance(free=self.totals.get(currency, ZERO) - bound, locked=bound)

    def position(self, market: VenueMarket) -> VenuePosition:
        """The position on a linear market, flat if there never was one."""
        return self.positions.get(market.id) or VenuePosition(market=market.id)

    def deposit(self, currency: str, amount: Decimal) -> None:
        """Money comes from, or with a negative amount goes, elsewhere."""
        self.totals[currency] = self.totals.get(currency, ZERO) + amount

    def need(self, market: VenueMarket, order: VenueOrder, price: Decimal) -> tuple[str, Decimal]:
        """What an order of this remaining amount binds at ``price``: currency and amount."""
        if market.kind is MarketKind.SPOT:
            if order.side is Side.BUY:
                return market.quote, price * order.remaining
            return market.base, order.remaining
        opening = ZERO if order.reduce_only else order.remaining - self._reducible(market, order)
        leverage = self.position(market).leverage
        return market.quote, floor_quotient(market.value(price, max(opening, ZERO)), leverage)

    def bind(self, market: VenueMarket, order: VenueOrder, price: Decimal) -> None:
        """Bind what the order needs. Raises ``Refusal`` where it is not free."""
        currency, amount = self.need(market, order, price)
        if amount > self.balance(currency).free:
            raise Refusal(RefusalReason.FUNDS, f"needs {amount} {currency}, free are {self.balance(currency).free}")
        self._bound[order.order_id] = (currency, amount)

    def release(self, order_id: int) -> None:
        """The order binds nothing any more."""
        self._bound.pop(order_id, None)

    def fill(
        self, market: VenueMarket, before: VenueOrder, price: Decimal, amount: Decimal, fee_rate: Decimal, at_ms: int
    ) -> tuple[Decimal, str, Decimal]:
        """Book one execution and rebind the rest. Returns fee, its currency, and the realized profit."""
        self._rebind(market, before, amount)
        if market.kind is MarketKind.LINEAR:
            return self._fill_linear(market, before.side, price, amount, fee_rate, at_ms)
        paid = market.value(price, amount)
        is_buy = before.side is Side.BUY
        self.deposit(market.base, amount if is_buy else -amount)
        self.deposit(market.quote, -paid if is_buy else paid)
        received = (market.base, amount) if is_buy else (market.quote, paid)
        fee, fee_currency = self._fee(*received, paid * fee_rate, fee_rate)
        self.deposit(fee_currency, -fee)
        return fee, fee_currency, ZERO

    def pay_funding(self, market: VenueMarket, rate: Decimal, price: Decimal) -> Decimal:
        """Longs pay a positive rate. Returns what was received, negative when paid."""
        amount = -floor_to_step(market.value(price, self.position(market).size) * rate, FEE_QUANTUM)
        self.deposit(market.quote, amount)
        return amount

    def set_leverage(self, market: VenueMarket, leverage: Decimal) -> None:
        """Trade with this leverage from now on."""
        self._keep(market, replace(self.position(market), leverage=leverage))

    def _rebind(self, market: VenueMarket, before: VenueOrder, amount: Decimal) -> None:
        currency, bound = self._bound[before.order_id]
        rest = before.remaining - amount
        if market.kind is MarketKind.SPOT and before.price is not None:
            bound = before.price * rest if before.side is Side.BUY else rest
        else:
            bound = floor_quotient(bound * rest, before.remaining)
        self._bound[before.order_id] = (currency, bound)

    def _fee(self, currency: str, received: Decimal, fee_quote: Decimal, rate: Decimal) -> tuple[Decimal, str]:
        if self._fee_coin is not None:
            coin, units = self._fee_coin
            fee = floor_to_step(fee_quote * units, FEE_QUANTUM)
            if fee <= self.balance(coin).free:
                return fee, coin
        return floor_to_step(received * rate, FEE_QUANTUM), currency

    def _reducible(self, market: VenueMarket, order: VenueOrder) -> Decimal:
        size = self.position(market).size
        return min(abs(size), order.remaining) if size * order.side.sign < 0 else ZERO

    def _fill_linear(
        self, market: VenueMarket, side: Side, price: Decimal, amount: Decimal, fee_rate: Decimal, at_ms: int
    ) -> tuple[Decimal, str, Decimal]:
        held = self.position(market)
        signed = amount * side.sign
        size = held.size + signed
        realized = ZERO
        if held.size * signed < 0:
            closed = min(amount, abs(held.size))
            realized = market.value(price - held.entry, closed) * (1 if held.size > 0 else -1)
        fee = floor_to_step(market.value(price, amount) * fee_rate, FEE_QUANTUM)
        self.deposit(market.quote, realized - fee)
        entry = _entry(held, size, signed, price)
        self._keep(
            market, replace(held, size=size, entry=entry, realized=held.realized + realized - fee, updated_ms=at_ms)
        )
        return fee, market.quote, realized

    def _keep(self, market: VenueMarket, position: VenuePosition) -> None:
        self.positions[market.id] = position
        margin = floor_quotient(market.value(position.entry, abs(position.size)), position.leverage)
        self._margins[market.id] = (market.quote, margin)


def _entry(held: VenuePosition, size: Decimal, signed: Decimal, price: Decimal) -> Decimal:
    if size == 0:
        return ZERO
    if held.size * size <= 0:
        return price
    if held.size * signed < 0:
        return held.entry
    return floor_quotient(held.entry * abs(held.size) + price * abs(signed), abs(size))
