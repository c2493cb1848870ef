"""The desired ladder: which orders should rest at this price, and the band in which that cannot change.

A decision depends on the price only by comparisons with levels that matter in the state
the slots are in; every price strictly between two such levels leads to the same decision.
That is the quiet band. Once a slot changes, the band is another one, and the newest price
is compared with it again.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal

from engine.core.grid_view import SOLD_LATE, GridView, cancel, closing, not_frozen, offers_too_much
from engine.core.lattice import initial_price
from engine.core.regime import entry_may_open
from engine.core.wind_down import wind_down
from engine.model.actions import Action, Decision, PlaceOrder, QuietBand
from engine.model.grid import GridState, StartTrigger, TriggerSide
from engine.model.money import ONE, ZERO
from engine.model.order import Leg, Side
from engine.model.regime import EntryRule, SuppressedEntry
from engine.model.slot import Empty, Entering, Exiting, Holding, Slot

_INFINITY = Decimal("Infinity")
EVERYTHING = QuietBand(ZERO, _INFINITY)
RULE_WORDS = {
    EntryRule.ALL: "every entry opens",
    EntryRule.ALTERNATE: "every second slot is left out",
    EntryRule.NONE: "nothing new opens on this side",
}
"""What a rule does, in words."""


def decide(view: GridView, price: Decimal) -> Decision:
    """What to do at this price, in the order in which it should be done: nearest to the price first."""
    match view.state:
        case GridState.RUNNING | GridState.PAUSED | GridState.EXITS_ONLY:
            return Decision(actions=_ladder(view, price), band=band_at(view, price))
        case GridState.STOPPING:
            # A flattening order follows the price itself, so no price is quiet.
            return Decision(actions=tuple(wind_down(view, price)), band=QuietBand(price, price))
        case GridState.STARTING:
            return Decision(actions=(), band=_waiting_band(view.start))
        case GridState.HALTED | GridState.STOPPED:
            return Decision(actions=(), band=EVERYTHING)


def suppressed(view: GridView, price: Decimal) -> tuple[SuppressedEntry, ...]:
    """The entries that would be placed at this price if the regime let every entry through, the first ones included."""
    regime = view.regime
    if not view.can_open or regime is None or regime.long_entries is regime.short_entries is EntryRule.ALL:
        return ()
    unfiltered = replace(view, regime=None)
    wanted = [*((slot, slot.entry_price) for slot in _resting(unfiltered, price)), *_first_entries(unfiltered, price)]
    return tuple(
        SuppressedEntry(
            slot=slot.index,
            side=slot.entry_side,
            price=entry_price,
            exit_price=slot.exit_price,
            amount=_grown(view, slot.amount),
        )
        for slot, entry_price in wanted
        if not _may_enter(view, slot)
    )


def is_still_wanted(view: GridView, slot: Slot, leg: Leg) -> bool:
    """Whether an order of this slot that has waited for its turn may still go out."""
    if slot.freeze_reason is not None:
        return False
    match leg:
        case Leg.ENTRY:
            return view.can_open and _may_enter(view, slot)
        case Leg.EXIT:
            return view.state in (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
        case Leg.FLATTEN:
            return view.state is GridState.STOPPING


def band_at(view: GridView, price: Decimal) -> QuietBand:
    """The open interval around a price that holds no price at which a decision can change.

    An empty or entering slot compares the price with the level of its entry, one that holds
    something leaves at that of its exit. At such a price itself nothing is quiet.
    Slots do not overlap, so the nearest ones on either side have the nearest edges.
    """
    here = bisect_right(view.lattice.levels, price) - 1
    low = next(
        (edge for edge in _edges(view.slots, range(min(here, len(view.slots) - 1), -1, -1)) if edge <= price), ZERO
    )
    high = next((edge for edge in _edges(view.slots, range(max(here, 0), len(view.slots))) if edge > price), _INFINITY)
    return QuietBand(low, high)


def _waiting_band(start: StartTrigger | None) -> QuietBand:
    """Where a grid that waits for its start price goes on waiting."""
    if start is None:
        return EVERYTHING
    match start.side:
        case TriggerSide.BELOW:
            return QuietBand(start.price, _INFINITY)
        case TriggerSide.ABOVE:
            return QuietBand(ZERO, start.price)


def _edges(slots: Sequence[Slot], places: range) -> Iterator[Decimal]:
    """The prices at which these slots have something to decide, nearest first in the order of the places."""
    for place in places:
        slot = slots[place]
        if slot.freeze_reason is not None:
            continue
        state = slot.state
        match state:
            case Empty():
                yield slot.entry_price
            case Entering():
                if not state.lot.quantity:
                    yield slot.entry_price
                elif places.step < 0:
                    yield from (slot.upper, slot.lower)
                else:
                    yield from (slot.lower, slot.upper)
            case Holding() | Exiting():
                yield slot.exit_price


def _is_reached(slot: Slot, price: Decimal) -> bool:
    """Whether an entry at its own level rests at this price instead of taking."""
    match slot.entry_side:
        case Side.BUY:
            return slot.lower <= price
        case Side.SELL:
            return slot.upper >= price


def _is_left_behind(slot: Slot, price: Decimal) -> bool:
    """Whether the price has gone as far as the exit."""
    match slot.entry_side:
        case Side.BUY:
            return slot.upper <= price
        case Side.SELL:
            return slot.lower >= price


def _rule(view: GridView, side: Side) -> EntryRule:
    if view.regime is None:
        return EntryRule.ALL
    match side:
        case Side.BUY:
            return view.regime.long_entries
        case Side.SELL:
            return view.regime.short_entries


def _may_enter(view: GridView, slot: Slot) -> bool:
    return entry_may_open(_rule(view, slot.entry_side), slot.index)


def _ladder(view: GridView, price: Decimal) -> tuple[Action, ...]:
    """Cancellations first, then what rests below the price, the initial purchase, and what rests above."""
    below: list[Slot] = []
    above: list[Slot] = []
    initial: list[Slot] = []
    actions: list[Action] = []
    for slot in not_frozen(view):
        state = slot.state
        buys_first = slot.entry_side is Side.BUY
        match state:
            case Empty():
                if not view.can_open or not _may_enter(view, slot):
                    continue
                if _is_reached(slot, price):
                    (below if buys_first else above).append(slot)
                elif slot.is_initial:
                    initial.append(slot)
            case Entering():
                reason = _why_cancel_entry(view, slot, state, price)
                if reason:
                    actions.extend(cancel(slot, state.order, reason))
                elif _is_reached(slot, price):
                    (below if buys_first else above).append(slot)
                else:
                    initial.append(slot)
            case Holding() | Exiting():
                (above if buys_first else below).append(slot)
    below.reverse()
    actions.extend(_side(view, below, "below"))
    actions.extend(_initial_entries(view, initial))
    actions.extend(_side(view, above, "above"))
    return tuple(actions)


def _resting(view: GridView, price: Decimal) -> Iterator[Slot]:
    """The slots whose entries the ladder rests at this price, or would."""
    below: list[Slot] = []
    above: list[Slot] = []
    for slot in not_frozen(view):
        if isinstance(slot.state, Empty | Entering) and _is_reached(slot, price):
            (below if slot.entry_side is Side.BUY else above).append(slot)
    below.reverse()
    for side in (below, above):
        yield from side[: _place_ranks(len(side), view.window)]


def _first_entries(view: GridView, price: Decimal) -> Iterator[tuple[Slot, Decimal]]:
    """The initial entries that the ladder would place at this price, and what they would trade at: no worse than it."""
    waiting = [slot for slot in not_frozen(view) if slot.is_initial and isinstance(slot.state, Empty)]
    for action in _initial_entries(view, [slot for slot in waiting if not _is_reached(slot, price)]):
        better = min if action.side is Side.BUY else max
        yield view.slots[view.lattice.places.index(action.slot)], better(action.price, price)


def _why_cancel_entry(view: GridView, slot: Slot, state: Entering, price: Decimal) -> str | None:
    if not view.can_open:
        return "nothing new opens now"
    if view.regime is not None and not _may_enter(view, slot):
        return f"the market is {view.regime.name.replace('_', ' ')}: {RULE_WORDS[_rule(view, slot.entry_side)]}"
    way = "risen" if slot.entry_side is Side.BUY else "fallen"
    if state.order.price != slot.entry_price and _is_reached(slot, price):
        return f"the price has {way} to the slot: its entry moves from the start price to its level"
    if state.lot.quantity and _is_left_behind(slot, price):
        done = "bought is to be sold" if slot.entry_side is Side.BUY else "sold is to be bought back"
        return f"the price has {way} past the slot: what was {done}"
    return None


def _side(view: GridView, slots: list[Slot], where: str) -> Iterator[Action]:
    """What rests on one side of the price, nearest first, within the window."""
    place_ranks = _place_ranks(len(slots), view.window)
    dust = view.dust
    counts = {Leg.ENTRY: 0, Leg.EXIT: 0}
    for rank, slot in enumerate(slots):
        state = slot.state
        leg = Leg.ENTRY if isinstance(state, Empty | Entering) else Leg.EXIT
        counts[leg] += 1
        match state:
            case Empty():
                if rank < place_ranks:
                    reason = f"entry {counts[leg]} {where} the price"
                    yield _entry(view, slot, slot.entry_price, reason, post_only=True)
            case Entering():
                if rank >= view.window:
                    yield from cancel(slot, state.order, f"outside the window of {view.window} entries")
            case Exiting():
                if offers_too_much(state):
                    yield from cancel(slot, state.order, SOLD_LATE)
                elif rank >= view.window and state.order.filled == 0:
                    yield from cancel(slot, state.order, f"outside the window of {view.window} exits")
            case Holding():
                if rank < place_ranks:
                    reason = f"exit {counts[leg]} {where} the price"
                    action = closing(view, slot, state.lot, dust, slot.exit_price, Leg.EXIT, reason)
                    if isinstance(action, PlaceOrder):
                        dust = dust.minus(action.dust)
                    yield action


def _initial_entries(view: GridView, initial: list[Slot]) -> Iterator[PlaceOrder]:
    """Entries at the start price for the slots beyond it, nearest first, a window of them on top of the ladder."""
    if not initial:
        return
    side = initial[0].entry_side
    if side is Side.SELL:
        initial.reverse()
    price = initial_price(view.initial_purchase, view.market, view.lattice.anchor, side)
    reason = "initial purchase" if side is Side.BUY else "initial sale"
    for slot in initial[: view.window]:
        if isinstance(slot.state, Empty):
            yield _entry(view, slot, price, reason, post_only=False)


def _place_ranks(candidates: int, window: int) -> int:
    """How many of the nearest get an order: one less than the window where there are more candidates
    than places, so that a price swinging around one level does not cancel and place the farthest order."""
    return window if candidates <= window or window < 3 else window - 1


def _entry(view: GridView, slot: Slot, price: Decimal, reason: str, *, post_only: bool) -> PlaceOrder:
    return PlaceOrder(
        slot=slot.index,
        leg=Leg.ENTRY,
        side=slot.entry_side,
        price=price,
        amount=_grown(view, slot.amount),
        post_only=post_only,
        reason=reason,
    )


def _grown(view: GridView, amount: Decimal) -> Decimal:
    if view.growth == ONE:
        return amount
    market = view.market
    return max(amount, min(market.floor_amount(amount * view.growth), market.floor_amount(market.amount_max)))
