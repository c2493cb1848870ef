"""The shadow ledger: what the entries would have done that a regime suppressed.

Each suppressed entry rests here as a virtual order. It fills when the market trades through its
price, its lot leaves when the market trades through its exit price, and both pay the maker fee,
by the default rules of the simulated exchange. One virtual order or lot per slot, so the ledger is as
large as its grid at most; beyond ``slots_max`` nothing is booked, and ``left_out`` says so.

Two worlds are compared: the real one, in which nothing was bought, and the one without a filter. A
slot that is entered in earnest later ends its virtual lot at that price: from then on both are alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import chain
from types import MappingProxyType

from engine.model.actions import QuietBand
from engine.model.money import ZERO
from engine.model.order import Side
from engine.model.regime import ShadowView

SLOTS_MAX = 10_000
_INFINITY = Decimal("Infinity")


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressedEntry:
    """An entry that the ladder wanted; ``side`` BUY opens long and SELL opens short."""

    slot: int
    side: Side
    price: Decimal
    exit_price: Decimal
    amount: Decimal


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
    """Losses avoided on lots that ended without their exit, because the slot was entered in earnest."""
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


def tick(ledger: ShadowLedger, price: Decimal) -> ShadowLedger:
    """After the market traded at this price; the same ledger if nothing came of it."""
    filled = {slot: entry for slot, entry in ledger.waiting.items() if _is_through(entry.side, entry.price, price)}
    left = {slot: lot for slot, lot in ledger.held.items() if _is_through(_opposite(lot.side), lot.exit_price, price)}
    if not filled and not left:
        return ledger
    profit = sum(
        (_result(ledger, lot, lot.exit_price) - _fee(ledger, lot, lot.exit_price) for lot in left.values()), ZERO
    )
    return replace(
        ledger,
        waiting=_without(ledger.waiting, filled),
        held=MappingProxyType({**_without(ledger.held, left), **filled}),
        cycles_missed=ledger.cycles_missed + len(left),
        profit_missed=ledger.profit_missed + profit,
    )


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
