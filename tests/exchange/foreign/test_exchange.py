"""The exchange as the engine sees it: opened or told why not, banned over restarts, and closed without a trace."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import ccxt
import pytest

from engine.exchange.foreign.exchange import CcxtExchange, ForeignAccount
from engine.exchange.foreign.habits.dialects import Dialect, dialect_of
from engine.exchange.foreign.requests.bans import Bans
from engine.model.errors import EngineStopped, RetryScope, SettingsInvalid, Transient
from engine.model.market import MarketKind
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.foreign.desk_bench import BTC, NOW_MS, RecordedClient
from tests.exchange.foreign.raw_builders import a_raw_market
from tests.live.bench import an_exchange
from tests.loopback.server import loopback

NEEDED = dict.fromkeys(
    ("fetchBalance", "createOrder", "cancelOrder", "fetchOrder", "fetchOpenOrders", "fetchMyTrades"), True
)


class Scene:
    """An exchange on a recorded client, on a virtual clock."""

    def __init__(
        self,
        *,
        exchange: str = "okx",
        dialect: Dialect | None = None,
        has: dict[str, Any] | None = None,
        symbols: Sequence[str] = (BTC,),
        has_keys: bool = True,
        dead_man_seconds: float = 0.0,
        folder: Path | None = None,
        **calls: Any,
    ) -> None:
        self.clock = VirtualClock(start_ms=NOW_MS)
        answers = {"load_markets": {}, "close": None, "cancel_all_orders_after": {}, "close_ws_clients": None, **calls}
        client: Any = RecordedClient(exchange, has=NEEDED if has is None else has, **answers)
        self.client = client
        self.client.markets = {BTC: a_raw_market()}
        self.client.precisionMode, self.client.clients, self.client.orders, self.client.myTrades = 4, {}, None, None
        account = ForeignAccount(
            name=exchange,
            dialect=dialect or dialect_of(exchange),
            kind=MarketKind.SPOT,
            has_keys=has_keys,
            symbols=symbols,
            now_ms=self.clock.now_ms,
            state_dir=folder,
            dead_man_seconds=dead_man_seconds,
        )
        self.exchange = CcxtExchange(account, self.client)

    def opens(self) -> None:
        run_on(self.clock, self.exchange.open)


def test_an_exchange_that_lacks_what_a_grid_needs_is_not_traded_on() -> None:
    with pytest.raises(SettingsInvalid, match="lacks what a grid needs to be safe: the list of open orders"):
        Scene(has={**NEEDED, "fetchOpenOrders": False}).opens()


def test_for_public_data_alone_nothing_of_that_is_needed() -> None:
    Scene(has={}, has_keys=False).opens()


def test_an_exchange_that_never_answers_is_told_after_a_minute() -> None:
    scene = Scene(load_markets=ccxt.RequestTimeout("slow"))
    with pytest.raises(EngineStopped, match="okx cannot be reached"):
        scene.opens()
    assert scene.clock.now_ms() - NOW_MS == 60_000


def test_an_exchange_that_refuses_to_open_is_a_wrong_configuration() -> None:
    with pytest.raises(SettingsInvalid, match="does not open"):
        Scene(load_markets=ccxt.NotSupported("no sandbox for futures")).opens()


def test_a_market_that_is_not_there_is_told() -> None:
    with pytest.raises(SettingsInvalid, match="has no market XYZ/USDT"):
        Scene(symbols=("XYZ/USDT",)).opens()


def test_rel_30_requests_are_signed_with_the_exchange_s_time() -> None:
    scene = Scene(has={**NEEDED, "fetchTime": True})
    scene.client._calls["fetch_time"] = lambda: scene.clock.now_ms() + 1_500
    scene.opens()
    assert scene.client.milliseconds() == scene.clock.now_ms() + 1_500
    assert scene.client.seconds() == (scene.clock.now_ms() + 1_500) // 1000


@pytest.mark.parametrize(("exchange", "rises"), [("kraken", True), ("hyperliquid", True), ("okx", False)])
def test_where_the_time_is_the_request_s_number_no_two_are_the_same(exchange: str, rises: bool) -> None:
    client = Scene(exchange=exchange).client
    assert (client.milliseconds() != client.milliseconds()) is rises


def test_a_switch_that_was_never_set_is_left_alone_when_closing() -> None:
    scene = Scene(dead_man_seconds=60.0)
    run_on(scene.clock, scene.exchange.close)
    assert [name for name, _ in scene.client.asked] == ["close"]


def test_closing_ends_although_the_switch_cannot_be_told() -> None:
    scene = Scene(dead_man_seconds=60.0, cancel_all_orders_after=ccxt.RequestTimeout("slow"))

    async def script() -> None:
        assert scene.exchange._dead_man is not None
        with anyio.move_on_after(1):
            await scene.exchange._dead_man.run()
        await scene.exchange.close()

    run_on(scene.clock, script)
    assert scene.client.asked[-1][0] == "close"


@pytest.mark.parametrize(("exchange", "is_there"), [("okx", True), ("bybit", False), ("hyperliquid", False)])
def test_the_switch_is_shown_where_it_counts_down(exchange: str, is_there: bool) -> None:
    scene = Scene(exchange=exchange, has={"cancelAllOrdersAfter": True})
    [switch] = [feature for feature in scene.exchange.features() if feature.name == "dead man's switch"]
    assert switch.is_there is is_there


def test_a_ban_of_one_exchange_does_not_silence_another(tmp_path: Path) -> None:
    Bans(tmp_path / "bans-binance.json", now_ms=NOW_MS).extend(NOW_MS + 600_000)
    Scene(folder=tmp_path).opens()
    with pytest.raises(EngineStopped, match="has banned this address"):
        Scene(exchange="binance", folder=tmp_path).opens()


async def test_rel_27_a_ban_through_the_real_client_outlives_the_process(tmp_path: Path) -> None:
    async with loopback("binance") as server:
        first = an_exchange(server, ["BTC/USDT"], tmp_path)
        await first.open()
        Bans(tmp_path / "bans-binance.json", now_ms=first.exchange_ms()).extend(first.exchange_ms() + 600_000)
        await first.close()
        server.requests.clear()
        second = an_exchange(server, ["BTC/USDT"], tmp_path)
        with pytest.raises(Transient, match="has banned this address") as caught:
            await second.fetch_balances()
        await second.close()
        assert (caught.value.scope, list(server.requests)) == (RetryScope.ACCOUNT, [])
