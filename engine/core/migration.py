"""What a new lattice does to slots and lots: a plan first, then one fact that does all of it at once.

A slot's identity never changes. A slot whose two levels and side are in both lattices stays, with its order
and its lot; only its amount may be another one. The others are retired, and the identities that nothing
hangs on are given again to the slots that are new, lowest first. A slot whose lot has to move is not used
again in the same migration, so no lot is ever where two slots claim it.

A plan is made on the slots as they are, and orders go on filling while those in ``must_be_quiet`` are cancelled,
so plan again once they are quiet. What is planned depends on lots alone, never on orders: if nothing has filled
meanwhile, the second plan is the first.

Where lots go, nearest to the exit that they had: to slots on the same side without a lot whose exit is neither
below what the lot has cost nor passed by the price; then to slots with a lot; then to an exit that the price has
passed. If no exit pays for a lot, it goes to the best exit there is and is named in ``at_a_loss``: nothing is
sold by the migration, but that exit will realise the loss.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise

from engine.core.books import GridBooks
from engine.core.costs import NO_FUNDS, is_left_behind
from engine.core.lattice import Funds
from engine.core.ledger import Ledger
from engine.core.migrating import migrated_slots
from engine.core.migration_funds import Wealth, funds_of_edit, funds_of_shift
from engine.model.events import LatticeMigrated, LotMoved
from engine.model.grid import GridSpec, InitialPurchase, Lattice
from engine.model.ids import SLOTS_MAX
from engine.model.market import Market
from engine.model.money import text_from_decimal
from engine.model.order import Side
from engine.model.slot import EMPTY, NO_LOT, Empty, Entering, Exiting, Holding, Lot, Slot, SlotState, lot_of, order_of

Bounds = tuple[Decimal, Decimal, Side]


class Cause(StrEnum):
    EDIT = "edit"
    """Anchored anew: slots beyond the price get their first lot there, and the funds may become less."""
    SHIFT = "shift"
    """The lattice follows the price: first purchases stay as they are, and the funds never become less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridNow:
    """A grid before a migration. ``slots`` are all of them by identity, retired ones too.

    ``questioned`` are the slots that an open question is about. ``beyond`` is what the account has beyond what
    is this or another grid's own.
    """

    spec: GridSpec
    market: Market
    lattice: Lattice
    slots: Sequence[Slot]
    ledger: Ledger
    funds: Funds
    questioned: frozenset[int] = frozenset()
    beyond: Funds = NO_FUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationPlan:
    """``fact`` may become true once no slot in ``must_be_quiet`` has an order; nothing may be placed there before.

    ``stays`` and ``gone`` are identities of the lattice before, ``new`` of the lattice after; an identity can be
    both gone and new. ``after`` are the slots as they will be. ``needs`` is what the grid should have for its own
    from now on; ``fact`` gives it less where the account has no more.
    """

    fact: LatticeMigrated
    must_be_quiet: tuple[int, ...]
    stays: tuple[int, ...]
    gone: tuple[int, ...]
    new: tuple[int, ...]
    at_a_loss: tuple[LotMoved, ...]
    after: tuple[Slot, ...]
    needs: Funds


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationRefused:
    """The lattice cannot become this one now."""

    reasons: tuple[str, ...]


def grid_now(books: GridBooks, *, beyond: Funds = NO_FUNDS) -> GridNow:
    """A grid as its books have it; not to be kept while they may change."""
    asked = (question.found.discrepancy.slot for question in books.questions.values())
    return GridNow(
        spec=books.spec,
        market=books.market,
        lattice=books.lattice,
        slots=tuple(books.slots),
        ledger=books.ledger,
        funds=books.funds,
        questioned=frozenset(slot for slot in asked if slot is not None),
        beyond=beyond,
    )


def plan_migration(
    grid: GridNow, target: Lattice, *, spec: GridSpec, price: Decimal, cause: Cause, reason: str, by: str
) -> MigrationPlan | MigrationRefused:
    """How the grid gets from its lattice to the levels, amounts, sides and anchor of ``target``.

    ``spec`` is the grid's wish from then on; ``target.ids`` and ``target.version`` count for nothing.
    """
    kept = _kept(grid.lattice, target)
    gone = tuple(sorted(set(grid.lattice.places) - set(kept.values())))
    reasons = (*_held_slots(grid, gone), *_problems_with_levels(target))
    places = _places(grid, target, kept, gone)
    if max(places) >= SLOTS_MAX:
        reasons = (*reasons, f"expected at most {SLOTS_MAX} slots ever used, found {max(places) + 1}")
    if reasons:
        return MigrationRefused(reasons=reasons)
    lattice = replace(
        target,
        version=grid.lattice.version + 1,
        # No identities mean that all there are lie in order, so a retired one has to be left out by name.
        ids=() if places == tuple(range(max(len(places), len(grid.slots)))) else places,
        sides=target.sides if any(side is not Side.BUY for side in target.sides) else (),
    )
    stays = frozenset(kept.values())
    moved = _moves(grid, lattice, gone, stays, price)
    if isinstance(moved, MigrationRefused):
        return moved
    quiet = tuple(sorted({*gone, *(move.target for move in moved if move.target in stays)}))
    fact = _bare_fact(grid, spec, lattice, moved, reason=reason, by=by)
    before = [_quieted(slot) if slot.index in quiet else slot for slot in grid.slots]
    fact = replace(fact, initial=_initial(grid, migrated_slots(before, fact), fact, cause))
    after = tuple(migrated_slots(before, fact))
    needs, given = _funds(grid, fact, after, cause)
    return MigrationPlan(
        fact=replace(fact, funds_quote=given.quote, funds_base=given.base),
        must_be_quiet=quiet,
        stays=tuple(sorted(stays)),
        gone=gone,
        new=tuple(identity for identity in places if identity not in stays),
        at_a_loss=tuple(move for move in moved if _is_loss(grid.slots[move.source], after[move.target].exit_price)),
        after=after,
        needs=needs,
    )


def is_quiet(plan: MigrationPlan, slots: Sequence[Slot]) -> bool:
    """Whether no order stands in the way of the plan any more."""
    return all(order_of(slots[identity]) is None for identity in plan.must_be_quiet)


def _bare_fact(
    grid: GridNow, spec: GridSpec, lattice: Lattice, moved: tuple[LotMoved, ...], *, reason: str, by: str
) -> LatticeMigrated:
    """The migration without first lots and with the funds as they are."""
    return LatticeMigrated(
        spec=spec,
        lattice=lattice,
        moved=moved,
        initial=(),
        funds_quote=grid.funds.quote,
        funds_base=grid.funds.base,
        reason=reason,
        by=by,
    )


def _bounds(lattice: Lattice) -> list[Bounds]:
    levels = lattice.levels
    return [(levels[place], levels[place + 1], lattice.side_at(place)) for place in range(len(lattice.amounts))]


def _kept(old: Lattice, target: Lattice) -> dict[int, int]:
    """Place in the new lattice -> identity, of the slots that stay."""
    identity_of = dict(zip(_bounds(old), old.places, strict=True))
    return {place: identity_of[bounds] for place, bounds in enumerate(_bounds(target)) if bounds in identity_of}


def _held_slots(grid: GridNow, gone: Iterable[int]) -> Iterator[str]:
    for identity in gone:
        slot = grid.slots[identity]
        if slot.freeze_reason is not None:
            yield f"slot {identity} would disappear, and is frozen: {slot.freeze_reason}"
        elif identity in grid.questioned:
            yield f"slot {identity} would disappear, and an open question is about it"


def _problems_with_levels(target: Lattice) -> Iterator[str]:
    for lower, upper in pairwise(target.levels):
        if not 0 < lower < upper:
            yield f"levels must be above 0 and rise, found {text_from_decimal(upper)} after {text_from_decimal(lower)}"


def _places(grid: GridNow, target: Lattice, kept: Mapping[int, int], gone: Sequence[int]) -> tuple[int, ...]:
    """The identities of the new lattice, lowest first.

    What is free does not depend on orders, so that cancelling those in the way changes no plan.
    """
    here = set(grid.lattice.places) - set(gone)
    unused = (slot.index for slot in grid.slots if slot.index not in here and _is_free(grid, slot, gone))
    wanted = len(target.amounts) - len(kept)
    free = [*unused, *range(len(grid.slots), len(grid.slots) + wanted)]
    numbers = iter(free)
    return tuple(kept[place] if place in kept else next(numbers) for place in range(len(target.amounts)))


def _is_free(grid: GridNow, slot: Slot, gone: Sequence[int]) -> bool:
    if slot.freeze_reason is not None or slot.index in grid.questioned:
        return False
    return lot_of(slot) == NO_LOT if slot.index in gone else isinstance(slot.state, Empty)


@dataclass(frozen=True, slots=True)
class _Exit:
    """A slot of the new lattice that can take a lot."""

    identity: int
    price: Decimal
    is_free: bool


def _moves(
    grid: GridNow, lattice: Lattice, gone: Sequence[int], stays: frozenset[int], price: Decimal
) -> tuple[LotMoved, ...] | MigrationRefused:
    """Where each lot goes that would be left without a slot: exact exits first, then the nearest."""
    homeless = sorted(
        (grid.slots[identity] for identity in gone if lot_of(grid.slots[identity]) != NO_LOT),
        key=lambda slot: (slot.exit_price, slot.index),
    )
    target_of: dict[int, int] = {}
    for side in Side:
        lots = [slot for slot in homeless if slot.entry_side is side]
        exits = list(_exits(grid, lattice, stays, side))
        if lots and not exits:
            return MigrationRefused(
                reasons=tuple(
                    f"slot {slot.index} holds a lot that has to {slot.exit_side}, and no slot of the new lattice "
                    f"that may be touched does"
                    for slot in lots
                )
            )
        target_of.update(_assigned(lots, exits, price))
    return tuple(LotMoved(source=source, target=target_of[source]) for source in sorted(target_of))


def _exits(grid: GridNow, lattice: Lattice, stays: frozenset[int], side: Side) -> Iterator[_Exit]:
    for identity, (lower, upper, its_side) in zip(lattice.places, _bounds(lattice), strict=True):
        if its_side is not side:
            continue
        slot = grid.slots[identity] if identity in stays else None
        if slot is not None and (slot.freeze_reason is not None or identity in grid.questioned):
            continue
        # A resting entry gives way: its lot would be traded for nothing while another one looks for a slot.
        is_free = slot is None or lot_of(slot) == NO_LOT
        yield _Exit(identity, upper if side is Side.BUY else lower, is_free)


def _assigned(lots: Sequence[Slot], exits: Sequence[_Exit], price: Decimal) -> dict[int, int]:
    free = {each.price: each for each in exits if each.is_free}
    target_of: dict[int, int] = {}
    for slot in lots:
        exact = free.get(slot.exit_price)
        if exact is not None and _is_waiting(slot, exact.price, price) and not _is_loss(slot, exact.price):
            target_of[slot.index] = free.pop(slot.exit_price).identity
    for slot in lots:
        if slot.index not in target_of:
            best = _best(slot, exits, free, price)
            free.pop(best.price, None)
            target_of[slot.index] = best.identity
    return target_of


def _best(slot: Slot, exits: Sequence[_Exit], free: Mapping[Decimal, _Exit], price: Decimal) -> _Exit:
    paying = [each for each in exits if not _is_loss(slot, each.price)]
    waiting = [each for each in paying if _is_waiting(slot, each.price, price)]
    unused = [each for each in waiting if each.price in free]
    if paying:
        return min(unused or waiting or paying, key=_distance_from(slot))
    return max(exits, key=lambda each: _gain(slot, each.price))


def _distance_from(slot: Slot) -> Callable[[_Exit], tuple[Decimal, Decimal]]:
    """How near an exit is to the one that a slot had; of two as near, the one that pays more comes first."""
    return lambda each: (abs(each.price - slot.exit_price), -_gain(slot, each.price))


def _gain(slot: Slot, exit_price: Decimal) -> Decimal:
    """What the lot of a slot brings at an exit above its cost, before the fee of the exit."""
    lot = lot_of(slot)
    return exit_price * lot.quantity - lot.cost_quote


def _is_loss(slot: Slot, exit_price: Decimal) -> bool:
    return _gain(slot, exit_price) < 0


def _is_waiting(slot: Slot, exit_price: Decimal, price: Decimal) -> bool:
    """Whether an exit would rest at this price, or comes no sooner than the one that the slot had."""
    match slot.exit_side:
        case Side.SELL:
            return exit_price >= min(price, slot.exit_price)
        case Side.BUY:
            return exit_price <= max(price, slot.exit_price)


def _quieted(slot: Slot) -> Slot:
    """The slot as it is once its order is gone, if nothing more fills."""
    return replace(slot, state=_state_with(lot_of(slot)))


def _state_with(lot: Lot) -> SlotState:
    return EMPTY if lot == NO_LOT else Holding(lot=lot)


def _initial(grid: GridNow, after: Sequence[Slot], fact: LatticeMigrated, cause: Cause) -> tuple[int, ...]:
    """The slots of the new lattice whose first lot is still to be traded at its anchor."""
    slots = (after[identity] for identity in fact.lattice.places)
    match cause:
        case Cause.SHIFT:
            marked = {slot.index for slot in grid.slots if slot.is_initial}
            kept = set(grid.lattice.places)
            bounds = {slot.index: (slot.lower, slot.upper) for slot in grid.slots if slot.index in kept}
            return tuple(
                slot.index
                for slot in slots
                if slot.index in marked and bounds.get(slot.index) == (slot.lower, slot.upper)
            )
        case Cause.EDIT:
            if fact.spec.initial_purchase not in (InitialPurchase.LIMIT, InitialPurchase.MARKET):
                return ()
            return tuple(
                slot.index for slot in slots if is_left_behind(slot, fact.lattice.anchor) and _is_lotless(slot)
            )


def _is_lotless(slot: Slot) -> bool:
    state = slot.state
    match state:
        case Empty():
            return True
        case Entering():
            return state.lot == NO_LOT
        case Holding() | Exiting():
            return False


def _funds(grid: GridNow, fact: LatticeMigrated, after: Sequence[Slot], cause: Cause) -> tuple[Funds, Funds]:
    wealth = Wealth(ledger=grid.ledger, funds=grid.funds, beyond=grid.beyond)
    match cause:
        case Cause.EDIT:
            return funds_of_edit(wealth, fact.spec, grid.market, fact.lattice, after)
        case Cause.SHIFT:
            return funds_of_shift(wealth, fact.spec, grid.market, fact.lattice, after)
