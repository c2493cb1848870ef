"""The first pre-flight on an account: its own fees and balances, what grids leave each other, and nothing placed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from engine.exchange.port import Exchange
from engine.model.account import AccountPlan
from engine.model.errors import SettingsInvalid
from engine.model.regime import Candle
from engine.runtime.account_plan import account_plan
from engine.runtime.clock import RealClock
from engine.runtime.worlds import RealWorld, paper_balances
from engine.settings import Settings, Start
from tests.builders import a_market
from tests.settings_builders import GRID, SWAP_GRID, load
from tests.sim.busy_exchange import BusyExchange

SANDBOX = '[engine]\nmode = "live"\n[exchange]\nsandbox = true\nkeys = "env"\n'
SECOND = GRID.replace('"btc"', '"b2"')


class TradedExchange(BusyExchange):
    """Its market was traded within the last hour, not within the last minute."""

    async def fetch_candles(self, symbol: str, interval_ms: int, limit: int) -> Sequence[Candle]:
        """One candle of an hour."""
        price = 60_000.004
        candle = Candle(open_ms=0, open=price, high=price, low=price, close=price, volume=1.0)
        return () if interval_ms < 3_600_000 else (candle,)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_API_KEY", "vK3nD8qXz71LmRtY")
    monkeypatch.setenv("GRIDWRIGHT_SECRET", "hT5wQe92ZcUo4BsJ")


def exchange_with(quote: int, kind: type[BusyExchange] = TradedExchange) -> BusyExchange:
    market = replace(a_market(), maker_fee_rate=Decimal("0.0002"))
    return kind(market, quote=Decimal(quote), price=Decimal(60_000), clock=RealClock(), dice=Random(1))


async def asked(settings: Settings, exchange: BusyExchange, start: Start | None = None) -> AccountPlan:
    @asynccontextmanager
    async def open_it(_: RealWorld) -> AsyncIterator[Exchange]:
        yield exchange

    return await account_plan(settings, start or Start(), open_it)


async def test_it_has_the_accounts_own_fees_and_balances_and_places_nothing(tmp_path: Path) -> None:
    settings, exchange = load(SANDBOX + GRID, tmp_path, state_dir=tmp_path / "state"), exchange_with(10_000)
    plan = await asked(settings, exchange)
    (grid,) = plan.grids
    assert (len(plan.key), plan.problems, grid.is_new, grid.maker_fee_rate) == (12, (), True, Decimal("0.0002"))
    assert [(balance.currency, balance.free) for balance in plan.balances] == [
        ("BTC", Decimal(0)),
        ("USDT", Decimal(10_000)),
    ]
    assert grid.preflight is not None
    assert (grid.preflight.price, len(grid.preflight.rows)) == (Decimal(60000), 40)
    assert exchange.open_ids == []
    assert not settings.engine.state_dir.exists()


async def test_what_one_grid_needs_the_next_one_cannot_have(tmp_path: Path) -> None:
    settings = load(SANDBOX + GRID + SECOND, tmp_path, state_dir=tmp_path / "state")
    plan = await asked(settings, exchange_with(5_000))
    assert [bool(grid.problems) for grid in plan.grids] == [False, True]
    assert plan.problems[0].startswith("b2: ")


async def test_a_market_that_nobody_trades_is_a_problem_of_its_grid(tmp_path: Path) -> None:
    settings = load(SANDBOX + GRID, tmp_path, state_dir=tmp_path / "state")
    plan = await asked(settings, exchange_with(10_000, BusyExchange))
    assert plan.problems == ("btc: BTC/USDT: expected that it was traded of late, found no candle of the last days",)


async def test_in_paper_the_balances_are_those_of_a_new_account(tmp_path: Path) -> None:
    settings = load('[engine]\nmode = "paper"\n[simulation]\nquote = 4321\n' + GRID, tmp_path)
    settings = replace(settings, engine=replace(settings.engine, state_dir=tmp_path / "state"))
    plan = await asked(settings, exchange_with(10_000))
    assert (plan.key, [balance.free for balance in plan.balances]) == ("", [Decimal(0), Decimal(4321)])


def test_a_swap_account_begins_with_its_margin_alone(tmp_path: Path) -> None:
    text = '[engine]\nmode = "paper"\n[exchange]\nmarket_type = "swap"\n[simulation]\nbase = 2\n' + SWAP_GRID
    assert paper_balances(load(text, tmp_path)) == {"USDT": Decimal(10_000)}


async def test_a_journal_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    settings = load(SANDBOX + GRID, tmp_path, state_dir=tmp_path / "state")
    settings.engine.state_dir.mkdir()
    (settings.engine.state_dir / "journal.db").write_bytes(b"no journal")
    with pytest.raises(SettingsInvalid, match=r"journal\.db"):
        await asked(settings, exchange_with(10_000))
