"""The first pre-flight: what the configured grids would do on a real account, asked of the exchange without an engine.

Nothing is placed, nothing is written, and an engine that runs is not disturbed.
"""

import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import anyio

from engine.core.costs import Funds
from engine.core.lattice import funds_needed, make_lattice
from engine.core.preflight import preflight
from engine.exchange.port import Balance, Exchange
from engine.model.account import AccountPlan, GridPlan
from engine.model.errors import JournalFailed, SettingsInvalid
from engine.model.events import GridOpened
from engine.model.grid import GridSpec
from engine.model.market import Market
from engine.model.money import ZERO, nearest_step
from engine.model.preflight import Preflight
from engine.model.regime import Candle
from engine.model.snapshot import BalanceView, Mode
from engine.runtime.abandoning import check_abandoned
from engine.runtime.account_view import answered
from engine.runtime.clock import RealClock
from engine.runtime.facts_codec import JournalIdentity
from engine.runtime.journal_file import JOURNAL_NAME
from engine.runtime.journal_store import read_records_above
from engine.runtime.rate_budget import ORDERS_PER_MINUTE
from engine.runtime.redaction import Redactor, install_redaction
from engine.runtime.worlds import OpenExchange, RealWorld, keys_of, paper_balances
from engine.settings import Settings, Start

ASKING_SECONDS_MAX = 90.0
_INTERVALS_MS = (60_000, 3_600_000, 86_400_000)


async def account_plan(settings: Settings, start: Start, open_exchange: OpenExchange) -> AccountPlan:
    """Ask the exchange what this start would be.

    Raises:
        SettingsInvalid: the keys or the exchange cannot be used, or a fresh start would leave orders behind.
        TimeoutError: the exchange did not answer.
    """
    if start.is_fresh:
        check_abandoned(settings, settings.engine.state_dir)
    keys = keys_of(settings)
    clock = RealClock()
    world = RealWorld(
        settings=settings,
        folder=settings.engine.state_dir,
        clock=clock,
        keys=keys,
        start=start,
        keeps=False,
        open_exchange=open_exchange,
        identity=JournalIdentity(instance="000", created_ms=clock.now_ms()),
    )
    begun = frozenset[str]() if start.is_fresh else _begun(world.folder / JOURNAL_NAME)
    uninstall = install_redaction(Redactor(() if keys is None else keys.every()))
    try:
        with anyio.fail_after(ASKING_SECONDS_MAX):
            return await _asked(world, begun)
    finally:
        uninstall()


async def _asked(world: RealWorld, begun: frozenset[str]) -> AccountPlan:
    settings, keys = world.settings, world.keys
    async with world.open_exchange(world) as exchange:
        balances = await _balances(settings, exchange)
        rest = {currency: balance.free + balance.locked for currency, balance in balances.items()}
        grids = [await _plan(exchange, settings, spec, rest, is_new=spec.name not in begun) for spec in settings.grids]
        return AccountPlan(
            exchange=exchange.name,
            key="" if keys is None else keys.fingerprint(),
            balances=_shown(balances, grids),
            grids=tuple(grids),
        )


async def _balances(settings: Settings, exchange: Exchange) -> dict[str, Balance]:
    """Of the account; in paper those with which a new one begins."""
    if settings.engine.mode is Mode.LIVE:
        return await answered(exchange.fetch_balances)
    return {currency: Balance(free=free, locked=ZERO) for currency, free in paper_balances(settings).items()}


async def _plan(
    exchange: Exchange, settings: Settings, spec: GridSpec, rest: dict[str, Decimal], *, is_new: bool
) -> GridPlan:
    market = await answered(lambda: exchange.fetch_market(spec.symbol))
    flight: Preflight | None = None
    problems: tuple[str, ...] = ()
    if is_new:
        risk = settings.risk_of(spec.name)
        try:
            price = await _price(exchange, market)
            lattice = make_lattice(spec, market, price)
            flight = preflight(
                spec,
                market,
                lattice,
                price,
                limits=risk.limits,
                stops=risk.stops,
                requests_per_minute=ORDERS_PER_MINUTE,
                available_quote=rest.get(market.quote, ZERO),
                available_base=ZERO if market.swap else rest.get(market.base, ZERO),
            )
            problems = flight.problems
            _take(rest, market, funds_needed(spec, market, lattice))
        except SettingsInvalid as impossible:
            problems = impossible.problems
    return GridPlan(
        name=spec.name,
        symbol=spec.symbol,
        is_new=is_new,
        maker_fee_rate=market.maker_fee_rate,
        taker_fee_rate=market.taker_fee_rate,
        preflight=flight,
        problems=problems,
    )


async def _price(exchange: Exchange, market: Market) -> Decimal:
    """About what the market trades at: a quiet one has no candle of every minute."""
    for interval_ms in _INTERVALS_MS:
        candles = await _candles(exchange, market.symbol, interval_ms)
        if candles:
            return nearest_step(Decimal(str(candles[-1].close)), market.tick_size)
    raise SettingsInvalid(f"{market.symbol}: expected that it was traded of late, found no candle of the last days")


async def _candles(exchange: Exchange, symbol: str, interval_ms: int) -> Sequence[Candle]:
    return await answered(lambda: exchange.fetch_candles(symbol, interval_ms, 1))


def _take(rest: dict[str, Decimal], market: Market, funds: Funds) -> None:
    """What one grid needs the next one cannot have."""
    rest[market.quote] = rest.get(market.quote, ZERO) - funds.quote
    if market.swap is None:
        rest[market.base] = rest.get(market.base, ZERO) - funds.base


def _shown(balances: Mapping[str, Balance], grids: list[GridPlan]) -> tuple[BalanceView, ...]:
    """The currencies that the grids trade."""
    wanted = {part for grid in grids for part in grid.symbol.replace(":", "/").split("/")}
    return tuple(
        BalanceView(currency=currency, free=balance.free, locked=balance.locked)
        for currency, balance in sorted(balances.items())
        if currency in wanted
    )


def _begun(journal: Path) -> frozenset[str]:
    """The grids that the journal knows. Raises ``SettingsInvalid`` where it cannot be read."""
    if not os.path.lexists(journal):
        return frozenset()
    try:
        return frozenset(r.grid for r in read_records_above(journal, 0) if isinstance(r.fact, GridOpened))
    except JournalFailed as failed:
        raise SettingsInvalid(str(failed)) from failed
