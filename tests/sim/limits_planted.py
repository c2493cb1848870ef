"""Defects of gate, regime, stops and swaps, each put into the real engine for as long as a ``with`` lasts.

``LIMIT_BUGS`` holds them by name, apart from the older ones: they are found by the swarm whose limits bite.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import anyio

from engine.core import grid_view, ladder, regime, risk
from engine.core.stops import first_state
from engine.model.actions import Action, PlaceOrder
from engine.model.events import Fact, GridStateChanged
from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.order import Leg
from engine.model.regime import EntryRule
from engine.model.slot import Entering
from engine.runtime import grid_guard
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.grid_guard import BY_RISK, GridGuard
from engine.runtime.manager import Reservation, SlotManager
from engine.runtime.market_watch import MarketWatch, WatchedRegime
from engine.runtime.opening import GridOpener
from engine.runtime.regime_monitor import RegimeMonitor
from tests.sim.planted import Bug, Changes, Finder

LIMIT_BUGS: dict[str, Bug] = {}
"""Every defect by name."""


def bug(what: str, *, says: str) -> Callable[[Callable[[], Changes]], Callable[[], Changes]]:
    """Decorator: what the function replaces is a bug of its name."""

    def note(plant: Callable[[], Changes]) -> Callable[[], Changes]:
        name = plant.__name__
        LIMIT_BUGS[name] = Bug(name=name, what=what, plant=plant, found_by=(Finder.SWARM,), says=says)
        return plant

    return note


# The gate


@bug("the gate is configured and never asked", says="gate: ")
def gate_not_asked() -> Changes:
    return [(GridGuard, "refused", lambda *_: ())]


@bug("an order goes out, and then the gate is asked, and what it refuses is cancelled", says="gate: ")
def gate_asked_after_sending() -> Changes:
    refused, act = GridGuard.refused, GridCoordinator._act
    late: dict[int, Collection[int]] = {}

    def look_later(guard: GridGuard, *things: Any) -> Collection[int]:
        late[id(guard)] = refused(guard, *things)
        return ()

    def act_first(grid: GridCoordinator, reservation: Reservation) -> None:
        act(grid, reservation)
        for slot in late.pop(id(grid.guard), ()):
            state = grid.books.slots[slot].state
            if isinstance(state, Entering):
                grid._executor.cancel(grid.books.spec.symbol, state.order.client_order_id)

    return [(GridGuard, "refused", look_later), (GridCoordinator, "_act", act_first)]


@bug("exposure counts what is held, and not what rests", says="gate: .*the exposure becomes")
def exposure_without_what_rests() -> Changes:
    real = risk.exposure_of

    def exposure_of(*things: Any) -> tuple[Any, Any]:
        return real(*things)[0], ZERO

    return [(grid_guard, "exposure_of", exposure_of)]


@bug("a block is forgotten by a restart", says="gate: |I7|I10|replay")
def blocks_forgotten_at_restart() -> Changes:
    return [(GridOpener, "fold", _fold_with(lambda books, _: setattr(books, "blocks", ())))]


@bug("a restart begins a new minute of orders", says="gate: .*order in a minute|I7")
def rate_forgotten_at_restart() -> Changes:
    return [(GridOpener, "fold", _fold_with(lambda books, _: books.intended_ms.clear()))]


@bug("a restart begins a new day of losses", says="gate: .*loss of the day|risk: the day|I7")
def daily_loss_reset_by_restart() -> Changes:
    def forget(books: Any, at_ms: int) -> None:
        books.risk_state = first_state(at_ms)
        books.risk_state = replace(books.risk_state, day_start_total=books.ledger.cash)

    return [(GridOpener, "fold", _fold_with(forget))]


# Stops


@bug("a stop trips, and the grid goes on", says="gate: .*stop at|stop: ")
def stop_that_does_not_stop() -> Changes:
    real = GridGuard.facts_at

    def facts_at(guard: GridGuard, *things: Any) -> list[Fact]:
        return [
            fact for fact in real(guard, *things) if not (isinstance(fact, GridStateChanged) and fact.by == BY_RISK)
        ]

    return [(GridGuard, "facts_at", facts_at)]


# The regime


@bug("a regime that lets nothing open lets nothing out either", says="exits: ")
def regime_blocks_exits() -> Changes:
    real = ladder.decide

    def decide(view: grid_view.GridView, *things: Any) -> Any:
        decision = real(view, *things)
        seen = view.regime
        if seen is None or seen.long_entries is not EntryRule.NONE or view.state is GridState.STOPPING:
            return decision
        return replace(decision, actions=tuple(action for action in decision.actions if not _is_exit(action)))

    return [(ladder, "decide", decide)]


@bug("the regime is configured, and its feed is never started", says="regime: ")
def regime_feed_not_started() -> Changes:
    async def run(monitor: RegimeMonitor, *, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        await anyio.sleep_forever()

    return [(RegimeMonitor, "run", run)]


@bug("the regime is configured, and the grid is told that nobody watches", says="gate: .*never asked for|regime: ")
def regime_not_wired() -> Changes:
    return [(MarketWatch, "regime_of", lambda *_: None)]


@bug("candles that stopped coming are as good as new ones", says="gate: .*overdue")
def stale_candles_taken_as_fresh() -> Changes:
    return [
        (regime, "is_fresh", lambda settings, state, now_ms: state.last is not None),
        (WatchedRegime, "candles_age_ms", lambda *_: 0),
    ]


# Swaps


@bug("what closes a swap position may turn it around", says="gate: .*not reduce-only")
def exits_not_reduce_only() -> Changes:
    return [(SlotManager, "_has_position_against", lambda *_: False)]


@bug("funding is booked again by every engine that hears of it", says="funding: |I3")
def funding_booked_twice_after_restart() -> Changes:
    return [(GridOpener, "fold", _fold_with(lambda books, _: books.funding_ids.clear()))]


def _fold_with(change: Callable[[Any, int], None]) -> Callable[[GridOpener], Any]:
    """The fold of a restart, with something done to the books of every grid."""
    real = GridOpener.fold

    def fold(opener: GridOpener) -> Any:
        books = real(opener)
        for each in books.values():
            change(each, opener._clock.now_ms())
        return books

    return fold


def _is_exit(action: Action) -> bool:
    return isinstance(action, PlaceOrder) and action.leg is Leg.EXIT
