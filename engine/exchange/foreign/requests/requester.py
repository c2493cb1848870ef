"""Every request of one account to a real exchange: bans are obeyed, and every foreign error becomes ours, once.

The client library never retries; who asked decides. Reads wait for a place, so that an order or a
cancellation never stands behind a heap of them in the library's queue.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from engine.exchange.foreign.client import ForeignClient
from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.habits.paging import Nonces
from engine.exchange.foreign.proof.errors import RequestKind, ban_until_ms, error_from_foreign, is_clock_error
from engine.exchange.foreign.proof.reasons import codes_in, has_any, text_of
from engine.exchange.foreign.requests.bans import Bans
from engine.model.errors import GridwrightError, RetryScope, SettingsInvalid, Transient
from engine.model.snapshot import EventLevel
from engine.model.times import time_text

T = TypeVar("T")
Notice = Callable[[str, EventLevel], None]
READS_AT_ONCE = 4
_BAN_MARGIN_MS = 1000
_BROKEN_SECONDS = 15.0
"""The wait where something must be changed first, such as a key that was withdrawn."""


class Requester:
    """One per account. ``notice`` hears of bans; ``clock_is_wrong`` is called when the exchange refuses our time."""

    def __init__(
        self,
        client: ForeignClient,
        dialect: Dialect,
        *,
        now_ms: Callable[[], int],
        bans: Bans,
        notice: Notice,
        clock_is_wrong: Callable[[], None],
        redact: Callable[[str], str] = str,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._now_ms = now_ms
        self._bans = bans
        self._notice = notice
        self._clock_is_wrong = clock_is_wrong
        self._redact = redact
        self.is_in_use = False
        """Whether the exchange was opened: from then on nothing is a reason to end."""
        self._reads = anyio.CapacityLimiter(READS_AT_ONCE)
        self._turn = anyio.CapacityLimiter(1) if dialect.nonces is Nonces.RISING else None

    async def read(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """A request that changes nothing. Raises ``Transient``, ``SettingsInvalid`` or ``Rejected``."""
        async with self._reads:
            return await self.send(what, call, RequestKind.READ)

    async def look_up(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Ask for one order. Raises ``OrderNotFound`` beside what ``read`` raises."""
        async with self._reads:
            return await self.send(what, call, RequestKind.LOOKUP)

    async def send(self, what: str, call: Callable[[], Awaitable[T]], kind: RequestKind) -> T:
        """A request of any kind, at once.

        Raises:
            Transient: provably not executed, or it changes nothing; with the least wait.
            Rejected: the exchange said no, and one of its subclasses where it said why.
            OutcomeUnknown: it may have been executed.
            SettingsInvalid: keys, permissions, symbol or network are not as they must be.
        """
        if self._turn is None:
            return await self._sent(what, call, kind)
        async with self._turn:
            return await self._sent(what, call, kind)

    async def _sent(self, what: str, call: Callable[[], Awaitable[T]], kind: RequestKind) -> T:
        self._check_ban()
        try:
            return await call()
        except GridwrightError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks in the library or its parsers is judged, once
            raise self._judged(error, kind, what) from None

    def _check_ban(self) -> None:
        wait_ms = self._bans.until_ms - self._now_ms()
        if wait_ms > 0:
            until = time_text(self._bans.until_ms)  # and not for how long: what is said again would never be the same
            text = f"{self._client.id} has banned this address; nothing is asked until {until}"
            raise Transient(text, retry_after_seconds=wait_ms / 1000, scope=RetryScope.ACCOUNT)

    def _judged(self, error: Exception, kind: RequestKind, what: str) -> GridwrightError:
        now_ms = self._now_ms()
        headers = self._client.last_response_headers or {}
        ours = error_from_foreign(
            error, kind, self._dialect, what=what, headers=headers, now_ms=now_ms, redact=self._redact
        )
        if self.is_in_use and isinstance(ours, SettingsInvalid):
            # Keys, network or proxy were right when the exchange was opened: orders rest, so nobody gives up.
            ours = Transient(str(ours), retry_after_seconds=_BROKEN_SECONDS)
        if is_clock_error(error, self._dialect):
            self._clock_is_wrong()
        if self._is_order_rate(error):
            # New orders alone are too many: cancellations and questions go on.
            return _scoped(ours, RetryScope.ORDERS)
        until_ms = ban_until_ms(error, headers, now_ms)
        if until_ms is None or until_ms <= now_ms:
            return ours
        is_told = self._bans.until_ms > now_ms
        self._bans.extend(until_ms + _BAN_MARGIN_MS)
        if not is_told:  # requests that were on their way together bring the same answer
            self._notice(
                f"{self._client.id} asks for silence: no request until {time_text(until_ms)}; orders rest unattended",
                EventLevel.WARNING,
            )
        return _scoped(ours, RetryScope.ACCOUNT)

    def _is_order_rate(self, error: Exception) -> bool:
        text = text_of(error)
        return has_any(self._dialect.order_rate, text, codes_in(text))


def _scoped(error: GridwrightError, scope: RetryScope) -> GridwrightError:
    """The same, and what has to wait; an error that is not to be tried again stays as it is."""
    if not isinstance(error, Transient):
        return error
    return Transient(str(error), retry_after_seconds=error.retry_after_seconds, scope=scope)
