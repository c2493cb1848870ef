"""Binance's gate: API key, HMAC signature, time window, permissions, and the weights of the rate limit."""

import hashlib
import hmac
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.loopback.binance_codes import (
    AHEAD,
    BAD_KEY,
    BAD_KEY_FORMAT,
    BAD_KEY_TEXT,
    BAD_SIGNATURE,
    BAD_TIMESTAMP,
    LATE,
    TOO_MANY_ORDERS,
    TOO_MANY_REQUESTS,
    error,
)
from tests.loopback.faults import RequestName
from tests.loopback.wire import Answer, Call

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

MINUTE_MS = 60_000
DEFAULT_WINDOW_MS = 5_000
WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000
STUBBORN_MAX = 10
"""So many requests in spite of 429 turn it into a ban."""
TRADING = (RequestName.PLACE, RequestName.CANCEL, RequestName.CANCEL_ALL)
ALL_SYMBOLS_WEIGHT = 80
_WEIGHTS = {
    "/api/v3/account": 20,
    "/api/v3/allOrders": 20,
    "/api/v3/exchangeInfo": 20,
    "/api/v3/myTrades": 20,
    "/api/v3/aggTrades": 4,
    "/api/v3/trades": 25,
    "/api/v3/klines": 2,
    "/api/v3/depth": 5,
}


def weight_of(call: Call) -> int:
    """What a request costs, as documented; sapi has limits of its own and costs nothing here."""
    if call.path.startswith("/sapi/"):
        return 0
    is_narrow = "symbol" in call.params
    if call.path == "/api/v3/openOrders" and call.method == "GET":
        return 6 if is_narrow else ALL_SYMBOLS_WEIGHT
    if call.path == "/api/v3/ticker/24hr":
        return 2 if is_narrow else ALL_SYMBOLS_WEIGHT
    if call.path == "/api/v3/order" and call.method == "GET":
        return 4
    if call.path == "/api/v3/myTrades" and "orderId" in call.params:
        return 5
    return _WEIGHTS.get(call.path, 1)


class Gate:
    """Who may pass, and how often. The limits are plain attributes, so that a test can lower them."""

    def __init__(self, server: "LoopbackServer") -> None:
        """Nothing used yet."""
        self.weight_per_minute_max = 6_000
        self.orders_per_10_seconds_max = 100
        self._server = server
        self._minute = 0
        self._used = 0
        self._stubborn = 0
        self._orders: deque[int] = deque()
        self._orders_today = 0

    def admit(self, call: Call, *, needs_signature: bool) -> Answer | None:
        """None if the request may pass."""
        limited = self._count(weight_of(call))
        if limited is not None or not needs_signature:
            return limited
        refusal = self._check_key(call.headers.get("x-mbx-apikey", ""), call.name)
        if refusal is None:
            refusal = self.check_signature(_signed_text(call), call.params.get("signature", ""))
        if refusal is None:
            refusal = self.check_time(call.params)
        return refusal or (self._count_order() if call.name is RequestName.PLACE else None)

    def admit_stream(self, params: dict[str, str]) -> Answer | None:
        """The same for a signed request on the WebSocket API, where parameters are signed in alphabetical order."""
        text = "&".join(f"{key}={value}" for key, value in sorted(params.items()) if key != "signature")
        refusal = self._check_key(params.get("apiKey", ""), RequestName.OTHER)
        if refusal is None:
            refusal = self.check_signature(text, params.get("signature", ""))
        return refusal or self.check_time(params)

    def check_signature(self, text: str, signature: str) -> Answer | None:
        """HMAC-SHA256 over the parameters as they were sent."""
        expected = hmac.new(self._server.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
        if hmac.compare_digest(expected, signature):
            return None
        return error(BAD_SIGNATURE, "Signature for this request is not valid.")

    def check_time(self, params: Mapping[str, str]) -> Answer | None:
        """The documented window: at most a second ahead, at most ``recvWindow`` behind."""
        stamp, now = params.get("timestamp"), self._server.now_ms()
        if stamp is None:
            return error(-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.")
        window = int(float(params.get("recvWindow", DEFAULT_WINDOW_MS)))
        if window > WINDOW_MS_MAX:
            return error(-1131, "recvWindow must be less than 60000.")
        if int(stamp) >= now + AHEAD_MS_MAX:
            return error(BAD_TIMESTAMP, AHEAD)
        return error(BAD_TIMESTAMP, LATE) if now - int(stamp) > window else None

    def headers(self) -> dict[str, str]:
        """What has been used."""
        return {
            "X-MBX-USED-WEIGHT": str(self._used),
            "X-MBX-USED-WEIGHT-1M": str(self._used),
            "X-MBX-ORDER-COUNT-10S": str(len(self._orders)),
            "X-MBX-ORDER-COUNT-1D": str(self._orders_today),
        }

    def _check_key(self, key: str, name: RequestName) -> Answer | None:
        permissions = self._server.permissions
        if len(key) < 1 or not key.isalnum():
            return error(BAD_KEY_FORMAT, "API-key format invalid.", 401)
        is_allowed = permissions.may_trade if name in TRADING else permissions.may_read
        if key == self._server.api_key and is_allowed:
            return None
        return error(BAD_KEY, BAD_KEY_TEXT, 401)

    def _count(self, weight: int) -> Answer | None:
        now = self._server.now_ms()
        if now // MINUTE_MS != self._minute:
            self._minute, self._used, self._stubborn = now // MINUTE_MS, 0, 0
        self._used += weight
        if self._used <= self.weight_per_minute_max:
            return None
        self._stubborn += 1
        seconds = 1 + (MINUTE_MS - now % MINUTE_MS) // 1000
        if self._stubborn > STUBBORN_MAX:
            self._server.faults.banned_until_ms = now + self._server.faults.ban_seconds * 1000
        return limit_answer(self.weight_per_minute_max, seconds)

    def _count_order(self) -> Answer | None:
        now = self._server.now_ms()
        while self._orders and self._orders[0] <= now - 10_000:
            self._orders.popleft()
        if len(self._orders) >= self.orders_per_10_seconds_max:
            text = f"Too many new orders; current limit is {self.orders_per_10_seconds_max} orders per 10 SECOND."
            return error(TOO_MANY_ORDERS, text, 429, {"Retry-After": "10"})
        self._orders.append(now)
        self._orders_today += 1
        return None


def limit_answer(weight_max: int, seconds: int) -> Answer:
    """429 with Retry-After."""
    text = (
        f"Too much request weight used; current limit is {weight_max} request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return error(TOO_MANY_REQUESTS, text, 429, {"Retry-After": str(seconds)})


def ban_answer(until_ms: int, now_ms: int) -> Answer:
    """418 with Retry-After and the time in the text."""
    text = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    seconds = max(1, -((now_ms - until_ms) // 1000))
    return error(TOO_MANY_REQUESTS, text, 418, {"Retry-After": str(seconds)})


def _signed_text(call: Call) -> str:
    """Query and body as on the wire, without the signature, which must come last."""
    parts = f"{call.query}&{call.body}" if call.query and call.body else call.query + call.body
    return parts.rpartition("&signature=")[0]
