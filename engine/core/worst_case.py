"""What a grid holds, and has lost, where the price goes against it: walked entry by entry.

The walk leaves the start price in one direction and never turns: every entry on the way is filled at its
level, no exit is. What was traded at the start is held from the beginning. Nothing is estimated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.costs import initial_price, is_left_behind, margin_of
from engine.core.sizing import slots_of
from engine.model.grid import Direction, GridSpec, InitialPurchase, Lattice, MarginMode
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO, floor_quotient
from engine.model.order import Side
from engine.model.risk import StopBasis, StopLoss, StopRule
from engine.model.slot import Slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What entries have brought: ``base`` below 0 is owed, ``cost`` is all that was paid less what was received.

    ``traded`` is the base and ``notional`` the quote of the entries before fees, ``fees`` those taken in quote.
    """

    base: Decimal = ZERO
    cost: Decimal = ZERO
    traded: Decimal = ZERO
    notional: Decimal = ZERO
    fees: Decimal = ZERO

    def loss_at(self, price: Decimal) -> Decimal:
        """What has been lost if the base is worth ``price``; below 0 it is gained."""
        return self.cost - self.base * price

    @property
    def average(self) -> Decimal | None:
        """What the base has cost, or has brought where it is owed, per base; None: there is none."""
        return self.cost / self.base if self.base else None

    def after(self, market: Market, side: Side, price: Decimal, amount: Decimal, fee_rate: Decimal) -> "Holding":
        """With one entry more."""
        fee = amount * fee_rate if _pays_in_base(market, side) else price * amount * fee_rate
        base_fee, quote_fee = (fee, ZERO) if _pays_in_base(market, side) else (ZERO, fee)
        sign = 1 if side is Side.BUY else -1
        return Holding(
            base=self.base + sign * amount - base_fee,
            cost=self.cost + sign * price * amount + quote_fee,
            traded=self.traded + amount,
            notional=self.notional + price * amount,
            fees=self.fees + quote_fee,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What is held between two entries; ``end`` None: there is no further one."""

    start: Decimal
    end: Decimal | None
    held: Holding


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversity:
    """A direction in which a grid loses; ``bound`` is the end of its range there. ``stages`` lead away from the start.

    ``side`` is the side of the entries that are filled on the way: they buy where the price falls.
    """

    side: Side
    bound: Decimal
    stages: tuple[Stage, ...]

    def held_at(self, price: Decimal) -> Holding:
        """What is held when the price has come to here."""
        passed = [stage for stage in self.stages if self.is_reached(stage.start, price)]
        return (passed or self.stages)[-1 if passed else 0].held

    def is_reached(self, price: Decimal, now: Decimal) -> bool:
        """Whether the walk has come to ``price`` when it is at ``now``."""
        return now <= price if self.side is Side.BUY else now >= price


def adversities(spec: GridSpec, market: Market, lattice: Lattice) -> tuple[Adversity, ...]:
    """The directions in which the grid loses: down for long, up for short, both for neutral."""
    match spec.direction:
        case Direction.LONG:
            sides: tuple[Side, ...] = (Side.BUY,)
        case Direction.SHORT:
            sides = (Side.SELL,)
        case Direction.NEUTRAL:
            sides = (Side.BUY, Side.SELL)
    return tuple(_adversity(spec, market, lattice, side) for side in sides)


def first_trade(spec: GridSpec, market: Market, anchor: Decimal, slot: Slot) -> tuple[Decimal, Decimal] | None:
    """The price and fee rate at which a slot's first lot is had at the start; None: it waits for its level."""
    if not is_left_behind(slot, anchor):
        return None
    match spec.initial_purchase:
        case InitialPurchase.NONE:
            return None
        case InitialPurchase.MARKET:
            return anchor, market.taker_fee_rate
        case InitialPurchase.LIMIT:
            return initial_price(spec.initial_purchase, market, anchor, slot.entry_side), market.maker_fee_rate
        case InitialPurchase.HOLDINGS:
            return anchor, ZERO


def stop_prices(adversity: Adversity, stops: Sequence[StopRule]) -> Iterator[Decimal]:
    """Where stop losses end the grid in this direction; one at a total PnL, at the price that makes it so."""
    start = adversity.stages[0].start
    falls = adversity.side is Side.BUY
    for rule in stops:
        if not isinstance(rule, StopLoss):
            continue
        match rule.basis:
            case StopBasis.PRICE_FALLS:
                found = rule.at if falls else None
            case StopBasis.PRICE_RISES:
                found = None if falls else rule.at
            case StopBasis.TOTAL:
                found = _price_of_loss(adversity, -rule.at)
        if found is not None and adversity.is_reached(start, found):
            yield found


def liquidation_price(spec: GridSpec, market: Market, adversity: Adversity, funds_quote: Decimal) -> Decimal | None:
    """Where the exchange closes the position in this direction; None: nowhere, or the market is no swap.

    Behind an isolated position is its own initial margin, behind one in cross margin all that the grid has.
    Source: a position of Q at A with W behind it ends at (QA - W) / Q(1 - m), short at (QA + W) / Q(1 + m), with
    m the maintenance rate.
    """
    if market.swap is None:
        return None
    for stage in adversity.stages:
        held = stage.held
        if not held.traded:
            continue
        match spec.margin:
            case MarginMode.ISOLATED:
                behind = margin_of(market, spec.leverage, held.notional, ONE)
            case MarginMode.CROSS:
                behind = funds_quote - held.fees
        sign = 1 if adversity.side is Side.BUY else -1
        rest = held.notional - sign * behind
        found = floor_quotient(rest, held.traded * (ONE - sign * market.swap.maintenance_rate))
        if found <= 0:
            continue
        if stage.end is None or not adversity.is_reached(stage.end, found) or found == stage.end:
            return found if adversity.is_reached(stage.start, found) else stage.start
    return None


def _pays_in_base(market: Market, side: Side) -> bool:
    return side is Side.BUY and market.fee_currency is FeeCurrency.RECEIVED


def _adversity(spec: GridSpec, market: Market, lattice: Lattice, side: Side) -> Adversity:
    anchor, held = lattice.anchor, Holding()
    ahead: dict[Decimal, list[Slot]] = {}
    for slot in slots_of(lattice):
        if slot.entry_side is not side:
            continue
        first = first_trade(spec, market, anchor, slot)
        if first is not None:
            held = held.after(market, side, first[0], slot.amount, first[1])
        elif not is_left_behind(slot, anchor):
            ahead.setdefault(slot.entry_price, []).append(slot)
    prices = sorted(ahead, reverse=side is Side.BUY)
    stages, start = [], anchor
    for price in prices:
        stages.append(Stage(start=start, end=price, held=held))
        for slot in ahead[price]:
            held = held.after(market, side, price, slot.amount, market.maker_fee_rate)
        start = price
    stages.append(Stage(start=start, end=None, held=held))
    bound = lattice.levels[0] if side is Side.BUY else lattice.levels[-1]
    return Adversity(side=side, bound=bound, stages=tuple(stages))


def _price_of_loss(adversity: Adversity, loss: Decimal) -> Decimal | None:
    """The first price on the way at which the grid has lost this much."""
    for stage in adversity.stages:
        held = stage.held
        if held.loss_at(stage.start) >= loss:
            return stage.start
        if not held.base:
            continue
        found = floor_quotient(held.cost - loss, held.base)
        if found > 0 and (stage.end is None or not adversity.is_reached(stage.end, found)):
            return found
    return None
