"""What one slot, or one order, takes from the account at the most: quote, base, or margin on a swap."""

from dataclasses import dataclass
from decimal import Decimal

from engine.model.grid import GridSpec, InitialPurchase
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO
from engine.model.order import Side
from engine.model.slot import Slot

SLIPPAGE_MAX = Decimal("0.005")
"""How far beyond the last price an order that has to take may reach, as a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funds:
    """What a grid can need at the most: ``quote`` to buy with, or margin on a swap, and ``base`` to start with."""

    quote: Decimal
    base: Decimal

    def plus(self, other: "Funds") -> "Funds":
        return Funds(quote=self.quote + other.quote, base=self.base + other.base)


NO_FUNDS = Funds(quote=ZERO, base=ZERO)


def initial_price(purchase: InitialPurchase, market: Market, anchor: Decimal, side: Side = Side.BUY) -> Decimal:
    """The limit of an entry that trades the first lot of a slot which the start price has left behind."""
    takes = purchase is InitialPurchase.MARKET
    match side:
        case Side.BUY:
            return market.ceil_price(anchor * (ONE + SLIPPAGE_MAX)) if takes else market.floor_price(anchor)
        case Side.SELL:
            return market.floor_price(anchor * (ONE - SLIPPAGE_MAX)) if takes else market.ceil_price(anchor)


def is_left_behind(slot: Slot, anchor: Decimal) -> bool:
    """Whether the start price lies on the exit's side of the entry's level: the first lot is traded at the start."""
    match slot.entry_side:
        case Side.BUY:
            return slot.lower > anchor
        case Side.SELL:
            return slot.upper < anchor


def worst_fee_rate(market: Market, taken_in: FeeCurrency) -> Decimal:
    """The fee rate of an order at the worst, if the market takes fees in that way; else 0."""
    if market.fee_currency is not taken_in:
        return ZERO
    return max(market.maker_fee_rate, market.taker_fee_rate, ZERO)


def margin_of(market: Market, leverage: Decimal, price: Decimal, amount: Decimal) -> Decimal:
    """The quote that stands behind an amount at a price, without fees: all of it on a spot market."""
    return price * amount / leverage if market.swap is not None else price * amount


def bound_by_entry(market: Market, leverage: Decimal, side: Side, price: Decimal, amount: Decimal) -> Funds:
    """What a resting entry binds until it is filled or cancelled, with its own fee at the worst."""
    fee = worst_fee_rate(market, FeeCurrency.QUOTE) * price * amount
    if market.swap is not None:
        return Funds(quote=margin_of(market, leverage, price, amount) + fee, base=ZERO)
    match side:
        case Side.BUY:
            return Funds(quote=price * amount + fee, base=ZERO)
        case Side.SELL:
            return Funds(quote=ZERO, base=amount)


def funds_of_slot(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Funds:
    """What a slot can need at the most in a grid that starts at ``anchor``.

    Proportional to its amount. On a spot market without the fees that buys pay in quote, on a swap with all fees.
    """
    if market.swap is not None:
        return Funds(quote=_margin_needed(spec, market, anchor, slot), base=ZERO)
    match slot.entry_side:
        case Side.BUY:
            if spec.initial_purchase is InitialPurchase.HOLDINGS and is_left_behind(slot, anchor):
                return Funds(quote=ZERO, base=slot.amount)
            return Funds(quote=_first_price(spec, market, anchor, slot) * slot.amount, base=ZERO)
        case Side.SELL:
            return _owed(spec, market, anchor, slot)


def reserve_of_sellers(spec: GridSpec, market: Market, lowest: Decimal) -> Funds:
    """What a grid with slots that sell first needs on top for what fees in base leave owed between two exits.

    It is bought back with the next exit, in whole lots: at most one lot is owed for long.
    """
    if market.swap is not None or not worst_fee_rate(market, FeeCurrency.RECEIVED):
        return NO_FUNDS
    return Funds(quote=market.lot_size * (_highest(spec) - lowest), base=market.lot_size)


def _highest(spec: GridSpec) -> Decimal:
    return max(spec.upper, spec.trailing.up_to or ZERO)


def _first_price(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Decimal:
    """The highest price of a slot's first trade."""
    if not is_left_behind(slot, anchor):
        return slot.entry_price
    match spec.initial_purchase:
        case InitialPurchase.HOLDINGS:
            return anchor
        case InitialPurchase.MARKET:
            # A sale takes what the market pays, which may have risen by as much as a purchase bears.
            return initial_price(spec.initial_purchase, market, anchor)
        case InitialPurchase.LIMIT:
            # An initial entry that the price runs away from is placed again at its own level.
            return max(slot.entry_price, initial_price(spec.initial_purchase, market, anchor, slot.entry_side))
        case InitialPurchase.NONE:
            return slot.entry_price


def _least_proceeds(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Decimal:
    """The lowest price of a slot's first sale."""
    if spec.initial_purchase is InitialPurchase.MARKET and is_left_behind(slot, anchor):
        return min(slot.upper, initial_price(spec.initial_purchase, market, anchor, Side.SELL))
    return slot.upper


def _owed(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Funds:
    """A slot that sells first: its base, what fees in base keep of it, and what its first sale may not bring in."""
    base_fee = worst_fee_rate(market, FeeCurrency.RECEIVED)
    fee = max(market.maker_fee_rate, market.taker_fee_rate, ZERO)
    bought_back = slot.amount / (ONE - base_fee)
    cost = slot.lower * bought_back * (ONE + worst_fee_rate(market, FeeCurrency.QUOTE))
    proceeds = _least_proceeds(spec, market, anchor, slot) * slot.amount * (ONE - fee)
    # What a fee in base leaves owed is bought with some other slot's exit, at a level that may be higher.
    elsewhere = (bought_back - slot.amount) * max(ZERO, _highest(spec) - slot.lower)
    return Funds(quote=max(ZERO, cost - proceeds) + elsewhere, base=bought_back)


def _margin_needed(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> Decimal:
    """The margin and fees of a slot's cycle, or of its second one where the first may have lost something."""
    first = _margin_and_fees(spec, market, slot, _first_price(spec, market, anchor, slot))
    fee = worst_fee_rate(market, FeeCurrency.QUOTE)
    match slot.entry_side:
        case Side.BUY:
            entry = _first_price(spec, market, anchor, slot)
            gross = slot.upper - entry
        case Side.SELL:
            entry = _least_proceeds(spec, market, anchor, slot)
            gross = entry - slot.lower
    earned = (gross - fee * (entry + slot.exit_price)) * slot.amount
    return max(first, _margin_and_fees(spec, market, slot, slot.entry_price) - min(earned, ZERO))


def _margin_and_fees(spec: GridSpec, market: Market, slot: Slot, entry: Decimal) -> Decimal:
    fees = worst_fee_rate(market, FeeCurrency.QUOTE) * (entry + slot.exit_price) * slot.amount
    return margin_of(market, spec.leverage, entry, slot.amount) + fees
