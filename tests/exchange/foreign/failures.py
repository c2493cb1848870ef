"""How a request of the real library fails, offline, and what we make of it."""

import re
from collections.abc import Callable

import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.proof.errors import RequestKind, error_from_foreign
from engine.model.errors import GridwrightError
from tests.exchange.foreign.recorded_client import (
    API_KEY,
    ID,
    PASSPHRASE,
    PRIVATE_KEY,
    SECRET,
    Answer,
    Sent,
    recorded_client,
    symbol_of,
)

NOW_MS = 1_795_305_600_000
PLANTED = (API_KEY, SECRET, PASSPHRASE, PRIVATE_KEY)


async def failure(exchange: str, kind: RequestKind, reply: Callable[[Sent], Answer]) -> tuple[Exception, list[Sent]]:
    """What the real library raises for a request that is answered so, and what it had sent."""
    dialect = dialect_of(exchange)
    market = min(dialect.market_kinds)
    symbol = symbol_of(exchange, market)
    order_id = "1" if not dialect.can_fetch_by_client_id or not dialect.can_cancel_by_client_id else None
    async with recorded_client(exchange, market, reply) as (client, session):
        match kind:
            case RequestKind.PLACE:
                params = dialect.place_params(ID, post_only=True, reduce_only=False)
                request = client.create_order(symbol, "limit", "buy", "7", "61250", params)
            case RequestKind.CANCEL:
                request = client.cancel_order(order_id, symbol, dialect.cancel_params(ID, order_id=order_id))
            case RequestKind.LOOKUP:
                request = client.fetch_order(order_id or "", symbol, dialect.lookup_params(ID, order_id=order_id))
            case RequestKind.READ:
                request = client.fetch_open_orders(symbol)
        with pytest.raises(Exception) as caught:
            await request
    return caught.value, session.sent


def translated(error: BaseException, kind: RequestKind, exchange: str = "binance", **more: object) -> GridwrightError:
    return error_from_foreign(error, kind, dialect_of(exchange), what="the request", **more)  # type: ignore[arg-type]


def told_no_secret(text: str, sent: list[Sent]) -> bool:
    """No planted key, nothing of a header or a query, no address."""
    pieces = {*PLANTED, "https://", "signature=", "Signature=", "X-MBX-APIKEY"}
    for request in sent:
        pieces |= {value for name, value in request.headers.items() if _SECRET_NAME.search(name)}
        pieces |= {str(request.fields[name]) for name in ("signature", "Signature") if name in request.fields}
    return not any(piece and piece in text for piece in pieces)


_SECRET_NAME = re.compile(r"key(?!-version)|sign(?!-type)|auth|pass|token", re.IGNORECASE)
