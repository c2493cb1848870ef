"""Writes the history of a simulation: what became durable and what happened on the exchange, in its order.

One JSON line for each event, read by ``checker`` and by people. A ``RecordedBench`` is a ``Bench`` that
writes one: it puts a ``RecordedJournal`` before its journal, and its exchange is a ``RecordedExchange``.
"""

import json
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from engine.core.books import GridBooks
from engine.exchange.port import Balance
from engine.exchange.positions import SwapPosition
from engine.exchange.venue import Told
from engine.model.errors import GridwrightError, Rejected
from engine.model.events import Fact, Record
from engine.model.market import Market
from engine.model.order import TERMINAL_STATUSES, OrderReport, OrderRequest
from engine.model.slot import Empty, Entering, Exiting, Holding, SlotState, lot_of, order_of
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import JournalIdentity, payload_from_fact
from engine.runtime.journal import Journal, MemoryJournal
from tests.sim.engine_builders import AuditedExchange, Bench

Value = object


class History:
    """``lines`` grow as things happen; ``last_sequence`` is the last record that is in them."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.last_sequence = 0
        self._known: set[str] = set()

    def write(self, what: str, **values: Value) -> None:
        """One line; a Decimal becomes its text."""
        self.lines.append(json.dumps({"what": what, **values}, default=str))

    def start(self, identity: JournalIdentity, balances: Mapping[str, Decimal], markets: Mapping[str, Market]) -> None:
        """An engine starts; ``balances`` are everything the account holds, which matters at the first start."""
        rules = {
            symbol: {"symbol": symbol, "base": market.base, "quote": market.quote, "swap": market.swap is not None}
            for symbol, market in markets.items()
        }
        self.write(
            "start",
            instance=identity.instance,
            created_ms=identity.created_ms,
            balances=dict(balances),
            markets=rules,
        )

    def crash(self) -> None:
        """The engine is gone, in the middle of whatever it did."""
        self.write("crash")

    def record(self, record: Record) -> None:
        """A record of the journal is durable."""
        kind, payload = payload_from_fact(record.fact)
        self.last_sequence = record.sequence
        self.write(
            "record",
            sequence=record.sequence,
            at_ms=record.at_ms,
            grid=record.grid,
            kind=kind,
            payload=payload.decode(),
            previous_hash=record.previous_hash,
            hash=record.hash,
        )

    def sent(self, request: OrderRequest, at_ms: int) -> None:
        """The engine lets go of a placement."""
        self.write("sent", client_order_id=request.client_order_id, at_ms=at_ms)

    def arrived(self, request: OrderRequest, at_ms: int) -> None:
        """A placement reaches the exchange, which now accepts or rejects it."""
        self._write_order("arrived", request, at_ms)

    def rejected(self, client_order_id: str, error: GridwrightError) -> None:
        """The exchange did not take it; it may come again unless that is final."""
        self.write("rejected", client_order_id=client_order_id, is_final=isinstance(error, Rejected), reason=str(error))

    def cancel(self, client_order_id: str, at_ms: int) -> None:
        """A cancellation reaches the exchange."""
        self.write("cancel", client_order_id=client_order_id, at_ms=at_ms)

    def foreign(self, order: OrderRequest | OrderReport, at_ms: int) -> None:
        """An order of the account that no engine placed; one that is first heard of by its report needs no call."""
        self._known.add(order.client_order_id)
        self._write_order("foreign", order, at_ms)

    def transfer(self, currency: str, amount: Decimal) -> None:
        """Money came to the account, or left it when negative, without a trade."""
        self.write("transfer", currency=currency, amount=amount)

    def reported(self, report: OrderReport, at_ms: int, *, is_ours: bool) -> None:
        """The exchange changed an order; the report is as it leaves, before any fault."""
        name = report.client_order_id
        if name not in self._known:
            if is_ours:
                self._known.add(name)
                self.write("accepted", client_order_id=name)
            else:
                self.foreign(report, at_ms)
        for fill in report.fills:
            self.write(
                "fill",
                client_order_id=name,
                trade_id=fill.trade_id,
                side=report.side,
                price=fill.price,
                amount=fill.amount,
                fee=fill.fee,
                fee_currency=fill.fee_currency,
            )
        if report.status in TERMINAL_STATUSES:
            self.write("closed", client_order_id=name, status=report.status, filled=report.filled)

    def end(
        self,
        balances: Mapping[str, Balance],
        open_orders: Sequence[OrderReport],
        books: Mapping[str, GridBooks] | None,
        positions: Mapping[str, SwapPosition] | None = None,
        insurance: Mapping[str, Decimal] | None = None,
    ) -> None:
        """What is left; ``books`` None: no engine had the time to make them true. ``positions`` are those of swaps,
        ``insurance`` what the exchange has borne of their losses, below 0."""
        for report in open_orders:
            if report.client_order_id not in self._known:
                self.foreign(report, report.at_ms)
        grids = {} if books is None else books
        self.write(
            "end",
            balances={currency: balance.free + balance.locked for currency, balance in balances.items()},
            open_orders=[report.client_order_id for report in open_orders],
            positions={symbol: _position(position) for symbol, position in (positions or {}).items()},
            questions={name: list(grid.questions) for name, grid in grids.items()},
            insured={currency: -amount for currency, amount in (insurance or {}).items()},
            books=None if books is None else {name: _books(grid) for name, grid in grids.items()},
        )

    def _write_order(self, what: str, order: OrderRequest | OrderReport, at_ms: int) -> None:
        self.write(
            what,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            price=order.price,
            amount=order.amount,
            at_ms=at_ms,
        )


class RecordedJournal:
    """A journal whose records are in the history from the moment they are known to be durable.

    What became durable while nobody could say so any more is told when the journal is opened again.
    """

    def __init__(self, journal: Journal, history: History) -> None:
        self.inner = journal
        self._history = history
        self._pending: deque[Record] = deque()
        for record in journal.records(history.last_sequence):
            history.record(record)

    @property
    def identity(self) -> JournalIdentity:
        return self.inner.identity

    @property
    def head(self) -> tuple[int, str]:
        return self.inner.head

    @property
    def durable(self) -> int:
        self._tell()
        return self.inner.durable

    def stage(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        records = self.inner.stage(grid, facts, at_ms)
        self._pending += records
        self._tell()
        return records

    async def commit(self) -> None:
        await self.inner.commit()
        self._tell()

    async def append(self, grid: str, facts: Sequence[Fact], at_ms: int) -> tuple[Record, ...]:
        records = self.stage(grid, facts, at_ms)
        await self.commit()
        return records

    def records(self, after: int = 0) -> Iterator[Record]:
        return self.inner.records(after)

    async def close(self) -> None:
        await self.inner.close()
        self._tell()

    def _tell(self) -> None:
        durable = self.inner.durable
        while self._pending and self._pending[0].sequence <= durable:
            self._history.record(self._pending.popleft())


class RecordedExchange(AuditedExchange):
    """The audited exchange, which writes down what arrives and what becomes of it."""

    def __init__(self, **arguments: object) -> None:
        self.history = History()
        self.rules: Mapping[str, Market] = arguments["markets"]  # type: ignore[assignment]
        self._ours: set[str] = set()
        super().__init__(**arguments)

    async def place(self, request: OrderRequest) -> OrderReport:
        self.history.sent(request, self._now_ms())
        return await super().place(request)

    def transfer(self, currency: str, amount: Decimal) -> None:
        super().transfer(currency, amount)
        self.history.transfer(currency, amount)

    def _place(self, request: OrderRequest, at_ms: int) -> OrderReport:
        self.history.arrived(request, at_ms)
        self._ours.add(request.client_order_id)
        try:
            return super()._place(request, at_ms)
        except GridwrightError as error:
            self.history.rejected(request.client_order_id, error)
            raise

    def _cancel(self, symbol: str, client_order_id: str, at_ms: int) -> OrderReport:
        self.history.cancel(client_order_id, at_ms)
        return super()._cancel(symbol, client_order_id, at_ms)

    def _note_hidden(self, reports: Sequence[OrderReport], at_ms: int) -> None:
        for report in reports:
            self.history.reported(report, at_ms, is_ours=True)
            for fill in report.fills:
                self.history.write("hidden", client_order_id=report.client_order_id, trade_id=fill.trade_id)

    def _report(self, reports: Sequence[Told], at_ms: int) -> None:
        for report in reports:
            if isinstance(report, OrderReport):
                is_ours = report.client_order_id in self._ours
                self.history.reported(report, at_ms, is_ours=is_ours)
        super()._report(reports, at_ms)


class RecordedBench(Bench):
    """A bench that writes its history; ``end`` finishes it and gives its lines."""

    def __init__(self, *sources: object, **arguments: object) -> None:
        arguments.setdefault("exchange_type", RecordedExchange)
        super().__init__(*sources, **arguments)  # type: ignore[arg-type]

    @property
    def recorded(self) -> RecordedExchange:
        """The exchange, which writes the history."""
        assert isinstance(self.exchange, RecordedExchange)
        return self.exchange

    @property
    def history(self) -> History:
        """What has happened so far."""
        return self.recorded.history

    @asynccontextmanager
    async def engine(self) -> AsyncIterator[Engine]:
        """A started engine whose journal is recorded; leaving by an exception is a crash."""
        journal = _reopened(self.journal) if type(self.journal) is MemoryJournal else self.journal
        balances = {name: balance.free + balance.locked for name, balance in self.exchange.matching.balances().items()}
        self.history.start(journal.identity, balances, self.recorded.rules)
        self.journal = RecordedJournal(journal, self.history)
        try:
            async with super().engine() as engine:
                yield engine
        except BaseException:
            self.history.crash()
            raise
        finally:
            self.journal = journal

    def end(self, engine: Engine | None) -> list[str]:
        """Finish the history with the books of the last engine; None if it died."""
        matching = self.exchange.matching
        open_orders = [order for symbol in self.recorded.rules for order in matching.open_orders(symbol)]
        books = None if engine is None else {name: grid.books for name, grid in engine.coordinators.items()}
        self.history.end(matching.balances(), open_orders, books)
        return self.history.lines


def _reopened(journal: Journal) -> MemoryJournal:
    """The same journal as its next engine finds it."""
    again = MemoryJournal(journal.identity)
    for record in journal.records():
        again.stage(record.grid, [record.fact], record.at_ms)
    return again


def _position(position: SwapPosition) -> dict[str, Value]:
    """The amount, and the cost with its sign."""
    return {"amount": position.amount, "cost": position.cost if position.amount > 0 else -position.cost}


def _books(books: GridBooks) -> dict[str, Value]:
    slots = [
        {
            "index": slot.index,
            "state": _state(slot.state),
            "quantity": lot_of(slot).quantity,
            "order": None if (order := order_of(slot)) is None else order.client_order_id,
        }
        for slot in books.slots
    ]
    ledger = books.ledger
    return {
        "cash": ledger.cash,
        "base": ledger.base,
        "realised": ledger.realised,
        "dust": ledger.dust.quantity,
        "slots": slots,
    }


def _state(state: SlotState) -> str:
    match state:
        case Empty():
            return "empty"
        case Entering():
            return "entering"
        case Holding():
            return "holding"
        case Exiting():
            return "exiting"
