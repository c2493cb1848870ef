"""The words of a foreign failure are shown without any secret, address or trick."""

import json
import traceback

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.exchange.foreign.proof.errors import RequestKind
from engine.exchange.foreign.proof.reasons import clean_reason
from engine.model.errors import GridwrightError
from tests.exchange.foreign.failures import NOW_MS, PLANTED, failure, told_no_secret, translated
from tests.exchange.foreign.recorded_client import API_KEY, PASSPHRASE, SECRET, TRIED, Answer, Sent


@pytest.mark.parametrize("exchange", [name for name in TRIED if name != "hyperliquid"])
@pytest.mark.parametrize("kind", list(RequestKind))
async def test_037b_mm_018_no_secret_address_or_header_is_in_any_message(exchange: str, kind: RequestKind) -> None:
    def echo(sent: Sent) -> Answer:
        """An exchange that sends back all that it was sent."""
        lines = [sent.url, *(f"{name}: {value}" for name, value in sent.headers.items()), sent.body, *PLANTED]
        return Answer(status=503, body=" ".join(lines))

    def cut(sent: Sent) -> Answer:
        raise aiohttp.ServerDisconnectedError(f"POST {sent.url} {dict(sent.headers)}")

    for reply in (echo, cut):
        foreign, sent = await failure(exchange, kind, reply)
        ours = translated(foreign, kind, exchange, now_ms=NOW_MS)
        try:
            raise ours from None
        except GridwrightError as raised:
            text = "".join(traceback.format_exception(raised))
        assert sent
        assert told_no_secret(text, sent)
        assert told_no_secret(clean_reason(foreign), sent)


@pytest.mark.parametrize(
    "text",
    [
        f'binance {{"code":-2014,"msg":"API-key {API_KEY} format invalid."}}',
        f'binance {{"code":-2014,"msg":"bad apiKey={API_KEY[:9]}"}}',
        f"binance headers {{'X-MBX-APIKEY': '{API_KEY}', 'ACCESS-PASSPHRASE': '{PASSPHRASE}'}}",
        f"binance GET https://user:{PASSPHRASE}@proxy.example:8080/ failed",
        f"binance /api/v3/order?symbol=BTCUSDT&signature={'ab' * 32} failed",
        f"binance secret: {SECRET} token={API_KEY} Authorization: Bearer {API_KEY}",
        "binance key AbCdEfGhIjKlMnOpQrStUv was refused",
    ],
)
def test_037b_mm_018_a_reason_holds_no_fragment_of_a_secret(text: str) -> None:
    reason = clean_reason(Exception(text))
    fragments = [secret[start : start + 6] for secret in PLANTED for start in range(len(secret) - 5)]
    fragments += ["abababab", "AbCdEfGh"]
    assert not [fragment for fragment in fragments if fragment in reason]
    assert "http" not in reason


@pytest.mark.parametrize(
    "text, reason",
    [
        ('binance {"code":-2010,"msg":"Account has insufficient balance for requested action."}',
         "Exception -2010 Account has insufficient balance for requested action."),
        ('okx {"code":"1","data":[{"sCode":"51008","sMsg":"Insufficient USDT"}],"msg":"All operations failed"}',
         "Exception 1 51008 Insufficient USDT"),
        ('kraken {"error":["EOrder:Insufficient funds"]}', "Exception EOrder:Insufficient funds"),
        ("krakenfutures: createOrder failed due to insufficientAvailableFunds",
         "Exception krakenfutures: createOrder failed due to insufficientAvailableFunds"),
        ("", "Exception"),
        ("x /private/order?nonce=17&ref=9 failed", "Exception x failed"),
        ("binance GET https://api.binance.com/api?x=1 502 Bad Gateway", "Exception binance GET 502 Bad Gateway"),
    ],
)  # fmt: skip
def test_a_reason_is_the_class_the_code_and_the_exchanges_words(text: str, reason: str) -> None:
    assert clean_reason(Exception(text)) == reason


@given(text=st.text(max_size=400), is_json=st.booleans())
def test_a_reason_is_one_short_line_that_can_be_seen_whatever_an_exchange_says(text: str, is_json: bool) -> None:
    reason = clean_reason(Exception("x " + json.dumps({"code": text, "msg": text}) if is_json else text))
    assert reason.isprintable()
    assert len(reason) <= 160


def test_escapes_and_direction_marks_of_an_exchange_are_shown_as_text() -> None:
    reason = clean_reason(Exception('x {"code":1,"msg":"\\u001b]52;c;aGk=\\u0007 [red]\\u202egnp"}'))
    assert reason == "Exception 1 <U+001B>]52;c;aGk=<U+0007> [red]<U+202E>gnp"
