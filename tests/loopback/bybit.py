"""Bybit v5, spot and linear, for a unified account in one-way mode: the protocol that the loopback server speaks.

What belongs to it alone: an acknowledgement is not the order; a refusal is a ``retCode`` in an answer of status 200;
client ids are taken for ever; a post-only order that would take is accepted and cancelled; an outage may be a code
too (10000, 10016) and says nothing about what was executed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.loopback import bybit_public, bybit_reading, bybit_trading
from tests.loopback.bybit_codes import (
    NO_ROUTE,
    SYSTEM_ERROR,
    TOO_MANY_VISITS,
    BybitError,
    JsonObject,
    Reply,
    error_from_refusal,
)
from tests.loopback.bybit_gate import Gate
from tests.loopback.bybit_orders import DCP_REASON, FUNDING, LIQUIDATED_REASON, NAMELESS
from tests.loopback.bybit_params import Request, State, params_of
from tests.loopback.bybit_streams import DEAD_MAN_TOPICS, BybitStreams
from tests.loopback.faults import Fault, RequestName
from tests.loopback.streams import StreamSocket
from tests.loopback.venue_words import MarketKind, NewOrder, Refusal, RefusalReason, Side, VenueEvent, VenueOrder
from tests.loopback.views import Books
from tests.loopback.wire import Answer, Call, Json

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

SERVER_TIMEOUT = 10000
TIMEOUT_SHARE = 0.5
"""Of the outages, how many are a code in an answer of status 200."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One request that is known. Public ones need no signature."""

    name: RequestName
    do: Callable[[Request], Reply]
    is_public: bool = False


def _public(name: RequestName, do: Callable[[Request], Reply]) -> Endpoint:
    return Endpoint(name=name, do=do, is_public=True)


def _private(name: RequestName, do: Callable[[Request], Reply]) -> Endpoint:
    return Endpoint(name=name, do=do)


ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    ("GET", "/v5/market/time"): _public(RequestName.TIME, bybit_public.server_time),
    ("GET", "/v5/system/status"): _public(RequestName.OTHER, bybit_public.status),
    ("GET", "/v5/market/instruments-info"): _public(RequestName.MARKETS, bybit_public.instruments),
    ("GET", "/v5/market/tickers"): _public(RequestName.TICKER, bybit_public.tickers),
    ("GET", "/v5/market/kline"): _public(RequestName.CANDLES, bybit_public.klines),
    ("GET", "/v5/market/recent-trade"): _public(RequestName.PUBLIC_TRADES, bybit_public.recent_trades),
    ("GET", "/v5/market/orderbook"): _public(RequestName.BOOK, bybit_public.order_book),
    ("GET", "/v5/order/realtime"): _private(RequestName.OPEN_ORDERS, bybit_reading.realtime_orders),
    ("GET", "/v5/order/history"): _private(RequestName.ORDERS, bybit_reading.order_history),
    ("GET", "/v5/execution/list"): _private(RequestName.MY_TRADES, bybit_reading.executions),
    ("GET", "/v5/account/wallet-balance"): _private(RequestName.BALANCES, bybit_reading.wallet),
    ("GET", "/v5/position/list"): _private(RequestName.POSITIONS, bybit_reading.positions),
    ("GET", "/v5/user/query-api"): _private(RequestName.PERMISSIONS, bybit_reading.key),
    ("GET", "/v5/account/info"): _private(RequestName.OTHER, bybit_reading.account),
    ("GET", "/v5/account/fee-rate"): _private(RequestName.FEES, bybit_reading.fee_rates),
    ("GET", "/v5/asset/coin/query-info"): _private(RequestName.CURRENCIES, bybit_reading.coin_infos),
    ("POST", "/v5/order/create"): _private(RequestName.PLACE, bybit_trading.create),
    ("POST", "/v5/order/create-batch"): _private(RequestName.PLACE, bybit_trading.create_batch),
    ("POST", "/v5/order/cancel"): _private(RequestName.CANCEL, bybit_trading.cancel),
    ("POST", "/v5/order/cancel-batch"): _private(RequestName.CANCEL, bybit_trading.cancel_batch),
    ("POST", "/v5/order/cancel-all"): _private(RequestName.CANCEL_ALL, bybit_trading.cancel_all),
    ("POST", "/v5/order/disconnected-cancel-all"): _private(RequestName.DEAD_MAN, bybit_trading.set_dead_man),
    ("POST", "/v5/position/set-leverage"): _private(RequestName.LEVERAGE, bybit_trading.set_leverage),
    ("POST", "/v5/position/switch-mode"): _private(RequestName.LEVERAGE, bybit_trading.switch_position_mode),
    ("POST", "/v5/account/set-margin-mode"): _private(RequestName.LEVERAGE, bybit_trading.set_margin_mode),
}


class Bybit:
    """The protocol, for one server."""

    def __init__(self, server: "LoopbackServer") -> None:
        """A fresh account."""
        self.state = State()
        self.gate = Gate(server)
        self._server = server
        self._streams = BybitStreams(server, self.state)
        self._guarded_ms: dict[MarketKind, int] = {}
        self._failures: dict[Fault, Callable[[Call], Answer]] = {
            Fault.ERROR_BEFORE: self._outage,
            Fault.ERROR_AFTER: self._outage,
            Fault.MAINTENANCE: lambda _: self._error(BybitError(SYSTEM_ERROR, "Service is restarting")),
            Fault.RATE_LIMIT: self._too_many_visits,
            Fault.BAN: lambda _: Answer(body="403, access too frequent", status=403, is_refusal=True),
            Fault.STALE_TIMESTAMP: lambda call: self._error(self.gate.time_error(call)),
            Fault.CANCEL_NOT_FOUND: lambda call: self.refused(Refusal(RefusalReason.UNKNOWN_ORDER, ""), call),
        }

    @property
    def name(self) -> str:
        """The exchange's id."""
        return "bybit"

    @property
    def id_fields(self) -> frozenset[str]:
        """Where answers carry ids of orders."""
        return frozenset({"orderId", "orderLinkId"})

    def request_name(self, method: str, path: str, params: Mapping[str, str]) -> RequestName:
        """The kind of a request. Lookups by id and lists are one endpoint here, funding and trades another."""
        endpoint = ENDPOINTS.get((method, path))
        if endpoint is None:
            return RequestName.OTHER
        has_id = bool(params.get("orderId") or params.get("orderLinkId"))
        if has_id and endpoint.name in (RequestName.OPEN_ORDERS, RequestName.ORDERS):
            return RequestName.ORDER
        is_funding = endpoint.name is RequestName.MY_TRADES and params.get("execType") == FUNDING
        return RequestName.FUNDING if is_funding else endpoint.name

    def weight(self, call: Call) -> int:
        """Requests are counted, not weighed."""
        return 1

    def admit(self, call: Call) -> Answer | None:
        """Key, signature, time window, permission and rate limit."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None or endpoint.is_public:
            return None
        try:
            self.gate.admit(call)
        except BybitError as error:
            return self._error(error)
        return None

    def execute(self, call: Call, books: Books) -> Answer:
        """Do it on the venue."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        if endpoint is None:
            return self._error(BybitError(NO_ROUTE, "Route not found."), status=404)
        try:
            return self._done(endpoint.do(self._request(call, books)))
        except BybitError as error:
            return self._error(error)

    def refused(self, refusal: Refusal, call: Call) -> Answer:
        """The code that the category has for it."""
        return self._error(error_from_refusal(refusal, _kind(call)))

    def failure(self, fault: Fault, call: Call) -> Answer:
        """How Bybit says it. Half of all errors have status 200."""
        return self._failures[fault](call)

    def headers(self, call: Call) -> Mapping[str, str]:
        """What is left of the limit."""
        endpoint = ENDPOINTS.get((call.method, call.path))
        return {} if endpoint is None or endpoint.is_public else self.gate.headers(call)

    def ccxt_options(self, http: str, ws: str) -> dict[str, Any]:
        """Every address that the client has for requests and streams."""
        return {
            "urls": {
                "api": {
                    **dict.fromkeys(("spot", "futures", "v2", "public", "private"), http),
                    "ws": {
                        "public": {kind: f"{ws}/v5/public/{kind}" for kind in ("spot", "linear", "inverse", "option")},
                        "private": {
                            "spot": {"unified": f"{ws}/v5/private", "nonUnified": f"{ws}/spot/private/v3"},
                            "contract": f"{ws}/v5/private",
                            "usdc": f"{ws}/trade/option/usdc/private/v1",
                            "trade": f"{ws}/v5/trade",
                        },
                    },
                }
            }
        }

    def heard(self, socket: StreamSocket, message: Json) -> None:
        """A client said this on a stream."""
        self._streams.heard(socket, message)

    def told(self, event: VenueEvent) -> None:
        """The venue changed."""
        self._streams.told(event)

    # --- what the exchange does by itself, when a test says so -----------------------------------------

    def check_dead_man(self, at_ms: int) -> list[VenueOrder]:
        """Look whether the streams with a ``dcp`` topic have been gone for long enough by now; what was cancelled.

        Between two looks the streams count as they were at the first. Without any ``dcp`` topic, nothing happens.
        """
        gone: list[VenueOrder] = []
        for topic, kind in DEAD_MAN_TOPICS.items():
            if any(topic in socket.accounts for socket in self._server.sockets.values()):
                self._guarded_ms[kind] = at_ms
            seconds = self.state.dead_man_seconds.get(kind)
            if seconds is not None and at_ms - self._guarded_ms.get(kind, at_ms) >= seconds * 1000:
                gone += self._cancel_kind(kind, DCP_REASON)
        return gone

    def liquidate(self, market_id: str) -> VenueOrder | None:
        """Cancel the orders of a swap and close its position at the market; None where it is flat."""
        venue = self._server.venue
        venue.cancel_all(market_id, reason=LIQUIDATED_REASON)
        size = venue.position(market_id).size
        if not size:
            return None
        self.state.busted.add(venue.register.next_id())
        return venue.place(
            NewOrder(
                market=market_id,
                side=Side.SELL if size > 0 else Side.BUY,
                amount=abs(size),
                price=None,
                client_id=f"{NAMELESS}bust{venue.register.next_id()}",
                reduce_only=True,
            )
        )

    def _outage(self, call: Call) -> Answer:
        if self._server.faults.roll() < TIMEOUT_SHARE:
            return self._error(BybitError(SERVER_TIMEOUT, "Server Timeout"))
        return Answer(body="<html><body>502 Bad Gateway</body></html>", status=502, is_refusal=True)

    def _too_many_visits(self, call: Call) -> Answer:
        reset_ms = self._server.now_ms() + int(self._server.faults.retry_after_seconds * 1000)
        limits = {"X-Bapi-Limit-Status": "0", "X-Bapi-Limit-Reset-Timestamp": str(reset_ms)}
        return self._error(BybitError(TOO_MANY_VISITS, "Too many visits!"), headers=limits)

    def _cancel_kind(self, kind: MarketKind, reason: str) -> list[VenueOrder]:
        venue = self._server.venue
        gone: list[VenueOrder] = []
        for market in venue.markets.values():
            if market.kind is kind:
                gone += venue.cancel_all(market.id, reason=reason)
        return gone

    def _request(self, call: Call, books: Books) -> Request:
        return Request(
            venue=self._server.venue,
            books=books,
            state=self.state,
            permissions=self._server.permissions,
            api_key=self._server.api_key,
            params=params_of(call),
        )

    def _done(self, reply: Reply) -> Answer:
        return Answer(body=self._body(0, "OK", result=reply.result, extra=reply.extra))

    def _error(self, error: BybitError, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        body = self._body(error.code, error.text, result={}, extra={})
        return Answer(body=body, status=status, headers=headers or {}, is_refusal=True)

    def _body(self, code: int, text: str, *, result: JsonObject, extra: JsonObject) -> JsonObject:
        return {"retCode": code, "retMsg": text, "result": result, "retExtInfo": extra, "time": self._server.now_ms()}


def _kind(call: Call) -> MarketKind:
    return MarketKind.SPOT if call.params.get("category") == "spot" else MarketKind.LINEAR
