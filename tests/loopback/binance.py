"""Binance spot: the protocol that the loopback server speaks to the unmodified ccxt client.

What belongs to it alone: the acknowledgement holds the fills; a client id is free again once its order is closed;
a 5xx says nothing about what was executed; limits are told in headers, and 429 turns into a ban.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.loopback import binance_private, binance_public
from tests.loopback.binance_codes import BAD_TIMESTAMP, LATE, BadRequest, error, refusal_answer
from tests.loopback.binance_gate import Gate, ban_answer, limit_answer, weight_of
from tests.loopback.binance_streams import BinanceStreams
from tests.loopback.faults import Fault, RequestName
from tests.loopback.streams import StreamSocket
from tests.loopback.venue import Refusal, VenueEvent
from tests.loopback.views import Books
from tests.loopback.wire import Answer, Call, Json

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

UNKNOWN_TEXT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
OUTAGES: tuple[tuple[int, Json], ...] = (
    (502, "<html><head><title>502 Bad Gateway</title></head><body>[b]Bad Gateway[/b]</body></html>"),
    (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
    (504, {"code": -1007, "msg": UNKNOWN_TEXT}),
    (
        500,
        {"code": -1006, "msg": "An unexpected response was received from the message bus. Execution status unknown."},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One request that is known. Public ones need no signature."""

    name: RequestName
    do: Callable[["LoopbackServer", Call, Books], Json]
    is_public: bool = False


def _public(name: RequestName, do: Callable[["LoopbackServer", Call, Books], Json]) -> Endpoint:
    return Endpoint(name=name, do=do, is_public=True)


def _signed(name: RequestName, do: Callable[["LoopbackServer", Call, Books], Json]) -> Endpoint:
    return Endpoint(name=name, do=do)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/api/v3/ping"): _public(RequestName.OTHER, binance_public.ping),
    ("GET", "/api/v3/time"): _public(RequestName.TIME, binance_public.server_time),
    ("GET", "/api/v3/exchangeInfo"): _public(RequestName.MARKETS, binance_public.exchange_info),
    ("GET", "/api/v3/ticker/24hr"): _public(RequestName.TICKER, binance_public.tickers),
    ("GET", "/api/v3/ticker/price"): _public(RequestName.TICKER, binance_public.price),
    ("GET", "/api/v3/ticker/bookTicker"): _public(RequestName.TICKER, binance_public.book_top),
    ("GET", "/api/v3/depth"): _public(RequestName.BOOK, binance_public.depth),
    ("GET", "/api/v3/aggTrades"): _public(RequestName.PUBLIC_TRADES, binance_public.aggregate_trades),
    ("GET", "/api/v3/trades"): _public(RequestName.PUBLIC_TRADES, binance_public.trades),
    ("GET", "/api/v3/klines"): _public(RequestName.CANDLES, binance_public.klines),
    ("GET", "/sapi/v1/system/status"): _public(RequestName.OTHER, binance_private.system_status),
    ("GET", "/api/v3/account"): _signed(RequestName.BALANCES, binance_private.account),
    ("POST", "/api/v3/order"): _signed(RequestName.PLACE, binance_private.place),
    ("POST", "/api/v3/order/test"): _signed(RequestName.OTHER, binance_private.try_place),
    ("DELETE", "/api/v3/order"): _signed(RequestName.CANCEL, binance_private.cancel),
    ("GET", "/api/v3/order"): _signed(RequestName.ORDER, binance_private.order),
    ("GET", "/api/v3/openOrders"): _signed(RequestName.OPEN_ORDERS, binance_private.open_orders),
    ("DELETE", "/api/v3/openOrders"): _signed(RequestName.CANCEL_ALL, binance_private.cancel_all),
    ("GET", "/api/v3/allOrders"): _signed(RequestName.ORDERS, binance_private.all_orders),
    ("GET", "/api/v3/myTrades"): _signed(RequestName.MY_TRADES, binance_private.my_trades),
    ("GET", "/sapi/v1/asset/tradeFee"): _signed(RequestName.FEES, binance_private.trade_fees),
    ("GET", "/sapi/v1/account/apiRestrictions"): _signed(RequestName.PERMISSIONS, binance_private.api_restrictions),
    ("GET", "/sapi/v1/capital/config/getall"): _signed(RequestName.CURRENCIES, binance_private.coins),
}


class BinanceSpot:
    """The protocol, for one server."""

    def __init__(self, server: "LoopbackServer") -> None:
        """A fresh account."""
        self.gate = Gate(server)
        self.streams = BinanceStreams(server, self.gate)
        self._server = server
        self._failures: dict[Fault, Callable[[], Answer]] = {
            Fault.ERROR_BEFORE: self._outage,
            Fault.ERROR_AFTER: self._outage,
            Fault.MAINTENANCE: lambda: error(1, "System is under maintenance.", 503),
            Fault.RATE_LIMIT: lambda: limit_answer(
                self.gate.weight_per_minute_max, self._server.faults.retry_after_seconds
            ),
            Fault.BAN: lambda: ban_answer(self._server.faults.banned_until_ms, self._server.now_ms()),
            Fault.STALE_TIMESTAMP: lambda: error(BAD_TIMESTAMP, LATE),
            Fault.CANCEL_NOT_FOUND: lambda: error(-2011, "Unknown order sent."),
        }

    @property
    def name(self) -> str:
        """The exchange's id."""
        return "binance"

    @property
    def id_fields(self) -> frozenset[str]:
        """Where answers carry ids of orders."""
        return frozenset({"orderId", "clientOrderId", "origClientOrderId"})

    def request_name(self, method: str, path: str, params: Mapping[str, str]) -> RequestName:
        """The kind of a request."""
        endpoint = ENDPOINTS.get((method, path))
        return RequestName.OTHER if endpoint is None else endpoint.name

    def weight(self, call: Call) -> int:
        """As documented."""
        return weight_of(call)

    def admit(self, call: Call) -> Answer | None:
        """None admits."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            return error(-1000, f"There is no {call.method} {call.path}.", 404)
        return self.gate.admit(call, needs_signature=not endpoint.is_public)

    def execute(self, call: Call, books: Books) -> Answer:
        """Do it. Raises ``Refusal``."""
        try:
            return Answer(body=ENDPOINTS[call.method, call.path].do(self._server, call, books))
        except BadRequest as bad:
            return error(bad.code, bad.text)

    def refused(self, refusal: Refusal, call: Call) -> Answer:
        """Binance's code for it."""
        return refusal_answer(refusal, call.name)

    def failure(self, fault: Fault, call: Call) -> Answer:
        """Binance's words for what went wrong on the way."""
        return self._failures[fault]()

    def headers(self, call: Call) -> Mapping[str, str]:
        """Used weight and order counts."""
        return self.gate.headers()

    def ccxt_options(self, http: str, ws: str) -> dict[str, Any]:
        """Spot alone: nothing is asked of the hosts of futures, and of sapi only what is served."""
        return {
            "urls": {
                "api": {
                    "public": f"{http}/api/v3",
                    "private": f"{http}/api/v3",
                    "v1": f"{http}/api/v1",
                    "sapi": f"{http}/sapi/v1",
                    "sapiV2": f"{http}/sapi/v2",
                    "sapiV3": f"{http}/sapi/v3",
                    "sapiV4": f"{http}/sapi/v4",
                    "ws": {
                        "spot": f"{ws}/stream/ws",
                        "margin": f"{ws}/stream/ws",
                        "ws-api": {"spot": f"{ws}/ws-api/v3"},
                    },
                }
            },
            "options": {
                "defaultType": "spot",
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            },
        }

    def heard(self, socket: StreamSocket, message: Json) -> None:
        """A client said this on a stream."""
        self.streams.heard(socket, message)

    def told(self, event: VenueEvent) -> None:
        """The venue changed."""
        self.streams.told(event)

    def _outage(self) -> Answer:
        status, body = OUTAGES[int(self._server.faults.roll() * len(OUTAGES))]
        return Answer(body=json.loads(json.dumps(body)), status=status, is_refusal=True)
