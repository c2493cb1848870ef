"""Dialects are data that must hold together: no table contradicts itself, and an unknown exchange proves nothing."""

from itertools import combinations

import pytest

from engine.exchange.foreign.habits.dialect_codes import Codes
from engine.exchange.foreign.habits.dialects import Dialect, dialect_of
from engine.model.market import FeeCurrency, MarketKind
from tests.exchange.foreign.recorded_client import ID, TRIED

TABLES = tuple(Codes.__slots__)


@pytest.mark.parametrize("exchange", TRIED)
def test_a_code_of_an_exchange_proves_one_thing(exchange: str) -> None:
    codes = dialect_of(exchange).codes
    for one, other in combinations(TABLES, 2):
        assert not getattr(codes, one) & getattr(codes, other), f"{one} and {other}"


@pytest.mark.parametrize("exchange", TRIED)
def test_a_phrase_proves_nothing_else_by_being_part_of_another_tables_phrase(exchange: str) -> None:
    codes = dialect_of(exchange).codes
    for one, other in combinations(TABLES, 2):
        pairs = [(a, b) for a in getattr(codes, one) for b in getattr(codes, other) if " " in a or ":" in a]
        assert not [pair for pair in pairs if pair[0] in pair[1] or (" " in pair[1] and pair[1] in pair[0])]


@pytest.mark.parametrize("exchange", TRIED)
def test_an_exchange_that_was_tried_has_tables_of_its_own(exchange: str) -> None:
    dialect = dialect_of(exchange)
    assert dialect.id == exchange
    assert dialect.is_tried
    assert dialect.codes.refusals
    assert dialect.codes.not_found
    assert dialect.market_kinds


def test_an_exchange_that_nobody_has_tried_gets_a_dialect_that_proves_nothing() -> None:
    dialect = dialect_of("unheard-of")
    assert dialect == Dialect(id="unheard-of", is_tried=False)
    assert all(getattr(dialect.codes, table) == frozenset() for table in TABLES)
    assert dialect.place_params(ID, post_only=True, reduce_only=True) == {
        "clientOrderId": ID,
        "postOnly": True,
        "reduceOnly": True,
    }
    assert dialect.lookup_params(ID) == {"clientOrderId": ID}
    assert dialect.cancel_params(ID) == {"clientOrderId": ID}
    assert dialect.list_params(ID) == {}
    assert dialect.request_life_seconds == 60.0


@pytest.mark.parametrize(
    "exchange, text",
    [
        ("okx", "has-hyphen"),
        ("okx", "a" * 33),
        ("kraken", "a" * 19),
        ("gate", "a" * 29),
        ("hyperliquid", "a" * 15),
        ("binance", "a.b"),
        ("binance", "a" * 37),
        ("binance", "gabc01e00200003z\n"),
        ("unheard-of", ""),
    ],
)
def test_rel_33_an_id_that_an_exchange_could_cut_or_refuse_is_never_sent(exchange: str, text: str) -> None:
    with pytest.raises(ValueError, match="expected a client order id"):
        dialect_of(exchange).place_params(text, post_only=False, reduce_only=False)


@pytest.mark.parametrize("exchange", TRIED)
def test_an_order_whose_own_id_is_known_is_named_by_that_alone(exchange: str) -> None:
    dialect = dialect_of(exchange)
    assert dialect.cancel_params(ID, order_id="1") == {}
    assert dialect.wire_id(ID) not in dialect.lookup_params(ID, order_id="1").values()


@pytest.mark.parametrize("exchange", [*TRIED, "unheard-of"])
@pytest.mark.parametrize("kind", list(MarketKind))
def test_rel_29_rel_30_the_library_retries_nothing_corrects_no_clock_and_widens_no_window(
    exchange: str, kind: MarketKind
) -> None:
    options = dialect_of(exchange).market_options(kind)
    assert options["maxRetriesOnFailure"] == 0
    assert options["adjustForTimeDifference"] is False
    assert options["defaultType"] == kind.value
    assert options["createMarketBuyOrderRequiresPrice"] is False
    assert options["warnOnFetchOpenOrdersWithoutSymbol"] is False
    assert options.get("recvWindow", 5000) == 5000


def test_the_options_of_one_client_are_its_own() -> None:
    dialect = dialect_of("binance")
    dialect.market_options(MarketKind.SPOT)["recvWindow"] = 60_000
    assert dialect.market_options(MarketKind.SPOT)["recvWindow"] == 5000


def test_fees_of_spot_markets_are_taken_where_the_exchange_takes_them() -> None:
    in_quote = {name for name in TRIED if dialect_of(name).fee_currency is FeeCurrency.QUOTE}
    assert in_quote == {"kraken", "kucoin", "coinbase", "mexc"}


def test_markets_on_which_the_library_loses_our_id_or_the_exact_amount_are_not_offered() -> None:
    spot_only = {name for name in TRIED if dialect_of(name).market_kinds == {MarketKind.SPOT}}
    swap_only = {name for name in TRIED if dialect_of(name).market_kinds == {MarketKind.SWAP}}
    assert spot_only == {"kraken", "kucoin", "coinbase", "mexc", "htx"}
    assert swap_only == {"binanceusdm", "krakenfutures"}
