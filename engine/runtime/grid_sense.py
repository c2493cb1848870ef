"""GridSense: what has to be known of market and risk before a grid decides, made true first and then decided on."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Protocol

from engine.core import ladder, shadow
from engine.core.grid_view import view_of
from engine.model.actions import QuietBand
from engine.model.events import Fact, GridStateChanged, RegimeChanged
from engine.model.grid import GridState
from engine.model.regime import EntryRule, RegimeEffect, RegimeName, RegimeView, ShadowView
from engine.runtime.bookkeeper import GridBookkeeper
from engine.runtime.clock import Clock
from engine.runtime.grid_guard import GridGuard

_UNWATCHED = RegimeChanged(
    name=RegimeName.UNKNOWN,
    since_ms=0,
    reasons=("no regime monitor is configured",),
    long_entries=EntryRule.ALL,
    short_entries=EntryRule.ALL,
)
_OVER = (GridState.STOPPING, GridState.STOPPED)


class RegimeSource(Protocol):
    """Who knows the kind of market."""

    def now(self) -> RegimeChanged:
        """The regime as it stands, with what it lets through; nothing while it is not fresh."""

    def view(self, shadow: ShadowView | None) -> RegimeView:
        """What a terminal sees."""


class GridSense:
    """One grid's regime, shadow ledger and risk. ``regime`` None: nobody watches this market."""

    def __init__(
        self, bookkeeper: GridBookkeeper, guard: GridGuard, *, clock: Clock, regime: RegimeSource | None
    ) -> None:
        self.guard = guard
        self._bookkeeper = bookkeeper
        self._books = bookkeeper.books
        self._clock = clock
        self._regime = regime

    @property
    def needs_newest_price(self) -> bool:
        """Whether a price that went by unseen would matter."""
        held = self._books.shadow
        return self.guard.is_active or bool(held.waiting or held.held)

    async def look(self, newest: Callable[[], Decimal]) -> Decimal:
        """Make true what the newest price and this moment bring, until it is durable; which price that was.

        The price is asked for anew whenever something was waited for: one from before a fill would invent profit.
        """
        while True:
            price = newest()
            if not self._facts(price):
                return price
            await self._bookkeeper.put_in_force(lambda: self._facts(newest()))

    def band_at(self, price: Decimal) -> QuietBand:
        """Where no price brings anything to make true."""
        return self.guard.band_at(price).and_in(shadow.quiet_band(self._books.shadow))

    def note_suppressed(self, price: Decimal) -> None:
        """After a decision: what the regime held back goes on in the shadow ledger."""
        books = self._books
        if books.regime is None:
            return
        entries = ladder.suppressed(view_of(books), price)
        if entries or books.shadow.waiting:
            books.shadow = shadow.suppress(books.shadow, entries)

    def regime_view(self, price: Decimal | None) -> RegimeView | None:
        """What a terminal sees of the regime; None: nobody watches it."""
        if self._regime is None:
            return None
        return self._regime.view(None if price is None else shadow.shadow_view(self._books.shadow, price))

    def _facts(self, price: Decimal) -> Sequence[Fact]:
        facts: list[Fact] = []
        start = self._books.spec.start
        if self._books.state is GridState.STARTING and start is not None and start.is_met(price):
            reason = f"the price of {price} has met the start trigger"
            facts.append(GridStateChanged(state=GridState.RUNNING, disposal=None, reason=reason, by="engine"))
        regime = self._regime_change()
        if regime is not None:
            facts.append(regime)
        # What a fill on its way to the disk makes of its slot is journalled before, and applied after, what is made
        # here: a restart folds in the order of the journal.
        settled = shadow.without(self._books.shadow, self._bookkeeper.manager.locks.held_slots())
        trades = shadow.trades_at(settled, price)
        if trades is not None:
            facts.append(trades)
        facts.extend(self.guard.facts_at(price, self._clock.now_ms()))
        if self._books.state in _OVER or any(
            isinstance(fact, GridStateChanged) and fact.state in _OVER for fact in facts
        ):
            held = settled if trades is None else shadow.book(settled, trades)
            facts.extend(filter(None, [shadow.end_at(held, price)]))
        return facts

    def _regime_change(self) -> RegimeChanged | None:
        before = self._books.regime
        after = _UNWATCHED if self._regime is None else self._regime.now()
        if before is None and self._regime is None:
            return None
        is_same = before is not None and before.name is after.name and _effect(before) == _effect(after)
        return None if is_same else after


def _effect(fact: RegimeChanged) -> RegimeEffect:
    return RegimeEffect(long_entries=fact.long_entries, short_entries=fact.short_entries)
