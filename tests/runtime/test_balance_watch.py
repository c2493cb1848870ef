"""Balances are asked for when somebody looks, and not more often than a real exchange wants to hear."""

import anyio

from engine.exchange.port import Balance
from engine.model.errors import Transient
from engine.runtime.balance_watch import BalanceWatch
from engine.runtime.clock import VirtualClock, run_on
from tests.exchange.contract.stub import StubExchange


class CountedExchange(StubExchange):
    """Notes when the balances were asked for."""

    def __init__(self, clock: VirtualClock) -> None:
        self.asked: list[float] = []
        self.is_banned = False
        self._clock = clock

    async def fetch_balances(self) -> dict[str, Balance]:
        self.asked.append(self._clock.seconds)
        if self.is_banned:
            raise Transient(f"banned for {60 - self._clock.seconds:.0f} s", retry_after_seconds=1)
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


def test_trouble_that_lasts_is_told_once_and_again_only_after_the_balances_were_seen() -> None:
    """The words of a ban change with every second that is left of it."""
    clock = VirtualClock(start_ms=0)
    exchange = CountedExchange(clock)
    told: list[str] = []
    watch = BalanceWatch(exchange, note=told.append, has_swaps=False)

    async def fetch_every_second() -> None:
        for exchange.is_banned in (True, True, True, False, True, True):
            await watch.fetch()
            await anyio.sleep(1)

    run_on(clock, fetch_every_second)
    assert told == [f"the balances cannot be seen: banned for {left} s" for left in (60, 56)]
