"""What must be true when a program that was killed many times has come to rest: its journal against the exchange.

Both are read from the disk, with no engine at work. The journal is folded once more, and every execution that the
fold books is counted: the exchange's file says which executions there were.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from engine.core.books import GridBooks
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.simulated_books import KeptExchange, open_books
from engine.model.events import (
    DiscrepancyFound,
    GridOpened,
    LatticeMigrated,
    LotCorrected,
    OrderIntended,
    OrderReported,
    Record,
)
from engine.model.money import ZERO
from engine.model.order import Fill
from engine.model.slot import order_of
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_store import read_records


@dataclass(slots=True)
class Folded:
    """What the journal alone tells."""

    books: dict[str, GridBooks] = field(default_factory=dict)
    intended: Counter[str] = field(default_factory=Counter)
    booked: Counter[tuple[str, Fill]] = field(default_factory=Counter)
    """How often each execution was booked, by client order id."""
    hashes: dict[int, str] = field(default_factory=dict)
    corrected: int = 0
    migrations: int = 0
    trouble: list[str] = field(default_factory=list)

    def add(self, record: Record) -> None:
        """Fold one record."""
        fact = record.fact
        self.hashes[record.sequence] = record.hash
        if isinstance(fact, GridOpened):
            self.books[record.grid] = GridBooks(fact, record.at_ms)
            return
        books = self.books[record.grid]
        match fact:
            case OrderIntended():
                self.intended[fact.client_order_id] += 1
            case OrderReported():
                change = books.foresee(books.slots[fact.slot], fact.report)
                bookings = change.bookings if change else ()
                self.booked.update((fact.report.client_order_id, booking.fill) for booking in bookings)
                if "duplicate" in fact.report.reason:
                    self.trouble.append(f"record {record.sequence}: {fact.report.reason}")
            case DiscrepancyFound():
                self.corrected += 1
                if fact.asks:
                    self.trouble.append(f"record {record.sequence} asks: {fact.discrepancy.detail}")
            case LatticeMigrated():
                self.migrations += 1
                if fact.lattice.version != books.lattice.version + 1:
                    self.trouble.append(f"record {record.sequence} makes lattice {fact.lattice.version} of another")
            case LotCorrected():
                self.trouble.append(f"record {record.sequence} writes off {fact.lot}")
            case _:  # the other facts are for the books alone
                pass
        books.apply(fact, record.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the exchange's file says."""

    exchange: KeptExchange
    orders: dict[str, ExchangeOrder]


def folded_from(folder: Path) -> Folded:
    """The whole journal of a state directory, its chain checked."""
    folded = Folded()
    for record in read_records(folder / JOURNAL_NAME):
        folded.add(record)
    return folded


def kept_in(folder: Path) -> Kept:
    """The exchange of a state directory that nobody uses, with all of its orders."""
    books = open_books(folder)
    try:
        exchange = books.load()
        assert exchange is not None, "the exchange has kept nothing"
        found = {name: books.find_order(name) for name in exchange.used_ids}
    finally:
        books.close()
    return Kept(exchange=exchange, orders={name: order for name, order in found.items() if order is not None})


def problems_of(folded: Folded, kept: Kept, *, quote: int, base: int) -> list[str]:
    """Every way in which the journal and the exchange differ, in words; the account began with these balances."""
    return [
        *folded.trouble,
        *_orders(folded, kept),
        *_fills(folded, kept),
        *_balances(folded, kept, quote=quote, base=base),
    ]


def _orders(folded: Folded, kept: Kept) -> Iterator[str]:
    """Ids are unique, no order was without an intent, and each live one is the order of exactly one slot."""
    for name, count in folded.intended.items():
        if count > 1:
            yield f"I4: {name} was intended {count} times"
    for name in kept.orders.keys() - folded.intended.keys():
        yield f"I6: {name} is on the exchange, and in no record"
    owners = Counter(name for books in folded.books.values() for name in books.slot_of_order)
    there = {order.client_order_id: order for order in kept.exchange.open_orders}
    if owners != Counter(there.keys()):
        yield f"I2: live in the books {sorted(owners.elements())}, on the exchange {sorted(there)}"
    for slot in (slot for books in folded.books.values() for slot in books.slots):
        order = order_of(slot)
        other = None if order is None else there.get(order.client_order_id)
        if order is None or other is None:
            continue
        here = order.side, order.price, order.amount, order.filled, order.status
        if here != (other.side, other.price, other.amount, other.filled, other.status):
            yield f"I3: slot {slot.index} has {order}, the exchange {other}"


def _fills(folded: Folded, kept: Kept) -> Iterator[str]:
    """Every execution of the exchange was booked exactly once, and nothing else was."""
    executed = Counter((order.client_order_id, fill) for order in kept.orders.values() for fill in order.fills)
    for key in executed.keys() | folded.booked.keys():
        if (executed[key], folded.booked[key]) != (1, 1):
            yield f"I1: {key[0]}: {key[1]} was executed {executed[key]} times and booked {folded.booked[key]} times"


def _balances(folded: Folded, kept: Kept, *, quote: int, base: int) -> Iterator[str]:
    """To the last unit: the account, the ledgers, the lots."""
    ledgers = [books.ledger for books in folded.books.values()]
    market = next(iter(folded.books.values())).market
    expected = {
        market.quote: quote + sum((ledger.cash + ledger.adopted for ledger in ledgers), ZERO),
        market.base: base + sum((ledger.base for ledger in ledgers), ZERO),
    }
    state = kept.exchange.matching
    for currency, amount in expected.items():
        found = state.free[currency] + state.locked[currency]
        if found != amount:
            yield f"I3: the books explain {amount} {currency}, the account has {found}"
    for name, books in folded.books.items():
        held = sum((lot.quantity for lot in books.lots()), books.ledger.dust.quantity)
        residual = books.profit(Decimal(12_345)).residual
        if (held, residual) != (books.ledger.base, ZERO):
            yield f"I13: {name}: the lots are {held} of {books.ledger.base}, the residual is {residual}"
