"""Every failure of the real client library becomes one of our errors, and only a proof counts as one."""

import errno
import json
import socket
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import assume, given
from hypothesis import strategies as st
from yarl import URL

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.proof.errors import (
    BAN_SECONDS_MAX,
    RequestKind,
    ban_until_ms,
    is_clock_error,
    is_rate_limit,
)
from engine.model.errors import (
    GridwrightError,
    OrderNotFound,
    OutcomeUnknown,
    PostOnlyRejected,
    Rejected,
    SettingsInvalid,
    Transient,
)
from engine.model.market import MarketKind
from tests.exchange.foreign.error_corpus import CANCEL, CORPUS, LOOKUP, PLACE, READ, Row
from tests.exchange.foreign.failures import NOW_MS, failure, told_no_secret, translated
from tests.exchange.foreign.recorded_client import ID, TRIED, Answer, Sent, recorded_client


@pytest.mark.parametrize("row", CORPUS, ids=[f"{number:03}-{row.name}" for number, row in enumerate(CORPUS)])
async def test_what_an_exchange_says_means(row: Row) -> None:
    """The corpus; the ids of the cases carry the rows of the failure modes they prove."""
    accounts = '{"status":"ok","data":[{"id":7,"type":"spot","subtype":"","state":"working"}]}'

    def reply(sent: Sent) -> Answer:
        if sent.path.endswith("/account/accounts"):
            return Answer(body=accounts)
        return Answer(status=row.status, body='"default"' if "userAbstraction" in sent.body else row.body)

    foreign, sent = await failure(row.exchange, row.kind, reply)
    ours = translated(foreign, row.kind, row.exchange, now_ms=NOW_MS)
    assert type(ours) is row.ours
    assert row.says in str(ours)
    assert str(ours).startswith("the request: ")
    assert told_no_secret(str(ours), sent)


def test_the_corpus_covers_every_tried_exchange_and_every_kind_of_answer() -> None:
    assert len(CORPUS) >= 80
    assert {row.exchange for row in CORPUS} == set(TRIED)
    for exchange in {row.exchange for row in CORPUS}:
        assert any(row.exchange == exchange and row.kind is PLACE for row in CORPUS)


# --- what broke below the library ---------------------------------------------------------------------------

_KEY = ConnectionKey("api.binance.com", 443, True, True, None, None, None)
_REFUSED = OSError(errno.ECONNREFUSED, "Connect call failed")
_INFO = SimpleNamespace(real_url=URL("https://api.binance.com/?signature=5ecret"), method="POST", headers={})


def _http_proxy_error() -> aiohttp.ClientError:
    return aiohttp.ClientHttpProxyError(_INFO, (), status=407, message="Proxy Authentication Required")  # type: ignore[arg-type]


def _wrong_certificate() -> aiohttp.ClientError:
    return aiohttp.ClientConnectorCertificateError(
        _KEY, ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed certificate")
    )


async def through_the_library(cause: Callable[[], BaseException], kind: RequestKind = PLACE) -> Exception:
    def reply(_: Sent) -> Answer:
        raise cause()

    return (await failure("binance", kind, reply))[0]


BEFORE_THE_WIRE: list[tuple[Callable[[], BaseException], type[GridwrightError], type[GridwrightError], str]] = [
    (lambda: aiohttp.ClientConnectorError(_KEY, _REFUSED), Transient, Transient, "internet connection"),
    (lambda: aiohttp.ClientConnectorDNSError(_KEY, _REFUSED), Transient, Transient, "DNS"),
    (lambda: socket.gaierror(-2, "Name or service not known"), Transient, Transient, "DNS"),
    (lambda: aiohttp.ClientProxyConnectionError(_KEY, _REFUSED), Rejected, SettingsInvalid, "check the proxy"),
    (_http_proxy_error, Rejected, SettingsInvalid, "check the proxy"),
    (_wrong_certificate, Rejected, SettingsInvalid, "clock"),
    (lambda: aiohttp.ClientConnectorSSLError(_KEY, _REFUSED), Rejected, SettingsInvalid, "never switched off"),
    (lambda: aiohttp.ConnectionTimeoutError("Connection timeout"), Transient, Transient, "internet connection"),
]


@pytest.mark.parametrize("cause, on_place, on_read, advice", BEFORE_THE_WIRE, ids=range(len(BEFORE_THE_WIRE)))
async def test_rel_44_what_fails_before_anything_is_sent_was_not_executed_and_says_what_to_do(
    cause: Callable[[], BaseException],
    on_place: type[GridwrightError],
    on_read: type[GridwrightError],
    advice: str,
) -> None:
    placed = translated(await through_the_library(cause), PLACE)
    read = translated(await through_the_library(cause, READ), READ)
    assert (type(placed), type(read)) == (on_place, on_read)
    assert advice in str(placed)
    assert advice in str(read)
    assert "https" not in str(placed)


AFTER_THE_WIRE: list[Callable[[], BaseException]] = [
    aiohttp.ServerDisconnectedError,
    lambda: aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer"),
    lambda: aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
    lambda: aiohttp.ClientPayloadError("Response payload is not completed"),
    lambda: aiohttp.ServerTimeoutError("Timeout on reading data from socket"),
    lambda: aiohttp.SocketTimeoutError("Timeout on reading data from socket"),
    lambda: aiohttp.ClientError("anything"),
    TimeoutError,
    lambda: KeyError("orderId"),
    lambda: TypeError("'NoneType' object is not subscriptable"),
    lambda: ValueError("Expecting value"),
    lambda: OSError(errno.EPIPE, "Broken pipe"),
]


@pytest.mark.parametrize("cause", AFTER_THE_WIRE, ids=range(len(AFTER_THE_WIRE)))
async def test_rel_01_rel_03_what_fails_after_sending_leaves_an_order_unknown_and_a_question_open(
    cause: Callable[[], BaseException],
) -> None:
    foreign = await through_the_library(cause)
    assert type(translated(foreign, PLACE)) is OutcomeUnknown
    assert type(translated(foreign, CANCEL)) is OutcomeUnknown
    assert type(translated(foreign, LOOKUP)) is Transient
    assert type(translated(foreign, READ)) is Transient


@pytest.mark.parametrize("body", ['{"symbol":"BTCUSDT","orderId":28,"clientOrd', "", "null", "[]", "<html>", "OK"])
async def test_rel_03_rel_04_a_torn_answer_to_an_order_is_never_a_refusal(body: str) -> None:
    dialect = dialect_of("binance")
    async with recorded_client("binance", MarketKind.SPOT, lambda _: Answer(body=body)) as (client, _):
        params = dialect.place_params(ID, post_only=True, reduce_only=False)
        try:
            raw: Any = await client.create_order("BTC/USDT", "limit", "buy", "1", "61250", params)
        except Exception as error:  # noqa: BLE001 - whatever the library makes of it
            ours: object = type(translated(error, PLACE))
        else:
            ours = raw["id"]
    assert ours in (OutcomeUnknown, None)  # None: taken for an answer, which names no order, as who asked sees


async def test_rel_04_an_error_in_a_parser_that_follows_a_connection_error_does_not_borrow_its_proof() -> None:
    careless = KeyError("orderId")
    careless.__context__ = aiohttp.ClientConnectorError(_KEY, _REFUSED)
    assert type(translated(careless, PLACE)) is OutcomeUnknown


async def test_an_order_that_the_library_refuses_before_sending_was_not_executed() -> None:
    dialect = dialect_of("binance")
    params = dialect.place_params(ID, post_only=False, reduce_only=False)
    async with recorded_client("binance", MarketKind.SPOT) as (client, session):
        for amount, symbol, price in (("0.000001", "BTC/USDT", "1"), ("1", "NO/SUCH", "1"), ("1", "BTC/USDT", "0.001")):
            with pytest.raises(Exception) as caught:
                await client.create_order(symbol, "limit", "buy", amount, price, params)
            assert type(translated(caught.value, PLACE)) is Rejected
        with pytest.raises(Exception) as unknown_symbol:
            await client.fetch_ticker("NO/SUCH")
    assert session.sent == []
    assert type(translated(unknown_symbol.value, READ)) is SettingsInvalid
    assert "check the symbol" in str(translated(unknown_symbol.value, READ))


# --- an exchange that nobody has looked at --------------------------------------------------------------------


async def test_of_an_untried_exchange_nothing_is_proven_by_rate_limits_lost_connections_and_codes() -> None:
    import ccxt

    for error in (
        ccxt.RateLimitExceeded("x 429 Too Many Requests"),
        ccxt.DDoSProtection("x 418"),
        ccxt.InvalidOrder('x {"code":-1013}'),
        ccxt.BadRequest('x {"code":-1100}'),
        ccxt.OnMaintenance("x maintenance"),
        ccxt.ExchangeError('x {"code":-2010}'),
        await through_the_library(lambda: aiohttp.ClientConnectorError(_KEY, _REFUSED)),
        await through_the_library(_http_proxy_error),
        await through_the_library(_wrong_certificate),
    ):
        assert type(translated(error, PLACE, "unheard-of")) is OutcomeUnknown
        assert type(translated(error, CANCEL, "unheard-of")) is OutcomeUnknown


async def test_of_an_untried_exchange_the_classes_that_can_mean_nothing_else_are_proof() -> None:
    import ccxt

    for error, ours in (
        (ccxt.InsufficientFunds('x {"code":1}'), Rejected),
        (ccxt.AuthenticationError('x {"code":1}'), Rejected),
        (ccxt.OrderImmediatelyFillable('x {"code":1}'), PostOnlyRejected),
        (ccxt.ArgumentsRequired("x createOrder() requires a price argument"), Rejected),
        (ccxt.OrderNotFound('x {"code":1}'), OutcomeUnknown),
        (ccxt.ExchangeNotAvailable("x"), OutcomeUnknown),
    ):
        assert type(translated(error, PLACE, "unheard-of")) is ours
    assert type(translated(ccxt.OrderNotFound("x"), CANCEL, "unheard-of")) is OrderNotFound


@given(
    code=st.integers(-10_000, 200_000).map(str) | st.text(max_size=20),
    exchange=st.sampled_from(("binance", "bybit", "okx", "gate", "htx")),
    kind=st.sampled_from((PLACE, CANCEL)),
)
def test_rel_04_a_code_that_is_in_no_table_proves_nothing(code: str, exchange: str, kind: RequestKind) -> None:
    import ccxt

    known = dialect_of(exchange).codes
    entries = {entry for table in known.__slots__ for entry in getattr(known, table)}
    assume(code not in entries and "duplicat" not in code.lower())
    error = ccxt.InvalidOrder(f"{exchange} {json.dumps({'code': code, 'msg': ''})}")
    assert type(translated(error, kind, exchange)) is OutcomeUnknown


# --- how long to wait ------------------------------------------------------------------------------------------


async def test_rel_27_a_ban_ends_when_the_exchange_says() -> None:
    until_ms = NOW_MS + 400_000
    body = f'{{"code":-1003,"msg":"Way too many requests; IP banned until {until_ms}."}}'
    foreign, _ = await failure("binance", READ, lambda _: Answer(status=418, body=body))
    ours = translated(foreign, READ, now_ms=NOW_MS)
    assert is_rate_limit(foreign)
    assert ban_until_ms(foreign, {}, NOW_MS) == until_ms
    assert isinstance(ours, Transient)
    assert ours.retry_after_seconds == 400.0
    assert ban_until_ms(foreign, {}, until_ms) is None


@pytest.mark.parametrize(
    "exchange, status, body, headers, seconds",
    [
        ("binance", 429, '{"code":-1003,"msg":"Too many requests."}', {"Retry-After": "37"}, 37.0),
        ("binance", 429, '{"code":-1003,"msg":"Too many requests."}', {"retry-after": "2.5"}, 2.5),
        ("binance", 429, '{"code":-1003,"msg":"Too many requests."}', {"Retry-After": "soon"}, 10.0),
        ("binance", 429, '{"code":-1003,"msg":"Too many requests."}', {}, 10.0),
        ("binance", 429, '{"code":-1003,"msg":"Too many requests."}', {"Retry-After": "9" * 12}, BAN_SECONDS_MAX),
        ("kucoin", 429, '{"code":"429000","msg":"Too Many Requests"}', {"gw-ratelimit-reset": "14000"}, 14.0),
        ("bybit", 200, '{"retCode":10006,"retMsg":"x"}', {"X-Bapi-Limit-Reset-Timestamp": str(NOW_MS + 3000)}, 3.0),
        ("bybit", 200, '{"retCode":10018,"retMsg":"x"}', {}, 600.0),
        ("kraken", 200, '{"error":["EGeneral:Temporary lockout"]}', {}, 900.0),
        ("htx", 200, '{"status":"error","err-code":"system-maintenance","err-msg":"x"}', {}, 60.0),
    ],
)
async def test_rel_26_rel_32_the_wait_is_what_the_exchange_asks_for(
    exchange: str, status: int, body: str, headers: dict[str, str], seconds: float
) -> None:
    foreign, _ = await failure(exchange, READ, lambda _: Answer(status=status, body=body, headers=headers))
    ours = translated(foreign, READ, exchange, headers=headers, now_ms=NOW_MS)
    assert isinstance(ours, Transient)
    assert ours.retry_after_seconds == seconds


async def test_a_ban_that_never_ends_ends_after_three_days() -> None:
    body = '{"code":-1003,"msg":"IP banned until 9999999999999."}'
    foreign, _ = await failure("binance", READ, lambda _: Answer(status=418, body=body))
    assert ban_until_ms(foreign, None, NOW_MS) == NOW_MS + 3 * 86_400_000


async def test_rel_27_a_key_that_worked_and_is_called_wrong_now_is_a_ban_and_no_wrong_setting() -> None:
    import ccxt

    error = ccxt.DDoSProtection('binance {"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}')
    assert type(translated(error, READ)) is Transient


async def test_rel_30_a_refused_time_is_told_from_other_failures() -> None:
    for row in CORPUS:
        if row.rel == "rel-30" or row.exchange == "kraken":
            foreign, _ = await failure(row.exchange, PLACE, _reply_of(row))
            assert is_clock_error(foreign, dialect_of(row.exchange)) == (row.rel == "rel-30")


def _reply_of(row: Row) -> Callable[[Sent], Answer]:
    return lambda _: Answer(status=row.status, body=row.body)
