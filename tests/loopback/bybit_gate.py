"""Who may pass: Bybit's signatures, time window, permissions, and the limits per second and endpoint.

Source: bybit-exchange.github.io/docs/v5/guide (authentication), /v5/rate-limit. A refused signature is answered with
the text that was signed, the API key in it: what an exchange says may never be shown or logged as it is.
"""

import hashlib
import hmac
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tests.loopback.bybit_codes import (
    BAD_KEY,
    BAD_PARAMETER,
    BAD_SIGNATURE,
    NO_PERMISSION,
    TIME_WINDOW,
    TOO_MANY_VISITS,
    BybitError,
)
from tests.loopback.faults import RequestName
from tests.loopback.wire import Call

if TYPE_CHECKING:
    from tests.loopback.server import LoopbackServer

AHEAD_MS_MAX = 1000
LIMIT_WINDOW_MS = 1000
TRADE_LIMITS = {"spot": 20, "linear": 10}
READ_LIMIT = 50
TRADING = frozenset(
    {
        RequestName.PLACE,
        RequestName.CANCEL,
        RequestName.CANCEL_ALL,
        RequestName.DEAD_MAN,
        RequestName.LEVERAGE,
    }
)


class Gate:
    """Admits private requests of one server. ``is_limiting`` may be switched at any time."""

    def __init__(self, server: "LoopbackServer") -> None:
        """Nobody has come yet."""
        self.is_limiting = True
        self._server = server
        self._visits: dict[tuple[str, str], deque[int]] = defaultdict(deque)

    def admit(self, call: Call) -> None:
        """Raises ``BybitError`` for whoever may not pass."""
        self._check_key(call)
        self._check_time(call)
        self._check_signature(call)
        self._check_permission(call)
        self._check_limit(call)

    def headers(self, call: Call) -> Mapping[str, str]:
        """What is left of the limit that the request counts for."""
        limit = _limit(call)
        used = len(self._visits[_bucket(call)])
        return {
            "X-Bapi-Limit": str(limit),
            "X-Bapi-Limit-Status": str(max(limit - used, 0)),
            "X-Bapi-Limit-Reset-Timestamp": str(self._reset_ms(call)),
        }

    def time_error(self, call: Call) -> BybitError:
        """What a request outside its time window is told."""
        return BybitError(
            TIME_WINDOW,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{call.headers.get('x-bapi-timestamp', '')}],server_timestamp[{self._server.now_ms()}],"
            f"recv_window[{call.headers.get('x-bapi-recv-window', '')}]",
        )

    def _check_key(self, call: Call) -> None:
        key = call.headers.get("x-bapi-api-key", "")
        if not key or not call.headers.get("x-bapi-timestamp", "").isdigit():
            raise BybitError(BAD_PARAMETER, "empty value: apiTimestamp[] apiKey[] apiSignature[]")
        if key != self._server.api_key:
            raise BybitError(BAD_KEY, "API key is invalid.")

    def _check_time(self, call: Call) -> None:
        sent_ms = int(call.headers["x-bapi-timestamp"])
        window_ms = int(call.headers.get("x-bapi-recv-window") or 5000)
        now_ms = self._server.now_ms()
        if not now_ms - window_ms <= sent_ms < now_ms + AHEAD_MS_MAX:
            raise self.time_error(call)

    def _check_signature(self, call: Call) -> None:
        headers = call.headers
        payload = call.body if call.method == "POST" else call.query
        signed = (
            headers["x-bapi-timestamp"] + headers["x-bapi-api-key"] + headers.get("x-bapi-recv-window", "") + payload
        )
        expected = hmac.new(self._server.secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(headers.get("x-bapi-sign", ""), expected):
            raise BybitError(BAD_SIGNATURE, f"error sign! origin_string[{signed}]")

    def _check_permission(self, call: Call) -> None:
        permissions = self._server.permissions
        is_allowed = permissions.may_trade if call.name in TRADING else permissions.may_read
        if not is_allowed and call.name is not RequestName.PERMISSIONS:
            raise BybitError(NO_PERMISSION, "Permission denied, please check your API key permissions.")

    def _check_limit(self, call: Call) -> None:
        visits, now_ms = self._visits[_bucket(call)], self._server.now_ms()
        while visits and visits[0] <= now_ms - LIMIT_WINDOW_MS:
            visits.popleft()
        if self.is_limiting and len(visits) >= _limit(call):
            raise BybitError(TOO_MANY_VISITS, "Too many visits. Exceeded the API Rate Limit.")
        visits.append(now_ms)

    def _reset_ms(self, call: Call) -> int:
        visits, now_ms = self._visits[_bucket(call)], self._server.now_ms()
        return visits[0] + LIMIT_WINDOW_MS if len(visits) >= _limit(call) else now_ms


def _bucket(call: Call) -> tuple[str, str]:
    return call.path, call.params.get("category", "")


def _limit(call: Call) -> int:
    if call.name in TRADING:
        return TRADE_LIMITS.get(call.params.get("category", ""), TRADE_LIMITS["linear"])
    return READ_LIMIT
