"""The worst drawdown of a run, from its journal and the market's rows: exact at every row, whatever was skipped.

Between two fills the total PnL is ``cash + base * price``, so the journal's fills and the recorded prices are
the whole curve. At the row of a fill the total is the one after it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from engine.core.books import GridBooks
from engine.exchange.replay import ReplaySource
from engine.model.events import GridOpened, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """From ``at_ms`` on a grid's fills come to this much ``cash`` and ``base``, both counted from its start."""

    at_ms: int
    cash: Decimal
    base: Decimal


def holdings_from_journal(records: Iterable[Record]) -> list[Holding]:
    """What the one grid of a journal had, from each of its fills on, oldest first."""
    books: GridBooks | None = None
    found: list[Holding] = []
    for record in records:
        if isinstance(record.fact, GridOpened):
            books = GridBooks(record.fact, record.at_ms)
            found.append(Holding(at_ms=record.at_ms, cash=books.ledger.cash, base=books.ledger.base))
        elif books is not None:
            books.apply(record.fact, record.at_ms)
            now = Holding(at_ms=books.last_fill_ms, cash=books.ledger.cash, base=books.ledger.base)
            if (now.cash, now.base) != (found[-1].cash, found[-1].base):
                found.append(now)
    return found


def drawdown_max(holdings: Sequence[Holding], source: ReplaySource) -> Decimal:
    """The most that the total PnL was below its highest before, in quote cents; a run begins with a total of 0."""
    import numpy as np

    offsets = np.array(source._offsets, dtype=np.int64)
    times = (source._times[:, None] + offsets).reshape(-1)
    begins = np.searchsorted(times, [each.at_ms for each in holdings])
    counts = np.diff(np.append(begins, len(times)))
    prices = source._prices[begins[0] :] * float(source.tick_size)
    # As floats: a curve is compared with itself, and never booked.
    cash = np.repeat([float(each.cash) for each in holdings], counts)
    base = np.repeat([float(each.base) for each in holdings], counts)
    total = cash + base * prices
    peak = np.maximum(np.maximum.accumulate(total), 0.0)
    return Decimal(float((peak - total).max())).quantize(Decimal("0.01"))
