# ruff: noqa: N802 -- a regression test carries the id of its finding, as it is written
"""The remaining findings about slots, orders and the journal: what went wrong elsewhere, and what holds here."""

from dataclasses import fields
from decimal import Decimal
from random import Random

import anyio
import pytest

from engine.model.commands import Freeze, Pause
from engine.model.errors import JournalFailed
from engine.model.events import OrderIntended, OrderReported
from engine.model.ids import OrderKey, client_order_id_from_key, key_from_client_order_id
from engine.model.order import Leg, Order, OrderReport, OrderRequest, OrderStatus
from engine.runtime.engine import Engine
from engine.runtime.facts_codec import fact_from_payload, payload_from_fact
from tests.builders import INSTANCE, a_report, an_intent
from tests.sim.engine_builders import AuditedExchange, Bench, SlowJournal, a_path, assert_balanced, until_quiet
from tests.sim.lock_audit import audited

D = Decimal


def test_L17_an_order_has_one_price_one_amount_and_one_filled_amount_and_all_are_decimals() -> None:
    """No twin that is brought up to date somewhere else; and what a restart folds is what was intended."""
    decimals = {field.name for field in fields(Order) if field.type in (Decimal, "Decimal")}
    assert decimals == {"price", "amount", "filled", "reported_filled"}
    bench = Bench(a_path(155, 155, 155))
    bench.run()
    engine = bench.run(lambda engine: anyio.sleep(10))
    intended = {fact.client_order_id: (fact.price, fact.amount) for fact in bench.facts(OrderIntended)}
    live = engine.coordinators["main"].books
    orders = [live.slots[index].state.order for index in live.slot_of_order.values()]  # type: ignore[union-attr]
    assert len(orders) == 6
    assert all((order.price, order.amount) == intended[order.client_order_id] for order in orders)


def test_L28_the_last_change_before_all_is_quiet_is_on_the_disk_without_waiting_for_another() -> None:
    journal = SlowJournal(commit_seconds=0.02)
    bench = Bench(a_path(155, 145, 155, 155), journal=journal)
    engine = bench.run()
    assert journal.durable == journal.head[0] > 12
    assert isinstance(bench.records()[-1].fact, OrderReported)
    assert_balanced(bench, engine)


def test_022_an_unknown_side_or_status_is_an_error_and_never_a_default() -> None:
    fact = OrderReported(slot=5, report=a_report(an_intent(), OrderStatus.OPEN))
    kind, payload = payload_from_fact(fact)
    for known, unknown in ((b'"side":"buy"', b'"side":"bid"'), (b'"status":"open"', b'"status":"new"')):
        assert known in payload
        with pytest.raises(JournalFailed, match="record 7: expected a fact"):
            fact_from_payload(kind, payload.replace(known, unknown), sequence=7)


def test_033b_whatever_is_kept_from_acting_says_why_in_the_snapshot() -> None:
    """A pause, a frozen slot, money that is short."""
    bench = Bench(a_path(*[155] * 5))

    async def hinder(engine: Engine) -> None:
        await anyio.sleep(10)
        await engine.command(Freeze(grid="main", slot=3), by="ann")
        await engine.command(Pause(grid="main"), by="ann")
        await until_quiet(engine)
        blocks = {block.what: block.reason for block in engine.snapshot().grids[0].blocks}
        assert blocks == {"entries": "paused by wish", "slot 3": "frozen by wish"}

    bench.run(hinder)


def test_L47_an_id_comes_from_its_slot_and_generation_so_no_clock_and_no_rate_makes_two_alike() -> None:
    dice = Random(47)
    keys = {
        OrderKey(
            instance=INSTANCE,
            grid=dice.randrange(36),
            slot=dice.randrange(1_000),
            leg=dice.choice(tuple(Leg)),
            generation=dice.randrange(100_000),
        )
        for _ in range(20_000)
    }
    ids = {client_order_id_from_key(key) for key in keys}
    assert len(ids) == len(keys)
    assert {key_from_client_order_id(name) for name in ids} == keys


def test_L48_while_every_exchange_call_hangs_no_lock_is_held_and_a_freeze_is_done_at_once() -> None:
    @audited
    class Hanging(AuditedExchange):
        async def place(self, request: OrderRequest) -> OrderReport:
            await anyio.sleep(300)
            return await super().place(request)

    bench = Bench(a_path(*[155] * 10), exchange_type=Hanging)

    async def command(engine: Engine) -> None:
        await anyio.sleep(10)
        locks = engine.coordinators["main"].manager.locks
        assert (locks.manager.is_held, locks.held_slots()) == (False, frozenset())
        before = anyio.current_time()
        await engine.command(Freeze(grid="main", slot=3), by="ann")
        assert anyio.current_time() == before

    bench.run(command)
