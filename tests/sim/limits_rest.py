"""What must be true of a run with limits: its exits all along, and everything once nothing moves any more."""

from collections.abc import Iterator
from dataclasses import replace

from engine.core import ladder
from engine.core.grid_view import GridView
from engine.exchange.outages import outage_at
from engine.model.actions import PlaceOrder
from engine.model.events import FundingBooked, RiskMarked, SlotFrozen
from engine.model.grid import Disposal, GridState
from engine.model.order import Leg
from engine.model.risk import StopBasis, StopLoss, TakeProfit
from engine.model.slot import lot_of, order_of
from engine.model.snapshot import EngineState
from engine.runtime.coordinator import GridCoordinator
from engine.runtime.engine import Engine
from engine.runtime.replaying import replay
from tests.builders import INSTANCE
from tests.sim.limits_draw import LimitsDraw
from tests.sim.limits_witness import LimitWitness
from tests.sim.sim_truths import _facts, _journal, _money, _news, _orders, false_alarms
from tests.sim.sim_world import GRID, SimWorld

EXIT_SECONDS_MAX = 60
"""So long after the last obstacle an exit that could rest may be missing: a few commits of a slow disk, and
one request whose fate has to be waited for."""
_LETS_EXITS_OUT = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)


class ExitWatch:
    """Looks once a second for lots that nobody offers.

    An exit is due where the ladder offers it with regime, blocks and limits taken away. An obstacle is a ban, a
    stall or a cut of the streams, and everything that holds the whole grid back or the slot alone.
    """

    def __init__(self, drawn: LimitsDraw) -> None:
        self._faults = drawn.faults
        self._due_since_ms: dict[int, int] = {}
        self._looked_ms = 0
        self.looks = 0
        """How many exits were seen to be due at a look."""

    def forget(self) -> None:
        """The engine is dead, or a new one."""
        self._due_since_ms.clear()

    def look(self, engine: Engine, now_ms: int) -> None:
        """Raises ``AssertionError`` for an exit that is missing for too long."""
        if now_ms - self._looked_ms < 1000:
            return
        self._looked_ms = now_ms
        grid = engine.coordinators.get(GRID)
        if grid is None or engine.state is not EngineState.RUNNING or self._is_obstructed(grid, now_ms):
            self.forget()
            return
        due = set(due_exits(grid))
        self.looks += len(due)
        self._due_since_ms = {slot: self._due_since_ms.get(slot, now_ms) for slot in due}
        for slot, since_ms in self._due_since_ms.items():
            waited = now_ms - since_ms
            assert waited <= EXIT_SECONDS_MAX * 1000, f"exits: slot {slot} has had no exit for {waited} ms"

    def _is_obstructed(self, grid: GridCoordinator, now_ms: int) -> bool:
        faults = self._faults
        windows = (faults.bans, faults.stalls, faults.disconnects)
        return grid.wait_reason is not None or any(outage_at(each, now_ms) is not None for each in windows)


def due_exits(grid: GridCoordinator) -> Iterator[int]:
    """The slots whose lot could be offered now, and is not."""
    if grid.mark is None or grid.books.state not in _LETS_EXITS_OUT:
        return
    asked = {question.found.discrepancy.slot for question in grid.books.questions.values()}
    for action in ladder.decide(_unbound(grid.manager.view()), grid.mark).actions:
        is_exit = isinstance(action, PlaceOrder) and action.leg is Leg.EXIT
        if is_exit and action.slot not in grid.manager.withheld and action.slot not in asked:
            yield action.slot


def _unbound(view: GridView) -> GridView:
    """The same grid with nobody who judges it."""
    return replace(view, regime=None, is_blocked=False)


def problems_at_rest(world: SimWorld, drawn: LimitsDraw) -> list[str]:
    """Everything that is not as it must be, with the engine still alive and its exchange at rest."""
    engine, exchange = world.engine, world.exchange
    assert engine is not None
    assert isinstance(exchange, LimitWitness)
    problems = [*exchange.broken, *exchange.too_early]
    problems += [f"I1: {name} arrived for a slot with a live order" for name in exchange.refused]
    if engine.state is not EngineState.RUNNING:
        return [*problems, f"the engine is {engine.state}: {engine.state_reason}"]
    grid = engine.coordinators[GRID]
    problems += _money(world, grid.books)
    problems += _orders(world, grid.books)
    problems += _journal(world, grid.books)
    problems += _news(world)
    problems += _position(world, grid)
    problems += _left_undone(world, grid)
    problems += _stops(world, drawn, grid)
    problems += _senses(world, drawn, engine)
    return [*problems, *false_alarms(world)]


def problems_of_replay(world: SimWorld) -> Iterator[str]:
    """The journal makes every decision again, to the last digit."""
    difference = replay(world.disk.records, instance=INSTANCE).difference
    if difference is not None:
        yield f"replay: {difference}"


def _position(world: SimWorld, grid: GridCoordinator) -> Iterator[str]:
    """The position is what the books hold; each payment is booked once, and no other."""
    symbol, books = world.market.symbol, grid.books
    if world.market.swap is None:
        return
    position = world.exchange.matching.positions().get(symbol)
    amount = 0 if position is None else position.amount
    if amount != books.ledger.base and not books.questions:
        yield f"I3: the position is {amount}, the books hold {books.ledger.base}"
    paid = {
        one.funding_id: one.amount
        for one in world.exchange._venue._funding
        if one.at_ms >= (books.first_fill_ms or one.at_ms + 1)
    }
    booked = [fact.payment.funding_id for fact in _facts(world) if isinstance(fact, FundingBooked)]
    if sorted(booked) != sorted(paid) or books.ledger.funding != sum(paid.values()):
        yield f"funding: booked {booked} to {books.ledger.funding}, paid were {paid}"


def _is_last_word_lost(world: SimWorld) -> bool:
    """Whether the stream was silent when nothing more was to come."""
    last_ms = max(world.exchange._venue._last_at_ms.values())
    return any(last_ms < silence.until_ms for silence in world.exchange._stream._silences)


def _left_undone(world: SimWorld, grid: GridCoordinator) -> Iterator[str]:
    """Nothing is left that could be done, unless money or the gate says why; no exit for any such reason."""
    if world.exchange.ends_in_silence:
        return
    if grid.mark is None and _is_last_word_lost(world):
        return  # an engine that began in a silence after the market's end has never heard a price
    if grid.mark is None or grid.wait_reason is not None:
        yield f"I15: the grid waits: {grid.wait_reason}"
        return
    for slot in grid.books.live_slots():
        order = order_of(slot)
        if order is not None and order.is_cancel_requested:
            yield f"I15: {order.client_order_id} was to be cancelled and is open still"
    actions = ladder.decide(grid.manager.view(), grid.mark).actions
    now_ms = world.clock.now_ms()
    refused = grid.guard.refused(actions, grid.mark, grid.mark_at_ms, now_ms)
    for action in actions:
        is_entry = isinstance(action, PlaceOrder) and action.leg is Leg.ENTRY
        is_excused = is_entry and (action.slot in refused or action.slot in grid.manager.short_slots)
        if not is_excused and action.slot not in grid.manager.withheld:
            yield f"I15: left undone: {action}"
    for index in due_exits(grid):
        yield f"exits: slot {index} holds a lot that nobody offers"


def _stops(world: SimWorld, drawn: LimitsDraw, grid: GridCoordinator) -> Iterator[str]:
    """No active grid rests beyond one of its price stops, and what was stopped is as its disposal says.

    A slot that was ever frozen is left out: it stays as it was while the others are wound down.
    """
    books = grid.books
    if books.state in _LETS_EXITS_OUT and grid.mark is not None and grid.wait_reason is None:
        for rule in drawn.risk.stops:
            if not isinstance(rule, StopLoss | TakeProfit):
                continue
            has_fallen = rule.basis is StopBasis.PRICE_FALLS and grid.mark <= rule.at
            has_risen = rule.basis is StopBasis.PRICE_RISES and grid.mark >= rule.at
            if has_fallen or has_risen:
                yield f"stop: the grid is {books.state} at {grid.mark} beyond its stop at {rule.at}"
    if books.state is not GridState.STOPPED or books.disposal in (None, Disposal.LEAVE):
        return
    frozen = {fact.slot for fact in _facts(world) if isinstance(fact, SlotFrozen)}
    thawed = [slot for slot in books.slots if slot.index not in frozen]
    orders = [slot.index for slot in thawed if order_of(slot) is not None]
    held = [slot.index for slot in thawed if lot_of(slot).quantity]
    if orders or (books.disposal is Disposal.FLATTEN and held):
        yield f"stop: after {books.disposal} there are orders of {orders} and lots in {held}"


def _senses(world: SimWorld, drawn: LimitsDraw, engine: Engine) -> Iterator[str]:
    """Who watches the market has seen its newest candle; the day's first total is never forgotten; and no slot
    was frozen, for nobody but the engine itself does anything to this account."""
    exchange = world.exchange
    assert isinstance(exchange, LimitWitness)
    if drawn.regime is not None:
        watched = engine._markets.regime_of(drawn.spec)
        seen = None if watched is None else watched.view(None).candle_ms
        heard = [begin for heard, begin in exchange.candles if heard >= exchange.lives[-1]]
        last_ms = max(exchange._venue._last_at_ms.values())
        closed_ms = last_ms - last_ms % drawn.regime.interval_ms - drawn.regime.interval_ms
        if seen is None or (heard and seen < max(heard)):
            yield f"regime: the newest candle that was told is of {max(heard, default=None)}, known is {seen}"
        elif not drawn.faults.stalls and not drawn.faults.disconnects and seen < closed_ms - drawn.regime.interval_ms:
            yield f"regime: the newest candle known is of {seen}, the market's is of {closed_ms}"
    for fact in _facts(world):
        if isinstance(fact, SlotFrozen) and fact.by == "engine":
            yield f"refused: slot {fact.slot} was frozen: {fact.reason}"
    yield from _days(world)


def _days(world: SimWorld) -> Iterator[str]:
    """The total with which a day began is set once, unless a person takes a loss off the count."""
    day, first = None, None
    is_lifted = False
    for fact in _facts(world):
        is_lifted |= getattr(fact, "reason", "").startswith("lifted") if hasattr(fact, "blocks") else False
        if isinstance(fact, RiskMarked):
            state = fact.state
            if day == state.day and first != state.day_start_total and not is_lifted:
                yield f"risk: the day began with {first}, and later with {state.day_start_total}"
            day, first = state.day, state.day_start_total
