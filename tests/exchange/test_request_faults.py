"""Requests that arrive late, answers that are torn or stale, bans, and a clock that differs."""

from collections.abc import Awaitable, Sequence
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan, RequestFate
from engine.exchange.matching import MatchingOptions
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedExchange, SimulatedOptions
from engine.model.errors import OrderNotFound, OutcomeUnknown, Rejected, Transient
from engine.model.order import OrderStatus
from tests.exchange.bench import Bench
from tests.exchange.simulated_builders import BTC, brief, buy, sell

D = Decimal
OPEN, PARTIAL, FILLED, CANCELED = (
    OrderStatus.OPEN,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.FILLED,
    OrderStatus.CANCELED,
)


class LateBy(FaultPlan):
    """Every placement is this much late."""

    lateness = 5_001

    def fate_of(self, request: str, sent_ms: int) -> RequestFate:
        return RequestFate.REQUEST_LATE if request.startswith("place") else RequestFate.ANSWERED

    def lateness_ms_of(self, request: str, sent_ms: int) -> int:
        return self.lateness


class StaleFrom(FaultPlan):
    """Every question that arrives after a second is answered as of 500 ms before."""

    def staleness_ms_of(self, question: str, at_ms: int) -> int:
        return 500 if at_ms > 1_000 else 0


def a_bench(faults: FaultPlan, *path: tuple[int, str], partial: bool = False) -> Bench:
    matching = MatchingOptions(partial_fill_chance=D(1 if partial else 0), seed=1)
    rows = path or ((0, "100"), (100_000, "100"))
    return Bench(rows, SimulatedOptions(faults=faults, matching=matching))


# Late and torn


def test_a_late_request_is_executed_after_its_sender_has_given_up() -> None:
    bench = a_bench(LateBy())

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown, match="no answer to place a within 5000 ms"):
            await exchange.place(buy("a", "99"))
        assert bench.clock.now_ms() == 5_000
        assert bench.exchange.matching.open_orders(BTC) == ()

    bench.run(script)
    assert bench.diary.heard() == [(5_026, "a", OPEN, "0")]


def test_a_late_request_meets_the_market_as_it_is_when_it_arrives() -> None:
    bench = a_bench(LateBy(), (0, "100"), (5_001, "98"), (100_000, "98"))

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown):
            await exchange.place(buy("a", "99"))

    bench.run(script)
    assert bench.diary.heard() == [(5_026, "a", OPEN, "0"), (5_026, "a", FILLED, "1")]
    assert bench.diary.reports[-1][1].fills[0].price == D("98.01")


def test_late_requests_arrive_within_the_bound_of_the_plan() -> None:
    bench = a_bench(FaultPlan(request_late_chance=D(1), late_ms_max=6_000))

    async def give_up(exchange: SimulatedExchange, client_order_id: str) -> None:
        with pytest.raises(OutcomeUnknown):
            await exchange.place(buy(client_order_id, "50", "0.100"))

    async def script(exchange: SimulatedExchange) -> None:
        async with anyio.create_task_group() as tasks:
            for index in range(20):
                tasks.start_soon(give_up, exchange, f"o{index}")

    bench.run(script)
    arrived = [report.at_ms for _, report in bench.diary.reports]
    assert len(arrived) == 20
    assert 5_000 < min(arrived) <= max(arrived) <= 6_000


def test_a_late_question_may_be_asked_again() -> None:
    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(Transient, match="no answer to balances within 5000 ms"):
            await exchange.fetch_balances()

    a_bench(FaultPlan(request_late_chance=D(1))).run(script)


def test_a_torn_answer_comes_in_time_and_hides_what_was_executed() -> None:
    bench = a_bench(FaultPlan(answer_torn_chance=D(1)))

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown, match="the answer to place a cannot be read"):
            await exchange.place(buy("a", "99"))
        assert bench.clock.now_ms() == 50
        with pytest.raises(Transient, match="the answer to order a cannot be read"):
            await exchange.fetch_order(BTC, "a")

    bench.run(script)
    assert bench.diary.heard() == [(50, "a", OPEN, "0")]


def test_a_torn_answer_hides_a_refusal_too() -> None:
    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown):
            await exchange.place(buy("a", "99", "101"))

    a_bench(FaultPlan(answer_torn_chance=D(1))).run(script)


# Bans


@pytest.mark.parametrize(("sent_ms", "is_banned"), [(974, False), (975, True), (1_974, True), (1_975, False)])
def test_a_request_that_arrives_during_a_ban_is_refused_and_not_executed(sent_ms: int, is_banned: bool) -> None:
    bench = a_bench(FaultPlan(bans=(Outage(from_ms=1_000, until_ms=2_000),)))

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(sent_ms / 1_000)
        if is_banned:
            with pytest.raises(Transient, match="banned") as caught:
                await exchange.place(buy("a", "99"))
            assert caught.value.retry_after_seconds == (2_000 - sent_ms - 25) / 1_000
            assert bench.clock.now_ms() == sent_ms + 50
        else:
            await exchange.place(buy("a", "99"))

    bench.run(script)
    assert len(bench.exchange.matching.open_orders(BTC)) == (0 if is_banned else 1)


def test_a_ban_refuses_questions_and_lasts_until_the_last_of_those_that_overlap_ends() -> None:
    bans = (Outage(from_ms=0, until_ms=1_000), Outage(from_ms=500, until_ms=3_025))

    async def script(exchange: SimulatedExchange) -> None:
        for question in (exchange.fetch_balances(), exchange.fetch_open_orders(BTC), exchange.fetch_fills(BTC, 0)):
            with pytest.raises(Transient) as caught:
                await question
        assert caught.value.retry_after_seconds == 2.9
        await anyio.sleep(caught.value.retry_after_seconds)
        assert await exchange.fetch_open_orders(BTC) == ()

    a_bench(FaultPlan(bans=bans)).run(script)


def test_a_late_request_that_arrives_during_a_ban_is_not_executed() -> None:
    bench = a_bench(LateBy(bans=(Outage(from_ms=5_001, until_ms=5_002),)))

    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(OutcomeUnknown):
            await exchange.place(buy("a", "99"))

    bench.run(script)
    assert bench.diary.reports == []


def test_a_banned_placement_does_not_count_for_the_rate_limit() -> None:
    bench = a_bench(FaultPlan(bans=(Outage(from_ms=0, until_ms=5_000),)))

    async def script(exchange: SimulatedExchange) -> None:
        for _ in range(60):
            with pytest.raises(Transient, match="banned"):
                await exchange.place(buy("a", "99"))
        await anyio.sleep_until(5)
        await exchange.place(buy("a", "99"))

    bench.run(script)
    assert bench.diary.heard() == [(5_050, "a", OPEN, "0")]


# Stale answers


def test_a_stale_answer_does_not_know_an_order_accepted_since_then() -> None:
    bench = a_bench(StaleFrom())

    async def script(exchange: SimulatedExchange) -> None:
        await anyio.sleep_until(1)
        await exchange.place(buy("a", "99"))
        with pytest.raises(OrderNotFound, match="no order a"):
            await exchange.fetch_order(BTC, "a")
        assert await exchange.fetch_open_orders(BTC) == ()
        await anyio.sleep_until(1.499)
        with pytest.raises(OrderNotFound):
            await exchange.fetch_order(BTC, "a")
        await anyio.sleep_until(1.5 + 0.05)
        assert brief(await exchange.fetch_order(BTC, "a")) == ("a", OPEN, "0")

    bench.run(script)


@pytest.mark.parametrize(("sent_ms", "status"), [(2_474, OPEN), (2_475, FILLED)])
def test_an_order_filled_since_then_still_looks_open(sent_ms: int, status: OrderStatus) -> None:
    bench = a_bench(StaleFrom(), (0, "100"), (2_000, "98"), (100_000, "99"))

    async def script(exchange: SimulatedExchange) -> None:
        placed = await exchange.place(buy("a", "99"))
        await anyio.sleep_until(sent_ms / 1_000)
        seen = await exchange.fetch_order(BTC, "a")
        assert seen.status is status
        assert (seen == placed) == (status is OPEN)

    bench.run(script)


@pytest.mark.parametrize(("sent_ms", "fills"), [(2_474, 0), (2_475, 1)])
def test_a_fill_since_then_is_missing_and_its_order_still_listed(sent_ms: int, fills: int) -> None:
    bench = a_bench(StaleFrom(), (0, "100"), (2_000, "98"), (100_000, "99"))

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99"))
        await anyio.sleep_until(sent_ms / 1_000)
        answers: dict[str, int] = {}

        async def ask(name: str, question: Awaitable[Sequence[object]]) -> None:
            answers[name] = len(await question)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "fills", exchange.fetch_fills(BTC, 0))
            tasks.start_soon(ask, "open", exchange.fetch_open_orders(BTC))
        assert answers == {"fills": fills, "open": 1 - fills}

    bench.run(script)


def test_an_order_canceled_since_then_still_looks_open_with_what_it_had_filled() -> None:
    bench = a_bench(StaleFrom(), (0, "100"), (200, "98"), (2_000, "97"), (100_000, "99"), partial=True)
    answers = []

    async def script(exchange: SimulatedExchange) -> None:
        await exchange.place(buy("a", "99", "0.100"))
        await anyio.sleep_until(0.3)
        first = await exchange.fetch_order(BTC, "a")
        await anyio.sleep_until(2.1)
        await exchange.cancel(BTC, "a")
        answers.append(await exchange.fetch_order(BTC, "a"))
        (still_open,) = await exchange.fetch_open_orders(BTC)
        assert still_open == answers[0] == first
        (fill,) = await exchange.fetch_fills(BTC, 0)
        assert (fill.client_order_id, fill.fill) == ("a", first.fills[0])
        await anyio.sleep(1)
        assert (await exchange.fetch_order(BTC, "a")).status is CANCELED
        assert await exchange.fetch_open_orders(BTC) == ()
        assert len(await exchange.fetch_fills(BTC, 0)) == 2

    bench.run(script)
    assert (answers[0].status, len(answers[0].fills), answers[0].at_ms) == (PARTIAL, 1, 200)


def test_stale_open_orders_stand_in_the_order_of_their_age() -> None:
    async def script(exchange: SimulatedExchange) -> None:
        for client_order_id in ("a", "b", "c"):
            await exchange.place(buy(client_order_id, "99"))
        await anyio.sleep_until(1)
        await exchange.cancel(BTC, "b")
        await exchange.cancel(BTC, "a")
        stale = await exchange.fetch_open_orders(BTC)
        assert [brief(report) for report in stale] == [("a", OPEN, "0"), ("b", OPEN, "0"), ("c", OPEN, "0")]

    a_bench(StaleFrom()).run(script)


# A clock that differs


@pytest.mark.parametrize("skew_ms", [-4_000, 7_000])
def test_the_exchange_stamps_orders_and_fills_by_its_own_clock(skew_ms: int) -> None:
    bench = a_bench(FaultPlan(clock_skew_ms=skew_ms), (10_000, "100"), (11_000, "98"), (200_000, "98"))

    async def script(exchange: SimulatedExchange) -> None:
        placed = await exchange.place(buy("a", "99"))
        await anyio.sleep(2)
        (own,) = await exchange.fetch_fills(BTC, 11_000 + skew_ms)
        assert await exchange.fetch_fills(BTC, 11_001 + skew_ms) == ()
        assert (placed.at_ms, own.fill.at_ms) == (10_025 + skew_ms, 11_000 + skew_ms)
        assert await exchange.fetch_order(BTC, "a") == bench.diary.reports[-1][1]
        await exchange.place(sell("b", "110"))
        canceled = await exchange.cancel(BTC, "b")
        assert canceled.at_ms == bench.clock.now_ms() - 25 + skew_ms

    bench.run(script)
    assert bench.diary.prices == [(10_000, "100"), (11_000, "98"), (200_000, "98")]
    assert bench.diary.reports[1][1].at_ms == 11_000 + skew_ms


def test_an_unknown_symbol_has_no_fills_and_is_refused() -> None:
    async def script(exchange: SimulatedExchange) -> None:
        with pytest.raises(Rejected, match="expected one of BTC/USDT, found ETH/USDT"):
            await exchange.fetch_fills("ETH/USDT", 0)

    a_bench(FaultPlan()).run(script)
