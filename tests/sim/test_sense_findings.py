"""What was found wrong once in the whole engine around market sense, risk, swaps and migrations: one scene for each."""

from dataclasses import replace
from decimal import Decimal
from functools import partial

import anyio
import pytest

from engine import status
from engine.core.books import GridBooks
from engine.exchange.faults import FaultPlan
from engine.exchange.funding import FundingRates
from engine.exchange.matching import MatchingOptions
from engine.exchange.outages import Outage
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import EditGrid, Freeze, GridChange, Panic, Pause, Reconcile, Resume, Stop, Thaw
from engine.model.errors import GridwrightError, OutcomeUnknown
from engine.model.events import (
    BlocksChanged,
    CancelRequested,
    FundingBooked,
    GridStateChanged,
    LatticeMigrated,
    OrderIntended,
    OrderReported,
    PositionLiquidated,
    RiskMarked,
    ShadowChanged,
)
from engine.model.grid import Direction, Disposal, GridState, MarginMode, StartTrigger, Trailing, TriggerSide
from engine.model.order import Leg, OrderReport, OrderRequest, OrderStatus, Side
from engine.model.reconcile import DiscrepancyKind
from engine.model.regime import SuppressedEntry
from engine.model.risk import BreakerKind, BreakerRule, LimitName, Limits, RiskSettings, StopBasis, TakeProfit
from engine.model.slot import EMPTY, Holding
from engine.model.snapshot import EngineState
from engine.model.swap import Liquidation, Position
from engine.runtime.engine import Engine
from tests.builders import SYMBOL, Number, a_lot, a_slot, a_spec
from tests.core.shape_builders import a_swap
from tests.sim.edit_scenes import refusal_of
from tests.sim.engine_builders import Bench, SlowJournal, a_path, a_timed_path, assert_balanced, until_quiet
from tests.sim.migration_scenes import folds
from tests.sim.reconcile_builders import books_of, by_hand, lose_records, questions
from tests.sim.shape_truths import ShapeExchange, assert_account
from tests.sim.shapes_draw import SWAP_SYMBOL

D = Decimal
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
SWAP = a_swap(symbol=SWAP_SYMBOL)
LATE = DAY - 5 * MINUTE
"""Five minutes before midnight, which is due to be remembered where a daily loss is bounded."""


def risk_of(bench: Bench, **risk: object) -> Bench:
    """The same bench, its grid bounded by this."""
    bench.settings = replace(bench.settings, risk={"main": RiskSettings(**risk)})  # type: ignore[arg-type]
    return bench


async def until(bench: Bench, seconds: float) -> None:
    """Wait until so many seconds of the market's time."""
    await anyio.sleep(seconds - bench.clock.now_ms() / 1000)


def held_by(books: GridBooks) -> dict[int, Decimal]:
    """What slots hold, where they do."""
    return {index: lot.quantity for index, lot in enumerate(books.lots()) if lot.quantity}


def seen_from(bench: Bench, at_ms: int) -> list[Decimal]:
    """At which prices orders were decided from some time on, in the order of the journal."""
    facts = [record.fact for record in bench.records() if record.at_ms >= at_ms]
    return [fact.price_seen for fact in facts if isinstance(fact, OrderIntended | CancelRequested) and fact.price_seen]


# The order of the journal


def test_a_stop_while_the_fill_of_a_slot_with_a_virtual_lot_is_written_leaves_a_journal_to_start_from() -> None:
    """The lots are of slots which the regime held back once: the real fill ends that of slot 3, the stop the other."""
    lot = SuppressedEntry(slot=3, side=Side.BUY, price=D(130), exit_price=D(140), amount=D(1))
    other = SuppressedEntry(slot=4, side=Side.BUY, price=D(140), exit_price=D(150), amount=D(1))
    path: list[tuple[int, Number]] = [
        (0, D(135)),
        (MINUTE, D(135)),
        (2 * MINUTE, D(134)),
        (3 * MINUTE, D("129.5")),
        (4 * MINUTE, D(131)),
    ]
    bench = Bench(a_timed_path(*path), grids=[a_spec()], journal=SlowJournal(commit_seconds=0.5))

    async def scene(engine: Engine) -> None:
        keeper = engine.coordinators["main"].bookkeeper
        await keeper.put_in_force(lambda: (ShadowChanged(filled=(lot, other), left=()),))
        await until(bench, 180.01)
        await engine.command(Stop(grid="main", disposal=Disposal.CANCEL), by="ann")
        await until_quiet(engine)

    engine = bench.run(scene)
    at = {type(record.fact): record for record in bench.records()}
    filled = next(record for record in bench.records() if _is_fill(record.fact))
    ended = at[ShadowChanged]
    assert ended.fact == ShadowChanged(filled=(), left=(), ended=(4,), ended_at=D("129.5"))
    # The fill stands in the journal before, and was in the books only after it.
    assert (filled.sequence < ended.sequence, filled.at_ms, ended.at_ms) == (True, 180_025, 180_510)
    live = books_of(engine).shadow
    again = list(folds(bench.records()))[-1]
    assert again.shadow == live
    assert dict(live.held) == {}
    assert lose_records(bench, 0) == []
    second = bench.run()
    assert (second.state_reason, books_of(second).state) == ("closed", GridState.STOPPED)


def _is_fill(fact: object) -> bool:
    return isinstance(fact, OrderReported) and fact.report.status is OrderStatus.FILLED


# A grid that waits for its start trigger

TRIGGER = StartTrigger(side=TriggerSide.BELOW, price=D(140))
WAITS = ((0, 150), (MINUTE, 151), (2 * MINUTE, 150), (20 * MINUTE, 139), (25 * MINUTE, 138))


def test_a_grid_that_waits_for_its_trigger_can_be_stopped_and_stays_so_when_the_price_comes() -> None:
    bench = Bench(a_timed_path(*WAITS), grids=[a_spec(start=TRIGGER)])

    async def scene(engine: Engine) -> None:
        await until(bench, 100)
        assert books_of(engine).state is GridState.STARTING
        await engine.command(Stop(grid="main", disposal=Disposal.CANCEL), by="ann")
        await until_quiet(engine)

    engine = bench.run(scene)
    states = [(fact.state, fact.by) for fact in bench.facts(GridStateChanged)]
    assert states == [(GridState.STARTING, "engine"), (GridState.STOPPING, "ann"), (GridState.STOPPED, "engine")]
    assert books_of(engine).state_reason == "stopped as asked"
    assert bench.exchange.placed == {}


def test_a_grid_that_waits_for_its_trigger_can_be_paused_and_stays_so_when_the_price_comes() -> None:
    bench = Bench(a_timed_path(*WAITS), grids=[a_spec(start=TRIGGER)])

    async def scene(engine: Engine) -> None:
        await until(bench, 100)
        await engine.command(Pause(grid="main"), by="ann")
        await until_quiet(engine)

    engine = bench.run(scene)
    assert (books_of(engine).state, books_of(engine).state_reason) == (GridState.PAUSED, "paused by wish")
    assert bench.exchange.placed == {}


# Decisions and time


def test_what_a_command_s_decision_was_refused_for_the_age_of_the_price_is_tried_again_once_a_price_has_come() -> None:
    """Resumed 14 minutes after the last price; the next comes at 1000 s, inside the quiet band."""
    path: list[tuple[int, Number]] = [
        (0, 150),
        (30_000, 155),
        (MINUTE, 152),
        (1_000_000, "152.1"),
        (1_060_000, "152.2"),
    ]
    bench = Bench(a_timed_path(*path), grids=[a_spec()])
    risk_of(bench, limits=Limits(price_stale_seconds=D(100)))

    async def scene(engine: Engine) -> None:
        await until(bench, 70)
        await engine.command(Pause(grid="main"), by="ann")
        await until(bench, 900)
        await engine.command(Resume(grid="main"), by="ann")
        await until(bench, 999)
        assert books_of(engine).slot_of_order == {}
        assert engine.coordinators["main"].guard.refusals != ()
        await until(bench, 1006)
        assert sorted(books_of(engine).slot_of_order.values()) == [0, 1, 2, 3, 4, 5]
        assert engine.coordinators["main"].guard.refusals == ()

    bench.run(scene)


def test_a_fill_that_is_booked_while_a_look_waits_for_the_lock_is_valued_at_the_price_of_afterwards() -> None:
    """Bought at 150, 140 and 130: worth 30 more at the 150 that the look began with, 42 less at the 126 of then."""
    path: list[tuple[int, Number]] = [
        (LATE, 150),
        (DAY - 3000, 126),
        (DAY - 1000, 150),
        (DAY + 4000, 126),
        (DAY + MINUTE, "126.5"),
    ]
    bench = Bench(a_timed_path(*path), grids=[a_spec()], journal=SlowJournal(commit_seconds=10))
    stop = TakeProfit(basis=StopBasis.TOTAL, at=D(20), disposal=Disposal.FLATTEN)
    risk_of(bench, limits=Limits(daily_loss_max=D(500)), stops=(stop,))

    async def scene(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        await until(bench, DAY / 1000 + 3)
        assert (grid.mark, held_by(grid.books)) == (D(150), {})
        assert grid.manager.locks.held_slots() >= {3, 4, 5}
        async with anyio.create_task_group() as tasks, grid.manager.locks.manager:
            tasks.start_soon(grid.decide)
            await until(bench, DAY / 1000 + 20)
            assert (grid.mark, held_by(grid.books)) == (D(126), dict.fromkeys((3, 4, 5), D(1)))
            # Midnight is still to be remembered: it is what the look waits to write.
            assert grid.books.risk_state.day == 0
        await until_quiet(engine)

    engine = bench.run(scene)
    assert [fact.state.day for fact in bench.facts(RiskMarked)][-1] == 1
    assert books_of(engine).state is GridState.RUNNING
    assert [fact for fact in bench.facts(GridStateChanged) if fact.by == "risk"] == []


def test_of_two_decisions_that_overlap_none_is_made_at_an_older_price_than_the_one_before() -> None:
    """The first waits for the start at 155 to be written while the price falls to 105 and the second is made."""
    path: list[tuple[int, Number]] = [(0, 145), (MINUTE, 155), (62_000, 105), (63_000, "105.1"), (20 * MINUTE, "105.2")]
    start = StartTrigger(side=TriggerSide.ABOVE, price=D(155))
    bench = Bench(a_timed_path(*path), grids=[a_spec(start=start)], journal=SlowJournal(commit_seconds=5))
    risk_of(bench, limits=Limits(daily_loss_max=D(5000)))

    async def scene(engine: Engine) -> None:
        await until(bench, 62.1)
        grid = engine.coordinators["main"]
        assert (grid.books.state, grid.bookkeeper.states_on_their_way) == (GridState.RUNNING, 1)
        await grid.decide_afresh()
        assert grid.mark == 105
        await until_quiet(engine)

    engine = bench.run(scene)
    assert seen_from(bench, 0) == [D(105)]
    assert list(bench.exchange.placed_per_slot_and_leg) == [(0, 0, "entry")]
    assert_balanced(bench, engine)


def test_a_decision_that_waited_for_the_lock_is_made_at_the_price_of_afterwards() -> None:
    """At 155 slot 5 would be entered, at 105 nothing above slot 0."""
    bench = Bench(a_timed_path((0, 145), (MINUTE, 155), (2 * MINUTE, 105), (3 * MINUTE, 106)), grids=[a_spec()])

    async def scene(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        await until(bench, 50)
        async with grid.manager.locks.manager:
            await until(bench, 121)
            assert grid.mark == 105
        await until_quiet(engine)

    engine = bench.run(scene)
    assert max(seen_from(bench, MINUTE)) < 107
    assert bench.exchange.placed_per_slot_and_leg[0, 5, "entry"] == 0
    assert_balanced(bench, engine)


# Migrations


def an_edit_and_a_comparison(after_ms: int) -> tuple[Bench, Engine]:
    """An edit that adds four slots on a disk that takes 60 ms, and a comparison so long after it was asked for."""
    path = a_path(150, *[150 + minute % 2 for minute in range(1, 10)])
    bench = Bench(path, grids=[a_spec()], journal=SlowJournal(commit_seconds=0.06))

    async def scene(engine: Engine) -> None:
        await until(bench, 90)
        edit = EditGrid(grid="main", change=GridChange(slots=14, size=D("0.3")))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(do, engine, edit)
            await anyio.sleep(after_ms / 1000)
            await do(engine, Reconcile(grid="main"))
        await until_quiet(engine)

    return bench, bench.run(scene)


async def do(engine: Engine, command: EditGrid | Reconcile) -> None:
    """Have a command done."""
    await engine.command(command, by="ann")


@pytest.mark.parametrize("after_ms", range(0, 400, 20))
def test_a_comparison_while_a_migration_that_adds_slots_is_written_does_not_halt(after_ms: int) -> None:
    bench, engine = an_edit_and_a_comparison(after_ms)
    assert engine.state_reason == "closed"
    assert len(books_of(engine).slots) > 10
    assert len(bench.facts(LatticeMigrated)) == 1
    assert_balanced(bench, engine)


@pytest.mark.parametrize("count, found", [(11, 11), (9, 9)], ids=["one more", "one less"])
def test_memory_and_journal_of_different_lengths_at_rest_halt_the_engine(count: int, found: int) -> None:
    bench = Bench(a_path(150, *[150 + minute % 2 for minute in range(1, 10)]), grids=[a_spec()])

    async def scene(engine: Engine) -> None:
        await until(bench, 90)
        slots = books_of(engine).slots
        slots[:] = [*slots, a_slot(10)][:count]
        with pytest.raises(GridwrightError):
            await engine.command(Reconcile(grid="main"), by="ann")
        await anyio.sleep(1)
        assert engine.state is EngineState.HALTED
        assert (
            engine.state_reason == f"InvariantBroken: grid 'main': expected the 10 slots of the journal, found {found}"
        )

    bench.run(scene)


def test_a_slot_that_the_lattice_has_left_behind_can_neither_be_frozen_nor_thawed() -> None:
    """Six slots of twenty: which are left is said."""
    bench = Bench(a_path(155, 145, *[145] * 8), grids=[a_spec()])

    async def scene(engine: Engine) -> None:
        await until(bench, 90)
        await do(engine, EditGrid(grid="main", change=GridChange(lower=D(120), upper=D(180), slots=6)))
        books = books_of(engine)
        retired = sorted(set(range(len(books.slots))) - set(books.lattice.places))
        assert retired == [0, 1, 8, 9]
        for index in retired:
            for command in (Freeze(grid="main", slot=index), Thaw(grid="main", slot=index)):
                text = await refusal_of(partial(engine.command, command, by="ann"))
                assert text == f"expected a slot that is in the lattice, found {index}"
        assert [slot.freeze_reason for slot in books.slots] == [None] * 10
        await engine.command(Freeze(grid="main", slot=2), by="ann")
        assert books.slots[2].freeze_reason == "frozen by wish"

    bench.run(scene)


def test_the_status_table_is_in_the_order_of_price_after_the_lattice_has_followed_the_price() -> None:
    """Slots 0 to 2, at the bottom once, lie above all others now."""
    bench = Bench(a_path(150, 195, 206, 215, 225, 231), grids=[a_spec(trailing=Trailing(up_to=D(300)))])
    texts: list[str] = []

    async def scene(engine: Engine) -> None:
        await until_quiet(engine)
        texts.append(status.status_text(engine.snapshot(), version="1"))

    engine = bench.run(scene)
    assert [slot.index for slot in books_of(engine).slots_by_price][-3:] == [0, 1, 2]
    lines = texts[0].splitlines()
    first = next(number for number, line in enumerate(lines) if line.split()[:1] == ["slot"]) + 1
    rows = [tuple(map(int, line.split()[:3])) for line in lines[first : first + 6]]
    assert rows == [
        (slot, 100 + 10 * (slot + 10 * (slot < 3)), 110 + 10 * (slot + 10 * (slot < 3))) for slot in HIGHEST
    ]


HIGHEST = (2, 1, 0, 9, 8, 7)
"""The slots nearest 231, the highest first."""

# The executor's queue


def test_an_entry_that_waits_for_its_turn_is_not_sent_once_its_slot_is_frozen() -> None:
    """The exchange takes nothing while it bans; slot 4 is frozen meanwhile, slot 5 is not."""
    ban = Outage(from_ms=MINUTE - 1000, until_ms=MINUTE + 20_000)
    bench = Bench(
        a_timed_path((0, 105), (MINUTE, 155), (2 * MINUTE, 156), (3 * MINUTE, 155)),
        grids=[a_spec(window=2)],
        options=SimulatedOptions(faults=FaultPlan(bans=(ban,))),
    )

    async def scene(engine: Engine) -> None:
        await until(bench, 61)
        assert {4, 5} <= set(books_of(engine).slot_of_order.values())
        await engine.command(Freeze(grid="main", slot=4), by="ann")
        await until_quiet(engine)

    engine = bench.run(scene)
    assert bench.exchange.placed_per_slot_and_leg[0, 5, "entry"] == 1
    assert bench.exchange.placed_per_slot_and_leg[0, 4, "entry"] == 0
    assert books_of(engine).slots[4].state == EMPTY
    assert_balanced(bench, engine)


# Panic and blocks


def test_the_panic_key_while_the_streams_are_down_cancels_what_rests() -> None:
    down = Outage(from_ms=90_000, until_ms=600_000)
    bench = Bench(
        a_path(150, *[150 + minute % 2 for minute in range(1, 15)]),
        grids=[a_spec()],
        options=SimulatedOptions(faults=FaultPlan(disconnects=(down,))),
    )

    async def scene(engine: Engine) -> None:
        await until(bench, 100)
        assert engine.coordinators["main"].wait_reason is not None
        assert len(bench.exchange.open_ids(SYMBOL)) == 6
        await engine.command(Panic(grid="main"), by="ann")
        await until(bench, 110)
        assert bench.exchange.open_ids(SYMBOL) == []
        await until_quiet(engine)

    engine = bench.run(scene)
    wanted = [(fact.slot, fact.reason) for fact in bench.facts(CancelRequested)]
    assert wanted == [(slot, "the panic key") for slot in range(6)]
    assert books_of(engine).slot_of_order == {}
    assert_balanced(bench, engine)


def test_a_block_follows_rules_that_were_made_stricter_at_the_next_start_and_the_journal_says_so() -> None:
    """It would have ended after ten minutes; now a person must lift it, though the price is back where it was."""
    kind = BreakerKind.FLOATING_LOSS
    prices = [155, 145, 130, *[149 + minute % 2 for minute in range(60)]]
    bench = Bench(a_path(*prices), grids=[a_spec(window=2)])
    limits = Limits(floating_loss_max=D(10))
    risk_of(bench, limits=limits, breakers=(BreakerRule(kind=kind, cooldown_seconds=600),))

    async def first(engine: Engine) -> None:
        await until(bench, 200)
        (block,) = books_of(engine).blocks
        assert (block.kind, block.needs_person, block.until_ms) == (kind, False, block.since_ms + 600_000)

    async def second(engine: Engine) -> None:
        (stands,) = books_of(engine).blocks
        assert (stands.kind, stands.needs_person, stands.until_ms) == (kind, True, None)
        await until(bench, 1500)
        assert books_of(engine).blocks == (stands,)

    bench.run(first)
    before = len(bench.records())
    risk_of(bench, limits=limits, breakers=(BreakerRule(kind=kind, needs_person=True),))
    bench.run(second)
    changed = [record.fact for record in bench.records()[before:] if isinstance(record.fact, BlocksChanged)]
    assert [(fact.reason, fact.by) for fact in changed] == [("blocks follow the changed configuration", "engine")]
    assert [block.needs_person for block in changed[0].blocks] == [True]


# Swaps


class Unanswering(ShapeExchange):
    """Executes what is asked of it, and answers nothing about orders or positions while ``is_mute``."""

    def __init__(self, **arguments: object) -> None:
        super().__init__(**arguments)
        self.is_mute = False

    async def place(self, request: OrderRequest) -> OrderReport:
        report = await super().place(request)
        self._check_voice()
        return report

    async def fetch_order(self, symbol: str, client_order_id: str) -> OrderReport:
        self._check_voice()
        return await super().fetch_order(symbol, client_order_id)

    async def fetch_positions(self) -> dict[str, Position]:
        self._check_voice()
        return await super().fetch_positions()

    def _check_voice(self) -> None:
        if self.is_mute:
            raise OutcomeUnknown("no answer came")


def a_swap_bench(*trades: tuple[int, Number], usdt: int, faults: FaultPlan | None = None, **spec: object) -> Bench:
    """The default grid on a swap of an account with so much."""
    return Bench(
        a_timed_path(*trades, symbol=SWAP_SYMBOL),
        grids=[a_spec(symbol=SWAP_SYMBOL, **spec)],
        markets=[SWAP],
        balances={"BTC": D(0), "USDT": D(usdt)},
        options=SimulatedOptions(faults=faults or FaultPlan()),
        exchange_type=Unanswering,
    )


def test_hourly_funding_that_every_comparison_tells_again_is_booked_once() -> None:
    """98 payments lie within the week that a comparison looks back; 1 BTC * (145 or 146) * 0.001 each."""
    rules = SWAP.swap
    assert rules is not None
    market = replace(SWAP, swap=replace(rules, funding_interval_ms=HOUR))
    path: list[tuple[int, Number]] = [
        (0, 150),
        (MINUTE, 139),
        (2 * MINUTE, 145),
        *((HOUR * k + 1000, 145 + k % 2) for k in range(1, 100)),
    ]
    bench = Bench(
        a_timed_path(*path, symbol=SWAP_SYMBOL),
        grids=[a_spec(symbol=SWAP_SYMBOL)],
        markets=[market],
        balances={"BTC": D(0), "USDT": D(100_000)},
        options=SimulatedOptions(matching=MatchingOptions(funding=FundingRates(rate=D("0.001")))),
        exchange_type=ShapeExchange,
    )

    async def scene(engine: Engine) -> None:
        await until(bench, 98 * 3600 + 60)
        for _ in range(3):
            await engine.command(Reconcile(grid="main"), by="ann")
            await anyio.sleep(60)

    books = books_of(bench.run(scene))
    ids = [fact.payment.funding_id for fact in bench.facts(FundingBooked)]
    assert ids == [f"{HOUR * hour}" for hour in range(1, 99)]
    assert list(books.funding_ids) == ids
    held = sum((lot.quantity for lot in books.lots()), D(0))
    # The mark when an hour is full is that of the hour before.
    marks = [145, *(145 + hour % 2 for hour in range(1, 98))]
    assert books.ledger.funding == -held * sum(marks) * D("0.001")
    assert_account(bench, books)


FALL = [(0, 150), *((MINUTE * (k + 1), price) for k, price in enumerate((139, 129, 119, 109, 101, 95, 90, 89)))]
AFTER = [(9 * MINUTE, 120), (10 * MINUTE, 135), (11 * MINUTE, 120)]
"""Six lots are bought on the way down and lost at 90, seven minutes after the start; later prices would trade again."""
LOST_S = 420
SILENT = FaultPlan(stalls=(Outage(from_ms=LOST_S * 1000 + 30, until_ms=LOST_S * 1000 + 40_000),))
"""The streams tell of the liquidation, and then nothing for a while."""


def a_losing_bench(faults: FaultPlan | None = None) -> Bench:
    terms = {"direction": Direction.NEUTRAL, "leverage": D(4), "margin": MarginMode.ISOLATED}
    return a_swap_bench(*FALL, *AFTER, usdt=2000, faults=faults, **terms)


async def until_lost(bench: Bench, engine: Engine) -> None:
    """Paused before the loss and resumed a moment before it: entries of slots 6 to 9 are on their way then."""
    await until(bench, 380)
    await engine.command(Pause(grid="main"), by="ann")
    await until(bench, LOST_S - 0.01)
    await engine.command(Resume(grid="main"), by="ann")


def assert_lost(bench: Bench, engine: Engine) -> None:
    """Halted at once, nothing intended after it, every order gone, then booked, and nothing left of the position."""
    books = books_of(engine)
    facts = [record.fact for record in bench.records() if record.at_ms >= LOST_S * 1000]
    halts = [at for at, fact in enumerate(facts) if isinstance(fact, GridStateChanged)]
    (booked,) = [at for at, fact in enumerate(facts) if isinstance(fact, PositionLiquidated)]
    ends = {fact.slot: at for at, fact in enumerate(facts) if isinstance(fact, OrderReported) and _is_end(fact)}
    assert sorted(ends) == list(range(10))
    assert halts[0] < min(ends[slot] for slot in (6, 7, 8, 9))
    assert booked == len(facts) - 1
    assert [fact for fact in facts if isinstance(fact, OrderIntended)] == []
    state = facts[halts[0]]
    assert isinstance(state, GridStateChanged)
    assert (state.state, state.by) == (GridState.HALTED, "exchange")
    assert state.reason.startswith("the exchange liquidated 6 BTC of the position at 90")
    assert (books.state, books.slot_of_order, books.questions) == (GridState.HALTED, {}, {})
    assert [slot.state for slot in books.slots] == [EMPTY] * 10
    assert books.ledger.base == books.profit(D(7)).residual == 0
    assert bench.exchange.matching.positions() == {}
    assert bench.exchange.open_ids(SWAP_SYMBOL) == []
    assert_account(bench, books)


def _is_end(fact: OrderReported) -> bool:
    return fact.report.status is OrderStatus.CANCELED


def test_a_liquidation_while_entries_are_on_their_way_halts_at_once_and_is_booked_when_they_are_gone() -> None:
    bench = a_losing_bench()

    async def scene(engine: Engine) -> None:
        await until_lost(bench, engine)
        await until(bench, LOST_S + 0.03)
        books = books_of(engine)
        assert (books.state, sorted(books.slot_of_order.values())) == (GridState.HALTED, [6, 7, 8, 9])
        await until_quiet(engine)

    assert_lost(bench, bench.run(scene))


def test_a_liquidation_while_it_is_unknown_what_became_of_entries_is_booked_once_that_is_known() -> None:
    bench = a_losing_bench(SILENT)

    async def scene(engine: Engine) -> None:
        bench.exchange.is_mute = False  # type: ignore[attr-defined]
        await until_lost(bench, engine)
        bench.exchange.is_mute = True  # type: ignore[attr-defined]
        await until(bench, LOST_S + 30)
        books = books_of(engine)
        assert (books.state, sorted(books.slot_of_order.values())) == (GridState.HALTED, [6, 7, 8, 9])
        assert books.ledger.base == 6
        assert bench.facts(PositionLiquidated) == []
        assert len(bench.exchange.open_ids(SWAP_SYMBOL)) == 4
        bench.exchange.is_mute = False  # type: ignore[attr-defined]
        await until_quiet(engine)

    assert_lost(bench, bench.run(scene))


def test_a_liquidation_that_the_engine_dies_before_booking_is_booked_by_the_next_one() -> None:
    bench = a_losing_bench(SILENT)

    async def scene(engine: Engine) -> None:
        await until_lost(bench, engine)
        bench.exchange.is_mute = True  # type: ignore[attr-defined]
        await until(bench, LOST_S + 5)

    assert books_of(bench.run(scene)).state is GridState.HALTED
    assert bench.facts(PositionLiquidated) == []
    assert len(bench.exchange.open_ids(SWAP_SYMBOL)) == 4
    bench.exchange.is_mute = False  # type: ignore[attr-defined]
    assert_lost(bench, bench.run())


def test_a_liquidation_of_a_part_halts_books_nothing_by_itself_and_ends_in_a_question_about_the_position() -> None:
    """0.4 of the 1 BTC that slot 5 holds; a liquidation by hand, as the exchange would tell of it."""
    bench = a_swap_bench((0, 155), *((minute * MINUTE, 145) for minute in range(1, 10)), usdt=100_000)
    bench.reconcile_seconds = 30.0

    async def scene(engine: Engine) -> None:
        await until(bench, 80)
        sale = replace(by_hand("hand1", Side.SELL, 100, "0.4"), symbol=SWAP_SYMBOL)
        bench.exchange.place_by_hand(sale)
        told = Liquidation(
            symbol=SWAP_SYMBOL, trade_id="L1", amount=D("-0.4"), price=D(145), fee=D(0), at_ms=bench.clock.now_ms()
        )
        engine.on_liquidation(told)
        await anyio.sleep(1)
        books = books_of(engine)
        assert (books.state, books.slot_of_order, books.ledger.base) == (GridState.HALTED, {}, D(1))
        assert books.state_reason.startswith("the exchange liquidated 0.4 BTC of the position at 145")
        await anyio.sleep(80)
        ((_, kind, slot),) = questions(engine)
        assert (kind, slot) == (DiscrepancyKind.HOLDING_SHORT, None)
        assert (books.state, books.ledger.base) == (GridState.HALTED, D(1))
        assert books.slots[5].state == Holding(lot=a_lot(1, "150.15"))

    bench.run(scene)
    assert [fact.is_booked for fact in bench.facts(PositionLiquidated)] == [False]
    assert bench.exchange.open_ids(SWAP_SYMBOL) == []


# The distance to liquidation

SINKING = [(0, 195), (MINUTE, 189), (2 * MINUTE, 188), *((10 * MINUTE * k, 188 - 8 * k) for k in range(1, 10))]
LITTLE = 760
"""With a leverage of 2 four lots of the default grid cannot be lost; five can, at 18.26."""


def a_bounded_bench(least: str) -> Bench:
    bench = a_swap_bench(*SINKING, (6_000_000, 115), usdt=LITTLE, leverage=D(2), window=3)
    return risk_of(bench, limits=Limits(liquidation_distance_min=D(least)))


def test_positions_are_asked_for_after_fills_and_one_without_a_liquidation_price_blocks_nothing() -> None:
    bench = a_bounded_bench("0.4")
    seen: list[tuple[Decimal, Decimal, bool]] = []

    async def scene(engine: Engine) -> None:
        guard = engine.coordinators["main"].guard
        for minute in range(15, 86, 10):
            await until(bench, minute * 60)
            position = guard.position
            assert position is not None
            held = sum((lot.quantity for lot in books_of(engine).lots()), D(0))
            seen.append((held, position.amount, position.liquidation_price is not None))
            assert (guard.refusals, guard.is_position_old) == ((), False)

    bench.run(scene)
    amounts = [(1, False), (2, False), (3, False), (4, False), (5, True), (5, True), (6, True), (7, True)]
    assert seen == [(D(amount), D(amount), has_price) for amount, has_price in amounts]


def test_nothing_opens_below_the_least_distance_to_liquidation_though_nobody_looks() -> None:
    """At 132 six lots would be lost at 38.69: 70.68 % away."""
    bench = a_bounded_bench("0.75")

    async def scene(engine: Engine) -> None:
        await until(bench, 75 * 60)
        refusals = engine.coordinators["main"].guard.refusals
        assert [text.partition(": ")[2] for text in refusals] == [
            "the distance to liquidation is 70.68 %, the least is 75 %"
        ]

    bench.run(scene)
    known_ms = next(record.at_ms for record in bench.records() if _is_fill(record.fact) and record.at_ms > 70 * MINUTE)
    entries = [record.fact for record in bench.records() if _is_entry(record.fact) and record.at_ms >= known_ms]
    assert (known_ms, entries) == (70 * MINUTE + 25, [])


def _is_entry(fact: object) -> bool:
    return isinstance(fact, OrderIntended) and fact.leg is Leg.ENTRY


def test_an_old_answer_about_another_position_says_nothing_of_the_present_one() -> None:
    """One lot, which no price would end, was answered for; of the two that came after nothing is known."""
    bench = a_bounded_bench("0.4")

    async def scene(engine: Engine) -> None:
        grid = engine.coordinators["main"]
        await until(bench, 15 * 60)
        bench.exchange.is_mute = True  # type: ignore[attr-defined]
        await until(bench, 35 * 60)
        position = grid.guard.position
        assert position is not None
        assert (position.amount, position.liquidation_price, grid.books.ledger.base) == (D(1), None, D(3))
        assert grid.guard.is_position_old
        (distance,) = [view for view in grid.risk_view().limits if view.name is LimitName.LIQUIDATION_DISTANCE]
        assert (distance.value, distance.is_blocking) == (None, True)
        assert [text.partition(": ")[2] for text in grid.guard.refusals] == [
            "the distance to liquidation is not known, the least is 40 %"
        ]
        bench.exchange.is_mute = False  # type: ignore[attr-defined]

    bench.run(scene)
