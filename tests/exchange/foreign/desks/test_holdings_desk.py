"""What the account holds is told whole or not at all; what is already set needs no setting."""

from typing import Any

import ccxt
import pytest

from engine.exchange.foreign.desks.holdings_desk import HoldingsDesk
from engine.model.errors import Rejected, SettingsInvalid, Transient
from engine.model.grid import MarginMode
from engine.model.market import MarketKind
from tests.exchange.foreign.desk_bench import DAY_MS, NOW_MS, D, Desks, RecordedClient
from tests.exchange.foreign.raw_builders import a_raw_position, a_swap_market

SWAP = "BTC/USDT:USDT"
OTHER = "ETH/USDT:USDT"


def a_desk(client: RecordedClient) -> HoldingsDesk:
    markets = {symbol: a_swap_market(symbol=symbol) for symbol in (SWAP, OTHER)}
    return HoldingsDesk(
        client,  # type: ignore[arg-type]
        requester=Desks(client).requester,
        markets=markets,
        kind=MarketKind.SWAP,
        now_ms=lambda: NOW_MS,
    )


@pytest.mark.parametrize("answer", [{}, {"info": {}}, {"BTC": {"free": None, "used": None, "total": "1"}}])
async def test_balances_that_are_empty_or_torn_are_no_answer(answer: object) -> None:
    with pytest.raises(Transient, match="the balances cannot be read"):
        await a_desk(RecordedClient(fetch_balance=answer)).balances()


async def test_positions_of_several_markets_are_asked_for_one_by_one_as_bybit_refuses_a_list() -> None:
    def answer(symbols: list[str]) -> list[dict[str, Any]]:
        if len(symbols) > 1:
            raise ccxt.ArgumentsRequired("does not accept an array with more than one symbol")
        return [a_raw_position(symbol=symbols[0])]

    positions = await a_desk(RecordedClient("bybit", fetch_positions=answer)).positions()
    assert sorted(positions) == [SWAP, OTHER]
    assert positions[SWAP].amount == D(3)


async def test_a_position_on_each_side_is_told_to_the_user_and_not_taken_for_one() -> None:
    rows = [a_raw_position(), a_raw_position(side="short", contracts=100.0)]
    client = RecordedClient(fetch_positions=lambda symbols: rows if symbols == [SWAP] else [])
    with pytest.raises(SettingsInvalid, match="hedge mode to one-way mode"):
        await a_desk(client).positions()


async def test_a_position_that_cannot_be_read_is_no_answer() -> None:
    client = RecordedClient(fetch_positions=lambda symbols: [a_raw_position(side=None)])
    with pytest.raises(Transient, match="cannot be read"):
        await a_desk(client).positions()


def a_payment(number: int, at_ms: int, **changes: object) -> dict[str, Any]:
    return {
        "id": str(number),
        "symbol": SWAP,
        "timestamp": at_ms,
        "amount": "-0.5",
        "code": "USDT",
        "info": {},
        **changes,
    }


@pytest.mark.parametrize("per_page", [50, 24])
async def test_rel_53_a_week_of_hourly_funding_is_told_whole_and_once(per_page: int) -> None:
    first_ms = NOW_MS - 7 * DAY_MS
    rows = [a_payment(n, first_ms + n * 3_600_000) for n in range(168)]

    def page(symbol: str, since: int, limit: int, params: dict[str, Any]) -> list[dict[str, Any]]:
        return [row for row in rows if since <= row["timestamp"] < params["until"]][-per_page:]

    client = RecordedClient(has={"fetchFundingHistory": True}, fetch_funding_history=page)
    payments = await a_desk(client).funding(SWAP, first_ms)
    assert [payment.funding_id for payment in payments] == [str(n) for n in range(168)]


async def test_funding_that_cannot_be_read_is_no_answer() -> None:
    client = RecordedClient(
        has={"fetchFundingHistory": True}, fetch_funding_history=[a_payment(1, NOW_MS, timestamp=None)]
    )
    with pytest.raises(Transient, match="cannot be read"):
        await a_desk(client).funding(SWAP, NOW_MS - 1)


async def test_what_an_exchange_does_not_list_is_nothing() -> None:
    desk = a_desk(RecordedClient())
    assert (await desk.funding(SWAP, 0), await desk.liquidations(SWAP, 0)) == ((), ())


def leverage_client(error: Exception | None) -> RecordedClient:
    return RecordedClient(
        "bybit",
        has={"setMarginMode": True, "setLeverage": True},
        set_margin_mode={},
        set_leverage={} if error is None else error,
    )


@pytest.mark.parametrize(
    "words",
    [
        '{"retCode":110043,"retMsg":"leverage not modified"}',
        '{"retCode":110043,"retMsg":"Leverage has not been modified"}',
    ],
)
async def test_a_leverage_that_is_already_set_is_set(words: str) -> None:
    client = leverage_client(ccxt.NoChange(f"bybit {words}"))
    await a_desk(client).set_leverage(SWAP, D(5), MarginMode.ISOLATED)
    assert client.asked[-1] == ("set_leverage", (5, SWAP, {"marginMode": "isolated"}))


async def test_a_leverage_that_is_refused_for_what_is_already_open_is_refused() -> None:
    client = leverage_client(ccxt.InsufficientFunds('bybit {"retCode":110012,"retMsg":"a position already exists"}'))
    with pytest.raises(Rejected):
        await a_desk(client).set_leverage(SWAP, D(5), MarginMode.ISOLATED)
