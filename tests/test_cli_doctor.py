"""``gridwright doctor`` in a process of its own: what it finds on a loopback exchange, what it advises, how it ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest

from engine.model.ids import OrderKey, client_order_id_from_key
from engine.model.order import Leg
from tests.loopback.faults import RequestName
from tests.loopback.scene import wall_ms
from tests.loopback.server import API_KEY, SECRET, LoopbackServer, loopback
from tests.loopback.venue import NewOrder, Side
from tests.outside import Outside, exchange_of, free_port, self_signed
from tests.program import GRID

SWAP_GRID = GRID.replace("BTC/USDT", "BTC/USDT:USDT")
EVERY_CHECK = [
    "configuration",
    "terminal",
    "state directory",
    "engine",
    "journal",
    "keys",
    "proxy",
    "encryption",
    "reach",
    "clock",
    "features",
    "dead man's switch",
    "permissions",
    "balances",
    "open orders",
    "grid btc",
    "private stream",
    "price stream",
    "candle stream",
]
NEVER_ASKED = {
    RequestName.PLACE,
    RequestName.CANCEL,
    RequestName.CANCEL_ALL,
    RequestName.DEAD_MAN,
    RequestName.LEVERAGE,
}


OURS = OrderKey(instance="abc", grid=1, slot=2, leg=Leg.ENTRY, generation=3)


class Findings:
    """What was found, by check."""

    def __init__(self, found: list[dict[str, str]]) -> None:
        self.all = found

    @property
    def checks(self) -> list[str]:
        return list(dict.fromkeys(each["check"] for each in self.all))

    @property
    def failed(self) -> list[str]:
        return [each["check"] for each in self.all if each["grade"] == "fail"]

    def of(self, check: str) -> dict[str, str]:
        """The first finding of a check."""
        return next(each for each in self.all if each["check"] == check)


@asynccontextmanager
async def trading(server: LoopbackServer, market: str = "BTCUSDT") -> AsyncIterator[None]:
    """A market that trades a few times a second."""

    async def trade() -> None:
        while True:
            server.venue.print_trade(market, Decimal(60_000))
            await anyio.sleep(0.1)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(trade)
        yield
        tasks.cancel_scope.cancel()


async def examined(outside: Outside, *words: str) -> tuple[int, Findings]:
    """Run the doctor; no key in what it says, and advice wherever something is not ok."""
    done = await outside.run("doctor", "--json", *words)
    assert API_KEY not in done.out + done.err
    assert SECRET not in done.out + done.err
    assert "Traceback" not in done.err, done.err
    found: list[dict[str, str]] = json.loads(done.out)
    assert [each for each in found if bool(each["advice"]) is (each["grade"] == "ok")] == []
    return done.code, Findings(found)


def live(outside: Outside, server: LoopbackServer, *, grid: str = GRID, **more: object) -> None:
    """A configuration that trades on the server, with its keys."""
    keys = outside.plant_keys(server.api_key, server.secret)
    outside.configure("live", exchange_of(server, keys=keys, **more), grid=grid)


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
async def test_an_account_that_is_ready_is_told_so_in_every_point(protocol: str, tmp_path: Path) -> None:
    """With figures; nothing was placed, cancelled or set, and nothing was written."""
    outside = Outside(tmp_path)
    async with loopback(protocol) as server, trading(server):
        live(outside, server)
        code, findings = await examined(outside)
        asked = {line.name for line in server.requests}
    assert (code, findings.failed) == (0, [])
    assert findings.checks == EVERY_CHECK
    assert findings.of("balances")["found"] == "BTC 2 free, 0 locked; USDT 100000 free, 0 locked"
    assert findings.of("permissions") == {
        "check": "permissions",
        "grade": "ok",
        "found": "the key may trade; from listed addresses only",
        "advice": "",
    }
    assert findings.of("open orders")["found"] == "BTC/USDT: 0 of grids, 0 of others, which are never touched"
    grid = next(each["found"] for each in findings.all if each["check"] == "grid btc" and each["grade"] == "ok")
    assert grid.startswith(
        "BTC/USDT: tick 0.01, lot 0.00001, at least 5 USDT, fees maker 0.1000%, taker 0.1000%; needs"
    )
    assert findings.of("price stream")["found"] == "BTC/USDT at 60000"
    assert findings.of("keys")["found"].startswith(f"in the file {tmp_path}")
    assert not asked & NEVER_ASKED
    assert not outside.state.exists()


async def test_a_swap_account_is_looked_at_as_well(tmp_path: Path) -> None:
    """Its market is another one; a switch that the exchange does not have fails, and is never touched."""
    outside = Outside(tmp_path)
    async with loopback("bybit") as server, trading(server, "BTCUSDT.P"):
        live(outside, server, grid=SWAP_GRID, market_type="swap", dead_man_seconds=60)
        code, findings = await examined(outside)
        asked = {line.name for line in server.requests}
    assert (code, findings.failed) == (1, ["dead man's switch"])
    found = "bybit has none that counts down, although exchange.dead_man_seconds is 60"
    assert findings.of("dead man's switch")["found"] == found
    assert findings.of("price stream")["found"] == "BTC/USDT:USDT at 60000"
    assert not asked & NEVER_ASKED


async def test_paper_needs_no_keys_and_asks_for_nothing_private(tmp_path: Path) -> None:
    """What is of the account is skipped."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, trading(server):
        outside.configure("paper", exchange_of(server))
        code, findings = await examined(outside)
    assert (code, findings.failed) == (0, [])
    skipped = {each["check"] for each in findings.all if each["grade"] == "skipped"}
    assert skipped == {"terminal", "keys", "permissions", "balances", "open orders"}
    assert findings.of("price stream")["grade"] == "ok"


async def test_a_simulation_is_looked_at_without_the_outside(tmp_path: Path) -> None:
    """In a moment, and as people read it."""
    outside = Outside(tmp_path)
    (tmp_path / "my.toml").write_text(GRID)
    done = await outside.run("doctor")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"ok       configuration      {tmp_path}/my.toml: simulation, 1 grid"
    assert f"ok       state directory    {outside.state}, which is not there yet and can be made" in lines
    at = lines.index("skipped  reach              a simulation has a market of its own")
    assert lines[at + 1] == f"{' ' * 28}do: set engine.mode to paper or live to have it looked at"


async def test_a_configuration_that_cannot_be_read_is_the_first_finding(tmp_path: Path) -> None:
    """Every problem of it, with the exit code of wrong use."""
    outside = Outside(tmp_path)
    (tmp_path / "my.toml").write_text('[engine]\nmode = "lvie"\n' + GRID.replace("52000", "72000"))
    code, findings = await examined(outside)
    assert (code, findings.checks) == (2, ["configuration"])
    assert findings.failed == ["configuration"] * 2


async def test_wrong_keys_are_named_and_hide_nothing_else(tmp_path: Path) -> None:
    """The exchange is reached, its streams of prices come."""
    outside = Outside(tmp_path)
    async with loopback("bybit") as server, trading(server):
        live(outside, server)
        outside.plant_keys("wrongAPIKEY" * 3, server.secret)
        code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["permissions", "balances"])
    assert findings.of("balances")["advice"].startswith("check the API key and secret of bybit")
    for check in ("reach", "clock", "price stream", "candle stream"):
        assert findings.of(check)["grade"] == "ok"
    assert findings.of("open orders")["grade"] == findings.of("private stream")["grade"] == "skipped"


async def test_keys_that_are_not_there_are_named(tmp_path: Path) -> None:
    """With how to store them."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, trading(server):
        outside.configure("live", exchange_of(server, keys="file:nowhere.toml"))
        code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["keys"])
    assert findings.of("keys")["found"].startswith(f"{tmp_path}/nowhere.toml: expected")
    assert findings.of("price stream")["grade"] == "ok"


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
async def test_keys_that_may_withdraw_fail_unless_the_user_insists(protocol: str, tmp_path: Path) -> None:
    """Then they are warned of; and a key that works from anywhere always is."""
    outside = Outside(tmp_path)
    async with loopback(protocol) as server, trading(server):
        server.permissions.may_withdraw, server.permissions.is_ip_bound = True, False
        live(outside, server)
        code, findings = await examined(outside)
        assert (code, findings.failed) == (1, ["permissions"])
        assert findings.of("permissions")["found"] == "the key may trade and withdraw; from any address"
        assert findings.of("permissions")["advice"].startswith("take the right to withdraw away")
        code, findings = await examined(outside, "--accept-withdrawal-keys")
    assert (code, findings.failed) == (0, [])
    warned = [each["found"] for each in findings.all if each["check"] == "permissions"]
    assert warned == [
        "the key may trade and withdraw; from any address, as --accept-withdrawal-keys accepts",
        "the key works from any address",
    ]


async def test_keys_that_may_not_trade_fail(tmp_path: Path) -> None:
    """They can be looked at with, no more."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, trading(server):
        server.permissions.may_trade = False
        live(outside, server)
        code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["permissions"])
    assert findings.of("permissions")["found"] == "the key may only read; from listed addresses only"


@pytest.mark.parametrize("protocol", ["binance", "bybit"])
async def test_a_clock_that_is_off_is_measured_and_corrected(protocol: str, tmp_path: Path) -> None:
    """So that the signed requests pass all the same."""
    outside = Outside(tmp_path)
    async with loopback(protocol) as server, trading(server):
        server.faults.skew_ms = -70_000
        live(outside, server)
        code, findings = await examined(outside)
    assert (code, findings.failed) == (0, [])
    clock = findings.of("clock")
    assert clock["grade"] == "warning"
    assert abs(int(clock["found"].split(" ")[0]) - 70_000) < 500
    assert " ms ahead of the exchange's, within " in clock["found"]


async def test_orders_on_the_grids_markets_are_counted_by_whose_they_are(tmp_path: Path) -> None:
    """Those of an engine without its journal keep a new grid from starting."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, trading(server):
        for price, name in ((58_000, "mine-by-hand"), (57_000, client_order_id_from_key(OURS))):
            order = NewOrder(
                market="BTCUSDT", side=Side.BUY, amount=Decimal("0.001"), price=Decimal(price), client_id=name
            )
            server.venue.place(order)
        live(outside, server)
        code, findings = await examined(outside)
        assert len(server.venue.open_orders("BTCUSDT")) == 2
    assert (code, findings.failed) == (1, ["open orders"])
    assert findings.of("open orders")["found"] == "BTC/USDT: 1 of grids, 1 of others, which are never touched"


@pytest.mark.parametrize(
    "old, new, found",
    [
        ("BTC/USDT", "FOO/USDT", "binance has no market FOO/USDT"),
        ("quote_per_slot = 100", "quote_per_slot = 1", "notional must be at least 5 USDT"),
        ("quote_per_slot = 100", "quote_per_slot = 9000", "USDT"),
    ],
    ids=["unknown symbol", "below the least", "more than the account has"],
)
async def test_a_grid_that_its_market_or_account_cannot_carry_fails(
    old: str, new: str, found: str, tmp_path: Path
) -> None:
    """With the reason; the other checks go on."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, trading(server):
        live(outside, server, grid=GRID.replace(old, new))
        code, findings = await examined(outside)
    assert code == 1
    assert "grid btc" in findings.failed
    assert any(found in each["found"] for each in findings.all if each["check"] == "grid btc")
    assert findings.of("reach")["grade"] == findings.of("balances")["grade"].replace("warning", "ok") == "ok"


async def test_an_exchange_that_cannot_be_reached_is_told_once(tmp_path: Path) -> None:
    """What needs it is skipped."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server:
        live(outside, server)
    code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["reach"])
    assert findings.of("reach")["advice"] == "check the internet connection, the firewall and the proxy"
    assert findings.of("balances")["found"] == "the exchange was not reached"


async def test_a_ban_is_told_with_its_end(tmp_path: Path) -> None:
    """And nothing more is asked."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server:
        server.faults.banned_until_ms = wall_ms() + 120_000
        live(outside, server)
        code, findings = await examined(outside)
        assert len(server.requests) == 1
    assert (code, findings.failed) == (1, ["reach"])
    assert findings.of("reach")["advice"].startswith("wait 1")


async def test_a_proxy_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    """Its address is told."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server:
        proxy = {"httpProxy": f"http://somebody:verysecret@127.0.0.1:{free_port()}"}
        keys = outside.plant_keys(server.api_key, server.secret)
        outside.configure("live", {"id": "binance", "keys": keys, "ccxt": {**server.ccxt_options(), **proxy}})
        done = await outside.run("doctor", "--json")
        findings = Findings(json.loads(done.out))
        assert len(server.requests) == 0
    assert (done.code, findings.failed) == (1, ["reach"])
    assert findings.of("proxy")["found"].startswith("httpProxy 127.0.0.1:")
    assert findings.of("reach")["advice"].startswith("check the proxy")
    assert "verysecret" not in done.out + done.err


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    """Whoever answers there may be anybody."""
    outside = Outside(tmp_path)
    async with loopback("binance") as server, self_signed(tmp_path) as port:
        text = json.dumps(exchange_of(server)).replace(f"http://127.0.0.1:{server.port}", f"https://127.0.0.1:{port}")
        outside.configure("paper", json.loads(text))
        code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["reach"])
    assert findings.of("reach")["advice"].startswith("who answered is not proved to be binance")


@pytest.mark.parametrize(
    "exchange, found",
    [
        ({"id": "kraken", "sandbox": True}, "exchange.sandbox: kraken has no sandbox"),
        ({"id": "nowhere"}, "exchange.id: expected one of ccxt's exchanges with streams"),
        (
            {"id": "binance", "ccxt": {"urls": {"api": {"public": "http://example.org"}}}},
            "exchange.ccxt.urls: expected an encrypted address",
        ),
    ],
    ids=["no sandbox", "unknown", "not encrypted"],
)
async def test_an_exchange_that_cannot_be_used_so_fails_before_anything_is_asked(
    exchange: dict[str, Any], found: str, tmp_path: Path
) -> None:
    """With the key of the configuration."""
    outside = Outside(tmp_path)
    outside.configure("live", {**exchange, "keys": outside.plant_keys(API_KEY, SECRET)})
    code, findings = await examined(outside)
    assert (code, findings.failed) == (1, ["exchange"])
    assert findings.of("exchange")["found"].startswith(found)
