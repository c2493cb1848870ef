"""The simulated exchange's own books: what it would remember on a machine elsewhere.

They are one file beside the journal and know nothing of it. Each step of the exchange (an order
accepted, filled or canceled, a row traded) is one transaction, so an engine that is killed and
started again meets orders, balances and market as they were. ``synchronous=OFF`` is enough: the
file stands for a remote machine, it has to outlive our process, not our power supply.

Files made before there were swaps are as good: what they lack is added when they are opened.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import apsw
import msgspec

from engine.exchange.matching import MatchingEngine, MatchingState
from engine.exchange.order_book import ExchangeOrder
from engine.exchange.prices import PriceSource
from engine.exchange.swap_books import load_news, prepare_news, save_news
from engine.exchange.swaps import SwapNews
from engine.model.errors import JournalFailed, SettingsInvalid
from engine.model.money import text_from_decimal
from engine.model.order import Fill, OwnFill

BOOKS_NAME = "exchange.db"
FRESH_ADVICE = "put it right, or start a new market with --fresh (the old is kept aside)"

_APPLICATION_ID = 0x47577865
"""``GWxe`` in the file's header: these are the books of a simulated exchange."""
_VERSION = 1
_SCHEMA = """
CREATE TABLE state (id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL, content TEXT NOT NULL);
CREATE TABLE orders (
    client_order_id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL,
    price TEXT NOT NULL, amount TEXT NOT NULL, post_only INTEGER NOT NULL, status TEXT NOT NULL,
    filled TEXT NOT NULL, locked TEXT NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE fills (
    symbol TEXT NOT NULL, trade INTEGER NOT NULL, client_order_id TEXT NOT NULL, price TEXT NOT NULL,
    amount TEXT NOT NULL, fee TEXT NOT NULL, fee_currency TEXT NOT NULL, is_maker INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (symbol, trade)
) WITHOUT ROWID;
CREATE INDEX fills_of_order ON fills (client_order_id);
CREATE INDEX open_orders ON orders (sequence) WHERE status IN ('open', 'partially_filled');
"""
_FILLS_BY_TIME = "CREATE INDEX IF NOT EXISTS fills_by_time ON fills (symbol, at_ms)"
"""Beside the schema, for files made before it was there are as good."""
_ADDED_COLUMNS = {"reduce_only": "INTEGER NOT NULL DEFAULT 0", "reason": "TEXT NOT NULL DEFAULT ''"}
"""Of orders, beside the schema, as the index above."""
_ORDER_COLUMNS = (
    *("client_order_id", "sequence", "symbol", "side", "price", "amount", "post_only", "status"),
    *("filled", "locked", "at_ms", "reduce_only", "reason"),
)
_FILL_COLUMNS = ("trade_id", "price", "amount", "fee", "fee_currency", "is_maker", "at_ms")
_OPEN_ORDERS = "SELECT * FROM orders WHERE status IN ('open', 'partially_filled') ORDER BY sequence"
_ONE_ORDER = "SELECT * FROM orders WHERE client_order_id = ?"
_FILLS = (
    "SELECT CAST(trade AS TEXT), price, amount, fee, fee_currency, is_maker, at_ms FROM fills"
    " WHERE client_order_id = ? ORDER BY trade"
)
_FILLS_SINCE = (
    "SELECT client_order_id, side, CAST(trade AS TEXT), fills.price, fills.amount, fee, fee_currency, is_maker,"
    " fills.at_ms FROM fills JOIN orders USING (client_order_id)"
    " WHERE fills.symbol = ? AND fills.at_ms >= ? AND trade < ? ORDER BY trade"
)
_PUT_STATE = "INSERT OR REPLACE INTO state VALUES (1, ?, ?)"
_PUT_ORDER = "INSERT OR REPLACE INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_FILL = "INSERT OR IGNORE INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExchange:
    """An exchange as its books left it. ``origin`` names the books, for messages."""

    origin: str
    at_ms: int
    matching: MatchingState
    sources: Mapping[str, Mapping[str, object]]
    open_orders: tuple[ExchangeOrder, ...]
    used_ids: tuple[str, ...]
    news: tuple[SwapNews, ...] = ()
    """Funding and liquidations, each kind oldest first."""


class Books(Protocol):
    """Where the simulated exchange keeps itself."""

    def load(self) -> KeptExchange | None:
        """What was kept; None: nothing yet. Raises ``SettingsInvalid`` when it cannot be read."""

    def save(
        self,
        *,
        at_ms: int,
        matching: MatchingEngine,
        source: PriceSource,
        others: Iterable[PriceSource] = (),
        news: Iterable[SwapNews] = (),
    ) -> None:
        """Keep one step, at this time, on the market of ``source``, and where ``others`` are.

        Raises:
            JournalFailed: it cannot be kept.
        """

    def find_order(self, client_order_id: str) -> ExchangeOrder | None:
        """An order of any age, with all of its fills."""

    def find_fills(self, symbol: str, since_ms: int, *, before_trade: int) -> tuple[OwnFill, ...]:
        """The executions on a symbol since a time, up to the trade before this one, oldest first."""

    def close(self) -> None:
        """Let go of the file."""


class NullBooks:
    """Keeps nothing: for backtests, whose exchange ends with them."""

    def load(self) -> KeptExchange | None:
        return None

    def save(
        self,
        *,
        at_ms: int,
        matching: MatchingEngine,
        source: PriceSource,
        others: Iterable[PriceSource] = (),
        news: Iterable[SwapNews] = (),
    ) -> None:
        del at_ms, source, others, news
        matching.take_changes()

    def find_order(self, client_order_id: str) -> ExchangeOrder | None:
        del client_order_id
        return None

    def find_fills(self, symbol: str, since_ms: int, *, before_trade: int) -> tuple[OwnFill, ...]:
        del symbol, since_ms, before_trade
        return ()

    def close(self) -> None:
        return None


@dataclass(slots=True, kw_only=True)
class _Content:
    """The part of the books that is written whole at every step."""

    matching: MatchingState
    sources: dict[str, dict[str, object]]


class DurableBooks:
    """Books in a file; made by ``open_books``, held by one process at a time.

    Invariant: between two steps the file holds exactly the exchange as it is.
    """

    def __init__(self, path: Path, connection: apsw.Connection) -> None:
        self._path = path
        self._connection = connection
        self._sources: dict[str, dict[str, object]] = {}
        self._encoder = msgspec.json.Encoder()

    def load(self) -> KeptExchange | None:
        """What was kept; None in a new file.

        Raises:
            SettingsInvalid: the books are damaged.
        """
        try:
            row = self._connection.execute("SELECT at_ms, content FROM state").fetchone()
            if row is None:
                return None
            content = msgspec.json.decode(row[1], type=_Content)
            self._sources = dict(content.sources)
            orders = self._connection.execute(_OPEN_ORDERS).fetchall()
            ids = self._connection.execute("SELECT client_order_id FROM orders ORDER BY sequence")
            return KeptExchange(
                origin=str(self._path),
                at_ms=row[0],
                matching=content.matching,
                sources=content.sources,
                open_orders=tuple(self._order_from_row(order) for order in orders),
                used_ids=tuple(str(client_order_id) for (client_order_id,) in ids),
                news=load_news(self._connection),
            )
        except (apsw.Error, msgspec.MsgspecError) as error:
            raise _damaged(self._path, error) from error

    def save(
        self,
        *,
        at_ms: int,
        matching: MatchingEngine,
        source: PriceSource,
        others: Iterable[PriceSource] = (),
        news: Iterable[SwapNews] = (),
    ) -> None:
        """Keep one step in one transaction.

        Raises:
            JournalFailed: the file cannot be written; the exchange must not go on.
        """
        for passed in (source, *others):
            self._sources[passed.symbol] = passed.state()
        content = self._encoder.encode(_Content(matching=matching.state(), sources=self._sources)).decode()
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            for order in matching.take_changes():
                execute(_PUT_ORDER, _row_from_order(order))
                if order.fills:
                    execute(_PUT_FILL, _row_from_fill(order, order.fills[-1]))
            save_news(self._connection, news)
            execute(_PUT_STATE, (at_ms, content))
            execute("COMMIT")
        except apsw.Error as error:
            raise JournalFailed(f"the simulated exchange's books {self._path} cannot be written: {error}") from error

    def find_order(self, client_order_id: str) -> ExchangeOrder | None:
        """An order of any age, with all of its fills; None: it was never accepted.

        Raises:
            JournalFailed: the file cannot be read.
        """
        try:
            found = self._connection.execute(_ONE_ORDER, (client_order_id,)).fetchone()
            return None if found is None else self._order_from_row(found)
        except (apsw.Error, msgspec.MsgspecError) as error:
            raise JournalFailed(f"the simulated exchange's books {self._path} cannot be read: {error}") from error

    def find_fills(self, symbol: str, since_ms: int, *, before_trade: int) -> tuple[OwnFill, ...]:
        """The executions on a symbol at or after ``since_ms``, up to the trade before this one, oldest first.

        Raises:
            JournalFailed: the file cannot be read.
        """
        try:
            rows = self._connection.execute(_FILLS_SINCE, (symbol, since_ms, before_trade)).fetchall()
            return tuple(_own_fill_from_row(symbol, row) for row in rows)
        except (apsw.Error, msgspec.MsgspecError) as error:
            raise JournalFailed(f"the simulated exchange's books {self._path} cannot be read: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _order_from_row(self, row: tuple[object, ...]) -> ExchangeOrder:
        content = dict(zip(_ORDER_COLUMNS, row, strict=True))
        fills = self._connection.execute(_FILLS, (content["client_order_id"],)).fetchall()
        content["fills"] = [dict(zip(_FILL_COLUMNS, fill, strict=True)) for fill in fills]
        return msgspec.convert(content, ExchangeOrder, strict=False)


def open_books(folder: Path) -> DurableBooks:
    """Open or make the books in a state directory that the caller holds.

    Raises:
        SettingsInvalid: the file is not one of ours, damaged, of another version, or in use.
    """
    path = folder / BOOKS_NAME
    try:
        path.touch(mode=0o600)
        connection = apsw.Connection(str(path))
    except (apsw.Error, OSError) as error:
        raise _damaged(path, error) from error
    try:
        _prepare(path, connection)
    except (apsw.Error, SettingsInvalid) as error:
        connection.close()
        if isinstance(error, SettingsInvalid):
            raise
        raise _damaged(path, error) from error
    return DurableBooks(path, connection)


def _prepare(path: Path, connection: apsw.Connection) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    is_new = not connection.execute("SELECT count(*) FROM sqlite_schema").get
    if not is_new:
        _check(path, connection)
    # Only now: it changes the file, and a foreign one must stay as it is.
    for pragma in ("journal_mode = WAL", "synchronous = OFF"):
        connection.execute(f"PRAGMA {pragma}")
    if is_new:
        with connection:
            connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {_VERSION}")
            connection.execute(_SCHEMA)
    connection.execute(_FILLS_BY_TIME)
    there = {row[1] for row in connection.execute("PRAGMA table_info(orders)")}
    for name, kind in _ADDED_COLUMNS.items():
        if name not in there:
            connection.execute(f"ALTER TABLE orders ADD COLUMN {name} {kind}")
    prepare_news(connection)


def _check(path: Path, connection: apsw.Connection) -> None:
    application, version = connection.pragma("application_id"), connection.pragma("user_version")
    if (application, version) != (_APPLICATION_ID, _VERSION):
        raise SettingsInvalid(
            f"{path}: expected books of a simulated exchange, version {_VERSION}, "
            f"found application {application}, version {version}; {FRESH_ADVICE}"
        )
    check = connection.execute("PRAGMA quick_check(1)").get
    if check != "ok":
        raise SettingsInvalid(f"{path}: expected whole books, found {check}; {FRESH_ADVICE}")


def _damaged(path: Path, error: Exception) -> SettingsInvalid:
    return SettingsInvalid(f"{path}: the simulated exchange's books cannot be read: {error}; {FRESH_ADVICE}")


def _own_fill_from_row(symbol: str, row: tuple[object, ...]) -> OwnFill:
    client_order_id, side, *fill = row
    content = {
        "client_order_id": client_order_id,
        "symbol": symbol,
        "side": side,
        "fill": dict(zip(_FILL_COLUMNS, fill, strict=True)),
    }
    return msgspec.convert(content, OwnFill, strict=False)


def _row_from_order(order: ExchangeOrder) -> tuple[str | int, ...]:
    return (
        order.client_order_id,
        order.sequence,
        order.symbol,
        order.side,
        text_from_decimal(order.price),
        text_from_decimal(order.amount),
        int(order.post_only),
        order.status,
        text_from_decimal(order.filled),
        text_from_decimal(order.locked),
        order.at_ms,
        int(order.reduce_only),
        order.reason,
    )


def _row_from_fill(order: ExchangeOrder, fill: Fill) -> tuple[str | int, ...]:
    return (
        order.symbol,
        int(fill.trade_id),
        order.client_order_id,
        text_from_decimal(fill.price),
        text_from_decimal(fill.amount),
        text_from_decimal(fill.fee),
        fill.fee_currency,
        int(fill.is_maker),
        fill.at_ms,
    )
