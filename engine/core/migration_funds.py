"""What a grid has to have for its own after a migration, counted from its start.

With ``own`` for what trading has made of the funds so far (``core.purse``: cash and what was adopted on a spot
market, realised profit and funding on a swap), the funds F of the new lattice have to satisfy

    F + own  >=  sum of what the slots need

where a slot without a lot needs what a slot of a new grid does (``core.costs``), at the anchor if its first lot is
traded there and else at its own level; one with a lot needs what the lot binds and what its exit
leaves short of the next entry, which is nothing unless the amount has grown or the exit realises a loss; and one
with a resting entry what that binds and then as with a lot, or its entry anew, whichever is more. Each slot
pays for its next entry from then on, so this covers all that can come, in whatever order. An edit counts
the levels that the grid may trail to as a new grid does; a shift goes to where they were counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from engine.core.costs import bound_by_entry, funds_of_slot, reserve_of_sellers, worst_fee_rate
from engine.core.lattice import Funds, funds_needed
from engine.core.ledger import Ledger
from engine.model.grid import NO_TRAILING, GridSpec, Lattice
from engine.model.market import FeeCurrency, Market
from engine.model.money import ONE, ZERO
from engine.model.order import Order, Side
from engine.model.slot import Empty, Entering, Exiting, Holding, Lot, Slot, lot_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Wealth:
    """What a grid has now; ``beyond`` is what the account has beyond what is this or another grid's own."""

    ledger: Ledger
    funds: Funds
    beyond: Funds


def funds_of_edit(
    wealth: Wealth, spec: GridSpec, market: Market, lattice: Lattice, slots: Sequence[Slot]
) -> tuple[Funds, Funds]:
    """What the edited lattice needs with these slots, and what it gets of what the grid and its account have.

    What it needs no more is the account's again, but not the realised profit. Base never becomes less.
    """
    trailing = funds_needed(spec, market, lattice)
    here = funds_needed(replace(spec, trailing=NO_TRAILING), market, lattice)
    extra = Funds(quote=trailing.quote - here.quote, base=trailing.base - here.base)
    least = _least_funds(wealth.ledger, spec, market, lattice, slots, extra)
    enough = min(wealth.funds.quote, least.quote + max(wealth.ledger.realised, ZERO))
    needs = Funds(quote=max(least.quote, enough), base=max(least.base, wealth.funds.base))
    return needs, _given(wealth, needs)


def funds_of_shift(
    wealth: Wealth, spec: GridSpec, market: Market, lattice: Lattice, slots: Sequence[Slot]
) -> tuple[Funds, Funds]:
    """What the shifted lattice needs with these slots, never less than before, and what it gets."""
    least = _least_funds(wealth.ledger, spec, market, lattice, slots, Funds(quote=ZERO, base=ZERO))
    needs = Funds(quote=max(least.quote, wealth.funds.quote), base=max(least.base, wealth.funds.base))
    return needs, _given(wealth, needs)


def _given(wealth: Wealth, needs: Funds) -> Funds:
    return Funds(
        quote=min(needs.quote, wealth.funds.quote + max(wealth.beyond.quote, ZERO)),
        base=min(needs.base, wealth.funds.base + max(wealth.beyond.base, ZERO)),
    )


def _least_funds(
    ledger: Ledger, spec: GridSpec, market: Market, lattice: Lattice, slots: Sequence[Slot], extra: Funds
) -> Funds:
    need = extra
    for identity in lattice.places:
        need = need.plus(_need_of(slots[identity], spec, market, lattice.anchor))
    if Side.SELL in lattice.sides:
        need = need.plus(reserve_of_sellers(spec, market, lattice.levels[0]))
    if market.swap is not None:
        return Funds(quote=max(need.quote - ledger.realised - ledger.funding, ZERO), base=ZERO)
    sold_first = sum((min(lot_of(slot).quantity, ZERO) for slot in slots), min(ledger.dust.quantity, ZERO))
    return Funds(
        quote=max(need.quote - ledger.cash - ledger.adopted, ZERO),
        base=need.base - sold_first if need.base else ZERO,
    )


def _need_of(slot: Slot, spec: GridSpec, market: Market, anchor: Decimal) -> Funds:
    """What a slot binds, and what its entries still to come cost beyond what its exits bring."""
    again = _anew(slot, spec, market, slot.entry_price)
    state = slot.state
    match state:
        case Empty():
            return _anew(slot, spec, market, anchor) if slot.is_initial else again
        case Holding() | Exiting():
            return _with_lot(slot, spec, market, lot_of(slot), again)
        case Entering():
            order = state.order
            rest = bound_by_entry(market, spec.leverage, order.side, order.price, order.amount - order.filled)
            filled = rest.plus(_with_lot(slot, spec, market, _whole(state.lot, order), again))
            # The order may be cancelled too, to be placed again at the slot's own level.
            cancelled = again if not state.lot.quantity else _with_lot(slot, spec, market, state.lot, again)
            return Funds(quote=max(filled.quote, cancelled.quote), base=max(filled.base, cancelled.base))


def _anew(slot: Slot, spec: GridSpec, market: Market, anchor: Decimal) -> Funds:
    """What a slot without a lot needs if its first is traded at ``anchor``, with the fees that buys pay in quote."""
    needed = funds_of_slot(spec, market, anchor, slot)
    factor = ONE + (worst_fee_rate(market, FeeCurrency.QUOTE) if market.swap is None else ZERO)
    return Funds(quote=needed.quote * factor, base=needed.base)


def _whole(lot: Lot, order: Order) -> Lot:
    """The lot once its entry is filled."""
    rest = order.amount - order.filled
    quantity = rest if order.side is Side.BUY else -rest
    return lot.plus(Lot(quantity=quantity, cost_quote=quantity * order.price))


def _with_lot(slot: Slot, spec: GridSpec, market: Market, lot: Lot, again: Funds) -> Funds:
    """What a lot binds until its exit, or what the exit leaves short of the next entry, whichever is more."""
    fee_rate = max(market.maker_fee_rate, ZERO)
    notional = slot.exit_price * market.floor_amount(abs(lot.quantity))
    if market.swap is not None:
        gain = slot.exit_price * lot.quantity - lot.cost_quote - notional * fee_rate
        return Funds(quote=max(again.quote - gain, abs(lot.cost_quote) / spec.leverage), base=ZERO)
    match slot.entry_side:
        case Side.BUY:
            return Funds(quote=max(again.quote - notional * (ONE - fee_rate), ZERO), base=ZERO)
        case Side.SELL:
            owed = slot.exit_price * -lot.quantity * (ONE + worst_fee_rate(market, FeeCurrency.QUOTE))
            return Funds(quote=again.quote + owed, base=max(again.base + lot.quantity, ZERO))
