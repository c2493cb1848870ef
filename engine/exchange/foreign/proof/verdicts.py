"""What a foreign exception proves: the exchange's own code first, then the client library's class, then its cause.

Only a proof counts. A code or class that is not known to prove anything is ``UNPROVEN``, whatever it is called:
the library maps time-outs of an exchange to refusals, and a duplicate order to a wrong one.
Source: ccxt 4.5.64, ``base/errors.py`` and the ``exceptions`` of each exchange.
"""

from enum import StrEnum

from engine.exchange.foreign.habits.dialects import Dialect
from engine.exchange.foreign.proof.reasons import chain_of, class_names, codes_in, has_any, http_status_of, text_of


class Verdict(StrEnum):
    """What became of the request."""

    UNPROVEN = "unproven"
    """It may have been executed."""
    DUPLICATE = "duplicate"
    NOT_FOUND = "not-found"
    POST_ONLY = "post-only"
    REFUSED = "refused"
    UNSENT = "unsent"
    """The client library found fault with it before sending."""
    RATE_LIMITED = "rate-limited"
    BUSY = "busy"
    CLOCK = "clock"
    """The request's time or number was not accepted."""
    WRONG_KEY = "wrong-key"
    WRONG_IP = "wrong-ip"
    NO_PERMISSION = "no-permission"
    BAD_SYMBOL = "bad-symbol"
    WRONG_PLACE = "wrong-place"
    """The exchange does not serve the country the request came from."""
    NO_NAME = "no-name"
    """The exchange's address could not be looked up; nothing was sent."""
    NO_CONNECTION = "no-connection"
    """No connection came about; nothing was sent."""
    PROXY = "proxy"
    """The proxy did not let the connection through; nothing was sent."""
    TLS = "tls"
    """Who answered could not prove to be the exchange; nothing was sent."""


_BY_CLASS = (
    ("DuplicateOrderId", Verdict.DUPLICATE),
    ("OrderNotFound", Verdict.NOT_FOUND),
    ("OrderImmediatelyFillable", Verdict.POST_ONLY),
    ("OrderNotFillable", Verdict.REFUSED),
    ("InsufficientFunds", Verdict.REFUSED),
    ("NoChange", Verdict.REFUSED),
    ("MarketClosed", Verdict.BAD_SYMBOL),
    ("ContractUnavailable", Verdict.BAD_SYMBOL),
    ("RestrictedLocation", Verdict.WRONG_PLACE),
    ("ManualInteractionNeeded", Verdict.NO_PERMISSION),
    ("PermissionDenied", Verdict.NO_PERMISSION),
    ("AccountSuspended", Verdict.NO_PERMISSION),
    ("AuthenticationError", Verdict.WRONG_KEY),
    ("InvalidNonce", Verdict.CLOCK),
    ("RateLimitExceeded", Verdict.RATE_LIMITED),
    ("DDoSProtection", Verdict.RATE_LIMITED),
    ("ArgumentsRequired", Verdict.UNSENT),
    ("NotSupported", Verdict.UNSENT),
    ("InvalidProxySettings", Verdict.PROXY),
)
_BY_CAUSE = (
    ("ClientConnectorDNSError", Verdict.NO_NAME),
    ("gaierror", Verdict.NO_NAME),
    ("ClientHttpProxyError", Verdict.PROXY),
    ("ClientProxyConnectionError", Verdict.PROXY),
    ("ProxyError", Verdict.PROXY),
    ("ProxyConnectionError", Verdict.PROXY),
    ("ClientConnectorCertificateError", Verdict.TLS),
    ("ClientConnectorSSLError", Verdict.TLS),
    ("ServerFingerprintMismatch", Verdict.TLS),
    ("ClientConnectorError", Verdict.NO_CONNECTION),
    ("ConnectionTimeoutError", Verdict.NO_CONNECTION),
)
"""Raised while connecting, so before the request; a reset or a silent server is none of these."""
_UNSENT_PHRASES = (
    "does not have market symbol",
    "markets not loaded",
    "must be greater than minimum amount precision",
    "must be greater than minimum price precision",
)


def verdict_of(error: BaseException, dialect: Dialect) -> Verdict:
    """What an exception of the client library, or of anything it calls, proves."""
    text = text_of(error)
    told = _by_code(text, dialect)
    if told is not None:
        # a key that worked before and is called wrong now is a short ban, which the library knows by its class
        return Verdict.RATE_LIMITED if told is Verdict.WRONG_KEY and is_rate_limit(error) else told
    caused = _by_cause(error)
    if caused is not None:
        return caused
    names = class_names(error)
    if "BaseError" not in names:
        return Verdict.UNPROVEN  # the library's own parser broke, perhaps on the answer to an order
    if http_status_of(text) == 451:
        return Verdict.WRONG_PLACE
    for name, verdict in _BY_CLASS:
        if name in names:
            return verdict
    if not codes_in(text) and any(phrase in text for phrase in _UNSENT_PHRASES):
        return Verdict.BAD_SYMBOL if "BadSymbol" in names else Verdict.UNSENT
    return Verdict.UNPROVEN


def is_rate_limit(error: BaseException) -> bool:
    """The exchange was asked too often."""
    names = class_names(error)
    is_named = "RateLimitExceeded" in names or "DDoSProtection" in names
    return is_named or http_status_of(text_of(error)) in (418, 429)


def is_clock_error(error: BaseException, dialect: Dialect) -> bool:
    """The exchange did not accept the time of a request: this machine's clock has to be measured."""
    text = text_of(error)
    codes = codes_in(text)
    return has_any(dialect.codes.clock, text, codes) or (not codes and "InvalidNonce" in class_names(error))


def is_maintenance(error: BaseException, dialect: Dialect) -> bool:
    """The exchange rests; asking again soon is of no use."""
    text = text_of(error)
    return "OnMaintenance" in class_names(error) or has_any(dialect.codes.busy, text, codes_in(text))


def _by_code(text: str, dialect: Dialect) -> Verdict | None:
    """The verdict of the exchange's own words; None where it has none that are known."""
    known = dialect.codes
    codes = codes_in(text)
    if has_any(known.proves_nothing, text, codes):
        return Verdict.UNPROVEN
    if has_any(known.duplicates, text, codes) or (codes and "duplicat" in text.lower()):
        return Verdict.DUPLICATE
    for entries, verdict in (
        (known.post_only, Verdict.POST_ONLY),
        (known.not_found, Verdict.NOT_FOUND),
        (known.clock, Verdict.CLOCK),
        (known.rate, Verdict.RATE_LIMITED),
        (known.busy, Verdict.BUSY),
        (known.wrong_ip, Verdict.WRONG_IP),
        (known.wrong_key, Verdict.WRONG_KEY),
        (known.no_permission, Verdict.NO_PERMISSION),
        (known.bad_symbol, Verdict.BAD_SYMBOL),
        (known.refusals, Verdict.REFUSED),
    ):
        if has_any(entries, text, codes):
            return verdict
    return None


def _by_cause(error: BaseException) -> Verdict | None:
    """The verdict of what broke below the client library, where that was before anything was sent."""
    names = [name for link in chain_of(error) for name in class_names(link)]
    return next((verdict for name, verdict in _BY_CAUSE if name in names), None)
