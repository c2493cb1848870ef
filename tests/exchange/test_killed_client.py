"""A client that is killed: its tasks vanish without a word, and the exchange goes on."""

import gc
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.model.errors import DuplicateOrder, OrderNotFound
from engine.model.order import OrderStatus
from engine.model.snapshot import Connection
from tests.exchange.bench import EVERYTHING, Bench
from tests.exchange.simulated_builders import BTC, Diary, brief, buy, sell

OPEN, FILLED = OrderStatus.OPEN, OrderStatus.FILLED
PATH = [(0, "100"), (1_000, "101"), (2_000, "97"), (3_000, "98"), (9_000, "102"), (100_000, "102")]


class Victim:
    """A client on an event loop of its own, which stops for good at a given time."""

    def __init__(self, bench: Bench, *requests: Coroutine[Any, Any, object], killed_ms: int) -> None:
        self.bench = bench
        self.loop = bench.clock.new_loop()
        coroutines = (bench.exchange.run(bench.diary), *requests)
        self.tasks = [self.loop.create_task(coroutine) for coroutine in coroutines]
        self.loop.run_until_complete(anyio.sleep((killed_ms - bench.clock.now_ms()) / 1_000))
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def bury(self) -> None:
        """As the operating system does: the exchange sees the connection gone, the loop is no more."""
        self.bench.exchange.forget_client()
        self.loop.close()

    def collect(self) -> None:
        """Now even the clean-up of the dead coroutines runs."""
        self.tasks.clear()
        gc.collect()


@pytest.mark.parametrize("is_collected", [False, True])
def test_a_request_of_a_killed_client_still_arrives_and_its_answer_touches_nobody(is_collected: bool) -> None:
    bench = Bench(PATH)
    victim = Victim(bench, bench.exchange.place(buy("a", "99")), bench.exchange.place(buy("b", "98")), killed_ms=10)
    victim.bury()
    if is_collected:
        victim.collect()

    async def script(exchange: SimulatedExchange) -> None:
        assert [brief(report) for report in await exchange.fetch_open_orders(BTC)] == [
            ("a", OPEN, "0"),
            ("b", OPEN, "0"),
        ]
        with pytest.raises(DuplicateOrder, match="duplicate client order id a"):
            await exchange.place(buy("a", "99"))

    bench.run(script)
    assert victim.tasks == [] or not any(task.done() for task in victim.tasks)


def test_a_request_that_had_not_arrived_when_the_next_client_asks_arrives_in_its_time() -> None:
    bench = Bench(PATH, SimulatedOptions(faults=FaultPlan(request_late_chance=Decimal(1), late_ms_max=5_001)))
    victim = Victim(bench, bench.exchange.place(buy("a", "90")), killed_ms=100)
    victim.bury()

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(5)
        with pytest.raises(OrderNotFound):
            exchange.cancel_by_hand(BTC, "a")
        await anyio.sleep_until(5.002)
        assert brief(exchange.matching.order(BTC, "a")) == ("a", OPEN, "0")

    bench.run(script)
    assert bench.diary.heard() == [(5_026, "a", OPEN, "0")]


def test_the_market_goes_on_while_nobody_listens_and_what_it_did_is_not_told_later() -> None:
    bench = Bench(PATH)
    victim = Victim(bench, bench.exchange.place(buy("a", "99")), killed_ms=1_500)
    victim.bury()
    first, second = bench.diary, Diary()
    second.now_ms = bench.clock.now_ms

    async def wake_up() -> None:
        await anyio.sleep_until(3.2)
        async with anyio.create_task_group() as tasks:
            await tasks.start(bench.exchange.run, second)
            victim.collect()
            assert (await bench.exchange.fetch_order(BTC, "a")).status is FILLED
            (own,) = await bench.exchange.fetch_fills(BTC, 0)
            assert (own.client_order_id, own.fill.at_ms) == ("a", 2_000)

    bench.run_alone(wake_up)
    assert first.prices == [(0, "100"), (1_000, "101")]
    assert first.heard() == [(50, "a", OPEN, "0")]
    assert second.prices == [(3_200, "98"), (9_000, "102"), (100_000, "102")]
    assert second.reports == []
    assert second.connections == [(3_200, Connection.CONNECTED), (100_000, Connection.ENDED)]


def test_the_clean_up_of_a_dead_stream_leaves_the_living_one_alone() -> None:
    bench = Bench(PATH)
    victim = Victim(bench, killed_ms=500)
    victim.bury()

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep(0.1)
        victim.collect()
        await exchange.place(sell("a", "101.5"))

    bench.run(script)
    assert bench.diary.heard() == [(650, "a", OPEN, "0"), (9_025, "a", FILLED, "1")]


def test_bands_of_a_killed_client_keep_nothing_from_the_next() -> None:
    bench = Bench(PATH)
    victim = Victim(bench, killed_ms=10)
    bench.exchange.set_quiet_band(BTC, "grid", EVERYTHING)
    victim.bury()
    bench.run()
    assert bench.diary.prices == [(0, "100"), (10, "100"), *((at_ms, price) for at_ms, price in PATH[1:])]


def test_the_account_is_worked_on_by_hand_while_the_client_is_dead() -> None:
    bench = Bench(PATH)
    victim = Victim(bench, bench.exchange.place(buy("a", "99")), killed_ms=500)
    victim.bury()
    bench.exchange.cancel_by_hand(BTC, "a")
    bench.exchange.place_by_hand(buy("mine", "90"))
    bench.run()
    assert bench.diary.heard() == [
        (50, "a", OPEN, "0"),
        (525, "a", OrderStatus.CANCELED, "0"),
        (525, "mine", OPEN, "0"),
    ]


def test_a_client_killed_during_a_disconnect_and_its_successor_are_told_of_it_each() -> None:
    faults = FaultPlan(disconnects=(Outage(from_ms=500, until_ms=1_500),))
    bench = Bench(PATH, SimulatedOptions(faults=faults))
    Victim(bench, killed_ms=700).bury()
    bench.run()
    assert bench.diary.connections == [
        (0, Connection.CONNECTED),
        (500, Connection.DISCONNECTED),
        (700, Connection.DISCONNECTED),
        (1_500, Connection.CONNECTED),
        (100_000, Connection.ENDED),
    ]


def test_forgetting_nobody_changes_nothing() -> None:
    bench = Bench(PATH)
    bench.exchange.forget_client()
    bench.run()
    assert len(bench.diary.prices) == len(PATH)
