"""GridGuard: the risk of one grid, looked at before every decision.

Which causes are there is decided in ``core``; here stands what only a running engine knows: ages, rates,
the newest position. What is remembered, every block and every stop, is a fact of the journal.
"""

from collections.abc import Callable, Collection, Sequence
from decimal import Decimal

from engine.core import breakers, stops
from engine.core.books import GridBooks
from engine.core.edit_hindrance import why_not_edited, why_nothing_enters
from engine.core.editing import EditTerms
from engine.core.risk import Evidence, Refused, assess_all, exposure_of, limit_views
from engine.core.stops import DAY_MS, Losses
from engine.model.actions import Action, QuietBand
from engine.model.events import BlocksChanged, Fact, GridStateChanged, RiskMarked
from engine.model.grid import GridState
from engine.model.money import ZERO
from engine.model.order import OrderStatus
from engine.model.risk import (
    Block,
    BreakerKind,
    LimitName,
    Limits,
    RiskSettings,
    Trip,
)
from engine.model.risk_view import RiskView
from engine.model.slot import order_of
from engine.model.swap import Position
from engine.model.words import cause_text, words_of
from engine.runtime.rate_budget import ORDERS_PER_MINUTE

BY_RISK = "risk"
RETRY_MS = 5_000
"""How soon a decision is made again of which the gate refused a part for reasons that time may cure."""
_MINUTE_MS = 60_000
_ACTIVE = (GridState.RUNNING, GridState.PAUSED, GridState.EXITS_ONLY)
_OUTSIDE_KINDS = frozenset((BreakerKind.MARKET_PANIC, BreakerKind.LEADERS_UNSEEN))
_PRICE_KINDS = frozenset(BreakerKind) - _OUTSIDE_KINDS
_UNANSWERED = frozenset((OrderStatus.INTENT, OrderStatus.SENT, OrderStatus.UNKNOWN))
_INFINITY = Decimal("Infinity")
_EVERYTHING = QuietBand(Decimal(0), _INFINITY)
_NO_LIMITS = Limits()
_OF_TIME = frozenset(
    (
        LimitName.PRICE_AGE,
        LimitName.REPORTS_AGE,
        LimitName.CANDLES_AGE,
        LimitName.JOURNAL_LAG,
        LimitName.LIQUIDATION_DISTANCE,
    )
)


class GridGuard:
    """``panic_trips`` are what the market's leaders say now; ``candles_age_ms`` None: nobody watches candles.

    ``position`` is the swap position as of when somebody last asked.
    """

    def __init__(
        self,
        books: GridBooks,
        settings: RiskSettings,
        *,
        panic_trips: Callable[[], tuple[Trip, ...]] = tuple,
        candles_age_ms: Callable[[int], int | None] = lambda _: None,
        journal_lag_ms: Callable[[int], int | None] = lambda _: 0,
        position: Callable[[], Position | None] = lambda: None,
        orders_per_minute: int = ORDERS_PER_MINUTE,
    ) -> None:
        self.settings = settings
        self.refusals: tuple[str, ...] = ()
        """What the gate refused at the newest decision."""
        self._is_curable = False
        self._books = books
        self._panic_trips = panic_trips
        self._candles_age_ms = candles_age_ms
        self._journal_lag_ms = journal_lag_ms
        self._position = position
        self._orders_per_minute = orders_per_minute

    @property
    def position(self) -> Position | None:
        """The swap position as of when somebody last asked."""
        return self._position()

    @property
    def is_position_old(self) -> bool:
        """Whether the grid holds another position than the exchange has last told of."""
        told = self._position()
        return self._books.market.swap is not None and self._books.ledger.base != (
            ZERO if told is None else told.amount
        )

    @property
    def is_active(self) -> bool:
        """Whether anything is limited, stopped or blocked at all."""
        settings = self.settings
        is_limited = settings.limits != _NO_LIMITS or bool(settings.stops) or settings.panic is not None
        return is_limited or bool(self._books.blocks)

    def edit_terms(self) -> EditTerms:
        """What an edited grid is judged by, and what its state, its blocks and its market mean for it."""
        books, position = self._books, None if self.is_position_old else self.position
        return EditTerms(
            limits=self.settings.limits,
            stops=self.settings.stops,
            requests_per_minute=self._orders_per_minute,
            hindrance=why_not_edited(books.state, books.state_reason),
            waits_for=why_nothing_enters(books),
            liquidation_price=None if position is None else position.liquidation_price,
        )

    def facts_at(self, price: Decimal, now_ms: int) -> list[Fact]:
        """What a price and a moment make true: what is remembered, blocks raised and ended, the grid stopped."""
        books = self._books
        if not self.is_active:
            return []
        if books.state not in _ACTIVE:
            return self._blocks_after(self._panic_trips(), now_ms, unknown=_PRICE_KINDS)
        facts: list[Fact] = []
        position = stops.position_of(books.ledger, books.lots(), books.market.quote)
        state = stops.advance(self.settings, books.risk_state, position, price, now_ms)
        if state != books.risk_state:
            facts.append(RiskMarked(state=state))
        trips = (*stops.trips_at(self.settings, state, position, price), *self._panic_trips())
        facts.extend(self._blocks_after(trips, now_ms, unknown=frozenset()))
        stop = next((trip for trip in trips if trip.disposal is not None), None)
        if stop is not None:
            stopping = GridState.STOPPING
            facts.append(GridStateChanged(state=stopping, disposal=stop.disposal, reason=stop.reason, by=BY_RISK))
        return facts

    def band_at(self, price: Decimal) -> QuietBand:
        """Where no price brings a new fact."""
        books = self._books
        if not self.is_active or books.state not in _ACTIVE:
            return _EVERYTHING
        position = stops.position_of(books.ledger, books.lots(), books.market.quote)
        return stops.trigger_band(self.settings, books.risk_state, position, price)

    def due_ms(self, now_ms: int) -> int | None:
        """When to look again though nothing happens; None: never."""
        due = [now_ms + RETRY_MS] if self._is_curable else []
        end_ms = breakers.next_end_ms(self._books.blocks, now_ms)
        if end_ms is not None:
            due.append(end_ms)
        if self.settings.limits.daily_loss_max is not None:
            due.append((now_ms // DAY_MS + 1) * DAY_MS)
        return min(due, default=None)

    def refused(self, actions: Sequence[Action], price: Decimal, price_at_ms: int, now_ms: int) -> Collection[int]:
        """The gate: the slots whose action must not be, each with its reason kept for the screen."""
        evidence = self._evidence(price, price_at_ms, now_ms)
        slots, reasons = set(), []
        for action, verdict in assess_all(actions, self.settings.limits, evidence):
            if isinstance(verdict, Refused):
                slots.add(action.slot)
                reasons.append(f"slot {action.slot}: {verdict.reason}")
        self.refusals = tuple(reasons)
        self._is_curable = bool(reasons) and self._may_time_cure(evidence)
        return slots

    def pressed(self, by: str, now_ms: int) -> list[Fact]:
        """What the panic key makes true."""
        return self._blocks_after((breakers.panic_key(by),), now_ms, unknown=frozenset(BreakerKind), by=by)

    def lifted(self, kind: BreakerKind, price: Decimal, by: str) -> list[Fact]:
        """What a person lifting a block makes true. Raises ``CommandRefused``."""
        books = self._books
        blocks = breakers.lift(books.blocks, kind)
        position = stops.position_of(books.ledger, books.lots(), books.market.quote)
        state = stops.start_anew(books.risk_state, kind, position, price)
        facts: list[Fact] = [BlocksChanged(blocks=blocks, reason=f"lifted: {words_of(kind)}", by=by)]
        return [*facts, RiskMarked(state=state)] if state != books.risk_state else facts

    def view(self, price: Decimal | None, price_at_ms: int, now_ms: int) -> RiskView:
        """What a terminal sees."""
        if not self.is_active:
            return RiskView()
        limits = limit_views(self.settings.limits, self._evidence(price, price_at_ms, now_ms))
        books = self._books
        position = stops.position_of(books.ledger, books.lots(), books.market.quote)
        stop_views = stops.stops_now(self.settings, books.risk_state, position)
        return RiskView(limits=limits, stops=stop_views, blocks=books.blocks, refusals=self.refusals)

    def _may_time_cure(self, evidence: Evidence) -> bool:
        """Whether what is refused now may be allowed later though neither a fill nor a price outside the band comes."""
        limits = self.settings.limits
        if limits.orders_per_minute_max is not None or limits.price_band is not None:
            return True
        return any(view.is_blocking and view.name in _OF_TIME for view in limit_views(limits, evidence))

    def _blocks_after(
        self, trips: Sequence[Trip], now_ms: int, *, unknown: Collection[BreakerKind], by: str = BY_RISK
    ) -> list[Fact]:
        before = self._books.blocks
        after = breakers.next_blocks(self.settings, before, trips, now_ms, unknown)
        if after == before:
            return []
        return [BlocksChanged(blocks=after, reason=_change_in_words(before, after), by=by)]

    def _losses(self, price: Decimal | None) -> Losses | None:
        if price is None:
            return None
        books = self._books
        position = stops.position_of(books.ledger, books.lots(), books.market.quote)
        return stops.losses_at(books.risk_state, position, price)

    def _evidence(self, price: Decimal | None, price_at_ms: int, now_ms: int) -> Evidence:
        books = self._books
        position = None if self.is_position_old else self.position
        cost, resting = exposure_of(books.slots, books.ledger.dust)
        return Evidence(
            market=books.market,
            slots=books.slots,
            mark=price,
            inventory_cost=cost,
            resting_quote=resting,
            open_orders=len(books.slot_of_order),
            orders_last_minute=books.intended_since(now_ms - _MINUTE_MS),
            losses=self._losses(price),
            price_age_ms=None if price is None else max(0, now_ms - price_at_ms),
            reports_age_ms=self._reports_age_ms(now_ms),
            candles_age_ms=self._candles_age_ms(now_ms),
            journal_lag_ms=self._journal_lag_ms(now_ms),
            blocks=books.blocks,
            can_be_liquidated=self._can_be_liquidated,
            liquidation_price=None if position is None else position.liquidation_price,
        )

    @property
    def _can_be_liquidated(self) -> bool:
        """Whether a price may end the position; what the exchange said of another position says nothing of this one."""
        held, told = self._books.ledger.base, self.position
        if self._books.market.swap is None or not held:
            return False
        return told is None or told.amount != held or told.liquidation_price is not None

    def _reports_age_ms(self, now_ms: int) -> int:
        """How long the answer to the oldest order without one is overdue."""
        since = [now_ms]
        for slot in self._books.live_slots():
            order = order_of(slot)
            if order is not None and order.status in _UNANSWERED:
                since.append(order.created_ms)
        return now_ms - min(since)


def _change_in_words(before: Sequence[Block], after: Sequence[Block]) -> str:
    raised = [cause_text(block.kind, block.reason) for block in after if block not in before]
    kinds = {block.kind for block in after}
    ended = [f"over: {words_of(block.kind)}" for block in before if block.kind not in kinds]
    return "; ".join([*raised, *ended])
