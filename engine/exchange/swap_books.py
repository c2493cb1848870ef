"""Funding and liquidations in the simulated exchange's books: two tables beside those of its orders."""

from collections.abc import Iterable

import apsw
import msgspec

from engine.exchange.swaps import SwapNews
from engine.model.money import text_from_decimal
from engine.model.swap import FundingPayment, Liquidation

_TABLES = """
CREATE TABLE IF NOT EXISTS funding (
    symbol TEXT NOT NULL, funding_id TEXT NOT NULL, amount TEXT NOT NULL, rate TEXT NOT NULL, position TEXT NOT NULL,
    mark_price TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (symbol, funding_id)
);
CREATE TABLE IF NOT EXISTS liquidations (
    symbol TEXT NOT NULL, trade_id TEXT NOT NULL, amount TEXT NOT NULL, price TEXT NOT NULL, fee TEXT NOT NULL,
    at_ms INTEGER NOT NULL, insured TEXT NOT NULL, PRIMARY KEY (symbol, trade_id)
);
"""
_FUNDING_COLUMNS = ("symbol", "funding_id", "amount", "rate", "position", "mark_price", "at_ms")
_LIQUIDATION_COLUMNS = ("symbol", "trade_id", "amount", "price", "fee", "at_ms", "insured")


def prepare_news(connection: apsw.Connection) -> None:
    """Make the tables where they are not there yet."""
    connection.execute(_TABLES)


def save_news(connection: apsw.Connection, news: Iterable[SwapNews]) -> None:
    """Write within the caller's transaction."""
    text = text_from_decimal
    for one in news:
        match one:
            case FundingPayment():
                values = (text(one.amount), text(one.rate), text(one.position), text(one.mark_price))
                row = (one.symbol, one.funding_id, *values, one.at_ms)
                connection.execute("INSERT INTO funding VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            case Liquidation():
                cost = (text(one.amount), text(one.price), text(one.fee))
                fate = (one.symbol, one.trade_id, *cost, one.at_ms, text(one.insured))
                connection.execute("INSERT INTO liquidations VALUES (?, ?, ?, ?, ?, ?, ?)", fate)


def load_news(connection: apsw.Connection) -> tuple[SwapNews, ...]:
    """All that is kept, each kind in the order it happened.

    Raises:
        MsgspecError: a row is damaged.
    """
    payments = connection.execute("SELECT * FROM funding ORDER BY rowid").fetchall()
    fates = connection.execute("SELECT * FROM liquidations ORDER BY rowid").fetchall()
    funding = [dict(zip(_FUNDING_COLUMNS, row, strict=True)) for row in payments]
    liquidations = [dict(zip(_LIQUIDATION_COLUMNS, row, strict=True)) for row in fates]
    return (
        *msgspec.convert(funding, list[FundingPayment], strict=False),
        *msgspec.convert(liquidations, list[Liquidation], strict=False),
    )
