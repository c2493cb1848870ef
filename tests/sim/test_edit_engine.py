"""A live edit on the whole engine: what stays keeps its order, what goes is cancelled first, all or nothing."""

from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from random import Random

import anyio
import pytest

from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import EditGrid, GridChange
from engine.model.errors import CommandRefused, SettingsInvalid
from engine.model.events import CancelRequested, LatticeMigrated, OrderIntended, OrderReported
from engine.model.grid import InitialPurchase, SizedBy, Trailing
from engine.model.order import Leg, OrderStatus, Side
from engine.model.preflight import EditPreview
from engine.model.slot import lot_of, order_of
from engine.runtime.engine import Engine
from engine.runtime.local_client import LocalClient
from tests.builders import a_spec
from tests.sim.edit_scenes import BIGGER, FINER, HIGHER, NARROWER, STILL, edit, live_ids, refusal_of
from tests.sim.engine_builders import Bench, SlowJournal, a_path, assert_settled, until_quiet
from tests.sim.migration_scenes import assert_told, lattices
from tests.sim.test_commands import buys, minute, resting, sells

D = Decimal


def test_an_edit_of_the_range_leaves_what_stays_with_its_orders_and_cancels_first_what_goes() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        before = live_ids(engine)
        preview = engine.preview("main", HIGHER)
        assert await edit(engine, HIGHER) == "main: lattice 2 with 10 slots is in force"
        assert lot_of(books.slots[5]).quantity == 1
        await minute(2)
        assert resting(bench) == [*buys(120, 130, 140), *sells(160)]
        after = live_ids(engine)
        assert {index: after[index] for index in (2, 3, 4, 5)} == {index: before[index] for index in (2, 3, 4, 5)}
        assert (preview.stays, preview.gone, preview.new) == (tuple(range(2, 10)), (0, 1), (0, 1))
        assert set(preview.cancels) == {before[0], before[1]}
        assert books.lattice.places == (2, 3, 4, 5, 6, 7, 8, 9, 0, 1)
        assert (books.spec.lower, books.spec.upper, books.spec.slots) == (D(120), D(220), 10)
        await until_quiet(engine)
        assert_settled(engine)

    assert_told(bench, bench.run(scene))
    facts = [record.fact for record in bench.records()]
    migrated = next(number for number, fact in enumerate(facts) if isinstance(fact, LatticeMigrated))
    gone = [fact.client_order_id for fact in facts[:migrated] if isinstance(fact, CancelRequested)]
    closed = [fact.report for fact in facts[:migrated] if isinstance(fact, OrderReported)]
    assert len(gone) == 2
    assert {report.client_order_id for report in closed if report.status is OrderStatus.CANCELED} == set(gone)
    assert not any(isinstance(fact, CancelRequested) for fact in facts[migrated:])


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (NARROWER, [*buys(120, 130, 140), *sells(160)]),
        (FINER, [*buys(*range(100, 145, 5)), *sells(160)]),
        (GridChange(slots=5), [*buys(100, 120), *sells(160)]),
        (BIGGER, [*buys(100, 110, 120, 130, 140), *sells(160)]),
    ],
    ids=["narrower", "finer", "coarser", "bigger"],
)
def test_an_edit_of_range_slots_or_size_while_orders_rest_conserves_the_lot(
    change: GridChange, left: list[tuple[Side, Decimal]]
) -> None:
    bench = Bench(a_path(*STILL), grids=[a_spec(window=20)])

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(1)
        held = books.ledger
        await edit(engine, change)
        assert books.ledger == held
        await until_quiet(engine)
        assert [order for order in resting(bench) if order in left] == left
        assert_settled(engine)
        assert books.ledger.base == 1

    assert_told(bench, bench.run(scene))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (GridChange(lower=D(90)), (90, 200, 10, 1)),
        (GridChange(upper=D(250)), (100, 250, 10, 1)),
        (GridChange(slots=8), (100, 200, 8, 1)),
        (GridChange(size=D("0.5")), (100, 200, 10, D("0.5"))),
        (GridChange(lower=D(110), upper=D(210), slots=5, size=D(3)), (110, 210, 5, 3)),
    ],
)
def test_what_is_not_asked_for_stays_as_it_is(change: GridChange, expected: tuple[object, ...]) -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        await minute(1)
        await edit(engine, change)
        books = engine.coordinators["main"].books
        wish, levels = books.spec, books.lattice.levels
        assert (wish.lower, wish.upper, wish.slots, wish.size) == expected
        assert (levels[0], levels[-1], len(levels) - 1) == expected[:3]
        await until_quiet(engine)
        assert_settled(engine)

    assert_told(bench, bench.run(scene))


def test_another_size_is_for_the_next_entry_and_touches_no_order() -> None:
    bench = Bench(a_path(155, 145, 145, 165, 155, 155))

    async def scene(engine: Engine) -> None:
        await minute(1)
        before = live_ids(engine)
        await edit(engine, BIGGER)
        assert live_ids(engine) == before
        await minute(3)
        (entry,) = (order_of(slot) for slot in engine.coordinators["main"].books.live_slots() if slot.index == 5)
        assert entry is not None
        assert (entry.leg, entry.amount) == (Leg.ENTRY, D(2))
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))


@pytest.mark.parametrize("change", [HIGHER, GridChange(slots=3)], ids=["higher", "coarser"])
@pytest.mark.parametrize("at_seconds", [0.0, 0.02, 60.0, 60.01, 60.03, 240.04])
def test_an_edit_at_any_moment_loses_nothing(change: GridChange, at_seconds: float) -> None:
    """While the first orders are on their way, while one fills, while its exit is on its way; on a slow disk."""
    bench = Bench(
        a_path(155, 145, 135, 125, 145, 165, 185, 145),
        journal=SlowJournal(commit_seconds=0.01),
        options=SimulatedOptions(matching=MatchingOptions(seed=3, partial_fill_chance=D("0.6"))),
    )

    async def scene(engine: Engine) -> None:
        await anyio.sleep_until(at_seconds)
        await edit(engine, change)
        await until_quiet(engine)
        assert_settled(engine)

    assert_told(bench, bench.run(scene))
    assert len(lattices(bench)) == 2


def test_a_preview_tells_what_then_happens() -> None:
    bench = Bench(a_path(*STILL), grids=[a_spec(initial_purchase=InitialPurchase.MARKET)])
    told: list[EditPreview] = []

    async def scene(engine: Engine) -> None:
        await minute(1)
        await engine.wait_quiet()
        told.append(engine.preview("main", GridChange(lower=D(140), upper=D(240))))
        await edit(engine, GridChange(lower=D(140), upper=D(240)))
        await until_quiet(engine)

    engine = bench.run(scene)
    assert_told(bench, engine)
    (fact,) = bench.facts(LatticeMigrated)
    (preview,) = told
    old = lattices(bench)[0]
    assert (preview.stays, preview.gone, preview.new) == ((4, 5, 6, 7, 8, 9), (0, 1, 2, 3), (0, 1, 2, 3))
    assert set(preview.gone) == set(old.places) - set(preview.stays)
    assert set(preview.new) == set(fact.lattice.places) - set(preview.stays)
    assert preview.lots_moved == tuple((move.source, move.target) for move in fact.moved)
    records = [record.fact for record in bench.records()]
    cancelled = [each.client_order_id for each in records if isinstance(each, CancelRequested)]
    assert sorted(cancelled) == sorted(preview.cancels)
    intents = [each for each in records[records.index(fact) :] if isinstance(each, OrderIntended)]
    bought = [each for each in intents if each.leg is Leg.ENTRY]
    assert sum(each.amount for each in bought) == preview.buys_base == 4
    assert preview.after.needs_quote > 0
    assert not preview.trades_more_than(preview)


# What is refused


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (GridChange(), "nothing would change"),
        (GridChange(lower=D(100), upper=D(200), slots=10, size=D(1)), "nothing would change"),
        (GridChange(lower=D(300)), "lower must be above 0 and below upper, was 300 and 200"),
        (GridChange(slots=0), "slots: expected a whole number from 1 to 46656, found 0"),
        (GridChange(size=D("0.00001")), "notional must be at least 5 USDT"),
        (GridChange(size=D(-1)), "size: expected a number from 1E-20 to 1E+20, found -1"),
        (GridChange(size=D(5000)), "the new lattice needs"),
        (GridChange(slots=5000), "expected steps wider than the fees of a cycle"),
        (GridChange(lower=D("NaN"), slots=10**9), "lower: expected a number from 1E-20 to 1E+20, found NaN; slots: "),
    ],
)
def test_a_refused_edit_says_why_and_changes_nothing(change: GridChange, why: str) -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        await minute(1)
        before, lattice = bench.records(), engine.coordinators["main"].books.lattice
        assert why in await refusal_of(lambda: edit(engine, change))
        await minute(2)
        assert engine.coordinators["main"].books.lattice is lattice
        assert bench.records() == before
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))


def test_an_empty_change_is_refused_though_the_sizes_would_be_others_at_the_new_price() -> None:
    bench = Bench(a_path(*STILL), grids=[a_spec(sized_by=SizedBy.INVESTMENT, size=D(1500))])

    async def scene(engine: Engine) -> None:
        await minute(1)
        assert await refusal_of(lambda: edit(engine, GridChange())) == "nothing would change"
        assert engine.preview("main", GridChange()).problems == ("nothing would change",)
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))


def test_an_edit_that_needs_more_than_the_grid_has_takes_it_from_the_account_though_nobody_has_looked_at_it() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        await minute(1)
        assert await edit(engine, GridChange(size=D(20))) == "main: lattice 2 with 10 slots is in force"
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))
    (fact,) = bench.facts(LatticeMigrated)
    assert fact.funds_quote > 20_000


def test_a_trailed_grid_can_be_brought_back_to_the_range_that_it_began_with() -> None:
    """Its wish still says that range, its lattice does not."""
    bench = Bench(a_path(155, 215, 205, 155, 155, 155), grids=[a_spec(trailing=Trailing(up_to=D(300)))])

    async def scene(engine: Engine) -> None:
        books = engine.coordinators["main"].books
        await minute(3)
        assert books.lattice.levels[0] == 110
        assert await edit(engine, GridChange(lower=D(100), upper=D(200))) == "main: lattice 3 with 10 slots is in force"
        assert (books.lattice.levels[0], books.lattice.levels[-1]) == (D(100), D(200))
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))


# Restarts


def test_an_edited_grid_starts_with_the_old_wish_and_with_the_new_one_and_not_with_a_third() -> None:
    bench = Bench(a_path(*STILL))

    async def scene(engine: Engine) -> None:
        await minute(1)
        await edit(engine, HIGHER)
        await engine.wait_quiet()

    first = bench.run(scene)
    books = first.coordinators["main"].books
    for spec in (a_spec(), a_spec(lower=D(120), upper=D(220)), a_spec(window=7)):
        bench.settings = replace(bench.settings, grids=(spec,))

        async def look(engine: Engine, window: int = spec.window) -> None:
            again = engine.coordinators["main"].books
            assert (again.lattice, again.slots, again.ledger) == (books.lattice, books.slots, books.ledger)
            assert again.spec == replace(books.spec, window=window)
            await engine.wait_quiet()

        bench.run(look)
    bench.settings = replace(bench.settings, grids=(a_spec(lower=D(110), upper=D(210)),))
    with pytest.raises(SettingsInvalid) as refused:
        bench.run()
    assert str(refused.value) == (
        "grid 'main': expected it as it runs (BTC/USDT long arithmetic 120 to 220, 10 slots, base_per_slot 1, "
        "initial purchase none), found BTC/USDT long arithmetic 110 to 210, 10 slots, base_per_slot 1, "
        "initial purchase none; put it back, or start over with --fresh"
    )


# Whatever is asked


async def answer_to(client: LocalClient, change: GridChange) -> str:
    """Why a client's edit is refused; empty if it is made."""
    try:
        await client.send(EditGrid(grid="main", change=change))
    except CommandRefused as refused:
        return str(refused)
    return ""


def test_a_preview_of_whatever_nonsense_shows_a_reason_and_an_edit_of_it_is_refused_in_words() -> None:
    """Ranges, slots and sizes from nowhere, through a client."""
    bench = Bench(a_path(*STILL), grids=[a_spec(initial_purchase=InitialPurchase.MARKET)])
    dice = Random(4)
    wild = [D(each) for each in ["-5", "0", "1E-9", "0.001", "99.999", "145", "145.005", "1E30", "NaN", "Infinity"]]

    def a_change() -> GridChange:
        return GridChange(
            lower=dice.choice([None, D(dice.randint(1, 300)), dice.choice(wild)]),
            upper=dice.choice([None, D(dice.randint(1, 300)), dice.choice(wild)]),
            slots=dice.choice([None, dice.randint(-3, 60), 10**7]),
            size=dice.choice([None, D(dice.randint(1, 300)) / 100, dice.choice(wild)]),
        )

    async def scene(engine: Engine) -> None:
        client = LocalClient(engine, by="test")
        await minute(1)
        await engine.wait_quiet()
        done = refused = 0
        for _ in range(25):
            change = a_change()
            preview = await client.preview("main", change)
            assert preview.problems or preview.new or preview.stays
            told = await answer_to(client, change)
            assert bool(told) == bool(preview.problems)
            refused += bool(told)
            done += not told
            with suppress(CommandRefused):
                await client.preflight("main")
        assert done > 1
        assert refused > 8
        await until_quiet(engine)

    assert_told(bench, bench.run(scene))
