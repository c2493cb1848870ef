"""What real runs write is reproduced exactly, decision by decision; what was changed afterwards is found."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from engine.cli import main
from engine.exchange.faults import FaultPlan
from engine.exchange.matching import MatchingOptions
from engine.exchange.simulated import SimulatedOptions
from engine.model.commands import Freeze, Pause, Resume, Stop, Thaw
from engine.model.events import CancelRequested, DecisionNarrowed, LotSetAside, OrderIntended, OrderReported, Record
from engine.model.grid import Disposal, GridSpec, InitialPurchase
from engine.model.market import FeeCurrency
from engine.runtime.engine import Engine
from engine.runtime.journal_store import read_records
from engine.runtime.replaying import Replay, replay
from tests.builders import INSTANCE, a_market, a_spec
from tests.sim.engine_builders import Bench, SlowJournal, a_path, until_quiet
from tests.sim.swarm import _live_through, _world_of
from tests.sim.swarm_draw import draw
from tests.sim.test_restart import live_on_disk

D = Decimal
PATH = (155, 145, 135, 145, 155, 165, 150, 130, 120, 150, 170, 165, 151, 144, 160, 155)
PARTS = MatchingOptions(seed=3, partial_fill_chance=D("0.7"))
DECIDED = (OrderIntended, CancelRequested, LotSetAside)


def replayed(records: Sequence[Record]) -> Replay:
    return replay(records, instance=INSTANCE)


def assert_reproduced(bench: Bench, *, decided: int) -> None:
    """Every record, and at least so many facts that were decided."""
    records = bench.records()
    found = replayed(records)
    assert found.difference is None
    assert found.records == len(records)
    assert sum(isinstance(record.fact, DECIDED) for record in records) >= decided
    assert found.decisions > 5


@pytest.mark.parametrize(
    "spec, lot",
    [
        (a_spec(), "0.00001"),
        (a_spec(window=3), "0.00001"),
        (a_spec(window=2, initial_purchase=InitialPurchase.LIMIT), "0.00001"),
        (a_spec(initial_purchase=InitialPurchase.MARKET, size=D("1.2")), "0.1"),
        (a_spec(initial_purchase=InitialPurchase.HOLDINGS, size=D("1.23")), "0.01"),
    ],
    ids=["plain", "window", "limit", "market-with-dust", "holdings"],
)
@pytest.mark.parametrize("fee_currency", FeeCurrency)
def test_a_run_is_reproduced_to_the_last_decision(spec: GridSpec, lot: str, fee_currency: FeeCurrency) -> None:
    bench = Bench(
        a_path(*PATH),
        grids=[spec],
        markets=[a_market(lot_size=D(lot), fee_currency=fee_currency)],
        balances={"BTC": D(20), "USDT": D(100_000)},
        options=SimulatedOptions(matching=PARTS),
    )
    bench.run()
    assert_reproduced(bench, decided=15)


@pytest.mark.parametrize("seed", range(20))
def test_a_run_drawn_by_the_swarm_is_reproduced_whatever_went_wrong(seed: int) -> None:
    """Deaths, gaps, bans, a full disk, hands on the account: what the journal holds led to what it decided."""
    drawn = draw(seed)
    world = _world_of(drawn)
    assert _live_through(world, drawn) == []
    found = replayed(world.disk.records)
    assert (found.difference, found.records) == (None, len(world.disk.records))


@pytest.mark.parametrize("seed", range(5))
def test_a_run_with_faults_is_reproduced_over_two_lives(seed: int) -> None:
    faults = FaultPlan(
        seed=seed,
        request_lost_chance=D("0.1"),
        answer_lost_chance=D("0.1"),
        request_late_chance=D("0.1"),
        report_dropped_chance=D("0.1"),
        report_doubled_chance=D("0.2"),
        report_delayed_chance=D("0.2"),
    )
    bench = Bench(a_path(*PATH), options=SimulatedOptions(matching=PARTS, faults=faults))

    async def a_while(_: Engine) -> None:
        await anyio.sleep(400)

    bench.run(a_while)
    bench.run()
    assert_reproduced(bench, decided=15)


def a_slow_run(commit_seconds: float) -> Bench:
    """Commands lead to decisions while the disk still writes what the exchange has reported."""
    prices = [150 + 7 * ((step * 5) % 9 - 4) for step in range(120)]
    bench = Bench(
        a_path(*prices, step_ms=700),
        grids=[a_spec(slots=20)],
        journal=SlowJournal(commit_seconds=commit_seconds),
        options=SimulatedOptions(matching=PARTS),
    )

    async def command(engine: Engine) -> None:
        for _ in range(30):
            await anyio.sleep(1.3)
            await engine.command(Pause(grid="main"), by="test")
            await engine.command(Resume(grid="main"), by="test")
        await until_quiet(engine)

    bench.run(command)
    return bench


@pytest.mark.parametrize("commit_seconds", [0.3, 0.5, 1.2])
def test_a_run_on_a_slow_disk_is_reproduced_though_decisions_were_made_on_books_that_lagged(
    commit_seconds: float,
) -> None:
    bench = a_slow_run(commit_seconds)
    narrowed = bench.facts(DecisionNarrowed)
    assert any(fact.left_out for fact in narrowed)
    assert any(fact.unsettled for fact in narrowed)
    assert_reproduced(bench, decided=40)


@pytest.mark.parametrize("disposal", Disposal)
def test_a_run_with_every_command_is_reproduced(disposal: Disposal) -> None:
    async def command(engine: Engine) -> None:
        for step in (
            Freeze(grid="main", slot=3),
            Pause(grid="main"),
            Resume(grid="main"),
            Thaw(grid="main", slot=3),
            Stop(grid="main", disposal=disposal),
        ):
            await anyio.sleep(130)
            await engine.command(step, by="test")
        await until_quiet(engine)

    bench = Bench(a_path(*PATH), grids=[a_spec(initial_purchase=InitialPurchase.LIMIT)])
    bench.run(command)
    assert_reproduced(bench, decided=20)


def test_two_grids_in_one_journal_are_reproduced() -> None:
    bench = Bench(a_path(*PATH), grids=[a_spec(), a_spec(name="other", lower=D(110), slots=30, window=4)])
    bench.run()
    found = replayed(bench.records())
    assert found.grids == ("main", "other")
    assert_reproduced(bench, decided=40)


def test_every_beginning_of_a_run_that_ends_between_two_decisions_is_reproduced() -> None:
    """And one that ends inside of a decision names what is missing: a commit is written whole or not at all."""
    bench = Bench(a_path(*PATH))
    bench.run()
    records = bench.records()
    whole = [end for end in range(len(records) + 1) if replayed(records[:end]).difference is None]
    reports = [record.sequence for record in records if isinstance(record.fact, OrderReported)]
    assert set(reports) <= set(whole)
    first, second = (record for record in records if isinstance(record.fact, OrderIntended) and record.sequence < 6)
    torn = replayed(records[: first.sequence]).difference
    assert torn is not None
    assert (torn.sequence, torn.found) == (second.sequence, "the end of the journal")
    assert torn.expected.startswith("OrderIntended: slot 4, ")


# What was changed is found


def changed(records: Sequence[Record], number: int, **changes: object) -> list[Record]:
    """The same journal with one decided fact changed."""
    places = [at for at, record in enumerate(records) if isinstance(record.fact, OrderIntended)]
    record = records[places[number]]
    fact = replace(record.fact, **changes)  # type: ignore[arg-type]
    return [*records[: places[number]], replace(record, fact=fact), *records[places[number] + 1 :]]


@pytest.mark.parametrize(
    "changes, expected, found",
    [
        ({"amount": D("1.5")}, "OrderIntended: slot 2, amount 1.00000", "OrderIntended: slot 2, amount 1.5"),
        ({"price": D(121)}, "OrderIntended: slot 2, price 120.00", "OrderIntended: slot 2, price 121"),
        ({"reason": "a whim"}, "OrderIntended: slot 2, reason entry 4 below the price", ", reason a whim"),
        ({"price_seen": D(90)}, "OrderIntended: slot 2, price_seen 155.00", "price_seen 90"),
    ],
)
def test_a_fact_that_was_changed_is_named_with_both_sides(
    changes: dict[str, object], expected: str, found: str
) -> None:
    bench = Bench(a_path(*PATH))
    bench.run()
    records = bench.records()
    tampered = changed(records, 3, **changes)
    difference = replayed(tampered).difference
    assert difference is not None
    at = next(record for record, other in zip(records, tampered, strict=True) if record != other)
    assert (difference.sequence, difference.grid, difference.at_ms) == (at.sequence, "main", at.at_ms)
    assert difference.expected.startswith(expected)
    assert found in difference.found


@pytest.mark.parametrize("kind, found_min", [(OrderIntended, 1.0), (DecisionNarrowed, 0.4), (OrderReported, 0.4)])
def test_records_that_are_taken_out_are_missed(kind: type, found_min: float) -> None:
    """Not each of them: not every decision depends on every report, nor on each that was still on its way."""
    records = a_slow_run(1.0).records()
    places = [at for at, record in enumerate(records) if isinstance(record.fact, kind)][:40]
    without = [replayed([*records[:at], *records[at + 1 :]]) for at in places]
    assert sum(found.difference is not None for found in without) >= len(places) * found_min > 0


def test_a_decision_that_nothing_led_to_is_found() -> None:
    bench = Bench(a_path(*PATH))
    bench.run()
    records = bench.records()
    again = replace(next(record for record in records if isinstance(record.fact, CancelRequested | OrderIntended)))
    difference = replayed([*records, again]).difference
    assert difference is not None
    assert difference.expected == "nothing to do at a price of 155"


def test_a_fact_of_a_grid_that_was_never_opened_is_found() -> None:
    bench = Bench(a_path(*PATH))
    bench.run()
    difference = replayed(bench.records()[1:]).difference
    assert difference is not None
    assert difference.expected == "that grid 'main' is opened first"


# The command


def run(*arguments: object) -> int:
    def no_terminal(*_: object, **__: object) -> int:
        raise AssertionError("expected no terminal")

    return main([str(argument) for argument in arguments], run_terminal=no_terminal)


@pytest.fixture
def state_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory in which an engine has lived twice, and no configuration anywhere."""
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)

    async def a_while(_: Engine) -> None:
        await anyio.sleep(400)

    live_on_disk(folder, a_while)
    live_on_disk(folder)
    return folder


def test_the_command_says_that_a_journal_is_reproduced(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records = list(read_records(state_dir / "journal.db"))
    decisions = replay(records, instance=INSTANCE).decisions
    assert run("journal", "replay", "--state-dir", state_dir) == 0
    assert capsys.readouterr().out == f"reproduced exactly: {len(records)} records, {decisions} decisions\n"
    assert run("journal", "replay", "--json", "--state-dir", state_dir) == 0
    assert json.loads(capsys.readouterr().out) == {
        "reproduced": True,
        "records": len(records),
        "decisions": decisions,
        "grids": ["main"],
        "difference": None,
    }


def test_the_command_names_what_differs_and_fails(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tampered = changed(list(read_records(state_dir / "journal.db")), 3, amount=D("1.5"))

    def read(_: Path) -> Iterator[Record]:
        return iter(tampered)

    monkeypatch.setattr("engine.runtime.journal_store.read_records", read)
    assert run("journal", "replay", "--state-dir", state_dir) == 1
    out = capsys.readouterr().out.splitlines()
    at = next(record.sequence for record in tampered if getattr(record.fact, "amount", None) == D("1.5"))
    when = "1970-01-01T00:00:00.350Z"
    assert out == [
        f"not reproduced: record {at} of grid main, {when}; {at - 1} records before it were reproduced",
        "  expected OrderIntended: slot 2, amount 1.00000",
        "  found    OrderIntended: slot 2, amount 1.5",
    ]
    assert run("journal", "replay", "--json", "--state-dir", state_dir) == 1
    difference = json.loads(capsys.readouterr().out)["difference"]
    assert (difference["sequence"], difference["grid"]) == (at, "main")


def test_the_command_shows_the_engine_as_it_was(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = list(read_records(state_dir / "journal.db"))[-1].sequence
    assert run("journal", "replay", "--until", 1, "--json", "--state-dir", state_dir) == 0
    said = capsys.readouterr()
    status = json.loads(said.out)
    (grid,) = status["grids"]
    assert (status["engine"]["reason"], status["engine"]["state"]) == (
        f"history: right after record 1 of {last}",
        "stopped",
    )
    assert (grid["price"], grid["state"], {slot["state"] for slot in grid["slots"]}) == ("155", "starting", {"empty"})
    assert said.err == f"record 1 of {last}: opened 10 slots (11 levels) from 100 to 200 around 155\n"
    assert run("journal", "replay", "--until", last, "--state-dir", state_dir) == 0
    assert f"reason: history: right after record {last} of {last}" in capsys.readouterr().out


def test_the_command_refuses_a_record_that_is_not_there(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    last = list(read_records(state_dir / "journal.db"))[-1].sequence
    assert run("journal", "replay", "--until", last + 1, "--state-dir", state_dir) == 2
    assert capsys.readouterr().err == f"--until: expected a record from 1 to {last}, found {last + 1}\n"
