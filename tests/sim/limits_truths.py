"""What no opening may do, computed anew from the disk and from what the witness heard, without the risk gate.

Each truth is judged as of the decision of the order, and only if the order was really let go of:

* The grid is the fold of the records before the decision, without those that it names as unsettled. The
  orders of one decision are judged one upon the other, in their order. So exposure and open orders are exact:
  what is open, on its way or unanswered counts, and what the exchange filled without a word yet counts as resting.
* The price is the one that the intent names. It must have been told by then, and its age is that of the newest
  trade at this price told by then: nobody can have known it younger.
* Orders in a minute are orders that were let go of, by their decisions: an order that left later than it was
  decided on is counted by the engine for longer, never for shorter.
* A candle's age is that of the newest one told or answered in this life: nobody can have known a newer one.
* The lag of the journal is the age of the oldest record staged before the decision and not yet safe by then.
* Silence of the order stream is the age of the oldest intent without an answer in the fold.
* The floating loss, and the loss of the day on which the grid was opened, follow from fold and price;
  the peak is at least the highest total of the decisions before, and may be followed a step too late.
* The liquidation price is of the newest answer by then, which must be about the position that the fold has.
"""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from engine.core.books import GridBooks
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    DecisionNarrowed,
    GridOpened,
    GridStateChanged,
    LotSetAside,
    OrderIntended,
    Record,
    RegimeChanged,
    RiskMarked,
    ShadowChanged,
)
from engine.model.money import ONE, ZERO
from engine.model.order import Leg, Order, OrderStatus, Side
from engine.model.risk import Limits, RiskSettings, StopBasis, StopLoss, TakeProfit, TrailingTakeProfit
from engine.model.slot import Entering, lot_of, order_of
from engine.model.swap import Position
from tests.sim.limits_draw import DAY_MS, LimitsDraw
from tests.sim.limits_witness import LimitWitness, opens, rule_of

_STEP = Decimal("0.02")
"""How far a followed peak may be behind, in parts of its limit."""
_MINUTE_MS = 60_000
_UNANSWERED = (OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.UNKNOWN)
_IN_FORCE = GridStateChanged | RegimeChanged | BlocksChanged | RiskMarked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What an intent was decided on."""

    record: Record
    intent: OrderIntended
    books: GridBooks
    """Before the intent; changes with the next one."""
    peak: Decimal
    has_lifted: bool
    """A person has said that losses so far do not count."""


def forbidden(drawn: LimitsDraw, witness: LimitWitness) -> list[str]:
    """Everything that was sent and must not have been, in the order of the decisions."""
    problems: list[str] = []
    recent: list[int] = []
    for found in _intents(witness):
        name = found.intent.client_order_id
        if name not in witness.sent:
            continue
        recent.append(found.record.at_ms)
        judge = _Judge(drawn, witness, found, recent)
        said = judge.of_entry() if found.intent.leg is Leg.ENTRY else judge.of_closing()
        problems += [f"gate: {name} at {found.record.at_ms}: {problem}" for problem in said]
    return problems


def _intents(witness: LimitWitness) -> Iterator[_Found]:
    """Every intent of a decision, with the books as they were before it."""
    books: GridBooks | None = None
    waiting: deque[Record] = deque()
    narrowed: tuple[int, ...] = ()
    decision: tuple[int, Decimal] | None = None
    peak, has_lifted = ZERO, False
    for record in witness.disk.records:
        fact = record.fact
        if isinstance(fact, GridOpened):
            books = GridBooks(fact, record.at_ms)
            continue
        assert books is not None
        if isinstance(fact, OrderIntended | CancelRequested | LotSetAside) and fact.price_seen:
            # Of a slot with something on its way nothing is decided: then this is another decision at the same price.
            is_settled_since = any(getattr(one.fact, "slot", None) == fact.slot for one in waiting)
            if decision != (record.at_ms, fact.price_seen) or is_settled_since:
                decision = record.at_ms, fact.price_seen
                waiting = _settle(books, waiting, narrowed)
                narrowed = ()
                peak = max(peak, books.ledger.cash + books.ledger.base * fact.price_seen)
            if isinstance(fact, OrderIntended):
                yield _Found(record=record, intent=fact, books=books, peak=peak, has_lifted=has_lifted)
            books.apply(fact, record.at_ms)
            continue
        decision = None
        if isinstance(fact, DecisionNarrowed):
            narrowed = fact.unsettled
        elif isinstance(fact, _IN_FORCE):
            has_lifted |= isinstance(fact, BlocksChanged) and fact.reason.startswith("lifted")
            books.apply(fact, record.at_ms)
        elif not isinstance(fact, ShadowChanged):
            waiting.append(record)


def _settle(books: GridBooks, waiting: deque[Record], unsettled: tuple[int, ...]) -> deque[Record]:
    left: deque[Record] = deque()
    for record in waiting:
        if record.sequence in unsettled:
            left.append(record)
        else:
            books.apply(record.fact, record.at_ms)
    return left


class _Judge:
    """One order that was sent, against everything that was known when it was decided on."""

    def __init__(self, drawn: LimitsDraw, witness: LimitWitness, found: _Found, recent: list[int]) -> None:
        self._drawn = drawn
        self._risk: RiskSettings = drawn.risk
        self._limits: Limits = drawn.risk.limits
        self._witness = witness
        self._found = found
        self._books = found.books
        self._intent = found.intent
        self._price = found.intent.price_seen
        self._at_ms = found.record.at_ms
        self._recent = recent
        lives = witness.lives
        self._life_ms = lives[max(bisect_right(lives, self._at_ms) - 1, 0)]

    def of_closing(self) -> Iterator[str]:
        """On a swap what makes the position smaller must not be able to turn it around."""
        if self._drawn.market.swap is None:
            return
        held = self._books.ledger.base
        reducible = held if self._intent.side is Side.SELL else -held
        is_reduce_only = self._witness.sent[self._intent.client_order_id].request.reduce_only
        if self._intent.amount <= reducible and not is_reduce_only:
            yield f"{self._intent.leg} of {self._intent.amount} of a position of {held} is not reduce-only"

    def of_entry(self) -> Iterator[str]:
        """Everything that must not be."""
        yield from self._standing()
        yield from self._of_size()
        yield from self._of_ages()
        yield from self._of_losses()
        yield from self._of_stops()
        yield from self._of_liquidation()

    def _standing(self) -> Iterator[str]:
        books, slot = self._books, self._books.slots[self._intent.slot]
        if books.blocks:
            yield f"openings are blocked: {', '.join(block.kind for block in books.blocks)}"
        rule = rule_of(books.regime, slot.entry_side)
        if not opens(rule, slot.index):
            yield f"the regime lets {rule} of the {slot.entry_side} entries open"
        if self._drawn.regime is not None and books.regime is None:
            yield "the kind of market was never asked for"
        start = self._drawn.spec.start
        heard = [told for told in self._witness.told if told.heard_ms <= self._at_ms]
        if start is not None and not any(start.is_met(told.price) for told in heard):
            yield f"no price at or {start.side} {start.price} was ever told"

    def _of_size(self) -> Iterator[str]:
        intent, limits, books = self._intent, self._limits, self._books
        notional = intent.price * intent.amount
        if limits.order_notional_max is not None and notional > limits.order_notional_max:
            yield f"it is worth {notional}, the limit is {limits.order_notional_max}"
        exposure = notional + abs(books.ledger.dust.cost_quote)
        for slot in books.slots:
            exposure += abs(lot_of(slot).cost_quote)
            if isinstance(slot.state, Entering):
                order = slot.state.order
                exposure += (order.amount - order.filled) * order.price
        if limits.exposure_quote_max is not None and exposure > limits.exposure_quote_max:
            yield f"the exposure becomes {exposure}, the limit is {limits.exposure_quote_max}"
        orders = 1 + len(books.slot_of_order)
        if limits.open_orders_max is not None and orders > limits.open_orders_max:
            yield f"it is the {orders}th open order, the limit is {limits.open_orders_max}"
        rate = sum(self._at_ms - _MINUTE_MS < at_ms for at_ms in self._recent)
        if limits.orders_per_minute_max is not None and rate > limits.orders_per_minute_max:
            yield f"it is the {rate}th order in a minute, the limit is {limits.orders_per_minute_max}"
        if limits.price_band is not None:
            market = books.market
            if intent.side is Side.BUY and intent.price > market.ceil_price(self._price * (ONE + limits.price_band)):
                yield f"it buys at {intent.price}, the market is at {self._price}"
            if intent.side is Side.SELL and intent.price < market.floor_price(self._price * (ONE - limits.price_band)):
                yield f"it sells at {intent.price}, the market is at {self._price}"

    def _of_ages(self) -> Iterator[str]:
        limits = self._limits
        told = [one for one in self._witness.told if self._life_ms <= one.heard_ms <= self._at_ms]
        at_price = [one.at_ms for one in told if one.price == self._price]
        if not at_price:
            yield f"it was decided on at a price of {self._price} that was never told"
        elif _is_over(self._at_ms - max(at_price), limits.price_stale_seconds):
            yield f"its price is {self._at_ms - max(at_price)} ms old, the limit is {limits.price_stale_seconds} s"
        yield from self._of_candles()
        since = [order.created_ms for order in self._orders() if order.status in _UNANSWERED]
        if since and _is_over(self._at_ms - min(since), limits.reports_stale_seconds):
            yield f"an order has no answer for {self._at_ms - min(since)} ms"
        unsafe = self._oldest_unsafe_ms()
        if unsafe is not None and _is_over(self._at_ms - unsafe, limits.journal_lag_seconds_max):
            yield f"the disk is {self._at_ms - unsafe} ms behind, the limit is {limits.journal_lag_seconds_max} s"

    def _of_candles(self) -> Iterator[str]:
        regime = self._drawn.regime
        if regime is None:
            return
        opened = [begin for heard, begin in self._witness.candles if self._life_ms <= heard <= self._at_ms]
        overdue = None if not opened else self._at_ms - max(opened) - 2 * regime.interval_ms
        if overdue is None or overdue > regime.stale_after_ms:
            yield f"the newest candle is {overdue} ms overdue, it counts as fresh for {regime.stale_after_ms}"
        elif _is_over(overdue, self._limits.candles_stale_seconds):
            yield f"the newest candle is {overdue} ms overdue, the limit is {self._limits.candles_stale_seconds} s"

    def _of_losses(self) -> Iterator[str]:
        limits, ledger = self._limits, self._books.ledger
        total = ledger.cash + ledger.base * self._price
        cost = sum((lot.cost_quote for lot in self._books.lots()), ledger.dust.cost_quote)
        floating = cost - ledger.base * self._price
        if limits.floating_loss_max is not None and floating >= limits.floating_loss_max:
            yield f"the floating loss is {floating}, the limit is {limits.floating_loss_max}"
        if self._found.has_lifted:
            return
        is_first_day = self._at_ms // DAY_MS == self._books.opened_ms // DAY_MS
        if limits.daily_loss_max is not None and is_first_day and -total >= limits.daily_loss_max:
            yield f"the loss of the day is {-total}, the limit is {limits.daily_loss_max}"
        if limits.drawdown_max is not None and self._found.peak - total >= limits.drawdown_max * (1 + _STEP):
            yield f"the total has come from {self._found.peak} to {total}, the limit is {limits.drawdown_max}"

    def _of_stops(self) -> Iterator[str]:
        for rule in self._risk.stops:
            match rule:
                case StopLoss() | TakeProfit() if rule.basis is StopBasis.PRICE_FALLS and self._price <= rule.at:
                    yield f"the price of {self._price} has fallen to the stop at {rule.at}"
                case StopLoss() | TakeProfit() if rule.basis is StopBasis.PRICE_RISES and self._price >= rule.at:
                    yield f"the price of {self._price} has risen to the stop at {rule.at}"
                case StopLoss() | TakeProfit() | TrailingTakeProfit():
                    pass  # a fill between the look at the stop and the decision may move a total

    def _of_liquidation(self) -> Iterator[str]:
        least = self._limits.liquidation_distance_min
        if least is None or not self._books.ledger.base:
            return
        answers = [(at, one) for at, one in self._witness.positions if self._life_ms <= at <= self._at_ms]
        newest = max((at for at, _ in answers), default=None)
        if not any(at == newest and self._is_far(position, least) for at, position in answers):
            yield f"the liquidation price is not known to be {least} away: {answers[-1:]}"

    def _is_far(self, position: Position | None, least: Decimal) -> bool:
        """The answer must be about what the grid holds; then none is a position that no price ends."""
        if position is None or position.amount != self._books.ledger.base:
            return False
        at = position.liquidation_price
        return at is None or abs(self._price - at) >= least * self._price

    def _orders(self) -> Iterator[Order]:
        return (order for slot in self._books.live_slots() if (order := order_of(slot)) is not None)

    def _oldest_unsafe_ms(self) -> int | None:
        """When the oldest record was staged that stood before this one and was safe only after the decision."""
        safe_ms, records = self._witness.disk.safe_ms, self._witness.disk.records
        oldest = None
        for index in range(self._found.record.sequence - 2, -1, -1):
            record = records[index]
            if record.at_ms < self._at_ms - 120_000:
                break
            if safe_ms[record.sequence] > self._at_ms and record.at_ms < self._at_ms:
                oldest = record.at_ms
        return oldest


def _is_over(age_ms: int, limit_seconds: Decimal | None) -> bool:
    return limit_seconds is not None and age_ms >= limit_seconds * 1000
