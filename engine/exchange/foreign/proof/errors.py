"""Every foreign exception becomes one of ours, once, and says what to do about it.

A placement or cancellation whose failure proves nothing is ``OutcomeUnknown``: it is asked for, never sent
again. No message holds an address, a key or a signature, so raise these ``from None``: a traceback that shows
the foreign exception shows the signed request.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.proof.reasons import clean_reason, http_status_of, text_of
from engine.exchange.foreign.proof.verdicts import Verdict, is_clock_error, is_maintenance, is_rate_limit, verdict_of
from engine.model.errors import (
    DuplicateOrder,
    GridwrightError,
    OrderNotFound,
    OutcomeUnknown,
    PostOnlyRejected,
    Rejected,
    RetryScope,
    SettingsInvalid,
    Transient,
)

__all__ = [
    "RequestKind",
    "ban_until_ms",
    "clean_reason",
    "error_from_foreign",
    "is_clock_error",
    "is_rate_limit",
]

BAN_SECONDS_MAX = 3 * 86_400
"""No exchange bans for longer; a later time is damage or mischief."""
_BUSY_SECONDS = 30.0
_MAINTENANCE_SECONDS = 60.0
_RATE_SECONDS = 10.0
_NETWORK_SECONDS = 2.0
_CLOCK_SECONDS = 1.0
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_BANNED_UNTIL = re.compile(r"\buntil (\d{13})\b")
_LONG_LIMITS = (("EGeneral:Temporary lockout", 900), ('"retCode":10018', 600), ("access too frequent", 600))
"""Exchanges that name no time in an answer, but in their pages."""


class RequestKind(StrEnum):
    """What a request was for: what it may have changed decides what its failure means."""

    READ = "read"
    PLACE = "place"
    CANCEL = "cancel"
    LOOKUP = "lookup"
    """Asking for one order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One failed request; ``text`` is what the user reads, without advice."""

    verdict: Verdict
    exchange: str
    text: str
    retry_after_seconds: float
    scope: RetryScope

    @property
    def transient(self) -> Transient:
        return Transient(self.advised, retry_after_seconds=self.retry_after_seconds, scope=self.scope)

    @property
    def advised(self) -> str:
        """The text, and what to do where that is known."""
        advice = _advice(self.verdict, self.exchange)
        return f"{self.text}; {advice}" if advice else self.text


def error_from_foreign(
    error: BaseException,
    kind: RequestKind,
    dialect: Dialect,
    *,
    what: str,
    headers: Mapping[str, str] | None = None,
    now_ms: int | None = None,
    redact: Callable[[str], str] = str,
) -> GridwrightError:
    """What a failure of the client library means for a request. ``what`` names the request in the message.

    ``headers`` are those of the exchange's last answer and ``now_ms`` the time: both tell how long to wait.
    ``redact`` takes out of the exchange's words what nobody must see.
    A setting that must be changed is ``SettingsInvalid`` for a read alone: an order is ``Rejected`` for it, and
    asking for one is ``OutcomeUnknown``, since the order may well exist.
    """
    verdict = verdict_of(error, dialect)
    case = _Case(
        verdict=verdict,
        exchange=dialect.id,
        text=f"{what}: {redact(clean_reason(error))}",
        retry_after_seconds=_retry_seconds(error, verdict, dialect, headers or {}, now_ms),
        scope=_scope(kind, verdict),
    )
    match kind:
        case RequestKind.READ:
            return _read_error(case)
        case RequestKind.LOOKUP:
            return _lookup_error(case)
        case RequestKind.PLACE:
            return _place_error(case, is_tried=dialect.is_tried)
        case RequestKind.CANCEL:
            return _cancel_error(case, is_tried=dialect.is_tried)


def _scope(kind: RequestKind, verdict: Verdict) -> RetryScope:
    """What has to wait: a limit that a placement met is that of all placements."""
    is_order_limit = verdict is Verdict.RATE_LIMITED and kind is RequestKind.PLACE
    return RetryScope.ORDERS if is_order_limit else RetryScope.REQUEST


def ban_until_ms(error: BaseException, headers: Mapping[str, str] | None, now_ms: int) -> int | None:
    """Until when nothing at all should be asked, where the exchange says so or is known to mean it; else None."""
    text = text_of(error)
    named = _BANNED_UNTIL.search(text)
    if named is not None:
        until_ms = int(named.group(1))
    elif is_rate_limit(error) or http_status_of(text) == 403:
        known = next((seconds for phrase, seconds in _LONG_LIMITS if phrase in text), None)
        wait_seconds = _seconds_in(headers or {}, "retry-after") if known is None else known
        if wait_seconds is None:
            return None
        until_ms = now_ms + round(wait_seconds * 1000)
    else:
        return None
    return min(until_ms, now_ms + BAN_SECONDS_MAX * 1000) if until_ms > now_ms else None


def _read_error(case: _Case) -> GridwrightError:
    match _PROOF_OF[case.verdict]:
        case _Proof.NOT_FOUND:
            return OrderNotFound(case.text)
        case _Proof.REFUSED | _Proof.POST_ONLY | _Proof.DUPLICATE:
            return Rejected(case.text)
        case _Proof.SETTING:
            return SettingsInvalid(case.advised)
        case _Proof.UNPROVEN | _Proof.PASSING | _Proof.UNREACHED:
            return case.transient


def _lookup_error(case: _Case) -> GridwrightError:
    match _PROOF_OF[case.verdict]:
        case _Proof.NOT_FOUND:
            return OrderNotFound(case.text)
        case _Proof.SETTING:
            return OutcomeUnknown(case.advised)
        case _Proof.UNPROVEN | _Proof.DUPLICATE | _Proof.POST_ONLY | _Proof.REFUSED | _Proof.PASSING | _Proof.UNREACHED:
            return case.transient


def _place_error(case: _Case, *, is_tried: bool) -> GridwrightError:
    match _PROOF_OF[case.verdict]:
        case _Proof.UNPROVEN | _Proof.NOT_FOUND:
            return OutcomeUnknown(case.text)
        case _Proof.DUPLICATE:
            return DuplicateOrder(case.text)
        case _Proof.POST_ONLY:
            return PostOnlyRejected(case.text)
        case _Proof.REFUSED | _Proof.SETTING:
            return _refused(case, is_tried=is_tried)
        case _Proof.PASSING | _Proof.UNREACHED:
            return case.transient if is_tried else OutcomeUnknown(case.advised)


def _cancel_error(case: _Case, *, is_tried: bool) -> GridwrightError:
    match _PROOF_OF[case.verdict]:
        case _Proof.UNPROVEN | _Proof.DUPLICATE | _Proof.POST_ONLY:
            return OutcomeUnknown(case.text)
        case _Proof.NOT_FOUND:
            return OrderNotFound(case.text)
        case _Proof.REFUSED | _Proof.SETTING:
            return _refused(case, is_tried=is_tried)
        case _Proof.PASSING | _Proof.UNREACHED:
            return case.transient if is_tried else OutcomeUnknown(case.advised)


def _refused(case: _Case, *, is_tried: bool) -> GridwrightError:
    """Of an exchange whose requests nobody has looked at, a lost connection may be that of a second request."""
    is_on_the_way = case.verdict in (Verdict.PROXY, Verdict.TLS)
    return OutcomeUnknown(case.advised) if is_on_the_way and not is_tried else Rejected(case.advised)


class _Proof(StrEnum):
    """What a verdict proves of a request, whatever the reason."""

    UNPROVEN = "unproven"
    DUPLICATE = "duplicate"
    NOT_FOUND = "not-found"
    POST_ONLY = "post-only"
    REFUSED = "refused"
    PASSING = "passing"
    """Not taken now; the same request may be taken later."""
    UNREACHED = "unreached"
    SETTING = "setting"
    """Not taken until somebody changes something."""


_PROOF_OF: Mapping[Verdict, _Proof] = MappingProxyType(
    {
        Verdict.UNPROVEN: _Proof.UNPROVEN,
        Verdict.DUPLICATE: _Proof.DUPLICATE,
        Verdict.NOT_FOUND: _Proof.NOT_FOUND,
        Verdict.POST_ONLY: _Proof.POST_ONLY,
        Verdict.REFUSED: _Proof.REFUSED,
        Verdict.UNSENT: _Proof.REFUSED,
        Verdict.RATE_LIMITED: _Proof.PASSING,
        Verdict.BUSY: _Proof.PASSING,
        Verdict.CLOCK: _Proof.PASSING,
        Verdict.WRONG_KEY: _Proof.SETTING,
        Verdict.WRONG_IP: _Proof.SETTING,
        Verdict.NO_PERMISSION: _Proof.SETTING,
        Verdict.BAD_SYMBOL: _Proof.SETTING,
        Verdict.WRONG_PLACE: _Proof.SETTING,
        Verdict.PROXY: _Proof.SETTING,
        Verdict.TLS: _Proof.SETTING,
        Verdict.NO_NAME: _Proof.UNREACHED,
        Verdict.NO_CONNECTION: _Proof.UNREACHED,
    }
)


def _retry_seconds(
    error: BaseException, verdict: Verdict, dialect: Dialect, headers: Mapping[str, str], now_ms: int | None
) -> float:
    """The least wait before the request makes sense again."""
    until_ms = None if now_ms is None else ban_until_ms(error, headers, now_ms)
    if until_ms is not None and now_ms is not None:
        return (until_ms - now_ms) / 1000
    if is_maintenance(error, dialect):
        return _MAINTENANCE_SECONDS
    if verdict is Verdict.RATE_LIMITED:
        return _rate_limit_seconds(headers, now_ms)
    if verdict is Verdict.BUSY:
        return _BUSY_SECONDS
    return _CLOCK_SECONDS if verdict is Verdict.CLOCK else _NETWORK_SECONDS


def _rate_limit_seconds(headers: Mapping[str, str], now_ms: int | None) -> float:
    """When the exchange's own window ends: Retry-After, KuCoin's milliseconds, Bybit's and Gate's moments."""
    told = _seconds_in(headers, "retry-after")
    left_ms = _seconds_in(headers, "gw-ratelimit-reset")
    if told is None and left_ms is not None:
        told = left_ms / 1000
    for name, per_second in (("x-bapi-limit-reset-timestamp", 1000), ("x-gate-ratelimit-reset-timestamp", 1)):
        moment = _seconds_in(headers, name)
        if told is None and moment is not None and now_ms is not None:
            told = moment / per_second - now_ms / 1000
    return _RATE_SECONDS if told is None else min(max(told, _CLOCK_SECONDS), BAN_SECONDS_MAX)


def _seconds_in(headers: Mapping[str, str], name: str) -> float | None:
    """A header's number, whatever the case of its name; None where it is missing or no number."""
    text = next((value for key, value in headers.items() if key.lower() == name), None)
    if text is None or _NUMBER.fullmatch(str(text)) is None:
        return None
    return float(text)


def _advice(verdict: Verdict, exchange: str) -> str:
    """What the user can do; empty where it is nothing."""
    match verdict:
        case Verdict.WRONG_KEY:
            return (
                f"check the API key and secret of {exchange}: whether they are complete, not expired, and of the same"
                " kind (sandbox or real) as the account"
            )
        case Verdict.WRONG_IP:
            return f"allow this machine's address in the settings of the API key on {exchange}"
        case Verdict.NO_PERMISSION:
            return f"allow the API key to read and to trade in its settings on {exchange}, and see that the account may"
        case Verdict.BAD_SYMBOL:
            return f"check the symbol: whether {exchange} lists it and trades it now, for this account"
        case Verdict.WRONG_PLACE:
            return f"{exchange} does not serve the place this request came from; use an exchange that does"
        case Verdict.PROXY:
            return "check the proxy: its address, whether it runs, its user and password"
        case Verdict.TLS:
            return (
                f"who answered is not proved to be {exchange}: check this machine's clock, and whether a proxy, a virus"
                " scanner or a network's log-in page stands between; the check is never switched off"
            )
        case Verdict.NO_NAME:
            return "check the internet connection and the name server (DNS)"
        case Verdict.NO_CONNECTION:
            return "check the internet connection, the firewall and the proxy"
        case Verdict.CLOCK:
            return "the clock is being measured; set this machine's clock right (for example with NTP)"
        case (
            Verdict.UNPROVEN
            | Verdict.DUPLICATE
            | Verdict.NOT_FOUND
            | Verdict.POST_ONLY
            | Verdict.REFUSED
            | Verdict.UNSENT
            | Verdict.RATE_LIMITED
            | Verdict.BUSY
        ):
            return ""
