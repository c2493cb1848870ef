"""The reconciler: compares journal, memory and exchange, and corrects the books or asks.

At start, after every gap of the streams, from time to time and on demand; never skipped for any
state of a grid. Evidence is fenced: whatever was touched since it was gathered is left for the
next pass. What is found twice alike, ``CONFIRM_SECONDS`` apart, is resolved by the policy.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import anyio

from engine.core import reconcile
from engine.core.books import GridBooks
from engine.core.purse import own_base
from engine.core.reconcile import AccountEvidence, GridEvidence, holding_key
from engine.exchange.port import Exchange
from engine.model.errors import CommandRefused
from engine.model.events import HoldingNoted, MarketAdopted
from engine.model.grid import GridState
from engine.model.market import is_swap
from engine.model.money import ZERO
from engine.model.order import Order
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Policy, Resolution
from engine.model.slot import Slot, order_of
from engine.model.swap import Position
from engine.runtime.account_view import answered, look_at_orders
from engine.runtime.clock import Clock
from engine.runtime.findings import Findings
from engine.runtime.holdings import (
    Holdings,
    ReconciledGrid,
    are_same,
    ledgers_of,
    look_at_holdings,
    owner_of,
)
from engine.runtime.journal import Journal
from engine.runtime.mirror import JournalMirror, MemoryPhoto
from engine.runtime.tally import Tally

CONFIRM_SECONDS = 5.0
"""How long after a first finding the second look is taken."""
PASSES_MAX = 6
"""Looks in a row that correct nothing before what keeps changing is left for the next time."""
_LONGEST_CHAIN = 8
"""Bounds the looks at what is corrected again and again, as multiples of ``PASSES_MAX``."""
_STRAYS = frozenset((DiscrepancyKind.ORPHAN_ORDER, DiscrepancyKind.DUPLICATE_ORDER))
_CHANGES_NOTHING = frozenset((Resolution.KEEP, Resolution.QUERY))
_FILLS_OVERLAP_MS = 300_000
"""How far back executions are looked for again: an exchange may tell of one long after its time."""
_FUNDING_LOOK_BACK_MS = 7 * 86_400_000
_FIRST_OVERLAP_MS = 900_000
"""How much further back than its opening a grid's first executions are looked for: clocks differ."""


class Reconciler:
    """One per engine. ``caught_up`` is called after every whole pass that left no doubts, with what it did;
    ``saw_positions`` hears what every pass is told of swaps."""

    def __init__(
        self,
        *,
        exchange: Exchange,
        clock: Clock,
        journal: Journal,
        mirror: JournalMirror,
        policy: Policy,
        caught_up: Callable[[Tally], None],
        saw_positions: Callable[[Mapping[str, Position]], None] = lambda _: None,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._journal = journal
        self._mirror = mirror
        self._policy = policy
        self._caught_up = caught_up
        self._saw_positions = saw_positions
        self._grids: dict[str, list[ReconciledGrid]] = {}
        self._findings = Findings()
        self._since_ms: dict[str, int] = {}
        self._beside_before: dict[str, Decimal] = {}
        self._strays: set[str] = set()
        """Orders of ours once found outside of the books: whatever is decided, no other engine placed them."""
        self._wanted = anyio.Event()
        self._next_done = anyio.Event()
        self._has_ended = False
        self.last = Tally()

    def add(self, grid: ReconciledGrid) -> None:
        """Look after a grid from now on."""
        self._grids.setdefault(grid.coordinator.books.spec.symbol, []).append(grid)

    def wake(self) -> None:
        """Compare as soon as possible."""
        self._wanted.set()

    async def now(self) -> Tally | None:
        """Compare as soon as possible, and say what came of it; None: it has ended before that."""
        done = self._next_done
        self.wake()
        await done.wait()
        return None if self._has_ended else self.last

    async def at_start(self) -> None:
        """Compare before anything trades; records that the journal has lost are taken from the exchange."""
        await self._until_sure(at_start=True)

    async def run(self, period_seconds: float) -> None:
        """Compare whenever it is wanted, and every ``period_seconds``; 0: only when it is wanted."""
        done = self._next_done
        try:
            while True:
                if self.last.has_doubts:
                    self.wake()
                    await anyio.sleep(CONFIRM_SECONDS)
                with anyio.move_on_after(period_seconds or None):
                    await self._wanted.wait()
                self._wanted = anyio.Event()
                done, self._next_done = self._next_done, anyio.Event()
                await self._until_sure(at_start=False)
                done.set()
        finally:
            self._has_ended = True
            done.set()
            self._next_done.set()

    async def _until_sure(self, *, at_start: bool) -> None:
        total, passes, in_vain = Tally(), 0, 0
        # Every correction may bring the next one to light: of a chain of lost orders, one is taken up at a time.
        while in_vain < PASSES_MAX and passes < _LONGEST_CHAIN * PASSES_MAX:
            if passes:
                await anyio.sleep(CONFIRM_SECONDS)
            tally = await self._pass(at_start=at_start)
            passes, in_vain = passes + 1, 0 if tally.corrected else in_vain + 1
            total = replace(
                total.plus(tally), orders=tally.orders, has_doubts=tally.has_doubts, has_moved=tally.has_moved
            )
            if not tally.has_doubts and not tally.has_moved and not tally.corrected:
                break
        self.last = total
        # Whoever wants another look has seen something, such as the end of a gap, that this one may have begun before.
        if not total.has_doubts and not self._wanted.is_set():
            self._caught_up(total)

    async def _pass(self, *, at_start: bool) -> Tally:
        """Look at everything once."""
        self._findings.begin_pass()
        total = Tally()
        seen: dict[str, AccountEvidence] = {}
        # Before the orders: what was executed until then is either booked by the end of the pass or found there.
        holdings = await look_at_holdings(self._exchange, self._grids)
        if any(map(is_swap, holdings.grids)):
            self._saw_positions(holdings.positions)
        for symbol, grids in self._grids.items():
            await self._hear_of_swaps(symbol, grids)
            head = self._journal.head[0]
            photos = {grid.name: MemoryPhoto(grid.coordinator.bookkeeper, head) for grid in grids}
            evidence = seen[symbol] = await self._look(symbol, grids)
            await self._check_memory(grids, photos)
            for grid in grids:
                grid.coordinator.foreign_orders = reconcile.foreign_orders(evidence)
                total = total.plus(await self._compare_orders(grid, photos[grid.name], evidence, at_start=at_start))
            if at_start:
                total = total.plus(await self._compare_market(symbol, grids))
        compared, tally = await self._compare_holdings(holdings)
        total = total.plus(tally)
        await self._withdraw_settled_questions(seen, compared, with_market=at_start)
        if not (total.has_doubts or total.has_moved or total.corrected):
            for symbol, evidence in seen.items():
                self._since_ms[symbol] = max(self._since_ms[symbol], evidence.newest_fill_ms - _FILLS_OVERLAP_MS)
        return total

    async def _hear_of_swaps(self, symbol: str, grids: Sequence[ReconciledGrid]) -> None:
        """Funding and liquidations that nobody listened to; what is booked already is not booked again."""
        if not is_swap(symbol):
            return
        since_ms = self._clock.now_ms() - _FUNDING_LOOK_BACK_MS
        payments = await answered(lambda: self._exchange.fetch_funding(symbol, since_ms))
        liquidations = await answered(lambda: self._exchange.fetch_liquidations(symbol, since_ms))
        for grid in grids:
            for payment in payments:
                grid.coordinator.on_funding(payment)
            for liquidation in liquidations:
                grid.coordinator.on_liquidation(liquidation)

    async def _look(self, symbol: str, grids: Sequence[ReconciledGrid]) -> AccountEvidence:
        books = [grid.coordinator.books for grid in grids]
        own = [order for each in books for order in _live_orders(each.slots)]
        since_ms = self._since_ms.setdefault(symbol, min(each.last_fill_ms for each in books) - _FIRST_OVERLAP_MS)
        return await look_at_orders(
            self._exchange,
            self._clock,
            symbol=symbol,
            own=own,
            strays=[name for each in books for name in _orders_asked_about(each)],
            since_ms=since_ms,
            is_known=lambda own_fill: any(each.has_booked(own_fill) for each in books),
        )

    async def _check_memory(self, grids: Sequence[ReconciledGrid], photos: Mapping[str, MemoryPhoto]) -> None:
        """Memory against journal, up to where the photos were taken."""
        for grid in grids:
            photo = photos[grid.name]
            if self._journal.durable < photo.through:
                continue  # a slow disk: the next pass will see it
            await self._mirror.catch_up(photo.through)
            photo.check(self._mirror, grid.name)

    async def _compare_orders(
        self, grid: ReconciledGrid, photo: MemoryPhoto, evidence: AccountEvidence, *, at_start: bool
    ) -> Tally:
        books = grid.coordinator.books
        found = reconcile.compare_orders(
            GridEvidence(
                number=books.number,
                instance=self._journal.identity.instance,
                slots=photo.slots,
                journal_slots=self._mirror.books(grid.name).slots,
                filled_of_closed=books.closed.filled,
                trades_of_closed=books.closed.trades,
                known_grids=self._mirror.numbers(),
                expects_lost_records=at_start,
                strays_known=_strays_asked_about(books) | self._strays,
            ),
            evidence,
        )
        self._strays.update(each.client_order_id for each in found if each.kind in _STRAYS)
        tally = Tally(orders=len(evidence.open_orders))
        for discrepancy in found:
            if discrepancy.kind is DiscrepancyKind.UNKNOWN_OUTCOME and discrepancy.report is not None:
                grid.coordinator.on_report(discrepancy.report)
                continue
            if discrepancy.kind is DiscrepancyKind.SECOND_INSTANCE and _is_booked(books, discrepancy.client_order_id):
                continue  # it was placed since the photo was taken
            tally = tally.plus(await self._resolve(grid, discrepancy, _fence(grid, photo, discrepancy)))
        return tally

    async def _compare_market(self, symbol: str, grids: Sequence[ReconciledGrid]) -> Tally:
        told = await answered(lambda: self._exchange.fetch_market(symbol))
        tally = Tally()
        for grid in grids:
            books = grid.coordinator.books
            found = reconcile.compare_market(books.market, told, books.lattice)
            if found is not None:
                tally = tally.plus(await self._resolve(grid, found, lambda: True))
            elif books.market != told:
                await grid.control.take_note(MarketAdopted(market=told))
        return tally

    async def _compare_holdings(self, seen: Holdings) -> tuple[frozenset[str], Tally]:
        """Every currency and position: what the account has, and what the lots of all grids add up to; and which
        of them could be compared."""
        tally = Tally()
        compared: set[str] = set()
        for key, grids in seen.grids.items():
            if seen.has_moved(key) or any(grid.coordinator.swaps.has_news for grid in grids):
                tally = tally.plus(Tally(has_moved=True))
                continue
            if any(self._findings.has_order_of(grid.name) for grid in grids):
                continue  # what the orders still have to tell explains the holding
            tally = tally.plus(await self._compare_holding(key, grids, seen.amount(key)))
            compared.add(key)
        return frozenset(compared), tally

    async def _compare_holding(self, key: str, grids: Sequence[ReconciledGrid], total: Decimal) -> Tally:
        names = {grid.name for grid in grids}
        held = sum((own_base(grid.coordinator.books) for grid in grids), ZERO)
        held += self._mirror.base_of_others(key, names)
        held += sum((_told_and_not_booked(grid.coordinator.books) for grid in grids), ZERO)
        grid = grids[0]
        books = grid.coordinator.books
        found = reconcile.compare_holding(books.market.kind, total=total, held=held, noted=books.beside)
        beside = total - held
        if found is not None:
            grid = owner_of(found, grids)
            ledgers = ledgers_of(grids)
            tally = await self._resolve(grid, found, lambda: are_same(ledgers_of(grids), ledgers))
            # Base that comes and goes beside the lots is looked at again, and holds nobody back.
            is_over = tally.has_doubts and found.kind is DiscrepancyKind.HOLDING_OVER
            return replace(tally, has_doubts=False, has_moved=True) if is_over else tally
        is_confirmed = books.beside is None or self._beside_before.get(key) == beside
        self._beside_before[key] = beside
        if books.beside != beside and is_confirmed:
            await grid.control.take_note(HoldingNoted(beside=beside))
        return Tally()

    async def _resolve(self, grid: ReconciledGrid, found: Discrepancy, is_current: Callable[[], bool]) -> Tally:
        """Act on a finding that was made twice alike; remember one that was made for the first time."""
        books = grid.coordinator.books
        asked = self._findings.question_about(books.questions, grid.name, found)
        if asked is not None or reconcile.is_kept(found, [*books.kept, *books.halted_over]):
            return Tally()
        if not self._findings.is_confirmed(grid.name, found):
            return Tally(has_doubts=True)
        way = reconcile.automatic_resolution(found, self._policy, books.market.kind)
        if way in _CHANGES_NOTHING and not self._findings.is_new(grid.name, found, way):
            return Tally()
        if way is Resolution.HALT and books.state is GridState.HALTED:
            return Tally()
        if way is None:
            is_asked = await grid.control.ask(found, is_current=is_current)
            return Tally(asked=int(is_asked), has_doubts=not is_asked)
        done = await grid.control.correct(found, way, is_current=is_current)
        return Tally(corrected=int(done), has_doubts=not done)

    async def _withdraw_settled_questions(
        self, seen: Mapping[str, AccountEvidence], compared: Collection[str], *, with_market: bool
    ) -> None:
        """Close the questions whose cause this pass has looked for and not found."""
        for symbol, grids in self._grids.items():
            for grid in grids:
                for name, question in list(grid.coordinator.books.questions.items()):
                    found = question.found.discrepancy
                    if self._findings.was_found(grid.name, found):
                        continue
                    is_looked_for = reconcile.was_looked_for(
                        found,
                        seen[symbol],
                        is_live=found.client_order_id in grid.coordinator.books.slot_of_order,
                        with_holding=holding_key(grid.coordinator.books.market) in compared,
                        with_market=with_market,
                    )
                    if is_looked_for:
                        with suppress(CommandRefused):
                            await grid.control.withdraw(name)


def _is_booked(books: GridBooks, client_order_id: str) -> bool:
    return client_order_id in books.slot_of_order or client_order_id in books.closed.filled


def _strays_asked_about(books: GridBooks) -> frozenset[str]:
    """The orders outside of the books that a person is asked about."""
    found = (question.found.discrepancy for question in books.questions.values())
    return frozenset(each.client_order_id for each in found if each.kind in _STRAYS)


def _orders_asked_about(books: GridBooks) -> frozenset[str]:
    """The orders without a slot that a person is asked about, whatever is asked."""
    names = {question.found.discrepancy.client_order_id for question in books.questions.values()}
    return frozenset(name for name in names if name in books.closed.filled) | _strays_asked_about(books)


def _told_and_not_booked(books: GridBooks) -> Decimal:
    """What the orders in question have moved on the account: no second question is about that."""
    found = (question.found.discrepancy for question in books.questions.values())
    closed = books.closed.trades
    return sum((reconcile.told_and_not_booked(each, books.slots, books.market, closed) for each in found), ZERO)


def _live_orders(slots: Sequence[Slot]) -> list[Order]:
    return [order for slot in slots if (order := order_of(slot)) is not None]


def _fence(grid: ReconciledGrid, photo: MemoryPhoto, found: Discrepancy) -> Callable[[], bool]:
    """Whether the slot is still as it was when the exchange was asked."""
    index = found.slot
    if index is None:
        return lambda: True
    return lambda: grid.coordinator.books.slots[index] is photo.slots[index]
