"""The books of one grid: fills in, cash, inventory, fees and profit out, exact to the last unit.

Two independent ways lead to the total, and the residual is their difference. One sums what
the fills did to cash and base; the other sums the profit of the slots and what their lots,
and the dust, are worth against their cost.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.model.market import Market
from engine.model.money import ZERO, share_of
from engine.model.order import Fill, Side
from engine.model.slot import NO_LOT, Lot
from engine.model.swap import Liquidation


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """``cash`` and ``base`` are changes since the start; ``realised`` is net of fees.

    ``fees_quote`` values all fees taken in base or quote. A fee in a third currency stands in ``fees`` alone: what
    it was worth in quote nobody has said, so it is neither in ``cash`` nor in any profit. ``adopted`` is what ``cash``
    counts as paid for base that was already there, though no quote left the account for it. ``funding`` is what was
    received for swap positions less what was paid, and part of ``cash``. ``base`` is negative where base was
    sold that is still to be bought back.
    """

    cash: Decimal = ZERO
    base: Decimal = ZERO
    fees: tuple[tuple[str, Decimal], ...] = ()
    fees_quote: Decimal = ZERO
    realised: Decimal = ZERO
    dust: Lot = NO_LOT
    cycles: int = 0
    adopted: Decimal = ZERO
    funding: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Profit:
    """All in quote. ``total = grid + floating + funding + residual`` and ``residual`` must be 0."""

    grid: Decimal
    floating: Decimal
    fees: Decimal
    total: Decimal
    residual: Decimal
    funding: Decimal = ZERO


def book_fill(ledger: Ledger, market: Market, side: Side, fill: Fill, realised: Decimal) -> Ledger:
    """The ledger after one execution that realised this much profit."""
    base_fee, quote_fee = fees_of(market, fill)
    base, cash = flows_of(market, side, fill)
    return replace(
        ledger,
        cash=ledger.cash + cash,
        base=ledger.base + base,
        fees=_with_fee(ledger.fees, fill.fee_currency, fill.fee),
        fees_quote=ledger.fees_quote + quote_fee + base_fee * fill.price,
        realised=ledger.realised + realised,
    )


def fees_of(market: Market, fill: Fill) -> tuple[Decimal, Decimal]:
    """The fee of a fill as (base, quote); a fee in a third currency is in neither."""
    return (
        fill.fee if fill.fee_currency == market.base else ZERO,
        fill.fee if fill.fee_currency == market.quote else ZERO,
    )


def flows_of(market: Market, side: Side, fill: Fill) -> tuple[Decimal, Decimal]:
    """What an execution does to (base, quote), net of fees; a fee in a third currency is in neither."""
    base_fee, quote_fee = fees_of(market, fill)
    notional = fill.price * fill.amount
    match side:
        case Side.BUY:
            return fill.amount - base_fee, -notional - quote_fee
        case Side.SELL:
            return -fill.amount - base_fee, notional - quote_fee


def opened(lot: Lot, market: Market, side: Side, fill: Fill) -> Lot:
    """A lot after an execution of its entry; below 0 where the entry sells."""
    base, quote = flows_of(market, side, fill)
    return Lot(quantity=lot.quantity + base, cost_quote=lot.cost_quote - quote)


def closed(lot: Lot, offered: Lot, market: Market, side: Side, fill: Fill) -> tuple[Lot, Decimal]:
    """What is left of a lot after an execution of its exit, and the profit which that realised.

    What is left costs its share of the lot as it was ``offered``, so that executions end the
    same in whatever order they are told.
    """
    base, quote = flows_of(market, side, fill)
    rest = part_of_lot(offered, lot.quantity + base)
    return rest, quote - (lot.cost_quote - rest.cost_quote)


def merged(one: Lot, other: Lot) -> tuple[Lot, Decimal]:
    """Two lots made one, and the profit that this realised: what lies on opposite sides closes each other."""
    both = one.plus(other)
    if one.quantity * other.quantity >= 0:
        return both, ZERO
    rest = part_of_lot(one if abs(one.quantity) > abs(other.quantity) else other, both.quantity)
    return rest, rest.cost_quote - both.cost_quote


def part_of_lot(lot: Lot, quantity: Decimal) -> Lot:
    """``quantity`` of a lot with its share of the cost."""
    return Lot(quantity=quantity, cost_quote=share_of(lot.cost_quote, quantity, lot.quantity))


def adopt(ledger: Ledger, lot: Lot) -> Ledger:
    """The ledger after base that was already there was taken in at its cost, as if it had been bought."""
    return replace(
        ledger,
        cash=ledger.cash - lot.cost_quote,
        base=ledger.base + lot.quantity,
        adopted=ledger.adopted + lot.cost_quote,
    )


def write_off(ledger: Ledger, lot: Lot) -> Ledger:
    """The ledger after base that is gone was taken out of the books: its cost is a loss."""
    return replace(ledger, base=ledger.base - lot.quantity, realised=ledger.realised - lot.cost_quote)


def fund(ledger: Ledger, amount: Decimal) -> Ledger:
    """The ledger after funding was received, or paid where the amount is below 0."""
    return replace(ledger, cash=ledger.cash + amount, funding=ledger.funding + amount)


def liquidate(ledger: Ledger, lots: Iterable[Lot], told: Liquidation, quote: str) -> Ledger:
    """The ledger after the exchange closed everything; ``lots`` are the slots'."""
    held, fee = sum_of(lots, ledger.dust), told.fee
    cash = held.quantity * told.price - fee + told.insured
    return replace(
        ledger,
        cash=ledger.cash + cash,
        base=ledger.base - held.quantity,
        fees=_with_fee(ledger.fees, quote, fee),
        fees_quote=ledger.fees_quote + fee,
        realised=ledger.realised + cash - held.cost_quote,
        dust=NO_LOT,
    )


def sum_of(lots: Iterable[Lot], dust: Lot) -> Lot:
    """Everything that is held, as one lot."""
    for lot in lots:
        dust = dust.plus(lot)
    return dust


def profit_at(ledger: Ledger, lots: Iterable[Lot], mark: Decimal) -> Profit:
    """Where the grid stands if its inventory is valued at ``mark``; ``lots`` are those of the slots."""
    held = sum_of(lots, ledger.dust)
    floating = held.quantity * mark - held.cost_quote
    total = ledger.cash + ledger.base * mark
    return Profit(
        grid=ledger.realised,
        floating=floating,
        fees=ledger.fees_quote,
        total=total,
        residual=total - ledger.realised - floating - ledger.funding,
        funding=ledger.funding,
    )


def _with_fee(fees: tuple[tuple[str, Decimal], ...], currency: str, fee: Decimal) -> tuple[tuple[str, Decimal], ...]:
    if fee == 0:
        return fees
    paid = dict(fees)
    paid[currency] = paid.get(currency, ZERO) + fee
    return tuple(sorted(paid.items()))
