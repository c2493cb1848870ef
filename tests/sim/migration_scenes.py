"""Paths on which lattices change, and what must then be true of every record of the journal."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from random import Random

from engine.core.books import GridBooks
from engine.core.costs import NO_FUNDS
from engine.core.levels import level_at
from engine.core.purse import free_purse
from engine.core.trailing import first_number
from engine.exchange.prices import PriceSource
from engine.model.events import GridOpened, LatticeMigrated, Record
from engine.model.grid import Lattice
from engine.model.ids import SLOTS_MAX
from engine.model.money import ZERO
from engine.model.slot import order_of
from engine.model.snapshot import Mode
from engine.runtime.engine import Engine
from engine.runtime.replaying import replay
from engine.runtime.rewind import JournalHistory
from tests.builders import INSTANCE
from tests.sim.engine_builders import Bench, a_timed_path, assert_balanced

D = Decimal
_TICK = D("0.01")


def a_drift(*legs: tuple[int, int], start: int, swing: int, seed: int = 1, step_ms: int = 5_000) -> PriceSource:
    """A walk that goes to each price in so many steps, and on its way swings by up to ``swing`` around it."""
    dice, here, rows = Random(seed), D(start), [(0, D(start))]
    for goal, steps in legs:
        for step in range(1, steps + 1):
            about = here + (D(goal) - here) * step / steps
            rows.append((len(rows) * step_ms, (about + D(dice.randint(-swing, swing)) / 100).quantize(_TICK)))
        here = D(goal)
    return a_timed_path(*rows)


def lattices(bench: Bench, grid: str = "main") -> list[Lattice]:
    """The first lattice and all that came after it."""
    (opened,) = bench.facts(GridOpened, grid)
    return [opened.lattice, *(fact.lattice for fact in bench.facts(LatticeMigrated, grid))]


def folds(records: Sequence[Record], grid: str = "main") -> Iterator[GridBooks]:
    """The same books after each record of a grid."""
    books: GridBooks | None = None
    for record in records:
        if record.grid != grid:
            continue
        if books is None:
            assert isinstance(record.fact, GridOpened)
            books = GridBooks(record.fact, record.at_ms)
        else:
            books.apply(record.fact, record.at_ms)
        yield books


def assert_drift_free(bench: Bench, engine: Engine) -> None:
    """Every level of every lattice is the one with its number, computed from the wish and never from a neighbour."""
    books = engine.coordinators["main"].books
    for lattice in lattices(bench):
        first = first_number(books.spec, books.market, lattice)
        expected = [level_at(books.spec, books.market, first + at) for at in range(len(lattice.levels))]
        assert list(lattice.levels) == expected


def assert_true_at_every_record(bench: Bench) -> None:
    """Lots explain the base, one slot one order, nothing bound that the grid does not have, no id used twice."""
    lattice, funds = None, NO_FUNDS
    for books in folds(bench.records()):
        if books.lattice is not lattice:
            lattice, funds = books.lattice, books.funds
        held = books.ledger.dust.quantity + sum((lot.quantity for lot in books.lots()), ZERO)
        assert held == books.ledger.base
        live = {order.client_order_id: slot.index for slot in books.slots if (order := order_of(slot)) is not None}
        assert live == books.slot_of_order
        assert len(books.slots) <= SLOTS_MAX
        free = free_purse(books, funds)
        assert free.quote >= 0
        here = set(books.lattice.places)
        assert all(slot.index in here or (order_of(slot) is None) for slot in books.slots)


def assert_told(bench: Bench, engine: Engine) -> None:
    """Everything at rest: the account to the last unit, every record, the replay, and the fold as the memory."""
    assert_balanced(bench, engine)
    assert_true_at_every_record(bench)
    found = replay(bench.records(), instance=INSTANCE)
    assert (found.difference, found.records) == (None, len(bench.records()))
    for name, grid in engine.coordinators.items():
        again = list(folds(bench.records(), name))[-1]
        for field, value in vars(grid.books).items():
            if field != "state":
                assert vars(again)[field] == value, field


def history_of(bench: Bench) -> JournalHistory:
    """The journal of a bench, to step through."""
    records = bench.records()
    return JournalHistory(
        lambda after: iter(records[0 if after is None else after[0] :]), mode=Mode.SIMULATION, exchange="simulated"
    )
