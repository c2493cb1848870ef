"""A torn answer with a good status is never an empty one: not an empty list, not an order that does not exist."""

from collections.abc import Callable

import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.proof.whole_answers import TornAnswer, guard_answers
from engine.model.errors import OutcomeUnknown, Transient
from tests.exchange.foreign.failures import translated
from tests.exchange.foreign.recorded_client import ID, TRIED, Answer, Sent, recorded_client, symbol_of

TORN = {
    "bybit": '{"retCode":0,"retMsg":"OK","result":{"list":[{"orderId":"1","orderLi',
    "okx": '{"code":"0","data":[{"clOrdId":"gabc01',
    "kraken": '{"error":[],"result":{"open":{"OABC12":{"ref',
    "kucoin": '{"code":"200000","data":{"items":[{"id":"1","clien',
    "bitget": '{"code":"00000","msg":"success","data":[{"orderId":"1',
}


def always(body: str, status: int = 200) -> Callable[[Sent], Answer]:
    return lambda _: Answer(body=body, status=status)


@pytest.mark.parametrize("exchange", sorted(TORN))
async def test_rel_03_the_library_takes_a_torn_list_of_orders_for_an_empty_one_and_the_guard_does_not(
    exchange: str,
) -> None:
    kind = min(dialect_of(exchange).market_kinds)
    async with recorded_client(exchange, kind, always(TORN[exchange])) as (client, _):
        if exchange != "bitget":
            assert await client.fetch_open_orders(symbol_of(exchange, kind)) == []
        guard_answers(client)
        with pytest.raises(TornAnswer, match="cut off") as caught:
            await client.fetch_open_orders(symbol_of(exchange, kind))
    assert type(translated(caught.value, RequestKind.READ, exchange)) is Transient


@pytest.mark.parametrize("exchange", TRIED)
@pytest.mark.parametrize("body", ['{"code":"0","data":[{"ordId":"1","clO', '[{"a":1}', "", "OK"])
async def test_rel_03_a_torn_answer_leaves_an_order_unknown_on_every_exchange(exchange: str, body: str) -> None:
    dialect = dialect_of(exchange)
    kind = min(dialect.market_kinds)
    symbol = symbol_of(exchange, kind)
    async with recorded_client(exchange, kind, always(body)) as (client, _):
        guard_answers(client)
        params = dialect.place_params(ID, post_only=True, reduce_only=False)
        with pytest.raises(TornAnswer) as placed:
            await client.create_order(symbol, "limit", "buy", "7", "61250", params)
        with pytest.raises(TornAnswer) as looked_up:
            await client.fetch_order("1", symbol, dialect.lookup_params(ID, order_id="1"))
        with pytest.raises(TornAnswer) as cancelled:
            await client.cancel_order("1", symbol, dialect.cancel_params(ID, order_id="1"))
    assert type(translated(placed.value, RequestKind.PLACE, exchange)) is OutcomeUnknown
    assert type(translated(cancelled.value, RequestKind.CANCEL, exchange)) is OutcomeUnknown
    assert type(translated(looked_up.value, RequestKind.LOOKUP, exchange)) is Transient


async def test_whole_answers_and_error_pages_pass_the_guard_unchanged() -> None:
    dialect = dialect_of("binance")
    kind = min(dialect.market_kinds)
    answers = iter(
        [
            Answer(body="[]"),
            Answer(body='{"symbol":"BTCUSDT","orderId":28,"status":"NEW","clientOrderId":"gabc01e00200003z"}'),
            Answer(body="<html>502</html>", status=502),
            Answer(body='{"code":-2013,"msg":"Order does not exist."}', status=400),
        ]
    )
    async with recorded_client("binance", kind, lambda _: next(answers)) as (client, _):
        guard_answers(client)
        assert await client.fetch_open_orders("BTC/USDT") == []
        order = await client.fetch_order("", "BTC/USDT", dialect.lookup_params(ID))
        with pytest.raises(Exception, match="502") as page:
            await client.fetch_open_orders("BTC/USDT")
        with pytest.raises(Exception, match="-2013") as refusal:
            await client.fetch_order("", "BTC/USDT", dialect.lookup_params(ID))
        assert client.parse_json("no answer at all") is None
    assert order["clientOrderId"] == ID
    assert type(page.value).__name__ == "ExchangeNotAvailable"
    assert type(refusal.value).__name__ == "OrderNotFound"
