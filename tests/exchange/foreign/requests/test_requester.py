"""Bans are obeyed by everything, order rates by orders alone, and every foreign error becomes ours, once."""

import traceback
from typing import Any

import anyio
import ccxt
import pytest

from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.requests.requester import READS_AT_ONCE
from engine.model.errors import OutcomeUnknown, Rejected, RetryScope, SettingsInvalid, Transient
from tests.canary import CANARY_KEYS, assert_no_secret
from tests.exchange.foreign.desk_bench import NOW_MS, Desks, RecordedClient

BANNED = ccxt.DDoSProtection(
    'binance 418 {"code":-1003,"msg":"Way too much request weight used; IP banned until 1795305660000."}'
)
TOO_MANY_ORDERS = ccxt.RateLimitExceeded('binance 429 {"code":-1015,"msg":"Too many new orders; current limit is 50"}')


async def sent(desks: Desks, error: object, kind: RequestKind) -> Any:
    async def call() -> object:
        if isinstance(error, BaseException):
            raise error
        return error

    return await desks.requester.send("the request", call, kind)


async def failed(desks: Desks, error: object, kind: RequestKind = RequestKind.READ) -> Transient:
    with pytest.raises(Transient) as caught:
        await sent(desks, error, kind)
    return caught.value


async def test_rel_27_after_a_ban_nothing_leaves_until_it_ends() -> None:
    desks = Desks(RecordedClient())
    first = await failed(desks, BANNED)
    assert (first.scope, first.retry_after_seconds) == (RetryScope.ACCOUNT, 60.0)
    for kind in RequestKind:
        held = await failed(desks, AssertionError("sent during a ban"), kind)
        assert (held.scope, held.retry_after_seconds) == (RetryScope.ACCOUNT, 61.0)
    desks.now_ms += 61_000
    assert await sent(desks, "answer", RequestKind.READ) == "answer"
    assert len(desks.notices) == 1


async def test_rel_26_orders_that_are_too_many_hold_back_orders_alone() -> None:
    client = RecordedClient()
    client.last_response_headers = {"Retry-After": "7"}
    desks = Desks(client)
    error = await failed(desks, TOO_MANY_ORDERS, RequestKind.PLACE)
    assert (error.scope, error.retry_after_seconds) == (RetryScope.ORDERS, 7.0)
    assert await sent(desks, "cancelled", RequestKind.CANCEL) == "cancelled"
    assert (desks.bans.until_ms, desks.notices) == (0, [])


async def test_rel_26_a_retry_after_is_obeyed_by_everything() -> None:
    client = RecordedClient()
    client.last_response_headers = {"Retry-After": "30"}
    desks = Desks(client)
    error = await failed(desks, ccxt.RateLimitExceeded('binance 429 {"code":-1003,"msg":"Too many requests"}'))
    assert (error.scope, error.retry_after_seconds) == (RetryScope.ACCOUNT, 30.0)
    assert desks.bans.until_ms == NOW_MS + 31_000


async def test_rel_30_a_refused_time_is_measured() -> None:
    desks = Desks(RecordedClient())
    await failed(desks, ccxt.InvalidNonce('binance {"code":-1021,"msg":"Timestamp for this request is outside"}'))
    assert desks.clock_errors == 1


@pytest.mark.parametrize("error", [KeyError("orderId"), TypeError("None"), RecursionError(), ValueError("x")])
async def test_rel_04_a_parser_that_breaks_is_judged_like_a_lost_answer(error: Exception) -> None:
    with pytest.raises(OutcomeUnknown):
        await sent(Desks(RecordedClient()), error, RequestKind.PLACE)


async def test_our_own_errors_pass_as_they_are() -> None:
    with pytest.raises(Rejected, match="ours"):
        await sent(Desks(RecordedClient()), Rejected("ours"), RequestKind.PLACE)


async def test_rel_54_cancellation_passes() -> None:
    with anyio.move_on_after(0) as scope:
        await Desks(RecordedClient()).requester.send("x", anyio.sleep_forever, RequestKind.PLACE)
    assert scope.cancelled_caught


async def test_no_key_and_no_signed_address_is_in_a_message_or_a_traceback() -> None:
    secret, key = CANARY_KEYS.secret.reveal(), CANARY_KEYS.api_key.reveal()
    error = ccxt.ExchangeError(f"binance GET https://api.example/api/v3/order?apiKey={key}&signature={secret} 500")
    try:
        await sent(Desks(RecordedClient()), error, RequestKind.PLACE)
    except OutcomeUnknown as ours:
        assert_no_secret(str(ours), repr(ours), "".join(traceback.format_exception(ours)))
    else:
        raise AssertionError("expected an error")


async def most_at_once(exchange: str, *, reads: int, orders: int) -> int:
    """The most requests that were under way at one moment."""
    desks, now, most = Desks(RecordedClient(exchange)), 0, 0

    async def call() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        now -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(reads):
            tasks.start_soon(desks.requester.read, "r", call)
        for _ in range(orders):
            tasks.start_soon(desks.requester.send, "o", call, RequestKind.PLACE)
    return most


async def test_reads_wait_for_each_other_and_orders_never_wait_for_reads() -> None:
    assert await most_at_once("binance", reads=20, orders=0) == READS_AT_ONCE
    assert await most_at_once("binance", reads=20, orders=3) == READS_AT_ONCE + 3


async def test_on_kraken_whose_numbers_must_rise_no_request_overtakes_another() -> None:
    assert await most_at_once("kraken", reads=10, orders=3) == 1


async def test_a_key_that_is_withdrawn_while_orders_rest_is_no_reason_to_end() -> None:
    refused = ccxt.AuthenticationError('binance {"code":-2014,"msg":"API-key format invalid."}')
    desks = Desks(RecordedClient())
    with pytest.raises(SettingsInvalid):
        await sent(desks, refused, RequestKind.READ)
    desks.requester.is_in_use = True
    error = await failed(desks, refused)
    assert error.retry_after_seconds == 15.0


async def test_what_the_exchange_repeats_of_a_key_is_taken_out_of_the_message() -> None:
    key = CANARY_KEYS.api_key.reveal()
    desks = Desks(RecordedClient(), redact=lambda text: text.replace(key, "***"))
    with pytest.raises(Rejected) as caught:
        await sent(desks, ccxt.InsufficientFunds(f"binance -2010 not enough, said {key}"), RequestKind.PLACE)
    assert_no_secret(str(caught.value))
