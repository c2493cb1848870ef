"""Balances are asked for when somebody looks, and not more often than a real exchange wants to hear."""

import anyio

from engine.exchange.port import Balance
from engine.runtime.balance_watch import BalanceWatch
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.contract.stub import StubExchange


class CountedExchange(StubExchange):
    """Notes when the balances were asked for."""

    def __init__(self, clock: VirtualClock) -> None:
        self.asked: list[float] = []
        self._clock = clock

    async def fetch_balances(self) -> dict[str, Balance]:
        self.asked.append(self._clock.seconds)
        return {}


def asked_at(rest_seconds: float) -> list[float]:
    """When the balances were fetched while somebody looked every tenth of a second for five seconds."""
    clock = VirtualClock(start_ms=0)
    exchange = CountedExchange(clock)
    watch = BalanceWatch(exchange, note=print, has_swaps=False, rest_seconds=rest_seconds)

    async def look_often() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch.run, lambda: True)
            for _ in range(50):
                watch.look()
                await anyio.sleep(0.1)
            tasks.cancel_scope.cancel()

    run_on(clock, look_often)
    return exchange.asked


def test_however_often_a_terminal_looks_a_real_account_is_asked_every_two_seconds() -> None:
    assert [round(at, 3) for at in asked_at(2.0)] == [0.0, 2.0, 4.0]


def test_a_simulated_account_is_asked_at_every_look() -> None:
    assert len(asked_at(0.0)) == 50
