"""Real worlds: real money only on a person's word, one journal per account, and nothing set aside that orders need."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from engine.exchange.port import Exchange
from engine.model.errors import SettingsInvalid
from engine.model.snapshot import EngineSnapshot, EngineState, Mode
from engine.runtime.assembly import run_world
from engine.runtime.clock import RealClock, run_on
from engine.runtime.engine import Engine
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_store import read_records_above
from engine.runtime.state_dir import ACCOUNT_NAME, ASIDE_NAME
from engine.runtime.worlds import RealWorld, check_confirmed, open_real_world
from engine.settings import Settings, Start
from tests.builders import a_market
from tests.settings_builders import GRID, load
from tests.sim.busy_exchange import BusyExchange

PAPER, LIVE = '[engine]\nmode = "paper"\n', '[engine]\nmode = "live"\n'
SANDBOX = LIVE + "[exchange]\nsandbox = true\n"
KEYS = {"GRIDWRIGHT_API_KEY": "vK3nD8qXz71LmRtY", "GRIDWRIGHT_SECRET": "hT5wQe92ZcUo4BsJ"}
FROM_ENVIRONMENT = '[engine]\nmode = "live"\n[exchange]\nsandbox = true\nkeys = "env"\n'


class Venue:
    """One exchange that outlives engines; ``quote`` is what its account holds."""

    def __init__(self, quote: int = 10_000) -> None:
        self.exchange = BusyExchange(
            a_market(), quote=Decimal(quote), price=Decimal(60_000), clock=RealClock(), dice=Random(1)
        )
        self.opened = 0

    @asynccontextmanager
    async def open(self, _: RealWorld) -> AsyncIterator[Exchange]:
        self.opened += 1
        yield self.exchange


def settings_in(folder: Path, text: str) -> Settings:
    return load(text + GRID, folder, state_dir=folder / "state")


def live(settings: Settings, venue: Venue, start: Start | None = None) -> tuple[EngineSnapshot, str]:
    """One life of an engine; its last snapshot, and the instance in its journal."""
    seen: list[tuple[EngineSnapshot, str]] = []

    async def started(engine: Engine) -> None:
        await engine.wait_started()
        await engine.wait_quiet()
        seen.append((engine.snapshot(), engine._journal.identity.instance))
        engine.close()

    with open_real_world(settings, start or Start(), venue.open) as world:
        run_on(world.clock, run_world, world, started)
    return seen[0]


@pytest.fixture(autouse=True)
def a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def test_paper_runs_in_real_time_with_a_journal_that_outlives_it(tmp_path: Path) -> None:
    settings, venue = settings_in(tmp_path, PAPER), Venue()
    first, instance = live(settings, venue)
    assert (first.mode, first.exchange_id, first.speed, first.state) == (
        *(Mode.PAPER, "binance", None),
        EngineState.RUNNING,
    )
    orders = sorted(venue.exchange.open_ids)
    assert len(orders) > 10
    second, same = live(settings, venue)
    assert (same, sorted(venue.exchange.open_ids), venue.opened) == (instance, orders, 2)
    assert second.grids[0].state == "running"


def test_each_journal_has_dice_of_its_own(tmp_path: Path) -> None:
    instances = set()
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        instances.add(live(settings_in(folder, PAPER), Venue())[1])
    assert len(instances) > 1


def test_a_paper_journal_is_refused_to_another_mode_and_left_as_it_was(tmp_path: Path) -> None:
    live(settings_in(tmp_path, PAPER), Venue())
    before = (tmp_path / "state" / JOURNAL_NAME).read_bytes()
    kraken = settings_in(tmp_path, PAPER + '[exchange]\nid = "kraken"\n')
    with pytest.raises(SettingsInvalid, match=r"its journal \(paper binance spot\), found paper kraken spot"):
        live(kraken, Venue())
    assert (tmp_path / "state" / JOURNAL_NAME).read_bytes() == before


def test_fresh_sets_journal_and_account_aside(tmp_path: Path) -> None:
    live(settings_in(tmp_path, PAPER), Venue())
    live(settings_in(tmp_path, PAPER + '[exchange]\nid = "kraken"\n'), Venue(), Start(is_fresh=True))
    (aside,) = (tmp_path / "state" / ASIDE_NAME).iterdir()
    assert {JOURNAL_NAME, ACCOUNT_NAME} <= {file.name for file in aside.iterdir()}


def test_real_money_needs_a_word_and_nothing_is_touched_without_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, LIVE)
    with pytest.raises(SettingsInvalid, match="--yes-live beside live, which trades with real money on binance"):
        live(settings, Venue())
    assert not settings.engine.state_dir.exists()
    check_confirmed(settings, Start(is_live_confirmed=True))
    check_confirmed(settings_in(tmp_path, SANDBOX), Start())
    check_confirmed(settings_in(tmp_path, PAPER), Start())


@pytest.mark.usefixtures("keys")
def test_fresh_leaves_no_orders_on_an_exchange_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word that real money may be traded, which every start without a screen needs, is no word about that."""
    settings, venue = settings_in(tmp_path, FROM_ENVIRONMENT), Venue()
    live(settings, venue)
    count = len(venue.exchange.open_ids)
    for start in (Start(is_fresh=True), Start(is_fresh=True, is_live_confirmed=True)):
        set_keys(monkeypatch)
        with pytest.raises(SettingsInvalid) as caught:
            live(settings, venue, start)
        assert f"--fresh: expected no orders of the old journal, found {count} on binance" in str(caught.value)
        assert (settings.engine.state_dir / JOURNAL_NAME).exists()


def set_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment gives its keys once."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


def test_a_first_start_that_is_refused_leaves_the_directory_to_a_better_one(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, PAPER)
    with pytest.raises(SettingsInvalid, match="on the account"):
        live(settings, Venue(quote=5))
    assert not (settings.engine.state_dir / JOURNAL_NAME).exists()
    assert live(settings, Venue())[0].state is EngineState.RUNNING


def test_a_life_that_meant_orders_keeps_its_journal_whatever_ends_it(tmp_path: Path) -> None:
    settings, venue = settings_in(tmp_path, PAPER), Venue()

    async def started(engine: Engine) -> None:
        await engine.wait_started()
        await engine.wait_quiet()
        raise SettingsInvalid("the market has gone")

    with pytest.raises(SettingsInvalid), open_real_world(settings, Start(), venue.open) as world:
        run_on(world.clock, run_world, world, started)
    assert any(read_records_above(settings.engine.state_dir / JOURNAL_NAME, 0))
    assert not (settings.engine.state_dir / ASIDE_NAME).exists()
    assert live(settings, venue)[0].state is EngineState.RUNNING
