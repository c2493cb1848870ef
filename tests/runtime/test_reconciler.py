"""The reconciler itself: when it looks, how often, what it remembers, and what it says."""

from dataclasses import replace
from decimal import Decimal

import anyio
import pytest

from engine.core.corrections import ask
from engine.core.differences import about_holding, about_order
from engine.exchange.port import Balance
from engine.model.commands import Freeze
from engine.model.events import HoldingNoted
from engine.model.market import MarketKind
from engine.model.order import OrderReport, OrderStatus, OwnFill
from engine.model.reconcile import Discrepancy, DiscrepancyKind, Resolution
from engine.runtime.account_view import look_at_orders
from engine.runtime.clock import VirtualClock
from engine.runtime.engine import Engine
from engine.runtime.findings import Findings
from engine.runtime.holdings import ReconciledGrid
from engine.runtime.mirror import MemoryPhoto
from engine.runtime.reconciler import CONFIRM_SECONDS, PASSES_MAX, _fence
from engine.runtime.tally import Tally
from tests.builders import SYMBOL, a_fill, a_report, a_slot, an_id, an_order, some_books
from tests.sim.engine_builders import AuditedExchange, Bench
from tests.sim.lock_audit import audited
from tests.sim.reconcile_builders import (
    PERIOD,
    a_bench,
    an_id_of,
    books_of,
    by_hand,
    compare,
    entry_of,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
ORDER = an_order(status=OrderStatus.OPEN)


@audited
class Counting(AuditedExchange):
    """Notes when it was asked for the open orders; moves the account at every look, if it is told to."""

    is_restless = False

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.looks: list[int] = []

    async def fetch_open_orders(self, symbol: str) -> tuple[OrderReport, ...]:
        self.looks.append(self._now_ms() // 1000)
        return tuple(await super().fetch_open_orders(symbol))

    async def fetch_balances(self) -> dict[str, Balance]:
        if self.is_restless:
            self.transfer("BTC", D(1))
        return await super().fetch_balances()


def a_counted_bench(*, period: float) -> tuple[Bench, Counting]:
    bench = a_bench(period=period, exchange_type=Counting)
    assert isinstance(bench.exchange, Counting)
    return bench, bench.exchange


# When it looks


def test_it_looks_at_the_start_and_once_every_period() -> None:
    bench, exchange = a_counted_bench(period=PERIOD)
    bench.run(lambda engine: anyio.sleep(95))
    start = exchange.looks[0]
    assert [look - start for look in exchange.looks] == [0, 0, 30, 60, 90]  # twice at the start: a grid begins alone


def test_without_a_period_it_looks_only_when_it_is_wanted() -> None:
    bench, exchange = a_counted_bench(period=0.0)

    async def want(engine: Engine) -> None:
        exchange.looks.clear()
        await anyio.sleep(500)
        assert exchange.looks == []
        await compare(engine)
        assert len(exchange.looks) == 1

    bench.run(want)


def test_two_who_want_a_comparison_at_once_get_it_both() -> None:
    bench, exchange = a_counted_bench(period=0.0)

    async def want(engine: Engine) -> None:
        exchange.looks.clear()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(compare, engine)
        assert len(exchange.looks) <= 2

    bench.run(want)


def test_what_is_found_is_looked_at_again_a_few_seconds_later() -> None:
    bench, exchange = a_counted_bench(period=0.0)

    async def want(engine: Engine) -> None:
        await anyio.sleep(10)
        exchange.transfer("BTC", D(1))
        exchange.looks.clear()
        message = await compare(engine)
        assert message == "main: 6 orders compared, 1 corrected, 0 put to you as questions"

    bench.run(want)
    gaps = [after - before for before, after in zip(exchange.looks, exchange.looks[1:], strict=False)]
    assert gaps == [CONFIRM_SECONDS] * 2  # found, found again and corrected, nothing left


def test_what_keeps_changing_is_left_for_the_next_time_after_some_looks() -> None:
    bench, exchange = a_counted_bench(period=0.0)

    async def want(engine: Engine) -> None:
        await anyio.sleep(10)
        exchange.looks.clear()
        exchange.is_restless = True
        await compare(engine)
        exchange.is_restless = False

    bench.run(want)
    assert len(exchange.looks) == PASSES_MAX
    assert [fact.beside for fact in bench.facts(HoldingNoted)] == [0]


def test_a_comparison_that_finds_nothing_writes_nothing() -> None:
    bench, _ = a_counted_bench(period=PERIOD)

    async def look(engine: Engine) -> None:
        await anyio.sleep(2 * PERIOD)
        head = bench.journal.head
        await anyio.sleep(10 * PERIOD)
        assert bench.journal.head == head

    bench.run(look)


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally(orders=6), "6 orders compared, nothing to correct"),
        (Tally(orders=6, corrected=2), "6 orders compared, 2 corrected, 0 put to you as questions"),
        (Tally(orders=0, asked=1), "0 orders compared, 0 corrected, 1 put to you as questions"),
    ],
)
def test_it_says_what_came_of_it(tally: Tally, words: str) -> None:
    assert str(tally) == words


# What it asks the exchange


async def test_it_asks_only_for_what_is_missing_or_was_executed_and_is_not_known() -> None:
    """An own order that is gone, one that is open, a lost one and a foreign one that were executed."""
    asked: list[str] = []

    class Account:
        request_life_seconds = 0.0

        async def fetch_open_orders(self, symbol: str) -> list[OrderReport]:
            return [a_report(an_order(4), OrderStatus.OPEN)]

        async def fetch_fills(self, symbol: str, since_ms: int) -> list[OwnFill]:
            names = ("manual", an_id(7), an_id(5), an_id(2))
            return [OwnFill(client_order_id=name, symbol=SYMBOL, side=ORDER.side, fill=a_fill(name)) for name in names]

        async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
            asked.append(client_order_id)
            return replace(a_report(ORDER, OrderStatus.FILLED, a_fill()), client_order_id=client_order_id)

    evidence = await look_at_orders(
        Account(),  # type: ignore[arg-type]
        VirtualClock(start_ms=0),
        symbol=SYMBOL,
        own=[ORDER, an_order(4, status=OrderStatus.OPEN)],
        strays=(),
        since_ms=0,
        is_known=lambda own_fill: own_fill.client_order_id == an_id(2),
    )
    assert sorted(asked) == sorted([an_id(5), an_id(7)])
    assert list(evidence.open_orders) == [an_id(4)]
    assert set(evidence.asked) == {an_id(5), an_id(7)}


# What it leaves alone


def test_a_slot_that_was_touched_since_the_exchange_was_asked_is_left_for_the_next_pass() -> None:
    bench = a_bench(period=0.0)

    async def touch(engine: Engine) -> None:
        await anyio.sleep(10)
        grid = ReconciledGrid(coordinator=engine.coordinators["main"], control=engine._grids.controls["main"])
        found = about_order(
            K.ORDER_CLOSED, a_slot(), journalled=ORDER, order=ORDER, report=a_report(ORDER, OrderStatus.CANCELED)
        )
        photo = MemoryPhoto(grid.coordinator.bookkeeper, bench.journal.head[0])
        fence = _fence(grid, photo, found)
        assert fence()
        await engine.command(Freeze(grid="main", slot=4), by="ann")
        assert fence()
        await engine.command(Freeze(grid="main", slot=5), by="ann")
        assert not fence()
        head = bench.journal.head
        assert not await grid.control.correct(found, R.ADOPT, is_current=fence)
        assert not await grid.control.ask(found, is_current=fence)
        assert bench.journal.head == head

    bench.run(touch)


# What it remembers


def vanished() -> Discrepancy:
    return about_order(K.VANISHED_ORDER, a_slot(), journalled=ORDER, order=ORDER, report=None)


def executed(amount: str) -> Discrepancy:
    report = a_report(ORDER, OrderStatus.PARTIALLY_FILLED, a_fill(amount=amount))
    return about_order(K.OFFLINE_FILL, a_slot(), journalled=ORDER, order=ORDER, report=report)


def test_a_finding_is_confirmed_by_the_pass_before_just_as_it_was() -> None:
    findings = Findings()
    findings.begin_pass()
    assert not findings.is_confirmed("main", executed("0.4"))
    findings.begin_pass()
    assert not findings.is_confirmed("main", executed("0.5"))
    findings.begin_pass()
    assert findings.is_confirmed("main", executed("0.5"))
    findings.begin_pass()
    findings.begin_pass()
    assert not findings.is_confirmed("main", executed("0.5"))


def test_findings_of_two_grids_do_not_confirm_each_other() -> None:
    findings = Findings()
    findings.begin_pass()
    findings.is_confirmed("main", vanished())
    findings.begin_pass()
    assert not findings.is_confirmed("other", vanished())


@pytest.mark.parametrize(("found", "explains"), [(executed("0.4"), True), (vanished(), False)])
def test_a_holding_waits_for_orders_that_can_explain_it(found: Discrepancy, explains: bool) -> None:
    findings = Findings()
    findings.begin_pass()
    findings.is_confirmed("main", found)
    assert findings.has_order_of("main") is explains
    assert not findings.has_order_of("other")


def test_an_open_question_is_about_a_finding_only_with_the_figures_it_names() -> None:
    books = some_books()
    short = about_holding(K.HOLDING_SHORT, MarketKind.SPOT, total=D(0), held=D(1), quantity=D(1))
    for fact in ask(books, short):
        books.apply(fact, 0)
    findings = Findings()
    findings.begin_pass()
    assert findings.question_about(books.questions, "main", short) == "q1"
    assert findings.question_about(books.questions, "main", replace(short, quantity=D(2))) is None
    assert findings.question_about(books.questions, "main", vanished()) is None


def test_what_changes_nothing_is_new_once_and_again_after_it_was_gone() -> None:
    findings = Findings()

    def look(*found: Discrepancy) -> list[bool]:
        findings.begin_pass()
        return [findings.is_confirmed("main", one) and findings.is_new("main", one, R.QUERY) for one in found]

    assert [look(vanished()) for _ in range(4)] == [[False], [True], [False], [False]]
    look()
    assert [look(vanished()) for _ in range(3)] == [[False], [True], [False]]


def test_another_engine_is_one_question_whatever_its_orders_are() -> None:
    bench = a_bench(period=0.0)

    async def meet(engine: Engine) -> None:
        await anyio.sleep(5)
        for slot in (2, 3, 4):
            bench.exchange.place_by_hand(by_hand(an_id_of("xyz", slot=slot), price=90 + slot))
        await compare(engine)
        assert list(books_of(engine).questions) == ["q1"]
        bench.exchange.cancel_by_hand(SYMBOL, an_id_of("xyz", slot=2))
        bench.exchange.place_by_hand(by_hand(an_id_of("zzz", slot=2), price=90))
        await compare(engine)
        assert list(books_of(engine).questions) == ["q1", "q2"]
        assert entry_of(5) in bench.exchange.open_ids(SYMBOL)

    bench.run(meet)
