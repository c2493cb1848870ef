"""The shadow ledger: what the entries would have done that a regime suppressed.

Each suppressed entry rests here as a virtual order. It fills when the market trades through its
price, its lot leaves when the market trades through its exit price, and both pay the maker fee,
by the default rules of the simulated exchange. One virtual order or lot per slot, so the ledger is as
large as its grid at most; beyond ``slots_max`` nothing is booked, and ``left_out`` says so.

Two worlds are compared: the real one, in which nothing was bought, and the one without a filter. A
slot that is entered in earnest later ends its virtual lot at that price: from then on both are alike.
A grid that stops ends all of them at the price at which it stops: what comes after is nobody's to miss.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain
from types import MappingProxyType

from engine.model.actions import QuietBand
from engine.model.events import ShadowChanged
from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.regime import ShadowView, SuppressedEntry

SLOTS_MAX = 10_000
_INFINITY = Decimal("Infinity")


def _nothing() -> Mapping[int, SuppressedEntry]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowLedger:
    """Virtual orders and lots by slot; the sums are in quote, net of fees.

    Invariant: no slot is in both ``waiting`` and ``held``.
    """

    fee_rate: Decimal
    slots_max: int = SLOTS_MAX
    waiting: Mapping[int, SuppressedEntry] = field(default_factory=_nothing)
    held: Mapping[int, SuppressedEntry] = field(default_factory=_nothing)
    cycles_missed: int = 0
    profit_missed: Decimal = ZERO
    settled: Decimal = ZERO
    """Losses avoided on lots that ended without their exit: the slot was entered in earnest, or the grid stopped."""
    left_out: int = 0
    """The most entries that had no room at one decision."""


def suppress(ledger: ShadowLedger, entries: Iterable[SuppressedEntry]) -> ShadowLedger:
    """After a decision that left out these entries: they rest, and those not named any more do not.

    A slot that holds a virtual lot gets no second one.
    """
    waiting: dict[int, SuppressedEntry] = {}
    left_out = 0
    for entry in entries:
        if entry.slot in ledger.held:
            continue
        if entry.slot not in waiting and len(waiting) + len(ledger.held) >= ledger.slots_max:
            left_out += 1
            continue
        waiting[entry.slot] = entry
    return replace(ledger, waiting=MappingProxyType(waiting), left_out=max(ledger.left_out, left_out))


def trades_at(ledger: ShadowLedger, price: Decimal) -> ShadowChanged | None:
    """What virtual orders and lots trade when the market trades at this price; None: nothing."""
    filled = tuple(entry for entry in ledger.waiting.values() if _is_through(entry.side, entry.price, price))
    left = tuple(lot.slot for lot in ledger.held.values() if _is_through(_opposite(lot.side), lot.exit_price, price))
    return ShadowChanged(filled=filled, left=left) if filled or left else None


def without(ledger: ShadowLedger, slots: Iterable[int]) -> ShadowLedger:
    """The ledger as far as it is not of these slots."""
    gone = dict.fromkeys(slots)
    return replace(ledger, waiting=_without(ledger.waiting, gone), held=_without(ledger.held, gone))


def end_at(ledger: ShadowLedger, price: Decimal) -> ShadowChanged | None:
    """What becomes of the virtual lots of a grid that stops at this price; None: there are none."""
    ended = tuple(ledger.held)
    return ShadowChanged(filled=(), left=(), ended=ended, ended_at=price) if ended else None


def book(ledger: ShadowLedger, change: ShadowChanged) -> ShadowLedger:
    """After virtual orders filled, and virtual lots left at their exits or ended with their grid."""
    left = {slot: ledger.held[slot] for slot in change.left if slot in ledger.held}
    ended = {slot: ledger.held[slot] for slot in change.ended}
    filled = {entry.slot: entry for entry in change.filled}
    profit = sum(
        (_result(ledger, lot, lot.exit_price) - _fee(ledger, lot, lot.exit_price) for lot in left.values()), ZERO
    )
    return replace(
        ledger,
        waiting=_without(ledger.waiting, filled),
        held=MappingProxyType({**_without(ledger.held, {**left, **ended}), **filled}),
        cycles_missed=ledger.cycles_missed + len(left),
        profit_missed=ledger.profit_missed + profit,
        settled=ledger.settled - sum((_result(ledger, lot, change.ended_at) for lot in ended.values()), ZERO),
    )


def tick(ledger: ShadowLedger, price: Decimal) -> ShadowLedger:
    """After the market traded at this price; the same ledger if nothing came of it."""
    change = trades_at(ledger, price)
    return ledger if change is None else book(ledger, change)


def enter_in_earnest(ledger: ShadowLedger, slot: int, price: Decimal) -> ShadowLedger:
    """After a real entry of this slot filled at ``price``: its virtual order or lot is over."""
    lot = ledger.held.get(slot)
    gone = {slot: None}
    if lot is None:
        return replace(ledger, waiting=_without(ledger.waiting, gone))
    avoided = _fee(ledger, lot, lot.price) - _fee(ledger, lot, price) - _move(lot, price)
    return replace(ledger, held=_without(ledger.held, gone), settled=ledger.settled + avoided)


def quiet_band(ledger: ShadowLedger) -> QuietBand:
    """The open interval of prices in which ``tick`` changes nothing; empty where low is not below high."""
    low, high = ZERO, _INFINITY
    waiting = ((entry.side, entry.price) for entry in ledger.waiting.values())
    leaving = ((_opposite(lot.side), lot.exit_price) for lot in ledger.held.values())
    for side, limit in chain(waiting, leaving):
        match side:
            case Side.BUY:
                low = max(low, limit)
            case Side.SELL:
                high = min(high, limit)
    return QuietBand(low, high)


def shadow_view(ledger: ShadowLedger, mark: Decimal) -> ShadowView:
    """What the filter is worth with the virtual lots valued at ``mark``."""
    floating = sum((_result(ledger, lot, mark) for lot in ledger.held.values()), ZERO)
    avoided = ledger.settled - floating
    return ShadowView(
        waiting=len(ledger.waiting),
        lots=len(ledger.held),
        losses_avoided=avoided,
        cycles_missed=ledger.cycles_missed,
        profit_missed=ledger.profit_missed,
        net_worth=avoided - ledger.profit_missed,
        left_out=ledger.left_out,
    )


def _is_through(side: Side, limit: Decimal, price: Decimal) -> bool:
    match side:
        case Side.BUY:
            return price < limit
        case Side.SELL:
            return price > limit


def _opposite(side: Side) -> Side:
    match side:
        case Side.BUY:
            return Side.SELL
        case Side.SELL:
            return Side.BUY


def _move(lot: SuppressedEntry, price: Decimal) -> Decimal:
    """What the lot has gained by now, before fees."""
    match lot.side:
        case Side.BUY:
            return lot.amount * (price - lot.price)
        case Side.SELL:
            return lot.amount * (lot.price - price)


def _result(ledger: ShadowLedger, lot: SuppressedEntry, price: Decimal) -> Decimal:
    """What the lot has gained by now, net of the fee of its entry."""
    return _move(lot, price) - _fee(ledger, lot, lot.price)


def _fee(ledger: ShadowLedger, lot: SuppressedEntry, price: Decimal) -> Decimal:
    return lot.amount * price * ledger.fee_rate


def _without(entries: Mapping[int, SuppressedEntry], gone: Mapping[int, object]) -> Mapping[int, SuppressedEntry]:
    return MappingProxyType({slot: entry for slot, entry in entries.items() if slot not in gone})
