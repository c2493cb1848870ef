"""Every kind of discrepancy, made with the whole engine at work, under every policy that there is for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

import anyio
import pytest

from engine.exchange.faults import FaultPlan
from engine.model.commands import Freeze
from engine.model.errors import OutcomeUnknown
from engine.model.events import DiscrepancyFound
from engine.model.grid import GridState
from engine.model.order import OrderReport, OrderRequest, OrderStatus
from engine.model.reconcile import RESOLUTIONS, DiscrepancyKind, Resolution
from engine.model.slot import order_of
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, an_id
from tests.sim.engine_builders import QUOTE_FEES, AuditedExchange, Bench, assert_balanced
from tests.sim.reconcile_builders import (
    NEVER_TOLD,
    PERIOD,
    SURE,
    a_bench,
    an_id_of,
    books_of,
    buys,
    by_hand,
    corrections,
    entry_of,
    live_order,
    questions,
    reports_of,
    resting,
    take_away,
)

D = Decimal
K, R = DiscrepancyKind, Resolution
STILL = (155,) * 60
FALL = (155, *[145] * 59)
"""Slot 5 buys at 150 in the second minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How a difference comes about: between two lives (``before``), or while an engine lives (``cause``).

    ``slot`` is the one that it is about; ``state`` is the grid's while it is asked about.
    """

    cause: Callable[[Bench, Engine], Awaitable[None]]
    slot: int | None = None
    state: GridState = GridState.RUNNING
    prices: tuple[int, ...] = STILL
    faults: FaultPlan | None = None
    before: Callable[[Bench], None] | None = None


async def nothing(bench: Bench, engine: Engine) -> None:
    """It is there already, or comes with the price."""


async def fill_a_part_and_cancel(bench: Bench, engine: Engine) -> None:
    matching, order = bench.exchange.matching, bench.exchange.open_order(entry_of(5))
    matching._execute(matching._books[SYMBOL], order, order.price, D("0.4"), 10_000, is_maker=True)
    bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))


async def cancel(bench: Bench, engine: Engine) -> None:
    bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))


async def lose(bench: Bench, engine: Engine) -> None:
    await anyio.sleep(40)  # until its request can no longer be on its way
    take_away(bench, entry_of(5))


async def revive(bench: Bench, engine: Engine) -> None:
    bench.exchange.cancel_by_hand(SYMBOL, entry_of(5))
    await anyio.sleep(3)
    bench.exchange.matching._used_ids.discard(entry_of(5))
    bench.exchange.place_by_hand(by_hand(entry_of(5), price=91))


async def change(bench: Bench, engine: Engine) -> None:
    bench.exchange.open_order(entry_of(5)).price = D("149.5")


async def take_base(bench: Bench, engine: Engine) -> None:
    """Of a lot that no exit offers: its slot was frozen before it bought."""
    await engine.command(Freeze(grid="main", slot=5), by="ann")
    await anyio.sleep(60)
    bench.exchange.transfer("BTC", D("-0.75"))


async def bring_base(bench: Bench, engine: Engine) -> None:
    bench.exchange.transfer("BTC", D(2))


async def meet(bench: Bench, engine: Engine) -> None:
    bench.exchange.place_by_hand(by_hand(an_id_of("xyz"), price=91))


def live_a_while(bench: Bench) -> None:
    async def scene(engine: Engine) -> None:
        await anyio.sleep(50)

    bench.run(scene)


def lose_a_record(bench: Bench) -> None:
    """An engine has placed entry 0 of slot 9, and its journal knows nothing of it."""
    live_a_while(bench)
    bench.exchange.place_by_hand(by_hand(an_id(9), price=140))


def change_rules(bench: Bench) -> None:
    live_a_while(bench)
    bench.exchange._markets[SYMBOL] = replace(QUOTE_FEES, notional_min=D(50))


TROUBLES: Mapping[DiscrepancyKind, Trouble] = {
    K.OFFLINE_FILL: Trouble(cause=nothing, slot=5, prices=FALL, faults=NEVER_TOLD),
    K.PARTIAL_CANCEL: Trouble(cause=fill_a_part_and_cancel, slot=5, faults=NEVER_TOLD),
    K.ORDER_CLOSED: Trouble(cause=cancel, slot=5, faults=NEVER_TOLD),
    K.VANISHED_ORDER: Trouble(cause=lose, slot=5),
    K.ORPHAN_ORDER: Trouble(cause=nothing, slot=9, before=lose_a_record),
    K.DUPLICATE_ORDER: Trouble(cause=revive, slot=5),
    K.ORDER_MISMATCH: Trouble(cause=change, slot=5),
    K.HOLDING_SHORT: Trouble(cause=take_base, state=GridState.EXITS_ONLY, prices=FALL),
    K.HOLDING_OVER: Trouble(cause=bring_base, state=GridState.EXITS_ONLY),
    K.LATTICE_MISMATCH: Trouble(cause=nothing, state=GridState.EXITS_ONLY, before=change_rules),
    K.SECOND_INSTANCE: Trouble(cause=meet, state=GridState.HALTED),
}
NEVER_A_QUESTION = {K.FOREIGN_ORDER, K.UNKNOWN_OUTCOME}
ASKED_ALL_THE_SAME = (K.HOLDING_SHORT, R.QUERY)
WAYS = [(kind, way) for kind in TROUBLES for way in RESOLUTIONS[kind] if (kind, way) != ASKED_ALL_THE_SAME]


def live_with(kind: DiscrepancyKind, policy: Resolution | None, look: Callable[[Bench, Engine], None]) -> Bench:
    """A life in which this kind of trouble comes; ``look`` sees what is left of it three periods later."""
    trouble = TROUBLES[kind]
    bench = a_bench(*trouble.prices, policy={kind: policy}, faults=trouble.faults)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(10)
        await trouble.cause(bench, engine)
        await anyio.sleep(60 + SURE + 2 * PERIOD)
        look(bench, engine)
        assert books_of(engine).profit(D(145)).residual == 0

    if trouble.before is not None:
        trouble.before(bench)
    bench.run(scene)
    return bench


def test_every_kind_has_a_trouble_or_is_never_a_question() -> None:
    assert set(TROUBLES) | NEVER_A_QUESTION == set(DiscrepancyKind)


@pytest.mark.parametrize(("kind", "policy"), [*((kind, None) for kind in TROUBLES), ASKED_ALL_THE_SAME])
def test_what_is_asked_is_one_question_that_holds_back_what_it_is_about(
    kind: DiscrepancyKind, policy: Resolution | None
) -> None:
    """Its slot is frozen, the others go on; one about a holding or rules lets the grid only exit."""
    trouble = TROUBLES[kind]

    def look(_: Bench, engine: Engine) -> None:
        assert questions(engine) == [("q1", kind, trouble.slot)]
        books = books_of(engine)
        asked = [slot.index for slot in books.slots if (slot.freeze_reason or "").startswith("question q1: ")]
        assert asked == ([] if trouble.slot is None else [trouble.slot])
        assert books.state is trouble.state

    assert corrections(live_with(kind, policy, look)) == []


@pytest.mark.parametrize(("kind", "way"), WAYS, ids=[f"{kind}-{way}" for kind, way in WAYS])
def test_what_is_automatic_is_done_without_a_question_and_put_on_record_once(
    kind: DiscrepancyKind, way: Resolution
) -> None:
    def look(_: Bench, engine: Engine) -> None:
        assert questions(engine) == []
        assert (books_of(engine).state is GridState.HALTED) == (way is R.HALT)
        assert not any((slot.freeze_reason or "").startswith("question") for slot in books_of(engine).slots)

    bench = live_with(kind, way, look)
    assert corrections(bench) == [(kind, way, "reconciler")]
    assert [fact.asks for fact in bench.facts(DiscrepancyFound)] == [False]


# What is never a question


class SilentAboutOne(AuditedExchange):
    """It takes the entry of slot 5 and never says what became of it, but for the list of open orders."""

    async def place(self, request: OrderRequest) -> OrderReport:
        report = await super().place(request)
        if request.client_order_id == entry_of(5):
            raise OutcomeUnknown("the answer was lost")
        return report

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        report = await super().fetch_order(symbol, client_order_id)
        if client_order_id == entry_of(5):
            raise OutcomeUnknown("the answer was lost")
        return report


def test_an_order_of_unknown_outcome_is_known_from_the_open_orders_and_never_sent_again() -> None:
    bench = a_bench(exchange_type=SilentAboutOne, faults=NEVER_TOLD)

    async def scene(engine: Engine) -> None:
        await anyio.sleep(5)
        order = order_of(books_of(engine).slots[5])
        assert (live_order(engine, 5), order and order.status) == (entry_of(5), OrderStatus.UNKNOWN)
        await anyio.sleep(SURE)
        order = order_of(books_of(engine).slots[5])
        assert (live_order(engine, 5), order and order.status) == (entry_of(5), OrderStatus.OPEN)
        assert questions(engine) == []

    engine = bench.run(scene)
    assert bench.exchange.placed[entry_of(5)] == 1
    assert reports_of(bench, entry_of(5)) == [(OrderStatus.UNKNOWN, D(0)), (OrderStatus.OPEN, D(0))]
    assert corrections(bench) == []
    assert resting(bench) == buys(100, 110, 120, 130, 140, 150)
    assert_balanced(bench, engine)
