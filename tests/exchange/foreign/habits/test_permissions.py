"""What a key may do is read from the exchange's own words, and what is not told is not known."""

import json
from typing import Any

import pytest

from engine.exchange.foreign.habits.dialects import dialect_of
from engine.exchange.foreign.habits.permissions import KeyPermissions, key_permissions
from engine.model.errors import SettingsInvalid, Transient
from tests.exchange.foreign.recorded_client import API_KEY, SECRET, TRIED, Answer, recorded_client

BINANCE = {
    "ipRestrict": True, "createTime": 1698645219000, "enableReading": True, "enableWithdrawals": False,
    "enableInternalTransfer": False, "enableMargin": False, "enableFutures": False, "permitsUniversalTransfer": False,
    "enableVanillaOptions": False, "enableSpotAndMarginTrading": True,
}  # fmt: skip
BYBIT: dict[str, Any] = {
    "retCode": 0,
    "result": {
        "readOnly": 0,
        "permissions": {"ContractTrade": ["Order", "Position"], "Spot": ["SpotTrade"], "Wallet": ["AccountTransfer"]},
        "ips": ["*"],
        "uta": 1,
    },
}
READ_ONLY = {"readOnly": 1, "permissions": {"Spot": ["SpotTrade"], "Wallet": ["Withdraw"]}, "ips": ["192.0.2.1"]}
READ_ONLY_BYBIT = {**BYBIT, "result": READ_ONLY}
WITHDRAWING_BYBIT = {**BYBIT, "result": {**BYBIT["result"], "permissions": {"Spot": [], "Wallet": ["Withdraw"]}}}
KRAKEN = {"error": [], "result": {"permissions": ["query-funds", "modify-trades"], "ip_allowlist": []}}

TOLD: list[tuple[str, object, tuple[bool, bool, bool | None], str]] = [
    ("binance", BINANCE, (True, False, True), "may trade; from listed addresses only"),
    ("binance", {**BINANCE, "enableWithdrawals": True, "ipRestrict": False}, (True, True, False),
     "may trade and withdraw; from any address"),
    ("binance", {**BINANCE, "enableSpotAndMarginTrading": False}, (False, False, True),
     "may only read; from listed addresses only"),
    ("binanceusdm", {**BINANCE, "enableSpotAndMarginTrading": False, "enableFutures": True}, (True, False, True),
     "may trade; from listed addresses only"),
    ("bybit", BYBIT, (True, False, False), "may trade; from any address"),
    ("bybit", READ_ONLY_BYBIT, (False, False, True), "may only read; from listed addresses only"),
    ("bybit", WITHDRAWING_BYBIT, (False, True, False), "may withdraw; from any address"),
    ("okx", {"code": "0", "data": [{"perm": "read_only,trade", "ip": ""}]}, (True, False, False),
     "may trade; from any address"),
    ("okx", {"code": "0", "data": [{"perm": "read_only,withdraw,trade", "ip": "192.0.2.1"}]}, (True, True, True),
     "may trade and withdraw; from listed addresses only"),
    ("kucoin", {"code": "200000", "data": {"permission": "General,Spot,InnerTransfer", "ipWhitelist": "192.0.2.1"}},
     (True, False, True), "may trade; from listed addresses only"),
    ("kucoin", {"code": "200000", "data": {"permission": "General,Transfer"}}, (False, True, False),
     "may withdraw; from any address"),
    ("coinbase", {"can_view": True, "can_trade": True, "can_transfer": False}, (True, False, None),
     "may trade; addresses not told"),
    ("kraken", KRAKEN, (True, False, False), "may trade; from any address"),
    ("kraken", {"error": [], "result": {"permissions": ["withdraw-funds"]}}, (False, True, None),
     "may withdraw; addresses not told"),
]  # fmt: skip


async def asked(exchange: str, answer: Answer) -> tuple[KeyPermissions, int]:
    dialect = dialect_of(exchange)
    async with recorded_client(exchange, min(dialect.market_kinds), lambda _: answer) as (client, session):
        return await key_permissions(client, dialect), len(session.sent)


@pytest.mark.parametrize("exchange, body, can, detail", TOLD, ids=[f"{row[0]}-{row[3]}" for row in TOLD])
async def test_a_keys_permissions_are_read_as_the_exchange_tells_them(
    exchange: str, body: object, can: tuple[bool, bool, bool | None], detail: str
) -> None:
    found, requests = await asked(exchange, Answer(body=json.dumps(body)))
    assert (found.may_trade, found.may_withdraw, found.has_ip_list) == can
    assert found.detail == detail
    assert requests == 1


@pytest.mark.parametrize("exchange", [name for name in TRIED if name not in {row[0] for row in TOLD}])
async def test_where_an_exchange_does_not_tell_nothing_is_asked_and_nothing_is_known(exchange: str) -> None:
    found, requests = await asked(exchange, Answer())
    assert (found.may_trade, found.may_withdraw, found.has_ip_list) == (None, None, None)
    assert found.detail == f"{exchange} does not tell what a key may do"
    assert requests == 0


async def test_the_sandbox_of_binance_does_not_tell() -> None:
    dialect = dialect_of("binance")
    async with recorded_client("binance", min(dialect.market_kinds)) as (client, session):
        client.set_sandbox_mode(True)
        found = await key_permissions(client, dialect)
    assert found.may_withdraw is None
    assert session.sent == []


@pytest.mark.parametrize(
    "exchange, body",
    [
        ("binance", "{}"),
        ("binance", '{"enableSpotAndMarginTrading": "maybe", "enableWithdrawals": false, "ipRestrict": true}'),
        ("bybit", '{"retCode":0,"result":{"readOnly":0,"permissions":[],"ips":null}}'),
        ("okx", '{"code":"0","data":[]}'),
        ("okx", '{"code":"0","data":[{"perm":null}]}'),
        ("coinbase", '{"can_trade":null,"can_transfer":null}'),
        ("kraken", '{"error":[],"result":{}}'),
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_taken_for_a_harmless_key(exchange: str, body: str) -> None:
    found, _ = await asked(exchange, Answer(body=body))
    assert (found.may_trade, found.may_withdraw, found.has_ip_list) == (None, None, None)
    assert "cannot be read" in found.detail


async def test_a_key_that_the_exchange_does_not_know_is_told_with_what_to_do_and_without_the_key() -> None:
    body = f'{{"code":-2015,"msg":"Invalid API-key {API_KEY}, IP, or permissions for action."}}'
    with pytest.raises(SettingsInvalid, match="check the API key and secret of binance") as caught:
        await asked("binance", Answer(status=401, body=body))
    assert API_KEY not in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_no_answer_is_no_permission_and_no_refusal() -> None:
    with pytest.raises(Transient):
        await asked("okx", Answer(status=502, body="<html>"))
