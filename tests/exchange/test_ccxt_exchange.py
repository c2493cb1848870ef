"""A real exchange is opened as the configuration says, or not at all and with what to do."""

import inspect
import traceback
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import pytest

from engine.exchange.ccxt_exchange import CcxtOptions, open_ccxt
from engine.exchange.foreign.exchange import CcxtExchange
from engine.model.errors import SettingsInvalid
from engine.model.market import MarketKind
from engine.model.secret import ExchangeKeys
from tests.canary import CANARY_KEYS, assert_no_secret
from tests.live.bench import a_live_spec, an_exchange
from tests.loopback.server import LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side

NOW_MS = 1_795_305_600_000
NO_PASSWORD = ExchangeKeys(api_key=CANARY_KEYS.api_key, secret=CANARY_KEYS.secret)


def some_options(**changes: Any) -> CcxtOptions:
    plain: dict[str, Any] = {
        "exchange_id": "binance",
        "market_type": MarketKind.SPOT,
        "is_sandbox": False,
        "keys": CANARY_KEYS,
        "ccxt": {},
        "symbols": ("BTC/USDT",),
        "now_ms": lambda: NOW_MS,
    }
    return CcxtOptions(**{**plain, **changes})


async def opened(**changes: Any) -> CcxtExchange:
    """Made, and closed again; nothing is asked."""
    exchange = open_ccxt(some_options(**changes))
    await exchange.close()
    return exchange


def problems(**changes: Any) -> str:
    """What is wrong with a configuration; nothing of it shows a key."""
    try:
        open_ccxt(some_options(**changes))
    except SettingsInvalid as error:
        assert_no_secret(str(error), repr(error), "".join(traceback.format_exception(error)))
        return str(error)
    raise AssertionError("expected a problem")


@pytest.mark.parametrize("name", ["nowhere", "Binance", "", "pro", "Exchange", "__init__", "\x1b]52;c;evil\x07"])
def test_an_unknown_exchange_is_told_as_one(name: str) -> None:
    text = problems(exchange_id=name)
    assert text.startswith("exchange.id: expected one of ccxt's exchanges with streams")
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "name, meant",
    [("binnance", "(perhaps binance)"), ("Bybit", "(perhaps bybit)"), ("xyzzy", "found xyzzy")],
)
def test_an_unknown_exchange_is_told_with_the_one_that_was_perhaps_meant(name: str, meant: str) -> None:
    assert problems(exchange_id=name).endswith(meant)


def test_a_kind_of_market_that_cannot_be_traded_there_is_told_with_those_that_can() -> None:
    assert "can be traded here on spot markets only, found swap" in problems(
        exchange_id="kraken", market_type=MarketKind.SWAP
    )


@pytest.mark.parametrize("exchange", ["kraken", "kucoin", "coinbase", "mexc", "htx"])
def test_a_sandbox_where_there_is_none_is_told_and_never_the_real_exchange(exchange: str) -> None:
    assert f"exchange.sandbox: {exchange} has no sandbox" in problems(exchange_id=exchange, is_sandbox=True)


@pytest.mark.parametrize("exchange", ["binance", "bybit", "okx", "gate", "bitget"])
async def test_a_sandbox_where_there_is_one_is_named(exchange: str) -> None:
    assert (await opened(exchange_id=exchange, is_sandbox=True)).name == f"{exchange} sandbox"


@pytest.mark.parametrize(
    "line",
    [
        *("verify", "verbose", "enableRateLimit", "apiKey", "secret", "password", "privateKey", "session"),
        *("fetch_order", "proxyUrl", "proxy_url", "number", "throttler", "nonsense", "httpProxyCallback"),
    ],
)
def test_rel_29_what_would_show_keys_or_skip_checks_is_not_open_to_configuration(line: str) -> None:
    assert problems(ccxt={line: False}) == (
        f"exchange.ccxt.{line}: expected no such line: it is not open to configuration"
    )


@pytest.mark.parametrize("line", ["recvWindow", "maxRetriesOnFailure", "adjustForTimeDifference", "timeDifference"])
def test_rel_30_how_long_a_request_may_arrive_is_not_open_to_configuration(line: str) -> None:
    assert f"exchange.ccxt.options.{line}: expected no such line" in problems(ccxt={"options": {line: 60_000}})


@pytest.mark.parametrize(
    ("line", "value", "expected"),
    [
        ("timeout", "soon", "expected float or int, found str"),
        ("timeout", 0, "expected milliseconds above 0"),
        ("timeout", True, "expected float or int, found bool"),
        ("rateLimit", -1, "expected milliseconds above 0"),
        ("urls", 3, "expected mapping, found int"),
        ("options", [], "expected mapping, found list"),
        ("headers", "x", "expected mapping, found str"),
        ("httpsProxy", 8080, "expected str, found int"),
        ("aiohttp_trust_env", "yes", "expected bool, found str"),
    ],
)
def test_a_line_of_the_wrong_kind_is_told(line: str, value: object, expected: str) -> None:
    assert problems(ccxt={line: value}).startswith(f"exchange.ccxt.{line}: {expected}")


def test_every_wrong_line_is_told_at_once() -> None:
    text = problems(ccxt={"verify": False, "timeout": "x", "options": {"recvWindow": 1}})
    assert len(text.splitlines()) == 3


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.org/api", "ws://example.org", "HTTP://example.org", "http://127.0.0.1.example.org"),
        *("http://[::1", "example.org/api", "ftp://example.org", "//example.org", "http://localhost@example.org"),
    ],
)
def test_an_address_that_is_not_encrypted_is_refused(address: str) -> None:
    urls = {"api": {"public": "https://example.org", "ws": {"spot": [], "public": address}}}
    assert "exchange.ccxt.urls: expected an encrypted address" in problems(ccxt={"urls": urls})


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080/api", "ws://localhost:1", "http://[::1]:8", "https://x.example"]
)
async def test_an_address_that_is_encrypted_or_this_machine_s_is_taken(address: str) -> None:
    await opened(ccxt={"urls": {"api": {"public": address}}})


@pytest.mark.parametrize("line", ["httpsProxy", "socksProxy", "wssProxy", "aiohttp_proxy"])
async def test_a_proxy_may_be_given(line: str) -> None:
    exchange = await opened(ccxt={line: "http://10.0.0.1:3128"})
    assert getattr(exchange._client, line) == "http://10.0.0.1:3128"


@pytest.mark.parametrize("exchange", ["binance", "bybit", "gate", "coinbase", "new"])
def test_a_dead_mans_switch_where_nothing_counts_down_is_told(exchange: str) -> None:
    id_ = {"new": "bitmex"}.get(exchange, exchange)
    assert f"exchange.dead_man_seconds: expected 0: {id_}" in problems(exchange_id=id_, dead_man_seconds=60.0)


async def test_a_dead_mans_switch_has_the_length_that_the_exchange_takes() -> None:
    assert "okx takes 10 to 120 seconds, found 600" in problems(exchange_id="okx", dead_man_seconds=600.0)
    assert "okx takes 10 to 120 seconds, found 5" in problems(exchange_id="okx", dead_man_seconds=5.0)
    await opened(exchange_id="kraken", dead_man_seconds=60.0)


def test_a_key_without_the_passphrase_that_the_exchange_wants_is_told() -> None:
    assert "okx needs the key's passphrase" in problems(exchange_id="okx", keys=NO_PASSWORD)


async def test_a_wallet_s_address_and_private_key_are_the_key_and_its_secret() -> None:
    exchange = await opened(exchange_id="hyperliquid", market_type=MarketKind.SWAP)
    assert exchange._client.privateKey == CANARY_KEYS.secret.reveal()  # type: ignore[attr-defined]
    assert exchange._client.walletAddress == CANARY_KEYS.api_key.reveal()  # type: ignore[attr-defined]


async def test_rel_29_nothing_is_sent_twice_by_the_library_and_numbers_stay_text() -> None:
    client: Any = (await opened())._client
    assert client.options["maxRetriesOnFailure"] == 0
    assert (client.number, client.verify, client.verbose, client.enableRateLimit) == (str, True, False, True)


async def test_no_key_is_in_the_repr_of_anything() -> None:
    exchange = await opened()
    assert_no_secret(
        repr(exchange), str(exchange), repr(exchange._client), repr(some_options()), repr(exchange._account)
    )


def test_the_library_is_imported_by_this_file_alone() -> None:
    folder = Path(inspect.getfile(CcxtExchange)).parents[2]
    found = [path.name for path in folder.rglob("*.py") if "import ccxt" in path.read_text("utf-8")]
    assert found == ["ccxt_exchange.py"]


def rest(server: LoopbackServer, count: int) -> None:
    """Orders of somebody, each on a price of its own."""
    market = next(market.id for market in server.venue.markets.values() if market.symbol == "BTC/USDT")
    for n in range(count):
        server.venue.place(
            NewOrder(
                market=market, side=Side.BUY, amount=Decimal("0.001"), price=Decimal(50_000 + n), client_id=f"web{n}"
            )
        )


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
@pytest.mark.parametrize("count", [49, 50, 51, 120])
async def test_rel_59_every_open_order_is_told_through_the_real_client(protocol: str, count: int) -> None:
    async with loopback(protocol) as server:
        exchange = an_exchange(server, [a_live_spec().symbol])
        try:
            await exchange.open()
            rest(server, count)
            reports = await exchange.fetch_open_orders("BTC/USDT")
        finally:
            await exchange.close()
    assert sorted(report.client_order_id for report in reports) == sorted(f"web{n}" for n in range(count))


def test_the_library_leaves_the_rounding_of_our_money_alone() -> None:
    """Its way of writing prices sets the rounding and the traps of the thread that it runs in."""
    made = open_ccxt(some_options())
    client: Any = made._client
    client.markets = {"BTC/USDT": {"precision": {"price": "0.01"}, "symbol": "BTC/USDT"}}
    client.market = client.markets.__getitem__
    before = getcontext().copy()
    assert client.price_to_precision("BTC/USDT", "100.005") == "100.01"
    after = getcontext()
    assert (after.rounding, after.traps, after.prec) == (before.rounding, before.traps, before.prec)
