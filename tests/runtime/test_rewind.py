"""The past of a journal: every frame is what a fold up to there gives, however it is reached."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from engine import api
from engine.core.books import GridBooks
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.errors import JournalFailed
from engine.model.events import (
    CancelRequested,
    DiscrepancyFound,
    Fact,
    GridOpened,
    GridStateChanged,
    OrderIntended,
    OrderReported,
    Record,
    SlotFrozen,
)
from engine.model.grid import GridState, InitialPurchase
from engine.model.reconcile import Choice, Discrepancy, DiscrepancyKind, Resolution
from engine.model.snapshot import BlockView, Connection, EngineState, Mode, QuestionView
from engine.runtime import rewind
from engine.runtime.facts_codec import Chain, first_hash
from engine.runtime.rewind import JournalHistory
from engine.runtime.views import BooksViewer, Seen
from engine.settings import load_settings
from tests.builders import a_spec, an_opening
from tests.sim.engine_builders import IDENTITY, Bench, a_path, until_quiet
from tests.sim.test_restart import live_on_disk

D = Decimal
PATH = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """Two grids, partial fills, an initial purchase."""
    grids = [a_spec(), a_spec(name="other", slots=7, initial_purchase=InitialPurchase.LIMIT)]
    matching = MatchingOptions(seed=3, partial_fill_chance=D("0.7"))
    bench = Bench(a_path(*PATH), grids=grids, options=SimulatedOptions(matching=matching))
    bench.run()
    return bench.records()


class CountedReads:
    """The records of a list, and how often and how many were read."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records
        self.reads = 0
        self.records_read = 0

    def __call__(self, after: tuple[int, str] | None) -> Iterator[Record]:
        self.reads += 1
        sequence, expected = after or (0, "")
        assert sequence == 0 or self._records[sequence - 1].hash == expected
        for record in self._records[sequence:]:
            self.records_read += 1
            yield record


def history_of(records: Sequence[Record]) -> JournalHistory:
    return JournalHistory(CountedReads(records), mode=Mode.SIMULATION, exchange="simulated")


def folded(records: Sequence[Record], grid: str) -> GridBooks:
    """The books of a grid, folded without any history."""
    books: GridBooks | None = None
    for record in records:
        if record.grid != grid:
            continue
        if isinstance(record.fact, GridOpened):
            books = GridBooks(record.fact, record.at_ms)
        else:
            assert books is not None
            books.apply(record.fact, record.at_ms)
    assert books is not None
    return books


def test_every_frame_is_the_fold_up_to_its_record_with_every_amount_exact(records: list[Record]) -> None:
    history = history_of(records)
    assert history.last_sequence == len(records) > 100
    for record in records:
        frame = history.frame(record.sequence)
        assert (frame.sequence, frame.last_sequence) == (record.sequence, len(records))
        assert (frame.snapshot.sequence, frame.snapshot.at_ms) == (record.sequence, record.at_ms)
        for grid in frame.snapshot.grids:
            books = folded(records[: record.sequence], grid.name)
            seen = Seen(mark=grid.price, mark_at_ms=grid.price_at_ms)
            assert grid == BooksViewer(books).snapshot(books, seen)
            assert grid.profit.residual == 0


@pytest.mark.parametrize("spacing", [1, 2, 7, 64, 10_000])
@pytest.mark.parametrize("most", [2, 5, 256])
def test_a_frame_is_the_same_whichever_way_it_is_reached(
    records: list[Record], spacing: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = [history_of(records).frame(sequence) for sequence in (1, 50, len(records))]
    monkeypatch.setattr(rewind, "CHECKPOINT_RECORDS", spacing)
    monkeypatch.setattr(rewind, "CHECKPOINTS_MAX", most)
    history, dice = history_of(records), Random(spacing)
    for _ in range(60):
        history.frame(dice.randint(1, len(records)))
    assert [history.frame(sequence) for sequence in (1, 50, len(records))] == straight
    assert [history.frame(sequence) for sequence in (len(records), 50, 1)] == straight[::-1]


def test_checkpoints_stay_few_and_span_the_whole_journal(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "CHECKPOINT_RECORDS", 2)
    monkeypatch.setattr(rewind, "CHECKPOINTS_MAX", 8)
    history = history_of(records)
    kept = [past.sequence for past in history._checkpoints]
    assert len(kept) <= 8
    assert kept == list(range(0, len(records) + 1, kept[1]))
    assert kept[-1] > len(records) / 2


def test_a_step_reads_nothing_and_a_jump_only_the_records_behind_its_checkpoint(
    records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "CHECKPOINT_RECORDS", 16)
    reads = CountedReads(records)
    history = JournalHistory(reads, mode=Mode.SIMULATION, exchange="simulated")
    history.frame(40)
    reads.reads = reads.records_read = 0
    for sequence in (41, 42, 41, 40, 33, 48):
        history.frame(sequence)
    assert reads.reads == 0
    history.frame(100)
    assert (reads.reads, reads.records_read) == (1, 16)


def test_the_price_is_the_last_that_the_grid_acted_on_or_traded_at(records: list[Record]) -> None:
    history = history_of(records)
    prices: dict[str, Decimal] = {}
    seen: set[Decimal] = set()
    for record in records:
        fact = record.fact
        if isinstance(fact, GridOpened):
            prices[record.grid] = fact.lattice.anchor
        elif isinstance(fact, OrderIntended | CancelRequested):
            prices[record.grid] = fact.price_seen
        elif isinstance(fact, OrderReported) and fact.report.fills:
            prices[record.grid] = fact.report.fills[-1].price
        grids = history.frame(record.sequence).snapshot.grids
        assert {grid.name: grid.price for grid in grids} == prices
        seen |= set(prices.values())
    assert len(seen) > 10


def test_a_frame_says_that_it_is_history_and_knows_no_parts_and_no_balances(records: list[Record]) -> None:
    snapshot = history_of(records).frame(12).snapshot
    assert snapshot.state is EngineState.STOPPED
    assert snapshot.state_reason == f"history: right after record 12 of {len(records)}"
    assert snapshot.connection is Connection.ENDED
    assert (snapshot.parts, snapshot.balances, snapshot.speed) == ((), (), None)
    assert (snapshot.mode, snapshot.exchange, snapshot.started_ms) == (Mode.SIMULATION, "simulated", records[0].at_ms)


def test_the_event_is_the_record_in_words_even_one_that_nobody_is_told_of(records: list[Record]) -> None:
    history = history_of(records)
    assert history.frame(1).event.text == "opened 10 slots (11 levels) from 100 to 200 around 155"
    intended = next(record for record in records if isinstance(record.fact, OrderIntended))
    event = history.frame(intended.sequence).event
    assert (event.number, event.at_ms, event.grid, event.slot) == (intended.sequence, intended.at_ms, "main", 5)
    assert event.text == "buy 1 at 150: entry 1 below the price"
    resting = next(record for record in records if isinstance(record.fact, OrderReported))
    assert history.frame(resting.sequence).event.text.endswith(" is open")


@pytest.mark.parametrize("spacing", [3, 50, 1_000])
def test_the_events_up_to_a_record_end_with_it(
    records: list[Record], spacing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    straight = history_of(records)
    words = [straight.frame(record.sequence).event for record in records]
    monkeypatch.setattr(rewind, "CHECKPOINT_RECORDS", spacing)
    history = history_of(records)
    for sequence in (1, 2, 49, 50, 51, 100, len(records)):
        told = history.events(sequence, 60)
        assert list(told) == words[sequence - len(told) : sequence]
        assert len(told) >= min(sequence, spacing, 60)
        assert history.frame(sequence).event == told[-1]
    assert [event.number for event in history.events(50, 2)] == [49, 50]


@pytest.mark.parametrize("spacing", [1, 5, 1_000])
def test_a_time_leads_to_the_last_record_that_is_not_later(
    records: list[Record], spacing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewind, "CHECKPOINT_RECORDS", spacing)
    history = history_of(records)
    for at_ms in {record.at_ms + more for record in records for more in (-1, 0, 1)}:
        expected = max([record.sequence for record in records if record.at_ms <= at_ms], default=1)
        assert history.sequence_at(at_ms) == expected


@pytest.mark.parametrize("sequence", [0, -1, 100_000])
def test_a_record_that_is_not_there_is_refused(records: list[Record], sequence: int) -> None:
    history = history_of(records)
    with pytest.raises(ValueError, match=f"expected a record from 1 to {len(records)}, found {sequence}"):
        history.frame(sequence)
    with pytest.raises(ValueError, match="expected a record from 1 to"):
        history.events(sequence)


def test_an_empty_journal_has_no_record() -> None:
    history = history_of([])
    assert history.last_sequence == 0
    with pytest.raises(ValueError, match="the journal is empty"):
        history.sequence_at(5)


def test_a_record_of_a_grid_that_was_never_opened_is_refused(records: list[Record]) -> None:
    with pytest.raises(JournalFailed, match="record 3 is of grid 'main', which was never opened"):
        history_of(records[2:])


def test_records_that_contradict_each_other_are_refused_as_a_journal_that_cannot_be_read(
    records: list[Record],
) -> None:
    intended = next(record for record in records if isinstance(record.fact, OrderIntended))
    again = replace(intended, sequence=len(records) + 1)
    with pytest.raises(JournalFailed, match=f"record {again.sequence} contradicts those before it: client order id"):
        history_of([*records, again])


def test_questions_freezes_and_states_of_then_are_in_the_frame() -> None:
    choice = Choice(resolution=Resolution.QUERY, effect="asks again", moves_money=False)
    discrepancy = Discrepancy(
        kind=DiscrepancyKind.VANISHED_ORDER,
        slot=4,
        client_order_id="gabc00e004000000",
        detail="it is gone",
        rows=(),
        choices=(choice,),
        proposed=Resolution.QUERY,
        unanswered="the slot stays frozen",
    )
    facts: tuple[Fact, ...] = (
        an_opening(),
        GridStateChanged(state=GridState.RUNNING, disposal=None, reason="started", by="engine"),
        SlotFrozen(slot=4, reason="question q1", by="reconciler"),
        DiscrepancyFound(name="q1", discrepancy=discrepancy, asks=True),
        GridStateChanged(state=GridState.EXITS_ONLY, disposal=None, reason="holdings are short", by="reconciler"),
    )
    chain = Chain(0, first_hash(IDENTITY))
    records = [chain.extend("main", [fact], at_ms)[0][0] for at_ms, fact in enumerate(facts, 1_000)]
    history = history_of(records)
    grids = [history.frame(sequence).snapshot.grids[0] for sequence in range(1, 6)]
    assert [grid.state for grid in grids] == [
        GridState.STARTING,
        GridState.RUNNING,
        GridState.RUNNING,
        GridState.RUNNING,
        GridState.EXITS_ONLY,
    ]
    frozen = BlockView(what="slot 4", reason="question q1")
    assert [grid.blocks for grid in grids[1:]] == [
        (),
        (frozen,),
        (frozen,),
        (BlockView(what="entries", reason="holdings are short"), frozen),
    ]
    assert [len(grid.questions) for grid in grids] == [0, 0, 0, 1, 1]
    assert grids[4].questions == (
        QuestionView(
            name="q1",
            kind=DiscrepancyKind.VANISHED_ORDER,
            slot=4,
            client_order_id="gabc00e004000000",
            detail="it is gone",
            rows=(),
            choices=(choice,),
            proposed=Resolution.QUERY,
            unanswered="the slot stays frozen",
            asked_ms=1_003,
        ),
    )


def test_the_door_opens_the_journal_of_the_state_directory_while_it_grows(tmp_path: Path) -> None:
    settings = load_settings(None, state_dir=tmp_path)
    with pytest.raises(JournalFailed, match="expected a journal to step through, found none"):
        api.open_history(settings)
    live_on_disk(tmp_path)
    history = api.open_history(settings)
    last = history.last_sequence
    before = [history.frame(sequence) for sequence in range(1, last + 1)]
    live_on_disk(tmp_path, until_quiet, a_spec(window=3))
    assert api.open_history(settings).last_sequence > last
    assert history.last_sequence == last
    assert [history.frame(sequence) for sequence in range(last, 0, -1)] == before[::-1]


def test_what_the_books_do_not_say_is_shown_as_blocks_before_the_frozen_slots() -> None:
    books = GridBooks(an_opening(), 1_000)
    books.apply(GridStateChanged(state=GridState.RUNNING, disposal=None, reason="started", by="engine"), 1_000)
    books.apply(SlotFrozen(slot=2, reason="frozen by wish", by="test"), 1_000)
    short = BlockView(what="entry of slot 3", reason="needs 130 USDT, the grid has 12 USDT free")
    seen = Seen(mark=D(151), mark_at_ms=2_000, money_block=short, foreign_orders=2, wait_reason="disconnected")
    grid = BooksViewer(books).snapshot(books, seen)
    assert grid.blocks == (
        BlockView(what="decisions", reason="disconnected"),
        short,
        BlockView(what="slot 2", reason="frozen by wish"),
    )
    assert (grid.price, grid.price_at_ms, grid.foreign_orders) == (D(151), 2_000, 2)
