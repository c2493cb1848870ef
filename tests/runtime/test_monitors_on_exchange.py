"""Both monitors on the simulated exchange: whatever its streams and requests do, they see what it has seen."""

from decimal import Decimal
from itertools import pairwise
from math import sin

import anyio
import pytest

from engine.core.panic import PanicName
from engine.core.regime import RegimeState, classify, first_state
from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage, draw_outages
from engine.exchange.port import ExchangeListener
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.model.market import FeeCurrency
from engine.model.order import OrderReport
from engine.model.regime import Candle
from engine.model.risk import PanicSettings
from engine.model.snapshot import Connection, EventLevel
from engine.model.swap import FundingPayment, Liquidation
from engine.runtime.clock import VirtualClock, run_on
from engine.runtime.panic_monitor import PanicMonitor
from engine.runtime.regime_monitor import RegimeMonitor
from tests.builders import a_market
from tests.runtime.candle_builders import BTC, MINUTE_MS, NOON_MS
from tests.runtime.test_regime_monitor import SETTINGS
from tests.sim.engine_builders import a_path

HOURS = 3
END_MS = NOON_MS + HOURS * 60 * MINUTE_MS
PANIC = PanicSettings(symbols=(BTC, "NEW/USDT"), trigger=1, recovery=1, average_window=5)


class Lane:
    """A listener that passes candles and the connection on to monitors, as the engine does."""

    def __init__(self, *monitors: RegimeMonitor | PanicMonitor) -> None:
        self.monitors = monitors

    def on_price(self, symbol: str, price: Decimal, at_ms: int) -> None:
        pass

    def on_report(self, report: OrderReport) -> None:
        pass

    def on_funding(self, payment: FundingPayment) -> None:
        pass

    def on_liquidation(self, liquidation: Liquidation) -> None:
        pass

    def on_notice(self, text: str, level: EventLevel) -> None:
        pass

    def on_connection(self, connection: Connection) -> None:
        for monitor in self.monitors:
            monitor.on_connection(connection)

    def on_candle(self, symbol: str, interval_ms: int, candle: Candle, is_closed: bool) -> None:
        for monitor in self.monitors:
            monitor.on_candle(symbol, interval_ms, candle, is_closed)


def some_faults(seed: int) -> FaultPlan:
    """Silent stalls, disconnects and bans of up to five minutes, and requests that are lost, late or torn."""

    def outages(what: str) -> tuple[Outage, ...]:
        return draw_outages(seed, what, from_ms=NOON_MS, until_ms=END_MS, outages_max=4, length_ms_max=5 * MINUTE_MS)

    return FaultPlan(
        seed=seed,
        request_lost_chance=Decimal("0.1"),
        answer_lost_chance=Decimal("0.1"),
        request_late_chance=Decimal("0.1"),
        answer_torn_chance=Decimal("0.1"),
        stalls=outages("stalls"),
        disconnects=outages("disconnects"),
        bans=outages("bans"),
    )


def test_seed_002_5_an_exchange_confirms_the_subscription_of_a_monitor() -> None:
    told, _, _ = _watched(FaultPlan())
    assert "kline subscription confirmed: BTC/USDT 1m, 0 candles loaded, first live candle 12:00" in told
    assert "panic filter changed from blind to calm" in [text.split(":")[0] for text in told]


@pytest.mark.parametrize("seed", range(8))
def test_no_candle_is_lost_doubled_or_out_of_order_whatever_the_exchange_does(seed: int) -> None:
    told, state, kept = _watched(some_faults(seed))
    assert state.last == kept[-1]
    assert all(later.open_ms - earlier.open_ms == MINUTE_MS for earlier, later in pairwise(kept))
    assert (state.candles, state.gap) == (len(kept), "")
    whole = first_state(SETTINGS, NOON_MS)
    for candle in kept:
        whole = classify(SETTINGS, whole, candle)
    assert state == whole
    assert any("goes on" in text for text in told)


def _watched(faults: FaultPlan) -> tuple[list[str], RegimeState, tuple[Candle, ...]]:
    """What was told in three hours, the regime at their end, and all candles that the exchange has had."""
    clock = VirtualClock(start_ms=NOON_MS)
    prices = [f"{100 + sin(index / 3):.2f}" for index in range(HOURS * 180 + 60)]
    exchange = SimulatedExchange(
        markets={BTC: a_market(fee_currency=FeeCurrency.QUOTE)},
        sources={BTC: a_path(*prices, step_ms=MINUTE_MS // 3, start_ms=NOON_MS)},
        balances={"BTC": Decimal(0), "USDT": Decimal(1000)},
        now_ms=clock.now_ms,
        options=SimulatedOptions(faults=faults),
    )
    told: list[str] = []

    def tell(text: str, _: object) -> None:
        told.append(text)

    def changed() -> None:
        return

    regime = RegimeMonitor(BTC, SETTINGS, exchange=exchange, clock=clock, tell=tell, changed=changed)
    panic = PanicMonitor(PANIC, exchange=exchange, clock=clock, tell=tell, changed=changed)
    lane: ExchangeListener = Lane(regime, panic)

    async def life() -> None:
        async with anyio.create_task_group() as tasks:
            await tasks.start(exchange.run, lane)
            await tasks.start(regime.run)
            await tasks.start(panic.run)
            # Ten minutes of quiet, half a minute after a full one: time enough for the last gap to be bridged.
            await anyio.sleep((END_MS - clock.now_ms()) / 1000 + 630)
            assert regime.is_fresh
            assert panic.state.name is PanicName.CALM
            tasks.cancel_scope.cancel()

    run_on(clock, life)
    assert [text for text in told if "NEW/USDT" in text and "found" in text] == [
        "the exchange does not stream candles of NEW/USDT 1m: expected one of BTC/USDT, found NEW/USDT"
    ]
    return told, regime.state, exchange._candles.newest(BTC, MINUTE_MS, 1_000, clock.now_ms())
